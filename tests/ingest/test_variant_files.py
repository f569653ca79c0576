"""Programs as students write them: read from their folder, told apart, put into the solution."""

import ast
import dataclasses
from itertools import combinations

import pytest

from grader.authoring import Assignment, Check, Notebook, Question, case
from grader.errors import AssignmentError
from grader.ingest import notebooks, percent, variants
from grader.ingest.assignments import load

WEEK14 = load("week14")
RIGHT, WRONG = variants.right(WEEK14), variants.wrong(WEEK14)
MANY = (
    "qkv",
    "softmax",
    "attention",
    "self_attention",
    "multihead",
    "positional_encoding",
    "generation",
)


# those of week 14 -------------------------------------------------------------------


@pytest.mark.parametrize("question", MANY)
def test_every_question_has_at_least_twelve_right_variants_and_six_wrong_ones(question):
    assert len([v for v in RIGHT if v.question == question]) >= 12
    assert len([v for v in WRONG if v.question == question]) >= 6


class Nameless(ast.NodeTransformer):
    """A syntax tree without what a person may choose freely: names, and what strings say."""

    def visit(self, node):
        for field in ("id", "arg", "attr", "name", "asname", "module"):
            if isinstance(getattr(node, field, None), str):
                setattr(node, field, "name")
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [n for n in body if not self.says_only(n)]
        return super().visit(node)

    @staticmethod
    def says_only(node):
        return (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        )

    def visit_Constant(self, node):
        return ast.Constant("text") if isinstance(node.value, str) else node


def form(cells):
    trees = [Nameless().visit(ast.parse(cell.source)) for cell in cells if cell.kind == "code"]
    return "\n".join(ast.dump(tree) for tree in trees)


@pytest.mark.parametrize("question", MANY)
def test_no_two_right_variants_are_the_same_but_for_their_names(question):
    forms = {v.style: form(v.cells) for v in RIGHT if v.question == question}
    assert [pair for pair in combinations(forms, 2) if forms[pair[0]] == forms[pair[1]]] == []


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("q = f(x)  # the query", "key = g(value)  # the key", True),
        ("def f(a):\n    'Doc.'\n    return a.b", "def g(c):\n    return c.d", True),
        ("print('yes')", "print('no')", True),
        ("q = f(x)", "q = f(x, x)", False),
        ("q = x * 2", "q = x * 3", False),
        ("q = x * x", "q = x @ x", False),
    ],
)
def test_a_form_forgets_names_and_nothing_else(one, other, same):
    _, first = percent.split(f"# %%\n{one}\n")
    _, second = percent.split(f"# %%\n{other}\n")
    assert (form(first) == form(second)) == same


@pytest.mark.parametrize("variant", RIGHT + WRONG, ids=lambda v: v.name)
def test_a_variant_takes_the_place_of_the_cells_that_answer_its_question(variant):
    solution = WEEK14.solution / f"{variant.notebook}.ipynb"
    solved = written(notebooks.read(solution.read_bytes())[0])
    own = written(variant.cells)

    read, notes = notebooks.read(variants.handed_in(WEEK14, variant))

    assert notes == ()
    assert all(cell.executed for cell in read if cell.kind == "code")
    cells = written(read)
    at = cells.index(own[0])
    assert cells[at : at + len(own)] == own
    assert cells[:at] == solved[:at]
    rest = cells[at + len(own) :]
    assert rest == [cell for cell in solved[at + 1 :] if cell in rest]
    own_classes = [f"class {name}(" for name in classes(variant.cells)]
    for _, source in set(solved[at + 1 :]) - set(rest):
        assert any(own in source for own in own_classes)
    assert not any(own in source for _, source in rest for own in own_classes)


def written(cells):
    return [(cell.kind, cell.source) for cell in cells]


def classes(cells):
    """The names of the classes that the cells define."""
    nodes = [node for cell in cells for node in ast.parse(cell.source).body]
    return {node.name for node in nodes if isinstance(node, ast.ClassDef)}


# of a small assignment -----------------------------------------------------------------


def double(x):
    return 2 * x


def some(rng):
    yield case(1)


QUESTION = Question("double", "Twice x", "double", double, [Check("it doubles", some, points=1)])


@pytest.fixture
def assignment(tmp_path):
    made = Assignment(
        "small",
        "Small",
        {"colab1": 1},
        {"colab1": Notebook("One", [QUESTION])},
        "{student}_{notebook}.ipynb",
        solution=tmp_path / "solution",
        variants=tmp_path / "variants",
        wrong=tmp_path / "wrong",
    )
    solution = (
        "# %%\nN = 2\n# %%\n%time N\n# %%\ndef double(x):\n    return 2 * x\n# %%\ndouble(N)\n"
    )
    (tmp_path / "solution").mkdir()
    text = percent.notebook(percent.split(solution)[1])
    (tmp_path / "solution" / "colab1.ipynb").write_text(text, "utf-8")
    return made


def put(assignment, kind, text, question="double"):
    path = getattr(assignment, kind) / question / "style.py"
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")


def test_a_variant_says_what_it_is_and_what_must_come_of_it(assignment):
    put(
        assignment,
        "wrong",
        "# earns: 0.5\n# Adds two,\n# not times two.\n# flags: b, a\n"
        "# found: twice\n# unfair: not yet\n# %%\ndouble = lambda x: x + 2\n",
    )

    (variant,) = variants.wrong(assignment)

    assert variants.right(assignment) == []
    assert dataclasses.replace(variant, cells=()) == variants.Variant(
        "colab1", "double", "style", "Adds two, not times two.", (), 0.5, ("a", "b"), "twice",
        "not yet",
    )  # fmt: skip
    cells, _ = notebooks.read(variants.handed_in(assignment, variant))
    assert [cell.source for cell in cells] == [
        "N = 2", "%time N", "double = lambda x: x + 2", "double(N)"
    ]  # fmt: skip


def test_an_assignment_may_keep_none(assignment):
    assert variants.right(dataclasses.replace(assignment, variants=None)) == []


@pytest.mark.parametrize(
    "kind, text, question, said",
    [
        (
            "variants",
            "# Twice.\n# %%\ndouble = 1\n",
            "treble",
            "no question treble; there are doub",
        ),
        ("variants", "# Twice.\n", "double", "it has no cell"),
        ("variants", "# %%\ndouble = 1\n", "double", "say in a comment before its first cell"),
        ("variants", "import numpy\n# %%\ndouble = 1\n", "double", "there is 'import numpy'"),
        ("variants", "# A.\n# earns: 1\n# %%\nx = 1\n", "double", "says what it earns"),
        ("wrong", "# Twice.\n# %%\ndouble = 1\n", "double", "does not say what it earns"),
        ("wrong", "# A.\n# earns: all\n# %%\nx = 1\n", "double", "'all', which is no number"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(assignment, kind, text, question, said):
    put(assignment, kind, text, question)
    with pytest.raises(AssignmentError, match=rf"{question}/style\.py: .*{said}"):
        (variants.right if kind == "variants" else variants.wrong)(assignment)


def test_no_solution_or_none_of_the_question_is_said(assignment):
    put(assignment, "variants", "# Twice.\n# %%\ndouble = lambda x: x + x\n")
    (variant,) = variants.right(assignment)
    path = assignment.solution / "colab1.ipynb"

    path.write_text(percent.notebook(percent.split("# %%\nN = 2\n")[1]), "utf-8")
    with pytest.raises(AssignmentError, match="no cell makes double"):
        variants.handed_in(assignment, variant)
    path.unlink()
    with pytest.raises(AssignmentError, match=r"no solution .*colab1\.ipynb"):
        variants.handed_in(assignment, variant)
