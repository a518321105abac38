"""Writes `match` as `if` and `elif`, so that a traced value may decide between its cases."""

from __future__ import annotations

import ast
from collections.abc import Container
from copy import deepcopy
from typing import TypeVar

from .names import HANDLE

__all__ = ["as_branches"]

_N = TypeVar("_N", bound=ast.AST)


def as_branches(node: ast.Match, subject: str) -> list[ast.stmt] | None:
    """The statements; None where a pattern asks for the class or the keys of an object."""
    value = ast.Name(subject, ast.Load())
    cases: list[ast.stmt] = []
    for at, case in reversed(list(enumerate(node.cases))):
        read = _Pattern(_truths(node.cases[:at]))
        if not read.add(case.pattern, value):
            return None
        tests, body = list(read.tests), [*read.binds, *case.body]
        if case.guard is not None:
            tests.append(_with_values(case.guard, read.bound))
        if not tests:
            cases = body
            continue
        test = tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests)
        cases = [_at(case.pattern, ast.If(test, body, cases))]
    taken = ast.Assign([ast.Name(subject, ast.Store())], node.subject)
    return [_at(node.subject, taken), *cases]


def _truths(cases: list[ast.match_case]) -> set[bool]:
    """Which of True and False have cases of their own."""
    singles = [case.pattern for case in cases if case.guard is None]
    values = [one.value for one in singles if isinstance(one, ast.MatchSingleton)]
    return {value for value in values if value is not None}


class _Pattern:
    """What a pattern asks of a value, and the names that it binds.

    Those of True and False that have come before need not be asked for again.
    """

    def __init__(self, before: Container[bool] = ()) -> None:
        self._before = before
        self.tests: list[ast.expr] = []
        self.binds: list[ast.stmt] = []
        self.bound: dict[str, ast.expr] = {}

    def add(self, pattern: ast.pattern, value: ast.expr) -> bool:
        """Whether the pattern is one that `if` can ask for."""
        value = deepcopy(value)
        match pattern:
            case ast.MatchValue():
                self.tests.append(_at(pattern, ast.Compare(value, [ast.Eq()], [pattern.value])))
            case ast.MatchSingleton():
                is_last = pattern.value is not None and (not pattern.value) in self._before
                name = "is_left" if is_last else "is_"
                self.tests.append(_call(name, pattern, value, ast.Constant(pattern.value)))
            case ast.MatchOr():
                return self._either(pattern, value)
            case ast.MatchAs():
                if pattern.pattern is not None and not self.add(pattern.pattern, value):
                    return False
                if pattern.name is not None:
                    self.bound[pattern.name] = value
                    target = ast.Name(pattern.name, ast.Store())
                    self.binds.append(_at(pattern, ast.Assign([target], value)))
            case ast.MatchSequence():
                return self._sequence(pattern, value)
            case _:
                return False
        return True

    def _either(self, pattern: ast.MatchOr, value: ast.expr) -> bool:
        """One of several patterns, which bind nothing."""
        sides = []
        for one in pattern.patterns:
            side = _Pattern()
            if not side.add(one, value) or side.bound:
                return False
            always = _at(one, ast.Constant(True))
            both = side.tests if len(side.tests) < 2 else [ast.BoolOp(ast.And(), side.tests)]
            sides.append(both[0] if both else always)
        self.tests.append(_at(pattern, ast.BoolOp(ast.Or(), sides)))
        return True

    def _sequence(self, pattern: ast.MatchSequence, value: ast.expr) -> bool:
        """A tuple or list of so many parts."""
        count = ast.Constant(len(pattern.patterns))
        self.tests.append(_call("is_sequence", pattern, value, count))
        parts = enumerate(pattern.patterns)
        return all(
            self.add(one, _at(one, ast.Subscript(value, ast.Constant(at), ast.Load())))
            for at, one in parts
        )


class _Values(ast.NodeTransformer):
    """Puts expressions in the place of names."""

    def __init__(self, values: dict[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = self._values.get(node.id)
        return node if value is None else _at(node, deepcopy(value))


def _with_values(guard: ast.expr, values: dict[str, ast.expr]) -> ast.expr:
    found: ast.expr = _Values(values).visit(deepcopy(guard))
    return found


def _call(name: str, place: ast.AST, *args: ast.expr) -> ast.expr:
    function = ast.Attribute(ast.Name(HANDLE, ast.Load()), name, ast.Load())
    return _at(place, ast.Call(function, list(args), []))


def _at(place: ast.AST, node: _N) -> _N:
    return ast.fix_missing_locations(ast.copy_location(node, place))
