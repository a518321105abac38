"""Special functions are within their bounds of the true values, on the whole range of each."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from mapped import compile_maps
from mpmath import mpf

import symfuse.compiler.ops  # noqa: F401  (completes the registry)
from symfuse.compiler.ir.op import operations
from symfuse.runtime.dtypes import DType

COUNT = 60
LANES = 8
EPSILON = 2.0**-52
NAN, INF = np.nan, np.inf


def _log_ndtr(x: mpf) -> mpf:
    if x > 0:
        return mpmath.log1p(-mpmath.erfc(x / mpmath.sqrt(2)) / 2)
    return mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2)) / 2)


def _logit(x: mpf) -> mpf:
    return mpmath.log(x) - mpmath.log(1 - x)


def _erfcinv(y: mpf) -> mpf:
    if y > 0.2:
        return mpmath.erfinv(1 - y)
    r = mpmath.sqrt(-mpmath.log(y / 2))
    start = r - mpmath.log(4 * mpmath.pi * r * r) / (4 * r)
    return mpmath.findroot(lambda x: mpmath.log(mpmath.erfc(x) / y), start)


def _log_gamma(x: mpf) -> mpf:
    return mpmath.re(mpmath.loggamma(x))


def _betaln(a: mpf, b: mpf) -> mpf:
    return mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b)


# Function, bound in units in the last place, true values, ranges of each magnitude (positive) and
# plain ones.
Range = tuple[float, float]
CASES: dict[str, tuple[float, Callable[..., mpf], list[Range], list[Range]]] = {
    "gamma": (6, mpmath.gamma, [(1e-300, 1)], [(0, 4), (0, 171.6), (-8, 0), (-170, 0)]),
    "gammaln": (4, _log_gamma, [(1e-300, 1e300)], [(0, 4), (0.99, 1.01), (1.99, 2.01), (4, 40)]),
    "digamma": (3, mpmath.digamma, [(1e-300, 1e300)], [(0, 4), (1.45, 1.47), (4, 40)]),
    "polygamma": (5, lambda x: mpmath.polygamma(1, x), [(1e-99, 1e99)], [(0, 4), (4, 40), (-9, 0)]),
    "i0": (4, lambda x: mpmath.besseli(0, x), [(1e-9, 1)], [(-9, 9), (-713, 713)]),
    "i1": (4, lambda x: mpmath.besseli(1, x), [(1e-300, 1)], [(-9, 9), (-713, 713)]),
    "i0e": (4, lambda x: mpmath.besseli(0, x) * mpmath.exp(-abs(x)), [(1e-9, 1e6)], [(-9, 9)]),
    "i1e": (4, lambda x: mpmath.besseli(1, x) * mpmath.exp(-abs(x)), [(1e-300, 1e6)], [(-9, 9)]),
    "erfcx": (5, lambda x: mpmath.exp(x * x) * mpmath.erfc(x), [(1e-9, 1e4)], [(-26, 5)]),
    "ndtr": (4, lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2, [], [(-37, 9), (-2, 2)]),
    "log_ndtr": (4, _log_ndtr, [], [(-500, 0), (-2, 2), (0, 37)]),
    "erfcinv": (2, _erfcinv, [(1e-307, 1)], [(0, 1.99), (0.99, 1.01)]),
    "logit": (
        2,
        lambda x: mpmath.log(x) - mpmath.log(1 - x),
        [(1e-300, 1)],
        [(0, 1), (0.49, 0.51)],
    ),
}
# The bound is one of the error over the greatest of the terms that cancel.
ABSOLUTE = {
    "gammaln": (_log_gamma, lambda x: 4 + abs(x) * abs(np.log(abs(x)))),
    "digamma": (mpmath.digamma, lambda x: 4 + np.abs(np.pi / np.sin(np.pi * x)) ** 2 * 0.1),
}

VALUES = {
    "gamma": [
        (0.0, INF),
        (-0.0, -INF),
        (-1.0, NAN),
        (-INF, NAN),
        (INF, INF),
        (1.0, 1.0),
        (171.7, INF),
        (4.0, 6.0),
    ],
    "gammaln": [(0.0, INF), (-2.0, INF), (INF, INF), (-INF, INF), (1.0, 0.0), (2.0, 0.0)],
    "digamma": [(0.0, -INF), (-0.0, INF), (-3.0, NAN), (INF, INF), (-INF, NAN)],
    "polygamma": [(0.0, INF), (-1.0, INF), (INF, 0.0)],
    "i0": [(0.0, 1.0), (INF, INF), (-INF, INF), (800.0, INF)],
    "i1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (5e-324, 0.0)],
    "i0e": [(0.0, 1.0), (INF, 0.0)],
    "i1e": [(-0.0, -0.0), (INF, 0.0)],
    "erfcx": [(0.0, 1.0), (INF, 0.0), (-INF, INF), (-27.0, INF)],
    "ndtr": [(0.0, 0.5), (INF, 1.0), (-INF, 0.0)],
    "log_ndtr": [(INF, 0.0), (-INF, -INF), (-1e200, -INF)],
    "erfcinv": [(0.0, INF), (2.0, -INF), (-0.5, NAN), (2.5, NAN), (1.0, 0.0)],
    "logit": [(0.0, -INF), (1.0, INF), (0.5, 0.0), (-0.1, NAN), (1.1, NAN)],
}


PAIRS = ("beta", "betaln", "gammainc", "gammainc_derivative", "gammaincc", "zeta")
TRIPLES = ("betainc", "betainc_derivative", "betaincc")


@pytest.fixture(scope="module")
def compiled():
    """Every function as vectors of both precisions."""
    described = {}
    for name in (*CASES, *PAIRS, *TRIPLES):
        body = operations[name].body
        for dtype in (DType.F32, DType.F64):
            operands = [dtype] * (body.__code__.co_argcount - 1)
            described[f"{name}_{dtype}"] = (body, operands, dtype)
    return compile_maps(described, LANES)


def _points(name: str, rng: np.random.Generator, count: int = COUNT) -> np.ndarray:
    _, _, magnitudes, plain = CASES[name]
    spread = [10.0 ** rng.uniform(np.log10(a), np.log10(b), count) for a, b in magnitudes]
    return np.concatenate([*spread, *(rng.uniform(a, b, count) for a, b in plain)])


def _units(found: float, true: mpf) -> float:
    exponent = max(int(mpmath.floor(mpmath.log(abs(true), 2))) if true else -1022, -1022)
    return float(abs(mpf(float(found)) - true) / mpf(2) ** (exponent - 52))


@pytest.mark.parametrize("name", list(CASES))
def test_values_are_within_the_bound_of_the_truth(compiled, name, rng):
    bound, true, *_ = CASES[name]
    given = _points(name, rng)
    found = compiled[f"{name}_f64"](given)
    with mpmath.workprec(200):
        errors = [_units(y, true(mpf(float(x)))) for x, y in zip(given, found, strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= bound, (given[worst], errors[worst])


@pytest.mark.parametrize("name", list(ABSOLUTE))
def test_left_of_zero_errors_are_small_beside_the_terms(compiled, name, rng):
    true, scale = ABSOLUTE[name]
    given = rng.uniform(-50, 0, 2 * COUNT)
    found = compiled[f"{name}_f64"](given)
    with mpmath.workprec(200):
        wanted = np.array([float(true(mpf(float(x)))) for x in given])
    assert np.all(np.abs(found - wanted) <= 4 * EPSILON * scale(given))


@pytest.mark.parametrize("name", list(CASES))
def test_values_of_f32_are_those_of_f64_rounded(compiled, name, rng):
    with np.errstate(all="ignore"):
        given = _points(name, rng, 400).astype(np.float32)
        wide = compiled[f"{name}_f64"](given.astype(np.float64))
        np.testing.assert_array_equal(compiled[f"{name}_f32"](given), wide.astype(np.float32))


@pytest.mark.parametrize("name", list(CASES))
def test_compiled_values_are_those_of_numpy(compiled, name, rng):
    given = _points(name, rng, 200)
    found, wanted = compiled[f"{name}_f64"](given), operations[name].reference(given)
    rtol = operations[name].ulp * EPSILON
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-15)


def test_factorials_are_exact(compiled):
    n = np.arange(1, 19)
    found = compiled["gamma_f64"](n.astype(np.float64))
    np.testing.assert_array_equal(found, [float(math.factorial(k - 1)) for k in n])


@pytest.mark.parametrize("name", list(VALUES))
def test_special_values_are_exact(compiled, name):
    given, wanted = np.array([*VALUES[name], (NAN, NAN)]).T.copy()
    for found in (compiled[f"{name}_f64"](given), operations[name].reference(given)):
        np.testing.assert_array_equal(found, wanted)
        zero = wanted == 0
        if name not in ("logit", "erfcinv", "log_ndtr", "gammaln"):
            np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(wanted[zero]))


def test_beta_functions_are_within_their_bounds(compiled, rng):
    pairs = [(4, 4), (40, 40), (4, 1e6), (1e6, 1e6)]
    a, b = (np.concatenate([rng.uniform(0, p[k], COUNT) for p in pairs]) for k in (0, 1))
    with mpmath.workprec(200):
        terms = [(_log_gamma(mpf(x)), _betaln(mpf(x), mpf(y))) for x, y in zip(a, b, strict=True)]
    logarithm = np.array([float(one[1]) for one in terms])
    scale = 1 + np.abs(logarithm) + np.abs([float(one[0]) for one in terms])
    found = compiled["betaln_f64"](a, b)
    assert np.all(np.abs(found - logarithm) <= 8 * EPSILON * scale)
    usual = np.abs(logarithm) < 600
    found, wanted = compiled["beta_f64"](a, b)[usual], np.exp(logarithm[usual])
    np.testing.assert_allclose(found, wanted, rtol=8 * EPSILON * np.max(scale[usual]))


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [(1.0, 1.0, 1.0), (0.0, 1.0, INF), (-1.0, 2.0, NAN), (INF, 1.0, 0.0), (2.0, 3.0, 1 / 12)],
)
def test_beta_of_special_arguments(compiled, a, b, wanted):
    for first, second in ((a, b), (b, a)):
        found = compiled["beta_f64"](np.array([first]), np.array([second]))
        np.testing.assert_allclose(found, [wanted], rtol=1e-15)


def _parameters(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Arguments of the incomplete gamma functions, some for each way they are computed."""
    great = 10 ** rng.uniform(1.3, 3.9, 2 * COUNT)
    pairs = [
        (10 ** rng.uniform(-8, 0.2, COUNT), 10 ** rng.uniform(-8, 0.2, COUNT)),
        (10 ** rng.uniform(-8, 0.3, COUNT), rng.uniform(1.6, 4, COUNT)),
        (rng.uniform(0, 20, COUNT), rng.uniform(0, 40, COUNT)),
        (great, great * (1 + 3 * rng.normal(size=great.size) / np.sqrt(great))),
        (great, great * rng.uniform(0.1, 4, great.size)),
    ]
    a, x = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
    return a, np.abs(x)


def test_incomplete_gamma_functions_are_within_their_bounds(compiled, rng):
    a, x = _parameters(rng)
    lower, upper = (compiled[f"{name}_f64"](a, x) for name in ("gammainc", "gammaincc"))
    with mpmath.workdps(40):
        for p, q, found, beside in zip(a, x, lower, upper, strict=True):
            for value, ends in ((found, (0, mpf(q))), (beside, (mpf(q), mpmath.inf))):
                true = mpmath.gammainc(mpf(p), *ends, regularized=True)
                if true > 1e-290:
                    error = abs(mpf(float(value)) - true) / true
                    assert error <= 16 * EPSILON * (1 - mpmath.log(true)), (p, q, value)


def _grown(a: mpf, x: mpf) -> mpf:
    """The derivative in a of the share of gamma(a) below x, from the smaller share."""
    ends, step = ((x, mpmath.inf) if x > a else (0, x)), a * mpf(10) ** -14
    more, less = (mpmath.gammainc(p, *ends, regularized=True) for p in (a + step, a - step))
    slope = (more - less) / (2 * step)
    return -slope if x > a else slope


def test_derivatives_of_the_incomplete_gamma_function_are_within_their_bound(compiled, rng):
    a, x = (p[::3] for p in _parameters(rng))
    found = compiled["gammainc_derivative_f64"](a, x)
    shares = (compiled[f"{name}_f64"](a, x) for name in ("gammainc", "gammaincc"))
    size = 1 - np.log(np.maximum(np.minimum(*shares), 1e-290))
    with mpmath.workdps(60):
        for p, q, value, scale in zip(a, x, found, size, strict=True):
            if scale < 600:
                true = _grown(mpf(p), mpf(q))
                assert abs(mpf(float(value)) - true) <= 24 * EPSILON * scale * abs(true), (p, q)


def test_the_shares_of_a_gamma_function_add_up_for_great_parameters(compiled, rng):
    a = 10 ** rng.uniform(3, 12, 4 * COUNT)
    z = rng.normal(size=a.size)
    x = a + z * np.sqrt(a)
    lower, upper = (compiled[f"{name}_f64"](a, x) for name in ("gammainc", "gammaincc"))
    np.testing.assert_allclose(lower + upper, 1, rtol=4 * EPSILON)
    normal = np.array([float(mpmath.ncdf(value)) for value in (x - a) / np.sqrt(a)])
    np.testing.assert_allclose(lower, normal, atol=0.5 / np.sqrt(1000))
    far = a > 1e10
    np.testing.assert_allclose(lower[far], normal[far], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "a", "x", "wanted"),
    [
        ("gammainc", 1.0, 0.0, 0.0),
        ("gammaincc", 1.0, 0.0, 1.0),
        ("gammainc", 0.0, 1.0, 1.0),
        ("gammaincc", 0.0, 1.0, 0.0),
        ("gammainc", 2.0, INF, 1.0),
        ("gammainc", INF, 2.0, 0.0),
        ("gammaincc", INF, 2.0, 1.0),
        ("gammainc", 0.0, 0.0, NAN),
        ("gammainc", INF, INF, NAN),
        ("gammainc", -1.0, 1.0, NAN),
        ("gammaincc", 1.0, -1.0, NAN),
        ("gammainc", NAN, 1.0, NAN),
        ("zeta", 1.0, 2.0, INF),
        ("gammainc_derivative", 2.0, 0.0, 0.0),
        ("gammainc_derivative", 2.0, INF, 0.0),
        ("gammainc_derivative", INF, 2.0, 0.0),
        ("gammainc_derivative", 0.0, 2.0, NAN),
        ("gammainc_derivative", 2.0, -1.0, NAN),
        ("gammainc_derivative", NAN, 1.0, NAN),
        ("zeta", 2.0, 0.0, INF),
        ("zeta", 2.0, -3.0, INF),
        ("zeta", 2.5, -0.5, NAN),
        ("zeta", 0.5, 1.0, NAN),
        ("zeta", INF, 1.0, 1.0),
        ("zeta", INF, 2.0, 0.0),
        ("zeta", 2.0, INF, 0.0),
        ("zeta", 2.0, NAN, NAN),
    ],
)
def test_functions_of_a_parameter_have_their_limits(compiled, name, a, x, wanted):
    for dtype in (np.float64, np.float32):
        found = compiled[f"{name}_f{8 * dtype().itemsize}"](
            np.array([a], dtype), np.array([x], dtype)
        )
        np.testing.assert_array_equal(found, [wanted])


def _triples(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Arguments of the incomplete beta function: near the mean, in both tails, at both ends."""
    a, b = 10 ** rng.uniform(-8, 8, (2, 6 * COUNT))
    a[::2], b[::2] = 10 ** rng.uniform(-1, 3, (2, 3 * COUNT))
    mean, width = a / (a + b), np.sqrt(a * b / (a + b) ** 3)
    powers = 10 ** -rng.uniform(0, 6, a.size)
    places = [
        rng.uniform(0, 1, a.size),
        mean + 3 * width * rng.normal(size=a.size),
        mean * powers,
        1 - (1 - mean) * powers,
        10 ** -rng.uniform(0, 300, a.size),
    ]
    x = np.choose(np.arange(a.size) // 2 % 5, places)
    inside = (x > 0) & (x < 1)
    return a[inside], b[inside], x[inside]


def _beta_fraction(a: mpf, b: mpf, x: mpf) -> mpf:
    """The share below x left of the mean: the continued fraction of DLMF 8.17.22."""
    value, above, below, k = mpf(1), mpf(1), mpf(0), 0
    while k == 0 or abs(above * below - 1) > mpf(10) ** -40:
        m, odd = divmod(k + 1, 2)
        step = -(a + m) * (a + b + m) if odd else m * (b - m)
        step *= x / ((a + k) * (a + k + 1))
        below, above, k = 1 / (1 + step * below), 1 + step / above, k + 1
        value *= above * below
    terms = a * mpmath.log(x) + b * mpmath.log1p(-x) - mpmath.log(a) - _betaln(a, b)
    return mpmath.exp(terms) / value


def _beta_shares(a: mpf, b: mpf, x: mpf) -> tuple[mpf, mpf]:
    if x * (a + b + 2) < a + 1:
        return (lower := _beta_fraction(a, b, x)), 1 - lower
    return 1 - (upper := _beta_fraction(b, a, 1 - x)), upper


def test_incomplete_beta_functions_are_within_their_bounds(compiled, rng):
    given = _triples(rng)
    found = [compiled[f"{name}_f64"](*given) for name in ("betainc", "betaincc")]
    with mpmath.workdps(90):
        for *at, lower, upper in zip(*given, *found, strict=True):
            for value, true in zip((lower, upper), _beta_shares(*map(mpf, at)), strict=True):
                if true > 1e-290:
                    error = abs(mpf(float(value)) - true) / true
                    assert error <= 16 * EPSILON * (1 - mpmath.log(true)), (at, value)


def _beta_grown(a: mpf, b: mpf, x: mpf, orders: tuple[int, int]) -> mpf:
    """The first derivative in a or b of the share below x, from the smaller share."""
    upper = x * (a + b + 2) >= a + 1
    step = (a if orders[0] else b) * mpf(10) ** -20
    more, less = (
        _beta_shares(a + s * step * orders[0], b + s * step * orders[1], x)[upper] for s in (1, -1)
    )
    return (less - more if upper else more - less) / (2 * step)


@pytest.mark.parametrize("orders", [(1, 0), (0, 1)])
def test_derivatives_of_the_incomplete_beta_function_are_within_their_bound(compiled, rng, orders):
    given = tuple(p[::8] for p in _triples(rng))
    found = operations["betainc_derivative"].reference(*given, orders=orders)
    shares = [compiled[f"{name}_f64"](*given) for name in ("betainc", "betaincc")]
    size = 1 - np.log(np.maximum(np.minimum(*shares), 1e-290))
    with mpmath.workdps(90):
        for *at, value, scale in zip(*(map(mpf, p) for p in given), found, size, strict=True):
            if scale < 600:
                true = _beta_grown(*at, orders)
                assert abs(mpf(float(value)) - true) <= 64 * EPSILON * scale * abs(true), at


def test_incomplete_beta_functions_of_f32_are_those_of_f64_rounded(compiled, rng):
    given = [p.astype(np.float32) for p in _triples(rng)]
    for name in TRIPLES:
        wide = compiled[f"{name}_f64"](*(p.astype(np.float64) for p in given))
        with np.errstate(all="ignore"):
            rounded = wide.astype(np.float32)
        np.testing.assert_array_equal(compiled[f"{name}_f32"](*given), rounded)


@pytest.mark.parametrize(
    ("a", "b", "x", "wanted", "slope"),
    [
        (2.0, 3.0, 0.0, 0.0, 0.0),
        (2.0, 3.0, 1.0, 1.0, 0.0),
        (0.0, 3.0, 0.5, 1.0, NAN),
        (2.0, 0.0, 0.5, 0.0, NAN),
        (INF, 3.0, 0.5, 0.0, 0.0),
        (2.0, INF, 0.5, 1.0, 0.0),
        (0.0, 0.0, 0.5, NAN, NAN),
        (INF, INF, 0.5, NAN, NAN),
        (2.0, 3.0, -0.1, NAN, NAN),
        (2.0, 3.0, 1.1, NAN, NAN),
        (-1.0, 3.0, 0.5, NAN, NAN),
        (2.0, -1.0, 0.5, NAN, NAN),
        (NAN, 3.0, 0.5, NAN, NAN),
        (2.0, 3.0, NAN, NAN, NAN),
    ],
)
def test_incomplete_beta_functions_have_their_limits(compiled, a, b, x, wanted, slope):
    expected = {"betainc": wanted, "betaincc": 1 - wanted, "betainc_derivative": slope}
    for dtype in (np.float64, np.float32):
        given = [np.array([p], dtype) for p in (a, b, x)]
        for name, value in expected.items():
            found = compiled[f"{name}_f{8 * dtype().itemsize}"](*given)
            np.testing.assert_array_equal(found, [value])


def test_the_zeta_function_is_within_its_bound(compiled, rng):
    x = np.concatenate([1 + 10 ** rng.uniform(-8, 0, COUNT), rng.uniform(1, 30, 2 * COUNT)])
    q = np.concatenate([rng.uniform(0, 20, 2 * COUNT), 10 ** rng.uniform(-2, 1.5, COUNT)])
    found = compiled["zeta_f64"](x, q)
    with mpmath.workdps(120):
        errors = [
            _units(y, mpmath.zeta(mpf(p), mpf(s))) for p, s, y in zip(x, q, found, strict=True)
        ]
    assert max(errors) <= 4
