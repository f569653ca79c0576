"""The run folder: what was observed, one file a submission, and everything made from it.

Each file is written whole or not at all, readable by its owner only.  Nobody else may use a folder
while a run holds it.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from grader import wire
from grader.errors import StoreError
from grader.model import FileNote, Observation, Outcome, Record, Review, Told

FORMAT = 4  # of the stored records; another one is graded anew
WRITTEN_ANEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
_ATOMS = frozenset([str, Outcome, int, bool, float, type(None)])  # which JSON has


class Store:
    """One run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def records_folder(self) -> Path:
        return self.folder / "records"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """The folder, made if need be, for this process alone.

        Raises StoreError if it cannot be written, or another run holds it.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.records_folder.mkdir(mode=0o700, exist_ok=True)
            (self.folder / "reports").mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except FileExistsError:
            raise StoreError(
                f"{self.folder} is a file, not a folder: choose another with -o"
            ) from None
        except NotADirectoryError:
            raise StoreError(f"{self.folder} lies below a file: choose another with -o") from None
        except OSError as error:
            raise StoreError(
                f"{self.folder} cannot be written ({error.strerror}): choose another with -o"
            ) from None
        holder = self.folder / ".holder"
        lock = FileLock(self.folder / ".lock", timeout=0, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            by = holder.read_text("utf-8") if holder.is_file() else "another run"
            raise StoreError(
                f"{self.folder} is in use by {by}: wait for it, or choose another with -o"
            ) from None
        try:
            self.write(".holder", f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def write(self, name: str, data: bytes) -> Path:
        """Put `data` into the file `name` of the folder, whole or not at all."""
        path = self.folder / name
        temporary = path.with_name(f".new-{path.name}")
        try:
            with os.fdopen(os.open(temporary, WRITTEN_ANEW, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return path

    def export(self, name: str, data: bytes) -> Path:
        """Put `data` into the file `name` of the folder of exports, made if need be."""
        path = self.folder / "export" / name
        for folder in reversed([each for each in path.parents if self.folder in each.parents]):
            folder.mkdir(mode=0o700, exist_ok=True)
        return self.write(f"export/{name}", data)

    def remove_exports(self, name: str) -> None:
        """Take away a folder in the folder of exports, with all that was written into it."""
        shutil.rmtree(self.folder / "export" / name, ignore_errors=True)

    def remove_pages_but(self, names: set[str]) -> None:
        """Take away the pages of students who are no longer in the gradebook."""
        for path in (self.folder / "reports").glob("*.html"):
            if path.name not in names:
                path.unlink()

    def save(self, record: Record) -> None:
        """Keep a record; once this has returned, it outlasts a power cut."""
        submission = record.submission
        self.write(f"records/{_name(submission.student, submission.notebook)}", to_json(record))
        if os.name == "posix":
            folder = os.open(self.records_folder, os.O_RDONLY)
            try:
                os.fsync(folder)  # which holds its new name
            finally:
                os.close(folder)

    def load(self, student: str, notebook: str) -> Record | None:
        """The stored record, or None if there is none that this version can read."""
        path = self.records_folder / _name(student, notebook)
        try:
            return from_json(path.read_bytes())
        except (OSError, StoreError):
            return None

    def forget(self) -> None:
        """Remove every stored record, to grade all anew."""
        shutil.rmtree(self.records_folder, ignore_errors=True)
        self.records_folder.mkdir(mode=0o700)

    def save_notes(self, notes: Iterable[FileNote]) -> None:
        """Keep what became of every file, with the reasons that run.json leaves out."""
        data = [dataclasses.asdict(note) for note in notes]
        self.write("records/files", json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"))

    def notes(self) -> tuple[FileNote, ...]:
        """What `save_notes` was given.  Raises StoreError if it is not there."""
        try:
            data = json.loads((self.records_folder / "files").read_bytes())
            return tuple(FileNote(**{**note, "flags": tuple(note["flags"])}) for note in data)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{self.folder} holds no whole run: {error}") from None

    def table(self, name: str, columns: Sequence[str]) -> list[dict[str, str]]:
        """The rows of a CSV file of the folder, by column.

        Raises StoreError if it is not there, or lacks one of the columns in some row.
        """
        path = self.folder / name
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.DictReader(file)
                if not set(columns) <= set(rows.fieldnames or ()):
                    raise StoreError(f"{path} lacks columns: it needs {', '.join(columns)}")
                read = list(rows)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise StoreError(f"{path} cannot be read: {error}") from None
        for number, row in enumerate(read, 2):
            if any(row[column] is None for column in columns):
                raise StoreError(f"{path} breaks off in row {number}")
        return read

    def save_told(self, told: Told) -> None:
        """Keep what the run was told besides the notebooks."""
        data = json.dumps(dataclasses.asdict(told), ensure_ascii=False)
        self.write("records/told", data.encode("utf-8", "replace"))

    def told(self) -> Told:
        """What `save_told` was given; nothing, if the run was of a version that kept none.

        Raises StoreError if it cannot be read.
        """
        try:
            data = json.loads((self.records_folder / "told").read_bytes())
            return _reader_of(Told).validate_python(data)  # type: ignore[no-any-return]
        except FileNotFoundError:
            return Told()
        except (OSError, ValueError, TypeError) as error:
            raise StoreError(f"{self.folder} holds no whole run: {error}") from None

    def save_reviews(self, reviews: Iterable[Review]) -> None:
        """Keep what people decided; not among the records, which a fresh run forgets."""
        data = [dataclasses.asdict(review) for review in reviews]
        text = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
        self.write("reviews.json", text.encode("utf-8", "replace"))

    def reviews(self) -> tuple[Review, ...]:
        """What `save_reviews` was given last; nothing, if it never was.

        Raises StoreError if it cannot be read.
        """
        path = self.folder / "reviews.json"
        try:
            data = json.loads(path.read_bytes())
            return _reader_of(tuple[Review, ...]).validate_python(data)  # type: ignore[no-any-return]
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from None

    def manifest(self) -> dict[str, Any]:
        """What run.json says.  Raises StoreError if it is not there or not ours."""
        try:
            data = json.loads((self.folder / "run.json").read_bytes())
        except FileNotFoundError:
            raise StoreError(
                f"{self.folder} holds no run (no run.json): grade with `grader run` first"
            ) from None
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.folder / 'run.json'} cannot be read: {error}") from None
        assignment = data.get("assignment") if isinstance(data, dict) else None
        known = isinstance(assignment, dict) and isinstance(assignment.get("key"), str)
        if not known or type(data.get("seed")) is not int:
            raise StoreError(f"{self.folder / 'run.json'} was not written by this program")
        return dict(data)


def _name(student: str, notebook: str) -> str:
    # ids are text of students': a digest keeps two of them apart and every one of them harmless
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in student)[:40]
    mark = hashlib.sha256(student.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{plain}-{mark}-{notebook}.json"


def to_json(record: Record) -> bytes:
    """A record as it is stored."""
    data = {"format": FORMAT, "record": _plain(record)}
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")


def _plain(part: Any) -> Any:
    """A part of a record as JSON-ready data; not dataclasses.asdict, which copies every array."""
    kind = part.__class__
    if kind in _ATOMS:
        return part
    if kind is tuple:
        return [_plain(item) for item in part]
    names = _names(kind)
    if names:
        data = {name: _plain(getattr(part, name)) for name in names}
        if kind is Observation:
            data["value"] = wire.encode(part.value)
        return data
    return {key: _plain(value) for key, value in part.items()}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """The fields of a part of a record that are plain themselves; none if it is a mapping."""
    if not dataclasses.is_dataclass(kind):
        return ()
    fields = tuple(field.name for field in dataclasses.fields(kind))
    return tuple(name for name in fields if (kind, name) != (Observation, "value"))


def from_json(data: bytes) -> Record:
    """The record that `to_json` was given.  Raises StoreError if it is no such thing."""
    try:
        whole = json.loads(data)
        if whole["format"] != FORMAT:
            raise StoreError(f"a record of format {whole['format']}, not {FORMAT}")
        record: Mapping[str, Any] = whole["record"]
        for observed in record["observed"].values():
            for answer in (observed, *observed["others"]):
                trials = [*answer["trials"].values(), *answer["helped"].values()]
                seen = [each for trial in trials for each in trial["observations"]]
                for observation in (*seen, answer["again"]):
                    if observation is not None:
                        observation["value"] = wire.decode(observation["value"])
        return _reader_of(Record).validate_python(record)  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"not a stored record: {error}") from None


@cache
def _reader_of(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
