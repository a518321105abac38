"""The binary version of CIFAR-10 and CIFAR-100: label bytes, then 32 × 32 bytes a colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .reading import read

__all__ = ["read_cifar"]

_SIDE, _COLOURS = 32, 3


def read_cifar(path: str | Path, classes: int = 10, label_bytes: int = 1) -> tuple[Any, Any]:
    """Images uint8[N, 32, 32, 3] and labels uint8[N] of one file, plain or packed by gzip.

    CIFAR-100 has `classes=100, label_bytes=2`: a coarse and a fine label, of which the fine one is
    kept. Raises `DataError` where the file is no whole number of records, or a label is no class.
    """
    file = read(path)
    size = label_bytes + _SIDE * _SIDE * _COLOURS
    count, rest = divmod(file.left, size)
    if rest or not count:
        file.at = count * size
        file.fail(f"records of {size} bytes", f"a record of {rest}")
    records = np.frombuffer(file.data, np.uint8).reshape(count, size)
    labels = records[:, label_bytes - 1].copy()
    if wrong := np.flatnonzero(labels >= classes).tolist():
        file.at = wrong[0] * size + label_bytes - 1
        file.fail(f"a label below {classes}", str(labels[wrong[0]]))
    planes = records[:, label_bytes:].reshape(count, _COLOURS, _SIDE, _SIDE)
    return planes.transpose(0, 2, 3, 1).copy(), labels
