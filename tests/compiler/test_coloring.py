"""Colourings of random matrices: they separate what they must, and entries can be recovered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symfuse as sf
from symfuse.compiler.sparsity.coloring import ORDERS, distance_two, fewest_possible, star
from symfuse.sparse.coloring import mirrored, places

sparse = pytest.importorskip("scipy.sparse")

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(0, 24)


def drawn(seed, rows, columns):
    rng = np.random.default_rng(seed)
    density = rng.choice([0.02, 0.1, 0.3, 0.8])
    return sparse.csr_array(rng.random((rows, columns)) < density)


def recovered(matrix, found):
    """The entries of a matrix from its products with the sums of directions of each colour."""
    at = places(matrix.astype(bool), found)
    seeds = np.eye(found.count)[found.colors]
    dense = matrix.toarray()
    products = seeds.T @ dense if found.kind == "rows" else (dense @ seeds).T
    return products.ravel()[at]


@pytest.mark.parametrize("order", ORDERS)
@given(SEEDS, SIZES, SIZES)
def test_columns_of_one_color_share_no_row(order, seed, rows, columns):
    pattern = drawn(seed, rows, columns)
    colors = distance_two(pattern, order)
    assert colors.shape == (columns,)
    assert set(colors) == set(range(max(colors, default=-1) + 1))
    for row in pattern.toarray():
        assert len(set(colors[row])) == row.sum()
    assert max(colors, default=-1) + 1 >= fewest_possible(pattern)


@pytest.mark.parametrize("order", ORDERS)
@given(SEEDS, SIZES)
def test_stars(order, seed, size):
    pattern = mirrored(drawn(seed, size, size))
    colors = star(pattern, order)
    beside = [set(np.flatnonzero(row)) - {v} for v, row in enumerate(pattern.toarray())]
    for b in range(size):
        for a in beside[b]:
            assert colors[a] != colors[b]
            for c in beside[b] - {a}:
                for d in beside[c] - {a, b}:
                    assert len({colors[a], colors[b], colors[c], colors[d]}) > 2


@given(SEEDS, SIZES, SIZES, st.sampled_from(["columns", "rows"]))
def test_entries_are_recovered(seed, rows, columns, kind):
    matrix = drawn(seed, rows, columns).astype(float)
    matrix.data[:] = np.arange(1, matrix.nnz + 1)
    np.testing.assert_allclose(recovered(matrix, sf.sparse.coloring(matrix, kind)), matrix.data)


@given(SEEDS, SIZES, st.sampled_from([None, *ORDERS]))
def test_entries_of_symmetric_matrices_are_recovered(seed, size, order):
    matrix = mirrored(drawn(seed, size, size)).astype(float)
    rng = np.random.default_rng(seed)
    values = rng.random((size, size))
    dense = matrix.toarray() * (values + values.T)
    matrix = sparse.csr_array((dense[matrix.nonzero()], matrix.nonzero()), shape=matrix.shape)
    found = sf.sparse.coloring(matrix, "symmetric", order)
    np.testing.assert_allclose(recovered(matrix, found), matrix.data)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("order", ["natural", "smallest_last"])
def test_bands_take_as_many_colors_as_they_are_wide(width, order):
    band = np.tri(40, 40, width - 1) - np.tri(40, 40, -1)
    assert sf.sparse.coloring(band, order=order).count == width


def test_stars_of_arrows_and_cliques():
    arrow = np.eye(30)
    arrow[0] = arrow[:, 0] = 1
    assert sf.sparse.coloring(arrow, "symmetric").count == 2
    assert sf.sparse.coloring(arrow, "columns").count == 30
    assert sf.sparse.coloring(np.ones((30, 30)), "symmetric").count == 30


@pytest.mark.parametrize(
    ("given", "kind", "what"),
    [
        ((np.ones(3),), sf.ShapeError, "no matrix"),
        ((np.ones((2, 3)), "symmetric"), sf.ShapeError, "square"),
        ((np.eye(2), "lines"), sf.ArgumentError, "columns, rows, symmetric"),
        ((np.eye(2), "rows", "random"), sf.ArgumentError, "largest_first"),
    ],
)
def test_what_cannot_be_colored(given, kind, what):
    with pytest.raises(kind, match=what):
        sf.sparse.coloring(*given)
