"""The run folder: records come back as they were, files are whole, and one run holds it."""

import json
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from grader.errors import StoreError
from grader.model import (
    Asked,
    CellFailure,
    Execution,
    FileNote,
    Found,
    NotebookCell,
    Observation,
    Observed,
    Outcome,
    Place,
    Record,
    Review,
    Submission,
)
from grader.store import Store, from_json, to_json


def record(value=None, student="R13940001"):
    seen = Observation(Outcome.PASSED, value, changed=("X",))
    failed = Observation(Outcome.RAISED, error="ValueError: 不對", where=Place(3, 2))
    return Record(
        Submission(
            student, "colab1", "a/b.ipynb", "ab" * 32, (NotebookCell("code", "1\n2"),), ("x",)
        ),
        Execution(Outcome.RAISED, (CellFailure(Place(1, 2), "NameError"),), (4,), ("cuda",)),
        {
            "softmax": Observed(
                Found("f", Place(1, 1), 9), {"t": Asked("d", (seen, failed))}, ("N",)
            )
        },
        "key",
    )


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, 2.5, "text", None, True],
        (1, (2, [])),
        {"a": 1},
        float("inf"),
    ],
    ids=repr,
)
def test_a_record_comes_back_as_it_was(value):
    assert from_json(to_json(record(value))) == record(value)


def test_other_answers_come_back_too():
    one = record([1.0])
    softmax = one.observed["softmax"]
    again = structs.replace(softmax, again=Observation(Outcome.PASSED, (1, "text")))
    both = structs.replace(softmax, others=(again, softmax), helped=softmax.trials)
    one = structs.replace(one, observed={"softmax": both})

    assert from_json(to_json(one)) == one


def test_half_of_a_surrogate_pair_is_stored_as_a_question_mark(tmp_path):
    one = record([1.0], student="R1\ud800")
    assert from_json(to_json(one)) == record([1.0], student="R1?")

    store = Store(tmp_path)
    with store.held():
        store.save_notes([FileNote("a\udc80.ipynb", "ignored")])
        assert store.notes() == (FileNote("a?.ipynb", "ignored"),)


@pytest.mark.parametrize(
    "of, field, wrong",
    [
        ("submission", "student", 3),
        ("submission", "cells", None),
        ("execution", "outcome", "well"),
        ("execution", "left_out", ["4"]),
        ("observed", "softmax", []),
    ],
)
def test_a_record_with_a_field_of_another_kind_is_refused(of, field, wrong):
    data = json.loads(to_json(record()))
    data["record"][of][field] = wrong
    with pytest.raises(StoreError, match="not a stored record"):
        from_json(json.dumps(data).encode())

    del data["record"][of]
    with pytest.raises(StoreError, match="not a stored record"):
        from_json(json.dumps(data).encode())


def test_arrays_come_back_to_the_bit():
    array = np.array([[0.1, np.nan], [-0.0, np.inf]])
    came = from_json(to_json(record(array))).observed["softmax"].trials["t"].observations[0].value
    assert came.dtype == array.dtype
    assert came.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"format": 99, "record": {}}',
        b'{"format": 2, "record": {}}',
        b"\xff",
        b'{"a":' * 100_000,
    ],
    ids=["nothing", "empty", "list", "other format", "no fields", "bytes", "too deep"],
)
def test_what_is_no_record_is_refused_and_counts_as_not_there(tmp_path, data):
    with pytest.raises(StoreError):
        from_json(data)
    store = Store(tmp_path)
    with store.held():
        store.save(record())
        (path,) = store.records_folder.iterdir()
        path.write_bytes(data)
        assert store.load("R13940001", "colab1") is None


def test_ids_that_look_alike_or_lead_elsewhere_have_files_of_their_own(tmp_path):
    ids = ["../../X", "A/B", "A_B", "a_b", "學生", "生學", "x" * 300]
    store = Store(tmp_path / "r")
    with store.held():
        for student in ids:
            store.save(record(student, student))
        for student in ids:
            assert store.load(student, "colab1") == record(student, student)
        assert len(list(store.records_folder.iterdir())) == len(ids)
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.write("a.csv", b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write("a.csv", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == b"old"


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_a_saved_record_is_on_the_disk_under_its_name(tmp_path, monkeypatch):
    store, synced = Store(tmp_path), []
    fsync = os.fsync

    def noted(descriptor):
        where = Path(f"/proc/self/fd/{descriptor}").resolve()
        synced.append((where.name, sorted(path.name for path in store.records_folder.iterdir())))
        fsync(descriptor)

    with store.held():
        monkeypatch.setattr(os, "fsync", noted)
        store.save(record())

    (name,) = (path.name for path in store.records_folder.iterdir())
    assert synced == [(f".new-{name}", [f".new-{name}"]), ("records", [name])]


def test_what_a_power_cut_left_half_written_is_in_nobodys_way(tmp_path):
    (tmp_path / ".new-a.csv").write_bytes(b"half of something longer")
    Store(tmp_path).write("a.csv", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == b"whole"


def test_results_are_for_their_owner_only(tmp_path):
    store = Store(tmp_path / "r")
    with store.held():
        store.save(record())
        store.write("gradebook.csv", b"")
    for path in (tmp_path / "r").rglob("*"):
        if path.name not in (".lock",):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_folder_that_is_held_is_refused_with_who_holds_it(tmp_path):
    with (
        Store(tmp_path).held(),
        pytest.raises(StoreError, match=rf"in use by process {os.getpid()} on "),
        Store(tmp_path).held(),
    ):
        pass
    with Store(tmp_path).held():
        pass  # and free again afterwards


@pytest.mark.parametrize(
    "text, said",
    [(None, "grade with `grader run` first"), ("{", "cannot be read"), ("[]", "not written by")],
    ids=["missing", "cut", "other"],
)
def test_a_folder_without_a_run_is_told(tmp_path, text, said):
    if text is not None:
        (tmp_path / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=said):
        Store(tmp_path).manifest()


def test_what_became_of_the_files_is_kept_with_the_reasons(tmp_path):
    notes = (FileNote("a.ipynb", "needs_person", reason="變成"), FileNote("b", "ignored"))
    store = Store(tmp_path)
    with store.held():
        store.save_notes(notes)
        assert store.notes() == notes
        (store.records_folder / "files").write_text("[3]", encoding="utf-8")
        with pytest.raises(StoreError, match="no whole run"):
            store.notes()


def test_a_record_is_plain_json_with_every_field_of_the_model():
    stored = json.loads(to_json(record()))["record"]
    assert stored.keys() == set(Record.__struct_fields__)


def test_a_table_is_read_by_column_and_a_broken_one_is_refused(tmp_path):
    store = Store(tmp_path)
    (tmp_path / "t.csv").write_text('﻿a,b,c\n1,"x\r\n,y",\n', "utf-8", newline="")
    assert store.table("t.csv", ("a", "b")) == [{"a": "1", "b": "x\r\n,y", "c": ""}]

    for content, said in [
        (b"a,c\n1,2\n", "lacks columns: it needs a, b"),
        (b"", "lacks columns"),
        (b"a,b\n1,2\n3\n", "breaks off in row 3"),
        (b"a,b\n\xff,2\n", "cannot be read"),
    ]:
        (tmp_path / "t.csv").write_bytes(content)
        with pytest.raises(StoreError, match=said):
            store.table("t.csv", ("a", "b"))
    with pytest.raises(StoreError, match="cannot be read"):
        store.table("none.csv", ())


def test_exports_are_private_and_a_folder_of_them_can_be_made_anew(tmp_path):
    store = Store(tmp_path / "results")
    with store.held():
        old = store.export("gradescope/R1/results.json", b"{}")
        kept = store.export("points.csv", b"x")
        store.remove_exports("gradescope")
        new = store.export("gradescope/R2/results.json", b"{}")

    assert not old.exists() and not old.parent.exists()
    assert kept.read_bytes() == b"x" and new.read_bytes() == b"{}"
    for path in (tmp_path / "results" / "export").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_what_people_decided_outlasts_a_fresh_run(tmp_path):
    store = Store(tmp_path)
    reviews = (Review("R1", "colab3", "description", 7.5, "林", "2024-12-20", "好", "ab"),)

    assert store.reviews() == ()
    with store.held():
        store.save_reviews(reviews)
        store.forget()

    assert store.reviews() == reviews
    file = tmp_path / "reviews.json"
    file.write_text(file.read_text("utf-8"), "utf-8-sig")  # as some editors do
    assert store.reviews() == reviews
    file.write_text("[{}]", "utf-8")
    with pytest.raises(StoreError, match=r"reviews\.json cannot be read"):
        store.reviews()
