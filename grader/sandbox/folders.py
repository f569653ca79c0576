"""Folders that student code writes: what they hold, and their end, however deep they are."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from grader.sandbox.limits import size

MOST_ENTRIES = 200_000  # of a folder, beyond which looking at it would hold up everybody


def excess(folder: Path, most_bytes: int) -> str:
    """Why what lies below the folder is too much; "" if it is not."""
    total, entries, todo = 0, 0, [str(folder)]
    while todo:
        try:
            with os.scandir(todo.pop()) as found:
                for entry in found:
                    entries += 1
                    with contextlib.suppress(FileNotFoundError):
                        total += _blocks(entry) * 512
                        if entry.is_dir(follow_symlinks=False):
                            todo.append(entry.path)
        except FileNotFoundError:
            pass  # it has just been removed
        except OSError:  # too deep to be looked into, or closed
            return "it made folders in which nobody could look"
        if total > most_bytes:
            return f"it wrote more than {size(most_bytes)}"
        if entries > MOST_ENTRIES:
            return f"it made more than {MOST_ENTRIES} files"
    return ""


def _blocks(entry: os.DirEntry[str]) -> int:
    return getattr(entry.stat(follow_symlinks=False), "st_blocks", 0)


def remove(folder: Path) -> None:
    """Remove the folder and all below it; of what cannot be removed as much as can.

    Nothing below it may run any more.  What lies deeper is brought up first: a path has only so
    many bytes, and a function calls itself only so often.
    """
    mark, moved, todo = secrets.token_hex(8), 0, [str(folder)]
    while todo:
        top = todo.pop()
        with contextlib.suppress(OSError), os.scandir(top) as found:
            for entry in list(found):
                with contextlib.suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.path)  # noqa: PTH108
                        continue
                    os.chmod(entry.path, 0o700)  # noqa: PTH101
                    moved += 1
                    place = f"{folder}/{mark}-{moved}"
                    os.rename(entry.path, place)  # noqa: PTH104
                    todo.append(place)
        with contextlib.suppress(OSError):
            os.rmdir(top)  # noqa: PTH106
    with contextlib.suppress(OSError):
        folder.rmdir()
