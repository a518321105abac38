"""Colourings of sparse matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.sparsity.coloring import ORDERS, distance_two, fewest_possible, star
from symfuse.compiler.sparsity.relations import scipy_sparse
from symfuse.runtime.errors import ArgumentError, ShapeError

__all__ = ["Coloring", "coloring", "mirrored", "pattern_of", "places"]

Array = np.ndarray[Any, Any]
_KINDS: dict[str, Callable[[Any, str], Array]] = {
    "columns": distance_two,
    "rows": lambda pattern, order: distance_two(pattern.T.tocsr(), order),
    "symmetric": star,
}


class Coloring(Struct, frozen=True, eq=False):
    """A colour for each column or row of a matrix: the numbers from 0 on, i32[size].

    `kind` is "columns", "rows", or "symmetric", where an entry may be found from either end.
    """

    colors: Array
    kind: str

    @property
    def count(self) -> int:
        """The number of colours: of products that find all entries."""
        return int(self.colors.max(initial=-1)) + 1

    def __repr__(self) -> str:
        return f"<coloring of {self.colors.size} {self.kind}: {self.count} colors>"


def coloring(sparsity: Any, kind: str = "columns", order: str | None = None) -> Coloring:
    """Colours for a matrix, of which True or nonzero elements may be nonzero: sparse or an array.

    kind="columns": columns of one colour have no row in common; "rows": the other way round;
    "symmetric": a star colouring of a symmetric matrix, as for Hessians. Colours are given
    greedily, in an `order`: "natural", "largest_first", "smallest_last" or "incidence_degree";
    without one, in the best of these. The same matrix always gets the same colours.

    Raises ShapeError for what is no matrix, or not square where it has to be symmetric.

    >>> import numpy as np, symfuse as sf
    >>> sf.sparse.coloring(np.tri(4, 4, 1) - np.tri(4, 4, -2))
    <coloring of 4 columns: 3 colors>
    """
    if kind not in _KINDS or order not in (None, *ORDERS):
        raise ArgumentError(
            f"coloring: kind {kind!r}, order {order!r}",
            fix=f"kind is one of {', '.join(_KINDS)}; order one of {', '.join(ORDERS)}, or None",
            loc=user_location(),
        )
    pattern = pattern_of(sparsity, "coloring")
    if kind == "symmetric":
        pattern = mirrored(pattern)
    if order is not None:
        return Coloring(_KINDS[kind](pattern, order), kind)
    return _best(pattern, kind)


def _best(pattern: Any, kind: str) -> Coloring:
    """The fewest colours of all orders; none is tried after one that cannot be improved upon."""
    enough = fewest_possible(pattern.T.tocsr() if kind == "rows" else pattern)
    best = None
    for order in ORDERS:
        found = Coloring(_KINDS[kind](pattern, order), kind)
        if best is None or found.count < best.count:
            best = found
        if kind != "symmetric" and best.count == enough:
            break
    assert best is not None
    return best


def pattern_of(sparsity: Any, what: str) -> Any:
    """A matrix of bools, whose entries are those that are not zero."""
    sparse = scipy_sparse()
    given = sparsity if sparse.issparse(sparsity) else np.asarray(sparsity)
    if given.ndim != 2:
        raise ShapeError(
            f"{what}: the sparsity has the shape {given.shape}, which is no matrix",
            fix="give a matrix with a row for each output and a column for each input",
            loc=user_location(),
        )
    found = sparse.csr_array(given, dtype=bool, copy=True)
    found.sum_duplicates()
    found.eliminate_zeros()
    return found


def mirrored(pattern: Any) -> Any:
    """The matrix with each entry on both sides of the diagonal."""
    if pattern.shape[0] != pattern.shape[1]:
        raise ShapeError(
            f"a symmetric matrix has the shape {pattern.shape}",
            fix="give a square matrix, with a row and a column for each input",
            loc=user_location(),
        )
    found = (pattern + pattern.T.tocsr()).tocsr()
    found.sum_duplicates()
    return found


def places(pattern: Any, found: Coloring) -> Array:
    """Where each entry of a matrix stands, row by row, in the products (colour, row or column).

    Raises ArgumentError where a colour has several entries that cannot be told apart.
    """
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    ends = (rows, pattern.indices)
    if found.kind == "rows":
        ends = ends[::-1]
    size = pattern.shape[found.kind == "rows"]
    key, alone = _alone(*ends, found.colors, size)
    if found.kind == "symmetric":
        other, other_alone = _alone(*ends[::-1], found.colors, size)
        key, alone = np.where(alone, key, other), alone | other_alone
    if not alone.all():
        at = int(np.flatnonzero(~alone)[0])
        raise ArgumentError(
            f"the coloring does not fit the sparsity: entry "
            f"{(int(rows[at]), int(pattern.indices[at]))} has another one of its color beside it",
            fix=f"let sf.sparse.coloring(sparsity, {found.kind!r}) choose the colors",
            loc=user_location(),
        )
    return key


def _alone(ends: Array, others: Array, colors: Array, size: int) -> tuple[Array, Array]:
    """The place of each entry in the products, and whether no other one falls there."""
    key = colors[others].astype(np.int64) * size + ends
    _, which, counts = np.unique(key, return_inverse=True, return_counts=True)
    return key, counts[which] == 1
