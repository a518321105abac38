"""The generator: Threefry-2x32 with 20 rounds, written with integer operations of the graph.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel random numbers: as easy as 1, 2, 3.
SC '11, https://doi.org/10.1145/2063384.2063405. Element number i of a draw is the block whose
counter is i; so elements are computed independently of each other, in any order and anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_at_most
from symfuse.runtime.dtypes import DType

from ..numpy.shared import convert, product
from ..tracing.dispatch import ACTIVE
from ..tracing.trace import call

__all__ = ["Words", "blocks", "key_words", "narrow", "side_by_side", "threefry", "wide"]

Words = tuple[Any, Any]

_PARITY = 0x1BD11BDA
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_GROUPS = 5  # of four rounds, with the key added after each
_WORD = 32
_PIECE = 1 << 14  # elements computed at once by NumPy: what stays in the cache


def threefry(key: Words, counter: Words) -> Words:
    """The two words of each block."""
    first, second = key
    parity = call("bitwise_xor", call("bitwise_xor", first, second), _PARITY)
    schedule = (first, second, parity)
    x, y = call("add", counter[0], first), call("add", counter[1], second)
    for group in range(_GROUPS):
        for turn in _ROTATIONS[group % 2]:
            x = call("add", x, y)
            y = call("bitwise_xor", _rotated(y, turn), x)
        x = call("add", x, schedule[(group + 1) % 3])
        y = call("add", y, call("add", schedule[(group + 2) % 3], group + 1))
    return x, y


def _rotated(word: Any, by: int) -> Any:
    high = call("bitwise_left_shift", word, by)
    return call("bitwise_or", high, call("bitwise_right_shift", word, _WORD - by))


def blocks(key: Any, shape: Sequence[Any]) -> Words:
    """The two words of each element of a shape, by the elements' row-major numbers."""
    shape, words = tuple(shape), key_words(key)
    count = product(shape)
    if isinstance(count, int) and ACTIVE.get() is None and isinstance(key, np.ndarray):
        x, y = _in_pieces(words, count)
        return x.reshape(shape), y.reshape(shape)
    # Everything has the shape of the result, so that one kernel does it and what uses it.
    spread = [call("reshape", word, shape=()) for word in words]
    first, second = (call("broadcast", word, shape=shape, axes=()) for word in spread)
    return threefry((first, second), _counters(count, shape))


def key_words(key: Any) -> Words:
    """The words of a key, in arrays of one element: NumPy warns when plain numbers wrap."""
    first, second = (call("slice", key, starts=(i,), stops=(i + 1,), steps=(1,)) for i in (0, 1))
    return first, second


def _counters(count: Any, shape: tuple[Any, ...]) -> Words:
    """The high and low words of 0, 1, 2, …; the high ones are 0 where all numbers are small."""
    is_small = is_at_most(count, 1 << _WORD) is True
    flat = call("iota", shape=(count,), axis=0, dtype=DType.U32 if is_small else DType.U64)
    number = call("reshape", flat, shape=shape)
    if is_small:
        return call("bitwise_xor", number, number), number
    high = call("bitwise_right_shift", number, _WORD)
    return convert(high, DType.U32), convert(number, DType.U32)


def _in_pieces(key: Words, count: int) -> Words:
    """What NumPy computes, in pieces that stay in the cache."""
    x, y = (np.empty(count, np.uint32) for _ in range(2))
    for start in range(0, count, _PIECE):
        stop = min(start + _PIECE, count)
        number = np.arange(start, stop, dtype=np.uint64)
        high, low = (number >> np.uint64(_WORD)).astype(np.uint32), number.astype(np.uint32)
        x[start:stop], y[start:stop] = threefry(key, (high, low))
    return x, y


def narrow(words: Words) -> Any:
    """32 random bits of each block."""
    return call("bitwise_xor", *words)


def wide(words: Words) -> Any:
    """64 random bits of each block."""
    high, low = (convert(word, DType.U64) for word in words)
    return call("bitwise_or", call("bitwise_left_shift", high, _WORD), low)


def side_by_side(words: Words, shape: Sequence[Any]) -> Any:
    """Keys: the two words of each element along a new last axis."""
    columns = [call("reshape", word, shape=(*shape, 1)) for word in words]
    return call("concatenate", *columns, axis=len(shape))
