"""Identities of sums, products and powers; unless said otherwise they hold for NaN, infinities
and both zeros."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir.node import Node
from ..ops.arithmetic import (
    abs,
    add,
    divide,
    multiply,
    negative,
    positive,
    power,
    reciprocal,
    rsqrt,
    sqrt,
    square,
    subtract,
)
from ..ops.compare import equal, select
from ..ops.conversion import stop_gradient
from ..rewrite.pattern import later
from ..rewrite.rule import RuleSet, Sides, rule, step

__all__ = ["RULES"]

inf = math.inf


# what the conditions ask


def _float(x: Node) -> bool:
    return x.dtype.is_float


def _numeric(x: Node) -> bool:
    return not x.dtype.is_bool


def _signed(x: Node) -> bool:
    return x.dtype.is_float or x.dtype.is_signed


def _integer(x: Node) -> bool:
    return x.dtype.is_integer


def _has_exact_reciprocal(x: Node, c: Node) -> bool:
    """Whether 1/c is a number of the type, so that multiplying rounds as dividing does."""
    number = c.number
    if number is None or number == 0 or not math.isfinite(number) or not x.dtype.is_float:
        return False
    return math.frexp(number)[0] in (0.5, -0.5) and _inverse(c) * number == 1


def _inverse(c: Node) -> float:
    """1/c, rounded to the type of c."""
    with np.errstate(over="ignore", under="ignore"):
        return float(c.dtype.numpy.type(1 / (c.number or inf)))


def _has_reciprocal(c: Node) -> bool:
    number = c.number
    if number is None or number == 0 or not math.isfinite(number):
        return False
    return _float(c) and math.isfinite(_inverse(c))


def _opposite(c: Node) -> Any:
    return -(c.number or 0.0)


def _is_float_number(c: Node) -> bool:
    return c.number is not None and c.dtype.is_float


def _is_integer_number(c: Node) -> bool:
    return c.number is not None and c.dtype.is_integer


def _wrapped(function: Any) -> Any:
    """A function of two integer constants, modulo the range of their type."""

    def apply(c: Node, d: Node) -> int:
        operands = (np.array([n.number], n.dtype.numpy) for n in (c, d))
        return int(function(*operands)[0])

    return apply


# neutral elements


@rule(when=_numeric)
def times_one(x: Any) -> Sides:
    return multiply(x, 1), x


@rule(when=_float)
def divided_by_one(x: Any) -> Sides:
    return divide(x, 1), x


@rule()
def minus_zero(x: Any) -> Sides:
    return subtract(x, 0), x


@rule(when=_float)
def plus_negative_zero(x: Any) -> Sides:
    """Adding +0.0 is no identity: it makes +0.0 of -0.0."""
    return add(x, -0.0), x


@rule(when=_integer)
def plus_zero(x: Any) -> Sides:
    return add(x, 0), x


@rule(numerics="fast", when=_float)
def plus_zero_float(x: Any) -> Sides:
    return add(x, 0), x


@rule(when=_integer)
def times_zero(x: Any) -> Sides:
    """Of integers only: a float may be NaN or infinite."""
    return multiply(x, 0), 0


@rule(when=_numeric)
def to_the_power_one(x: Any) -> Sides:
    return power(x, 1), x


@rule()
def to_the_power_zero(x: Any) -> Sides:
    """Also for NaN, as in C and NumPy."""
    return power(x, 0), 1


@rule()
def positive_is_identity(x: Any) -> Sides:
    return positive(x), x


@rule()
def end_of_derivatives(x: Any) -> Sides:
    """Nothing is differentiated once passes run."""
    return stop_gradient(x), x


@step("named", "required")
def remarks_on_values(node: Node) -> Node:
    """What checkpoints keep, and which sizes are admitted, has been read from the traced graph."""
    return node.inputs[0]


# signs


@rule()
def negative_twice(x: Any) -> Sides:
    return negative(negative(x)), x


@rule(when=_signed)
def times_minus_one(x: Any) -> Sides:
    return multiply(x, -1), negative(x)


@rule(when=_float)
def divided_by_minus_one(x: Any) -> Sides:
    return divide(x, -1), negative(x)


@rule(when=_float)
def from_negative_zero(x: Any) -> Sides:
    return subtract(-0.0, x), negative(x)


@rule(when=_integer)
def from_zero(x: Any) -> Sides:
    return subtract(0, x), negative(x)


@rule()
def plus_negative(x: Any, y: Any) -> Sides:
    return add(x, negative(y)), subtract(x, y)


@rule()
def minus_negative(x: Any, y: Any) -> Sides:
    return subtract(x, negative(y)), add(x, y)


@rule()
def product_of_negatives(x: Any, y: Any) -> Sides:
    return multiply(negative(x), negative(y)), multiply(x, y)


@rule()
def quotient_of_negatives(x: Any, y: Any) -> Sides:
    return divide(negative(x), negative(y)), divide(x, y)


@rule(when=_is_float_number)
def negative_times_number(x: Any, c: Any) -> Sides:
    return multiply(negative(x), c), multiply(x, later(_opposite, c))


@rule(when=_is_float_number)
def negative_of_times_number(x: Any, c: Any) -> Sides:
    return negative(multiply(x, c)), multiply(x, later(_opposite, c))


@rule(when=_is_float_number)
def negative_of_divided_by_number(x: Any, c: Any) -> Sides:
    return negative(divide(x, c)), divide(x, later(_opposite, c))


@rule(numerics="fast", when=_float)
def negative_difference(x: Any, y: Any) -> Sides:
    """Not strict: of equal numbers it gives +0.0 for -0.0."""
    return negative(subtract(x, y)), subtract(y, x)


@rule(when=_integer)
def negative_integer_difference(x: Any, y: Any) -> Sides:
    return negative(subtract(x, y)), subtract(y, x)


@rule(when=_signed)
def abs_of_negative(x: Any) -> Sides:
    return abs(negative(x)), abs(x)


@rule()
def square_of_negative(x: Any) -> Sides:
    return square(negative(x)), square(x)


@rule()
def square_of_abs(x: Any) -> Sides:
    return square(abs(x)), square(x)


@step("abs")
def abs_of_nonnegative(node: Node) -> Node | None:
    """Of what is never below zero, nor -0.0; the square of an integer may wrap around."""
    (x,) = node.inputs
    never = x.op.name in ("exp", "exp2", "abs", "sigmoid", "softplus", "cosh")
    return x if never or (x.op is square and _float(x)) else None


# products, quotients, powers


@rule(when=_numeric)
def times_itself(x: Any) -> Sides:
    return multiply(x, x), square(x)


@rule(when=_float)
def one_over(x: Any) -> Sides:
    return divide(1, x), reciprocal(x)


@rule(numerics="accurate", sole=True)
def times_reciprocal(x: Any, y: Any) -> Sides:
    """Rounds once where it rounded twice."""
    return multiply(x, reciprocal(y)), divide(x, y)


@rule()
def reciprocal_of_sqrt(x: Any) -> Sides:
    return reciprocal(sqrt(x)), rsqrt(x)


@rule(when=_has_exact_reciprocal)
def divided_by_power_of_two(x: Any, c: Any) -> Sides:
    return divide(x, c), multiply(x, later(_inverse, c))


@rule(numerics="fast", when=_has_reciprocal)
def divided_by_number(x: Any, c: Any) -> Sides:
    return divide(x, c), multiply(x, later(_inverse, c))


@rule(numerics="fast")
def divided_by_sqrt(x: Any, y: Any) -> Sides:
    return divide(x, sqrt(y)), multiply(x, rsqrt(y))


@rule(numerics="accurate")
def to_the_power_two(x: Any) -> Sides:
    return power(x, 2), square(x)


@rule(numerics="accurate")
def to_the_power_three(x: Any) -> Sides:
    """Within two units in the last place."""
    return power(x, 3), multiply(x, square(x))


@rule(numerics="accurate")
def to_the_power_four(x: Any) -> Sides:
    return power(x, 4), square(square(x))


@rule(numerics="accurate", when=_float)
def to_the_power_minus_one(x: Any) -> Sides:
    return power(x, -1), reciprocal(x)


@rule(numerics="accurate", when=_float)
def to_the_power_minus_two(x: Any) -> Sides:
    """The reciprocal first: its square may be tiny, but does not overflow on the way."""
    return power(x, -2), square(reciprocal(x))


@rule(numerics="accurate", when=_float)
def to_the_power_one_half(x: Any) -> Sides:
    """As NumPy has it for one exponent; C gives +∞ for -∞."""
    return power(x, 0.5), sqrt(x)


@rule(numerics="accurate", when=_float)
def to_the_power_minus_one_half(x: Any) -> Sides:
    return power(x, -0.5), select(equal(x, -inf), 0.0, rsqrt(x + 0.0))


@rule(numerics="accurate", when=_float)
def root_of_square(x: Any) -> Sides:
    return sqrt(square(x)), abs(x)


@rule(when=lambda c, d: _is_integer_number(c) and _is_integer_number(d))
def integer_factors(x: Any, c: Any, d: Any) -> Sides:
    return multiply(multiply(x, c), d), multiply(x, later(_wrapped(np.multiply), c, d))


@rule(when=lambda c, d: _is_integer_number(c) and _is_integer_number(d))
def integer_terms(x: Any, c: Any, d: Any) -> Sides:
    return add(add(x, c), d), add(x, later(_wrapped(np.add), c, d))


@rule(numerics="fast", when=lambda c, d: _is_float_number(c) and _is_float_number(d))
def factors(x: Any, c: Any, d: Any) -> Sides:
    return multiply(multiply(x, c), d), multiply(x, multiply(c, d))


@rule(numerics="fast", when=lambda c, d: _is_float_number(c) and _is_float_number(d))
def terms(x: Any, c: Any, d: Any) -> Sides:
    return add(add(x, c), d), add(x, add(c, d))


@rule(when=_integer)
def minus_itself(x: Any) -> Sides:
    """Of integers only: ∞ - ∞ is NaN."""
    return subtract(x, x), 0


RULES = RuleSet.stated_in(globals())
