"""Subscripts mean in a graph what they mean in NumPy: read, written and added to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import symfuse as sf
import symfuse.numpy as snp

SHAPE = (3, 4, 5)
X = np.arange(60.0).reshape(SHAPE)


def _slices(size):
    bound = st.none() | st.integers(-size - 1, size + 1)
    return st.builds(slice, bound, bound, st.sampled_from([None, 1, 2, 3, -1, -2]))


@st.composite
def _arrays(draw, size):
    """Index arrays that broadcast with each other, and masks of one axis."""
    if draw(st.booleans()) and draw(st.booleans()):
        mask = np.zeros(size, bool)
        mask[list(draw(st.permutations(range(size))))[:2]] = True
        return mask
    shape = draw(st.sampled_from([(2,), (1,), (2, 2), ()]))
    return np.array(draw(st.lists(st.integers(-size, size - 1), min_size=4, max_size=4)))[
        : int(np.prod(shape))
    ].reshape(shape)


@st.composite
def subscripts(draw):
    """Subscripts of an array of this shape, with new axes and an ellipsis somewhere."""
    parts = [
        draw(st.integers(-n, n - 1) | _slices(n) | _arrays(n))
        for n in SHAPE[: draw(st.integers(0, 3))]
    ]
    for extra in draw(st.lists(st.sampled_from([None]), max_size=2)):
        parts.insert(draw(st.integers(0, len(parts))), extra)
    if draw(st.booleans()):
        parts.append(Ellipsis)
    return tuple(parts)


def traced_parts(key):
    """The index arrays of a subscript that can be traced, and the subscript for given ones."""
    places = [
        at for at, part in enumerate(key) if isinstance(part, np.ndarray) and part.dtype != bool
    ]

    def filled(values):
        parts = list(key)
        for at, value in zip(places, values, strict=True):
            parts[at] = value
        return tuple(parts)

    return [key[at] for at in places], filled


def results(function, key):
    """What a function of x and a subscript gives with known and with traced index arrays."""
    arrays, filled = traced_parts(key)
    yield sf.trace(lambda x: function(x, key), X)(X)
    yield sf.trace(lambda x, *values: function(x, filled(values)), X, *arrays)(X, *arrays)


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(subscripts())
def test_reading(key):
    for found in results(lambda x, k: x[k], key):
        np.testing.assert_array_equal(found, X[key])
        assert np.shape(found) == np.shape(X[key])


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(subscripts(), st.booleans())
def test_writing(key, added):
    def write(x, k):
        y = x.copy()
        if added:
            y[k] += 1000
        else:
            y[k] = -7
        return y

    expected = write(X, key)
    for found in results(write, key):
        np.testing.assert_array_equal(found, expected)


def test_the_last_of_several_values_for_one_place_is_written():
    def write(x, places):
        y = x.copy()
        y[places] = np.arange(4.0)
        return y

    places = np.array([2, 0, 2, -1])
    expected = write(X[0, 0], places)
    np.testing.assert_array_equal(sf.trace(write, X[0, 0], places)(X[0, 0], places), expected)
    found = sf.trace(lambda x: write(x, places), X[0, 0])(X[0, 0])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("operate", [
    lambda y: y.__iadd__(1), lambda y: y.__imul__(2), lambda y: y.__isub__(0.5),
    lambda y: y.__itruediv__(4), lambda y: y.__ipow__(2), lambda y: y.__ifloordiv__(3),
    lambda y: y.__imod__(3),
])  # fmt: skip
def test_augmented_assignment_writes_through_a_name(operate):
    def function(x):
        y = x.copy()
        other = y
        operate(y)
        return other

    np.testing.assert_array_equal(sf.trace(function, X)(X), function(X))


def test_a_view_that_is_written_to_changes_its_array_or_says_so():
    def through_subscript(x):
        y = x.copy()
        y[1][2] = 0.0
        return y

    def through_name(x):
        y = x.copy()
        view = y[1]
        view += 1.0
        return y

    with pytest.raises(sf.TraceError, match="shares the memory"):
        sf.trace(through_subscript, X)
    with pytest.raises(sf.TraceError, match="view of another array and was changed in place"):
        sf.trace(through_name, X)


@pytest.mark.parametrize("use", [
    lambda x: x[x > 0], lambda x: len(x[x > 0]), lambda x: x[x > 0][0], lambda x: x[x > 0] + X[0],
    lambda x: np.sort(x[x > 0]), lambda x: x[x > 0].cumsum(),
    lambda x: np.sum(x[x > 0], keepdims=True),
    lambda x: list(x[x > 0]), lambda x: x[x > 0] + x[x < 0],
    lambda x: np.concatenate([x[x > 0], x[0, 0]]),
])  # fmt: skip
def test_what_needs_the_elements_of_a_mask_one_behind_the_other_is_an_error(use):
    with pytest.raises(sf.TraceError, match="number of elements that is not known") as caught:
        sf.trace(use, X)
    assert "size=n" in str(caught.value)
    assert caught.value.user_frame[0] == __file__


def test_a_mask_has_the_sizes_of_the_array():
    with pytest.raises(sf.ShapeError, match="a mask of shape"):
        sf.trace(lambda x: x[x[0] > 0].sum(), X)


def test_elements_of_a_mask_differentiate():
    sf.check_grads(lambda x: (x[x > 30.5] ** 2).mean(), (X,), order=2)


def test_arrays_made_in_a_trace_are_traced_and_keep_their_types():
    table = np.arange(4.0)
    traced = sf.jit(lambda i, x: (snp.asarray(table)[i], snp.asarray(2.0) * x, snp.array(3) + x))
    places, x = np.array([3, 0]), np.ones(2, np.float32)
    found = traced(places, x)
    for one, other in zip(
        found, (table[places], np.asarray(2.0) * x, np.array(3) + x), strict=True
    ):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


SLICES = {
    "1 - N:": lambda n, m: slice(1 - n, None),
    "-N // 2:N // 2": lambda n, m: slice(-(n // 2), n // 2),
    "M - N:": lambda n, m: slice(m - n, None),
    ":N - M": lambda n, m: slice(None, n - m),
    "-M:M": lambda n, m: slice(-m, m),
    "2:-M:2": lambda n, m: slice(2, -m, 2),
    "M::-1": lambda n, m: slice(m, None, -1),
    "-M::-1": lambda n, m: slice(-m, None, -1),
    "M - 2:-M:-1": lambda n, m: slice(m - 2, -m, -1),
    ":M - N:-2": lambda n, m: slice(None, m - n, -2),
}


@pytest.mark.parametrize("bounds", SLICES.values(), ids=SLICES.keys())
def test_symbolic_bounds_count_from_where_python_has_them_count(bounds):
    def read(x, y):
        return x[bounds(x.shape[0], y.shape[0])]

    def write(x, y):
        z = x.copy()
        z[bounds(x.shape[0], y.shape[0])] = -1.0
        return z

    exe = sf.compile(lambda x, y: (read(x, y), write(x, y)), "f64[N]", "f64[M]")
    for n, m in np.ndindex(5, 5):
        x, y = np.arange((0, 1, 2, 3, 17)[n]) + 0.5, np.zeros((0, 1, 2, 3, 17)[m])
        for found, function in zip(exe(x, y), (read, write), strict=True):
            np.testing.assert_array_equal(found, function(x, y))


@pytest.mark.parametrize(
    ("function", "least"),
    [
        (lambda x: x[: x.shape[0] - 3], 3),
        (lambda x: x[x.shape[0] - 2 :: -1], 2),
        (lambda x: x[3:] - x[: x.shape[0] - 3], 3),
        (lambda x: snp.asarray(x).at[: x.shape[0] - 3].set(0.0).sum(), 3),
        (sf.grad(lambda x: (x[x.shape[0] - 2 :] ** 2).sum()), 2),
        (lambda x: x[np.array([1, -3])], 3),
    ],
)
def test_sizes_for_which_a_bound_would_count_from_the_end_are_refused(function, least):
    graph, exe = sf.trace(function, "f64[N]"), sf.compile(function, "f64[N]")
    for size in (0, 1, 2, 3, 17):
        x = np.arange(size) + 0.5
        for run in (graph, exe):
            if size >= least:
                wanted = sf.trace(function, x)(x)
                np.testing.assert_array_equal(run(x), wanted)
            else:
                with pytest.raises(sf.GuardError, match="is valid for"):
                    run(x)


def test_a_piece_of_a_constant_may_begin_at_a_symbolic_size():
    exe = sf.compile(lambda x: snp.asarray(np.arange(5.0))[x.shape[0]] * x, "f64[N]")
    np.testing.assert_array_equal(exe(np.ones(3)), [3.0, 3.0, 3.0])


def test_a_list_of_places_may_have_traced_ones():
    def swapped(x, p):
        x = x.copy()
        x[[0, p]] = x[[p, 0]]
        return x, x[[p, 1], [0, p - 1]], x.at[:, [p, -1]].add(1)

    rows, some, added = sf.jit(swapped)(X, 2)
    np.testing.assert_array_equal(rows, X[[2, 1, 0]])
    np.testing.assert_array_equal(some, rows[[2, 1], [0, 1]])
    np.testing.assert_array_equal(added, rows + np.array([[0], [0], [1], [1]]))


@pytest.mark.parametrize("rank", [1, 2])
def test_what_a_mask_selects_is_summed_up_along_its_axes(rank):
    def summaries(x):
        z = x[x.sum(axis=tuple(range(rank, 3))) > (500 if rank == 1 else 150)]
        return (
            z.mean(axis=0), z.std(0, ddof=1), np.sum(z, 0), z.max(axis=tuple(range(z.ndim))),
            z.sum(axis=1).min(), np.var(z, axis=-z.ndim), z.prod(axis=0, dtype=np.float32),
        )  # fmt: skip

    for found, wanted in zip(sf.jit(summaries)(X), summaries(X), strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-6 if found.dtype == "f4" else 1e-13)
