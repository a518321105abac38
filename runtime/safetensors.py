"""Named arrays as bytes in the safetensors format, with NumPy alone.

The length of a header in eight bytes, the header as JSON, and the elements of one array after the
other, the least significant byte first: https://github.com/huggingface/safetensors. The format has
no complex128: such an array is stored as the pairs of its parts, and the metadata say so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .dtypes import DType, native

__all__ = ["pack", "unpack"]

Array = np.ndarray[Any, Any]

_PREFIX = 8  # bytes of the header's length; headers are filled up with spaces to a multiple of it
_METADATA = "__metadata__"
_PAIRS = "pairs of "  # and a name: the type that an array of pairs stands for
_AS_PAIRS = {DType.C128: DType.F64}


def pack(arrays: Mapping[str, Array]) -> bytes:
    """The arrays under their names; the same arrays give the same bytes, in whatever order.

    Raises TypeError for elements that symfuse has no type for.
    """
    header: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    parts: list[bytes] = []
    at = 0
    # Wide elements come first, so that all arrays lie at multiples of their elements' size.
    for name, array in sorted(arrays.items(), key=lambda one: (-one[1].itemsize, one[0])):
        dtype, shape = DType.of(native(array.dtype)), [*array.shape]
        parts.append(np.asarray(array, dtype.numpy).tobytes())
        if dtype in _AS_PAIRS:
            metadata[_PAIRS + name] = dtype.value
            dtype, shape = _AS_PAIRS[dtype], [*shape, 2]
        end = at + array.nbytes
        header[name] = {"dtype": dtype.upper(), "shape": shape, "data_offsets": [at, end]}
        at = end
    told = {_METADATA: metadata} if metadata else {}
    text = json.dumps({**told, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _PREFIX)
    return b"".join((len(text).to_bytes(_PREFIX, "little"), text, *parts))


def unpack(data: bytes) -> dict[str, Array]:
    """The arrays in the bytes of a file, as read-only views of them.

    Raises ValueError where the header is damaged, or does not describe all that follows it.
    """
    header, content = _split(data)
    metadata = header.pop(_METADATA, {})
    entries = {name: _described(name, entry) for name, entry in header.items()}
    _check_spans(sorted((start, end) for *_, start, end in entries.values()), len(content))
    arrays = {}
    for name, (dtype, shape, start, end) in entries.items():
        array = np.frombuffer(content[start:end], dtype.numpy).reshape(shape)
        pairs = metadata.get(_PAIRS + name)
        arrays[name] = array if pairs is None else _from_pairs(array, pairs)
    return arrays


def _split(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """The header, and what follows it."""
    end = _PREFIX + int.from_bytes(data[:_PREFIX], "little")
    if not _PREFIX < end <= len(data):
        raise ValueError(f"{len(data)} bytes cannot hold a header that ends at {end}")
    try:
        header = json.loads(data[_PREFIX:end], object_pairs_hook=_without_twins)
    except ValueError as error:
        raise ValueError(f"the header cannot be read ({error})") from error
    if not isinstance(header, dict) or not isinstance(header.get(_METADATA, {}), dict):
        raise ValueError("the header is no table of arrays")
    return header, memoryview(data)[end:]


def _without_twins(rows: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(rows)
    if len(table) != len(rows):
        raise ValueError("a name occurs twice")
    return table


def _described(name: str, entry: Any) -> tuple[DType, tuple[int, ...], int, int]:
    """Element type, shape, start and end of an array, from its entry in the header."""
    try:
        dtype, shape = DType(entry["dtype"].lower()), tuple(entry["shape"])
        start, end = entry["data_offsets"]
        if not all(type(number) is int and number >= 0 for number in (*shape, start, end)):
            raise ValueError("sizes and offsets are integers from 0 on")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the header does not describe {name!r} ({error!r})") from error
    if end - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name!r} is {dtype}{list(shape)} in {end - start} bytes")
    return dtype, shape, start, end


def _from_pairs(array: Array, told: str) -> Array:
    dtype = DType(told)
    if _AS_PAIRS.get(dtype) is not DType.of(array.dtype) or array.shape[-1:] != (2,):
        raise ValueError(f"{array.dtype}{array.shape} are no pairs of parts of {dtype}")
    return array.view(dtype.numpy).reshape(array.shape[:-1])


def _check_spans(spans: list[tuple[int, int]], size: int) -> None:
    """Every byte behind the header belongs to one array."""
    at = 0
    for start, end in spans:
        if start != at:
            raise ValueError(f"the arrays leave a gap or overlap at byte {min(start, at)}")
        at = end
    if at != size:
        raise ValueError(f"the arrays take {at} bytes, and {size} follow the header")
