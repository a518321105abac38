"""Fits the polynomials of the special functions and prints them as Python tables.

    python tools/fit_special.py               every table
    python tools/fit_special.py lgamma i0     the tables of these names

As `tools/fit_math.py`, in f64. Where exchange fails, as polynomials of high degree do near the last
digit, the polynomial is that of Chebyshev's nodes.
"""

from __future__ import annotations

import sys
from functools import cache

from fit_math import Fit, Function, minimax
from mpmath import mp, mpf

ZERO_OF_DIGAMMA = mp.findroot(mp.digamma, mpf("1.4616"))
TINY = mpf("1e-15")


def _moebius(center: mpf) -> Function:
    """x for q = (x - center) / (x + center)."""
    return lambda q: center * (1 + q) / (1 - q)


def _place(center: mpf, x: str) -> mpf:
    return (mpf(x) - center) / (mpf(x) + center)


def _relative(value: Function, low: mpf, high: mpf, base: Function = lambda x: x) -> Fit:
    return Fit(value, lambda x: 1 / value(x), low, high, {}, base)


def _over(center: mpf, value: Function, low: str, high: str) -> Fit:
    """A function of x in powers of q = (x - center) / (x + center)."""
    back = _moebius(center)
    return _relative(lambda q: value(back(q)), _place(center, low), _place(center, high))


def _log_gamma_quotient(x: mpf) -> mpf:
    if abs(x - 1) < TINY:
        return mp.euler
    if abs(x - 2) < TINY:
        return 1 - mp.euler
    return mp.loggamma(x) / ((x - 1) * (x - 2))


def _digamma_quotient(x: mpf) -> mpf:
    near = abs(x - ZERO_OF_DIGAMMA) < TINY
    return mp.polygamma(1, x) if near else mp.digamma(x) / (x - ZERO_OF_DIGAMMA)


def _binet(x: mpf) -> mpf:
    """What Stirling's formula lacks."""
    return mp.loggamma(x) - (x - mpf(1) / 2) * mp.log(x) + x - mp.log(2 * mp.pi) / 2


def _digamma_rest(x: mpf) -> mpf:
    return mp.log(x) - 1 / (2 * x) - mp.digamma(x)


def _bessel_near(order: int) -> Fit:
    """(I(x) / lead - 1) / z in powers of z = x² / 4."""

    def ratio(x: mpf) -> mpf:
        return mp.besseli(order, x) * (2 / x) ** order

    return Fit(
        lambda x: (ratio(x) - 1) / (x * x / 4),
        lambda x: x * x / 4 / ratio(x),
        mpf("1e-3"),
        mpf(8),
        {},
        lambda x: x * x / 4,
    )


def _bessel_far(order: int) -> Fit:
    """I(x) √x exp(-x) in powers of 16 / x - 1, over y = 1 / x."""

    def value(y: mpf) -> mpf:
        return mp.exp(-1 / y) * mp.besseli(order, 1 / y) * mp.sqrt(1 / y)

    return _relative(value, mpf("1e-5"), mpf("0.125"), lambda y: 16 * y - 1)


def _scaled_erfc(x: mpf) -> mpf:
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def _erfcinv_rest(r: mpf) -> mpf:
    """r - erfcinv(2 exp(-r²))."""
    start = r - mp.log(4 * mp.pi * r * r) / (4 * r) if r > 2 else mpf(1)
    return r - mp.findroot(lambda x: mp.log(mp.erfc(x) / 2) + r * r, start)


@cache
def _temme(order: int) -> list[mpf]:
    """The power series of the coefficient of a**-order in N. M. Temme's expansion of the incomplete
    gamma functions (SIAM J. Math. Anal. 10, 1979), in powers of η."""
    if not order:
        return [-mpf(1) / 3, *((n + 2) * _alpha(n + 2) for n in range(1, 120))]
    before = _temme(order - 1)
    factor = (-1) ** order * mp.fac2(2 * order + 1) * _alpha(2 * order + 1)
    pairs = zip(_temme(0), before[2:], strict=False)
    return [factor * one + (n + 2) * other for n, (one, other) in enumerate(pairs)]


@cache
def _alpha(n: int) -> mpf:
    """λ = 1 + Σ α(n) η**n solves η² / 2 = λ - 1 - log λ."""
    if n < 3:
        return mpf(1) / (1, 1, 3)[n]
    products = (j * _alpha(j) * _alpha(n + 1 - j) for j in range(2, n))
    return (_alpha(n - 1) - sum(products)) / (n + 1)


def _temme_fit(order: int) -> Fit:
    def value(x: mpf) -> mpf:
        return mp.polyval(_temme(order)[::-1], x)

    return Fit(value, lambda x: mpf(20) ** -order, mpf("-1.03"), mpf("1.03"), {})


def _atanh_rest(w: mpf) -> mpf:
    """atanh(r) = r + r³ P(w), w = r²."""
    return (mp.atanh(mp.sqrt(w)) / mp.sqrt(w) - 1) / w


def _fits() -> dict[str, tuple[Fit, int]]:
    """Each fit with the number of its terms."""
    middle, four = mpf("1.5"), mpf(4)
    tail = _moebius(four)
    return {
        "rgamma": (
            _relative(lambda t: mp.rgamma(t + middle), mpf("-0.5"), mpf("0.5")),
            16,
        ),
        "stirling": (
            Fit(lambda y: mp.expm1(_binet(1 / y)) / y, lambda y: y, mpf("1e-3"), mpf("0.25"), {}),
            11,
        ),
        "binet": (
            Fit(
                lambda y: _binet(1 / y) / y,
                lambda y: y,
                mpf("1e-3"),
                mpf("0.25"),
                {},
                lambda y: y * y,
            ),
            9,
        ),
        "lgamma": (_over(middle, _log_gamma_quotient, "0.7", "2.6"), 20),
        "digamma": (_over(middle, _digamma_quotient, "0.9", "2.2"), 18),
        "digamma_tail": (
            Fit(
                lambda y: _digamma_rest(1 / y) / y**2,
                lambda y: y**2 / mp.digamma(1 / y),
                mpf("1e-3"),
                mpf("0.25"),
                {},
                lambda y: y * y,
            ),
            9,
        ),
        "i0": (_bessel_near(0), 15),
        "i1": (_bessel_near(1), 14),
        "i0_tail": (_bessel_far(0), 25),
        "i1_tail": (_bessel_far(1), 25),
        "erfcx": (_relative(lambda q: _scaled_erfc(tail(q)), mpf(-1), 1 - mpf("1e-6")), 28),
        "erfcinv": (
            Fit(
                lambda q: _erfcinv_rest(tail(q)),
                lambda q: 1 / (tail(q) - _erfcinv_rest(tail(q))),
                _place(four, "1.58"),
                _place(four, "27.4"),
                {},
            ),
            12,
        ),
        "atanh": (_relative(_atanh_rest, TINY, mpf("0.3")), 16),
    } | {f"temme_{k}": (_temme_fit(k), terms) for k, terms in enumerate(TEMME)}


TEMME = (22, 17, 16, 15, 13, 12, 10, 8, 6, 5)
INTERPOLATED = ("i0_tail", "i1_tail", "erfcx", "atanh", *(f"temme_{k}" for k in range(len(TEMME))))


def interpolated(fit: Fit, terms: int) -> list[mpf]:
    """The polynomial through the values at Chebyshev's nodes, its coefficients rounded."""
    half, center = (fit.high - fit.low) / 2, (fit.low + fit.high) / 2
    angles = [mp.pi * (2 * k + 1) / (2 * terms) for k in range(terms)]
    points = [center + half * mp.cos(angle) for angle in angles]
    rows = mp.matrix([[fit.base(x) ** k for k in range(terms)] for x in points])
    return [mpf(float(c)) for c in mp.lu_solve(rows, mp.matrix([fit.value(x) for x in points]))]


def _error(fit: Fit, coefficients: list[mpf]) -> mpf:
    steps = [fit.low + (fit.high - fit.low) * (k + mpf("0.5")) / 400 for k in range(400)]
    sums = [sum(c * fit.base(x) ** k for k, c in enumerate(coefficients)) for x in steps]
    return max(abs((y - fit.value(x)) * fit.weight(x)) for x, y in zip(steps, sums, strict=True))


def main(names: list[str]) -> None:
    mp.dps = 60
    for name, (fit, terms) in _fits().items():
        if names and name not in names:
            continue
        if name in INTERPOLATED:
            coefficients = interpolated(fit, terms)
        else:
            mp.dps = 50
            coefficients, _ = minimax(fit, terms, "f64")
        print(f"# {name}: error 2**{float(mp.log(_error(fit, coefficients), 2)):.1f}")
        print("(" + "".join(f"\n    {float(c)!r}," for c in coefficients) + "\n)", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
