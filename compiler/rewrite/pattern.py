"""The sides of an equation: what calling operations on wildcards gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

from msgspec import Struct

from ..ir.arithmetic import Arithmetic
from ..ir.op import Op

__all__ = ["COMMUTATIVE", "Later", "Pattern", "PatternEvaluator", "Wildcard", "later", "orders"]

COMMUTATIVE = frozenset(
    {"add", "multiply", "maximum", "minimum", "hypot", "logaddexp", "equal", "not_equal"}
    | {"logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"}
)
"""Operations whose two operands may change places: patterns match both orders."""


class Later(Struct, frozen=True, eq=False):
    """A number, shape or attribute that is computed once the wildcards are known."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Wildcard(Arithmetic, Struct, frozen=True, eq=False):
    """Stands for any node; as an attribute, for any value of it."""

    name: str

    @property
    def shape(self) -> Later:
        return Later(lambda node: node.shape, (self,))

    @property
    def dtype(self) -> Later:
        return Later(lambda node: node.dtype, (self,))


class Pattern(Arithmetic, Struct, frozen=True, eq=False):
    """An operation over patterns, wildcards and numbers."""

    op: Op
    inputs: tuple[Any, ...]
    attrs: Mapping[str, Any]


class PatternEvaluator:
    """Has calls of operations make patterns."""

    def apply(self, op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Pattern:
        return Pattern(op, args, attrs)


def later(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives for the things that the wildcards turn out to stand for."""
    return Later(function, arguments)


def orders(side: Any) -> Iterator[Any]:
    """The pattern with the operands of commutative operations in every order."""
    if not isinstance(side, Pattern):
        yield side
        return
    for inputs in product(*(tuple(orders(part)) for part in side.inputs)):
        yield Pattern(side.op, inputs, side.attrs)
        if side.op.name in COMMUTATIVE and inputs[0] is not inputs[1]:
            yield Pattern(side.op, inputs[::-1], side.attrs)
