"""Takes `return` in the middle, `break` and `continue` out of a syntax tree.

An `if` that may leave is made the last statement of its block: what follows it is put behind every
path that goes on. In loops, what leaves becomes a flag that the next turn asks for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from typing import TypeVar

from .names import FUNCTIONS

__all__ = ["HANDLE", "Settler", "is_plain", "leaves"]

HANDLE = "_sf"
"""The name by which rewritten code knows what stands in for Python's control flow."""

_N = TypeVar("_N", bound=ast.AST)
_JUMPS = (ast.Return, ast.Break, ast.Continue)
_MOST = 20_000  # nodes that may be copied before a function is left as it is


def leaves(node: ast.AST, *, is_loop: bool = False) -> bool:
    """Whether code may leave its block other than by its end."""
    if isinstance(node, _JUMPS):
        return not is_loop or isinstance(node, ast.Return)
    inside = is_loop or isinstance(node, ast.For | ast.While)
    return not isinstance(node, (*FUNCTIONS, ast.ClassDef)) and any(
        leaves(child, is_loop=inside) for child in ast.iter_child_nodes(node)
    )


def is_plain(node: ast.AST) -> bool:
    """Whether a statement stays as Python has it, since it leaves out of a `with` or `try`."""
    return getattr(node, "is_plain", False)


class Settler:
    """Rewrites the statements of one function."""

    def __init__(self) -> None:
        self._count, self._left = 0, _MOST

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """The same statements, with an `if` that may leave in the last place only."""
        done: list[ast.stmt] = []
        rest = list(statements)
        while rest:
            node = rest.pop(0)
            if isinstance(node, ast.If) and leaves(node) and self._affords(node, rest):
                return [*done, self._split(node, rest)]
            if isinstance(node, ast.For | ast.While):
                here, behind = self._loop(node)
                done, rest = [*done, *here], [*behind, *rest]
                continue
            done.append(self._inside(node))
            if isinstance(node, (*_JUMPS, ast.Raise)):
                break
        return done

    def _affords(self, node: ast.If, rest: list[ast.stmt]) -> bool:
        """Whether what follows may be copied; a function with too many exits stays as it is."""
        self._left -= sum(1 for one in rest for _ in ast.walk(one))
        if self._left < 0:
            _leave_plain(node)
        return self._left >= 0

    def _inside(self, node: ast.stmt) -> ast.stmt:
        if isinstance(node, ast.If) and not is_plain(node):
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
        if isinstance(node, ast.With):
            if leaves(node):
                _leave_plain(node)
            else:
                node.body = self.block(node.body)
        return node

    def _split(self, node: ast.If, rest: list[ast.stmt]) -> ast.If:
        """The `if` with what follows on both of its sides."""
        again = deepcopy(rest)
        node.body = self.block([*node.body, *rest]) or [_at(node, ast.Pass())]
        node.orelse = self.block([*node.orelse, *again])
        return node

    def _loop(self, node: ast.For | ast.While) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """What stands for a loop, and what follows it."""
        untouched = deepcopy(node)
        node.body = self.block(node.body)
        kinds = {type(jump) for jump in _jumps(node.body)}
        if any(_hides(child) for child in _within(node.body)):
            _leave_plain(untouched)
            return [untouched], []
        orelse, node.orelse = node.orelse, []
        if not kinds & {ast.Break, ast.Return}:
            node.body = _Flags("", "", "").block(node.body)
            return [node], orelse
        self._count += 1
        names = [f"{HANDLE}_{part}_{self._count}" for part in ("broken", "returned", "value")]
        node.body = _Flags(*names).block(node.body)
        return self._flagged(node, orelse, names, ast.Return in kinds)

    def _flagged(
        self, node: ast.For | ast.While, orelse: list[ast.stmt], names: list[str], returns: bool
    ) -> tuple[list[ast.stmt], list[ast.stmt]]:
        broken, returned, value = names
        before = [_assign(node, broken, ast.Constant(False))]
        behind: list[ast.stmt] = []
        if isinstance(node, ast.While):
            goes_on = _at(node.test, ast.UnaryOp(ast.Not(), ast.Name(broken, ast.Load())))
            node.test = _at(node.test, ast.BoolOp(ast.And(), [goes_on, node.test]))
        else:
            node.broken = broken  # type: ignore[attr-defined]
        if returns:
            before.append(_assign(node, returned, ast.Constant(False)))
            nothing = ast.Attribute(ast.Name(HANDLE, ast.Load()), "NOTHING", ast.Load())
            before.append(_assign(node, value, nothing))
            found = _at(node, ast.Return(ast.Name(value, ast.Load())))
            behind.append(_at(node, ast.If(ast.Name(returned, ast.Load()), [found], [])))
        if orelse:
            whole = ast.UnaryOp(ast.Not(), ast.Name(broken, ast.Load()))
            behind.append(_at(node, ast.If(whole, orelse, [])))
        return [*before, node], behind


class _Flags:
    """Puts flags in the place of what leaves a loop."""

    def __init__(self, broken: str, returned: str, value: str) -> None:
        self._broken, self._returned, self._value = broken, returned, value

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        done: list[ast.stmt] = []
        for node in statements:
            if isinstance(node, ast.If) and leaves(node):
                node.body = self.block(node.body)
                node.orelse = self.block(node.orelse)
            done += self._jump(node) if isinstance(node, _JUMPS) else [node]
        return done or [ast.fix_missing_locations(ast.Pass(lineno=1, col_offset=0))]

    def _jump(self, node: ast.stmt) -> list[ast.stmt]:
        if isinstance(node, ast.Continue):
            return []
        flags = [_assign(node, self._broken, ast.Constant(True))]
        if isinstance(node, ast.Return):
            value = node.value or ast.Constant(None)
            flags = [
                _assign(node, self._value, value),
                _assign(node, self._returned, ast.Constant(True)),
                *flags,
            ]
        return flags


def _jumps(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """What leaves a block, or a branch of one."""
    for node in statements:
        if isinstance(node, _JUMPS):
            yield node
        elif isinstance(node, ast.If):
            yield from _jumps(node.body)
            yield from _jumps(node.orelse)


def _within(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in statements:
        yield node
        if isinstance(node, ast.If):
            yield from _within(node.body)
            yield from _within(node.orelse)


def _hides(node: ast.stmt) -> bool:
    """Whether a statement holds something that leaves the block around it, out of reach."""
    within = isinstance(node, ast.If) and not is_plain(node)
    return not within and not isinstance(node, _JUMPS) and leaves(node)


def _leave_plain(node: ast.stmt) -> None:
    node.is_plain = True  # type: ignore[attr-defined]


def _assign(place: ast.AST, name: str, value: ast.expr) -> ast.stmt:
    return _at(place, ast.Assign([ast.Name(name, ast.Store())], value))


def _at(place: ast.AST, node: _N) -> _N:
    return ast.fix_missing_locations(ast.copy_location(node, place))
