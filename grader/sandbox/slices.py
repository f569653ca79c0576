"""From a notebook's cells to the statements that make a name, by reading them, never running them.

A question without a function (a loop in a cell) is put to fresh inputs by rerunning statements: all
those through which the given names reach the asked ones, and no others.  Printing, plotting and the
making of the given names themselves are left out.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeGuard
from unicodedata import normalize

from grader.model import NotebookCell

TOP_LEVEL_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
MAGIC_WITH_CODE = re.compile(r"^(\s*)%(?:time|timeit|prun|memit)\b(?:\s+-\w+(?:\s+\d+)?)*\s*(.*)$")
MAGIC = re.compile(r"^(\s*)(?:[!%]|\?\w|[\w.]+\?\??\s*$)")
ASSIGNED_MAGIC = re.compile(r"^([\w\s,]++=)\s*+[!%].*$")
HANDS_ON = ("zip", "enumerate", "reversed", "iter", "list", "tuple", "sorted")
ADDS = frozenset(("append", "appendleft", "extend", "extendleft", "insert", "pop", "setdefault"))
IN_PLACE = frozenset(("np", "numpy", "torch", "random", "list"))  # np.copyto(out, x) changes out
MOST_MAGICS = 50  # of a cell that are looked at one by one: each costs a compilation
# of a notebook: what they do to each other takes the square of their number
MOST_STATEMENTS = 2000
LONG = 200_000  # characters of all cells, beyond which the nodes of their syntax trees are counted
MOST_NODES = 60_000
DEEPEST = 100  # levels of a syntax tree that are read where they are too many
FILES = "<files>"  # all files together count as one name, changed by what writes one
PYTHON_CELL_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")

LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp)

_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


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
    """The syntax tree of a cell, IPython's own lines put aside; None if it is not Python.

    It is shared by all cells of this text, so nobody may change it.
    """
    tree = _parsed(source)
    if tree is None:
        tree = _parsed(_without_magics(source))
    return tree


def as_python(source: str) -> str:
    """The cell as plain Python, line for line."""
    return source if _parsed(source) is not None else _without_magics(source)


def made_before_loops(source: str) -> str:
    """Of a cell that never ended what it imports and defines, and the names that it sets before its
    first loop or the like, on their own lines; empty if that is nothing."""
    tree = python(source)
    lines = as_python(source).split("\n")
    kept: set[int] = set()
    for node in tree.body if tree else ():
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            plain = all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
        else:
            plain = isinstance(node, (ast.Import, ast.ImportFrom, *_DEFINES))
        if plain:
            decorators = node.decorator_list if isinstance(node, _DEFINES) else []
            first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            kept.update(range(first, (node.end_lineno or first) + 1))
        elif not isinstance(node, ast.Expr):
            break
    made = [line if number in kept else "" for number, line in enumerate(lines, 1)]
    return "\n".join(made) if kept else ""


@lru_cache(256)  # most cells of a class are as handed out
def _parsed(source: str) -> ast.Module | None:
    try:
        tree = compile(source, "<cell>", "exec", ast.PyCF_ONLY_AST | TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if isinstance(tree, ast.Module) else None


@lru_cache(256)
def _without_magics(source: str) -> str:
    lines = source.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].lstrip().startswith("%%"):
        if not lines[first].lstrip().startswith(PYTHON_CELL_MAGICS):
            return "\n" * (len(lines) - 1)
        lines[first] = ""
    # only where Python cannot go on: `% x` may also continue the line before
    for _ in range(MOST_MAGICS):
        try:
            compile("\n".join(lines), "<cell>", "exec", ast.PyCF_ONLY_AST | TOP_LEVEL_AWAIT)
            break
        except SyntaxError as error:
            at = (error.lineno or 0) - 1
        except (ValueError, RecursionError, MemoryError):
            break
        if not 0 <= at < len(lines) or _line_as_python(lines[at]) == lines[at]:
            lines = [_line_as_python(line) for line in lines]
            break
        end = at
        while lines[end].endswith("\\") and end + 1 < len(lines):
            end += 1
        lines[at : end + 1] = [_line_as_python(lines[at].rstrip("\\")), *[""] * (end - at)]
    else:
        lines = [_line_as_python(line) for line in lines]
    return "\n".join(lines)


def _line_as_python(line: str) -> str:
    if with_code := MAGIC_WITH_CODE.match(line):
        return f"{with_code[1]}{with_code[2] or 'pass'}"
    if assigned := ASSIGNED_MAGIC.match(line):
        return f"{assigned[1]} []"
    if magic := MAGIC.match(line):
        return f"{magic[1]}pass"
    return line


def statements(cells: Sequence[NotebookCell]) -> list[Statement]:
    """Every top-level statement of the code cells, in order, with what it reads and writes; of
    more than anybody writes by hand, as many as can be read while others wait.

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
    found = found[:MOST_STATEMENTS]
    if sum(len(cell.source) for cell in cells) > LONG:
        found = _of_few_nodes(found)
    try:
        return _all_with_names(found)
    except RecursionError:
        # so deep is nothing that a person writes; what else there is is read without it
        return _all_with_names([s for s in found if _depth(s.node) <= DEEPEST])


def _of_few_nodes(found: Iterable[Statement]) -> list[Statement]:
    kept, left = [], MOST_NODES
    for statement in found:
        nodes = sum(1 for _ in ast.walk(statement.node))
        if nodes <= left:
            kept.append(statement)
            left -= nodes
    return kept


def _depth(node: ast.AST) -> int:
    level, depth = [node], 0
    while level:
        level = [child for above in level for child in ast.iter_child_nodes(above)]
        depth += 1
    return depth


def _all_with_names(found: Sequence[Statement]) -> list[Statement]:
    modules = {
        (alias.asname or alias.name).partition(".")[0]
        for s in found
        if isinstance(s.node, (ast.Import, ast.ImportFrom))
        for alias in s.node.names
    }
    functions = _functions(found)
    named, flow = [], _Flow({}, set(), {})
    for own in reversed(functions):  # before its definition a function is what it first becomes
        flow.functions.update(own)
    for statement, own in zip(found, functions, strict=True):
        flow.functions.update(own)
        named.append(_with_names(statement, flow, modules))
    return named


def _is_function(
    node: ast.stmt,
) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    return isinstance(node, _DEFINES)


@dataclass(frozen=True, slots=True)
class _Function:
    """What calling a function does: to names of the notebook, and to what it is given."""

    names: _Names
    parameters: tuple[str, ...] = ()


@dataclass(slots=True)
class _Flow:
    """What is known of the names when a statement begins."""

    aliases: dict[str, set[str]]  # what a name may be another name of
    methods: set[str]  # names of bound methods: add = all_queries.append
    functions: dict[str, _Function]


def _functions(found: Sequence[Statement]) -> list[dict[str, _Function]]:
    """The function or class that each statement defines, if it does, by name."""
    defined = [_defined(statement.node, {}) for statement in found]
    for _ in range(2):  # so that a function called by a function called by a function is known
        known = {name: function for own in defined for name, function in own.items()}
        defined = [
            _defined(statement.node, known)
            if any(known.keys() & function.names.read for function in own.values())
            else own
            for statement, own in zip(found, defined, strict=True)
        ]
    return defined


def _defined(node: ast.stmt, known: dict[str, _Function]) -> dict[str, _Function]:
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
        made: ast.AST = node.value
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
    elif isinstance(node, _DEFINES):
        made, names = node, [node.name]
    else:
        return {}
    arguments = getattr(made, "args", None)
    parameters = (
        tuple(a.arg for a in (*arguments.posonlyargs, *arguments.args)) if arguments else ()
    )
    inside = _Names(True, _Flow({}, set(), known))
    inside.visit(made)
    return {name: _Function(inside, parameters) for name in names}


def _with_names(statement: Statement, flow: _Flow, modules: set[str]) -> Statement:
    node = statement.node
    names = _Names(False, flow)
    names.visit(node)
    changed = set(names.changed)
    reads, writes = set(names.read_first), names.bound | changed
    if not _is_function(node):
        todo, seen = list(names.read), set()
        while todo:
            function = todo.pop()
            if function in flow.functions and function not in seen:
                seen.add(function)
                inner = flow.functions[function].names
                reads |= inner.read
                writes |= names.also(inner.changed) | inner.global_
                todo.extend(inner.read)
    makes = names.bound - names.read_first if _always_binds(node) else set()
    names.leave_behind(flow, makes)
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

    def __init__(self, deep: bool, flow: _Flow) -> None:
        self.deep = deep  # whether what functions made here do counts as done here
        self.flow = flow
        self.read: set[str] = set()
        self.bound: set[str] = set()
        self.changed: set[str] = set()
        self.changed_own: set[str] = set()  # of a function: the parameters that it changes
        self.global_: set[str] = set()
        self.read_first: set[str] = set()
        self.aliases = dict(flow.aliases)  # of sets that are never changed, but replaced
        self.methods = set(flow.methods)

    # as NodeVisitor has them, which takes twice the time: most of what is known before a run is
    # found by these two

    def visit(self, node: ast.AST) -> None:
        own = _VISITS.get(type(node))
        if own is not None:
            own(self, node)
        else:
            self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                if value._fields:  # or it is a Load, an Add or the like
                    self.visit(value)
            elif isinstance(value, list):
                for item in value:
                    if isinstance(item, ast.AST):
                        self.visit(item)

    def leave_behind(self, flow: _Flow, made: Collection[str]) -> None:
        """Tell the flow what this statement's names are from now on."""
        flow.methods, gone = self.methods, set(made)
        flow.aliases = self.aliases
        if gone:
            flow.aliases = {
                name: others if name in self.bound or others.isdisjoint(gone) else others - gone
                for name, others in self.aliases.items()
            }
        for name in self.bound - self.aliases.keys():
            flow.aliases.pop(name, None)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.read.add(node.id)
            if node.id not in self.bound:
                self.read_first.add(node.id)
        else:
            self.bound.add(node.id)
            if isinstance(node.ctx, ast.Del):
                self.changed.add(node.id)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._alias(node.target, node.value)
        self._target(node.target)

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Lambda):  # what it changes, it changes where it is called
            changed = set(self.changed)
            self.visit(node.value)
            self.changed = changed
        else:
            self.visit(node.value)  # which happens before the targets are bound
        for target in node.targets:
            self._alias(target, node.value)
            self._target(target)
        first, *others = node.targets
        for other in others:  # a = b = []: one list with two names
            if isinstance(first, ast.Name) and isinstance(other, ast.Name):
                self.aliases[other.id] = self.aliases.get(other.id, set()) | {first.id}

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._alias(node.target, node.value)
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
        sides = (target, value)
        if all(isinstance(side, (ast.Tuple, ast.List)) for side in sides):
            left, right = target.elts, value.elts  # type: ignore[attr-defined]
            if len(left) == len(right) and not any(isinstance(t, ast.Starred) for t in left):
                for one, other in zip(left, right, strict=True):
                    self._alias(one, other)
                return
        other = _may_be(value)
        names = [target] if isinstance(target, ast.Name) else []
        if isinstance(target, (ast.Tuple, ast.List, ast.Starred)):
            names = [n for n in ast.walk(target) if isinstance(n, ast.Name)]
        for node in names:
            before = self.aliases.get(node.id, set()) if node.id in self.bound else set()
            self.aliases[node.id] = (before | other) - {node.id}
            self.methods.discard(node.id)
            if isinstance(value, ast.Attribute) and value.attr in ADDS:
                self.methods.add(node.id)

    def also(self, changed: Collection[str]) -> set[str]:
        """These names, and all whose object changes with theirs."""
        every, todo = set(changed), list(changed)
        while todo:  # what they may be, or be a part of
            for other in self.aliases.get(todo.pop(), ()):
                if other not in every:
                    every.add(other)
                    todo.append(other)
        return every | {name for name, others in self.aliases.items() if others & every}

    def _change(self, name: str | None) -> None:
        if name is not None:
            self.changed |= self.also({name})

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._alias(node.target, node.iter)
        self._target(node.target)
        for inner in (*node.body, *node.orelse):
            self.visit(inner)

    visit_AsyncFor = visit_For

    def visit_Expr(self, node: ast.Expr) -> None:
        # a call whose result nobody takes is made for what it does to its object
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            root = _root(call.func)
            self._change(root)
            if root in IN_PLACE and call.args:
                self._change(_root(call.args[0]))
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func.id if isinstance(node.func, ast.Name) else None
        if function in self.methods:
            self._change(function)
        if isinstance(node.func, ast.Attribute) and _is_in_place(node.func.attr):
            self._change(_root(node.func))
        for keyword in node.keywords:
            if keyword.arg == "out":
                self._change(_root(keyword.value))
        if function == "open" or getattr(node.func, "attr", "").endswith(("_text", "_bytes")):
            self._file(node)
        known = self.flow.functions.get(function or "")
        if known is not None:
            given = dict(zip(known.parameters, node.args, strict=False))
            given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
            for parameter, value in given.items():
                if parameter in known.names.changed_own:
                    self.changed |= self.also(_may_be(value))
        self.generic_visit(node)

    def _file(self, node: ast.Call) -> None:
        if _writes_file(node):
            self.changed.add(FILES)
        else:
            self.read.add(FILES)
            self.read_first.add(FILES)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in ADDS:  # called here, or handed on to be called: map(values.append, ...)
            self._change(_root(node))
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self.global_ |= set(node.names)

    def _scope(self, own: set[str], body: Iterable[ast.AST]) -> None:
        inner = _Names(self.deep, self.flow)
        inner.aliases, inner.methods = self.aliases | {}, self.methods - own
        for name in own:
            inner.aliases.pop(name, None)
        for node in body:
            inner.visit(node)
        local = (inner.bound - inner.global_) | own
        self.read |= inner.read - local
        self.read_first |= inner.read_first - local - self.bound
        self.changed |= inner.changed - local
        self.changed_own |= inner.changed & own
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
        own = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        parts = [p for g in node.generators for p in (g.iter, *g.ifs)]
        self._scope(own, [*parts, node.elt])
        self.bound |= {
            n.target.id
            for part in (*parts, node.elt)
            for n in ast.walk(part)
            if isinstance(n, ast.NamedExpr)
        }

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

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)


_VISITS: dict[type, Callable[[_Names, Any], None]] = {
    getattr(ast, name.removeprefix("visit_")): visit
    for name, visit in vars(_Names).items()
    if name.startswith("visit_")
}


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


def _writes_file(call: ast.Call) -> bool:
    """Whether open, Path.write_text or the like is called to write."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr.startswith("write_")
    mode = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
    return any(isinstance(m, ast.Constant) and set("wax+") & set(str(m.value)) for m in mode)


def _is_in_place(method: str) -> bool:
    """Whether torch calls a method so that changes its object: x.add_(1)."""
    return method.endswith("_") and not method.startswith("_") and not method.endswith("__")


def _root(node: ast.expr) -> str | None:
    """The name of the object that `node` is a part of, or is made of by its methods; what a
    function returns is its own: model(x).div_(2) leaves the model as it was."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred, ast.Call)):
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute):
            return None
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
        if not reached.isdisjoint(statement.reads) and not _is_function(statement.node):
            reached |= statement.writes - given
    home = {s.cell for s in every if s.writes & asked and not _is_function(s.node)}
    picked = _picked(every, given, asked, reached, home)
    imported = _imported(every)
    while not given and picked and not any(_works(s.node, imported) for s in picked):
        # `text = " ".join(words)`: the work was done in the cell that filled the list
        read = {name for s in picked for name in s.reads} - asked
        earlier = [s for s in every if s.cell < picked[-1].cell and s.cell not in home]
        filled = [s for s in earlier if s.writes & read and _works(s.node, imported)]
        if not filled:
            break
        home.add(filled[-1].cell)
        picked = _picked(every, given, asked, reached, home)
    return _as_it_was(every, picked, given)


@dataclass(frozen=True, slots=True)
class _Mentioned:
    """What a statement speaks of, wherever in it."""

    calls: tuple[ast.expr, ...]
    names: frozenset[str]
    having: dict[str, set[str]]  # the names of which it speaks of an attribute, by the attribute's


@lru_cache(4096)  # statements are asked about again and again, by one question after the other
def _mentioned(node: ast.stmt) -> _Mentioned:
    calls: list[ast.expr] = []
    names: set[str] = set()
    having: dict[str, set[str]] = {}
    nodes: list[ast.AST] = [node]
    for one in nodes:  # as ast.walk goes, which takes three times as long
        if isinstance(one, ast.Name):
            names.add(one.id)
            continue
        if isinstance(one, ast.Call):
            calls.append(one.func)
        elif isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
            having.setdefault(one.attr, set()).add(one.value.id)
        for name in one._fields:
            value = getattr(one, name, None)
            if isinstance(value, ast.AST):
                if value._fields:
                    nodes.append(value)
            elif isinstance(value, list):
                nodes += [item for item in value if isinstance(item, ast.AST)]
    return _Mentioned(tuple(calls), frozenset(names), having)


def _works(node: ast.stmt, imported: Collection[str]) -> bool:
    """Whether a statement asks something of the notebook's own making: a function, a model."""
    return any(
        f.id not in imported and not (hasattr(builtins, f.id) and f.id != "input")
        if isinstance(f, ast.Name)
        else isinstance(f, ast.Attribute) and f.attr == "forward"
        for f in _mentioned(node).calls
    )


def _imported(every: Sequence[Statement]) -> set[str]:
    imports = [s for s in every if isinstance(s.node, (ast.Import, ast.ImportFrom))]
    return {name for s in imports for name in s.writes}


def _picked(
    every: Sequence[Statement],
    given: Collection[str],
    asked: Collection[str],
    reached: Collection[str],
    home: Collection[int],
) -> list[Statement]:
    given, asked, reached = set(given), set(asked), set(reached)
    needed = set(asked)
    picked = []
    for statement in reversed(every):
        written = (statement.writes - given) & needed
        if not written or _is_function(statement.node) or isinstance(statement.node, ast.Delete):
            continue
        if statement.writes & given and not statement.writes & asked:
            continue
        if written & reached or statement.cell in home:
            picked.append(statement)
            needed |= statement.reads - given
            needed -= statement.makes - statement.reads
    return picked[::-1]


def _as_it_was(
    every: Sequence[Statement], picked: Sequence[Statement], given: Collection[str]
) -> list[Statement]:
    """The picked statements, in order, and with them those that bring back what they found at
    their time and would not find now: helpers and constants whose names were used again later,
    and what was begun elsewhere and only added to here."""
    order = {id(s): i for i, s in enumerate(every)}
    places = {order[id(s)] for s in picked}
    modules = _imported(every)
    todo = {name for place in places for name in every[place].reads} - set(given)
    written: dict[str, list[int]] = {}
    for place, statement in enumerate(every):
        for name in statement.writes:
            written.setdefault(name, []).append(place)
    seen = set()
    while todo:
        name = todo.pop()
        seen.add(name)
        writers = written.get(name, ())
        if not writers:
            continue
        readers = [i for i in places if name in every[i].reads]
        before = [i for i in writers if i < max(readers)]
        began = [i for i in before if name in every[i].makes]
        if not began:
            continue
        before = [
            i for i in before if i >= max([i for i in began if i < min(readers)] or began[:1])
        ]
        used_again = any(
            i not in places and name in every[i].makes for i in writers if i > min(readers)
        )
        added_to = any(name in every[i].writes for i in readers)
        brought = set(before) - places
        if not brought or not (used_again or added_to):
            continue
        if any(
            every[i].writes & set(given) or not _is_light(every[i].node, modules) for i in brought
        ):
            continue
        places |= brought
        todo |= {n for i in brought for n in every[i].reads} - seen - set(given)
    return [every[i] for i in sorted(places)]


def _is_light(node: ast.stmt, modules: Collection[str]) -> bool:
    """Whether a statement only makes something small: nothing is trained, read or drawn by it."""
    if _is_function(node):
        return True
    if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)):
        return False
    return all(
        (isinstance(f, ast.Name) and hasattr(builtins, f.id) and f.id != "input")
        or (isinstance(f, ast.Attribute) and (f.attr in ADDS or _root(f) in modules))
        for f in _mentioned(node).calls
    )


def definitions(every: Sequence[Statement], name: str) -> list[Statement]:
    """The statements that define `name`, or for Class.method the class, as something to call, the
    last first."""
    name = name.partition(".")[0]
    return [
        s
        for s in reversed(every)
        if (name in s.makes and (_is_function(s.node) or not isinstance(s.node, ast.With)))
        or (name in s.writes and name in (known for known, _ in _callables(s.node)))
    ]


def without_last_answers(
    every: Sequence[Statement], asked: Collection[str]
) -> list[list[Statement]]:
    """What comes before each cell that makes all the `asked` names once more, the last first: what
    the notebook would leave behind if it ended there."""
    cells: dict[int, list[Statement]] = {}
    for statement in every:
        cells.setdefault(statement.cell, []).append(statement)
    makers = [
        cell for cell, own in cells.items() if set(asked) <= {name for s in own for name in s.makes}
    ]
    if len(makers) < 2:  # as most: no need to look at what it says
        return []
    texts = {"\n".join(ast.dump(s.node) for s in cells[cell]): cell for cell in makers}
    last_of_each = list(texts.values())
    # what is left when the first is cut off is no answer
    cut = sorted(last_of_each)[:0:-1]
    return [[s for s in every if s.cell < cell] for cell in cut]


def mentioned(every: Sequence[Statement], name: str) -> set[str]:
    """Every name that the definitions of `name` mention, and those of what they mention."""
    defining: dict[str, list[Statement]] = {}
    for statement in every:
        for made in statement.makes:
            defining.setdefault(made, []).append(statement)
    found: set[str] = set()
    todo = [name]
    while todo:
        own = todo.pop()
        for statement in definitions(defining.get(own, ()), own):
            names = _mentioned(statement.node).names
            todo += names - found
            found |= names
    return found


def made_as(
    every: Sequence[Statement], asked: Sequence[str], taken: Collection[str]
) -> tuple[str, ...]:
    """The names under which a notebook makes the asked ones: these themselves; or, where nothing
    makes a single asked name, the last name that a loop made and its cell printed, or the last file
    that a loop wrote.

    taken  names that answer other questions
    """
    if len(asked) != 1 or any(set(asked) & s.writes for s in every):
        return tuple(asked)
    for statement in reversed(every):
        call = statement.node.value if isinstance(statement.node, ast.Expr) else None
        if not (isinstance(call, ast.Call) and _root(call.func) == "print"):
            continue
        looped = {
            name
            for s in every
            if s.cell == statement.cell
            and any(isinstance(node, LOOPS) for node in ast.walk(s.node))
            for name in s.writes
        }
        shown = [
            n.id for argument in call.args for n in ast.walk(argument) if isinstance(n, ast.Name)
        ]
        for name in shown:
            if name in looped and name not in taken:
                return (name,)
    for statement in reversed(every):
        if FILES in statement.writes and isinstance(statement.node, ast.With):
            loops = any(isinstance(node, (ast.For, ast.While)) for node in ast.walk(statement.node))
            file = statement.node.items[0].optional_vars
            if loops and isinstance(file, ast.Name):
                return (file.id,)
    return tuple(asked)


def renamed(
    every: Sequence[Statement],
    name: str,
    parameters: Sequence[str],
    taken: Collection[str],
    spelled: bool = False,
) -> list[tuple[str, Statement, bool]]:
    """What may be the one asked for under another name, the likeliest first, with the statement
    that defines it: what the notebook has as an attribute of that name, then those with just its
    parameters, in its order and then in another, then those whose name is nearly the same, or for a
    class shorter, PosEnc or PE for PositionalEncoding, or much like it, SinusoidalEncoding; then,
    if parameters may be `spelled` otherwise, whatever takes as many: True says that it is to be
    asked for its names first."""
    wanted = list(parameters)
    own = [
        (known, takes, s)
        for s in reversed(every)
        for known, takes in _callables(s.node)
        if known not in taken and (_last(known) == name or _last(known) not in taken)
    ]

    def plain(text: str) -> str:
        return text.replace("_", "").casefold()

    def alike(known: str) -> float:
        return difflib.SequenceMatcher(None, plain(_last(known)), plain(name)).ratio()

    def is_near(known: str, node: ast.stmt) -> bool:
        if isinstance(node, ast.ClassDef) and node.name == known and _words(name)[1:]:
            return alike(known) >= 0.65 or _shortens(_words(known), _words(name))
        return alike(known) >= 0.85

    near = sorted(
        ((known, s) for known, _, s in own if is_near(known, s.node)),
        key=lambda found: -alike(found[0]),
    )
    ranks = (
        (False, [(known, s) for known, s in _attributes(every, name)]),
        (False, [(known, s) for known, takes, s in own if wanted and takes == wanted]),
        (
            False,
            [(n, s) for n, takes, s in own if len(wanted) > 1 and sorted(takes) == sorted(wanted)],
        ),
        (False, near),
        (True, [(n, s) for n, takes, s in own if spelled and len(takes) >= len(wanted) > 1]),
    )
    found: dict[tuple[str, Statement], bool] = {}
    for ask, candidates in ranks:
        for candidate in candidates:
            found.setdefault(candidate, ask)
    return [(known, s, ask) for (known, s), ask in found.items()]


def _words(name: str) -> list[str]:
    return [word.casefold() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def _shortens(words: Sequence[str], of: Sequence[str]) -> bool:
    """Whether among `words` are the initials of `of`, or one begun alike for each, in order."""
    if "".join(word[0] for word in of) in words:
        return True
    left = iter(words)
    return all(any(word[:3] == whole[:3] for word in left) for whole in of)


def _last(known: str) -> str:
    return known.rpartition(".")[2]


@lru_cache(4096)
def _callables(node: ast.stmt) -> tuple[tuple[str, list[str]], ...]:
    """The name and the parameters of whatever a statement defines to be called: functions, also
    where they stand in an `if` or the like, classes, and their methods as Class.method."""
    return tuple(_callables_in(node))


def _callables_in(node: ast.AST) -> Iterator[tuple[str, list[str]]]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield node.name, _parameters(node.args)
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, _parameters(node.value.args)
    elif isinstance(node, ast.ClassDef):
        methods = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
        made = methods.pop("__init__", None)
        yield node.name, _parameters(made.args)[1:] if made is not None else []
        for name, method in methods.items():
            static = any(ast.unparse(d) == "staticmethod" for d in method.decorator_list)
            yield f"{node.name}.{name}", _parameters(method.args)[0 if static else 1 :]
    else:
        for block in ("body", "handlers", "orelse", "finalbody"):
            for inner in getattr(node, block, ()):
                yield from _callables_in(inner)


def _attributes(every: Sequence[Statement], name: str) -> Iterator[tuple[str, Statement]]:
    """The attributes of this name that a notebook speaks of, `attend.self_attention`, with the
    statement that makes what has them."""
    speaking = {source: name in normalize("NFKC", source) for source in {s.source for s in every}}
    having = {
        owner
        for s in every
        if speaking[s.source]  # or it need not be gone through
        for owner in _mentioned(s.node).having.get(name, ())
    }
    if not having:
        return
    for statement in reversed(every):
        for known in sorted(statement.makes & having):
            yield f"{known}.{name}", statement


def _parameters(arguments: ast.arguments) -> list[str]:
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
