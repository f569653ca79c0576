"""Proves that any notebook that can be graded can be annotated, and that nothing in it acts."""

import json

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.export.annotate import annotated
from grader.ingest import notebooks
from grader.model import Execution, Found, Outcome, Place, Record, Submission
from tests.report.conftest import Maker

MAKE = Maker()
PNG = "iVBORw0KGgo="


def of(whole, *judgements):
    """The annotated notebook of a file with this JSON."""
    data = json.dumps(whole).encode()
    cells, notes = notebooks.read(data)
    submission = Submission("R1", "colab1", "x.ipynb", "ab" * 32, cells, notes)
    record = Record(submission, Execution(Outcome.PASSED), {}, "key")
    grade = MAKE.notebook("colab1", *judgements, record=record)
    read = nbformat.reads(annotated(data, grade, "HW", "R1").decode(), as_version=4)
    nbformat.validate(read)
    return read


def code(*outputs, source="x", **given):
    return {"cell_type": "code", "source": source, "metadata": {"id": "a"}, "outputs": [*outputs],
            "execution_count": 3, **given}  # fmt: skip


def with_cells(*cells, version=4):
    return {"cells": [*cells], "metadata": {"colab": {}}, "nbformat": version, "nbformat_minor": 0}


def test_a_note_stands_below_each_cell_that_was_marked():
    first = MAKE.question("a", found=Found("f", Place(1, 1), 2))
    second = MAKE.question("b", found=Found("g", Place(1, 4), 6))
    third = MAKE.question("c", found=Found("h", Place(3, 1), 1))
    nowhere = MAKE.question("d", MAKE.verdict(outcome=Outcome.MISSING), outcome=Outcome.MISSING)

    read = of(with_cells(code(), {"cell_type": "markdown", "source": "t"}, code()),
              first, second, third, nowhere)  # fmt: skip

    assert [cell.id for cell in read.cells] == [
        "report", "cell-1", "note-1", "cell-2", "cell-3", "note-3",
    ]  # fmt: skip
    assert "The a" in read.cells[2].source and "The b" in read.cells[2].source
    assert "The c" in read.cells[5].source
    assert "**– The d: 0 of 2 points** (not found)" in read.cells[0].source


def test_outputs_are_kept_in_every_form_that_does_nothing():
    stream = {"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]}
    error = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]}
    picture = {"output_type": "display_data", "metadata": {"x": 1},
               "data": {"image/png": PNG, "text/plain": ["<F>"]}}  # fmt: skip
    value = {"output_type": "execute_result", "execution_count": 3, "metadata": {},
             "data": {"text/plain": "1", "text/html": "<script>1</script>"}}  # fmt: skip

    outputs = of(with_cells(code(stream, error, picture, value))).cells[1].outputs

    assert outputs[0] == {"output_type": "stream", "name": "stdout", "text": "a\nb\n"}
    assert outputs[1] == error
    assert outputs[2].data == {"image/png": PNG, "text/plain": "<F>"}
    assert outputs[3].data == {"text/plain": "1"} and outputs[3].execution_count == 3


@pytest.mark.parametrize(
    "data",
    [
        {"text/html": "<b>x</b>"},
        {"application/javascript": "alert(1)"},
        {"image/svg+xml": "<svg onload='alert(1)'/>"},
        {"image/png": "<svg onload='alert(1)'/>"},
        {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}},
        None,
    ],
)
def test_what_could_act_is_left_out_and_said(data):
    output = {"output_type": "display_data", "data": data, "metadata": {}}

    (shown,) = of(with_cells(code(output))).cells[1].outputs

    assert list(shown.data) == ["text/plain"]
    assert "left out here" in shown.data["text/plain"]


def test_a_notebook_of_format_3_is_annotated_in_format_4():
    cell = {"cell_type": "code", "language": "python", "input": ["x"], "prompt_number": 2,
            "outputs": [
                {"output_type": "pyout", "prompt_number": 2, "text": ["1"], "png": PNG},
                {"output_type": "stream", "stream": "stderr", "text": "w"},
                {"output_type": "pyerr", "ename": "E", "evalue": "v", "traceback": []},
            ]}  # fmt: skip

    read = of({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [
        {"cells": [cell, {"cell_type": "heading", "level": 2, "source": "t"}]}]})  # fmt: skip

    assert read.cells[1].source == "x" and read.cells[1].execution_count == 2
    assert [o.output_type for o in read.cells[1].outputs] == ["execute_result", "stream", "error"]
    assert read.cells[1].outputs[0].data == {"text/plain": "1", "image/png": PNG}
    assert read.cells[2].source == "## t"


def test_pictures_in_texts_stay():
    cell = {"cell_type": "markdown", "source": "![x](attachment:a.png)", "metadata": {},
            "attachments": {"a.png": {"image/png": PNG, "text/html": "<b>"}, "b": 1}}  # fmt: skip

    assert of(with_cells(cell)).cells[1].attachments == {"a.png": {"image/png": PNG}}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.text(max_size=5)
    | st.sampled_from(["stream", "error", "display_data", "execute_result", "pyout", PNG]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "output_type name text data traceback ename evalue execution_count text/plain "
                "image/png metadata png stream".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
CELLS = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw", "other", 3])},
    optional={
        "source": JSON, "outputs": st.lists(JSON, max_size=3), "execution_count": JSON,
        "attachments": JSON, "metadata": JSON, "id": JSON,
    },
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(CELLS | JSON, max_size=4), st.sampled_from([2, 4, 5, None, "x"]))
def test_however_odd_a_notebook_is_what_comes_out_is_valid(cells, version):
    read = of(
        with_cells(*cells, version=version), MAKE.question("a", found=Found("f", Place(1, 1), 2))
    )

    assert len(read.cells) == 1 + len(cells) + bool(cells)
