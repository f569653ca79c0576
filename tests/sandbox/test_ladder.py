"""Each wall is tried, and what does not stand is said with the line that mends it."""

import contextlib
import ctypes.util
import errno
import os
import sys
from pathlib import Path

import landlockpy
import pytest

from grader.sandbox import ladder, outer, walls
from grader.sandbox.ladder import NONE, Rung, Wall

pytestmark = pytest.mark.kernel

# what a Linux before 6.12 has not
OLDER = set() if landlockpy.abi_version() >= walls.SCOPES else {"landlock-scopes"}


@pytest.fixture
def climb(monkeypatch, tmp_path):
    """The rung as it is found on a machine whose bubblewrap is the given script; "" for none."""

    def found(script):
        if script:
            program = tmp_path / "bwrap"
            program.write_text(script, "utf-8")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}")
        ladder.rung.cache_clear()
        return ladder.rung()

    yield found
    ladder.rung.cache_clear()


def mends(rung):
    return {wall.name: (wall.seen, wall.mend) for wall in rung.missing}


def test_with_every_wall_it_is_rung_a(need):
    need("walls", "" if outer.program() else "bubblewrap is not installed")
    rung = ladder.rung()

    assert rung.letter == "A", rung.missing
    assert {wall.name for wall in rung.missing} == OLDER
    assert rung.banner == ()
    assert rung.open == ()
    assert {wall.name for wall in rung.walls} == {"bubblewrap", *rung.inner} | OLDER
    assert ("uid" in rung.inner) == (os.getuid() == 0)


def test_without_bubblewrap_it_is_rung_b(climb):
    rung = climb("")

    assert rung.letter == "B", rung.missing
    assert not rung.alone
    assert mends(rung).keys() == {"bubblewrap"} | OLDER
    assert mends(rung)["bubblewrap"] == (
        "not installed",
        "install it: apt install bubblewrap (or dnf, pacman)",
    )


FORBIDDEN = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
SIGNS = {
    "AppArmor": (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "an AppArmor profile for bwrap",
    ),
    "switched off": (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sysctl kernel.unprivileged_userns_clone=1",
    ),
    "none allowed": (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "sysctl user.max_user_namespaces=10000",
    ),
    "no sign": ("", "", "user namespaces seem to be off: ask who runs this machine"),
}


@pytest.mark.parametrize("name", SIGNS)
def test_a_bubblewrap_that_may_do_nothing_is_said_with_what_mends_it(climb, monkeypatch, name):
    path, text, mend = SIGNS[name]
    monkeypatch.setattr(ladder, "_says", lambda *asked: asked == (path, text))
    monkeypatch.setattr(ladder, "IN_CONTAINER", ())

    rung = climb(FORBIDDEN)
    seen, said = mends(rung)["bubblewrap"]

    assert rung.letter == "B"
    assert seen == ("it cannot make a sandbox here: bwrap: No permissions to create new namespace")
    assert mend in said


def test_in_a_container_it_is_the_containers_options(climb, monkeypatch, tmp_path):
    sign = tmp_path / "dockerenv"
    sign.touch()
    monkeypatch.setattr(ladder, "IN_CONTAINER", (sign,))
    monkeypatch.setattr(ladder, "_says", lambda *asked: False)

    assert "--security-opt seccomp=unconfined" in mends(climb(FORBIDDEN))["bubblewrap"][1]


@pytest.mark.parametrize("wall", ["landlock", "seccomp", "limits", "capabilities"])
def test_without_one_of_its_walls_there_is_no_rung_b(climb, monkeypatch, wall):
    tried = ladder._tried

    def without(inner, *, bubblewrap):
        found = tried(inner, bubblewrap=bubblewrap)
        return found if isinstance(found, str) else found | {wall: "it does not hold"}

    monkeypatch.setattr(ladder, "_tried", without)
    rung = climb("")

    assert rung.letter == "C"
    assert rung.inner == ()
    assert mends(rung)[wall][0] == "it does not hold"
    assert any("it does not hold" in line for line in rung.banner)


def test_on_an_older_linux_rung_b_says_that_signals_go_through(climb, monkeypatch):
    tried = ladder._tried

    def older(inner, *, bubblewrap):
        found = tried(inner, bubblewrap=bubblewrap)
        return found if isinstance(found, str) else found | {"landlock-scopes": "too old"}

    monkeypatch.setattr(ladder, "_tried", older)
    monkeypatch.setattr(ladder, "_others_can_run_python", lambda: False)  # no users of their own
    rung = climb("")

    assert rung.letter == "B"
    assert "landlock" in rung.inner
    assert "landlock-scopes" not in rung.inner
    assert {"signal", "other_signal"} <= {threat.key for threat in rung.open}
    assert "signal other processes" in rung.banner[0]
    assert mends(rung)["landlock-scopes"] == ("too old", "Linux 6.12 or newer")


# Landlock as older kernels have it ----------------------------------------------------------------


@pytest.fixture
def behind(tmp_path):
    """From a version of Landlock's interface and attempts to what came of each behind it."""
    work = tmp_path / "work"
    work.mkdir()
    run = {"folders": {"work": str(work)}, "also": []}

    def tried(abi, *attempts, change=lambda made: None):
        out, into = os.pipe()
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                made = walls.Walls(["landlock"], [str(tmp_path / "read")], False, abi)
                change(made)
                made.up(run)
                said = []
                for attempt in attempts:
                    try:
                        attempt()
                        said.append("done")
                    except OSError as error:
                        said.append(errno.errorcode[error.errno])
                os.write(into, " ".join(said).encode())
            os._exit(0)
        os.close(into)
        os.waitpid(child, 0)
        with os.fdopen(out) as file:
            return file.read().split()

    return tried


@pytest.mark.parametrize("abi", [1, 2, walls.TRUNCATE])
def test_no_version_of_landlock_lets_a_file_be_cut_short(behind, tmp_path, abi):
    if landlockpy.abi_version() < abi:
        pytest.skip(f"needs version {abi} of Landlock's interface")
    read = tmp_path / "read"
    read.mkdir()
    outside, readable = tmp_path / "outside", read / "readable"
    for canary in (outside, readable):
        canary.write_text("whole")
    cuts = (
        lambda: os.truncate(outside, 1),
        lambda: os.truncate(readable, 1),
        lambda: os.open(readable, os.O_RDONLY | os.O_TRUNC),
        lambda: os.open(readable, os.O_ACCMODE | os.O_TRUNC),
        lambda: os.open(readable, os.O_WRONLY | os.O_TRUNC),
    )

    said = behind(abi, *cuts, readable.read_text, _own_file)

    assert said == ["EACCES"] * 5 + ["done"] * 2
    assert [canary.read_text() for canary in (outside, readable)] == ["whole"] * 2
    if abi < walls.TRUNCATE:  # without what we add, such a Landlock lets them
        alone = behind(abi, *cuts, change=lambda made: setattr(made, "no_truncation", None))
        assert alone == ["done"] * 4 + ["EACCES"]


def _own_file():
    own = Path("own")
    with own.open("w") as file:
        file.write("long")
        file.truncate(1)
    own.write_text("again")


@pytest.mark.parametrize(
    "release, own",
    [
        ("6.14.0-15-generic", True),
        ("6.18.44", True),
        ("7.0.0-rc1", True),
        ("6.13.12", False),
        ("6.8.0-45-generic", False),
        ("5.10.0-28-amd64", False),
        ("6.14-rc1", False),
        ("unknown", False),
    ],
)
def test_the_machines_own_pid_max_is_left_alone(release, own):
    assert walls.has_own_pids(release) is own


@pytest.mark.parametrize("there", [True, False])
def test_making_the_walls_leaves_ctypes_as_it_was(monkeypatch, there):
    util = ctypes.util
    monkeypatch.setattr(ctypes, "util", util)  # put back at the end
    monkeypatch.setitem(sys.modules, "ctypes.util", util)
    if not there:
        del ctypes.util, sys.modules["ctypes.util"]

    walls.Walls(["landlock", "seccomp"], [], False)

    assert (sys.modules.get("ctypes.util") is util) is there
    assert (vars(ctypes).get("util") is util) is there
    assert vars(ctypes).get("util") is sys.modules.get("ctypes.util")


@pytest.mark.parametrize("abi", [1, walls.SCOPES - 1])
def test_a_landlock_that_knows_of_no_signals_is_no_wall_to_them(abi):
    walls.Walls(["landlock"], [], False, abi)

    with pytest.raises(OSError, match="this kernel's Landlock knows of no signals"):
        walls.Walls(["landlock-scopes"], [], False, abi)


def test_without_landlock_neither_part_of_it_is_a_wall():
    for part in ("landlock", "landlock-scopes"):
        with pytest.raises(OSError, match="this kernel has no Landlock"):
            walls.Walls([part], [], False, 0)


def test_on_another_system_there_are_no_walls(monkeypatch):
    monkeypatch.setattr(ladder.sys, "platform", "darwin")
    ladder.rung.cache_clear()
    try:
        rung = ladder.rung()
    finally:
        ladder.rung.cache_clear()

    assert rung.letter == "C"
    assert mends(rung)["walls"][0] == "macOS has none of these walls"


def test_the_banner_of_rung_b_names_what_no_standing_wall_stops():
    walls = (Wall("bubblewrap", False, "not installed", "install it"),)
    rung = Rung("B", False, ("limits", "capabilities", "landlock", "seccomp"), walls)

    text, *lines = rung.banner

    assert [threat.key for threat in rung.open] == [
        threat.key for threat in ladder.THREATS if threat.text in text
    ]
    assert lines == ["bubblewrap: not installed → install it"]


def test_rung_c_says_that_everything_is_open():
    assert "It can read and change all your files" in NONE.banner[0]
    assert set(NONE.open) == {t for t in ladder.THREATS if "grader" not in t.stopped_by}


def test_a_folder_that_notebooks_must_read_and_must_not_see_is_found(monkeypatch, tmp_path):
    inside = tmp_path / "lib" / "course"
    inside.mkdir(parents=True)
    monkeypatch.setattr(outer, "prefix", lambda: (str(tmp_path / "lib"),))

    assert outer.exposed([inside, Path("/nowhere")]) == [(inside, tmp_path / "lib")]
