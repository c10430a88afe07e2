"""The small changes: what may be another operator, another number, another branch."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One change: the number of its node in a walk over the tree, which of the node's changes, and what it says."""

    node: int
    way: int
    line: int
    told: str


def changes(tree: ast.Module) -> Iterator[Change]:
    """Every change of a module's functions. What is told to people, and what only types need, stays as it is."""
    spared = {id(node) for node in ast.walk(tree) for node in _spared(node)}
    for number, node in enumerate(_inside_functions(tree)):
        if id(node) not in spared:
            for way, (told, _) in enumerate(_ways(node)):
                yield Change(number, way, getattr(node, "lineno", 0), told)


def changed(tree: ast.Module, change: Change) -> ast.Module:
    """A copy of the module with the one change made."""
    other = copy.deepcopy(tree)
    node = list(_inside_functions(other))[change.node]
    _, make = list(_ways(node))[change.way]
    make()
    return ast.fix_missing_locations(other)


def _inside_functions(tree: ast.Module) -> list[ast.AST]:
    """All nodes of all functions' bodies, in the order of a walk."""
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)]
    inside = {id(node): node for function in functions for part in function.body for node in ast.walk(part)}
    return list(inside.values())


def _spared(node: ast.AST) -> Iterator[ast.AST]:
    """Annotations, and everything in a raise or an assert: messages are judged by their readers."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr):
        yield from ast.walk(node)
    for name in ("annotation", "returns"):
        if (part := getattr(node, name, None)) is not None:
            yield from ast.walk(part)


def _ways(node: ast.AST) -> Iterator[tuple[str, "object"]]:
    """What may be done to one node: in words, and the function that does it."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARED:
        old, new = type(node.ops[0]), _COMPARED[type(node.ops[0])]
        yield f"{old.__name__} -> {new.__name__}", lambda: node.ops.__setitem__(0, new())
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _COMPUTED:
        old, new = type(node.op), _COMPUTED[type(node.op)]
        yield f"{old.__name__} -> {new.__name__}", lambda: setattr(node, "op", new())
    elif isinstance(node, ast.BoolOp):
        new = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"{type(node.op).__name__} -> {new.__name__}", lambda: setattr(node, "op", new())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "- -> +", lambda: setattr(node, "op", ast.UAdd())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not -> nothing", lambda: setattr(node, "op", _double_not(node))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value} -> {not node.value}", lambda: setattr(node, "value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield f"{node.value} -> {node.value + 1}", lambda: setattr(node, "value", node.value + 1)
    elif isinstance(node, ast.IfExp):
        yield "the other branch", lambda: _swap(node)


def _double_not(node: ast.UnaryOp) -> ast.Not:
    node.operand = ast.UnaryOp(ast.Not(), node.operand)
    return ast.Not()


def _swap(node: ast.IfExp) -> None:
    node.body, node.orelse = node.orelse, node.body
