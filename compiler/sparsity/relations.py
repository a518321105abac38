"""Which of these elements depend on which of those: boolean sparse matrices, by SciPy.

Row i of a relation has an entry in column j where element i depends on element j.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from symfuse.runtime.errors import UnsupportedError

from ..ir.location import user_location

__all__ = [
    "Relation", "chosen", "composed", "folded", "grouped", "identity", "kept", "nothing",
    "of_pairs", "scanned", "scipy_sparse", "stacked", "together",
]  # fmt: skip

Array = np.ndarray[Any, Any]
Relation = Any  # scipy.sparse.csr_array of bools; None where nothing depends on anything


def scipy_sparse() -> Any:
    """SciPy's sparse matrices."""
    try:
        from scipy import sparse
    except ImportError:
        raise UnsupportedError(
            "sparse derivatives need SciPy, which is not installed",
            fix="pip install 'symfuse[sparse]'",
            loc=user_location(),
        ) from None
    return sparse


def identity(size: int, start: int, total: int) -> Relation:
    """Elements that are the inputs from number `start` on, of a total number of inputs."""
    return _relation(np.arange(start, start + size), np.arange(size + 1), (size, total))


def of_pairs(rows: Array, columns: Array, shape: tuple[int, int]) -> Relation:
    """The relation of these pairs, which may be there several times."""
    entries = np.ones(len(rows), bool)
    return scipy_sparse().csr_array((entries, (rows, columns)), shape=shape)


def together(*relations: Relation) -> Relation:
    """What depends by one of the relations."""
    found = None
    for one in {id(one): one for one in relations if one is not None}.values():
        found = one if found is None else found + one
    return found


def composed(outer: Relation, inner: Relation) -> Relation:
    """What depends on what depends."""
    return None if inner is None else outer @ inner


def chosen(relation: Relation, places: Array) -> Relation:
    """For each place the row that stands there."""
    return None if relation is None else relation[places]


def kept(relation: Relation, rows: Array) -> Relation:
    """The relation of some rows; others depend on nothing."""
    if relation is None or rows.all():
        return relation
    if not rows.any():
        return None
    counts = np.diff(relation.indptr)
    ends = np.concatenate([[0], np.cumsum(np.where(rows, counts, 0))])
    return _relation(relation.indices[np.repeat(rows, counts)], ends, relation.shape)


def grouped(relation: Relation, lines: Array) -> Relation:
    """One row for each line of places: what any element there depends on."""
    if relation is None:
        return None
    rows, count = lines.shape
    groups = _relation(lines.ravel(), np.arange(rows + 1) * count, (rows, relation.shape[0]))
    return composed(groups, relation)


def folded(relation: Relation, shape: Sequence[int], axes: Sequence[int]) -> Relation:
    """One row for all that differ in their index along some axes alone."""
    return None if relation is None else grouped(relation, _lines(shape, axes))


def scanned(
    relation: Relation, shape: Sequence[int], axis: int, is_reversed: bool = False
) -> Relation:
    """Each row with all before it along an axis, or behind it."""
    if relation is None:
        return None
    lines = _lines(shape, (axis,))
    one, other = np.tril_indices(lines.shape[1])
    if is_reversed:
        one, other = other, one
    pairs = of_pairs(lines[:, one].ravel(), lines[:, other].ravel(), (relation.shape[0],) * 2)
    return composed(pairs, relation)


def stacked(parts: Iterable[tuple[Relation, int]]) -> Relation:
    """Relations of so many rows each, one below the other."""
    parts = tuple(parts)
    width = next((one.shape[1] for one, _ in parts if one is not None), None)
    if width is None:
        return None
    rows = [nothing(count, width) if one is None else one for one, count in parts]
    return scipy_sparse().vstack(rows, format="csr")


def nothing(rows: int, columns: int) -> Relation:
    """The relation without pairs."""
    return _relation(np.zeros(0, np.intp), np.zeros(rows + 1, np.intp), (rows, columns))


def _lines(shape: Sequence[int], axes: Sequence[int]) -> Array:
    """The places of an array: a row for each index along the other axes."""
    places = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(tuple(shape))
    count = int(np.prod([shape[a] for a in axes], dtype=np.int64))
    kept_axes = [a for a in range(len(shape)) if a not in axes]
    rows = int(np.prod([shape[a] for a in kept_axes], dtype=np.int64))
    return places.transpose([*kept_axes, *axes]).reshape(rows, count)


def _relation(columns: Array, ends: Array, shape: tuple[int, int]) -> Relation:
    return scipy_sparse().csr_array((np.ones(len(columns), bool), columns, ends), shape=shape)
