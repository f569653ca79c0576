"""Each wall is tried, and what does not stand is said with the line that mends it."""

import os
from pathlib import Path

import pytest

from grader.sandbox import ladder, outer
from grader.sandbox.ladder import NONE, Rung, Wall

pytestmark = pytest.mark.kernel


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
    assert rung.missing == ()
    assert rung.banner == ()
    assert rung.open == ()
    assert {wall.name for wall in rung.walls} == {"bubblewrap", *rung.inner}
    assert ("uid" in rung.inner) == (os.getuid() == 0)


def test_without_bubblewrap_it_is_rung_b(climb):
    rung = climb("")

    assert rung.letter == "B", rung.missing
    assert not rung.alone
    assert mends(rung) == {
        "bubblewrap": ("not installed", "install it: apt install bubblewrap (or dnf, pacman)")
    }


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
