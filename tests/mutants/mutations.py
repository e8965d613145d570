"""Make mutants of a module: each differs from it in one place.

Operators are swapped, numbers shifted, conditions turned round, statements left out.
Texts are left alone: what a message says is no behaviour. Pure.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

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
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed module: where, what was there, what is there now."""

    line: int
    before: str
    after: str
    tree: ast.Module

    @property
    def change(self) -> str:
        """Return what changed."""
        return f"{self.before} -> {self.after}"

    def named(self, source: str) -> tuple[str, str]:
        """Return its line and its change, as the list of the accepted names it."""
        return source.splitlines()[self.line - 1].strip(), self.change


def mutants_of(source: str, *, only: frozenset[str] = frozenset()) -> Iterator[Mutant]:
    """Return the mutants of a module, or only of some of its functions."""
    tree = ast.parse(source)
    for number, node in enumerate(_nodes(tree, only)):
        for way in range(_ways(node)):
            changed = copy.deepcopy(tree)
            twin = list(_nodes(changed, only))[number]
            before = ast.unparse(twin)
            after = _mutate(changed, twin, way)
            yield Mutant(
                getattr(node, "lineno", 0),
                before,
                after,
                ast.fix_missing_locations(changed),
            )


def _nodes(tree: ast.Module, only: frozenset[str]) -> list[ast.AST]:
    """Return what may be changed: code that runs, but no annotation and no text."""
    roots: list[ast.AST] = [tree]
    if only:
        roots = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name in only
        ]
    found: list[ast.AST] = []
    for root in roots:
        _collect(root, found)
    return [node for node in found if _ways(node)]


def _collect(node: ast.AST, found: list[ast.AST]) -> None:
    found.append(node)
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                _collect(child, found)


def _ways(node: ast.AST) -> int:
    """Return in how many ways a node is changed."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARISONS:
            return 1
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _OPERATORS:
            return 2 if isinstance(node, ast.AugAssign) else 1
        case ast.BoolOp() | ast.IfExp() | ast.UnaryOp(op=ast.Not()):
            return 1
        case ast.Constant(value=bool() | int()):
            return 1
        case ast.If(test=ast.Name() | ast.Attribute() | ast.Call()):
            return 1
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Continue() | ast.Break():
            return 1
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            return 1
        case _:
            return 0


def _mutate(tree: ast.Module, node: ast.AST, way: int) -> str:
    """Change a node of the tree, and return what stands there now."""
    match node:
        case ast.Compare(ops=[op]):
            node.ops = [_COMPARISONS[type(op)]()]
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if way == 0:
            node.op = _OPERATORS[type(op)]()
        case ast.BoolOp(op=op):
            node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
        case ast.IfExp(body=body, orelse=orelse):
            node.body, node.orelse = orelse, body
        case ast.UnaryOp(operand=operand):
            _put(tree, node, operand)
            return ast.unparse(operand)
        case ast.Constant(value=bool(value)):
            node.value = not value
        case ast.Constant(value=int(value)):
            node.value = value + 1
        case ast.If(test=test):
            node.test = ast.UnaryOp(ast.Not(), test)
        case _:
            _put(tree, node, ast.Pass())
            return "pass"
    return ast.unparse(node)


def _put(tree: ast.Module, old: ast.AST, new: ast.AST) -> None:
    """Put one node in another's place."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list) and old in value:
                value[value.index(old)] = new
