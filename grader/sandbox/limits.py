"""Limits in words: how much is allowed, and which of them an error comes from."""

from __future__ import annotations

from grader.model import Limits


def size(count: int) -> str:
    """A number of bytes in words."""
    return f"{count / 2**30:g} GB" if count >= 2**30 else f"{count / 2**20:g} MB"


def exceeded(said: str, limits: Limits) -> str:
    """What to add to an error that comes from a limit of ours; "" if it does not seem to."""
    for sign, limit in (
        ("MemoryError", f"a notebook may use {size(limits.memory_bytes)} of memory"),
        ("DefaultCPUAllocator", f"a notebook may use {size(limits.memory_bytes)} of memory"),
        ("Cannot allocate memory", f"a notebook may use {size(limits.memory_bytes)} of memory"),
        ("No space left on device", f"a notebook may write {size(limits.disk_bytes)}"),
        ("File too large", f"a notebook may write {size(limits.disk_bytes)}"),
        ("Resource temporarily unavailable", f"at most {limits.processes} processes"),
        ("can't start new thread", f"at most {limits.processes} processes and threads"),
    ):
        if sign in said:
            return f" ({limit})"
    return ""
