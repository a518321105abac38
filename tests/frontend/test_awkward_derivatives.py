"""Derivatives of NumPy's functions where formulas divide by zero, cancel or overflow."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp

NORMS = {
    "of a vector": np.linalg.norm,
    "of order 3": lambda x: np.linalg.norm(x, 3),
    "vector_norm": lambda x: np.linalg.vector_norm(x, ord=2),
    "of Frobenius": lambda x: np.linalg.matrix_norm(snp.reshape(x, (2, 2))),
}


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS.keys())
def test_the_subderivative_of_a_norm_at_zero_is_zero(norm):
    zero = np.zeros(4)
    np.testing.assert_array_equal(sf.grad(norm)(zero), zero)
    np.testing.assert_array_equal(sf.jit(sf.jacfwd(norm))(zero), zero)
    assert sf.jit(norm)(zero) == 0
    np.testing.assert_allclose(sf.grad(norm)(np.array([0.0, 0, 2, 0])), [0, 0, 1, 0])


def test_second_derivatives_of_frobenius_norms_see_elements_that_are_zero():
    found = sf.hessian(lambda x: np.linalg.norm(x, "fro"))(np.eye(2)).reshape(4, 4)
    flat = np.eye(2).ravel() / np.sqrt(2)
    np.testing.assert_allclose(found, (np.eye(4) - np.outer(flat, flat)) / np.sqrt(2), atol=1e-15)


def test_derivatives_of_sinc_keep_their_digits_near_zero():
    x = np.array([0.0, 1e-12, 1e-9, 1e-5, 1e-3, 0.03, 0.04])
    s = np.pi * x
    first = sf.vmap(sf.grad(np.sinc))(x)
    np.testing.assert_allclose(first, np.pi * (-s / 3 + s**3 / 30 - s**5 / 840), rtol=1e-8)
    second = sf.vmap(sf.grad(sf.grad(np.sinc)))(x)
    wanted = np.pi**2 * (-1 / 3 + s**2 / 10 - s**4 / 168 + s**6 / 6480)
    np.testing.assert_allclose(second, wanted, rtol=1e-9)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_the_slope_of_an_angle_is_found_at_every_distance(size):
    x = np.array([3 * size, 4 * size], np.float32)
    found = sf.jit(sf.grad(lambda x: np.arctan2(x[0], x[1])))(x)
    np.testing.assert_allclose(found, np.array([4, -3]) / 25 / np.float64(size), rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (np.arcsin, lambda x: 1 / np.sqrt(1 - x**2)),
        (np.arccos, lambda x: -1 / np.sqrt(1 - x**2)),
        (np.arctanh, lambda x: 1 / (1 - x**2)),
    ],
)
def test_slopes_near_the_end_of_the_range_keep_their_digits(function, slope):
    x = np.float32(0.9999)
    found = sf.jit(sf.grad(function))(x)
    np.testing.assert_allclose(found, slope(np.float64(x)), rtol=3e-7)
