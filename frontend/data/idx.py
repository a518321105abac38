"""IDX files, in which MNIST and Fashion-MNIST are given: element type, sizes, then the elements.

The format is described on the page of the MNIST database: two zero bytes, a byte for the type, one
for the number of axes, a big-endian 32-bit size for each axis, then the elements, big-endian too.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import DTypeError

from .reading import Reading, read

__all__ = ["read_idx", "write_idx"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | Path, ndim: int | None = None) -> Any:
    """The array of an IDX file, plain or packed by gzip, in the byte order of this machine.

    With `ndim`, an array of another number of axes is refused: images have 3, labels 1. Raises
    `DataError` for a wrong magic number, an unknown element type, and a file that is too short or
    too long.
    """
    file = read(path)
    dtype, rank = _magic(file)
    if ndim is not None and rank != ndim:
        file.fail(f"an array of {ndim} axes", f"one of {rank}", "give the file of the other kind")
    sizes = tuple(int(n) for n in np.frombuffer(file.take(4 * rank, f"{rank} sizes"), ">u4"))
    shape = "×".join(map(str, sizes))
    data = file.take(math.prod(sizes) * dtype.itemsize, f"{shape} elements of {dtype.name}")
    file.end(f"{shape} elements of {dtype.name}")
    return np.frombuffer(data, dtype).reshape(sizes).astype(dtype.newbyteorder("="))


def _magic(file: Reading) -> tuple[np.dtype[Any], int]:
    """Element type and number of axes."""
    head = file.take(4, "the magic number")
    file.at = 0
    if head[:2] != b"\0\0":
        file.fail(
            "the magic number 0000 of an IDX file", head[:2].hex(), "give a file in the IDX format"
        )
    if head[2] not in _TYPES:
        known = ", ".join(f"{code:02x}" for code in _TYPES)
        file.fail(f"one of the element types {known}", f"{head[2]:02x}")
    file.at = 4
    return np.dtype(_TYPES[head[2]]), head[3]


def write_idx(path: str | Path, array: Any) -> None:
    """Write an array as an IDX file.

    >>> import os, tempfile, numpy as np, symfuse as sf
    >>> path = os.path.join(tempfile.mkdtemp(), "labels-idx1-ubyte")
    >>> sf.data.write_idx(path, np.array([7, 2, 1], np.uint8))
    >>> sf.data.read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    array = np.asarray(array)
    big = array.dtype.newbyteorder(">").str.replace("|", ">")
    codes = {text: code for code, text in _TYPES.items()}
    if big not in codes:
        known = ", ".join(np.dtype(text).name for text in codes)
        raise DTypeError(
            f"an IDX file cannot hold {array.dtype}", fix=f"give {known}", loc=user_location()
        )
    head = bytes((0, 0, codes[big], array.ndim)) + np.asarray(array.shape, ">u4").tobytes()
    Path(path).write_bytes(head + array.astype(big).tobytes())
