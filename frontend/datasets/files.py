"""Public data sets from the files that the user has, under the names the authors gave them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import DataError

from ..data.cifar import read_cifar
from ..data.idx import read_idx
from ..data.planetoid import Citations, read_planetoid

__all__ = ["cifar10", "citations", "fashion_mnist", "mnist"]

Pair = tuple[Any, Any]


def mnist(folder: str | Path) -> tuple[Pair, Pair]:
    """Training and test data of the four IDX files in a folder, each plain or as `.gz`.

    Pictures are uint8[N, 28, 28], labels uint8[N].
    """
    return _idx_pair(folder, "train"), _idx_pair(folder, "t10k")


fashion_mnist = mnist


def cifar10(folder: str | Path) -> tuple[Pair, Pair]:
    """Training and test data of `data_batch_1.bin` … `data_batch_5.bin` and `test_batch.bin`.

    Pictures are uint8[N, 32, 32, 3], labels uint8[N].
    """
    parts = [read_cifar(_found(folder, f"data_batch_{number}.bin")) for number in range(1, 6)]
    x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    return (x, y), read_cifar(_found(folder, "test_batch.bin"))


def citations(folder: str | Path, name: str = "cora") -> Citations:
    """A citation network of the Planetoid files in a folder: cora, citeseer or pubmed."""
    _found(folder, f"ind.{name}.graph")
    return read_planetoid(folder, name)


def _idx_pair(folder: str | Path, part: str) -> Pair:
    images, labels = (
        _found(folder, f"{part}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")
    )
    x, y = read_idx(images, ndim=3), read_idx(labels, ndim=1)
    if len(x) != len(y):
        raise DataError(
            f"{images.name} has {len(x)} pictures and {labels.name} {len(y)} labels",
            fix="take both files from one source",
            loc=user_location(),
        )
    return x, y


def _found(folder: str | Path, name: str) -> Path:
    """The file of this name, as it is or packed."""
    choices = [Path(folder) / f"{name}{packed}" for packed in ("", ".gz")]
    for path in choices:
        if path.is_file():
            return path
    raise DataError(
        f"there is no {name} and no {name}.gz in {folder}",
        fix="put the file there; symfuse fetches nothing",
        loc=user_location(),
    )
