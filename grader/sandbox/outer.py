"""The outer wall: a bubblewrap command round a process that will meet student code.

An empty root; of the machine only its programs, and Python without the grader, all of it read-only;
no home, no network, no processes but its own.  The environment is never handed on, with walls or
without.
"""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
import sysconfig
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import IO, Any

from grader.errors import SandboxError

OURS = ("grader", "reference", "fixtures")  # what must never be seen from inside
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin")
SETTINGS = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/localtime",
    "/etc/mime.types",
    "/var/cache/fontconfig",
)
DATA = "/homework"
SOCKETS = "/sockets"  # of a cold kernel; below none of the folders that it may fill
# the first of those that the kernels of this process get where it is root: nobody's, and no other
# run's, since limits on processes count all of a user
FIRST_UID = 2_000_000_000 + 64 * (os.getpid() % 1_000_000)


@cache
def _home() -> str:
    # a mount there would cover a Python that was installed below it
    tops = (Path(top).resolve() for top in (sys.prefix, sys.base_prefix))
    return "/home/student" if any(top.is_relative_to("/root") for top in tops) else "/root"


# where a notebook finds itself; on Colab it was there too
FOLDERS = {"work": "/content", "home": _home(), "tmp": "/tmp"}


def environment(folders: Mapping[str, str]) -> dict[str, str]:
    """All that a process inside finds in its environment."""
    home, tmp = folders["home"], folders["tmp"]
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "IPYTHONDIR": f"{home}/.ipython",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": f"{tmp}/.matplotlib",
        "OMP_NUM_THREADS": "1",  # a kernel has one thread; there are as many kernels as cores
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "TMPDIR": tmp,
        "USER": "student",
        "XDG_CACHE_HOME": f"{home}/.cache",
        **{n: os.environ[n] for n in ("LD_LIBRARY_PATH", "SYSTEMROOT") if n in os.environ},
    }


@cache
def font_list() -> Path | None:
    """What matplotlib knows of this machine's fonts, so that no process inside has to look at them
    again, which takes it half a second; found out once, and kept for later runs."""
    try:
        version = metadata.version("matplotlib")
        folder = Path.home() / ".cache" / "grader" / f"matplotlib-{version}"
        if not list(folder.glob("fontlist-*.json")):
            folder.mkdir(parents=True, exist_ok=True)
            environment = {**os.environ, "MPLCONFIGDIR": str(folder), "MPLBACKEND": "agg"}
            command = python("import matplotlib.font_manager")
            subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
        return next(folder.glob("fontlist-*.json"), None)
    except (OSError, RuntimeError, subprocess.TimeoutExpired, metadata.PackageNotFoundError):
        return None


def program() -> str | None:
    """bubblewrap's path, if it is installed."""
    return shutil.which("bwrap")


def python(text: str, *arguments: str) -> list[str]:
    """The command that runs `text` in this interpreter, whose own settings it leaves alone."""
    return [sys.executable, "-P", "-s", "-B", "-c", text, *arguments]


def last_words(errors: IO[bytes]) -> str:
    """The end of what a process, which has ended, wrote into this file."""
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - 2000))
    return errors.read(2000).decode("utf-8", "replace").strip()


def code(name: str, path: Path) -> str:
    """What runs inside as the module grader_<name>, compiled and in base64; Python keeps it, as it
    does of what it imports.  Nothing in it tells where the file lies."""
    compiled = SourceFileLoader(name, str(path)).get_code(name)
    return b2a_base64(marshal.dumps(_named(compiled, f"<grader_{name}>")), newline=False).decode()


def _named(code: Any, name: str) -> CodeType:
    """The code as compiled from a file of this name."""
    parts = [_named(part, name) if isinstance(part, CodeType) else part for part in code.co_consts]
    return code.replace(co_filename=name, co_consts=tuple(parts))  # type: ignore[no-any-return]


def seen_font_list(fonts: Path) -> str:
    """Where it is found inside."""
    return f"{environment(FOLDERS)['MPLCONFIGDIR']}/{fonts.name}"


@cache
def prefix() -> tuple[str, ...]:
    """The parts of this Python that it needs: `python -m venv .` makes a course's folder the
    prefix, and nothing else of that folder may be seen."""
    tops = [Path(top).resolve() for top in (sys.prefix, sys.base_prefix)]
    parts = ("bin", "lib", "lib64", "share", "pyvenv.cfg")
    found = [top / part for top in tops if str(top) not in ("/usr", "/") for part in parts]
    found.append(Path(sys.prefix) / "bin")  # by the name by which it is started
    # lib64 is often a link to lib: a second way to what must not be seen there
    return tuple(dict.fromkeys(str(p) for p in found if p.exists() and not p.is_symlink()))


@cache
def hidden() -> tuple[str, ...]:
    """Folders of the prefix that hold the grader or an assignment."""
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return tuple(
        str(path)
        for place in sorted(places)
        for name in OURS
        if (path := Path(place) / name).is_dir()
    )


@cache
def away() -> tuple[str, ...]:
    """What must not be on a kernel's path: an editable install puts the checkout, the reference in
    it, on the path of every interpreter."""
    return tuple(
        path
        for path in sys.path
        if (Path(path) / "grader" / "model.py").is_file()
        and Path(path).name not in ("site-packages", "dist-packages")
    )


@cache
def readable(*, masked: bool) -> tuple[str, ...]:
    """What Landlock lets be read, besides a notebook's own folders and data.

    masked  whether bubblewrap hides what must be hidden within these; if not, a folder in which an
            assignment lies is named entry by entry without it
    """
    names: list[str] = [*SYSTEM, *(["/etc", "/var"] if masked else SETTINGS)]
    for part in prefix():
        names += [part] if masked else _without(Path(part), [Path(path) for path in hidden()])
    return tuple(name for name in names if Path(name).exists())


@cache
def listed() -> tuple[str, ...]:
    """Folders whose lists of names Landlock lets be read, to all depths, where `readable` names
    what is in them one by one: Python finds no module and no entry point without such a list."""
    out = [Path(path) for path in hidden()]
    return tuple(part for part in prefix() if any(path.is_relative_to(Path(part)) for path in out))


def _without(top: Path, out: Sequence[Path]) -> list[str]:
    if top in out:
        return []
    if not any(path.is_relative_to(top) for path in out):
        return [str(top)]
    return [name for entry in sorted(top.iterdir()) for name in _without(entry, out)]


def exposed(protect: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Which of the folders to protect lie in a place that must be readable: (folder, place)."""
    places = [Path(place).resolve() for place in (*SYSTEM, *prefix()) if Path(place).exists()]
    out = [Path(path).resolve() for path in hidden()]
    return [
        (folder, place)
        for folder in protect
        for place in places
        if folder.resolve().is_relative_to(place)
        and not any(folder.resolve().is_relative_to(top) for top in out)
    ]


def wrapped(
    command: Sequence[str],
    *,
    data: str = "",
    environment: Mapping[str, str],
    run_folder: str = "",
) -> list[str]:
    """`command` behind bubblewrap.

    data        a folder that is seen read-only as DATA
    run_folder  a folder that is seen, and may be written, as SOCKETS

    Raises SandboxError if bubblewrap is not there.
    """
    bwrap = program()
    if bwrap is None:
        raise SandboxError("bubblewrap is not installed")
    root = os.getuid() == 0
    # a plain user's namespace maps one uid; root's runs each get one of their own
    caps = ["CAP_SYS_ADMIN", *(["CAP_SETUID", "CAP_SETGID", "CAP_CHOWN"] if root else [])]
    made = [bwrap, *([] if root else ["--unshare-user", *_no_more_user_namespaces(bwrap)])]
    made += "--unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup-try".split()
    made += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    made += [word for cap in caps for word in ("--cap-add", cap)]
    for path in SYSTEM:
        if Path(path).is_symlink():
            made += ["--symlink", str(Path(path).readlink()), path]
        elif Path(path).is_dir():
            made += ["--ro-bind", path, path]
    made += [word for top in ("/etc", "/var", "/var/cache") for word in _folder(top)]
    for path in SETTINGS:
        made += ["--ro-bind-try", path, path]
    made += ["--proc", "/proc", "--dev", "/dev"]
    for place in (*FOLDERS.values(), "/scratch"):
        made += ["--perms", "0755", "--tmpfs", place]
    if (fonts := font_list()) is not None:
        made += ["--ro-bind", str(fonts), seen_font_list(fonts)]
    for path in prefix():
        made += [*_parents(path), "--ro-bind", path, path]
    for path in hidden():
        made += ["--perms", "0755", "--tmpfs", path, "--remount-ro", path]
    if data:
        made += ["--ro-bind", data, DATA]
    if run_folder:
        made += ["--bind", run_folder, SOCKETS]
    made += ["--remount-ro", "/", "--chdir", "/", "--clearenv"]
    for name, value in environment.items():
        made += ["--setenv", name, value]
    return [*made, "--", *command]


def _folder(path: str) -> list[str]:
    # bubblewrap makes missing folders for its user alone: no good to a run with another uid
    return ["--perms", "0755", "--dir", path]


def _parents(path: str) -> list[str]:
    above = [str(p) for p in reversed(Path(path).parents)][1:]
    return [word for p in above if p not in SYSTEM for word in _folder(p)]


@cache
def _no_more_user_namespaces(bwrap: str) -> tuple[str, ...]:
    said = subprocess.run([bwrap, "--help"], capture_output=True, text=True, check=False).stdout
    return ("--disable-userns",) if "--disable-userns" in said else ()


def below(places: Sequence[str]) -> list[str]:
    """The parts of the prefix that a mount on one of `places` would cover."""
    return [p for p in prefix() if p.startswith(tuple(f"{place}/" for place in places))]
