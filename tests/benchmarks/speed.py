"""What grading a class costs: ours beside plain nbclient and beside the floor, in the same run.

    python tests/benchmarks/speed.py [--kinds colab1 ...] [--students 100] [--rounds 3]
                                     [--only cost ...] [--scale] [--profile]

A class of copies of four samples, each with its own number in every cell that the student wrote.
The same files are run in turn (nbclient, floor, ours, nbclient, ...), so that all three see the
same machine; medians are of the ratios within a round.

    ours      `grader run -j 1`: taking in, running behind walls, asking, judging, pages, CSV, start
    nbclient  a cold kernel for each notebook, the cells and nothing else; without its own imports
    floor     `exec` of the cells in a warm fork and the same calls; without its own imports

nbclient cannot run Colab's own cells, after which most of colab3 fails at once: the row "adapted"
gives it what the floor is given.  CPU seconds are those of the whole process tree (see meter.py).
It measures and prints, and asserts nothing: machines differ.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import floor
import inside_out
from meter import Children, Meter

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("colab1", "colab2", "colab3")
SAMPLES = ("R13940001", "R13940003", "R13940004", "R13940005")
PARTS = ("cost", "memory", "first", "three", "beyond")
NBCLIENT = """
import sys, nbformat
from nbclient import NotebookClient
books = [nbformat.read(path, as_version=4) for path in sys.argv[1:]]
print("ready", flush=True)
sys.stdin.readline()
for book in books:
    NotebookClient(book, timeout=120, allow_errors=True, kernel_name="python3").execute()
"""
# the most that ours may cost: of nbclient's, and of the floor's
GOALS = {"colab1": (0.1, 7), "colab2": (0.1, 7), "colab3": (None, 1.5)}
MEMORY = {"colab1": 250, "colab3": 600}  # MB, of two workers
FIRST_CELL = 0.050  # seconds
BEYOND = (3, 150)  # CPU s and MB that a notebook of colab3 costs beyond its cells, shared pages
SCALE = 1.05  # of 1,000 students beside 100
MB = 2**20


# the class ----------------------------------------------------------------------------------------


def handed_in(kind, students, folder, adapted=""):
    """The files of a class of one kind, made in `folder`, each unlike the others.

    adapted  the folder of the homework's data, if Colab's own lines are to be put aside
    """
    books = {
        sample: json.loads(
            (ROOT / "submissions" / f"{sample}_week14_{kind}_homework.ipynb").read_text("utf-8")
        )
        for sample in SAMPLES
    }
    sources = {s: {"".join(c["source"]) for c in book["cells"]} for s, book in books.items()}
    handed_out = set.intersection(*sources.values())
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(students):
        book = json.loads(json.dumps(books[SAMPLES[number % len(SAMPLES)]]))
        for cell in book["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] != "code" or not source.strip():
                continue
            if source not in handed_out:
                source += f"\n# B139{number:05}"
            if adapted:
                source = floor.without_colab(source, adapted)
            cell["source"] = source
        path = folder / f"B139{number:05}_week14_{kind}_homework.ipynb"
        path.write_text(json.dumps(book, ensure_ascii=False, indent=1), "utf-8")
        files.append(str(path))
    return files


def data():
    """The folder of what the homework hands out."""
    from grader.ingest import assignments

    return floor.data_of(assignments.load("week14"))


# the three ----------------------------------------------------------------------------------------


class Bench:
    """Where it is measured, and with what."""

    def __init__(self, meter, home):
        self.meter, self.home = meter, home
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        # bytecode is kept, as where people work: our own modules take 0.2 s to compile
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.alone = self.environment | {"HOME": str(home), "MPLBACKEND": "agg"}
        self.runs = 0
        self.manifest = {}

    def ours(self, files, workers=1, look=False):
        """What grading costs, with everything that a teacher gets.

        Raises RuntimeError if not every notebook was graded.
        """
        self.runs += 1
        results = self.home / f"results{self.runs}"
        command = [sys.executable, "-m", "grader", "run", "-q", "-o", str(results)]
        command += ["-j", str(workers)] * bool(workers)
        used = self.meter.run([*command, *files], self.environment, ends=(0, 1), look=look)
        self.manifest = json.loads((results / "run.json").read_text("utf-8"))
        graded = self.manifest["counts"]["graded"]
        if graded != len(files):
            raise RuntimeError(f"{graded} of {len(files)} notebooks were graded: {used.output}")
        return used

    def nbclient(self, files):
        alone = {n: v for n, v in self.alone.items() if n != "MPLBACKEND"}
        return self.meter.run([sys.executable, "-c", NBCLIENT, *files], alone, waits=True)

    def floor(self, kind, files, *, calls=True):
        bare = [] if calls else [floor.CELLS_ONLY]
        command = [sys.executable, floor.__file__, "week14", kind, *bare, *files]
        return self.meter.run(command, self.alone, waits=True)


def tick(value, most):
    """A ratio beside the most that it may be."""
    if most is None:
        return f"{value:7.2f}        "
    return f"{value:7.2f} {'✓' if value <= most else '✗'} {most:<5g}"


def ms(seconds):
    return f"{1000 * seconds:8.1f}"


# what is measured ---------------------------------------------------------------------------------


def cost(bench, kinds, students, rounds, sample):
    print(
        f"CPU ms and wall ms a notebook; {students} students "
        f"(nbclient {sample}, floor {2 * sample}),"
    )
    print(f"one at a time, medians of {rounds} rounds; beside a ratio the most that it may be\n")
    print("kind       |      CPU ms a notebook      | ours /         ours /         |   wall ms")
    print("           |    ours nbclient    floor   | nbclient       floor          |    ours")
    few = min(students, 2 * sample)
    for kind in kinds:
        files = handed_in(kind, students, bench.home / kind)
        rows = []
        for _ in range(rounds):
            plain, least = bench.nbclient(files[:sample]), bench.floor(kind, files[:few])
            rows.append((bench.ours(files), plain, least))
        ours, plain, least = (
            [row[i].cpu / n for row in rows] for i, n in enumerate((students, sample, few))
        )
        wall = statistics.median(row[0].wall / students for row in rows)
        goals = GOALS[kind]
        by_plain = statistics.median(a / b for a, b in zip(ours, plain, strict=True))
        by_least = statistics.median(a / b for a, b in zip(ours, least, strict=True))
        each = " ".join(ms(statistics.median(costs)) for costs in (ours, plain, least))
        ratios = f"{tick(by_plain, goals[0])}{tick(by_least, goals[1])}"
        print(f"{kind:10} |  {each} | {ratios} | {ms(wall)}", flush=True)
        tally = json.loads(rows[-1][2].output.strip().splitlines()[-1])
        print(
            f"           |  rounds: ours {' '.join(ms(c).strip() for c in ours)}; "
            f"nbclient {' '.join(ms(c).strip() for c in plain)}; "
            f"floor {' '.join(ms(c).strip() for c in least)}"
        )
        print(
            f"           |  floor: {tally['cells'] / few:.1f} cells, "
            f"{tally['calls'] / few:.1f} calls a notebook, {len(tally['raised'])} raised"
        )
        if kind == "colab3":
            able = handed_in(kind, 4, bench.home / "adapted", data())
            adapted = bench.nbclient(able).cpu / len(able)
            ratio = statistics.median(ours) / adapted
            print(f"  adapted  |           {ms(adapted)}          | {tick(ratio, None)}")
    print()


def start(bench, kinds):
    """What is paid once a run, whatever the number of students."""
    print("start, once a run: a run of one notebook beside one of 21, the least of three")
    for kind in kinds:
        files = handed_in(kind, 21, bench.home / f"start-{kind}")
        one = min((bench.ours(files[:1]) for _ in range(3)), key=lambda used: used.cpu)
        many = min((bench.ours(files) for _ in range(3)), key=lambda used: used.cpu)
        each = (many.cpu - one.cpu) / 20
        print(
            f"{kind}  one {ms(one.cpu)} ms CPU, {ms(one.wall)} ms wall; "
            f"so start {ms(one.cpu - each)}, each further {ms(each)} ms CPU",
            flush=True,
        )
    print()


def memory(bench, kinds, students):
    print("peak memory, two workers: sum of PSS over the process tree")
    for kind in kinds:
        files = handed_in(kind, students, bench.home / f"memory-{kind}")
        used = bench.ours(files, workers=2, look=True)
        peak = used.peak_bytes / MB
        print(f"{kind}  MB {tick(peak, MEMORY.get(kind))}  in {used.peak_processes} processes")
    print()


def beyond(bench, kinds, rounds):
    """The cells alone are run by `exec` in a warm fork; what a run costs once is left out on both
    sides.  A kernel's memory is what each further one adds to the whole, at their peak."""
    print("beyond a notebook's own cells: CPU s, and MB of PSS that a further kernel adds")
    for kind in kinds:
        files = handed_in(kind, 13, bench.home / f"beyond-{kind}")
        costs, sizes = [], []
        for _ in range(rounds):
            each = (bench.ours(files).cpu - bench.ours(files[:1]).cpu) / 12
            costs.append(each - bench.floor(kind, files[:8], calls=False).cpu / 8)
            few, many = (bench.ours(files[:6], n, look=True).peak_bytes for n in (1, 3))
            sizes.append((many - few) / 2 / MB)
        most = BEYOND if kind == "colab3" else (None, None)
        cpu, size = statistics.median(costs), statistics.median(sizes)
        print(f"{kind}  CPU s {tick(cpu, most[0])}  MB {tick(size, most[1])}", flush=True)
    print()


def first(bench, kinds):
    print(
        "first cell: ms from a submission's turn to the end of its first cell, median and largest"
    )
    for kind in kinds:
        files = handed_in(kind, 24, bench.home / f"first-{kind}")
        command = [sys.executable, inside_out.__file__, "first", *files]
        seconds = json.loads(
            bench.meter.run(command, bench.environment).output.strip().splitlines()[-1]
        )
        middle = statistics.median(seconds)
        mark = "✓" if middle <= FIRST_CELL else "✗"
        print(f"{kind}  {ms(middle)} {mark} {1000 * FIRST_CELL:g}   largest {ms(max(seconds))}")
    print()


def three(bench, rounds):
    print("one student's three notebooks from a cold start: wall s and CPU s, medians")
    one, few = bench.home / "three", bench.home / "three-adapted"
    files = [handed_in(kind, 1, one)[0] for kind in KINDS]
    adapted = [handed_in(kind, 1, few, data())[0] for kind in KINDS]
    bare = {n: v for n, v in bench.alone.items() if n != "MPLBACKEND"}
    plain = [sys.executable, "-c", NBCLIENT]
    whole = {
        "ours": lambda: bench.ours(files, workers=0),
        "ours, -j 1": lambda: bench.ours(files),
        "nbclient": lambda: bench.meter.run([*plain, *files], bare),
        "nbclient, adapted": lambda: bench.meter.run([*plain, *adapted], bare),
    }
    found = {name: [] for name in whole}
    for _ in range(rounds):
        for name, run in whole.items():
            found[name].append(run())
    least = statistics.median(used.wall for used in found["nbclient"])
    for name, runs in found.items():
        wall = statistics.median(used.wall for used in runs)
        cpu = statistics.median(used.cpu for used in runs)
        goal = tick(wall / least, 1 if name == "ours" else None)
        print(f"{name:18} wall {wall:6.2f}   CPU {cpu:6.2f}   wall / nbclient's {goal}")
    print()


def scale(bench, rounds):
    print("1,000 students beside 100, colab1: CPU ms a notebook")
    files = handed_in("colab1", 1000, bench.home / "scale")
    ratios = []
    for _ in range(rounds):
        few, many = bench.ours(files[:100]).cpu / 100, bench.ours(files).cpu / 1000
        ratios.append(many / few)
        print(f"  100: {ms(few)}   1,000: {ms(many)}   ratio {many / few:.3f}", flush=True)
    print(f"ratio {tick(statistics.median(ratios), SCALE)}\n")


def machine(bench, files):
    """Names the machine, what is installed, and what kernels and walls there are here."""
    bench.ours(files)
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor() or platform.machine(),
    )
    versions = (f"{n} {metadata.version(n)}" for n in "numpy torch ipykernel nbclient".split())
    said = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    print(
        f"{model}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.release()}"
    )
    print(f"Python {platform.python_version()}, {', '.join(versions)}")
    print(
        f"grader {said.stdout.strip() or '?'}: rung {bench.manifest['rung']}, "
        f"{bench.manifest['kernel']} kernels"
    )
    seen = bench.meter.seen()
    print(f"the meter sees {seen:.2f} of 1 s burnt by a child that nobody waits for")
    if isinstance(bench.meter.group, Children) or seen < 0.9:
        print("WARNING: no control group: what kernels use is missing from every figure of ours")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("--sample", type=int, default=12, help="students for nbclient")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=(*PARTS, "start", "none"), default=PARTS)
    parser.add_argument("--scale", action="store_true", help="1,000 students beside 100")
    parser.add_argument("--profile", action="store_true", help="where our time goes, for colab1")
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    sample = min(given.sample, given.students)
    with tempfile.TemporaryDirectory(prefix="speed-") as home, Meter() as meter:
        bench = Bench(meter, Path(home))
        machine(bench, handed_in("colab1", 2, Path(home) / "machine"))
        if "cost" in given.only:
            cost(bench, given.kinds, given.students, given.rounds, sample)
        if "start" in given.only:
            start(bench, given.kinds)
        if "memory" in given.only:
            memory(bench, given.kinds, min(given.students, 24))
        if "first" in given.only:
            first(bench, given.kinds)
        if "beyond" in given.only:
            beyond(bench, given.kinds, given.rounds)
        if "three" in given.only:
            three(bench, given.rounds)
        if given.scale:
            scale(bench, given.rounds)
        if given.profile:
            inside_out.profile(bench, given.kinds[0], given.students, handed_in)


if __name__ == "__main__":
    main()
