"""The least that running a class's notebooks and asking them can cost: a fork, `exec`, the calls.

    python floor.py <assignment> <notebook> [--cells-only] <file>...

One process imports numpy, matplotlib and (if a notebook does) torch, then for each notebook forks:
the child runs the text of the cells by `exec` and makes the calls that the grader makes, on the
same cases, and ends.  There is no wall, no message and no kernel; no result is looked at, encoded
or kept.  Colab's own lines are put aside beforehand, and paths on its drive are those of the data.

It says "ready" when all is imported and prepared, waits for a line, and ends with a line of JSON:
how many cells and calls there were, and how many of them raised.  With --cells-only
nothing is called.
"""

import gc
import inspect
import json
import os
import re
import sys
import textwrap
import types
from pathlib import Path

import matplotlib.pyplot  # noqa: F401  (the notebooks' imports are ready, as they are for us)
import numpy as np

SEED = 14
CELLS_ONLY = "--cells-only"
DRIVE = re.compile(r"(['\"])/content/drive/[^'\"]*?(/wikitext-2|/)(['\"])")


def without_colab(source, data):
    """A cell's text for a machine that is not Colab: `data` holds what was on its drive."""
    lines = [
        f"{line[: len(line) - len(line.lstrip())]}pass"
        if re.match(r"\s*(?:[%!]|from google\.colab|drive\.mount)", line)
        else line
        for line in source.split("\n")
    ]
    moved = DRIVE.sub(
        lambda found: f"{found[1]}{data}{found[2].rstrip('/')}{found[3]}", "\n".join(lines)
    )
    return moved.replace('device("cuda")', 'device("cpu")')


def data_of(assignment):
    """The folder of what the assignment hands out beside its notebooks; "" if nothing."""
    return str(assignment.data[0].parent) if assignment.data else ""


class Rerun:
    """Statements of a notebook as a function from names given to the names that they leave."""

    def __init__(self, statements, assigns, names):
        self.statements, self.assigns, self.names = statements, assigns, names

    def __call__(self, **given):
        self.names.update(given)
        for statement in self.statements:
            tree = compile(statement["source"], "<cell>", "exec", 0x400)  # PyCF_ONLY_AST
            tree.body = [tree.body[statement["index"]]]
            exec(compile(tree, "<cell>", "exec"), self.names)
        return [self.names[name] for name in self.assigns]


def asked(questions, cells):
    """What is asked of one notebook: (target, or statements and what they make, calls)."""
    from grader.authoring import Cell, Question, directly
    from grader.model import NotebookCell
    from grader.sandbox import slices

    every = slices.statements([NotebookCell("code", source) for source in cells])
    for question in questions:
        if not isinstance(question, Question):
            continue
        for trial in question.trials:
            cases = trial.draw(SEED)
            scope = {"np": np, "torch": sys.modules.get("torch")}
            call = directly
            if trial.call is not directly:
                exec(textwrap.dedent(inspect.getsource(trial.call)), scope)
                call = scope[trial.call.__name__]
            target = question.target
            if isinstance(target, Cell):
                names = target.assigns
                found = slices.rerun(every, cases[0].given, names)
                target = ([{"source": s.source, "index": s.index} for s in found], names)
            yield target, call, cases


def run(cells, trials, tally):
    """What the child does."""
    names = {"__name__": "__main__"}
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    module.__dict__.update(names)
    names = module.__dict__
    for source in cells:
        tally["cells"] += 1
        try:
            exec(compile(source, "<cell>", "exec"), names)
        except BaseException as error:
            tally["raised"].append(f"cell: {error!r}")
    for target, call, cases in trials:
        for case in cases:
            tally["calls"] += 1
            try:
                names.update(case.given)
                if isinstance(target, str):
                    call(names[target], *case.args)
                else:
                    rerun = Rerun(*target, names)
                    call(rerun, *case.args)
            except BaseException as error:
                tally["raised"].append(f"{target if isinstance(target, str) else 0}: {error!r}")


def main(assignment_name, notebook, *files):
    from grader.ingest import assignments

    cells_only = CELLS_ONLY in files
    files = [file for file in files if file != CELLS_ONLY]
    assignment = assignments.load(assignment_name)
    data = data_of(assignment)
    books = []
    for file in files:
        cells = json.loads(Path(file).read_text("utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        books.append([without_colab(source, data) for source in code if source.strip()])
    texts = "\n".join(source for cells in books for source in cells)
    if "import torch" in texts:
        import torch

        if "optim" in texts:
            import torch._dynamo  # noqa: F401  (which the first optimizer imports)
    questions = assignment.notebooks[notebook].questions
    todo = [(cells, [] if cells_only else list(asked(questions, cells))) for cells in books]
    said = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    gc.collect()
    gc.freeze()
    os.write(said, b"ready\n")
    sys.stdin.readline()
    total = {"cells": 0, "calls": 0, "raised": []}
    for cells, trials in todo:
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            tally = {"cells": 0, "calls": 0, "raised": []}
            run(cells, trials, tally)
            tally["raised"] = [text[:200] for text in tally["raised"][:9]]
            os.write(theirs, json.dumps(tally).encode())
            os._exit(0)
        os.close(theirs)
        tally = json.loads(os.read(ours, 4096) or b'{"cells": 0, "calls": 0, "raised": ["died"]}')
        os.close(ours)
        os.waitpid(child, 0)
        for key in ("cells", "calls"):
            total[key] += tally[key]
        total["raised"] += tally["raised"]
    os.write(said, json.dumps(total).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
