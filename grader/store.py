"""The run folder: what was observed, one file a submission, and everything made from it.

Each file is written whole or not at all, readable by its owner only.  Nobody else may use a folder
while a run holds it.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import shutil
import socket
import tempfile
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock, Timeout
from msgspec.structs import replace

from grader import wire
from grader.errors import StoreError
from grader.model import Asked, FileNote, Observation, Observed, Record, Review, Told

FORMAT = 4  # of the stored records; another one is graded anew
WRITTEN_ANEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)


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
        self.write("records/files", _json(list(notes)))

    def notes(self) -> tuple[FileNote, ...]:
        """What `save_notes` was given.  Raises StoreError if it is not there."""
        try:
            data = (self.records_folder / "files").read_bytes()
            return msgspec.json.decode(data, type=tuple[FileNote, ...])
        except (OSError, ValueError, RecursionError) as error:
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
        self.write("records/told", _json(told))

    def told(self) -> Told:
        """What `save_told` was given; nothing, if the run was of a version that kept none.

        Raises StoreError if it cannot be read.
        """
        try:
            return msgspec.json.decode((self.records_folder / "told").read_bytes(), type=Told)
        except FileNotFoundError:
            return Told()
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{self.folder} holds no whole run: {error}") from None

    def save_reviews(self, reviews: Iterable[Review]) -> None:
        """Keep what people decided; not among the records, which a fresh run forgets."""
        data = msgspec.json.format(_json(list(reviews)), indent=1)
        self.write("reviews.json", data + b"\n")

    def reviews(self) -> tuple[Review, ...]:
        """What `save_reviews` was given last; nothing, if it never was.

        Raises StoreError if it cannot be read.
        """
        path = self.folder / "reviews.json"
        try:
            data = path.read_bytes().removeprefix(BOM_UTF8)  # which an editor may have put there
            return msgspec.json.decode(data, type=tuple[Review, ...])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from None

    def manifest(self) -> dict[str, Any]:
        """What run.json says.  Raises StoreError if it is not there or not ours."""
        try:
            data = json.loads((self.folder / "run.json").read_bytes())
        except FileNotFoundError:
            raise StoreError(
                f"{self.folder} holds no run (no run.json): grade with `grader run` first"
            ) from None
        except (OSError, ValueError, RecursionError) as error:
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


class _Stored(msgspec.Struct):
    format: int
    record: Record


def to_json(record: Record) -> bytes:
    """A record as it is stored."""
    return _json(_Stored(FORMAT, _mapped(record, wire.encode)))


def from_json(data: bytes) -> Record:
    """The record that `to_json` was given.  Raises StoreError if it is no such thing."""
    try:
        stored = msgspec.json.decode(data, type=_Stored)
        if stored.format != FORMAT:
            raise StoreError(f"a record of format {stored.format}, not {FORMAT}")
        return _mapped(stored.record, wire.decode)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"not a stored record: {error}") from None


def _mapped(record: Record, crossed: Callable[[Any], Any]) -> Record:
    """The same, with each value of an observation as `crossed` gives it."""

    def seen(one: Observation) -> Observation:
        return Observation(one.outcome, crossed(one.value), one.error, one.where, one.changed)

    def asked(trials: Mapping[str, Asked]) -> dict[str, Asked]:
        return {
            name: Asked(trial.inputs, tuple(map(seen, trial.observations)))
            for name, trial in trials.items()
        }

    def observed(one: Observed) -> Observed:
        return replace(
            one,
            trials=asked(one.trials),
            again=seen(one.again) if one.again else None,
            helped=asked(one.helped),
            others=tuple(map(observed, one.others)),
        )

    each = {key: observed(one) for key, one in record.observed.items()}
    return replace(record, observed=each)


def _json(data: Any) -> bytes:
    try:
        return msgspec.json.encode(data)
    except UnicodeEncodeError:  # half of a surrogate pair, as a file's name may hold
        plain = msgspec.to_builtins(data)
        return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")
