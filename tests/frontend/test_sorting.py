"""Sorting, searching and sets: as NumPy has them, computed at once, traced and compiled."""

import numpy as np
import pytest

import symfuse as sf
import symfuse.numpy as snp
from symfuse.runtime.errors import DeviceError
from symfuse.runtime.host import sorting

RNG = np.random.default_rng(5)
X = RNG.integers(0, 5, (4, 6)).astype("float64")
X[1, 2] = X[3, 0] = np.nan
X[2, 1], X[2, 3], X[0, 5] = -0.0, np.inf, -np.inf
DTYPES = ("bool", "int8", "uint16", "int64", "uint64", "float16", "float32", "float64")


def everywhere(function, *args):
    """The result at once; asserts that the graph and the compiled code give the same."""
    expected = function(*args)
    for target in ("interpret", "cpu"):
        found = sf.compile(function, *args, target=target)(*args)
        for one, other in zip(parts(found), parts(expected), strict=True):
            np.testing.assert_array_equal(one, other)
            assert np.asarray(one).dtype == np.asarray(other).dtype
    return expected


def parts(value):
    return value if isinstance(value, tuple) else (value,)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_sort_and_argsort_are_numpys(axis):
    found = everywhere(lambda x: (snp.sort(x, axis), snp.argsort(x, axis)), X)
    np.testing.assert_array_equal(found[0], np.sort(X, axis, stable=True))
    np.testing.assert_array_equal(found[1], np.argsort(X, axis, stable=True))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_element_type_can_be_sorted(dtype):
    x = RNG.integers(0, 2 if dtype == "bool" else 40, 37).astype(dtype)
    found = everywhere(lambda x: (snp.sort(x), snp.argsort(x)), x)
    np.testing.assert_array_equal(found[0], np.sort(x))
    np.testing.assert_array_equal(found[1], np.argsort(x, stable=True))


def test_descending_keeps_equal_elements_as_they_stand():
    x = np.array([1.0, 3.0, 1.0, np.nan, 3.0, np.nan])
    found = everywhere(lambda x: snp.argsort(x, descending=True), x)
    assert found.tolist() == [3, 5, 1, 4, 0, 2]
    assert everywhere(lambda x: snp.sort(x, descending=True), x).tolist()[2:] == [3, 3, 1, 1]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 64, 65, 1000])
def test_a_program_with_a_symbolic_size_sorts_every_size(size):
    sort = _sort_of_any_size()
    x = RNG.integers(0, 100, size).astype("float32")
    np.testing.assert_array_equal(sort(x), np.argsort(x, stable=True))


def _sort_of_any_size(known=[]):  # noqa: B006 - compiled once for all sizes
    if not known:
        known.append(sf.compile(lambda x: snp.argsort(x), "f32[N]"))
    return known[0]


def test_numpys_own_names_are_traced():
    found = everywhere(lambda x: np.sort(x, axis=0), X)
    np.testing.assert_array_equal(found, np.sort(X, axis=0))


def test_the_derivative_of_sort_goes_back_to_the_places():
    weights = np.arange(4.0)
    found = sf.grad(lambda x: (snp.sort(x) * weights).sum())(np.array([3.0, 1.0, 2.0, 0.0]))
    assert found.tolist() == [3, 1, 2, 0]
    sf.check_grads(lambda x: snp.sort(x, axis=0), (RNG.normal(size=(5, 2)),), order=2)


def test_sort_is_batched_and_works_inside_loops():
    found = sf.vmap(lambda row: snp.sort(row))(X)
    np.testing.assert_array_equal(found, np.sort(X, 1))

    def rounds(x):
        return sf.fori_loop(0, 2, lambda i, s: snp.sort(s)[::-1] + 0, x)

    expected = np.sort(X[0])[::-1]
    np.testing.assert_array_equal(sf.jit(rounds)(X[0]), expected)


def test_top_k_gives_values_and_places():
    values, places = everywhere(lambda x: snp.top_k(x, 2, axis=0), X[:, 4:5])
    np.testing.assert_array_equal(values, np.sort(X[:, 4:5], 0)[::-1][:2])
    np.testing.assert_array_equal(np.take_along_axis(X[:, 4:5], places, 0), values)
    least, _ = everywhere(lambda x: snp.top_k(x, 2, mode="smallest"), X[2])
    np.testing.assert_array_equal(least, np.sort(X[2])[:2])


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted_is_numpys(side):
    row = np.sort(np.append(X[0], [2, 2, np.inf, np.nan, np.nan]))
    wanted = np.array([[np.nan, -np.inf, np.inf], [2.0, -1.0, 99.0]])
    found = everywhere(lambda r, v: snp.searchsorted(r, v, side=side), row, wanted)
    np.testing.assert_array_equal(found, np.searchsorted(row, wanted, side=side))
    anywhere = sf.compile(lambda r, v: snp.searchsorted(r, v, side=side), "f64[N]", "f64[2,M]")
    np.testing.assert_array_equal(anywhere(row, wanted), found)


def test_searchsorted_takes_a_sorter():
    row, order = np.array([3, 1, 2]), np.array([1, 2, 0])
    found = everywhere(lambda r, v, s: snp.searchsorted(r, v, sorter=s), row, np.array(2), order)
    assert found == 1


@pytest.mark.parametrize("among", [0, 3, 100])
def test_isin_is_numpys(among):
    x, others = np.arange(60).reshape(6, 10), RNG.integers(0, 99, among)
    for invert in (False, True):
        found = everywhere(lambda x, y, i=invert: snp.isin(x, y, invert=i), x, others)
        np.testing.assert_array_equal(found, np.isin(x, others, invert=invert))


def test_nonzero_gives_as_many_places_as_it_is_told():
    x = RNG.integers(0, 2, (3, 4))
    rows, columns = np.nonzero(x)
    found = everywhere(lambda x: snp.nonzero(x, size=12), x)
    np.testing.assert_array_equal(found[0][: rows.size], rows)
    np.testing.assert_array_equal(found[1][: rows.size], columns)
    assert not found[0][rows.size :].any()
    least = everywhere(lambda x: snp.flatnonzero(x, size=2), x)
    np.testing.assert_array_equal(least, np.flatnonzero(x)[:2])
    assert (
        everywhere(lambda x: snp.argwhere(x, size=5, fill_value=-1), x * 0).tolist()[4] == [-1] * 2
    )


def test_unique_functions_agree_with_numpy():
    x = RNG.integers(0, 4, (3, 5))
    expected = np.unique_all(x)
    found = everywhere(lambda x: tuple(snp.unique_all(x, size=4)), x)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    more = everywhere(lambda x: tuple(snp.unique_counts(x, size=6, fill_value=-1)), x)
    assert more[0].tolist() == [*expected.values, -1, -1]
    assert more[1].tolist() == [*expected.counts, 0, 0]
    assert snp.unique_values(x).tolist() == expected.values.tolist()


@pytest.mark.parametrize("name", ["nonzero", "flatnonzero", "argwhere", "unique_values"])
def test_without_a_size_a_traced_call_says_what_to_give(name):
    with pytest.raises(sf.UnsupportedError, match="size=n"):
        sf.trace(lambda x: getattr(snp, name)(x), "f32[3]")


def test_sorting_a_number_is_refused():
    with pytest.raises(sf.ShapeError, match="no axis"):
        sf.trace(lambda x: snp.sort(x), "f32[]")


@pytest.mark.parametrize(
    "function", [snp.sort, snp.argsort, lambda x: snp.sort(x, descending=True)]
)
def test_a_processor_sorts_all_rows_in_one_call_of_the_library(function):
    compiled = sf.compile(lambda x: function(x), "f32[R,N]")
    kinds = [kernel.kind for kernel in compiled.kernels]
    assert kinds.count("library") == 1
    assert len(kinds) <= 2  # descending: what is in order is turned round


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
@pytest.mark.parametrize("values", [1, 3, 200])
def test_positions_of_many_equal_elements_stay_as_they_stand(dtype, values):
    x = RNG.integers(0, values, (3, 5000)).astype(dtype)
    if dtype.startswith("float"):
        x[:, ::7], x[0, ::5] = np.nan, -0.0
    found = sf.jit(lambda x: np.argsort(x, axis=1))(x)
    np.testing.assert_array_equal(found, np.argsort(x, axis=1, stable=True))


def test_where_numpy_has_no_such_sorts_elements_are_compared_in_loops(monkeypatch):
    rows = np.array([[2.0, np.nan, -1.0, 2.0], [0.0, -0.0, 3.0, -np.inf]])
    monkeypatch.setattr(sorting, "are_there", lambda: False)
    executable = sf.compile(lambda x: (snp.sort(x), snp.argsort(x)), "f64[2,4]")
    assert not any(name.startswith(sorting.PREFIX) for name in executable.program.image.externals)
    values, places = executable(rows)
    np.testing.assert_array_equal(values, np.sort(rows))
    np.testing.assert_array_equal(places, np.argsort(rows, stable=True))


def test_a_sort_that_numpy_does_not_have_is_an_error_and_no_jump_to_nowhere(monkeypatch):
    monkeypatch.setattr(sorting, "_entry", lambda name: 0)
    assert not sorting.are_there.__wrapped__()
    with pytest.raises(DeviceError, match="has no sort 'f32_quick'"):
        sorting.address("f32_quick")
