"""Keys: two words that say where in all random numbers a draw begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError

from ..numpy.shared import convert, traced
from ..tracing.trace import call, constant, dtype_of
from .arguments import checked_key, plain_integer, plain_shape
from .threefry import Words, blocks, key_words, side_by_side, threefry

__all__ = ["fold_in", "key", "split"]

_LEAST, _MOST = -(1 << 63), (1 << 64) - 1


def key(seed: Any) -> Any:
    """The key of a seed: a `uint32` array of shape (2,), the same on every machine.

    The seed is an integer of 64 bits, which may be traced. Its high and low words are the key.

    >>> import symfuse as sf
    >>> sf.random.key(42)
    array([ 0, 42], dtype=uint32)
    """
    return side_by_side(_words(seed, "seed"), ())


def split(key: Any, num: Any = 2) -> Any:
    """Independent new keys: a `uint32` array of shape `(num, 2)`; of a shape, `(*num, 2)`.

    A key gives the same numbers each time it is used: split it, and use each part once.

    >>> import symfuse as sf
    >>> first, second = sf.random.split(sf.random.key(0))
    >>> sf.random.split(first, 5).shape
    (5, 2)
    """
    shape = plain_shape(num)
    return side_by_side(blocks(checked_key(key), shape), shape)


def fold_in(key: Any, data: Any) -> Any:
    """The key for a number, such as that of a step: a `uint32` array of shape (2,).

    It is what `split` has at that place: use one or the other with a key, not both.

    >>> import symfuse as sf
    >>> seed = sf.random.key(0)
    >>> bool((sf.random.fold_in(seed, 1) == sf.random.fold_in(seed, 2)).all())
    False
    """
    return side_by_side(threefry(key_words(checked_key(key)), _words(data, "data")), ())


def _words(number: Any, what: str) -> Words:
    """The high and low words of an integer of 64 bits, in arrays of one element."""
    whole = plain_integer(number)
    if whole is not None:
        _check_range(whole, what)
        high, low = (np.array([(whole >> by) & 0xFFFFFFFF], np.uint32) for by in (32, 0))
        return constant(high), constant(low)
    value = traced(number)
    if not dtype_of(value).is_integer or value.shape != ():
        raise _not_an_integer(number, what)
    wide = call("reshape", convert(value, DType.U64), shape=(1,))
    return convert(call("bitwise_right_shift", wide, 32), DType.U32), convert(wide, DType.U32)


def _check_range(whole: int, what: str) -> None:
    if not _LEAST <= whole <= _MOST:
        raise DTypeError(
            f"the {what} {whole} has more than 64 bits",
            fix=f"take it modulo 2**64: {what} % 2**64",
            loc=user_location(),
        )


def _not_an_integer(number: Any, what: str) -> DTypeError:
    shown = repr(number) if isinstance(number, bool | int | float | str) else "the value"
    return DTypeError(
        f"the {what} must be one integer, and {shown} is not",
        fix=f"give an integer, as in {what}=42, or int({what}); of an array, one element",
        loc=user_location(),
    )
