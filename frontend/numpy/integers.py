"""Whole numbers and their bits: gcd, lcm, bitwise_count, packbits, unpackbits."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from .shared import as_numbers, common_dtype, convert, expect, normal_axis, traced

__all__ = ["bitwise_count", "gcd", "lcm", "packbits", "unpackbits"]


def _whole(name: str, *values: Any) -> list[Any]:
    """The values in their common integer type, in their common shape."""
    dtype = common_dtype(*values)
    if not dtype.is_integer:
        raise DTypeError(f"{name} of {dtype}", fix="pass integers", loc=user_location())
    return [convert(x, dtype) for x in snp.broadcast_arrays(*map(traced, values))]


def _size(x: Any) -> Any:
    """|x| without a sign bit: that of the least integer is no value of its own type."""
    return convert(snp.abs(x), DType(f"u{common_dtype(x).bits}"))


@numpy_like(np.gcd)
def gcd(x1: Any, x2: Any, /) -> Any:
    """The greatest common divisor of |x1| and |x2|, by Euclid's algorithm; of zeros 0."""
    # Loops are loaded where a function needs one.
    while_loop = import_module("symfuse.control.whiles").while_loop

    def step(pair: Any) -> Any:
        a, b = pair
        done = b == 0
        return snp.where(done, a, b), snp.where(done, 0, a % snp.where(done, 1, b))

    whole = _whole("gcd", x1, x2)
    found = while_loop(lambda pair: snp.any(pair[1] != 0), step, tuple(map(_size, whole)))[0]
    return convert(found, common_dtype(*whole))


@numpy_like(np.lcm)
def lcm(x1: Any, x2: Any, /) -> Any:
    """The least common multiple of |x1| and |x2|; 0 where one of them is 0."""
    whole = _whole("lcm", x1, x2)
    a, b = map(_size, whole)
    divisor = gcd(a, b)
    return convert(a // snp.where(divisor == 0, 1, divisor) * b, common_dtype(*whole))


@numpy_like(np.bitwise_count)
def bitwise_count(x: Any, /) -> Any:
    """How many bits of |x| are 1."""
    (whole,) = _whole("bitwise_count", *as_numbers(traced(x)))
    bits = convert(_size(whole), DType.U64)
    one, two, four = (np.uint64(n) for n in (0x5555555555555555, 0x3333333333333333,
                                            0x0F0F0F0F0F0F0F0F))  # fmt: skip
    bits = bits - ((bits >> np.uint64(1)) & one)
    bits = (bits & two) + ((bits >> np.uint64(2)) & two)
    bits = (bits + (bits >> np.uint64(4))) & four
    return convert((bits * np.uint64(0x0101010101010101)) >> np.uint64(56), DType.U8)


def _shifts(bitorder: str) -> Any:
    expect(bitorder in ("big", "little"), f"bitorder={bitorder!r}", "use 'big' or 'little'")
    return np.arange(8, dtype=np.uint8)[:: -1 if bitorder == "big" else 1].copy()


@numpy_like(np.packbits)
def packbits(a: Any, /, axis: Any = None, bitorder: str = "big") -> Any:
    """Truth values, eight in a byte, with zeros at the end of the last one."""
    x = traced(a)
    if common_dtype(x).is_inexact:
        raise DTypeError(
            f"packbits of {x.dtype}", fix="pass truth values: x != 0", loc=user_location()
        )
    x = snp.not_equal(x, 0)
    x = snp.ravel(x) if axis is None else snp.moveaxis(x, normal_axis(axis, x.ndim), -1)
    bytes_ = (x.shape[-1] + 7) // 8
    x = snp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, bytes_ * 8 - x.shape[-1])])
    groups = convert(snp.reshape(x, (*x.shape[:-1], bytes_, 8)), DType.U8) << _shifts(bitorder)
    found = snp.sum(groups, -1, dtype=np.uint8)
    return found if axis is None else snp.moveaxis(found, -1, axis)


@numpy_like(np.unpackbits)
def unpackbits(a: Any, /, axis: Any = None, count: Any = None, bitorder: str = "big") -> Any:
    """The bits of bytes; `count` of them along the axis, or without the last -count."""
    x = traced(a)
    if common_dtype(x) is not DType.U8:
        raise DTypeError(
            f"unpackbits of {x.dtype}", fix="pass uint8: x.astype('uint8')", loc=user_location()
        )
    x = snp.ravel(x) if axis is None else snp.moveaxis(x, normal_axis(axis, x.ndim), -1)
    bits = (x[..., None] >> _shifts(bitorder)) & np.uint8(1)
    bits = snp.reshape(bits, (*x.shape[:-1], x.shape[-1] * 8))
    if count is not None:
        size = bits.shape[-1]
        bits = bits[..., :count]
        more = max(count - size, 0) if isinstance(size, int) else 0
        bits = snp.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, more)]) if more else bits
    return bits if axis is None else snp.moveaxis(bits, -1, axis)
