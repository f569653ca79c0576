"""Files that students' notebooks turn into, read or refused with a reason."""

import codecs
import gzip
import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import SubmissionError
from grader.ingest import notebooks
from grader.ingest.notebooks import read
from grader.model import NotebookCell


def notebook(*cells, **fields) -> bytes:
    return json.dumps(
        {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | fields
    ).encode()


def code(source, **fields):
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": []} | fields


def reason(data: bytes) -> str:
    with pytest.raises(SubmissionError) as caught:
        read(data)
    return str(caught.value)


ONE = code("x = 1")
READ = (NotebookCell("code", "x = 1"),)


def test_a_sound_notebook_is_read_without_a_note():
    data = notebook({"cell_type": "markdown", "source": ["# A\n", "b"]}, ONE)

    assert read(data) == ((NotebookCell("markdown", "# A\nb"), *READ), ())


@pytest.mark.parametrize(
    "fields, output, executed",
    [
        ({}, "", False),
        ({"outputs": None}, "", False),
        ({"outputs": [], "execution_count": 7}, "", True),
        ({"execution_count": None, "outputs": [{"output_type": "display_data"}]}, "", True),
        ({"execution_count": 0}, "", False),
        ({"execution_count": "7"}, "", False),
        ({"outputs": [{"output_type": "stream", "text": ["1\r\n", 3, "2\0"]}]}, "1\n2", True),
        (
            {"outputs": [{"data": {"text/plain": "3"}}, "odd", {"text": 5}, {"text": "\ud800"}]},
            "3\n\ufffd",
            True,
        ),
        ({"outputs": [{"data": ["odd"]}, {"data": {"image/png": "AA"}}]}, "", True),
        ({"outputs": [{"text": "x" * 300_000}, {"text": "y"}]}, "x" * 200_000, True),
    ],
    ids=[
        "nothing",
        "null",
        "a number",
        "an output",
        "number 0",
        "a text",
        "printed",
        "last value",
        "a picture",
        "very long",
    ],
)
def test_what_was_saved_below_a_cell_is_kept_as_text(fields, output, executed):
    (cell,), notes = read(notebook(code("x = 1", **fields)))

    assert (cell.output, cell.executed) == (output, executed)
    assert notes == ()


@pytest.mark.parametrize(
    "data, note",
    [
        (codecs.BOM_UTF8 + notebook(ONE), None),
        (notebook(ONE).decode().encode("utf-16"), "it is written in UTF-16, not UTF-8"),
        (
            codecs.BOM_UTF16_BE + notebook(ONE).decode().encode("utf-16-be"),
            "it is written in UTF-16, not UTF-8",
        ),
        (notebook(ONE).decode().encode("utf-16-le"), "it is written in UTF-16, not UTF-8"),
        (notebook(ONE).decode().encode("utf-32"), "it is written in UTF-32, not UTF-8"),
        (notebook(ONE, nbformat_minor=99, fields="new"), None),
        (notebook(ONE, nbformat=5), "it is of notebook format 5, and was read as format 4"),
        (notebook(ONE, nbformat="4"), "it does not say its format, and was read as format 4"),
        (notebook(ONE, nbformat=True), "it does not say its format, and was read as format 4"),
        (b'{"cells": [{"cell_type": "code", "source": "x = 1"}]}', "it does not say its format"),
        (notebook(ONE, x=float("nan")), "it holds NaN or Infinity, which JSON does not have"),
        (notebook(ONE, x=-float("inf")), "it holds NaN or Infinity, which JSON does not have"),
        (
            notebook(ONE)[:-1] + b', "metadata": 1, "metadata": 2}',
            "it gives 'metadata' twice in one place: the last one counts",
        ),
        (notebook(ONE)[:-1] + b', "x": ' + b"9" * 5000 + b"}", None),
        (notebook(ONE).replace(b", ", b",\r\n"), None),
        (b" \n\n" + notebook(ONE) + b"\n\n", None),
    ],
    ids=[
        "utf-8 with mark", "utf-16 with mark", "utf-16-be with mark", "utf-16 without mark",
        "utf-32", "newer minor", "newer major", "format a string", "format true", "no format",
        "nan", "infinity", "key twice", "huge integer", "crlf", "white space",
    ],
)  # fmt: skip
def test_an_odd_file_is_read_and_the_oddity_said(data, note):
    cells, notes = read(data)

    assert cells == READ
    assert len(notes) == (note is not None)
    assert "".join(notes).startswith(note or "")


@pytest.mark.parametrize(
    "cell, expected, note",
    [
        (code(["a\n", "b"]), ("code", "a\nb"), None),
        (code([]), ("code", ""), None),
        (code("a\r\nb\rc\n\rd"), ("code", "a\nb\nc\n\nd"), None),
        (code(["a\r", "\nb"]), ("code", "a\nb"), None),
        (code(None), ("code", ""), "it has no source, and was read as empty"),
        ({"cell_type": "code"}, ("code", ""), "it has no source, and was read as empty"),
        (code(7), ("code", ""), "its source is a number, not text, and was read as empty"),
        (code({"a": 1}), ("code", ""), "its source is an object, not text, and was read as empty"),
        (
            code(["a\n", None, ["b"], "c"]),
            ("code", "a\nc"),
            "its source holds something that is not text, which was left out",
        ),
        (
            {"cell_type": "heading", "source": "x"},
            ("raw", "x"),
            "it is of the unknown kind 'heading', and was read as raw",
        ),
        ({"cell_type": ["code"], "source": "x"}, ("raw", "x"), "it is of no kind, and was read as"),
        ({"source": "x"}, ("raw", "x"), "it is of no kind, and was read as raw"),
        ("print(1)", ("raw", ""), "it is a string, not a cell, and was read as empty"),
        (None, ("raw", ""), "it is null, not a cell, and was read as empty"),
        ([], ("raw", ""), "it is a list, not a cell, and was read as empty"),
        (True, ("raw", ""), "it is true or false, not a cell, and was read as empty"),
        (
            code("a = '\ud800b'"),
            ("code", "a = '\ufffdb'"),
            "half a character (a lone surrogate) was replaced by \ufffd",
        ),
        (code(["'\ud83d", "\ude00'"]), ("code", "'\U0001f600'"), None),
        (code(["'\ufffd\ud83d", "\ude00'"]), ("code", "'\ufffd\U0001f600'"), None),
        (code("a\0b"), ("code", "ab"), "NUL characters were removed"),
    ],
    ids=[
        "list", "empty list", "line ends", "line end in two", "null", "no source", "number",
        "object", "list of other things", "unknown kind", "kind a list", "no kind", "string",
        "null cell", "list cell", "true", "lone surrogate", "pair in two", "replaced before", "nul",
    ],
)  # fmt: skip
def test_an_odd_cell_keeps_its_number_and_the_oddity_is_said(cell, expected, note):
    cells, notes = read(notebook(ONE, cell, ONE))

    assert cells == (*READ, NotebookCell(*expected), *READ)
    assert len(notes) == (note is not None)
    assert "".join(notes).startswith(f"cell 2: {note}" if note else "")


def test_an_oddity_of_many_cells_is_said_once():
    _, notes = read(notebook(ONE, *[code(None)] * 7))

    assert notes == ("cells 2, 3, 4, 5, 6 and 2 more: it has no source, and was read as empty",)


def test_a_file_full_of_oddities_does_not_flood_people():
    _, notes = read(notebook(ONE, *[{"cell_type": f"k{i}", "source": ""} for i in range(15)]))

    assert len(notes) == 11
    assert notes[-1] == "and 5 more oddities"


@pytest.mark.parametrize("cells", [[], [{"cell_type": "markdown", "source": "x"}]])
def test_a_notebook_without_code_is_read(cells):
    read_cells, notes = read(notebook(*cells))

    assert len(read_cells) == len(cells)
    assert notes == ("it has no code cell",)


OLD = {
    1: {
        "nbformat": 1,
        "cells": [{"cell_type": "text", "text": "hi"}, {"cell_type": "code", "code": "x = 1"}],
    },
    2: {
        "nbformat": 2,
        "metadata": {},
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "markdown", "source": "hi"},
                    {"cell_type": "code", "input": "x = 1", "outputs": [], "language": "python"},
                ]
            }
        ],
    },
    3: {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {},
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 3, "source": "a\nb", "metadata": {}},
                    {"cell_type": "html", "source": "<b>", "metadata": {}},
                    {"cell_type": "raw", "source": "r", "metadata": {}},
                ]
            },
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "input": ["x = 1\n", "y"],
                        "outputs": [],
                        "language": "python",
                        "collapsed": False,
                        "metadata": {},
                    }
                ]
            },
        ],
    },
}


@pytest.mark.parametrize("version", OLD)
def test_an_old_format_is_read_as_nbformat_would_upgrade_it(version):
    import nbformat

    data = json.dumps(OLD[version]).encode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        upgraded = nbformat.convert(nbformat.reader.reads(data.decode()), 4)

    cells, notes = read(data)

    assert cells == tuple(NotebookCell(cell.cell_type, cell.source) for cell in upgraded.cells)
    assert f"it is of notebook format {version}, and was read as format 4" in notes
    assert ("it has 2 worksheets, read one after another" in notes) == (version == 3)


def test_a_broken_worksheet_does_not_hide_the_others():
    worksheets = [7, {"cells": 7}, {"cells": [{"cell_type": "code", "input": "x = 1"}]}]

    cells, notes = read(json.dumps({"nbformat": 3, "worksheets": worksheets}).encode())

    assert cells == READ
    assert "a worksheet of it has no list of cells" in notes


@pytest.mark.parametrize("level", ["two", 0, 7, None])
def test_a_heading_of_no_level_is_of_the_first(level):
    heading = {"cell_type": "heading", "source": "x", "level": level}

    cells, _ = read(json.dumps({"nbformat": 3, "worksheets": [{"cells": [heading]}]}).encode())

    assert cells == (NotebookCell("markdown", "# x"),)


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "the file is empty (0 bytes)"),
        (b" \n\t\r\n", "the file holds nothing but white space"),
        (codecs.BOM_UTF8, "the file holds nothing but white space"),
        (b"\0" * 37, "the file holds nothing but NUL bytes (upload broken?)"),
        (
            b"\n<!DOCTYPE html><html></html>",
            "it is a web page (HTML), not a notebook: download it as .ipynb instead of saving the "
            "page",
        ),
        ("<html lang='zh'>\u4f5c".encode("big5"), "it is a web page (HTML), not a notebook: "),
        (codecs.BOM_UTF8 + b"<HTML>", "it is a web page (HTML), not a notebook: "),
        ("<html>".encode("utf-16"), "it is a web page (HTML), not a notebook: "),
        (b"<Error><Code>AccessDenied", "it is XML, not a notebook: it begins with '<Error><Code>"),
        (b"PK\x03\x04...", "it is a zip archive, not a notebook, in spite of its name"),
        (b"%PDF-1.7", "it is a PDF, not a notebook, in spite of its name"),
        (gzip.compress(b"x"), "it is a gzip archive, not a notebook, in spite of its name"),
        (b"\x89PNG\r\n", "it is a PNG picture, not a notebook, in spite of its name"),
        (
            b"import numpy as np\nx = 1",
            "it is a Python script, not a notebook: it begins with 'import numpy as np'",
        ),
        (
            b'"""Homework."""\nimport numpy\n',
            "it is a Python script, not a notebook: it begins with '\"\"\"Homework.\"\"\"'",
        ),
        (b"hello\nyou", "not a notebook: no JSON, it begins with 'hello'"),
        (b"hello\x1b[31m", r"not a notebook: no JSON, it begins with 'hello\x1b[31m'"),
        (b'{\n "cells": [\n', "not a notebook: JSON breaks off at line 2 (upload cut short?)"),
        (
            '{"cells": [\n"\u4f5c'.encode()[:-1],
            "not a notebook: JSON breaks off at line 2 (upload cut short?)",
        ),
        (
            '{\n"cells": ["'.encode("utf-16")[:-1],
            "not a notebook: JSON breaks off at line 2 (upload cut short?)",
        ),
        (
            b'{\r\n"cells": [,]}',
            "not a notebook: JSON goes wrong at line 2, column 11 (Expecting value)",
        ),
        (
            b'{\r"cells": []}\r}',
            "not a notebook: JSON goes wrong at line 3, column 1 (Extra data)",
        ),
        (
            b'{\n<<<<<<< HEAD\n"cells": [],\n=======\n"cells": [1],\n>>>>>>> b\n}',
            "not a notebook: an unfinished git merge, with conflict markers from line 2 on",
        ),
        (
            b"<<<<<<< HEAD\n{}\n=======\n",
            "not a notebook: an unfinished git merge, with conflict markers from line 1 on",
        ),
        (
            b'{"cells":\n\n ["\xa7@\xb7~"]}',
            "not a notebook: not UTF-8 at line 3 (byte 0xA7); save it as UTF-8",
        ),
        (b"[1]", "it is JSON, but not a notebook: it is a list"),
        (b"7", "it is JSON, but not a notebook: it is a number"),
        (b"null", "it is JSON, but not a notebook: it is null"),
        (b'"x"', "it is JSON, but not a notebook: it is a string"),
        (b"{}", "it is JSON, but not a notebook: it has no cells"),
        (
            b'{"cells": null, "nbformat": 4}',
            "it is JSON, but not a notebook: its cells are null, not a list",
        ),
        (
            b'{"worksheets": 3}',
            "it is JSON, but not a notebook: its worksheets are a number, not a list",
        ),
        (
            b'{"cells":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            "not a notebook: its JSON is nested too deeply to be read",
        ),
    ],
    ids=[
        "empty", "white space", "mark alone", "nul bytes", "html", "html in big5",
        "html with mark", "html in utf-16", "xml", "zip", "pdf", "gzip", "png", "script",
        "script with docstring", "text", "control characters", "cut short", "cut in a character",
        "cut in utf-16", "json error", "more after the end", "conflict", "conflict at the start",
        "big5", "list", "number", "null", "string", "no cells",
        "cells null", "worksheets a number", "nested",
    ],
)  # fmt: skip
def test_what_is_no_notebook_is_refused_with_a_reason_in_one_line(data, said):
    assert reason(data).startswith(said)
    assert "\n" not in reason(data)


def test_a_huge_file_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(notebooks, "LIMIT_BYTES", 2 * 10**6)

    assert reason(b" " * 2_345_678) == (
        "it is too large: 2.3 MB, where 2 MB are allowed; clear its outputs and hand it in again"
    )


SAMPLE = json.dumps(
    json.loads(notebook(code(["s = '\u4f5c\U0001f600\t'\n"], n=[1.5e-7, True, None, -12]))),
    indent=1,
)


@pytest.mark.parametrize("text", [SAMPLE, json.dumps(json.loads(SAMPLE), ensure_ascii=False)])
def test_a_file_cut_short_anywhere_is_said_to_be_so(text):
    data = text.encode()
    for end in range(1, len(data)):
        line = data[:end].rstrip().count(b"\n") + 1
        assert reason(data[:end]) == (
            f"not a notebook: JSON breaks off at line {line} (upload cut short?)"
        )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
odd_cells = st.fixed_dictionaries(
    {}, optional={"cell_type": st.just("code") | values, "source": values, "level": values}
)


@given(st.lists(odd_cells | values), values, st.sampled_from(["cells", "worksheets"]))
def test_any_list_of_cells_is_read_into_text_that_utf_8_can_hold(cells, version, key):
    listed = cells if key == "cells" else [{"cells": cells}]

    found, notes = read(json.dumps({key: listed, "nbformat": version}).encode())

    assert len(found) == len(cells)
    for cell in found:
        assert cell.kind in ("code", "markdown", "raw")
        cell.source.encode("utf-8")
        assert "\r" not in cell.source
    assert all("\n" not in note for note in notes)
    "".join(notes).encode("utf-8")


@given(st.binary())
def test_no_bytes_are_too_odd_to_be_refused(data):
    assert "\n" not in reason(data)
