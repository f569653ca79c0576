"""What judging costs, when no code of a student runs: by notebook, and `grader judge` on a class.

    python tests/benchmarks/judging.py [--students 100] [--rounds 3]

The samples are run once; a class is made of copies of what was observed, under other ids.  It
measures and prints, and asserts nothing: machines differ.
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from meter import Meter
from msgspec import structs

from grader.config import settings
from grader.judge.questions import judge_question
from grader.model import FileNote
from grader.pipeline import plan
from grader.store import Store

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("colab1", "colab2", "colab3")
GOAL = 5.0  # seconds, of 100 students with 3 notebooks


def records(store):
    """What was observed of the samples, by kind of notebook."""
    found = defaultdict(list)
    for note in store.notes():
        record = store.load(note.student, note.notebook) if note.became == "graded" else None
        if record is not None:
            found[note.notebook].append(record)
    return found


def made_class(samples, students, folder, manifest):
    """A run folder in which each student handed in one notebook of each kind."""
    store, notes = Store(folder), []
    with store.held():
        for kind in KINDS:
            of_kind = itertools.cycle(samples[kind])
            for number, record in zip(range(students), of_kind, strict=False):
                student = f"B139{number:05}"
                path = f"{student}_week14_{kind}_homework.ipynb"
                submission = structs.replace(record.submission, student=student, path=path)
                store.save(structs.replace(record, submission=submission))
                notes.append(FileNote(path, "graded", f"{number:064}", student, kind))
        store.save_notes(notes)
        store.write("run.json", json.dumps(manifest).encode())


def by_notebook(samples, manifest, rounds):
    """CPU milliseconds to judge a notebook of each kind: the first, and each of the others."""
    the_plan = plan(settings(None, {}, {}), seed=manifest["seed"])
    print("CPU ms to judge a notebook: the median of all samples, the dearest, and at first")
    for kind in KINDS:
        questions = {key: question for key, (question, _) in the_plan.questions(kind).items()}
        costs = []
        for record in [*samples[kind][:1], *samples[kind] * rounds]:
            started = time.process_time()
            for key, question in questions.items():
                judge_question(question, record.observed[key], the_plan.seed)
            costs.append(1000 * (time.process_time() - started))
        first, *others = costs
        print(
            f"{kind:10} {statistics.median(others):8.2f} {max(others):8.2f} {first:8.1f}"
            f"   ({len(samples[kind])} samples)"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    grader = [sys.executable, "-m", "grader"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="judging-") as home, Meter() as meter:
        run, class_ = Path(home) / "run", Path(home) / "class"
        command = [*grader, "run", "-q", "-o", str(run), str(ROOT / "submissions")]
        meter.run(command, environment, ends=(0, 1))
        samples, manifest = records(Store(run)), Store(run).manifest()
        by_notebook(samples, manifest, given.rounds)
        made_class(samples, given.students, class_, manifest)
        used = [
            meter.run([*grader, "judge", "-q", str(class_)], environment, ends=(0, 1))
            for _ in range(given.rounds)
        ]
        start = meter.run([*grader, "--version"], environment)
    cpu = statistics.median(one.cpu for one in used)
    wall = statistics.median(one.wall for one in used)
    print(f"\n`grader judge`, {given.students} students x {len(KINDS)} notebooks, pages and all:")
    print(
        f"{cpu:.2f} s CPU, {wall:.2f} s wall (medians of {given.rounds}), "
        f"{1000 * cpu / given.students / len(KINDS):.1f} ms CPU a notebook; start {start.cpu:.2f} s"
    )
    if given.students == 100:
        print(f"{'✓' if cpu <= GOAL else '✗'} the goal is {GOAL:g} s")


if __name__ == "__main__":
    main()
