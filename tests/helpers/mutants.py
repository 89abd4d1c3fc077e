"""Small faults in functions, as mutmut 3 makes them: each an edit of one expression or statement.

An operator takes a node and gives what may stand in its place. Docstrings, annotations, f-strings, type variables and
calls of `len` and `isinstance` stay as they are; what is said outside functions too.
"""

import ast
import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import NamedTuple

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Div,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
PAIRS = (
    ("lower", "upper"),
    ("lstrip", "rstrip"),
    ("find", "rfind"),
    ("ljust", "rjust"),
    ("index", "rindex"),
    ("removeprefix", "removesuffix"),
    ("partition", "rpartition"),
    ("split", "rsplit"),
)
METHODS = dict(PAIRS) | {right: left for left, right in PAIRS}
OPERATORS = (ast.operator, ast.boolop, ast.cmpop)
LEFT_ALONE = {"len", "isinstance"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mutant:
    """One fault of a file, which is put into its tree and taken out again.

    Attributes:
        file: it stands in.
        function: by its qualified name.
        line: of what is faulty.
        first: line of the statement that it is part of.
        tree: of the whole file.
        place: of the node in it.
        node: that is right.
        other: that is not.
    """

    file: Path
    function: str
    line: int
    first: int
    tree: ast.Module
    place: "Place"
    node: ast.AST
    other: ast.AST

    def code(self) -> CodeType:
        """The whole file with the fault, compiled."""
        with self._put():
            return compile(ast.fix_missing_locations(self.tree), str(self.file), "exec")

    def __str__(self) -> str:
        shown = self.place.parent if isinstance(self.node, OPERATORS) else self.node
        was = ast.unparse(shown)
        with self._put():
            now = ast.unparse(self.place.parent if isinstance(self.node, OPERATORS) else self.other)
        return f"{self.file}:{self.line} {self.function}: `{was}` → `{now}`"

    @contextmanager
    def _put(self) -> Iterator[None]:
        self.place.put(self.other)
        try:
            yield
        finally:
            self.place.put(self.node)


def mutants(file: Path) -> Iterator[Mutant]:
    """Every fault that can be put into the functions of a file, in the order of its text."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for name, function in _functions(tree, ""):
        line = first = function.lineno
        for place, node in _places(function):
            line = getattr(node, "lineno", line)
            if isinstance(node, ast.stmt):
                first = line
            for other in replacements(node):
                yield Mutant(file, name, line, first, tree, place, node, ast.copy_location(other, node))


class Place(NamedTuple):
    """Where a node hangs."""

    parent: ast.AST
    field: str
    at: int | None

    def put(self, node: ast.AST) -> None:
        """Hang another node there."""
        if self.at is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.at] = node


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")


def _places(function: Function) -> Iterator[tuple[Place, ast.AST]]:
    """Each node within the body of a function, and where it hangs."""
    first = 1 if ast.get_docstring(function) is not None else 0
    for index, statement in enumerate(function.body[first:], first):
        yield Place(function, "body", index), statement
        yield from _below(statement)


def _below(node: ast.AST) -> Iterator[tuple[Place, ast.AST]]:
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and _callee(node) in LEFT_ALONE):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "type_params", "ctx", "pattern"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield Place(node, field, index), child
                yield from _below(child)


def _callee(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in place of a node."""
    swapped = SWAPPED.get(type(node))
    if swapped is not None:
        yield swapped()
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as number):
            yield ast.Constant(number + 1)
        case ast.Constant(value=str() as text):
            yield from (ast.Constant(other) for other in _texts(text))
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            yield operand
        case ast.Break():
            yield ast.Return(None)
        case ast.Continue():
            yield ast.Break()
        case ast.AugAssign(target=ast.Name() as target, value=value):
            yield ast.Assign([ast.Name(target.id, ast.Store())], value)
        case ast.Assign(value=value, targets=targets):
            yield ast.Assign(targets, _nothing(value))
        case ast.AnnAssign(value=ast.expr() as value):
            other = copy.copy(node)
            other.value = _nothing(value)
            yield other
        case ast.Lambda(args=args, body=body):
            yield ast.Lambda(args, _nothing(body))
        case ast.Attribute(attr=name, value=value, ctx=ctx) if name in METHODS:
            yield ast.Attribute(value, METHODS[name], ctx)
        case ast.Call() if _callee(node) not in LEFT_ALONE:
            yield from _calls(node)


def _texts(text: str) -> Iterator[str]:
    yield f"XX{text}XX"
    yield from (other for other in dict.fromkeys((text.lower(), text.upper())) if other != text)


def _nothing(value: ast.expr) -> ast.expr:
    is_none = isinstance(value, ast.Constant) and value.value is None
    return ast.Constant("" if is_none else None)


def _calls(call: ast.Call) -> Iterator[ast.Call]:
    """The same call with None for an argument, and without it."""
    for place, argument in enumerate(call.args):
        if isinstance(argument, ast.Starred):
            continue
        if not (isinstance(argument, ast.Constant) and argument.value is None):
            yield ast.Call(call.func, [*call.args[:place], ast.Constant(None), *call.args[place + 1 :]], call.keywords)
        if len(call.args) + len(call.keywords) > 1:
            yield ast.Call(call.func, [*call.args[:place], *call.args[place + 1 :]], call.keywords)
    for place, keyword in enumerate(call.keywords):
        before, after = call.keywords[:place], call.keywords[place + 1 :]
        if keyword.arg is not None:
            yield ast.Call(call.func, call.args, [*before, ast.keyword(keyword.arg, ast.Constant(None)), *after])
            yield ast.Call(call.func, call.args, [*before, *after])
