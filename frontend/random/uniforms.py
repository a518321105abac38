"""Evenly distributed numbers: bits, floats between bounds, integers between bounds, signs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, DTypeError

from ..numpy.shared import common_dtype, convert, is_weak, traced
from ..tracing.trace import call, dtype_of
from ..tracing.tracer import Tracer
from .arguments import (
    checked_key,
    checked_mode,
    fitting,
    float_type,
    integer_type,
    plain_integer,
    plain_shape,
)
from .draws import drawn
from .threefry import Words, blocks, narrow, wide

__all__ = ["bernoulli", "bits", "finished", "rademacher", "randint", "symmetric", "uniform", "unit"]

_HALF_RANGE = 1 << 31
_SMALL = np.uint64(1 << 32)
_LOW_BITS = 21  # of the low word that an f64 has room for beside the high word


def bits(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Random bits: unsigned integers of any width, 32 bits where `dtype` is None.

    They are those of `jax.random.bits` for the same key.

    >>> import symfuse as sf
    >>> sf.random.bits(sf.random.key(0), (2,))
    array([4070199207, 4202968722], dtype=uint32)
    """
    wanted = integer_type(dtype, DType.U32, unsigned=True)
    return finished(drawn(_bits, checked_key(key), plain_shape(shape), wanted))


def _bits(words: Words, dtype: DType) -> Any:
    return wide(words) if dtype is DType.U64 else convert(narrow(words), dtype)


def uniform(
    key: Any, shape: Any = (), dtype: Any = None, minval: Any = 0.0, maxval: Any = 1.0
) -> Any:
    """Floats in minval ≤ x < maxval, of type float64 where `dtype` is None.

    Between 0 and 1 they are multiples of 2⁻⁵³, 2⁻²⁴, 2⁻¹¹ and 2⁻⁸ in f64, f32, f16 and bf16.

    >>> import symfuse as sf
    >>> x = sf.random.uniform(sf.random.key(0), (1000,), minval=-1.0)
    >>> bool(x.min() >= -1) and bool(x.max() < 1)
    True
    """
    wanted, sizes = float_type(dtype), plain_shape(shape)
    if type(minval) in (int, float) and type(maxval) in (int, float) and (minval, maxval) == (0, 1):
        return finished(drawn(unit, checked_key(key), sizes, wanted))
    bounds, _ = fitting((minval, maxval), sizes, wanted)
    return finished(drawn(_within, checked_key(key), sizes, wanted, *bounds))


def _within(words: Words, dtype: DType, low: Any, high: Any) -> Any:
    return scaled(unit(words, dtype), low, high)


def scaled(x: Any, low: Any, high: Any) -> Any:
    """Numbers of the unit interval spread between bounds; roundings do not reach the upper one."""
    x = call("add", call("multiply", x, call("subtract", high, low)), low)
    below = call("nextafter", high, convert(-math.inf, dtype_of(x)))
    return call("maximum", call("minimum", x, below), low)


def unit(words: Words, dtype: DType) -> Any:
    """Floats in 0 ≤ x < 1, as fine as the type can hold all the way to 1."""
    if dtype is DType.F64:
        high = convert(words[0], DType.F64)
        low = convert(call("bitwise_right_shift", words[1], 32 - _LOW_BITS), DType.F64)
        return call("add", call("multiply", high, 2.0**-32), call("multiply", low, 2.0**-53))
    digits = -round(math.log2(float(dtype.limits.eps))) + 1
    kept = call("bitwise_right_shift", narrow(words), 32 - digits)
    return convert(call("multiply", convert(kept, DType.F32), 2.0**-digits), dtype)


def symmetric(words: Words, dtype: DType) -> Any:
    """Floats in -1 < x < 1, odd multiples of 2⁻⁵³ or 2⁻²⁴: as many on both sides, and no 0."""
    if dtype is DType.F64:
        signed = convert(call("bitwise_xor", words[0], _HALF_RANGE), DType.I32)
        odd = call("bitwise_or", call("bitwise_right_shift", words[1], 31 - _LOW_BITS), 1)
        high, low = convert(signed, DType.F64), convert(odd, DType.F64)
        return call("add", call("multiply", high, 2.0**-31), call("multiply", low, 2.0**-53))
    odd = call("bitwise_or", call("bitwise_right_shift", narrow(words), 7), 1)
    around_zero = call("subtract", convert(odd, DType.I32), 1 << 24)
    return call("multiply", convert(around_zero, DType.F32), 2.0**-24)


def bernoulli(key: Any, p: Any = 0.5, shape: Any = None, mode: str = "low") -> Any:
    """Truth values that are true with probability p; the shape of p where none is given.

    A number p is met to 53 bits, an array to the digits of its type, or in mode "high" to 53 bits.

    >>> import symfuse as sf
    >>> bool(sf.random.bernoulli(sf.random.key(0), 0.25, (1000,)).mean() < 0.3)
    True
    """
    is_fine, key = checked_mode(mode), checked_key(key)
    sizes = None if shape is None else plain_shape(shape)
    if type(p) in (int, float):
        return finished(_with_probability(blocks(key, sizes or ()), float(p)))
    found = common_dtype(traced(p))
    if not found.is_float:
        raise DTypeError(
            f"probabilities are floats, got {found}", fix="convert p", loc=user_location()
        )
    dtype = DType.F64 if is_fine or is_weak(p) else found
    (p,), sizes = fitting((p,), sizes, dtype)
    return finished(call("less", unit(blocks(key, sizes), dtype), p))


def _with_probability(words: Words, p: float) -> Any:
    """Whether the unit number in f64 is below p, found from the words without floats."""
    if not 0 <= p <= 1:
        raise ArgumentError(
            f"{p} is not a probability", fix="give p between 0 and 1", loc=user_location()
        )
    high, low = divmod(math.ceil(p * 2.0**53), 1 << _LOW_BITS)
    if high >> 32:
        return call("equal", words[0], words[0])
    first = call("less", words[0], np.uint32(high))
    if not low:
        return first
    rest = call("bitwise_right_shift", words[1], 32 - _LOW_BITS)
    second = call("less", rest, np.uint32(low))
    same = call("equal", words[0], np.uint32(high))
    return call("logical_or", first, call("logical_and", same, second))


def rademacher(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Signs: -1 or 1 with probability ½ each, of type int64 where `dtype` is None.

    >>> import symfuse as sf
    >>> sf.random.rademacher(sf.random.key(0), (1000,)).min()
    np.int64(-1)
    """
    found = integer_type(dtype, DType.I64)
    words = blocks(checked_key(key), plain_shape(shape))
    positive = convert(call("less", words[0], np.uint32(_HALF_RANGE)), found)
    return finished(call("subtract", call("multiply", positive, 2), 1))


def randint(key: Any, shape: Any, minval: Any, maxval: Any, dtype: Any = None) -> Any:
    """Integers in minval ≤ x < maxval, of type int64 where `dtype` is None.

    Each has the same probability up to 2⁻⁶⁴ of the number of integers. Where traced or array bounds
    leave none, it is minval.

    >>> import symfuse as sf
    >>> x = sf.random.randint(sf.random.key(0), (1000,), 1, 7)
    >>> int(x.min()), int(x.max())
    (1, 6)
    """
    found, sizes = integer_type(dtype, DType.I64), plain_shape(shape)
    low, high = plain_integer(minval), plain_integer(maxval)
    if low is not None and high is not None:
        return finished(_between(checked_key(key), sizes, low, high, found))
    for bound in (minval, maxval):
        _check_integers(bound, found)
    (first, last), _ = fitting((minval, maxval), sizes, found)
    with np.errstate(over="ignore"):  # differences and sums wrap around
        start, stop = convert(first, DType.U64), convert(last, DType.U64)
        nothing = call("greater_equal", first, last)
        span = call("select", nothing, np.uint64(0), call("subtract", stop, start))
        offset = share(checked_key(key), sizes, span, is_small=found.bits <= 32)
        return finished(convert(call("add", start, offset), found))


def _check_integers(bound: Any, dtype: DType) -> None:
    limits, whole = np.iinfo(dtype.numpy), plain_integer(bound)
    if whole is not None and not int(limits.min) <= whole <= int(limits.max):
        raise ArgumentError(
            f"randint: {dtype} does not hold {whole}", fix="give another dtype", loc=user_location()
        )
    if whole is None and not dtype_of(traced(bound)).is_integer:
        raise DTypeError(
            "randint: minval and maxval are integers",
            fix="convert them with int(), or draw floats by sf.random.uniform",
            loc=user_location(),
        )


def _between(key: Any, shape: tuple[Any, ...], low: int, high: int, dtype: DType) -> Any:
    limits = np.iinfo(dtype.numpy)
    if low >= high or low < int(limits.min) or high > int(limits.max) + 1:
        raise ArgumentError(
            f"randint: {dtype} holds no integers, or not all, from {low} up to {high}",
            fix="give bounds with minval < maxval, or a wider dtype",
            loc=user_location(),
        )
    if high - low == 1 << 64:
        return convert(wide(blocks(key, shape)), dtype)
    offset = share(key, shape, np.uint64(high - low), is_small=high - low <= 1 << 32)
    with np.errstate(over="ignore"):
        return call("add", convert(offset, dtype), dtype.numpy.type(low))


def share(key: Any, shape: tuple[Any, ...], span: Any, *, is_small: bool) -> Any:
    """Integers in 0 ≤ x < span: the whole part of span times a unit number of 64 bits.

    Of spans of more than 32 bits it has 128 bits, so that none of them is drawn more often.
    """
    first, second = (convert(word, DType.U64) for word in blocks(key, shape))
    if is_small:
        carried = call("bitwise_right_shift", call("multiply", second, span), 32)
        total = call("add", call("multiply", first, span), carried)
        return call("bitwise_right_shift", total, 32)
    word = call("bitwise_or", call("bitwise_left_shift", first, 32), second)
    rest = wide(blocks(_apart(key), shape))
    low = call("multiply", word, span)
    added = call("add", low, upper_product(rest, span))
    is_carried = call("logical_and", call("less", added, low), call("greater", span, _SMALL))
    return call("add", upper_product(word, span), convert(is_carried, DType.U64))


def upper_product(x: Any, y: Any) -> Any:
    """The high 64 of the 128 bits of a product."""
    (x1, x0), (y1, y0) = _halves(x), _halves(y)
    inner, outer = call("multiply", x1, y0), call("multiply", x0, y1)
    carried = call("bitwise_right_shift", call("multiply", x0, y0), 32)
    middle = call("add", call("add", carried, _halves(inner)[1]), _halves(outer)[1])
    high = call("add", call("multiply", x1, y1), _halves(inner)[0])
    return call("add", call("add", high, _halves(outer)[0]), _halves(middle)[0])


def _halves(x: Any) -> Words:
    return call("bitwise_right_shift", x, 32), call("bitwise_and", x, 0xFFFFFFFF)


def _apart(key: Any) -> Any:
    """Another key, for words that a draw needs besides those of its own key."""
    return call("bitwise_xor", key, np.array([0, _HALF_RANGE], np.uint32))


def finished(x: Any) -> Any:
    """The result as users get it: a number of its own where it has no axes."""
    if isinstance(x, Tracer):
        x._view = None
        return x
    return x[()]
