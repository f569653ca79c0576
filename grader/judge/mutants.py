"""From a program to the programs that are one slip away from it, to try the checks with."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

from grader.authoring import Case, Implementation, Question, Trial
from grader.judge.expectations import Result
from grader.judge.verdicts import agrees

MANY = 1000  # cases on which a mutant that loses nothing must be right, to count as no mistake

# what a node turns into, by its kind or its name
_OPERATORS: dict[type[ast.operator], Sequence[type[ast.operator]]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.MatMult, ast.Add),
    ast.Div: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
}
_ONE_WAY = (ast.Sub, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv, ast.Mod)  # order matters
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_PAIRS = (
    ("sum", "mean"),
    ("sin", "cos"),
    ("max", "min"),
    ("argmax", "argmin"),
    ("vstack", "hstack"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("floor", "ceil"),
)
_FUNCTIONS = {
    **{name: (other,) for pair in _PAIRS for name, other in (pair, pair[::-1])},
    "dot": ("multiply",),
    "matmul": ("multiply",),
}
_PRODUCTS = ("dot", "matmul")
_TRANSPOSING = ("transpose", "t", "swapaxes")
_FAMILIES = (("query", "key", "value"), ("queries", "keys", "values"))
_NOT_DROPPED = ("range", "len", "enumerate", "zip", "map", "super", "isinstance", "getattr")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program with one slip: what became of what, in which line of the right one, and its
    source, without comments."""

    change: str
    line: int
    source: str


def mutants(source: str) -> list[Mutant]:
    """Every mutant of a Python source, in the order of its lines, no two of them the same program.

    Docstrings, annotations, what is printed and what errors say stay as they are: no output could
    show a change there.

    Raises SyntaxError if it is no Python.
    """
    tree = ast.parse(source)
    seen = {ast.dump(tree)}
    made = []
    for spot in _spots(tree, tree, _names(tree)):
        for new in _changes(spot):
            was = ast.unparse(spot.node)
            spot.put(new)
            program = ast.dump(tree)
            if program not in seen:
                seen.add(program)
                change = f"{_short(was)} -> {_short(ast.unparse(new))}"
                mutated = ast.unparse(tree)
                if _is_python(mutated):  # not everything may stand wherever an expression may
                    made.append(Mutant(change, spot.line, mutated))
            spot.put(spot.node)
    return sorted(made, key=lambda mutant: mutant.line)


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Spot:
    """A node, where it hangs, and the names that its scope knows."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    names: frozenset[str]
    line: int

    def put(self, node: ast.AST) -> None:
        """Hang `node` there instead."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def _spots(node: ast.AST, scope: ast.AST, names: frozenset[str], line: int = 1) -> Iterator[_Spot]:
    """Every node below `node` that may be changed, parents first."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        many = isinstance(value, list)
        for index, child in enumerate(value if many else [value]):
            if not isinstance(child, ast.AST) or _says_only(child):
                continue
            at = getattr(child, "lineno", line)
            yield _Spot(node, field, index if many else None, child, names, at)
            inner = child if isinstance(child, ast.FunctionDef | ast.Lambda) else scope
            known = names if inner is scope else names | _names(inner)
            yield from _spots(child, inner, known, at)


def _says_only(node: ast.AST) -> bool:
    """Whether nothing but text for people could change: a docstring, a print, an error raised."""
    if isinstance(node, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
        return True
    if not isinstance(node, ast.Expr):
        return False
    value = node.value
    return isinstance(value, ast.Constant) or (
        isinstance(value, ast.Call) and _called(value) in ("print", "display")
    )


def _names(scope: ast.AST) -> frozenset[str]:
    """The names that a scope reads, makes or takes, those of its inner scopes left out."""
    found: set[str] = set()
    left = list(ast.iter_child_nodes(scope))
    while left:
        node = left.pop()
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            left.extend(ast.iter_child_nodes(node))
    return frozenset(found)


def _changes(spot: _Spot) -> Iterator[ast.AST]:
    """What may stand in place of the node."""
    node = spot.node
    if isinstance(node, ast.BinOp):
        yield from _operation(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield node.operand
    elif isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            ops: list[ast.cmpop] = list(node.ops)
            ops[number] = _COMPARISONS[type(operator)]()
            yield ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(other, node.values)
    elif isinstance(node, ast.Constant):
        yield from _constant(node)
    elif isinstance(node, ast.Call):
        yield from _call(node)
    elif isinstance(node, ast.Attribute):
        if node.attr == "T":
            yield node.value
        for name in _FUNCTIONS.get(node.attr, ()):
            yield ast.Attribute(node.value, name, node.ctx)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for name in (*_FUNCTIONS.get(node.id, ()), *_near(node.id, spot.names)):
            yield ast.Name(name, node.ctx)
    elif isinstance(node, ast.stmt):
        yield from _statement(node, spot)


def _operation(node: ast.BinOp) -> Iterator[ast.AST]:
    for other in _OPERATORS.get(type(node.op), ()):
        yield ast.BinOp(node.left, other(), node.right)
    if isinstance(node.op, _ONE_WAY):
        yield ast.BinOp(node.right, node.op, node.left)
    if isinstance(node.op, ast.MatMult):
        yield from (ast.BinOp(left, node.op, node.right) for left in _transposed(node.left))
        yield from (ast.BinOp(node.left, node.op, right) for right in _transposed(node.right))
    yield from (node.left, node.right)


def _transposed(node: ast.expr) -> Iterator[ast.expr]:
    """Transposed, unless it is already: leaving that out is a change of its own."""
    if not (isinstance(node, ast.Attribute) and node.attr == "T"):
        yield ast.Attribute(node, "T", ast.Load())


def _constant(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        kind = type(value)
        yield from (_number(kind(n)) for n in (value + 1, value - 1, 0, 1, 2))
    elif isinstance(value, str) and "->" in value:  # of einsum
        before, _, after = value.partition("->")
        yield ast.Constant(f"{before}->{after.strip()[::-1]}")


def _number(value: float) -> ast.expr:
    # Python's grammar has no negative numbers, so -1 ** 2 would come of Constant(-1) ** 2
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def _call(node: ast.Call) -> Iterator[ast.AST]:
    name, args = _called(node), node.args
    for i in range(len(args) - 1):
        swapped = [*args[:i], args[i + 1], args[i], *args[i + 2 :]]
        yield ast.Call(node.func, swapped, node.keywords)
    for i, keyword in enumerate(node.keywords):
        if keyword.arg is not None:
            yield ast.Call(node.func, args, [*node.keywords[:i], *node.keywords[i + 1 :]])
            if keyword.arg in ("axis", "dim") and not isinstance(keyword.value, ast.Constant):
                along = ast.keyword(keyword.arg, ast.Constant(0))
                others = [*node.keywords[:i], along, *node.keywords[i + 1 :]]
                yield ast.Call(node.func, args, others)
    if name in _PRODUCTS:
        for i, arg in enumerate(args):
            for turned in _transposed(arg):
                yield ast.Call(node.func, [*args[:i], turned, *args[i + 1 :]], node.keywords)
    if name == "range":
        yield from _ranges(node)
    elif args and name not in _NOT_DROPPED:
        yield args[0]
    if isinstance(node.func, ast.Attribute) and (name in _TRANSPOSING or not args):
        yield node.func.value


def _ranges(node: ast.Call) -> Iterator[ast.AST]:
    """One step shorter at either end, or one longer."""
    args = node.args
    end = 0 if len(args) == 1 else 1
    one = ast.Constant(1)
    for operator in (ast.Sub(), ast.Add()):
        moved = ast.BinOp(args[end], operator, one)
        yield ast.Call(node.func, [*args[:end], moved, *args[end + 1 :]], [])
    if end == 0:
        yield ast.Call(node.func, [one, *args], [])


def _statement(node: ast.stmt, spot: _Spot) -> Iterator[ast.AST]:
    if isinstance(node, ast.Return) and node.value is not None:
        yield from (ast.Return(turned) for turned in _transposed(node.value))
    if isinstance(node, ast.AugAssign):
        for other in _OPERATORS.get(type(node.op), ()):
            yield ast.AugAssign(node.target, other(), node.value)
        if isinstance(node.target, ast.Name):
            yield ast.Assign([node.target], node.value, lineno=node.lineno)
    if isinstance(node, ast.If | ast.While):
        against = ast.UnaryOp(ast.Not(), node.test)
        yield type(node)(against, node.body, node.orelse)
    if isinstance(node, ast.Break):
        yield ast.Continue()
    defines = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Pass)
    if spot.field in ("body", "orelse") and not defines and not _first_of_its_name(node, spot):
        yield ast.Pass()


def _first_of_its_name(node: ast.stmt, spot: _Spot) -> bool:
    """Whether a name would be missing without it: what fails at once tries no check."""
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    made = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    stored = all(isinstance(t, ast.Name | ast.Tuple | ast.List) for t in targets)
    before: list[Any] = getattr(spot.parent, spot.field)[: spot.index]
    args = getattr(spot.parent, "args", None)
    known = {a.arg for a in ast.walk(args) if isinstance(a, ast.arg)} if args is not None else set()
    for statement in before:
        known |= {
            n.id
            for n in ast.walk(statement)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
    return stored and not made <= known


def _near(name: str, names: frozenset[str]) -> Iterator[str]:
    """The names of the same scope that a hurried writer may take for it: one character apart, or
    key for query."""
    for other in sorted(names):
        if len(other) == len(name) and sum(a != b for a, b in zip(name, other, strict=True)) == 1:
            yield other
    for family in _FAMILIES:
        for word in family:
            if word in name:
                swapped = (name.replace(word, other) for other in family if other != word)
                yield from (other for other in swapped if other in names)


def _called(node: ast.Call) -> str:
    """The last name of what is called."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."


# of the reference, which runs here --------------------------------------------------------------


def mutated_references(question: Question) -> Iterator[tuple[str, Mutant, Implementation]]:
    """The mutants of a question's reference as programs like it: of its own code, and of all that
    it calls by name in its own package.  With each the place of the change, as file:line.

    Nothing is changed in place: a program is built anew around the one function that is mutated.
    """
    reference = question.reference
    for function in _reached(reference):
        if "<locals>" in function.__qualname__ or hasattr(function, "__wrapped__"):
            continue  # what a program is wrapped in is no answer to the question
        lines, first = inspect.getsourcelines(function)
        file = Path(inspect.getsourcefile(function) or "?").name
        for mutant in mutants(textwrap.dedent("".join(lines))):
            namespace = dict(function.__globals__)
            exec(compile(mutant.source, f"<mutant of {file}>", "exec"), namespace)
            built = _Rebuilt(function, namespace[function.__name__]).of(reference)
            yield f"{file}:{first + mutant.line - 1}", mutant, built


def _reached(program: Implementation) -> list[FunctionType]:
    """The functions of the program's own package that it may come to call, itself first."""
    found: list[FunctionType] = []
    left = [program]
    while left:
        function = left.pop(0)
        if not isinstance(function, FunctionType) or function in found:
            continue
        if _home(function) == _home(program):
            found.append(function)
            left += _known_to(function).values()
    return found


def _home(function: Implementation) -> str:
    return function.__module__.partition(".")[0]


def _known_to(function: FunctionType) -> dict[str, Any]:
    """What the function finds by name, global or in its closure."""
    codes, names = [function.__code__], set[str]()
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    known = {n: function.__globals__[n] for n in sorted(names) if n in function.__globals__}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return known | {name: cell.cell_contents for name, cell in cells}


class _Rebuilt:
    """Functions as they are, but for one that is replaced wherever it is found by name."""

    def __init__(self, function: FunctionType, instead: Implementation) -> None:
        self.home = _home(function)
        self.made: dict[Any, Implementation] = {function: instead}

    def of(self, value: Any) -> Any:
        """`value` itself if it is no function of ours."""
        if not isinstance(value, FunctionType) or _home(value) != self.home:
            return value
        if value not in self.made:
            known, names = _known_to(value), dict(value.__globals__)
            cells = tuple(CellType() for _ in value.__code__.co_freevars)
            built = FunctionType(
                value.__code__, names, value.__name__, value.__defaults__, cells or None
            )
            built.__kwdefaults__ = value.__kwdefaults__
            self.made[value] = built  # before what it knows: it may know itself
            for name, cell in zip(value.__code__.co_freevars, cells, strict=True):
                cell.cell_contents = self.of(known.pop(name))
            names.update({name: self.of(part) for name, part in known.items()})
        return self.made[value]


# what a mutant came to --------------------------------------------------------------------------


def many_cases(question: Question, seed: int) -> dict[Trial, list[Case]]:
    """Fresh cases by trial, of those trials whose failure costs points; 1,000 in all, none like
    another, or as many as there are where a question's cases are always the same."""
    charged = [
        question.trial(check)
        for check in question.checks
        if check.points and check.reference is None
    ]
    drawn: dict[Trial, list[Case]] = {trial: [] for trial in charged}
    seen: set[Any] = set()
    before, other = -1, seed
    while len(seen) > before:
        before, other = len(seen), other + 1
        for trial, cases in drawn.items():
            for case in trial.draw(other):
                key = (trial, _key(case.args), _key(dict(case.given)))
                if key not in seen and len(seen) < MANY:
                    seen.add(key)
                    cases.append(case)
    return drawn


def _key(value: Any) -> Any:
    """The same for equal values, and hashable."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, dict):
        return tuple((name, _key(value[name])) for name in sorted(value))
    return tuple(map(_key, value)) if isinstance(value, (list, tuple)) else value


def right_results(question: Question, case: Case) -> list[Result]:
    """What the reference, and each program as right, makes of a case."""
    programs = (question.reference, *question.also_right)
    return [Result(question.run(right, case)) for right in programs]


@np.errstate(all="ignore")  # see `departure`
def is_right(question: Question, right: Sequence[Result], value: Any) -> bool:
    """Whether a result is, as a whole, one of the right ones."""
    return any(agrees(question, value, result) for result in right)
