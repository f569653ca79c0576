"""From a notebook as it was handed in, and its grade, to the notebook with what is said of it.

Everything is written anew from what can be shown and does nothing: texts, pictures, errors.  A
student's HTML and scripts are left out of the outputs, whose plain form stays; sources are the
student's own, to the letter.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grader.export import markdown
from grader.ingest import notebooks
from grader.model import NotebookCell, NotebookGrade

_SHOWN = ("text/plain", "text/latex", "image/png", "image/jpeg", "image/gif")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_OLD = {"pyout": "execute_result", "pyerr": "error"}  # formats 2 and 3
_OLD_TYPES = {"text": "text/plain", "latex": "text/latex", "png": "image/png", "jpeg": "image/jpeg"}
_OURS = {"tags": ["grader"]}


def annotated(data: bytes, grade: NotebookGrade, title: str, student: str) -> bytes:
    """The notebook with the report as its first cell, and a note below each cell that was marked.

    data   the file that was graded; `grade` must hold the record of just this file
    title  the assignment's, for people
    Raises SubmissionError if it cannot be read, nbformat's ValidationError if we have a bug.
    """
    assert grade.record is not None
    cells = grade.record.submission.cells
    notes: dict[int, list[str]] = defaultdict(list)
    for judgement in grade.judgements:
        where = markdown.place(judgement)
        if where is not None:
            notes[where].append(markdown.question(judgement, grade))
    written = [_added("report", markdown.notebook(grade, title, student))]
    saved = notebooks.as_saved(data)
    for number, (cell, raw) in enumerate(zip(cells, saved, strict=True), 1):
        written.append(_cell(f"cell-{number}", cell, raw))
        if number in notes:
            written.append(_added(f"note-{number}", "\n\n---\n\n".join(notes[number])))
    return _file(written)


def _file(cells: Sequence[Mapping[str, Any]]) -> bytes:
    import nbformat

    language = {"name": "python"}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {
        "cells": list(cells),
        "metadata": {"kernelspec": kernel, "language_info": language},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    nbformat.validate(nbformat.from_dict(whole))
    return (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace")


def _added(key: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": key, "metadata": _OURS, "source": text}


def _cell(key: str, cell: NotebookCell, raw: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "cell_type": cell.kind,
        "id": key,
        "metadata": {},
        "source": cell.source,
    }
    if cell.kind == "code":
        count = raw.get("execution_count", raw.get("prompt_number"))
        whole["execution_count"] = count if type(count) is int and count >= 0 else None
        outputs = raw.get("outputs")
        whole["outputs"] = list(_outputs(outputs if isinstance(outputs, list) else []))
    elif pictures := _attachments(raw.get("attachments")):
        whole["attachments"] = pictures
    return whole


def _outputs(outputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for output in outputs:
        if not isinstance(output, dict):
            continue
        said = output.get("output_type")
        kind = _OLD.get(said, said) if isinstance(said, str) else ""
        if kind == "stream":
            name = output.get("name", output.get("stream"))
            stream = "stderr" if name == "stderr" else "stdout"
            yield {"output_type": kind, "name": stream, "text": _text(output.get("text"))}
        elif kind == "error":
            trace = output.get("traceback")
            yield {
                "output_type": kind,
                "ename": _text(output.get("ename")),
                "evalue": _text(output.get("evalue")),
                "traceback": [_text(line) for line in trace] if isinstance(trace, list) else [],
            }
        elif kind in ("display_data", "execute_result"):
            whole: dict[str, Any] = {
                "output_type": kind,
                "metadata": {},
                "data": _shown(output),
            }
            if kind == "execute_result":
                count = output.get("execution_count", output.get("prompt_number"))
                whole["execution_count"] = count if type(count) is int and count >= 0 else None
            yield whole


def _shown(output: Mapping[str, Any]) -> dict[str, str]:
    """What of an output can be shown and does nothing; a word in its place if that is nothing."""
    data = output.get("data")
    if not isinstance(data, dict):
        data = {new: output[old] for old, new in _OLD_TYPES.items() if old in output}
    found = {kind: _text(data[kind]) for kind in _SHOWN if kind in data}
    kept = {
        kind: text
        for kind, text in found.items()
        if kind.startswith("text/") or _BASE64.fullmatch(text)
    }
    return kept or {"text/plain": "(an output that is left out here: it stands in your own file)"}


def _attachments(found: Any) -> dict[str, dict[str, str]]:
    """Pictures that were put into a text."""
    kept = {}
    for name, bundle in found.items() if isinstance(found, dict) else ():
        pictures = {
            kind: text
            for kind in _SHOWN
            if kind.startswith("image/")
            and isinstance(bundle, dict)
            and _BASE64.fullmatch(text := _text(bundle.get(kind)))
        }
        if pictures:
            kept[notebooks.clean(name)] = pictures
    return kept


def _text(found: Any) -> str:
    """A text of the file, which may have been split into its lines."""
    if isinstance(found, list):
        found = "".join(part for part in found if isinstance(part, str))
    return notebooks.clean(found) if isinstance(found, str) else ""
