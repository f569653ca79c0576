"""What each command says and with which code it ends, on the program as a user starts it."""

import csv
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pytest

from fixtures.make_submissions import SUBMISSIONS
from grader.errors import StoreError
from grader.sandbox import ladder
from grader.store import Store

EXCELLENT = SUBMISSIONS / "R13940001_week14_colab1_homework.ipynb"
WRONG_AXIS = SUBMISSIONS / "R13940003_week14_colab1_homework.ipynb"
BROKEN = SUBMISSIONS / "R13940009_week14_colab1_homework.ipynb"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "handed in"
    made.mkdir()
    return made


def hand_in(folder, *cells, name="R13940001_week14_colab1_homework.ipynb"):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(book, folder / name)
    return folder / name


# wrong use: one or two lines, exit 2, nothing run, nothing lost -------------------------------


@pytest.mark.parametrize(
    "arguments, said",
    [
        (
            ["run", "submisions"],
            ["no such file or folder: submisions", "did you mean submissions/ ?"],
        ),
        (["run"], ["requires an argument"]),
        (["run", "README.md"], ["README.md"]),
        (["run", "submissions", "--sed", "3"], ["--sed", "--seed"]),
        (["run", "submissions", "--seed", "many"], ["many"]),
        (["run", "submissions", "--seed", "-4"], ["--seed", "greater than or equal to 0"]),
        (["run", "submissions", "--workers", "0"], ["--workers", "greater than or equal to 1"]),
        (["run", "submissions", "--config", "no.toml"], ["no such file: no.toml"]),
        (["runn", "submissions"], ["runn", "run"]),
        (["validate", "week41"], ["week41", "week14"]),
        (["judge", "no/such/folder"], ["no/such/folder", "grader run"]),
        (["compare", "no/such/folder", "no/other"], ["no/such/folder", "grader run"]),
        (["report", "-o", "no/such/folder"], ["no/such/folder", "grader run"]),
        (["check", "no.ipynb"], ["no such file or folder: no.ipynb"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_use_is_told_in_a_line_or_two_and_ends_with_2(command, arguments, said):
    ended = command(*arguments)

    assert ended.returncode == 2, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    assert 1 <= len(lines) <= 2, ended.stderr
    assert lines[0].startswith("error: ")
    for part in said:
        assert part in ended.stderr
    assert ended.stdout == ""


def test_an_empty_folder_is_wrong_use(command, folder, tmp_path):
    ended = command("run", folder, "-o", tmp_path / "r")

    assert ended.returncode == 2
    assert "no files" in ended.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    "text, said",
    [
        (
            '[course]\n\ndeadlin = "x"\n',
            ['line 3: unknown key "deadlin" in [course]', '"deadline"?'],
        ),
        ("[limit]\n", ["line 1", '"limit"', '"limits"?']),
        ("[limits]\ncell_seconds = 0\n", ["line 2", "cell_seconds", "greater than 0"]),
        ('[limits]\ncell_seconds = "long"\n', ["line 2", "cell_seconds"]),
        ("[run\n", ["is not TOML", "line 1"]),
    ],
    ids=["key", "table", "range", "type", "syntax"],
)
def test_a_wrong_grader_toml_is_told_with_its_line(command, folder, tmp_path, text, said):
    hand_in(folder, "1")
    (tmp_path / "grader.toml").write_text(text, encoding="utf-8")

    ended = command("run", folder, cwd=tmp_path)

    assert ended.returncode == 2
    assert ended.stderr.startswith("error: grader.toml")
    for part in said:
        assert part in ended.stderr
    assert not (tmp_path / "results").exists()


def test_every_error_of_grader_toml_is_told_at_once(command, folder, tmp_path):
    hand_in(folder, "1")
    (tmp_path / "grader.toml").write_text("[run]\nworkers = 0\nsed = 1\n", encoding="utf-8")

    ended = command("run", folder, cwd=tmp_path)

    assert "line 2" in ended.stderr and "line 3" in ended.stderr


def test_a_results_folder_that_cannot_be_written_is_wrong_use(command, tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")

    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        ended = command("run", EXCELLENT, "-o", output)
        assert ended.returncode == 2
        assert "-o" in ended.stderr
    assert (tmp_path / "file").read_text("utf-8") == "mine"


def test_a_read_only_results_folder_is_wrong_use():
    """Root may write anywhere, so a process that has become nobody tries."""
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        results = Path(home) / "results"
        results.mkdir(mode=0o555)
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            said = "no error"
            try:
                if os.getuid() == 0:
                    os.setgid(65534)
                    os.setuid(65534)
                with Store(results).held():
                    pass
            except StoreError as error:
                said = str(error)
            finally:
                os.write(theirs, said.encode())
                os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as told:
            said = told.read()
        os.waitpid(child, 0)
    assert said == f"{results} cannot be written (Permission denied): choose another with -o"


@pytest.mark.kernel
def test_a_folder_in_use_is_refused_with_who_holds_it(command, folder, tmp_path):
    hand_in(folder, "import time; time.sleep(8)")
    output = tmp_path / "results"
    first = subprocess.Popen(
        [sys.executable, "-m", "grader", "run", str(folder), "-o", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        while not (output / ".holder").exists():
            assert first.poll() is None
            time.sleep(0.05)
        second = command("run", folder, "-o", output)
        assert second.returncode == 2
        assert f"in use by process {first.pid}" in second.stderr
    finally:
        _, said = first.communicate(timeout=60)
    assert first.returncode == 0, said


# what needs a person, and what does not --------------------------------------------------------


def test_a_folder_in_which_nothing_can_be_placed_ends_with_1_and_the_list(
    command, folder, tmp_path
):
    (folder / "homework.ipynb").write_text("{}", encoding="utf-8")

    ended = command("run", folder, "-o", tmp_path / "r")

    assert ended.returncode == 1
    assert "homework.ipynb" in ended.stdout
    assert "its name does not say whose it is" in " ".join(ended.stdout.split())


@pytest.mark.kernel
def test_a_class_without_trouble_ends_with_0(command, tmp_path):
    ended = command("run", EXCELLENT, "-o", tmp_path / "r")

    assert ended.returncode == 0, ended.stderr
    assert "1 of 1 notebooks graded" in ended.stdout


@pytest.mark.kernel
def test_quiet_prints_the_result_alone(command, tmp_path):
    ended = command("run", EXCELLENT, "-o", tmp_path / "r", "-q")

    assert ended.stderr == ""
    assert ended.stdout.startswith("1 of 1 notebooks graded")


@pytest.mark.kernel
def test_json_on_stdout_is_json_and_nothing_else(command, tmp_path):
    ended = command("run", EXCELLENT, BROKEN, "-o", tmp_path / "r", "--json")

    said = json.loads(ended.stdout)
    assert said["exit_code"] == ended.returncode == 1
    by_id = {student["student_id"]: student for student in said["students"]}
    assert by_id["R13940001"]["notebooks"]["colab1"]["earned"] == 30
    assert by_id["R13940009"]["notebooks"]["colab1"]["earned"] is None
    assert by_id["R13940009"]["total"] is None


@pytest.mark.kernel
def test_a_seed_is_recorded_and_changes_the_inputs_but_no_mark(command, tmp_path):
    said = [
        json.loads(
            command("run", WRONG_AXIS, "-o", tmp_path / str(s), "--seed", s, "--json").stdout
        )
        for s in (1, 2)
    ]

    assert [s["run"]["seed"] for s in said] == [1, 2]
    first, second = (s["students"][0]["notebooks"]["colab1"]["questions"] for s in said)
    assert [q["earned"] for q in first] == [q["earned"] for q in second]
    assert [q["claims"] for q in first] != [q["claims"] for q in second]


@pytest.mark.kernel
def test_a_flag_wins_over_the_environment_and_that_over_the_file(command, tmp_path):
    (tmp_path / "grader.toml").write_text("[run]\nseed = 1\n", encoding="utf-8")

    def seed(*flags, **environment):
        ended = command("run", EXCELLENT, *flags, "--json", cwd=tmp_path, **environment)
        return json.loads(ended.stdout)["run"]["seed"]

    assert seed() == 1
    assert seed(GRADER_SEED="2") == 2
    assert seed("--seed", "3", GRADER_SEED="2") == 3


@pytest.mark.kernel
def test_fresh_grades_what_has_not_changed_anew(command, tmp_path):
    output = ("-o", tmp_path / "r")
    assert "grading 1/1" in command("run", EXCELLENT, *output).stderr
    assert "grading" not in command("run", EXCELLENT, *output).stderr
    assert "grading 1/1" in command("run", EXCELLENT, *output, "--fresh").stderr


@pytest.mark.kernel
def test_ctrl_c_keeps_what_is_graded_and_the_same_command_goes_on(command, folder, tmp_path):
    shutil.copy(EXCELLENT, folder)
    hand_in(folder, "import time; time.sleep(600)", name="R13940002_week14_colab1_homework.ipynb")
    output = tmp_path / "r"
    first = subprocess.Popen(
        [sys.executable, "-m", "grader", "run", str(folder), "-o", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(output.glob("records/*colab1*")):
        assert first.poll() is None
        time.sleep(0.1)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)

    assert first.returncode == 130, said
    assert "goes on" in said
    assert "Traceback" not in said
    hand_in(folder, "1", name="R13940002_week14_colab1_homework.ipynb")
    assert "grading 1/1" in command("run", folder, "-o", output).stderr


# the other commands ------------------------------------------------------------------------------


@pytest.mark.kernel
def test_check_shows_one_notebook_and_writes_nothing(command, tmp_path):
    right = command("check", EXCELLENT, cwd=tmp_path)
    wrong = command("check", WRONG_AXIS, cwd=tmp_path)

    assert (right.returncode, wrong.returncode) == (0, 1)
    assert "each row of K.T @ Q add up to one" in " ".join(wrong.stdout.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.kernel
def test_check_public_asks_the_published_cases_only(command, tmp_path):
    ended = command("check", WRONG_AXIS, "--public", cwd=tmp_path)

    assert ended.returncode == 1
    assert "it gives the printed true values" in ended.stdout
    assert "other D and N" not in ended.stdout
    assert command("check", EXCELLENT, "--public", cwd=tmp_path).returncode == 0


def test_check_says_why_a_file_cannot_be_graded(command):
    ended = command("check", BROKEN)

    assert ended.returncode == 1
    assert "JSON breaks off at line" in ended.stderr


@pytest.mark.kernel
def test_report_shows_a_student_by_an_id_of_any_case(command, sample_class):
    results, _ = sample_class
    ended = command("report", "r13940003", "-o", results)

    assert ended.returncode == 0
    assert ended.stdout.startswith("R13940003")
    assert "R13940004" not in ended.stdout
    near = command("report", "R1394000", "-o", results)
    assert near.returncode == 2
    assert "did you mean R139400" in near.stderr
    assert "R13940004" in command("report", "--class", "-o", results).stdout


def test_validate_prints_the_proof_and_ends_with_0(command):
    ended = command("validate", "week14", "--mutants", "60")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "no breach" in ended.stdout
    assert "mutation score" in ended.stdout


def test_a_number_of_mutants_below_zero_is_refused(command):
    ended = command("validate", "--mutants", "-1")

    assert ended.returncode == 2
    assert "so 0 or more" in ended.stderr


@pytest.mark.kernel
def test_doctor_says_what_fits_and_what_does_not(command):
    ended = command("doctor")

    assert ended.returncode == 0, ended.stdout
    letter = ladder.rung().letter
    assert f"rung {letter}" in ended.stdout
    found = {f["thing"]: f for f in json.loads(command("doctor", "--json").stdout)}
    assert found["kernel"]["state"] == "ok"
    assert found["walls"]["state"] == {"A": "ok", "B": "warn", "C": "fail"}[letter]


@pytest.fixture(scope="module")
def changeable(command, tmp_path_factory):
    """A copy of the project with one notebook graded into r, which can then run no notebook."""
    home = tmp_path_factory.mktemp("project")
    for name in ("reference", "fixtures", "grader"):
        shutil.copytree(SUBMISSIONS.parent / name, home / name)
    ended = command("run", WRONG_AXIS, "-o", home / "r", cwd=home, PYTHONPATH=str(home))
    assert ended.returncode == 0, ended.stderr
    (home / "grader" / "sandbox" / "notebook.py").write_text("raise RuntimeError('it runs')\n")
    ended = command("run", WRONG_AXIS, "-o", home / "x", cwd=home, PYTHONPATH=str(home))
    assert (ended.returncode, "it runs" in ended.stderr) == (3, True)
    return home


@pytest.mark.kernel
@pytest.mark.parametrize(
    "text, instead, code, said",
    [
        ("own_sizes, points=3)", "own_sizes, points=1)", 1, ["of 3 → ", " of 1"]),
        (
            'target="self_attention",',
            'target="self_attention",\n    tolerance=Tolerance(rtol=50.0),',
            1,
            [
                "tolerance of self_attention   0.001 + 1e-12 → 50 + 1e-12",
                "recognised: normalised along rows → nothing",
                "it is right: failed → passed, 0 of 3 → 3 of 3",
            ],
        ),
        ("sum over axis=0.", "add up the rows.", 0, ["other advice (R13940003)", "same points"]),
        ('"normalised_along_rows"', '"rows_add_up"', 0, ["normalised along rows → rows add up"]),
    ],
    ids=["points", "tolerance", "advice", "misconception"],
)
def test_what_a_ta_changes_counts_without_running_code_and_compare_lists_it(
    command, changeable, tmp_path, text, instead, code, said
):
    for name in ("reference", "fixtures", "grader", "r"):
        shutil.copytree(changeable / name, tmp_path / name)
    here = {"cwd": tmp_path, "PYTHONPATH": str(tmp_path)}
    shutil.copytree(tmp_path / "r", tmp_path / "before")
    question = tmp_path / "reference" / "week14" / "self_attention.py"
    source = question.read_text("utf-8").replace("import Check, Q", "import Check, Tolerance, Q")
    assert text in source
    source = source.replace(text, instead)
    if code and "points" in text:  # the points of a notebook are fixed
        source = source.replace("equal_scores, points=1.5)", "equal_scores, points=3.5)")
    question.write_text(source, "utf-8")

    judged = command("judge", "r", **here)
    compared = command("compare", "before", "r", **here)

    assert judged.returncode == 0, judged.stderr
    assert compared.returncode == code, compared.stderr
    assert "assignment digest" in compared.stdout
    for words in said:
        assert words in compared.stdout
    as_json = json.loads(command("compare", "before", "r", "--json", **here).stdout)
    assert as_json["same"] == (code == 0)
    listed = as_json["changed"] if code else as_json["retold"]
    assert [s["student"] for s in listed] == ["R13940003"]
    assert [q["question"] for q in listed[0]["questions"]] == ["self_attention"]
    same = command("compare", "r", "r", **here)
    assert (same.returncode, same.stdout) == (0, "Every student has the same points.\n")


@pytest.mark.kernel
def test_compare_says_what_it_cannot_read(command, changeable, tmp_path):
    shutil.copytree(changeable / "r", tmp_path / "r")
    (tmp_path / "r" / "verdicts.csv").write_bytes(b"student_id\nR1\n")

    ended = command("compare", changeable / "r", tmp_path / "r")

    assert ended.returncode == 2
    assert "verdicts.csv lacks columns" in ended.stderr
    assert "grader judge" in ended.stderr


def with_outputs(source, folder, name, outputs=None, disguise=lambda text: text):
    """A sample handed in by somebody, with these texts saved below its cells (from a word of the
    cell), and its code disguised."""
    book = nbformat.read(source, 4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.source = disguise(cell.source)
            for word, text in (outputs or {}).items():
                if word in cell.source:
                    cell.outputs = [nbformat.v4.new_output("stream", text=text)]
    nbformat.write(book, folder / name)


@pytest.mark.kernel
def test_what_is_suspicious_is_flagged_and_costs_nothing(command, folder, tmp_path):
    printed = """
        [[ 0.94744244 1.64201168 1.61949281] [-0.24348429 -0.08470004 -0.06641533]
         [-0.91310441 4.02764044 3.96863308] [-0.44522983 2.18690791 2.15858316]]
    """
    name = "R1394100{}_week14_colab1_homework.ipynb".format
    with_outputs(WRONG_AXIS, folder, name(1), {"print(X_prime)": printed * 2})
    with_outputs(
        EXCELLENT, folder, name(2), disguise=lambda text: "# mine\n" + text.replace("query", "qq")
    )
    shutil.copy(EXCELLENT, folder / name(3))
    shutil.copy(WRONG_AXIS, folder / name(4))
    shutil.copy(WRONG_AXIS, folder / name(5))
    shutil.copy(EXCELLENT, folder / name(6))
    hand_in(folder, "def softmax(x):\n    return x", name=name(7))

    ended = command("run", folder, "-o", tmp_path / "r")

    assert ended.returncode == 0, ended.stderr
    with (tmp_path / "r" / "questions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    flags = {
        (row["student_id"][-1], row["question"]): set(row["flags"].split(";"))
        for row in rows
        if row["notebook"] == "colab1"
    }
    told = {"saved_output_differs", "similar_code", "identical_file", "not_executed"}
    assert flags["1", "self_attention"] & told == {"saved_output_differs", "similar_code"}
    assert flags["1", "softmax"] & told == {"similar_code"}
    assert flags["2", "qkv"] & told == {"similar_code"}
    assert (
        flags["3", "qkv"] & told == flags["6", "qkv"] & told == {"similar_code", "identical_file"}
    )
    assert flags["4", "softmax"] & told == {"similar_code", "identical_file"}
    assert flags["7", "softmax"] & told == {"not_executed"}
    earned = {(row["student_id"][-1], row["question"]): row["earned"] for row in rows}
    assert earned["2", "qkv"] == earned["3", "qkv"] == "6"
    assert earned["1", "self_attention"] == earned["4", "self_attention"]


def test_help_names_every_command(command):
    said = command("--help").stdout
    for name in ("run", "check", "judge", "report", "validate", "doctor"):
        assert name in said
    assert command("--version").stdout.strip() == "0.1.0"


def test_a_bug_of_ours_ends_with_3_and_says_where_the_details_are(tmp_path):
    script = (
        "import sys; sys.argv = ['grader', 'validate']\n"
        "from grader import validation, cli\n"
        "def broken(*_): raise ZeroDivisionError('planted')\n"
        "validation.validate = broken\n"
        "cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    (details,) = tmp_path.glob("grader-bug-*.txt")
    assert str(details) in done.stderr
    assert "planted" in details.read_text("utf-8")


@pytest.mark.kernel
def test_a_terminal_gets_a_progress_bar_and_the_table(tmp_path):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "grader", "run", str(EXCELLENT), "-o", str(tmp_path / "r")],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    ) as running:
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
        running.wait(60)
    os.close(ours)
    assert running.returncode == 0
    assert "━".encode() in seen
    assert b"R13940001" in seen


@pytest.mark.kernel
@pytest.mark.parametrize("encoding", ["ascii", "cp950"])
def test_a_stream_that_knows_few_characters_gets_what_it_can_print(command, tmp_path, encoding):
    ended = subprocess.run(
        [sys.executable, "-m", "grader", "run", str(EXCELLENT), "-o", str(tmp_path / "r")],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    ended.stdout.decode(encoding)
    assert b"R13940001" in ended.stdout


@pytest.mark.kernel
def test_a_notebook_handed_in_as_something_else_is_never_a_silent_zero(command, folder, tmp_path):
    shutil.copy(EXCELLENT, folder)
    (folder / "R13940001_week14_colab2_homework.zip").write_bytes(b"PK\x03\x04")

    ended = command("run", folder, "-o", tmp_path / "r")

    assert ended.returncode == 1
    assert "R13940001 colab2" in ended.stdout
    (row,) = (tmp_path / "r" / "gradebook.csv").read_text("utf-8-sig").splitlines()[1:]
    assert row.startswith("R13940001,,30,,0,,needs_person,")


def test_check_of_a_folder_is_wrong_use(command, folder):
    ended = command("check", folder)

    assert ended.returncode == 2
    assert "is a folder: name one notebook" in ended.stderr


def test_a_folder_without_any_notebook_ends_with_1_and_names_what_is_there(
    command, folder, tmp_path
):
    (folder / "notes.txt").write_text("hello", encoding="utf-8")

    ended = command("run", folder, "-o", tmp_path / "r")

    assert ended.returncode == 1
    assert "notes.txt" in ended.stdout
    as_json = command("run", folder, "-o", tmp_path / "r", "--json")
    assert json.loads(as_json.stdout)["exit_code"] == 1


@pytest.mark.kernel
def test_a_function_that_no_statement_defines_is_judged_all_the_same(command, folder, tmp_path):
    hand_in(
        folder,
        "import numpy as np\nfrom scipy.special import softmax",
        "%%writefile mine.py\nimport numpy as np\n"
        "def self_attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):\n"
        "    S = (beta_k + omega_k @ X).T @ (beta_q + omega_q @ X)\n"
        "    A = np.exp(S)\n"
        "    return (beta_v + omega_v @ X) @ (A / A.sum(axis=0))",
        "from mine import *",
    )

    command("run", folder, "-o", tmp_path / "r")

    rows = (tmp_path / "r" / "questions.csv").read_text("utf-8")
    assert "colab1,softmax,passed,6,6" in rows
    assert "colab1,self_attention,passed,10,10" in rows


@pytest.mark.kernel
def test_a_function_that_ends_the_kernel_comes_out_the_same_each_time(command, folder, tmp_path):
    for number in range(4):
        hand_in(
            folder,
            "def self_attention(X, *parameters):\n    import os\n    os._exit(3)",
            name=f"R1394000{number}_week14_colab1_homework.ipynb",
        )
    for name in ("one", "two"):
        assert command("run", folder, "-o", tmp_path / name).returncode == 0
    one, two = ((tmp_path / n / "verdicts.csv").read_bytes() for n in ("one", "two"))
    assert one == two
    assert one.count(b",self_attention,it is right,raised,0,3,") == 4


@pytest.mark.kernel
def test_a_notebook_that_could_not_be_asked_at_all_has_no_points_and_no_total(
    command, folder, tmp_path
):
    hand_in(
        folder,
        "import numpy as np\nnp.exp = np.asarray = np.ndarray = np.array = None",
        "def multihead_scaled_self_attention(X, *parameters):\n    return X",
        name="R13940001_week14_colab2_homework.ipynb",
    )

    ended = command("run", folder, "-o", tmp_path / "r")

    assert ended.returncode == 1
    (row,) = (tmp_path / "r" / "gradebook.csv").read_text("utf-8-sig").splitlines()[1:]
    assert row.startswith("R13940001,,0,,0,,needs_person,")


@pytest.mark.kernel
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_run_that_is_ended_ends_its_kernels_and_clears_its_folders(folder, tmp_path, name):
    hand_in(folder, "import time; time.sleep(600)")
    (tmp_path / "tmp").mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "grader", "run", str(folder), "-o", str(tmp_path / "r")],
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": tempfile.mkdtemp(prefix="e", dir="/tmp")},
    ) as running:
        time.sleep(3)
        kernels = subprocess.run(
            ["pgrep", "-P", str(running.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        running.send_signal(getattr(signal, name))
        running.communicate(timeout=30)
    assert running.returncode == 130
    assert kernels
    assert not any(Path(f"/proc/{pid}").exists() for pid in kernels)
    assert not (tmp_path / "r" / ".holder").exists()


def test_a_full_disk_is_told_in_a_line(command, sample_class):
    results, _ = sample_class
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "grader", "report", "-o", str(results)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
