"""From cells to what is seen of them, in real kernels."""

import asyncio
import hashlib
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from grader.authoring import Check, Question, directly
from grader.model import Limits, NotebookCell, Submission
from grader.sandbox import kernel, notebook
from grader.sandbox.ground import choose
from grader.sandbox.probe import Cases

IMPORTS = frozenset(["matplotlib", "pandas", "torch", "torch.optim"])  # of some test


def submission(cells):
    """A notebook of these cells; a text stands for a code cell."""
    made = tuple(c if isinstance(c, NotebookCell) else NotebookCell("code", c) for c in cells)
    digest = hashlib.sha256(repr(made).encode("utf-8", "replace")).hexdigest()
    return Submission("A01", "colab1", "A01_colab1.ipynb", digest, made)


def asking(target, *cases, call=directly, parameters=(), key=None):
    """A question that puts `cases` to `target`."""

    def given(rng):
        yield from cases

    return Question(
        key=key or str(target),
        title=str(target),
        target=target,
        reference=lambda *args: None,
        checks=[Check("it is right", given, points=1)],
        call=call,
        parameters=parameters,
    )


@pytest.fixture(scope="module", params=["pipe", "cold"])
def kind(request):
    """Each kind of kernel in turn."""
    return request.param


@pytest.fixture(scope="module")
def ground(kind):
    """Where student code is run on this machine, in kernels of that kind."""
    return replace(choose(), kernel=kind)


@pytest.fixture(scope="module")
def home():
    """A folder for kernels, with a path that is short enough for their sockets."""
    folder = Path(tempfile.mkdtemp(prefix="g", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def data(home):
    """What week 14 hands out beside its notebooks, as kernels find it."""
    handed_out = Path(__file__).parents[2] / "fixtures" / "week14"
    names = ("data.py", "wikitext-2")
    return kernel.data_folder(home, {name: handed_out / name for name in names})


@pytest.fixture(scope="module")
def observe(home, ground):
    """From cells and questions to the execution, and the observations of each question.

    `observe.kernels` gives the source of the kernels, `observe.run` runs a coroutine with them.
    """
    sources = {}

    def kernels(data="", **limits):
        key = (data, tuple(sorted(limits.items())))
        if key not in sources:
            sources[key] = ground.kernels(home, data, Limits(**limits), IMPORTS)
        return sources[key]

    async def observed(
        cells,
        *questions,
        data="",
        seed=7,
        follows=lambda seen: {},
        outputs=None,
        keeps_printed=False,
        **limits,
    ):
        asked = {q.key: (q, {t: Cases(t.draw(1)) for t in q.trials}) for q in questions}
        source = kernels(data, **limits)
        return await notebook.observe(
            submission(cells),
            asked,
            source,
            seed,
            outputs,
            follows=follows,
            keeps_printed=keeps_printed,
        )

    with asyncio.Runner() as runner:

        def run(*args, **kwargs):
            return runner.run(observed(*args, **kwargs))

        async def close():
            for source in sources.values():
                await source.close()

        run.later, run.run, run.kernels = observed, runner.run, kernels
        yield run
        runner.run(close())


def seen(observed):
    """All observations of a question, in the order of its trials and cases."""
    return [o for asked in observed.trials.values() for o in asked.observations]


def failures(execution):
    """What Python said of each cell that failed, by the number of the cell."""
    return {failure.where.cell: failure.error for failure in execution.failures}
