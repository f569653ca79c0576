"""From a notebook's cells to the statements that make a name, by reading them, never running them.

A question without a function (a loop in a cell) is put to fresh inputs by rerunning statements: all
those through which the given names reach the asked ones, and no others.  Printing, plotting and the
making of the given names themselves are left out.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from grader.model import NotebookCell

TOP_LEVEL_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
MAGIC_WITH_CODE = re.compile(r"^(\s*)%(?:time|timeit|prun|memit)\b(?:\s+-\w+(?:\s+\d+)?)*\s*(.*)$")
MAGIC = re.compile(r"^(\s*)(?:[!%]|\?\w|[\w.]+\?\??\s*$)")
ASSIGNED_MAGIC = re.compile(r"^(\s*[\w\s,]+=)\s*[!%].*$")
HANDS_ON = ("zip", "enumerate", "reversed", "iter", "list", "tuple", "sorted")
PYTHON_CELL_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement at the top level of a cell, and what it does to the notebook's names."""

    cell: int  # from 1, over all cells
    index: int  # from 0, among the statements of its cell
    line: int
    last_line: int
    source: str  # of the whole cell, as Python
    node: ast.stmt = field(repr=False, compare=False)
    reads: frozenset[str] = frozenset()
    makes: frozenset[str] = frozenset()  # bound without being read first
    writes: frozenset[str] = frozenset()  # bound or changed in place


def python(source: str) -> ast.Module | None:
    """The syntax tree of a cell, IPython's own lines put aside; None if it is not Python."""
    tree = _parsed(source)
    if tree is None:
        tree = _parsed(_without_magics(source))
    return tree


def as_python(source: str) -> str:
    """The cell as plain Python, line for line."""
    return source if _parsed(source) is not None else _without_magics(source)


def _parsed(source: str) -> ast.Module | None:
    try:
        return compile(source, "<cell>", "exec", ast.PyCF_ONLY_AST | TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _without_magics(source: str) -> str:
    lines = source.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].lstrip().startswith("%%"):
        if not lines[first].lstrip().startswith(PYTHON_CELL_MAGICS):
            return "\n" * (len(lines) - 1)
        lines[first] = ""
    out = []
    for line in lines:
        if with_code := MAGIC_WITH_CODE.match(line):
            out.append(f"{with_code[1]}{with_code[2] or 'pass'}")
        elif assigned := ASSIGNED_MAGIC.match(line):
            out.append(f"{assigned[1]} []")
        elif magic := MAGIC.match(line):
            out.append(f"{magic[1]}pass")
        else:
            out.append(line)
    return "\n".join(out)


def statements(cells: Sequence[NotebookCell]) -> list[Statement]:
    """Every top-level statement of the code cells, in order, with what it reads and writes.

    A statement that calls a function of the notebook also reads and changes what that does.
    """
    found = []
    for number, cell in enumerate(cells, 1):
        tree = python(cell.source) if cell.kind == "code" else None
        if tree is None:
            continue
        source = as_python(cell.source)
        for index, node in enumerate(tree.body):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            found.append(
                Statement(number, index, first, node.end_lineno or node.lineno, source, node)
            )
    functions = {s.node.name: _Names.inside(s.node) for s in found if _is_function(s.node)}
    modules = {
        (alias.asname or alias.name).partition(".")[0]
        for s in found
        if isinstance(s.node, (ast.Import, ast.ImportFrom))
        for alias in s.node.names
    }
    return [_with_names(statement, functions, modules) for statement in found]


def _is_function(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def _with_names(
    statement: Statement, functions: dict[str, _Names], modules: set[str]
) -> Statement:
    node = statement.node
    names = _Names.of([node])
    reads, writes = set(names.read_first), names.bound | names.changed
    if not _is_function(node):
        todo, seen = list(names.read), set()
        while todo:
            function = todo.pop()
            if function in functions and function not in seen:
                seen.add(function)
                inner = functions[function]
                reads |= inner.read
                writes |= inner.changed | inner.global_
                todo.extend(inner.read)
    makes = names.bound - names.read_first if _always_binds(node) else set()
    return Statement(
        statement.cell,
        statement.index,
        statement.line,
        statement.last_line,
        statement.source,
        node,
        frozenset(reads),
        frozenset(makes),
        frozenset(writes - (modules - names.bound)),
    )


def _always_binds(node: ast.stmt) -> bool:
    return isinstance(
        node, (ast.Assign, ast.AnnAssign, ast.With, ast.FunctionDef, ast.ClassDef, ast.Import)
    )


class _Names(ast.NodeVisitor):
    """What a piece of code reads, binds and changes in place, in its own scope and those below."""

    def __init__(self, deep: bool) -> None:
        self.deep = deep  # whether what functions made here do counts as done here
        self.read: set[str] = set()
        self.bound: set[str] = set()
        self.changed: set[str] = set()
        self.global_: set[str] = set()
        self.read_first: set[str] = set()
        self.aliases: dict[str, set[str]] = {}  # what a name may be another name of

    @classmethod
    def of(cls, nodes: Iterable[ast.AST], deep: bool = False) -> _Names:
        names = cls(deep)
        for node in nodes:
            names.visit(node)
        return names

    @classmethod
    def inside(cls, node: ast.AST) -> _Names:
        """What calling a function, or using a class, reads and changes outside of it."""
        names = cls(deep=True)
        names.visit(node)
        return names

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.read.add(node.id)
            if node.id not in self.bound:
                self.read_first.add(node.id)
        else:
            self.bound.add(node.id)
            if isinstance(node.ctx, ast.Del):
                self.changed.add(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)  # which happens before the targets are bound
        for target in node.targets:
            self._alias(target, node.value)
            self._target(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._target(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        name = _root(node.target)
        if name is not None:
            self.read.add(name)
            self.read_first.add(name)
            self._change(name)
        self._target(node.target)

    def _target(self, target: ast.expr) -> None:
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            self._change(_root(target))
        self.visit(target)

    def _alias(self, target: ast.expr, value: ast.expr) -> None:
        other = _may_be(value)
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and other:
                self.aliases.setdefault(node.id, set()).update(other)

    def _change(self, name: str | None) -> None:
        todo = [name]
        while todo:
            name = todo.pop()
            if name is not None and name not in self.changed:
                self.changed.add(name)
                todo.extend(self.aliases.get(name, ()))

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._alias(node.target, node.iter)
        self._target(node.target)
        for inner in (*node.body, *node.orelse):
            self.visit(inner)

    visit_AsyncFor = visit_For  # type: ignore[assignment]

    def visit_Expr(self, node: ast.Expr) -> None:
        # a call whose result nobody takes is made for what it does to its object
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            self._change(_root(call.func))
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        for keyword in node.keywords:
            if keyword.arg == "out":
                self._change(_root(keyword.value))
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self.global_ |= set(node.names)

    def _scope(self, own: set[str], body: Iterable[ast.AST]) -> None:
        inner = _Names.of(body, self.deep)
        self.read |= inner.read - inner.bound - own
        self.read_first |= inner.read_first - inner.bound - own - self.bound
        self.changed |= inner.changed - inner.bound - own
        self.global_ |= inner.global_

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        arguments = node.args
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default)
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        own = {a.arg for a in (*every, arguments.vararg, arguments.kwarg) if a is not None}
        body = node.body if isinstance(node.body, list) else [node.body]
        if isinstance(node, ast.Lambda):
            self._scope(own, body)
            return
        for decorator in node.decorator_list:
            self.visit(decorator)
        self.bound.add(node.name)
        if self.deep:  # elsewhere what its body reads counts where it is called
            self._scope(own, body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in (*node.bases, *node.decorator_list):
            self.visit(base)
        self.bound.add(node.name)
        if self.deep:
            self._scope(set(), node.body)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        own = {
            n.id
            for g in node.generators
            for n in ast.walk(g.target)
            if isinstance(n, ast.Name)
        }
        parts = [p for g in node.generators for p in (g.iter, *g.ifs)]
        self._scope(own, [node.elt, *parts])

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        pair = ast.Tuple([node.key, node.value], ast.Load())
        self._comprehension(ast.ListComp(pair, node.generators))

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}

    visit_ImportFrom = visit_Import  # type: ignore[assignment]

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)


def _may_be(value: ast.expr) -> set[str]:
    """The names whose object, or a part of it, `value` may be: no copy, nothing computed."""
    if isinstance(value, ast.Name):
        return {value.id}
    if isinstance(value, (ast.Attribute, ast.Subscript, ast.Starred)):
        return _may_be(value.value)
    parts: list[ast.expr] = []
    if isinstance(value, (ast.Tuple, ast.List, ast.Set)):
        parts = value.elts
    elif isinstance(value, ast.Dict):
        parts = value.values
    elif isinstance(value, ast.IfExp):
        parts = [value.body, value.orelse]
    elif isinstance(value, ast.Call):
        of_object = isinstance(value.func, ast.Attribute) and value.func.attr in ("items", "values")
        handed_on = isinstance(value.func, ast.Name) and value.func.id in HANDS_ON
        parts = [value.func] if of_object else value.args if handed_on else []
    return {name for part in parts for name in _may_be(part)}


def _root(node: ast.expr) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def rerun(
    every: Sequence[Statement], given: Collection[str], asked: Collection[str]
) -> list[Statement]:
    """The statements to run again so that the `asked` names follow from the `given` ones.

    They are those on a way from a given name to an asked one; and, in the cells that make the
    asked names, whatever else these names need there.  Never one that makes or changes a given
    name, unless it makes an asked one too.
    """
    given, asked = set(given), set(asked)
    reached = set(given)
    for statement in every:
        written = statement.writes - given
        if written and statement.reads & reached and not _is_function(statement.node):
            reached |= written
    home = {s.cell for s in every if s.writes & asked and not _is_function(s.node)}
    needed = set(asked)
    picked = []
    for statement in reversed(every):
        written = (statement.writes - given) & needed
        if not written or _is_function(statement.node):
            continue
        if statement.writes & given and not statement.writes & asked:
            continue
        if written & reached or statement.cell in home:
            picked.append(statement)
            needed |= statement.reads - given
            needed -= statement.makes - statement.reads
    return picked[::-1]


def definitions(every: Sequence[Statement], name: str) -> list[Statement]:
    """The statements that define `name` as something to call, the last first."""
    return [
        s
        for s in reversed(every)
        if name in s.makes and (_is_function(s.node) or not isinstance(s.node, ast.With))
    ]


def renamed(
    every: Sequence[Statement], name: str, parameters: Sequence[str], taken: Collection[str]
) -> list[Statement]:
    """Functions and classes that may be the one asked for under another name, the likeliest
    first: those with just its parameters, then those whose name is nearly the same."""
    candidates = [s for s in reversed(every) if _is_function(s.node) and s.node.name not in taken]
    same = [s for s in candidates if parameters and _parameters(s.node) == list(parameters)]

    def plain(text: str) -> str:
        return text.replace("_", "").casefold()

    near = [
        s
        for s in candidates
        if s not in same
        and difflib.SequenceMatcher(None, plain(s.node.name), plain(name)).ratio() >= 0.85
    ]
    return [*same, *near]


def _parameters(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef):
        made = next(
            (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None
        )
        return _parameters(made)[1:] if made is not None else []
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return []
