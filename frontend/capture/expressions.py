"""Rewrites expressions: what asks for the truth of a value asks a function instead."""

from __future__ import annotations

import ast
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from .names import HANDLE, reads, targets

__all__ = ["Expressions", "call_of", "contains", "thunk"]

_CHAINED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_BINDS = (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)


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
        node.func = call_of("callee", node.func, node.func)
        return node

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> Any:
        """`(f(x) for x in rows)`: functions of x, called by what walks over the rows."""
        return self._comprehension(node) or node

    def visit_ListComp(self, node: ast.ListComp) -> Any:
        """`[f(x) for x in rows]`."""
        made = self._comprehension(node)
        return node if made is None else call_of("listed", node, made)

    def _comprehension(self, node: ast.GeneratorExp | ast.ListComp) -> ast.expr | None:
        if contains(node) or any(part.is_async for part in node.generators):
            return None
        is_plain = _keeps_variables(node)
        self.generic_visit(node)
        if is_plain:
            return None
        *outer, last = node.generators
        found = call_of("generated", node, *_walked(last, node.elt))
        for part in reversed(outer):
            found = call_of("chained", node, *_walked(part, found))
        return found

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """`x[i]`, where x may be an array or a list, and i traced."""
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        return call_of("item", node, node.value, _as_value(node.slice))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """An assignment whose annotation stays as it is."""
        node.target = self.visit(node.target)
        node.value = node.value and self.visit(node.value)
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


def _keeps_variables(node: ast.GeneratorExp | ast.ListComp) -> bool:
    """Whether functions that a comprehension gives read its variables later, when they are others.

    One that is an argument of a call is taken to be called at once.
    """
    names = {name for part in node.generators for name in targets(part.target)}

    def keeps(node: ast.AST, *, is_given: bool = False) -> bool:
        if isinstance(node, ast.Lambda | ast.GeneratorExp) and not is_given:
            return bool(reads(node) & names)
        given = isinstance(node, ast.Call | ast.keyword)
        return any(keeps(child, is_given=given) for child in ast.iter_child_nodes(node))

    return keeps(node.elt)


def _walked(part: ast.comprehension, value: ast.expr) -> list[ast.expr]:
    """What a comprehension walks over, the function of its items, and the condition on them."""
    functions = [_of_item(part.target, value)]
    if part.ifs:
        whole = part.ifs[0] if len(part.ifs) == 1 else _all_of(part.ifs)
        functions.append(_of_item(part.target, whole))
    return [part.iter, *functions]


def _all_of(tests: list[ast.expr]) -> ast.expr:
    return call_of("and_", tests[0], *map(thunk, tests))


def _of_item(target: ast.expr, value: ast.expr) -> ast.expr:
    """`lambda target: value`, also where the target is a tuple of names."""
    name = target.id if isinstance(target, ast.Name) else f"{HANDLE}_item"
    args = ast.arguments([], [ast.arg(name)], None, [], [], None, [])
    if not isinstance(target, ast.Name):
        items = ast.Tuple([ast.Name(name, ast.Load())], ast.Load())
        taken = ast.ListComp(value, [ast.comprehension(deepcopy(target), items, [], 0)])
        value = located(value, ast.Subscript(taken, ast.Constant(0), ast.Load()))
    found: ast.expr = located(value, ast.Lambda(args, value))
    return found


def _as_value(key: ast.expr) -> ast.expr:
    """A subscript as an argument: `a:b` as `slice(a, b)`."""
    if isinstance(key, ast.Tuple):
        key.elts = [_as_value(part) for part in key.elts]
    if not isinstance(key, ast.Slice):
        return key
    parts = [part or ast.Constant(None) for part in (key.lower, key.upper, key.step)]
    return call_of("slice", key, *parts)
