"""A class of 100 students with three notebooks each, a tenth of the files damaged."""

import gzip
import json
import os
import random
import stat

import nbformat
import pytest

from grader.sandbox import ladder
from tests.e2e.conftest import ROOT, table
from tests.ingest.test_archives import encrypted, special, zipped

pytestmark = pytest.mark.kernel

SUBMISSIONS = ROOT / "submissions"
STUDENTS = [f"R1395{number:04}" for number in range(1, 101)]
NOTEBOOKS = ("colab1", "colab2", "colab3")
ENCODING = """import math, torch, torch.nn as nn
class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1, max_len=5000):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        pos = torch.arange(max_len)[:, None]
        angle = pos * torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.stack([torch.sin(angle), torch.cos(angle)], -1).reshape(max_len, 1, d_model)
        self.register_buffer('pe', pe)
    def forward(self, x):
        return self.dropout(x + self.pe[:x.size(0)])"""


def book(*cells):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    for number, cell in enumerate(made.cells):
        cell.id = str(number)
    return nbformat.writes(made).encode()


GOOD = book("x = 1")
NO_NOTEBOOK = {
    "empty": b"",
    "blank": b" \n\n",
    "cut short": GOOD[: len(GOOD) // 2],
    "zeros": bytes(5000),
    "a page that asks to log in": b"<!DOCTYPE html><html><title>Login</title></html>",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "a pdf": b"%PDF-1.7\n" + bytes(100),
    "gzip": gzip.compress(GOOD),
    "an archive": zipped({"a.txt": b"a"}),
    "a conflict": b"<<<<<<< HEAD\n" + GOOD + b"\n=======\n{}\n>>>>>>> mine\n",
    "a list": b"[]",
    "a number": b"1e999",
    "no cells": b'{"nbformat": 4, "metadata": {}}',
    "cells that are none": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 7}',
    "deep": b"[" * 200_000,
    "bytes of no text": b'{"cells": "\xff\xfe\xfa"}',
    "a script": b"import numpy as np\nprint(1)\n",
}
RUNS_BADLY = {
    "leaves": book("import os", "os._exit(3)"),
    "crashes": book("import ctypes", "ctypes.string_at(0)"),
    "never ends": book("while True:\n    try:\n        while True: pass\n    except: pass"),
    "prints for ever": book("while True: print('x' * 10_000)"),
    "is no Python": book("def (:"),
}


@pytest.fixture(scope="module")
def batch(command, tmp_path_factory, need):
    """The damaged files by student and notebook, and two runs' folders: of the class, and of it
    without those files, with other workers and the files in another order."""
    need("walls", "" if ladder.rung().letter == "A" else "there is no bubblewrap that works")
    home = tmp_path_factory.mktemp("batch")
    right = {
        notebook: [
            (SUBMISSIONS / f"R1394000{n}_week14_{notebook}_homework.ipynb").read_bytes()
            for n in range(1, 9)
        ]
        for notebook in NOTEBOOKS[:2]
    } | {"colab3": [book(ENCODING), book("import torch", ENCODING + "\n"), book("x = 1")]}
    damage = [*NO_NOTEBOOK.values(), *RUNS_BADLY.values()]
    damaged = {}
    both, healthy = home / "both", home / "healthy"
    both.mkdir()
    healthy.mkdir()
    for i, student in enumerate(STUDENTS):
        for j, notebook in enumerate(NOTEBOOKS):
            name = f"{student}_week14_{notebook}_homework.ipynb"
            if (i + 3 * j) % 10 == 0:
                kind = len(damaged)
                damaged[student, notebook] = kind < len(NO_NOTEBOOK) or kind >= len(damage)
                if kind < len(damage):
                    (both / name).write_bytes(damage[kind])
                elif kind == len(damage):
                    (both / name).symlink_to("nowhere")
                elif kind == len(damage) + 1:
                    os.mkfifo(both / name)
                else:
                    (both / name).write_bytes(random.Random(kind).randbytes(3000))
            else:
                files = right[notebook]
                for folder in (both, healthy):
                    (folder / name).write_bytes(files[i % len(files)])
    other = {
        "slip.zip": zipped({"../../R13959999_week14_colab1_homework.ipynb": GOOD}),
        "rooted.zip": zipped({"/tmp/R13959998_week14_colab1_homework.ipynb": GOOD}),
        "link.zip": zipped(special("R13959997_week14_colab1_homework.ipynb", stat.S_IFLNK | 0o777)),
        "bomb.zip": zipped({"R13959996_week14_colab1_homework.ipynb": bytes(200 * 2**20)}),
        "locked.zip": encrypted({"R13959995_week14_colab1_homework.ipynb": GOOD}),
        "short.zip": zipped({"R13959994_week14_colab1_homework.ipynb": GOOD})[:-40],
    }
    for name, data in other.items():
        (both / name).write_bytes(data)
    limits = {"GRADER_CELL_SECONDS": "10"}
    first = command("run", both, "-o", home / "r", "--workers", "2", **limits)
    files = sorted(healthy.iterdir(), reverse=True)
    second = command("run", *files, "-o", home / "h", "--workers", "3", **limits)
    return damaged, other, first, second, home


def of(row):
    return row["student_id"], row["notebook"]


def test_every_student_has_one_row_and_every_bad_file_a_line(batch):
    damaged, other, first, _, home = batch

    assert first.returncode == 1, first.stdout + first.stderr
    assert "Traceback" not in first.stderr
    assert [row["student_id"] for row in table(home / "r" / "gradebook.csv")] == STUDENTS
    listed = {f["path"]: f for f in json.loads((home / "r" / "run.json").read_text())["files"]}
    for (student, notebook), no_notebook in damaged.items():
        path = str(home / "both" / f"{student}_week14_{notebook}_homework.ipynb")
        name = next(place for place in listed if path.endswith(place))
        assert listed[name]["became"] == ("needs_person" if no_notebook else "graded"), listed[name]
        assert (f"  {student} {notebook}  " in first.stdout) == no_notebook, name
    for name in other:
        assert f"  {name}  " in first.stdout


def test_what_is_healthy_is_graded_as_without_the_rest_whatever_workers_and_order(batch):
    damaged, _, _, second, home = batch
    hurt = {student for student, _ in damaged}

    assert second.returncode == 0, second.stderr
    for name in ("questions.csv", "verdicts.csv"):
        one, other = (
            [(who, row) for row in table(home / run / name) if (who := of(row)) not in damaged]
            for run in "rh"
        )
        assert one == other
        assert len({who for who, _ in one}) == 270
    one, other = (
        [row for row in table(home / run / "gradebook.csv") if row["student_id"] not in hurt]
        for run in "rh"
    )
    assert one == other
    assert len(one) == 70
    for student in set(STUDENTS) - hurt:
        page = f"reports/{student}.html"
        assert (home / "r" / page).read_bytes() == (home / "h" / page).read_bytes()


def test_nothing_is_written_outside_and_nothing_for_others_to_read(batch):
    _, _, _, _, home = batch

    assert {path.name for path in home.iterdir()} == {"both", "healthy", "r", "h"}
    assert not list(home.parent.glob("R1395*"))
    for path in [home / "r", *(home / "r").rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_students_page_tells_of_nobody_else(batch):
    _, _, _, _, home = batch

    for student in STUDENTS:
        page = (home / "r" / "reports" / f"{student}.html").read_text("utf-8")
        assert {one for one in STUDENTS if one in page} == {student}
