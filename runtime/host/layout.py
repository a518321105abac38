"""The memory that Python and native code share, field by field: Python writes, code reads."""

from __future__ import annotations

import ctypes
import hashlib
import pickle
import sys
import weakref
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import DType

__all__ = [
    "ALIGNED",
    "BLOCK",
    "BOUND",
    "CACHE",
    "CONTIGUOUS",
    "DERIVED",
    "ELEMENT",
    "ELEMENT_MASK",
    "ENTRY",
    "HEAD",
    "INPUT",
    "NUMBER",
    "OUTPUT",
    "REFERENCES",
    "TYPE",
    "WRITEABLE",
    "Record",
    "array_offset",
    "fingerprint",
    "why_not_native",
]

# What CPython puts before an object's own fields; the last words are reference count and type.
HEAD = object.__basicsize__
REFERENCES = HEAD - 16
TYPE = HEAD - 8
NUMBER = HEAD  # where a Python float has its value

# Kind, type character, byte order, flags (one byte each) and type number of an element type.
ELEMENT = HEAD + 8
ELEMENT_MASK = -1 ^ 0xFF << 24

# NumPy's flag bits.
CONTIGUOUS, ALIGNED, WRITEABLE = 0x001, 0x100, 0x400

# What stands for the size of a dimension that `prepare` has to check; a symbol k is -1 - k.
DERIVED = -(2**63)


class Record(NamedTuple):
    """A row of 64-bit words with names."""

    fields: tuple[str, ...]

    @property
    def words(self) -> int:
        return len(self.fields)

    @property
    def size(self) -> int:
        """Bytes of one record."""
        return 8 * len(self.fields)

    def offset(self, field: str) -> int:
        """Bytes before `field`."""
        return 8 * self.fields.index(field)

    def pack(self, **values: int) -> list[int]:
        """The words in order; every field has to be given."""
        if values.keys() != set(self.fields):
            raise TypeError(f"fields {sorted(values.keys() ^ set(self.fields))} do not match")
        return [values[field] for field in self.fields]


# What `symfuse_call` reads: one per executable.
ENTRY = Record(
    (
        "main",
        "prepare",  # 0: all sizes are static
        "fallback",  # the Python callable for everything unusual
        "failure",  # the Python callable that raises when `main` reports an error
        "expected",  # how many arguments the caller passes
        "inputs",
        "outputs",
        "constants",
        "symbols",
        "input_table",
        "output_table",
        "constant_table",
        "input_dims",
        "output_dims",
        "donated",
        "arena",  # bytes, when static
        "threads",
        "work",  # bytes of traffic known without looking at the arguments
        "release_from",  # work from which other Python threads may run meanwhile
        "cache_from",  # bytes from which outputs come from symfuse's own blocks
        "keep_to",  # bytes up to which outputs that the caller has dropped are handed out again
        "single",  # 1: return the only output itself, not a tuple
        "scratch",  # words of stack that one call needs
    )
)
# `number` is the type that an argument has which is a Python float, and comes as nothing else.
INPUT = Record(("descr", "rank", "flags", "dims", "data", "itemsize", "donated", "number"))
OUTPUT = Record(("descr", "rank", "dims", "itemsize", "alias", "recent", "older"))

# What `symfuse_run` reads: a call with all its arguments fixed.
BOUND = Record(
    (
        "main",
        "buffers",
        "sizes",
        "arena",
        "threads",
        "releases",  # 1: other Python threads may run meanwhile
        "result",
        "busy",
        "refusal",  # the Python callable that raises when it runs already
        "failure",
    )
)

# The block cache. It begins like a block, because it is the end of the ring of free blocks.
BLOCK = Record(("next", "previous", "data", "size", "base", "mapped"))
CACHE = Record(
    ("next", "previous", "cached", "limit", "blocks", "hits", "misses", "live", "ndarray")
)

_FLOAT = 0.1
_ARRAY = ("data", "nd", "dims", "strides", "base", "descr", "flags", "weak_references")


def array_offset(field: str) -> int:
    """Bytes from the start of an ndarray object to one of its fields."""
    return HEAD + 8 * _ARRAY.index(field)


def fingerprint() -> str:
    """Equal where native helpers and Python agree on every record."""
    records = (ENTRY, INPUT, OUTPUT, BOUND, BLOCK, CACHE)
    text = repr((HEAD, _ARRAY, [record.fields for record in records]))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def why_not_native() -> str | None:
    """The reason why compiled code may not look into Python objects here; None if it may."""
    if sys.implementation.name != "cpython":
        return f"{sys.implementation.name} lays out objects in its own way"
    if "t" in sys.abiflags:
        return "this Python is built without the global interpreter lock"
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        return "addresses are not 64 bits wide"
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    if any(_read(each) != _expected(each) for each in (array.base, array, array.T)):
        return "this NumPy lays out arrays differently"
    if ctypes.c_double.from_address(id(_FLOAT) + NUMBER).value != _FLOAT:
        return "this Python lays out floats differently"
    if not _tells_elements_apart():
        return "this NumPy describes element types differently"
    return None if _counts_references() else "this Python counts references differently"


def _tells_elements_apart() -> bool:
    """Whether the masked word is the same for copies of a type, and differs for other types."""

    def word(dtype: Any) -> int:
        return _word(id(dtype) + ELEMENT) & ELEMENT_MASK

    types = [dtype.numpy for dtype in DType if dtype is not DType.BF16]
    swapped = [dtype.newbyteorder() for dtype in types if dtype.itemsize > 1]
    copies = [pickle.loads(pickle.dumps(dtype)) for dtype in types]
    different = len({word(dtype) for dtype in types + swapped}) == len(types + swapped)
    return different and [word(x) for x in copies] == [word(x) for x in types]


def _word(address: int, kind: Any = ctypes.c_int64) -> int:
    return int(kind.from_address(address).value)


def _read(array: Any) -> tuple[int, ...]:
    """What native code would see of an array."""

    def at(field: str, kind: Any = ctypes.c_int64) -> int:
        return _word(id(array) + array_offset(field), kind)

    rank = at("nd", ctypes.c_int32)
    if rank > 2:
        return ()
    return (
        _word(id(array) + TYPE),
        at("data"),
        rank,
        *(_word(at("dims") + 8 * axis) for axis in range(rank)),
        *(_word(at("strides") + 8 * axis) for axis in range(rank)),
        at("base"),
        at("descr"),
        at("flags", ctypes.c_int32) & (CONTIGUOUS | ALIGNED | WRITEABLE),
        at("weak_references"),
    )


def _expected(array: Any) -> tuple[int, ...]:
    flags = array.flags
    return (
        id(np.ndarray),
        array.ctypes.data,
        array.ndim,
        *array.shape,
        *array.strides,
        0 if array.base is None else id(array.base),
        id(array.dtype),
        CONTIGUOUS * flags.c_contiguous | ALIGNED * flags.aligned | WRITEABLE * flags.writeable,
        0,
    )


def _counts_references() -> bool:
    """Whether the count and the weak references of an array are seen to change."""
    array = np.empty(1)
    place = id(array) + REFERENCES
    before = _word(place, ctypes.c_int32)
    more = [array, array]
    after = _word(place, ctypes.c_int32)
    watch = weakref.ref(array)
    watched = _word(id(array) + array_offset("weak_references"))
    return after - before == len(more) and watched == id(watch)
