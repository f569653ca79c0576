"""What student code may want to do, and which walls stop it: one table for tests and banners.

`stopped_by` names every wall that stops it alone; each part of Landlock also keeps other processes
from being traced, and rights from being gained.  "grader" is what the grader does from outside on
every rung: clocks, caps on memory and output, the end of all that a run started.  Each row is tried
in tests/sandbox/test_walls.py: behind all walls, behind each that it names, and without them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threat:
    """`text` completes "student code can …"."""

    key: str
    text: str
    stopped_by: frozenset[str]


def _threat(key: str, text: str, walls: str) -> Threat:
    return Threat(key, text, frozenset(walls.split()))


# RLIMIT_NPROC does not bind root itself, but binds the users that root gives to kernels
COUNTED = "uid" if hasattr(os, "getuid") and os.getuid() == 0 else "limits"

THREATS = (
    # files
    _threat("read_files", "read files of this account", "bubblewrap landlock"),
    _threat("read_reference", "read the reference solution", "bubblewrap landlock"),
    _threat("read_fixtures", "read the sample students", "bubblewrap landlock"),
    _threat("read_submissions", "read other submissions", "bubblewrap landlock"),
    _threat("read_results", "read the gradebook", "bubblewrap landlock"),
    _threat("list_folders", "list folders of this account", "bubblewrap landlock"),
    _threat("list_packages", "list the names of files in Python's packages", "bubblewrap"),
    _threat("see_files", "see sizes and times of files whose names it knows", "bubblewrap"),
    _threat("write_files", "change, make or delete files of this account", "bubblewrap landlock"),
    _threat("change_modes", "change the rights or times of files", "bubblewrap seccomp"),
    _threat("change_settings", "change settings of the system", "uid landlock"),
    # processes
    _threat("see_processes", "see which processes run", "bubblewrap namespaces"),
    _threat(
        "read_commands",
        "read the command lines of processes",
        "bubblewrap namespaces landlock",
    ),
    _threat(
        "read_environment",
        "read the grader's environment",
        "bubblewrap namespaces uid landlock landlock-scopes",
    ),
    _threat(
        "read_memory",
        "read the memory of other processes",
        "bubblewrap namespaces uid landlock landlock-scopes",
    ),
    _threat(
        "trace",
        "trace other processes",
        "bubblewrap namespaces uid landlock landlock-scopes seccomp",
    ),
    _threat("signal", "signal other processes", "bubblewrap namespaces uid landlock-scopes"),
    _threat(
        "renice", "change the priority of one other process", "bubblewrap namespaces uid seccomp"
    ),
    _threat(
        "reschedule",
        "change when and where other processes run",
        "bubblewrap namespaces uid seccomp",
    ),
    # sockets, and what else processes speak through
    _threat("internet", "reach the network", "bubblewrap namespaces seccomp"),
    _threat("unix_path", "reach services of this machine by a socket file", "bubblewrap seccomp"),
    _threat(
        "unix_abstract",
        "reach services by an abstract socket",
        "bubblewrap namespaces landlock-scopes seccomp",
    ),
    _threat("netlink", "ask the system about the network", "seccomp"),
    _threat(
        "see_network",
        "see which addresses and connections this machine has",
        "bubblewrap namespaces",
    ),
    _threat(
        "ipc", "take messages that processes leave for each other", "bubblewrap namespaces seccomp"
    ),
    # rights
    _threat(
        "privileges",
        "gain rights by a setuid program",
        "bubblewrap capabilities landlock landlock-scopes seccomp",
    ),
    _threat("namespaces", "make namespaces and mounts of its own", "seccomp"),
    # other students
    _threat("other_files", "read another student's files", "namespaces uid landlock"),
    _threat(
        "other_memory",
        "read the memory of another student's kernel",
        "namespaces uid capabilities landlock landlock-scopes",
    ),
    _threat("other_signal", "signal another student's kernel", "namespaces uid landlock-scopes"),
    _threat("heap", "find another student's work in its own memory", "grader"),
    # what it may use
    _threat("memory", "use more memory than it may", "grader"),
    _threat("uncounted_memory", "use memory that no limit counts", "seccomp"),
    _threat("socket_memory", "fill the memory with what many sockets hold", "namespaces"),
    _threat("disk", "fill the disk with files that it has deleted", "namespaces"),
    _threat("inodes", "make files without end", "namespaces"),
    _threat("processes", "start more processes and threads than it may", COUNTED),
    _threat("cpu", "use the processor without end", "grader"),
    _threat("output", "print without end", "grader"),
    _threat("hang", "hang the run", "grader"),
    _threat("crash", "crash the run", "grader"),
    _threat("outlive", "leave processes behind", "grader"),
)
