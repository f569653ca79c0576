"""What a notebook costs: CPU seconds and wall time by kind, ours beside plain nbclient.

    python tests/benchmarks/cost_per_notebook.py [--rounds 3] [--students 20]

A class of copies of four samples; the same files are run in turn (ours, plain, ours, plain, ...),
one after the other, so that both see the same machine.  CPU seconds are those of the whole process
tree.  Plain nbclient runs the cells and nothing else: no question is asked, nothing is judged or
written.  Of ours everything counts: taking in, running, asking, judging, CSV files and pages.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ("R13940001", "R13940003", "R13940004", "R13940005")
PLAIN = """
import sys, nbformat
from nbclient import NotebookClient
for path in sys.argv[1:]:
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=120, allow_errors=True, kernel_name="python3").execute()
"""


def handed_in(kind, students, folder):
    """A class's files of one kind, copied into `folder`."""
    made = []
    for number in range(students):
        sample = SAMPLES[number % len(SAMPLES)]
        path = Path(folder) / f"B139{number:05}_week14_{kind}_homework.ipynb"
        shutil.copy(ROOT / "submissions" / f"{sample}_week14_{kind}_homework.ipynb", path)
        made.append(str(path))
    return made


def measured(command, environment):
    """CPU seconds of the process tree and wall seconds of a command."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(
        command, env=environment, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return cpu, time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--students", type=int, default=20)
    given = parser.parse_args()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{given.students} students, one at a time, median of {given.rounds} rounds\n")
    print("kind      CPU s a notebook             wall s a notebook")
    print("          ours   nbclient   ratio      ours   nbclient   ratio")
    for kind in ("colab1", "colab2", "colab3"):
        ours, plain = [], []
        for _ in range(given.rounds):
            with tempfile.TemporaryDirectory() as home:
                files = handed_in(kind, given.students, home)
                run = [sys.executable, "-m", "grader", "run", "-q", "-j", "1"]
                ours.append(measured([*run, "-o", f"{home}/results", *files], environment))
                alone = environment | {"HOME": home}
                plain.append(measured([sys.executable, "-c", PLAIN, *files], alone))
        cells = []
        for part in (0, 1):
            a = statistics.median(one[part] for one in ours) / given.students
            b = statistics.median(one[part] for one in plain) / given.students
            cells.append(f"{a:5.2f}   {b:8.2f}   {a / b:5.2f}")
        print(f"{kind}   {cells[0]}     {cells[1]}", flush=True)


if __name__ == "__main__":
    main()
