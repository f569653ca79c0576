"""This machine to a list of what fits the homework, what does not, and how to mend it."""

from __future__ import annotations

import asyncio
import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from grader.config import Settings
from grader.errors import GraderError
from grader.ingest import assignments
from grader.sandbox import ladder
from grader.sandbox.ground import Ground, choose, exposed
from grader.sandbox.ladder import Rung


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: "ok", "warn" or "fail", what was seen, and how to mend it."""

    thing: str
    state: str
    seen: str
    mend: str = ""


def findings(settings: Settings) -> Iterator[Finding]:
    """What a run depends on, one by one."""
    yield _python()
    yield _numpy()
    yield _torch()
    yield from _packages()
    yield _assignment(settings)
    rung = ladder.rung()
    yield _kernel(settings, rung)
    yield from _walls(rung, settings)
    yield _disk(settings.run.output)


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} ({sys.executable})")


def _numpy() -> Finding:
    version = metadata.version("numpy")
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) >= (2, 4):
        return Finding(
            "numpy",
            "fail",
            f"{version}: float() of a (1, 1) array raises, so right answers would lose points",
            'pip install "numpy<2.4"',
        )
    if major >= 2:
        return Finding(
            "numpy",
            "warn",
            f"{version}; the students had 1.26.4, which prints numbers otherwise",
            "use Python 3.11 or 3.12, for which numpy 1.26.4 is installed",
        )
    return Finding("numpy", "ok", f"{version}, as on Colab in December 2024")


def _torch() -> Finding:
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return Finding("torch", "fail", "not installed", 'pip install "torch>=2.2,<2.14"')
    return Finding("torch", "ok", version)


def _packages() -> Iterator[Finding]:
    for name in ("ipykernel", "nbclient", "matplotlib", "pandas", "tqdm"):
        if importlib.util.find_spec(name) is None:
            yield Finding(name, "fail", "not installed", f"pip install {name}")
        else:
            yield Finding(name, "ok", metadata.version(name))


def _assignment(settings: Settings) -> Finding:
    try:
        assignment = assignments.load(settings.course.assignment)
        digest = assignments.digest(assignment)
    except GraderError as error:
        return Finding("assignment", "fail", str(error), "mend the package under reference/")
    words = [
        len(path.read_text("utf-8").split())
        for top in assignment.data
        for path in (sorted(top.rglob("*.txt")) if top.is_dir() else [])
    ]
    corpus = f", corpus of {sum(words)} tokens" if words else ""
    return Finding("assignment", "ok", f"{assignment.key}, digest {digest[:12]}{corpus}")


def _kernel(settings: Settings, rung: Rung) -> Finding:
    from grader.sandbox import notebook

    async def tried(ground: Ground) -> str:
        limits = settings.as_limits()
        async with (
            notebook.sandbox(ground, [], {}, limits) as kernels,
            kernels.kernel(0) as it,
        ):
            ran = await it.run("assert 1 + 1 == 2", 20)
            return ran.error if ran.how != "ok" else ""

    try:
        ground = choose(settings.run.kernel, unsafe=True)
        error = asyncio.run(tried(ground))
    except (GraderError, OSError) as failure:
        error = str(failure)
    if error:
        return Finding("kernel", "fail", error, "pip install --force-reinstall ipykernel")
    if ground.why_cold:
        return Finding("kernel", "warn", f"cold: {ground.why_cold}", "run the grader on Linux")
    kinds = {"pipe": "a fork of a warm process", "cold": "a process of its own"}
    return Finding("kernel", "ok", f"{ground.kernel}: {kinds[ground.kernel]} for each notebook")


RUNGS = {
    "A": ("ok", "rung A: student code reaches nothing"),
    "B": ("warn", "rung B: some walls are missing"),
    "C": ("fail", "rung C: no sandbox; nothing is run without --unsafe-no-sandbox"),
}


def _walls(rung: Rung, settings: Settings) -> Iterator[Finding]:
    state, said = RUNGS[rung.letter]
    if rung.open:
        said += "; student code can still " + "; ".join(threat.text for threat in rung.open)
    mends = [wall.mend for wall in rung.missing if wall.mend]
    yield Finding("walls", state, said, mends[0] if mends and state != "ok" else "")
    for wall in rung.walls:
        state = "ok" if wall.stands else "warn"
        yield Finding(wall.name, state, wall.seen, "" if wall.stands else wall.mend)
    here = [Path.cwd(), settings.run.output.absolute()]
    for said in exposed(rung, here):
        yield Finding("walls", "fail", said)


def _disk(output: Path) -> Finding:
    place = output.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    if free < 1:
        return Finding("disk", "warn", f"{free:.1f} GB free for {output}", "make room, or use -o")
    return Finding("disk", "ok", f"{free:.0f} GB free for {output}")
