"""From a zip to its members, each read into memory on its own; nothing is ever unpacked to disk.

A zip comes from strangers: its names may lead anywhere, its sizes may lie, a kilobyte of it may
become a terabyte.  So no more is believed of it than was read, and no more is read than is allowed.
"""

from __future__ import annotations

import contextlib
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.errors import SubmissionError
from grader.ingest import notebooks

LIMIT_MEMBERS = 20_000
LIMIT_BYTES = 4 * 2**30  # of all members together that are worth opening
LIMIT_INNER_BYTES = 2**29  # of a zip in a zip: one student's
LIMIT_RATIO = 250  # unpacked to packed; a notebook comes to some tens
SMALL_BYTES = 20 * 2**20  # a notebook may print one line until it is this long, and be no bomb

_END = b"PK\x05\x06"
_END_BYTES = 22
_LONGEST_COMMENT = 2**16
_LARGE_END = b"PK\x06\x06"  # stands before the end of archives whose sizes do not fit in it
_LARGE_BYTES = 76
_ENTRY_BYTES = 1000  # of the list of members, with a long name
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DRIVE = re.compile(r"[A-Za-z]:")
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    LookupError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an open zip.

    path     in the zip, with "/"; as it is there, so it may be anything
    refused  why it may not be opened, in one line; empty if it may
    """

    path: str
    refused: str
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def content(self) -> bytes:
        """Its bytes.  Raises SubmissionError if it is refused, too large or damaged."""
        if self.refused:
            raise SubmissionError(self.refused)
        notebooks.refuse_if_huge(self.info.file_size)
        try:
            with self.archive.open(self.info) as file:
                data = file.read(notebooks.LIMIT_BYTES + 1)
        except _BROKEN as error:
            raise SubmissionError(
                f"it is damaged in the archive ({_said(error)}): download the archive again"
            ) from error
        notebooks.refuse_if_huge(len(data))
        return data


@contextlib.contextmanager
def opened(source: Path | bytes) -> Iterator[list[Member]]:
    """The files in a zip, in its order; folders are left out.

    Raises SubmissionError, with one line that says why, if the zip as a whole is refused: it is
    cut short or no zip, encrypted, holds too much, or holds nothing that may be opened.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(
                io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
            )
            _refuse_long_list(file)
            archive = stack.enter_context(zipfile.ZipFile(file))
            infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
        except _BROKEN as error:
            raise SubmissionError(
                f"it cannot be opened as a zip ({_said(error)}): cut short? download it again"
            ) from error
        if len(infos) > LIMIT_MEMBERS:
            raise _too_many()
        if any(info.flag_bits & 1 for info in infos):
            raise SubmissionError(
                "it is encrypted: unpack it with its password, and give the folder"
            )
        members = [
            Member(path := _path(info), _refused(path, info), archive, info) for info in infos
        ]
        _refuse_bomb(members, file.seek(0, io.SEEK_END), inner=isinstance(source, bytes))
        if members and all(member.refused for member in members):
            raise SubmissionError(f"nothing in it may be opened: {members[0].refused}")
        yield members


def is_zip(name: str) -> bool:
    """Whether the name claims to be a zip's."""
    return name.strip().lower().endswith(".zip")


def is_worth_opening(name: str) -> bool:
    """Whether a member of this name is read at all; of the others only the name is."""
    return is_zip(name) or name.strip().lower().endswith(".ipynb")


def _refuse_bomb(members: list[Member], packed_bytes: int, *, inner: bool) -> None:
    """Raises SubmissionError if all that is worth opening comes to too much."""
    whole = sum(m.info.file_size for m in members if not m.refused and is_worth_opening(m.name))
    limit = LIMIT_INNER_BYTES if inner else LIMIT_BYTES
    if whole > limit:
        raise SubmissionError(
            f"it would unpack to {whole / 2**20:.0f} MB, where {limit / 2**20:.0f} MB are "
            "allowed: unpack it, and give the folder"
        )
    ratio = whole / packed_bytes
    if whole > SMALL_BYTES and ratio > LIMIT_RATIO:
        raise SubmissionError(
            f"it would unpack to {whole / 2**20:.0f} MB, {ratio:.0f} times its own size (a bomb?)"
        )


def _refuse_long_list(file: io.BufferedIOBase) -> None:
    """Raises SubmissionError if the zip lists more members than allowed, before they are read."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END_BYTES - _LONGEST_COMMENT - _LARGE_BYTES))
    tail = file.read()
    file.seek(0)
    last = len(tail) - _END_BYTES
    whole = tail[max(0, last) :]  # the end itself may hold the mark of an end
    at = last if whole.startswith(_END) and whole.endswith(b"\0\0") else tail.rfind(_END)
    if at < 0 or at > last:
        return  # no zip: whoever opens it will say so
    count, length = struct.unpack("<HL", tail[at + 10 : at + 16])
    large = tail[max(0, at - _LARGE_BYTES) : at]
    if large.startswith(_LARGE_END):
        count, length = struct.unpack("<QQ", large[32:48])
    if count > LIMIT_MEMBERS or length > LIMIT_MEMBERS * _ENTRY_BYTES:
        raise _too_many()


def _too_many() -> SubmissionError:
    return SubmissionError(
        f"it holds more than {LIMIT_MEMBERS} files: unpack it, and give the folder"
    )


def _path(info: zipfile.ZipInfo) -> str:
    """A member's path; programs that do not say how they write names use UTF-8, or Big5."""
    name = info.orig_filename.partition("\0")[0]
    if not info.flag_bits & 0x800:
        raw = name.encode("cp437", "replace")
        for encoding in ("utf-8", "cp950"):
            with contextlib.suppress(UnicodeDecodeError):
                name = raw.decode(encoding)
                break
    return name.replace("\\", "/")


def _refused(path: str, info: zipfile.ZipInfo) -> str:
    """Why a member may not be opened, whatever is in it."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if path.startswith("/") or _DRIVE.match(path):
        return "its name is a path from the root of the disk: not opened"
    if ".." in path.split("/"):
        return "its name leads out of the archive (../): not opened"
    if kind == stat.S_IFLNK:
        return "it is a link in an archive: not followed"
    if kind not in (0, stat.S_IFREG):
        return "it is neither a file nor a folder: not opened"
    if info.compress_type not in _METHODS:
        return f"it is packed by method {info.compress_type}, not deflate: pack it anew as a zip"
    ratio = info.file_size / max(1, info.compress_size)
    if info.file_size > SMALL_BYTES and ratio > LIMIT_RATIO:
        return (
            f"it unpacks to {info.file_size / 2**20:.0f} MB, {ratio:.0f} times its packed size "
            "(a bomb?): not opened"
        )
    return ""


def _said(error: Exception) -> str:
    return (str(error).partition("\n")[0] or type(error).__name__).rstrip(".")
