"""Sums, products, roots and powers."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError

from ..ir.builder import Builder
from ..ir.node import Node
from ..ir.op import Op, Sample
from ..kernel.numpy_scalars import NumpyScalars
from . import complex_functions as of_complex
from .alignment import as_one_type, as_quotient
from .compare import equal, select
from .exponential import log
from .kinds import like, mapped, not_differentiable
from .pairs import formula, partwise
from .sampling import ALL, NUMBERS, draw, numbers

__all__ = [
    "abs",
    "add",
    "cbrt",
    "divide",
    "hypot",
    "multiply",
    "negative",
    "positive",
    "power",
    "reciprocal",
    "rsqrt",
    "sign",
    "sqrt",
    "square",
    "subtract",
]

add: Op = mapped(
    "add",
    doc="x + y; of bools: or",
    formula="x + y",
    takes=ALL,
    body=lambda s, x, y: s.bitor(x, y) if x.dtype.is_bool else s.add(x, y),
    partials=lambda x, y, out: (1, 1),
    transpose=lambda ct, which, inputs, attrs: ct,
    parts=partwise,
    reference=np.add,
    samples=numbers(2),
)

subtract: Op = mapped(
    "subtract",
    doc="x - y",
    formula="x - y",
    takes=NUMBERS,
    body=lambda s, x, y: s.sub(x, y),
    partials=lambda x, y, out: (1, -1),
    transpose=lambda ct, which, inputs, attrs: ct if which == 0 else negative(ct),
    parts=partwise,
    reference=np.subtract,
    samples=numbers(2),
)

multiply: Op = mapped(
    "multiply",
    doc="x · y; of bools: and",
    formula="x*y",
    takes=ALL,
    body=lambda s, x, y: s.bitand(x, y) if x.dtype.is_bool else s.mul(x, y),
    partials=lambda x, y, out: (y, x),
    transpose=lambda ct, which, inputs, attrs: ct * inputs[1 - which],
    parts=formula(lambda x, y: x * y),
    reference=np.multiply,
    samples=numbers(2),
)

divide: Op = mapped(
    "divide",
    doc="x / y; integers divide in f64",
    formula="x/y",
    align=as_quotient,
    body=lambda s, x, y: s.div(x, y),
    partials=lambda x, y, out: (reciprocal(y), -out / y),
    transpose=lambda ct, which, inputs, attrs: ct / inputs[1],
    parts=formula(of_complex.quotient),
    reference=np.divide,
    samples=numbers(2, 0.5),
)

negative: Op = mapped(
    "negative",
    doc="-x",
    formula="-x",
    takes=NUMBERS,
    body=lambda s, x: s.neg(x),
    partials=lambda x, out: (-1,),
    transpose=lambda ct, which, inputs, attrs: negative(ct),
    parts=partwise,
    reference=np.negative,
    samples=numbers(),
)

positive: Op = mapped(
    "positive",
    doc="x itself",
    formula="x",
    takes=NUMBERS,
    body=lambda s, x: x,
    partials=lambda x, out: (1,),
    transpose=lambda ct, which, inputs, attrs: ct,
    parts=partwise,
    reference=np.positive,
    samples=numbers(),
)

# The subderivative at 0 is 0, the middle of [-1, 1].
abs: Op = mapped(
    "abs",
    doc="|x|; the least integer is its own absolute value",
    formula="Abs(x)",
    takes=ALL,
    body=lambda s, x: x if x.dtype.is_bool or x.dtype.is_unsigned else s.abs(x),
    partials=lambda x, out: (sign(x),),
    reference=np.abs,
    samples=numbers(),
)


def _sign(s: Any, x: Any) -> Any:
    """A NaN is its own sign, and both zeros have the sign +0."""
    zero, one = s.const(0, x.dtype), s.const(1, x.dtype)
    if x.dtype.is_unsigned:
        return s.select(s.gt(x, zero), one, zero)
    below = s.select(s.lt(x, zero), s.const(-1, x.dtype), s.select(s.eq(x, zero), zero, x))
    return s.select(s.gt(x, zero), one, below)


sign: Op = not_differentiable(
    "sign",
    "piecewise constant",
    doc="-1, 0 or 1",
    formula="sign(x)",
    takes=NUMBERS,
    body=_sign,
    reference=lambda x: np.sign(x) + np.asarray(x).dtype.type(0),
    samples=numbers(),
)

square: Op = mapped(
    "square",
    doc="x²",
    formula="x**2",
    takes=NUMBERS,
    body=lambda s, x: s.mul(x, x),
    partials=lambda x, out: (2 * x,),
    parts=formula(of_complex.square),
    reference=np.square,
    samples=numbers(),
)

reciprocal: Op = mapped(
    "reciprocal",
    doc="1 / x, in floats",
    formula="1/x",
    body=lambda s, x: s.div(s.const(1, x.dtype), x),
    partials=lambda x, out: (-square(out),),
    parts=formula(of_complex.reciprocal),
    reference=np.reciprocal,
    samples=numbers(low=0.5),
)

# The slope at 0 is its limit, infinity.
sqrt: Op = mapped(
    "sqrt",
    doc="√x; NaN below 0",
    formula="sqrt(x)",
    body=lambda s, x: s.sqrt(x),
    partials=lambda x, out: (0.5 / out,),
    parts=formula(of_complex.sqrt),
    reference=np.sqrt,
    samples=numbers(low=0.5),
)

rsqrt: Op = mapped(
    "rsqrt",
    doc="1 / √x",
    formula="1/sqrt(x)",
    body=lambda s, x: s.rsqrt(x),
    partials=lambda x, out: (-0.5 * out / x,),
    parts=formula(lambda x: of_complex.reciprocal(of_complex.sqrt(x))),
    reference=lambda x: 1 / np.sqrt(x),
    samples=numbers(low=0.5),
    ulp=1,
)

# The slope at 0 is its limit, infinity.
cbrt: Op = mapped(
    "cbrt",
    doc="∛x, of negative numbers too",
    formula="sign(x)*Abs(x)**Rational(1, 3)",
    body=lambda s, x: s.cbrt(x),
    partials=lambda x, out: (reciprocal(3 * square(out)),),
    reference=np.cbrt,
    samples=numbers(low=0.5),
    ulp=2,
)


def _hypot_partials(x: Any, y: Any, out: Any) -> tuple[Any, ...]:
    """The subderivative at the origin is 0."""
    safe = select(equal(out, 0), like(1, out), out)
    return x / safe, y / safe


hypot: Op = mapped(
    "hypot",
    doc="√(x² + y²), without overflow",
    formula="sqrt(x**2 + y**2)",
    body=lambda s, x, y: s.hypot(x, y),
    partials=_hypot_partials,
    reference=np.hypot,
    samples=numbers(2, 0.5),
    ulp=2,
)


_NUMPY = NumpyScalars()


def _as_powers(builder: Builder, args: tuple[Any, ...], attrs: Any) -> tuple[Node, ...]:
    base, exponent = as_one_type(builder, args, attrs)
    number = exponent.number
    if exponent.dtype.is_integer and number is not None and number < 0:
        raise DTypeError(
            f"an integer to the power {number} is no integer",
            fix="convert the base to a float type, or write the exponent as a float",
        )
    return base, exponent


def _power_partials(x: Any, y: Any, out: Any) -> tuple[Any, ...]:
    """y·x^(y-1) is 0 for y = 0 at every x, and exact at x ≤ 0 for a constant y; x^y·log x is 0 at
    x = 0, and NaN below, where x^y has no derivative in y."""
    number = getattr(y, "number", y if isinstance(y, int | float | complex) else None)

    def in_x() -> Any:
        if number is None:
            return select(equal(y, 0), like(0, y), y * power(x, y - 1))
        return number * (x if number == 2 else power(x, number - 1))

    def in_y() -> Any:
        return out * log(select(equal(x, 0), like(1, x), x))

    return (None if number == 0 else in_x), in_y


def _power_reference(x: Any, y: Any) -> Any:
    """NumPy's; where it refuses, an integer to a negative power, what kernels compute."""
    return _NUMPY.pow(x, y) if np.asarray(x).dtype.kind == "i" else np.power(x, y)


def _powers(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    if dtype.is_inexact:
        return numbers(2, 0.5)(rng, dtype)
    small = (draw(rng, dtype, (3, 4)), draw(rng, dtype, (3, 4), 0, 5))
    wrapping = (np.array([3, 5, 7], dtype.numpy), np.array([2, 50, 127], dtype.numpy))
    below = [[1, -1, -1, 2, -3], [-2, -2, -3, -1, -2]] if dtype.is_signed else [[1], [0]]
    return [Sample(small), Sample(wrapping), Sample(tuple(np.array(below, dtype.numpy)))]


power: Op = mapped(
    "power",
    doc="x to the power y; x⁰ = 1 for every x; integers wrap around, negative powers truncate",
    formula="x**y",
    takes=NUMBERS,
    align=_as_powers,
    body=lambda s, x, y: s.pow(x, y),
    partials=_power_partials,
    parts=formula(of_complex.power),
    reference=_power_reference,
    samples=_powers,
    ulp=2,
)
