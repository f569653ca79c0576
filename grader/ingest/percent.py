"""From a percent script to the notebook that it stands for.

In a percent script `# %%` starts a code cell and `# %% [markdown]` a markdown cell, whose lines are
comments; the code line `# ipython: <line>` becomes `<line>`, which need not be Python.  What a code
cell printed before it was handed in stands as comments after `# %% [output]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import count
from typing import Any

from msgspec.structs import replace

from grader.model import NotebookCell

_CELL = re.compile(r"^# %%(?: \[(markdown|output)\])?[ \t]*\n", re.MULTILINE)
_IPYTHON = re.compile(r"^(?P<indent>[ \t]*)# ipython: ", re.MULTILINE)
_COMMENT = re.compile(r"^# ?", re.MULTILINE)


def split(script: str) -> tuple[str, list[NotebookCell]]:
    """What stands before the first cell, and the cells.

    Raises ValueError if an output comes after something else than a code cell.
    """
    before, *parts = _CELL.split(script)
    cells: list[NotebookCell] = []
    for kind, body in zip(parts[::2], parts[1::2], strict=True):
        source = body.strip("\n")
        if kind == "markdown":
            cells.append(NotebookCell("markdown", _COMMENT.sub("", source)))
        elif kind == "output" and cells and cells[-1].kind == "code":
            printed = _COMMENT.sub("", source) + "\n"
            cells[-1] = replace(cells[-1], output=printed, executed=True)
        elif kind == "output":
            raise ValueError("`# %% [output]` comes after a code cell")
        else:
            cells.append(NotebookCell("code", _IPYTHON.sub(r"\g<indent>", source)))
    return before, cells


def notebook(cells: Sequence[NotebookCell], *, executed: bool = True) -> str:
    """The text of the .ipynb with these code and markdown cells, named c1, c2, ...

    executed  number the code cells as if they had been run from top to bottom; they printed what
              their `output` says
    """
    written = []
    runs = count(1)
    for number, cell in enumerate(cells, start=1):
        made: dict[str, Any] = {"cell_type": cell.kind, "id": f"c{number}", "metadata": {}}
        if cell.kind == "code":
            printed = cell.output.splitlines(keepends=True) if executed else []
            stream = {"name": "stdout", "output_type": "stream", "text": printed}
            made |= {
                "execution_count": next(runs) if executed else None,
                "outputs": [stream] if printed else [],
            }
        written.append(made | {"source": cell.source.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": written, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
