"""What student code may want to do, and which walls stop it: one table for tests and banners.

`stopped_by` names every wall that stops it alone.  "grader" is what the grader does from outside on
every rung: clocks, caps on memory and output, the end of all that a run started.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threat:
    """`text` completes "student code can …"."""

    key: str
    text: str
    stopped_by: frozenset[str]


def _threat(key: str, text: str, walls: str) -> Threat:
    return Threat(key, text, frozenset(walls.split()))


THREATS = (
    _threat("read_files", "read files of this account", "bubblewrap landlock"),
    _threat("read_reference", "read the reference solution", "bubblewrap landlock"),
    _threat("read_submissions", "read other submissions", "bubblewrap landlock"),
    _threat("read_results", "read the gradebook", "bubblewrap landlock"),
    _threat("see_files", "see the names, sizes and times of files", "bubblewrap"),
    _threat(
        "see_processes", "see which processes run, and their command lines", "namespaces landlock"
    ),
    _threat(
        "read_environment", "read the grader's environment", "namespaces landlock capabilities"
    ),
    _threat("read_memory", "read the memory of other processes", "namespaces landlock seccomp"),
    _threat("write_files", "change files of this account", "bubblewrap landlock"),
    _threat("change_modes", "change the rights or times of files", "bubblewrap seccomp"),
    _threat("internet", "reach the network", "namespaces seccomp"),
    _threat("unix_path", "reach services of this machine by a socket file", "bubblewrap seccomp"),
    _threat("unix_abstract", "reach services by an abstract socket", "namespaces landlock seccomp"),
    _threat("netlink", "ask the system about the network", "seccomp"),
    _threat("signal", "signal other processes", "namespaces landlock"),
    _threat("trace", "trace other processes", "namespaces seccomp landlock"),
    _threat("renice", "change the priority of other processes", "namespaces seccomp"),
    _threat("privileges", "gain rights by a setuid program", "capabilities seccomp"),
    _threat("namespaces", "make namespaces and mounts of its own", "seccomp"),
)
