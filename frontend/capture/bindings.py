"""Takes names that are bound within expressions, as `(n := f(x))`, out of them.

What is always computed first becomes an assignment before the statement; in the test of a `while`
it becomes the first statement of its body.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeVar

__all__ = ["hoisted"]

_FIELDS = {ast.If: "test", ast.While: "test", ast.Assert: "test", ast.For: "iter"}
_VALUES = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)
_N = TypeVar("_N", bound=ast.AST)
_LATER = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def hoisted(node: ast.stmt) -> list[ast.stmt] | None:
    """The statement behind assignments; None if it binds nothing, or not always."""
    field = "value" if isinstance(node, _VALUES) else _FIELDS.get(type(node), "")
    value = getattr(node, field, None)
    if value is None or not any(isinstance(one, ast.NamedExpr) for one in ast.walk(value)):
        return None
    if isinstance(node, ast.While):
        return None if node.orelse else [_endless(node)]
    taken = _Taken(value)
    if not taken.assigns:
        return None
    setattr(node, field, taken.value)
    return [*taken.assigns, node]


def _endless(node: ast.While) -> ast.While:
    """`while True`, in which the test is asked for first."""
    ends = ast.If(ast.UnaryOp(ast.Not(), node.test), [ast.Break()], [])
    found = ast.While(ast.Constant(True), [_at(node.test, ends), *node.body], [])
    return _at(node, found)


class _Taken:
    """An expression with names in the place of what binds them, and the assignments."""

    def __init__(self, value: ast.expr) -> None:
        self.assigns: list[ast.stmt] = []
        self._names = [one for one in ast.walk(value) if isinstance(one, ast.Name)]
        self.value = self._visit(value)

    def _visit(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.NamedExpr) and self._is_first(node):
            node.value = self._visit(node.value)
            self.assigns.append(_at(node, ast.Assign([node.target], node.value)))
            return _at(node, ast.Name(node.target.id, ast.Load()))
        for field, child in _always(node):
            part = getattr(node, field)
            if child is part:
                setattr(node, field, self._visit(child))
            else:
                part[part.index(child)] = self._visit(child)
        return node

    def _is_first(self, node: ast.NamedExpr) -> bool:
        """Whether nothing before it in the expression reads the name."""
        name, place = node.target.id, (node.lineno, node.col_offset)
        same = [one for one in self._names if one.id == name and isinstance(one.ctx, ast.Load)]
        inside = {id(one) for one in ast.walk(node.value)}
        return all((one.lineno, one.col_offset) > place or id(one) in inside for one in same)


def _always(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The direct parts of an expression that are computed whenever it is, with their fields."""
    if isinstance(node, _LATER):
        return
    if isinstance(node, ast.BoolOp):
        yield "values", node.values[0]
        return
    if isinstance(node, ast.IfExp):
        yield "test", node.test
        return
    for field, value in ast.iter_fields(node):
        parts = value if isinstance(value, list) else [value]
        if isinstance(node, ast.Compare) and field == "comparators":
            parts = parts[:1]
        for part in parts:
            if isinstance(part, ast.expr):
                yield field, part


def _at(place: ast.AST, node: _N) -> _N:
    return ast.fix_missing_locations(ast.copy_location(node, place))
