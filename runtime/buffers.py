"""Aligned memory for arrays and arenas, from blocks that are used again instead of given back."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from .host import support
from .host.layout import CACHE
from .host.loader import LoadedImage

__all__ = [
    "ALIGNMENT",
    "CACHE_FROM",
    "Statistics",
    "empty",
    "high_water",
    "poisoned",
    "set_limit",
    "statistics",
    "trim",
]

Array = np.ndarray[Any, Any]

ALIGNMENT = 64
# Smaller results are cheaper to have from NumPy's allocator, which keeps them warm itself.
CACHE_FROM = 64 << 10
# A NaN as f32 and as f64, and not what a kernel writes: neither zeros nor all ones.
_POISON = np.uint32(0xFFF5A5B6)


class Statistics(NamedTuple):
    """What the block cache holds: bytes free in it and in use, and how requests were met."""

    cached: int
    live: int
    limit: int
    blocks: int
    hits: int
    misses: int


def empty(shape: Sequence[int], dtype: Any) -> Array:
    """An uninitialised C-contiguous array, aligned to 64 bytes."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    loaded = support.native()
    if loaded and size >= CACHE_FROM and not dtype.hasobject:
        return _cached(loaded, tuple(shape), dtype, size)
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    array: Array = memory[start : start + size].view(dtype).reshape(shape)
    return array


def statistics() -> Statistics:
    """The state of the block cache now; zeros where it cannot be used."""
    loaded = support.native()
    if loaded is None:
        return Statistics(0, 0, 0, 0, 0, 0)
    words = (ctypes.c_int64 * CACHE.words).from_address(loaded.address("symfuse_cache"))
    values = dict(zip(CACHE.fields, words, strict=True))
    return Statistics(**{name: values[name] for name in Statistics._fields})


def trim(limit: int = 0) -> None:
    """Give free blocks back to the system, those longest unused first, until `limit` bytes stay."""
    if loaded := support.native():
        _functions(loaded).trim(limit, None)


def set_limit(limit: int) -> None:
    """Keep at most so many bytes of free blocks from now on; at first an eighth of the memory."""
    support.set_cache_limit(limit)
    trim(limit)


def poisoned(size: int) -> Array:
    """An arena in which every read of what nobody wrote shows, and every write too."""
    arena = empty((-(-size // 4),), np.uint32)
    arena[:] = _POISON
    return arena


def high_water(arena: Array) -> int:
    """The bytes of a poisoned arena up to the last one that has been written."""
    written = np.flatnonzero(arena.view(np.uint8) != np.tile(_POISON, len(arena)).view(np.uint8))
    return int(written[-1]) + 1 if written.size else 0


class _Functions(NamedTuple):
    array: Callable[..., Array]
    trim: Callable[..., None]


@cache
def _functions(loaded: LoadedImage) -> _Functions:
    # These keep the interpreter lock, which is the lock of the cache.
    number, pointer = ctypes.c_int64, ctypes.c_void_p
    array = ctypes.PYFUNCTYPE(ctypes.py_object, pointer, ctypes.c_int, pointer, number)
    free = ctypes.PYFUNCTYPE(None, number, pointer)
    return _Functions(array(loaded.address("symfuse_array")), free(loaded.address("symfuse_trim")))


def _cached(loaded: LoadedImage, shape: tuple[int, ...], dtype: Any, size: int) -> Array:
    dims = (ctypes.c_int64 * max(1, len(shape)))(*shape)
    return _functions(loaded).array(id(dtype), len(shape), dims, size)
