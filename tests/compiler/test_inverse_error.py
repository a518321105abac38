"""erfinv is near the true values, and has the same bits in NumPy and in compiled code."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath import mpf

import symfuse as sf
from symfuse.compiler import ops

FLOATS = [np.float32, np.float64]
ULPS = 2.5


def _points(dtype, count):
    """Both signs, denser towards 0, ±1 and the place where the method changes."""
    rng = np.random.default_rng(3)
    last = float(np.finfo(dtype).epsneg)
    rest = 2.0 ** rng.uniform(np.log2(last), 0, count)
    small = 10.0 ** rng.uniform(-30, 0, count)
    join = rng.uniform(0.84, 0.86, count)
    x = np.concatenate([rng.uniform(-1, 1, count), 1 - rest, -small, join, [1 - last, 0.85]])
    x = x.astype(dtype)
    return x[np.abs(x) < 1]


def _true(x, near):
    """The solution of erfc(y) = 1 - |x| by Halley's method from a value that is near."""
    y, rest = mpf(abs(float(near))), 1 - abs(mpf(float(x)))
    for _ in range(3):
        step = (mpmath.erfc(y) - rest) / (-2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-y * y))
        y -= step / (1 + y * step)
    return y * mpmath.sign(mpf(float(x)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_it_is_near_the_true_value(dtype):
    x = _points(dtype, 300)
    found = ops.erfinv.reference(x)
    with mpmath.workdps(40):
        errors = [
            float(abs(mpf(float(y)) - _true(one, y)) / mpf(float(np.spacing(abs(y)))))
            for one, y in zip(x, found, strict=True)
        ]
    assert max(errors) < ULPS


@pytest.mark.parametrize("dtype", FLOATS)
def test_compiled_code_has_the_bits_of_numpy(dtype):
    x = np.concatenate([_points(dtype, 20_000), np.array([0.0, -0.0, 1, -1], dtype)])
    found = sf.compile(lambda x: sf.special.erfinv(x), x)(x)
    np.testing.assert_array_equal(
        found.view(f"u{x.itemsize}"), sf.special.erfinv(x).view(f"u{x.itemsize}")
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_its_ends_are_infinite_and_what_is_outside_is_no_number(dtype):
    x = np.array([1, -1, 1.5, -2, np.inf, np.nan, 0.0, -0.0], dtype)
    for found in (sf.special.erfinv(x), sf.jit(sf.special.erfinv)(x)):
        np.testing.assert_array_equal(found[:2], [np.inf, -np.inf])
        assert np.isnan(found[2:6]).all()
        np.testing.assert_array_equal(np.signbit(found[6:]), [False, True])


def test_it_undoes_erf():
    y = np.linspace(-2, 2, 101)
    np.testing.assert_allclose(sf.special.erfinv(sf.special.erf(y)), y, rtol=1e-13, atol=1e-15)
