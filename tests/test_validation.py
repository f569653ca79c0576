"""The proof of an assignment: what it takes for a breach, and what its mutants come to."""

import dataclasses
import shutil
import textwrap
from pathlib import Path

import pytest

from grader import config, validation
from grader.errors import SandboxError
from grader.ingest import assignments, variants
from grader.model import NotebookCell
from grader.validation import Proof, Tried

LAYERS = Path(__file__).resolve().parent / "assignments" / "layers"


def settings(folder):
    return config.settings(None, {"course.assignment": str(folder)}, {})


def silent(done, of):
    pass


PACKAGE = '''
    """Of one question, whose reference counts down."""

    from grader.authoring import Assignment, Check, Notebook, Question, case


    def down(n):
        total = 0
        while n > 0:
            total = total + n
            n = n - 1
        return total


    def numbers(rng):
        yield case(3)
        yield case(5)


    def small(n):
        """It does not count."""
        return 0


    ASSIGNMENT = Assignment(
        key="{key}",
        title="Down",
        points={{"lab": 2}},
        notebooks={{
            "lab": Notebook(
                "Down",
                [
                    Question(
                        key="down",
                        title="Count down",
                        target="down",
                        reference=down,
                        untouched=small,
                        checks=[Check("it counts", numbers, points=2, view={view})],
                    )
                ],
            )
        }},
        file_name="{{student}}-{{notebook}}.ipynb",
    )
'''


def package(folder, view="lambda total: total"):
    folder.mkdir()
    text = textwrap.dedent(PACKAGE).format(key=folder.name, view=view)
    (folder / "__init__.py").write_text(text, "utf-8")
    return folder


def test_a_mutant_that_never_ends_is_killed_and_the_next_is_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(validation, "MUTANT_SECONDS", 1.0)

    proof = validation.validate(settings(package(tmp_path / "downwards")), silent)

    fates = {one.change: one.fate for one in proof.tried}
    assert fates["n - 1 -> n + 1"] == "killed"  # it counts for ever
    assert fates["total + n -> total - n"] == "killed"
    assert fates["n > 0 -> n >= 0"] == "equivalent"  # adding nothing once more
    assert proof.breaches == 0


def test_checks_that_look_at_too_little_let_mutants_survive(tmp_path, monkeypatch):
    monkeypatch.setattr(validation, "MUTANT_SECONDS", 1.0)
    folder = package(tmp_path / "blindly", view="lambda total: total > 0")

    proof = validation.validate(settings(folder), silent)

    fates = {one.change: one.fate for one in proof.tried}
    assert fates["1 -> 2"] == "survivor"
    assert proof.breaches == [one.fate for one in proof.tried].count("survivor")


def test_no_mutant_is_tried_if_none_is_asked_for(tmp_path):
    proof = validation.validate(settings(package(tmp_path / "quickly")), silent, most=0)

    assert proof.tried == ()
    assert [row.kind for row in proof.rows] == ["reference", "handout"]


def test_a_process_that_tells_nothing_is_an_error_and_no_score(tmp_path, monkeypatch):
    folder = package(tmp_path / "silently")
    monkeypatch.setattr(validation, "_try_references", print)

    with pytest.raises(SandboxError, match="ended by itself"):
        validation.validate(settings(folder), silent)


@pytest.fixture
def layers(tmp_path):
    """A copy of the second assignment to change, under a name of its own."""

    def copied(name):
        folder = tmp_path / name
        shutil.copytree(LAYERS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        table = folder / "__init__.py"
        text = table.read_text("utf-8").replace("layers", name)
        table.write_text(text, "utf-8")
        return folder

    return copied


@pytest.mark.kernel
def test_variants_that_do_not_come_out_as_they_say_are_breaches(layers):
    folder = layers("layers_broken")
    right = folder / "variants" / "convolve" / "correlate.py"
    right.write_text(right.read_text("utf-8").replace("correlate(", "convolve("), "utf-8")
    known = folder / "variants" / "layer_norm" / "loops.py"
    text = known.read_text("utf-8").replace("1e-5", "0.5")
    known.write_text(text.replace("# %%", "# unfair: nobody is perfect\n# %%", 1), "utf-8")
    wrong = folder / "wrong" / "convolve" / "strided.py"
    wrong.write_text(wrong.read_text("utf-8").replace("earns: 0", "earns: 3"), "utf-8")

    proof = validation.validate(settings(folder), silent, most=0)

    breaches = {row.program: row.breach for row in proof.rows if row.breach}
    assert breaches == {
        "loops": "it is right, but loses points: nobody is perfect",
        "correlate": "it is right, but loses points",
        "strided": "it should earn 3",
    }
    assert proof.breaches == 3


@pytest.mark.kernel
def test_the_mutants_of_variants_are_sampled_the_same_each_time(layers):
    told = []
    folder = layers("layers_sampled")

    proof, again = (
        validation.validate(settings(folder), lambda *step: told.append(step), most=12)
        for _ in range(2)
    )

    tried = [one for one in proof.tried if one.program != "reference"]
    assert len(tried) == 12
    assert proof == again
    assert told[-1][0] == told[-1][1] >= 12 + 5  # the five programs themselves


def test_a_cell_that_is_not_python_has_no_mutants():
    assignment = assignments.load(str(LAYERS))
    variant = variants.right(assignment)[0]
    cells = (NotebookCell("code", "!pip install x"), NotebookCell("code", "a = 1"))

    mutated = list(validation._mutated(assignment, dataclasses.replace(variant, cells=cells)))

    assert {one.where for one in mutated} == {"2:1"}
    assert all(one.variant.cells[0] == cells[0] for one in mutated)


def test_what_a_variant_brings_along_of_the_rest_of_the_notebook_has_no_mutants():
    week14 = assignments.load("week14")
    (variant,) = (v for v in variants.right(week14) if v.style == "batch_first_with_its_model")

    mutated = list(validation._mutated(week14, variant))

    assert "class TransformerModel" in variant.cells[1].source
    assert {one.where.partition(":")[0] for one in mutated} == {"1"}


@pytest.mark.parametrize(
    "fate, breaches", [("killed", 0), ("equivalent", 0), ("survivor", 1), ("undecided", 1)]
)
def test_what_was_not_told_from_a_right_program_is_a_breach(fate, breaches):
    tried = Tried("lab", "convolve", "reference", "convolution.py:20", "a -> b", fate)

    assert Proof((), (tried,)).breaches == breaches
