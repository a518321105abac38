"""Elementwise functions at special values: compiled they give what NumPy gives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import symfuse as sf

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

INF, NAN = np.inf, np.nan
TRUTHS = np.array([False, True])
ZEROS = [complex(x, y) for x, y in itertools.product([0.0, -0.0], repeat=2)]
CORNERS = [complex(x, y) for x, y in itertools.product([INF, -INF, NAN, 1.0, 0.0], repeat=2)]
PLAIN = [1, 1j, -1, -1j, 1 + 1j, -1 + 1j, 2 - 3j]
REALS = [0.0, -0.0, 0.5, 1.0, -1.0, 2.0, INF, -INF, NAN]


def compiled_as_numpy(function, *arrays):
    """Compare values bit by bit but for last digits, signs of zeros included."""
    found = sf.compile(function, *arrays, mode="fast-compile")(*arrays)
    expected = function(*arrays)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    pairs = [(found, expected)]
    if expected.dtype.kind == "c":
        pairs = [(found.real, expected.real), (found.imag, expected.imag)]
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=4 * np.finfo("f4").eps)
        if one.dtype.kind == "f":
            known = ~np.isnan(other)
            np.testing.assert_array_equal(np.signbit(one[known]), np.signbit(other[known]))


@pytest.mark.parametrize(
    "function",
    [lambda x: x**2, lambda x: np.power(x, 2), lambda x: x**3, np.square, np.conj,
     np.bitwise_count, lambda x: np.ldexp(1.5, x)],
)  # fmt: skip
def test_truth_values_count_as_small_integers(function):
    compiled_as_numpy(function, TRUTHS)


@pytest.mark.parametrize(
    "function",
    [np.floor_divide, np.remainder, np.fmod, np.left_shift, np.right_shift, np.power],
)
def test_truth_values_among_each_other_count_as_small_integers(function):
    compiled_as_numpy(function, TRUTHS[[0, 1, 0, 1]], TRUTHS[[1, 1, 1, 1]])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("bounds", [(0, 1), (-1, 0), (0.0, 0.0), (-0.0, 0.5), (0, NAN)])
def test_clip_keeps_the_sign_of_a_zero_beside_bounds_that_are_numbers(dtype, bounds):
    compiled_as_numpy(lambda x: np.clip(x, *bounds), np.array(REALS * 3, dtype))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_clip_takes_the_zero_that_numpy_takes_of_bounds_that_are_arrays(dtype):
    x, bound = np.array(list(itertools.product(REALS[:6], repeat=2)), dtype).T.copy()
    compiled_as_numpy(lambda x, y: np.clip(x, y, 1), x, bound)
    compiled_as_numpy(lambda x, y: np.clip(x, 0, y), x, bound)


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize(
    "function",
    [np.reciprocal, np.sign, np.nan_to_num, np.square, lambda z: 1 / z, lambda z: z**-1],
    ids=["reciprocal", "sign", "nan_to_num", "square", "quotient", "power"],
)
def test_complex_numbers_at_zeros_and_infinities(function, dtype):
    compiled_as_numpy(function, np.array(ZEROS + CORNERS + PLAIN, dtype))


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize("exponent", [-3, -2, -1, 0, -0.5, 1j])
def test_powers_of_complex_zeros(exponent, dtype):
    compiled_as_numpy(lambda z: z**exponent, np.array(ZEROS, dtype))


@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_parts_are_rounded_one_by_one(dtype):
    compiled_as_numpy(np.rint, np.array([1.5 + 2.5j, -0.5 - 0.2j, INF + 1j], dtype))


@pytest.mark.parametrize("edge_order", [1, 2])
def test_the_gradient_of_complex_values_is_complex(edge_order):
    z = np.array([1 + 2j, 2 - 1j, 4j, -3 + 0.5j])
    compiled_as_numpy(lambda z: np.gradient(z, 0.5, edge_order=edge_order), z)


POINTS = [
    complex(x, y)
    for x, y in itertools.product(
        [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, INF, -INF, NAN, 1e18, 1e-18], repeat=2
    )
]
INVERSE = [np.arcsin, np.arccos, np.arctan, np.arcsinh, np.arccosh, np.arctanh]


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize("function", [*INVERSE, np.exp, np.log, np.sqrt])
def test_complex_functions_at_the_points_of_annex_g_and_beside_their_poles(function, dtype):
    compiled_as_numpy(function, np.array(POINTS, dtype))


@pytest.mark.parametrize("function", [np.sin, np.cos, np.sinh, np.cosh, np.tan, np.tanh])
def test_a_zero_part_keeps_its_sign_beside_nan(function):
    points = [complex(x, y) for x, y in [(0.0, INF), (-0.0, INF), (0.0, NAN), (-0.0, NAN)]]
    turned = function in (np.sin, np.tan)
    z = np.array([complex(p.imag, p.real) if turned else p for p in points])
    found, expected = (f(z) for f in (sf.compile(function, z), function))
    for part in ("real", "imag"):
        one, other = getattr(found, part), getattr(expected, part)
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
        if function not in (np.cos, np.cosh):  # where C99 leaves it open
            known = ~np.isnan(other)
            np.testing.assert_array_equal(np.signbit(one[known]), np.signbit(other[known]))


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8"])
def test_negative_traced_powers_of_integers_truncate_compiled_and_interpreted(dtype):
    x, y = np.array([[1, -1, -1, 2, -3, 5], [-2, -2, -3, -1, -2, 2]], dtype)
    for found in (sf.trace(np.power, x, y)(x, y), sf.compile(np.power, x, y)(x, y)):
        np.testing.assert_array_equal(found, np.array([1, 1, -1, 0, 0, 25], dtype))
