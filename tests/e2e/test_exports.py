"""From NTU COOL's zip of a class to what its Canvas takes back, as the README tells it."""

import csv
import io
import json
import re
import stat
import zipfile
from dataclasses import dataclass

import nbformat
import pytest

from fixtures.make_submissions import SUBMISSIONS
from grader.sandbox import ladder
from tests.e2e.conftest import grader
from tests.export.canvas_rules import Course, Person, comes_back_to
from tests.ingest import lms_names

pytestmark = pytest.mark.kernel

ASSIGNMENT = "4321"
NAMES = ["學生 (MADE-UP, {})", "Student, {}", "學生_77_{}", "=學生{}()", "學/生 {}", "-學生 {}-"]
WORK = ["01", "03", "04", "05", "06", "07"]  # whose colab1 a student's is made from


@dataclass
class Member:
    """One made-up student, and what of the zip is that student's."""

    person: Person
    student: str
    attachment: str = ""
    own: str = ""
    work: bytes = b""


def work(student, of):
    """A notebook like a sample student's, but of bytes of its own."""
    whole = json.loads((SUBMISSIONS / f"R139400{of}_week14_colab1_homework.ipynb").read_bytes())
    whole["metadata"]["made_up"] = student
    return json.dumps(whole).encode()


def made_class():
    """Forty students, and the zip of what they handed in as NTU COOL packs it.

    Two handed in nothing, one a text, one a broken file, one twice, some through accounts without
    a login, whose files have Canvas's own names; one of these is late.
    """
    members, files = [], {"__MACOSX/._x": b""}
    for i in range(40):
        student = f"R139{41000 + i}" if i % 5 else f"4117{1000 + i}"
        name = NAMES[i % len(NAMES)].format(i)
        user, attachment = str(20001 + i), str(7001 + i)
        login = student.lower() + "@x.example" * (i % 2)
        member = Member(Person(user, name, login), student)
        members.append(member)
        own = f"{student}_week14_colab1_homework{'-1' * (i == 7)}.ipynb"
        data = b'{"cells": [' if i == 11 else work(student, WORK[i % len(WORK)])
        if i in (3, 4):
            continue
        if i == 5:
            files[f"{login.partition('@')[0]}#_{name}_{user}_text.html"] = b"<p>sorry</p>"
            continue
        packed = lms_names.ntu_cool(login, name, user, attachment, own)
        if i in (12, 13, 14):
            packed = lms_names.canvas(f"made up {i}", user, attachment, own, late=i == 13)
        files[packed] = data
        if i != 11:
            member.attachment, member.own, member.work = attachment, own, data
        if i == 7:
            older = own.replace("-1", "")
            files[lms_names.ntu_cool(login, name, user, "6999", older)] = work(student, "04")
    return members, files


def exported_gradebook(members, scores):
    """Canvas's own gradebook, as NTU COOL exports it."""
    written = io.StringIO()
    writer = csv.writer(written)
    assignments = [f"week14 colab1 ({ASSIGNMENT})", "week14 colab2 (4322)"]
    writer.writerow(["Student", "ID", "SIS Login ID", "Section", *assignments])
    writer.writerow(["", "", "", "", "Manual Posting", ""])
    writer.writerow(["    Points Possible", "", "", "", "100.00", "100.00"])
    for member in members:
        person = member.person
        name = f'="{person.name}"' if person.name.startswith("=") else person.name
        writer.writerow(
            [name, person.user, person.login, "生成式人工智慧", scores[person.user], ""]
        )
    writer.writerow(["Student, Test", "29999", "0a1b2c", "生成式人工智慧", "", ""])
    return written.getvalue().encode("utf-8-sig")


@dataclass
class Graded:
    """A class, graded: its folder, its zip, its gradebook in Canvas, and how the run ended."""

    members: list[Member]
    scores: dict[str, str]
    folder: object
    zip: object
    gradebook: object
    ended: object

    def export(self, *arguments):
        return grader("export", *arguments, "-o", self.folder)

    def earned(self):
        with (self.folder / "gradebook.csv").open(encoding="utf-8-sig", newline="") as file:
            return {row["student_id"]: row["colab1"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def graded(tmp_path_factory, need):
    need("walls", "" if ladder.rung().letter == "A" else "there is no bubblewrap that works")
    place = tmp_path_factory.mktemp("exports")
    members, files = made_class()
    scores = {m.person.user: "" for m in members}
    scores[members[6].person.user] = "100.00"
    scores[members[8].person.user] = "12.50"
    scores[members[9].person.user] = "EX"
    zipped = place / "genai-colab1_submissions.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    gradebook = place / "exported.csv"
    gradebook.write_bytes(exported_gradebook(members, scores))
    results = place / "results"
    ended = grader("run", zipped, "--roster", gradebook, "-o", results)
    return Graded(members, scores, results, zipped, gradebook, ended)


def test_everyone_has_a_row_and_who_needs_a_person_is_named(graded):
    assert graded.ended.returncode == 1, graded.ended.stderr
    earned = graded.earned()

    assert sorted(earned) == sorted(member.student for member in graded.members)
    assert [s for s, points in earned.items() if not points] == sorted(
        graded.members[i].student for i in (5, 11)
    )
    assert earned[graded.members[3].student] == earned[graded.members[13].student] == "0"


def test_canvas_gives_everyone_the_points_of_the_gradebook(graded):
    ended = graded.export("canvas", "--gradebook", graded.gradebook)

    assert ended.returncode == 1, ended.stderr
    for i in (5, 11):
        assert f"left out: {graded.members[i].student}: colab1 could not" in ended.stderr
    assert f"{graded.members[9].student}: is excused in Canvas" in ended.stderr
    file = graded.folder / "export" / "canvas-colab1.csv"
    assert ended.stdout.strip() == str(file), "no colab2 was graded: no zero for everyone"
    data = file.read_bytes()
    assert data.isascii()
    people = [member.person for member in graded.members]
    scores = {(ASSIGNMENT, user): score for user, score in graded.scores.items()}
    course = Course(people, {ASSIGNMENT: ("week14 colab1", 100.0)}, scores)
    meant = {
        (ASSIGNMENT, member.person.user): f"{float(earned) / 30 * 100:.2f}"
        for member in graded.members
        if (earned := graded.earned()[member.student]) and graded.scores[member.person.user] != "EX"
    }
    unchanged = {who for who, score in scores.items() if meant.get(who) == score}
    assert course.changed_by(data) == {w: p for w, p in meant.items() if w not in unchanged}
    assert len(unchanged) == 1 and data.count(b"\n") == 40 - 2 - 1 - 1 + 1


def test_without_the_export_the_accounts_in_the_names_and_the_roster_do(graded):
    ended = graded.export("canvas", "--column", f"{ASSIGNMENT}=colab1")

    assert ended.returncode == 1, ended.stderr
    assert "points are out of 30" in ended.stderr
    rows = (graded.folder / "export" / "canvas-colab1.csv").read_text("ascii").splitlines()
    assert rows[0] == f"Student,ID,Section,colab1 ({ASSIGNMENT})"
    assert len(rows) == 1 + 38


def test_each_notebook_goes_back_to_whom_it_came_from(graded):
    ended = graded.export("canvas-feedback", graded.zip)

    assert ended.returncode == 1, ended.stderr
    assert f"left out: {graded.members[11].student} colab1: not a notebook" in ended.stderr
    place = graded.folder / "export" / "canvas-feedback.zip"
    first = place.read_bytes()
    sent = {(m.person.user, m.attachment): m for m in graded.members if m.attachment}
    with zipfile.ZipFile(place) as archive:
        assert len(archive.namelist()) == len(sent) == 36
        for name in archive.namelist():
            member = sent.pop(comes_back_to(name))
            whole = nbformat.reads(archive.read(name).decode(), as_version=4)
            nbformat.validate(whole)
            ours = [c.source for c in whole.cells if "grader" in c.metadata.get("tags", ())]
            assert f" · {member.student}\n" in ours[0]
            assert len(ours) == 5, "the report, and a note for each question"
            assert not any(re.search(r"<[A-Za-z/!?]", said) for said in ours)
            theirs = [c.source for c in whole.cells if c.source not in ours]
            handed_in = json.loads(member.work)["cells"]
            assert theirs == ["".join(cell["source"]) for cell in handed_in]
            others = {m.student for m in graded.members} - {member.student}
            assert not any(other in json.dumps(whole) for other in others)
    graded.export("canvas-feedback", graded.zip)
    assert place.read_bytes() == first


def test_no_file_for_others_holds_a_formula_and_only_its_owner_reads_it(graded):
    graded.export("csv")
    graded.export("gradescope")

    for path in [graded.folder, *graded.folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600) or path.name == ".lock", path
    checked = 0
    for path in graded.folder.rglob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.reader(file):
                checked += 1
                assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    assert checked > 40
    results = list((graded.folder / "export" / "gradescope").glob("*/results.json"))
    assert len(results) == 38
    for path in results:
        assert json.loads(path.read_bytes())["tests"]


def test_who_is_not_in_the_export_is_listed_and_nothing_is_written(graded, tmp_path):
    lost = graded.members[8]
    text = graded.gradebook.read_text("utf-8-sig").splitlines(keepends=True)
    short = tmp_path / "short.csv"
    short.write_text("".join(t for t in text if f",{lost.person.user}," not in t), "utf-8")
    before = sorted((graded.folder / "export").rglob("*"))

    refused = graded.export("canvas", "--gradebook", short)

    assert refused.returncode == 2
    assert f"{lost.student} is not in it" in refused.stderr
    assert sorted((graded.folder / "export").rglob("*")) == before
    left_out = graded.export("canvas", "--gradebook", short, "--leave-out", lost.student)
    assert left_out.returncode == 1, left_out.stderr
    unknown = graded.export("canvas", "--gradebook", short, "--leave-out", "R7")
    assert unknown.returncode == 2 and "no such student" in unknown.stderr


def test_moodle_s_worksheet_is_filled(graded, tmp_path):
    sheet = tmp_path / "Grades-GENAI-week14 colab1--77.csv"
    rows = [f"參與者 {i},甲,{m.student},已繳交,,30.00,是,-\n" for i, m in enumerate(graded.members)]
    sheet.write_text("識別碼,全名,學號,狀態,成績,最高成績,可改,時間\n" + "".join(rows), "utf-8")

    ended = graded.export("moodle", sheet)

    assert ended.returncode == 1, ended.stderr
    written = (graded.folder / "export" / "moodle-colab1.csv").read_text("utf-8").splitlines()
    grades = {row.split(",")[2]: row.split(",")[4] for row in written[1:]}
    assert grades == {s: f"{float(p):.2f}" if p else "" for s, p in graded.earned().items()}
    assert [row.split(",")[6:] for row in written[1:]] == [["是", "-"]] * 40
    unnamed = tmp_path / "sheet.csv"
    unnamed.write_bytes(sheet.read_bytes())
    refused = graded.export("moodle", unnamed)
    assert refused.returncode == 2
    assert "--notebook colab1 or colab2 or colab3 or total" in refused.stderr


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["canvas", "--column", "4321"], "write the assignment's number, ="),
        (["canvas", "--column", "x=colab1"], "--column 4321=colab1"),
        (["canvas", "--column", "1=colab1", "--column", "2=colab1"], "colab1 is given twice"),
        (["canvas", "--column", "1=colab1", "--column", "1=total"], "1 is given twice"),
        (["canvas", "--gradebook", "no.csv"], "no such file: no.csv"),
        (["canvas-feedback", "no.zip"], "no such file or folder: no.zip"),
        (["moodle", "no.csv"], "say whose points"),
    ],
)
def test_wrong_use_is_told_and_writes_nothing(graded, arguments, said):
    ended = graded.export(*arguments)

    assert ended.returncode == 2
    assert said in ended.stderr


def test_a_third_person_gets_the_same_evidence_by_rerunning(graded, tmp_path):
    member = graded.members[1]

    ended = grader("appeal", member.student.lower(), graded.zip, "-o", graded.folder)

    assert ended.returncode == 0, ended.stderr
    name = f"appeal-{member.student}.zip"
    with zipfile.ZipFile(graded.folder / "export" / name) as archive:
        archive.extractall(tmp_path / "appeal")
        everything = {n: archive.read(n).decode() for n in archive.namelist()}
    assert sorted(everything) == [
        "README.md", "claims.md", "evidence.json", "grader.toml", "handed_in.json",
        f"notebooks/{member.own}",
    ]  # fmt: skip
    others = {m.student for m in graded.members} - {member.student}
    assert not any(other in text for other in others for text in everything.values())
    commands = re.search(r"```\n(.*?)```", everything["README.md"], re.DOTALL)[1].splitlines()
    for line in commands:
        if line.startswith("python3 run.py grader "):
            again = grader(*line.split()[3:], cwd=tmp_path)
            assert again.returncode == 0, again.stderr
    with zipfile.ZipFile(tmp_path / "again" / "export" / name) as archive:
        assert archive.read("evidence.json").decode() == everything["evidence.json"]


def test_evidence_without_the_notebooks_names_them_by_their_digests(graded):
    member = graded.members[2]

    ended = grader("appeal", member.student, "-o", graded.folder)

    assert ended.returncode == 0, ended.stderr
    assert "is not in the pack: only its SHA-256 is" in ended.stderr
    with zipfile.ZipFile(graded.folder / "export" / f"appeal-{member.student}.zip") as archive:
        assert not [name for name in archive.namelist() if name.startswith("notebooks/")]
        readme = archive.read("README.md").decode()
    run = json.loads((graded.folder / "run.json").read_bytes())
    (sha256,) = (f["sha256"] for f in run["files"] if f["student_id"] == member.student)
    assert f"| colab1 | `{sha256}` | no |" in readme
    assert "| colab2 | not handed in | no |" in readme
    assert f"named like `{member.student}_week14_colab1_homework.ipynb`" in readme
