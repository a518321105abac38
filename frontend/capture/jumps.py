"""Takes `return` in the middle, `break` and `continue` out of a syntax tree.

An `if` that may leave is made the last statement of its block: what follows it is put behind every
path that goes on. In loops, what leaves becomes a flag that the next turn asks for; in `with` and
`try`, one that is asked for behind them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import TypeVar

from .bindings import hoisted
from .expressions import call_of, thunk
from .names import FUNCTIONS, HANDLE, RETURNED, assigned
from .patterns import as_branches

__all__ = ["Settler", "is_plain", "leaves"]

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
            if (simpler := self._simpler(node)) is not None:
                rest = [*simpler, *rest]
                continue
            if isinstance(node, ast.If) and leaves(node) and self._affords(node, rest):
                return [*done, self._split(node, rest)]
            here, behind = self._settled(node)
            done, rest = [*done, *here], [*behind, *rest]
            if isinstance(node, (*_JUMPS, ast.Raise)):
                break
        return done

    def _simpler(self, node: ast.stmt) -> list[ast.stmt] | None:
        """The same by `if`, `while` and assignments, where a statement is `match` or binds names
        within expressions."""
        found = hoisted(node)
        if found is None and isinstance(node, ast.Match) and not is_plain(node):
            self._count += 1
            found = as_branches(node, f"{HANDLE}_subject_{self._count}")
            if found is None:
                _leave_plain(node)
        return found

    def _affords(self, node: ast.If, rest: list[ast.stmt]) -> bool:
        """Whether what follows may be copied; a function with too many exits stays as it is."""
        self._left -= sum(1 for one in rest for _ in ast.walk(one))
        if self._left < 0:
            _leave_plain(node)
        return self._left >= 0

    def _settled(self, node: ast.stmt) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """What stands for a statement, and what follows it."""
        if isinstance(node, ast.For | ast.While):
            return self._loop(node)
        if isinstance(node, ast.With | ast.Try):
            return self._guarded(node)
        if isinstance(node, ast.If) and not is_plain(node):
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
        return [node], []

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
        if any(_hides(child) for child in _within(node.body)):
            _leave_plain(untouched)
            return [untouched], []
        orelse, node.orelse = node.orelse, []
        kinds = {type(jump) for jump in _jumps(node.body)}
        is_endless = ast.Break not in kinds and _is_true(node)
        left = kinds - {ast.Continue}
        flags = self._flags({*left, ast.Break} if left else ())
        broken = flags.get(ast.Break, "")
        node.body = _replaced(
            node.body,
            {
                ast.Continue: lambda _: [],
                ast.Break: lambda jump: [_set(jump, broken)],
                ast.Return: lambda jump: [*_returned(jump, flags), _set(jump, broken)],
            },
        )
        if isinstance(node, ast.For):
            node.broken = broken or None  # type: ignore[attr-defined]
        elif broken:
            goes_on = _at(node.test, ast.UnaryOp(ast.Not(), ast.Name(broken, ast.Load())))
            node.test = _at(node.test, ast.BoolOp(ast.And(), [goes_on, node.test]))
        if orelse and broken:
            whole = ast.UnaryOp(ast.Not(), ast.Name(broken, ast.Load()))
            orelse = [_at(node, ast.If(whole, orelse, []))]
        behind = _asked(node, {k: v for k, v in flags.items() if k is ast.Return})
        if is_endless and behind:
            return [*_unset(node, flags), node], [*behind[0].body]  # type: ignore[attr-defined]
        return [*_unset(node, flags), node], [*behind, *orelse]

    def _guarded(self, node: ast.With | ast.Try) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """What stands for a `with` or `try`, and what follows it."""
        untouched = deepcopy(node)
        parts = _blocks(node)
        for part in parts:
            part[:] = self.block(part)
        final = node.finalbody if isinstance(node, ast.Try) else []
        hides = any(_hides(child) for part in parts for child in _within(part))
        if hides or any(map(leaves, final)):
            _leave_plain(untouched)
            return [untouched], []
        final[:] = self.block(final)
        flags = self._flags({type(jump) for part in parts for jump in _jumps(part)})
        if isinstance(node, ast.Try) and node.orelse and flags:
            node.orelse = [_at(node, ast.If(_none_of(node, flags.values()), node.orelse, []))]
        names = sorted(assigned(one for part in parts for one in part))

        def leaving(jump: ast.stmt) -> list[ast.stmt]:
            is_return = isinstance(jump, ast.Return)
            left = _returned(jump, flags) if is_return else [_set(jump, flags[type(jump)])]
            return [*left, *(_unread(jump, name) for name in names)]

        for part in parts:
            part[:] = _replaced(part, dict.fromkeys(flags, leaving))
        return [*_unset(node, flags), node], _asked(node, flags)

    def _flags(self, kinds: Container[type]) -> dict[type, str]:
        """A variable for each kind of jump."""
        self._count += 1
        return {k: f"{HANDLE}_{word}_{self._count}" for k, word in _FLAGS.items() if k in kinds}


_FLAGS = {ast.Return: "returned", ast.Break: "broken", ast.Continue: "continued"}
_Made = Mapping[type, Callable[[ast.stmt], list[ast.stmt]]]


def _replaced(statements: list[ast.stmt], made: _Made) -> list[ast.stmt]:
    """The statements with others in the place of their jumps."""
    done: list[ast.stmt] = []
    for node in statements:
        if isinstance(node, ast.If) and leaves(node):
            node.body, node.orelse = _replaced(node.body, made), _replaced(node.orelse, made)
            if isinstance(node.test, ast.Name) and _does_nothing(node):
                continue
        done += made[type(node)](node) if isinstance(node, _JUMPS) else [node]
    return done or [ast.fix_missing_locations(ast.Pass(lineno=1, col_offset=0))]


def _does_nothing(node: ast.If) -> bool:
    return all(isinstance(one, ast.Pass) for one in (*node.body, *node.orelse))


def _returned(jump: ast.stmt, flags: Mapping[type, str]) -> list[ast.stmt]:
    """What is returned, kept in a variable, and a flag."""
    assert isinstance(jump, ast.Return)
    flag = flags[ast.Return]
    value = jump.value or ast.Constant(None)
    return [_assign(jump, f"{flag}{RETURNED}", value), _set(jump, flag)]


def _unread(jump: ast.stmt, name: str) -> ast.stmt:
    """`name = anything(lambda: name)`: whoever leaves does not read it, so it may be undefined."""
    return _assign(jump, name, call_of("anything", jump, thunk(ast.Name(name, ast.Load()))))


def _unset(node: ast.stmt, flags: Mapping[type, str]) -> list[ast.stmt]:
    """What comes before a statement whose jumps are flags."""
    found = [_assign(node, flag, ast.Constant(False)) for flag in flags.values()]
    if ast.Return in flags:
        nothing = ast.Attribute(ast.Name(HANDLE, ast.Load()), "NOTHING", ast.Load())
        found.append(_assign(node, f"{flags[ast.Return]}{RETURNED}", nothing))
    return found


def _asked(node: ast.stmt, flags: Mapping[type, str]) -> list[ast.stmt]:
    """The jumps behind a statement, for which flags are asked."""
    found: list[ast.stmt] = []
    for kind, flag in flags.items():
        jump: ast.stmt = ast.Continue() if kind is ast.Continue else ast.Break()
        if kind is ast.Return:
            jump = ast.Return(ast.Name(f"{flag}{RETURNED}", ast.Load()))
        found.append(_at(node, ast.If(ast.Name(flag, ast.Load()), [jump], [])))
    return found


def _none_of(node: ast.stmt, flags: Iterable[str]) -> ast.expr:
    names: list[ast.expr] = [ast.Name(flag, ast.Load()) for flag in flags]
    some = names[0] if len(names) == 1 else ast.BoolOp(ast.Or(), names)
    return _at(node, ast.UnaryOp(ast.Not(), some))


def _blocks(node: ast.With | ast.Try) -> list[list[ast.stmt]]:
    """The blocks of a statement that may be left."""
    if isinstance(node, ast.With):
        return [node.body]
    parts = [node.body, *(one.body for one in node.handlers)]
    return [*parts, node.orelse] if node.orelse else parts


def _is_true(node: ast.For | ast.While) -> bool:
    """Whether a loop ends by a jump alone."""
    return (
        isinstance(node, ast.While)
        and isinstance(node.test, ast.Constant)
        and bool(node.test.value)
    )


def _jumps(statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """What leaves a block, or a branch of one."""
    for node in statements:
        if isinstance(node, _JUMPS):
            yield node
        elif isinstance(node, ast.If):
            yield from _jumps(node.body)
            yield from _jumps(node.orelse)


def _within(statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
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


def _set(place: ast.AST, flag: str) -> ast.stmt:
    return _assign(place, flag, ast.Constant(True))


def _assign(place: ast.AST, name: str, value: ast.expr) -> ast.stmt:
    return _at(place, ast.Assign([ast.Name(name, ast.Store())], value))


def _at(place: ast.AST, node: _N) -> _N:
    return ast.fix_missing_locations(ast.copy_location(node, place))
