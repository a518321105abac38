"""Special functions have SciPy's names and values; SciPy's own functions trace."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.special

import symfuse as sf
from symfuse.checks import check_grads
from symfuse.runtime.errors import ArgumentError, UnsupportedError

X = np.linspace(0.05, 6.0, 24)
SHARES = np.linspace(0.02, 0.98, 24)
Y = np.linspace(3.0, 0.1, 24)
ONE = [
    "digamma", "entr", "erf", "erfc", "erfcx", "expit", "gamma", "gammaln", "i0", "i0e", "i1",
    "i1e", "log_expit", "log_ndtr", "ndtr", "psi",
]  # fmt: skip
OF_SHARES = ["erfcinv", "erfinv", "logit", "ndtri"]
TWO = [
    "beta", "betaln", "gammainc", "gammaincc", "kl_div", "rel_entr", "xlog1py", "xlogy", "zeta",
]  # fmt: skip
THREE = ["betainc", "betaincc"]
CASES = [
    *((name, (X,)) for name in ONE),
    *((name, (SHARES,)) for name in OF_SHARES),
    *((name, (X, Y)) for name in TWO),
    *((name, (X, Y, SHARES)) for name in THREE),
]
EVERY = pytest.mark.parametrize(("name", "args"), CASES, ids=[name for name, _ in CASES])


@EVERY
def test_values_are_those_of_scipy(name, args):
    wanted = getattr(scipy.special, name)(*args)
    np.testing.assert_allclose(getattr(sf.special, name)(*args), wanted, rtol=1e-13, atol=1e-15)


@EVERY
def test_functions_of_scipy_become_ours_on_tracers(name, args):
    theirs, ours = getattr(scipy.special, name), getattr(sf.special, name)
    assert str(sf.trace(lambda *a: theirs(*a), *args)) == str(sf.trace(lambda *a: ours(*a), *args))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_values_are_those_of_eager(dtype):
    arrays = [tuple(x.astype(dtype) for x in args) for _, args in CASES]

    def all_of_them(arrays):
        pairs = zip(CASES, arrays, strict=True)
        return [getattr(sf.special, name)(*args) for (name, _), args in pairs]

    rtol = 64 * np.finfo(dtype).eps
    for found, wanted in zip(sf.jit(all_of_them)(arrays), all_of_them(arrays), strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", ["kl_div", "ndtri", "rel_entr", "xlogy"])
def test_compositions_have_derivatives_of_both_orders(name):
    args = dict(CASES)[name]
    check_grads(getattr(sf.special, name), tuple(x[:5] for x in args), order=2)


def test_derivatives_left_of_zero_are_those_of_the_function():
    x = np.array([-0.3, -1.6, -2.4, -7.45])
    check_grads(sf.special.gammaln, (x,), order=2)
    check_grads(sf.special.digamma, (x,), order=2)


def test_functions_of_a_parameter_have_derivatives_in_the_other_argument():
    x = np.linspace(0.2, 30, 12)
    for a in (0.3, 4.0, 25.0):
        check_grads(lambda x, a=a: sf.special.gammainc(a, x), (x,), order=2)
        check_grads(lambda x, a=a: sf.special.gammaincc(a, x), (x,), order=2)
    check_grads(lambda q: sf.special.zeta(2.5, q), (x,), order=2)
    np.testing.assert_allclose(sf.jit(scipy.special.zeta)(np.array([2.0])), np.pi**2 / 6)


@pytest.mark.parametrize("a", [0.3, 1.0, 4.0, 25.0])
def test_incomplete_gamma_functions_have_derivatives_in_both_arguments(a):
    x = a * np.array([0.2, 0.8, 1.0, 1.3, 4.0])
    for function in (sf.special.gammainc, sf.special.gammaincc):
        check_grads(function, (np.full(5, a), x), order=2)
        third = sf.grad(sf.grad(sf.grad(function)))
        second = sf.grad(sf.grad(function))
        step = 1e-4 * a
        wanted = (second(a + step, x[1]) - second(a - step, x[1])) / (2 * step)
        np.testing.assert_allclose(third(a, x[1]), wanted, rtol=1e-5)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.4), (2.0, 1.0), (4.0, 30.0), (0.6, 4.0)])
def test_incomplete_beta_functions_have_derivatives_in_all_arguments(a, b):
    x = a / (a + b) * np.array([0.1, 0.9, 1.0, 1.2, 1.4])
    for function in (sf.special.betainc, sf.special.betaincc):
        check_grads(function, (np.full(5, a), np.full(5, b), x), order=2)


def _across(function, at, which, step):
    """The central difference of a function in one argument."""
    ends = [[p + s * step * (k == which) for k, p in enumerate(at)] for s in (1, -1)]
    return (function(*ends[0]) - function(*ends[1])) / (2 * step)


def test_third_derivatives_of_the_incomplete_beta_function_are_mixed():
    at = (2.5, 3.5, 0.3)
    second = sf.grad(sf.grad(sf.special.betainc, 0), 1)
    for which in range(3):
        wanted = _across(second, at, which, 1e-4)
        np.testing.assert_allclose(sf.grad(second, which)(*at), wanted, rtol=1e-5)


def test_batches_of_the_incomplete_beta_function_are_its_values():
    a, b = X[:3], Y[:4]
    found = sf.vmap(lambda a: sf.vmap(lambda b: sf.special.betainc(a, b, 0.3))(b))(a)
    np.testing.assert_array_equal(found, sf.special.betainc(a[:, None], b, 0.3))
    slopes = sf.grad(sf.special.betainc, (0, 1, 2))
    for k, found in enumerate(sf.vmap(slopes, in_axes=(0, None, None))(a, 2.0, 0.3)):
        np.testing.assert_allclose(found, [slopes(p, 2.0, 0.3)[k] for p in a], rtol=1e-13)


def test_distribution_functions_follow_from_the_incomplete_beta_function():
    t, df = X - 3, 2.5
    tail = sf.special.betainc(df / 2, 0.5, df / (df + t * t)) / 2
    np.testing.assert_allclose(np.where(t < 0, tail, 1 - tail), scipy.special.stdtr(df, t))
    below = sf.special.betainc(1.5, 3.5, 3 * X / (3 * X + 7))
    np.testing.assert_allclose(below, scipy.special.fdtr(3, 7, X), rtol=1e-13)


def test_slopes_of_the_incomplete_beta_function_where_no_power_is_left():
    slope = sf.grad(sf.special.betainc, 2)
    assert (slope(1.0, 3.0, 0.0), slope(3.0, 1.0, 1.0), slope(3.0, 3.0, 0.0)) == (3, 3, 0)
    assert slope(0.5, 3.0, 0.0) == slope(3.0, 0.5, 1.0) == np.inf
    assert sf.grad(slope, 1)(1.0, 3.0, 0.0) == sf.grad(slope, 0)(3.0, 1.0, 1.0) == 1
    assert sf.grad(sf.special.betainc, 0)(3.0, 3.0, 0.0) == 0


def test_slopes_of_incomplete_gamma_functions_where_no_power_is_left():
    assert sf.grad(sf.special.gammainc, 1)(1.0, 0.0) == 1
    assert sf.grad(sf.special.gammainc, 1)(3.0, 0.0) == 0
    assert sf.grad(sf.grad(sf.special.gammainc, 1), 0)(3.0, 0.0) == 0


def test_a_derivative_in_the_exponent_of_zeta_is_refused_at_the_line():
    with pytest.raises(UnsupportedError, match="zeta has no derivative in") as raised:
        sf.grad(lambda a: sf.special.zeta(a, 2.0) + 1)(3.0)  # here
    assert "# here" in str(raised.value)
    assert sf.grad(lambda x: sf.special.zeta(sf.stop_gradient(x), x))(3.0) != 0


def test_derivatives_of_bessel_functions_at_zero_are_finite():
    for name, wanted in (("i0", 0.0), ("i1", 0.5), ("i0e", 0.0), ("i1e", 0.5)):
        assert sf.grad(getattr(sf.special, name))(0.0) == wanted


def test_the_derivative_of_log_ndtr_keeps_its_digits_far_out():
    found = sf.grad(sf.special.log_ndtr)(-1e5)
    np.testing.assert_allclose(found, 1e5, rtol=1e-9)
    np.testing.assert_allclose(sf.grad(sf.grad(sf.special.log_ndtr))(-1e5), -1.0, rtol=1e-4)


@pytest.mark.parametrize("order", [0, 1, 2, 5])
def test_polygamma_of_any_order(order):
    found = sf.jit(lambda x: sf.special.polygamma(order, x))(X)
    np.testing.assert_allclose(found, scipy.special.polygamma(order, X), rtol=1e-12)


@pytest.mark.parametrize("order", [-1, 1.5, None])
def test_another_order_is_refused(order):
    with pytest.raises(ArgumentError, match="polygamma: the order"):
        sf.special.polygamma(order, X)


def test_entropies_at_their_edges_are_those_of_scipy():
    edges = np.array([-1.0, 0.0, 1e-100, 1.0, 1e100, np.nan])
    x, y = (grid.ravel() for grid in np.meshgrid(edges, edges))
    for name in ("kl_div", "rel_entr"):
        with np.errstate(all="ignore"):
            wanted = getattr(scipy.special, name)(x, y)
            found = getattr(sf.special, name)(x, y)
        np.testing.assert_allclose(found, wanted, rtol=1e-13)
        np.testing.assert_allclose(sf.jit(getattr(sf.special, name))(x, y), wanted, rtol=1e-13)


def test_halves_are_rounded_once():
    x = np.linspace(0.5, 4, 9).astype(np.float16)
    for name in ("gamma", "ndtr", "i0"):
        wanted = getattr(scipy.special, name)(x.astype(np.float64)).astype(np.float16)
        assert sf.jit(getattr(sf.special, name))(x).dtype == np.float16
        np.testing.assert_array_equal(sf.jit(getattr(sf.special, name))(x), wanted)


def test_integers_become_floats():
    np.testing.assert_array_equal(sf.jit(sf.special.gamma)(np.array([1, 2, 5])), [1.0, 1.0, 24.0])


def test_a_function_that_is_not_known_says_so():
    with pytest.raises(UnsupportedError, match="airy"):
        sf.trace(lambda x: scipy.special.airy(x), X)


def test_scipy_is_not_imported():
    code = "import sys, symfuse as sf; sf.special.gamma(2.0); print('scipy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


@pytest.mark.parametrize(("name", "log"), [("xlogy", np.log), ("xlog1py", np.log1p)])
def test_no_times_a_logarithm_has_the_logarithm_as_slope(name, log):
    f = getattr(sf.special, name)
    assert sf.jit(sf.grad(f))(0.0, 3.0) == pytest.approx(log(3.0))
    for y in (0.0, -1.0, -2.0, np.inf):
        assert f(0.0, y) == 0
        assert np.isfinite(sf.grad(f)(0.0, y))
    assert np.isnan(f(0.0, np.nan))
