"""Rewrites expressions: what asks for the truth of a value asks a function instead."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from .jumps import HANDLE

__all__ = ["Expressions", "call_of", "contains", "thunk"]

_CHAINED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_BINDS = (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)
_WITHOUT_ARGUMENTS = ("super", "locals", "vars", "dir", "globals")


def call_of(name: str, place: ast.AST, *args: ast.expr) -> ast.expr:
    """A call of what stands in for Python's control flow, at the place of a node."""
    function = ast.Attribute(ast.Name(HANDLE, ast.Load()), name, ast.Load())
    found: ast.expr = located(place, ast.Call(function, list(args), []))
    return found


def thunk(value: ast.expr) -> ast.expr:
    """`lambda: value`."""
    none = ast.arguments([], [], None, [], [], None, [])
    found: ast.expr = located(value, ast.Lambda(none, value))
    return found


def located(place: ast.AST, node: Any) -> Any:
    """The new node and those in it, at the place of an old one."""
    return ast.fix_missing_locations(ast.copy_location(node, place))


def contains(node: ast.AST, kinds: tuple[type, ...] = _BINDS) -> bool:
    """Whether an expression does what only its own function can do: bind a name, or yield."""
    return any(isinstance(child, kinds) for child in ast.walk(node))


class Expressions(ast.NodeTransformer):
    """The expressions of one function; functions inside it are given to `nested`."""

    def __init__(self, nested: Callable[[Any], Any], class_name: str, first: str | None) -> None:
        self._nested, self._first = nested, first
        self._class = class_name.lstrip("_")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """A function inside, rewritten for itself."""
        return self._nested(node)

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        """A lambda, whose body is an expression of this function."""
        self.generic_visit(node)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        """Left as it is: it is never traced."""
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """Left as it is: its methods are rewritten when they are called."""
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        """`a and b`, `a or b`: b is computed where Python would, or needs to."""
        if contains(node):
            return node
        self.generic_visit(node)
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        return call_of(name, node, *map(thunk, node.values))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        """`not a`."""
        self.generic_visit(node)
        return call_of("not_", node, node.operand) if isinstance(node.op, ast.Not) else node

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        """`a if test else b`."""
        if contains(node):
            return node
        self.generic_visit(node)
        return call_of("choose", node, node.test, thunk(node.body), thunk(node.orelse))

    def visit_Compare(self, node: ast.Compare) -> Any:
        """`a < b < c`, in which b is computed once."""
        chained = len(node.ops) > 1 and all(isinstance(op, _CHAINED) for op in node.ops)
        if not chained or contains(node):
            return self.generic_visit(node)
        self.generic_visit(node)
        signs = [located(node, ast.Constant(type(op).__name__)) for op in node.ops]
        pairs = zip(signs, map(thunk, node.comparators), strict=True)
        links = [located(node, ast.Tuple(list(pair), ast.Load())) for pair in pairs]
        return call_of("chain", node, node.left, *links)

    def visit_Call(self, node: ast.Call) -> Any:
        """A call, of a function that may have to be rewritten as well, or of a builtin."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "super" and not node.args and self._first:
            names = ("__class__", self._first)
            node.args = [located(node, ast.Name(one, ast.Load())) for one in names]
            return node
        self.generic_visit(node)
        if name in _WITHOUT_ARGUMENTS and not node.args:
            return node
        node.func = call_of("callee", node.func, node.func)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """An attribute; private ones carry the name of their class."""
        self.generic_visit(node)
        node.attr = self._mangled(node.attr)
        return node

    def visit_Name(self, node: ast.Name) -> Any:
        """A variable; private ones carry the name of their class."""
        node.id = self._mangled(node.id)
        return node

    def _mangled(self, name: str) -> str:
        private = name.startswith("__") and not name.endswith("__") and self._class
        return f"_{self._class}{name}" if private else name
