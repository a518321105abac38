"""Identities of truth values, comparisons, choices and conversions."""

from __future__ import annotations

import math
from typing import Any

from symfuse.runtime.dtypes import DType

from ..ir.node import Node
from ..ops.compare import (
    equal,
    greater,
    greater_equal,
    isnan,
    less,
    less_equal,
    maximum,
    minimum,
    not_equal,
    select,
)
from ..ops.conversion import convert
from ..ops.logic import logical_and, logical_not, logical_or, logical_xor
from ..rewrite.rule import RuleSet, Sides, rule, step

__all__ = ["RULES"]

inf = math.inf


def _float(x: Node) -> bool:
    return x.dtype.is_float


def _exact(x: Node) -> bool:
    return not x.dtype.is_float


# truth, comparisons, choices


@rule()
def not_twice(x: Any) -> Sides:
    return logical_not(logical_not(x)), x


@rule()
def and_true(x: Any) -> Sides:
    return logical_and(x, True), x


@rule()
def and_false(x: Any) -> Sides:
    return logical_and(x, False), False


@rule()
def or_false(x: Any) -> Sides:
    return logical_or(x, False), x


@rule()
def or_true(x: Any) -> Sides:
    return logical_or(x, True), True


@rule()
def xor_false(x: Any) -> Sides:
    return logical_xor(x, False), x


@rule()
def and_itself(x: Any) -> Sides:
    return logical_and(x, x), x


@rule()
def or_itself(x: Any) -> Sides:
    return logical_or(x, x), x


@rule()
def not_equal_stated(x: Any, y: Any) -> Sides:
    return logical_not(equal(x, y)), not_equal(x, y)


@rule()
def equal_stated(x: Any, y: Any) -> Sides:
    return logical_not(not_equal(x, y)), equal(x, y)


@rule()
def less_than_itself(x: Any) -> Sides:
    return less(x, x), False


@rule()
def greater_than_itself(x: Any) -> Sides:
    return greater(x, x), False


@rule(when=_float)
def differs_from_itself(x: Any) -> Sides:
    return not_equal(x, x), isnan(x)


@rule(when=_exact)
def equals_itself(x: Any) -> Sides:
    return equal(x, x), True


@rule(when=_exact)
def at_most_itself(x: Any) -> Sides:
    return less_equal(x, x), True


@rule(when=_exact)
def at_least_itself(x: Any) -> Sides:
    return greater_equal(x, x), True


@rule(when=_exact)
def not_less(x: Any, y: Any) -> Sides:
    """Not of floats: with NaN both are false."""
    return logical_not(less(x, y)), greater_equal(x, y)


@rule(when=_exact)
def not_greater(x: Any, y: Any) -> Sides:
    return logical_not(greater(x, y)), less_equal(x, y)


@rule()
def maximum_of_one(x: Any) -> Sides:
    return maximum(x, x), x


@rule()
def minimum_of_one(x: Any) -> Sides:
    return minimum(x, x), x


@rule()
def above_the_least(x: Any) -> Sides:
    return maximum(x, -inf), x


@rule()
def below_the_greatest(x: Any) -> Sides:
    return minimum(x, inf), x


@rule()
def same_choice(which: Any, x: Any) -> Sides:
    return select(which, x, x), x


@rule()
def chosen(x: Any, y: Any) -> Sides:
    return select(True, x, y), x


@rule()
def not_chosen(x: Any, y: Any) -> Sides:
    return select(False, x, y), y


@rule()
def choice_by_not(which: Any, x: Any, y: Any) -> Sides:
    return select(logical_not(which), x, y), select(which, y, x)


@rule()
def first_choice_again(which: Any, x: Any, y: Any, z: Any) -> Sides:
    return select(which, select(which, x, y), z), select(which, x, z)


@rule()
def second_choice_again(which: Any, x: Any, y: Any, z: Any) -> Sides:
    return select(which, x, select(which, y, z)), select(which, x, z)


@rule()
def choice_of_truths(which: Any) -> Sides:
    return select(which, True, False), which


@rule()
def choice_of_opposites(which: Any) -> Sides:
    return select(which, False, True), logical_not(which)


# element types and repetition


@step("convert")
def convert_to_own_type(node: Node) -> Node | None:
    return node.inputs[0] if node.inputs[0].dtype is node.dtype else None


@step("convert")
def convert_of_convert(node: Node) -> Any:
    """The first conversion can be left out if it loses nothing."""
    (between,) = node.inputs
    if between.op is not convert:
        return None
    (x,) = between.inputs
    to_integer = x.dtype.is_float and node.dtype.is_integer
    if to_integer or not _is_lossless(x.dtype, between.dtype):
        return None
    return convert(x, dtype=node.dtype)


# The widest integers of which a float type holds all.
_WHOLE_BITS = {DType.F64: 32, DType.F32: 16, DType.F16: 8, DType.BF16: 8}


def _is_lossless(narrow: DType, wide: DType) -> bool:
    if narrow.is_bool or narrow is wide:
        return True
    if narrow.is_float or wide.is_bool:
        return wide.is_float and not wide.is_half and narrow.bits < wide.bits
    if wide.is_float:
        return narrow.bits <= _WHOLE_BITS[wide]
    return wide.bits > narrow.bits and (wide.is_signed or narrow.is_unsigned)


_ROUNDINGS = ("floor", "ceil", "trunc", "round")


@step("floor", "ceil", "trunc", "round", "abs", "relu", "sign")
def done_already(node: Node) -> Node | None:
    """A second application of the same operation, or a second rounding, changes nothing."""
    (x,) = node.inputs
    rounded = node.op.name in _ROUNDINGS and x.op.name in _ROUNDINGS
    return x if rounded or x.op is node.op else None


RULES = RuleSet.stated_in(globals())
