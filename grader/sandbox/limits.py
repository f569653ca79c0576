"""Limits in words: how much is allowed, and which of them an error comes from."""

from __future__ import annotations

from grader.model import Limits

MOST_FILES = 20_000  # of a kernel that has a disk of its own


def size(count: int) -> str:
    """A number of bytes in words."""
    return f"{count / 2**30:g} GB" if count >= 2**30 else f"{count / 2**20:g} MB"


def exceeded(said: str, limits: Limits) -> str:
    """What to add to an error that comes from a limit of ours; "" if it does not seem to."""
    memory = f"a notebook may use {size(limits.memory_bytes)} of memory"
    disk = f"a notebook may write {size(limits.disk_bytes)}"
    for sign, limit in (
        ("MemoryError", memory),
        ("DefaultCPUAllocator", memory),
        ("Cannot allocate memory", memory),
        ("No space left on device", f"{disk}, in {MOST_FILES} files"),
        ("File too large", disk),
        ("Resource temporarily unavailable", f"at most {limits.processes} processes"),
        ("can't start new thread", f"at most {limits.processes} processes and threads"),
    ):
        if sign in said:
            return f" ({limit})"
    return ""
