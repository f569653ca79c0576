"""Mutants: programs one slip away from a right one, which the checks must tell from it."""

import ast
from pathlib import Path
from statistics import mean

import numpy as np
import pytest

from grader.authoring import Check, Question, case
from grader.judge.mutants import is_right, many_cases, mutants, mutated_references, right_results
from grader.judge.proof import handed_in
from grader.judge.questions import judge_question
from grader.model import Outcome


def of(source):
    return [mutant.source for mutant in mutants(source)]


@pytest.mark.parametrize(
    "source, mutated",
    [
        ("y = a + b", "y = a - b"),
        ("y = a + b", "y = a"),
        ("y = a + b", "y = b"),
        ("y = a / b", "y = a * b"),
        ("y = a / b", "y = b / a"),
        ("y = a @ b", "y = a * b"),
        ("y = a @ b", "y = b @ a"),
        ("y = a @ b", "y = a.T @ b"),
        ("y = a @ b", "y = a @ b.T"),
        ("y = a.T @ b", "y = a @ b"),
        ("y = a ** b", "y = a * b"),
        ("y = -a", "y = a"),
        ("y = -1 ** a", "y = 1 ** a"),
        ("y = 1 ** a", "y = 0 ** a"),
        ("y = 0 ** a", "y = (-1) ** a"),
        ("y = 5", "y = 6"),
        ("y = 5", "y = 4"),
        ("y = 5", "y = 0"),
        ("y = 5", "y = 1"),
        ("y = 5", "y = 2"),
        ("y = a < b", "y = a <= b"),
        ("y = a == b", "y = a != b"),
        ("y = a and b", "y = a or b"),
        ("y = f(a, b)", "y = f(b, a)"),
        ("y = f(a, axis=0)", "y = f(a)"),
        ("y = f(a, axis=0)", "y = f(a, axis=1)"),
        ("y = f(a, dim=-1)", "y = f(a, dim=1)"),
        ("y = f(a, axis=(0, 1))", "y = f(a, axis=0)"),
        ("y = f(a, keepdims=True)", "y = f(a, keepdims=False)"),
        ("y = np.sum(a)", "y = np.mean(a)"),
        ("y = a.mean()", "y = a.sum()"),
        ("y = np.sin(a)", "y = np.cos(a)"),
        ("y = np.vstack(a)", "y = np.hstack(a)"),
        ("y = np.sqrt(a)", "y = a"),
        ("y = a.transpose(0, 1)", "y = a"),
        ("y = np.dot(a, b)", "y = np.multiply(a, b)"),
        ("y = np.matmul(a, b)", "y = np.matmul(a.T, b)"),
        ("y = np.einsum('ij,jk->ik', a, b)", "y = np.einsum('ij,jk->ki', a, b)"),
        ("for i in range(n):\n    f(i)", "for i in range(n - 1):\n    f(i)"),
        ("for i in range(n):\n    f(i)", "for i in range(n + 1):\n    f(i)"),
        ("for i in range(n):\n    f(i)", "for i in range(1, n):\n    f(i)"),
        ("for i in range(n):\n    f(i)", "for i in range(n):\n    pass"),
        ("for i in range(1, n):\n    f(i)", "for i in range(1, n - 1):\n    f(i)"),
        ("y = f(a, 'b', **c)", "y = f('b', a, **c)"),
        ("y[0] += 1", "y[0] -= 1"),
        ("y += 1", "y -= 1"),
        ("y += 1", "y = 1"),
        ("y[0] = 1", "pass"),
        ("y = 3\ny = y * z", "y = 3\npass"),
        ("if a:\n    y = 1", "if not a:\n    y = 1"),
        ("while a:\n    break", "while a:\n    continue"),
        ("def f(a):\n    return a", "def f(a):\n    return a.T"),
        ("def f(a):\n    return a", "def f(a):\n    pass"),
        ("y = q1 + k1 + q2", "y = k1 + k1 + q2"),
        ("y = q1 + k1 + q2", "y = q2 + k1 + q2"),
        ("y = keys + queries", "y = queries + queries"),
    ],
)
def test_a_slip_is_made(source, mutated):
    assert ast.unparse(ast.parse(mutated)) in of(source)


KEPT = '''
def f(a: int = b) -> 1 + 1:
    """Adds 1 + 1."""
    print(a + 1)
    x: 2 + 2 = a
    if x:
        raise ValueError(1 + 1, f"{a + 1}")
    if not a:
        return
    return x
'''


def test_what_no_output_shows_stays_as_it_is():
    for made in of(KEPT):
        assert "Adds 1 + 1." in made
        assert "-> 1 + 1:" in made
        assert "print(a + 1)" in made
        assert "x: 2 + 2" in made or "x: " not in made
        assert "raise ValueError(1 + 1, f'{a + 1}')" in made or "raise" not in made


def test_names_of_another_scope_are_not_taken():
    source = "def f(q):\n    return q\n\ndef g(k):\n    return k"

    assert not [made for made in of(source) if "return k" in made and "f(q):\n    return k" in made]


def test_no_mutant_comes_twice_or_is_the_program_itself():
    source = "def f(x, n):\n    y = 2 * x + 1 - 1\n    return np.sum(y ** 2, axis=1) / len(x)"

    made = [ast.dump(ast.parse(text)) for text in of(source)]

    assert len(set(made)) == len(made) > 30
    assert ast.dump(ast.parse(source)) not in made


def test_mutants_come_in_the_same_order_each_time_with_what_changed_and_where():
    source = "a = 1\nb = np.sqrt(a)\n"

    assert mutants(source) == mutants(source)
    assert ("np.sqrt(a) -> a", 2) in {(m.change, m.line) for m in mutants(source)}


# of a reference ---------------------------------------------------------------------


def half(x):
    return np.asarray(x) / 2


def shifted(by):
    def answer(x):
        return half(x) + by

    return answer


def average(x):
    return mean(x) + 1


def recursive(n):
    return 1 if n == 0 else n * recursive(n - 1)


def numbers(rng):
    for _ in range(3):
        yield case(rng.normal(size=4))


def always_the_same(rng):
    yield case(3)
    yield case(4)


def zero(x):
    """Nothing."""
    return 0.0


def asking(reference, cases=numbers, view=lambda y: y, **more):
    checks = [Check("it is right", cases, points=2, view=view)]
    return Question("q", "Q", "f", reference, checks, untouched=zero, **more)


def fates(question):
    """What each mutant earns, by its change."""
    return {
        mutant.change: judge_question(question, handed_in(question, program, 1), 1).earned
        for _, mutant, program in mutated_references(question)
    }


def test_the_reference_is_mutated_in_all_that_it_calls_and_stays_as_it_is():
    question = asking(shifted(1.0))

    earned = fates(question)

    assert earned["np.asarray(x) / 2 -> np.asarray(x) * 2"] == 0.0
    assert earned["2 -> 3"] == 0.0
    assert question.reference(np.array([2.0])) == 2.0
    assert half(4.0) == 2.0


def test_what_libraries_hold_is_not_mutated():
    places = {where.partition(":")[0] for where, _, _ in mutated_references(asking(average))}

    assert places == {"test_mutants.py"}


def test_a_mutant_that_calls_itself_calls_the_mutant():
    question = asking(recursive, always_the_same)
    programs = {m.change: program for _, m, program in mutated_references(question)}

    assert programs["n * recursive(n - 1) -> n + recursive(n - 1)"](3) == 7


def test_a_check_that_looks_at_too_little_lets_mutants_survive():
    blind = asking(half, view=np.shape)

    assert fates(blind)["2 -> 3"] == 2.0
    assert fates(asking(half))["2 -> 3"] == 0.0


def test_a_mutants_place_is_its_file_and_line():
    ((where, mutant, _), *_) = mutated_references(asking(half))
    lines = Path(__file__).read_text("utf-8").splitlines()

    assert where.startswith("test_mutants.py:")
    assert mutant.change.split(" -> ")[0] in lines[int(where.partition(":")[2]) - 1]


def test_a_thousand_cases_are_drawn_none_twice_and_none_of_the_run():
    question = asking(half)
    (cases,) = many_cases(question, 5).values()

    assert len(cases) == 1000
    assert len({one.args[0].tobytes() for one in cases}) == 1000
    own = {one.args[0].tobytes() for one in question.trials[0].draw(5)}
    assert own.isdisjoint(one.args[0].tobytes() for one in cases)


def test_cases_that_are_always_the_same_are_drawn_once():
    (cases,) = many_cases(asking(half, always_the_same), 5).values()

    assert [one.args for one in cases] == [(3,), (4,)]


def test_a_mutant_equal_to_a_program_as_right_is_right():
    question = asking(half, also_right=[zero])

    right = right_results(question, case(np.ones(2)))

    assert is_right(question, right, np.array([0.5, 0.5]))
    assert is_right(question, right, 0.0)
    assert not is_right(question, right, np.array([0.5, 0.6]))
    assert judge_question(question, handed_in(question, half, 1), 1).outcome is Outcome.PASSED


def test_what_would_be_no_python_is_no_mutant():
    made = mutants("def f(x):\n    return g(*x) if x else 3\n")

    assert len(made) > 3
    for mutant in made:
        compile(mutant.source, "f", "exec")
