"""This machine to a list of what fits the homework, what does not, and how to mend it."""

from __future__ import annotations

import asyncio
import importlib.util
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from grader.config import Settings
from grader.errors import GraderError
from grader.ingest import assignments


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
    yield _kernel(settings)
    yield Finding(
        "walls",
        "warn",
        "rung C: no sandbox round the kernels yet",
        "grade only notebooks of a class that you trust",
    )
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


def _kernel(settings: Settings) -> Finding:
    from grader.sandbox import kernel

    async def tried() -> str:
        with tempfile.TemporaryDirectory(prefix="grader-") as home:
            limits = settings.as_limits()
            async with kernel.kernel(Path(home), kernel.settings(0, "", limits), limits) as it:
                ran = await it.run("assert 1 + 1 == 2", 20)
                return ran.error if ran.how != "ok" else ""

    try:
        error = asyncio.run(tried())
    except (GraderError, OSError) as failure:
        error = str(failure)
    if error:
        return Finding("kernel", "fail", error, "pip install --force-reinstall ipykernel")
    return Finding("kernel", "ok", "cold: a process of its own for each notebook")


def _disk(output: Path) -> Finding:
    place = output.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    if free < 1:
        return Finding("disk", "warn", f"{free:.1f} GB free for {output}", "make room, or use -o")
    return Finding("disk", "ok", f"{free:.0f} GB free for {output}")
