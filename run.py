"""From a fresh checkout to a finished command: makes the environment if need be, then runs in it.

    python3 run.py grader run submissions/      any command of the grader
    python3 run.py test [arguments of pytest]   check, then the tests
    python3 run.py check                        format, lint, types and layers

The environment is .venv in the checkout, or the folder that GRADER_VENV names.  It is made once,
and brought up to date when pyproject.toml, the extras or the Python have changed.  Standard library
only.
"""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036  # an older Python must still be able to say so
    sys.exit(
        "error: this is Python {}.{}, and the grader needs 3.11 or newer: install one, "
        "and start run.py with it".format(*sys.version_info[:2])
    )

import contextlib
import hashlib
import importlib.util
import platform
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
WINDOWS = os.name == "nt"
PROGRAMS = "Scripts" if WINDOWS else "bin"
LIBRARY = "Lib" if WINDOWS else "lib/python{}.{}".format(*sys.version_info[:2])

STAMP = "grader-stamp"  # in the environment: what it was made from; not there while it is made
LOCK = "grader-lock"  # in the environment: held while it is made; never deleted
LOG = "grader-pip.log"

TORCH = """\
note: torch from plain PyPI brings CUDA packages of several GB, unless pip is set up with an index
  or a folder of CPU builds, e.g. PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu"""


class SetupError(Exception):
    """The environment could not be made; the text says why, and what to do."""


def main(arguments: list[str]) -> int:
    """Runs the command in the environment, and gives its exit code (2: nothing was run)."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command == "grader":
        hand_over([environment(""), "-P", "-m", "grader", *rest])
    if command == "check":
        return check(environment("dev"))
    if command == "test":
        python = environment("dev")
        if check(python):
            return 1
        os.chdir(ROOT)
        whole = [] if rest else ["--cov-fail-under=100"]  # some of the tests run some of the code
        hand_over([python, "-m", "pytest", *COVERAGE, *whole, *rest])
    if command in ("-h", "--help"):
        print(__doc__)
        return 0
    wrong = f"unknown command {command!r}" if command else "no command"
    say(f"error: {wrong}; try one of\n{usage()}")
    return 2


def usage() -> str:
    """The lines of this file's docstring that can be typed."""
    return "\n".join(line for line in (__doc__ or "").splitlines() if line.startswith("    "))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# The commands ---------------------------------------------------------------------------------

COVERAGE = [  # of the code that decides marks
    "--cov=grader.judge",
    "--cov=grader.grade",
    "--cov-branch",
    "--cov-report=term-missing:skip-covered",
]


def check(python: str) -> int:
    """Runs every check, also after one has failed; 1 if any has."""
    layers = str(Path(python).with_name("lint-imports.exe" if WINDOWS else "lint-imports"))
    failed = []
    for name, command in {
        "ruff format --check": [python, "-m", "ruff", "format", "--check"],
        "ruff check": [python, "-m", "ruff", "check"],
        "mypy": [python, "-m", "mypy"],
        "lint-imports": [layers],
    }.items():
        print(f"== {name}", flush=True)
        if subprocess.call(command, cwd=ROOT):
            failed.append(name)
    print(f"== check: {'failed: ' + ', '.join(failed) if failed else 'all is well'}", flush=True)
    return int(bool(failed))


def hand_over(command: list[str]) -> NoReturn:
    """This process becomes the command; its signals, output and exit code are the command's."""
    sys.stdout.flush()
    if not WINDOWS:
        os.execv(command[0], command)
    process = subprocess.Popen(command)  # Windows cannot replace a process
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:
            continue  # the command got it too, and ends in its own way


# The environment ------------------------------------------------------------------------------


def environment(extras: str) -> str:
    """The Python of an environment with the project and `extras` ("" or "dev") installed.

    Raises SetupError.  One that fits is used at once: nothing is started to find that out.
    """
    folder = place()
    if not fits(folder, extras):
        if folder != ROOT / ".venv":
            refuse_foreign(folder)
        with alone(folder):
            if not fits(folder, extras):  # another start may have made it meanwhile
                make(folder, extras)
    return str(python_of(folder))


def place() -> Path:
    """The folder of the environment: GRADER_VENV, or .venv in the checkout."""
    named = os.environ.get("GRADER_VENV")
    return Path(named).expanduser().absolute() if named else ROOT / ".venv"


def python_of(folder: Path) -> Path:
    return folder / PROGRAMS / ("python.exe" if WINDOWS else "python")


def digest(root: Path = ROOT) -> str:
    """Changes with all that an installed environment depends on, except the extras."""
    made_from = [
        (root / "pyproject.toml").read_bytes(),
        str(root).encode("utf-8", "surrogateescape"),
        f"{sys.implementation.cache_tag} {platform.machine()}".encode(),
    ]
    return hashlib.sha256(b"\0".join(made_from)).hexdigest()


def fits(folder: Path, extras: str) -> bool:
    """Whether the environment is whole and made from this project as it is now."""
    try:
        stamped, *installed = (folder / STAMP).read_text("utf-8").split()
    except (OSError, ValueError):
        return False
    return (
        stamped == digest()
        and (not extras or extras in installed)
        and python_of(folder).exists()  # its link dangles once the system's Python is gone
        and any((folder / LIBRARY / "site-packages").glob("grader-*.dist-info"))
    )


def stamp(folder: Path, extras: str) -> None:
    (folder / STAMP).write_text(f"{digest()} {extras}\n", "utf-8")


def refuse_foreign(folder: Path) -> None:
    """Raises SetupError if `folder` holds what run.py did not put there."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / LOCK).exists():
        raise SetupError(
            f"GRADER_VENV names {folder}, which holds other things: name a new or an empty folder"
        )


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Makes `folder`, and holds it against every other start until it is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")
    except OSError as error:
        raise SetupError(
            f"{folder} cannot be written ({error.strerror}): set GRADER_VENV to a folder that can"
        ) from None
    with file:
        if not try_lock(file.fileno()):
            say(f"another start is setting up {folder}: waiting for it …")
            while not try_lock(file.fileno()):
                time.sleep(0.2)
        os.set_inheritable(file.fileno(), True)
        yield  # the lock goes with the file


def try_lock(file: int) -> bool:
    """Whether the lock is ours now."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def make(folder: Path, extras: str) -> None:
    """Installs the project and `extras`, into a new environment if the one there is of no use."""
    started = time.monotonic()
    before = usable(folder)
    what = "for the tests " if extras else ""
    if before is None:
        say(f"setting up {folder} {what}with Python {platform.python_version()}, once …")
        begin(folder)
        if sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64"):
            say(TORCH)
    else:
        say(f"bringing {folder} up to date {what}…")
        (folder / STAMP).unlink()
    try:
        install(folder, extras)
    except SetupError:
        if before is not None:  # pip leaves, or puts back, what was there
            (folder / STAMP).write_text(before, "utf-8")
        raise
    stamp(folder, extras)
    say(f"set up in {time.monotonic() - started:.0f} s")


def usable(folder: Path) -> str | None:
    """The stamp of an environment that pip can change into the wanted one; None: make it anew."""
    try:
        before = (folder / STAMP).read_text("utf-8")
        version = [str(python_of(folder)), "-I", "-m", "pip", "--version"]
        told = subprocess.run(version, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    # "pip 24.0 from /…/pip (python 3.11)"
    return before if f"(python {sys.version_info[0]}.{sys.version_info[1]})" in told else None


def begin(folder: Path) -> None:
    """An empty environment in `folder`, whatever was there.  Raises SetupError."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(
            f"this Python has no {' and no '.join(missing)}, so it can make no environment: "
            "on Debian and Ubuntu, apt install python3-venv"
        )
    for path in folder.iterdir():
        if path.name != LOCK:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    base = getattr(sys, "_base_executable", None) or sys.executable  # not an environment's own
    told = subprocess.run(
        [base, "-I", "-m", "venv", str(folder)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if told.returncode:
        raise SetupError(
            f"no environment could be made:\n{indented(told.stdout.splitlines()[-8:])}\n"
            "  on Debian and Ubuntu, apt install python3-venv may be what is missing"
        )


def install(folder: Path, extras: str) -> None:
    """Runs pip, as it is set up on this machine.  Raises SetupError with pip's last lines."""
    project = f"{ROOT}[{extras}]" if extras else str(ROOT)
    command = [str(python_of(folder)), "-m", "pip", "install", "--progress-bar=off", "-e", project]
    last: deque[str] = deque(maxlen=12)
    surroundings = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    pip = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=surroundings,
        encoding="utf-8",
        errors="replace",
        close_fds=False,  # pip holds the lock too: it may outlive this process
    )
    with pip, (folder / LOG).open("w", encoding="utf-8") as log:
        for line in pip.stdout or ():
            log.write(line)
            if not line.startswith("Requirement already satisfied"):
                last.append(line.rstrip()[:200])
            show(line.strip())
    show("")
    if pip.returncode:
        raise SetupError(
            f"pip could not install the project:\n{indented(last)}\n"
            f"  all that it said: {folder / LOG}\n"
            "  If it found no package, look at the network, at PIP_INDEX_URL and at `pip config "
            "list`;\n  if the disk is full, make room or set GRADER_VENV to a folder elsewhere. "
            "Then start again."
        )


def show(line: str) -> None:
    """On a terminal, the one line that says what pip is at; elsewhere nothing."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 3
        print(f"\r\x1b[K{'  ' + line[:width] if line else ''}", end="", file=sys.stderr, flush=True)


def indented(lines: Iterable[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as refused:
        say(f"error: {refused}")
        sys.exit(2)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)
