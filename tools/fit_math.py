"""Fits the polynomials of symfuse's vector mathematics and prints them as Python tables.

    python tools/fit_math.py               every table
    python tools/fit_math.py exp atan      the tables whose names begin so

Each fit is a weighted minimax polynomial by exchange (Remez) in 50 digits. Coefficients are rounded
to the working precision one after the other, lowest power first, and the rest is fitted again
after each rounding: so the error printed is that of the rounded polynomial.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mpmath import mp, mpf

mp.dps = 50

Function = Callable[[mpf], mpf]
ROUNDS = 12
POINTS_PER_TERM = 24


@dataclass(frozen=True, slots=True)
class Fit:
    """`value(x)` ~ sum of c[k] * base(x)**k for low <= x <= high, with errors times `weight(x)`."""

    value: Function
    weight: Function
    low: mpf
    high: mpf
    terms: dict[str, int]
    base: Function = lambda x: x


def _square(x: mpf) -> mpf:
    return x * x


def _odd(function: Function, high: mpf, terms: dict[str, int]) -> Fit:
    """(f(x) - x) / x**3 in powers of x**2, for the relative error of f."""
    return Fit(
        lambda x: (function(x) - x) / x**3,
        lambda x: x**3 / function(x),
        mpf("1e-6"),
        high,
        terms,
        _square,
    )


def _log_quotient(x: mpf) -> mpf:
    return (mp.log1p(x) - x + x * x / 2) / x**3 if x else mpf(1) / 3


def _erfc_scaled(center: int) -> Function:
    """(1 + 2x) exp(x**2) erfc(x), nearly constant, over q = (x - center) / (x + center)."""

    def value(q: mpf) -> mpf:
        x = center * (1 + q) / (1 - q)
        return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)

    return value


def _moebius(center: int, x: str) -> mpf:
    return (mpf(x) - center) / (mpf(x) + center)


LN2 = mp.log(2)
HALF_LN2 = LN2 / 2 * mpf("1.0001")
LOG_LOW, LOG_HIGH = mp.sqrt(mpf(1) / 2) - 1, mp.sqrt(2) - 1
QUARTER, HALF = mp.pi / 4 * mpf("1.0001"), mp.pi / 2 * mpf("1.0001")


def _fits() -> dict[str, Fit]:
    return {
        # e**r = 1 + r + r**2 P(r)
        "exp": Fit(
            lambda r: (mp.expm1(r) - r) / r**2 if r else mpf(1) / 2,
            lambda r: abs(r**2 / mp.expm1(r)) if r else mpf(0),
            -HALF_LN2,
            HALF_LN2,
            {"f32": 5, "expm1_f32": 6, "f64": 10, "expm1_f64": 11},
        ),
        # 2**f = 1 + f P(f)
        "exp2": Fit(
            lambda f: mp.expm1(f * LN2) / f if f else LN2,
            lambda f: abs(f) + mpf("0.01"),
            mpf("-0.5001"),
            mpf("0.5001"),
            {"f32": 7, "f64": 12, "pow_f32": 8},
        ),
        # log(1 + f) = f - f**2 / 2 + f**3 P(f)
        "log": Fit(
            _log_quotient,
            lambda f: f**3 / mp.log1p(f) if f else mpf(0),
            LOG_LOW,
            LOG_HIGH,
            {"f32": 9, "pow_f32": 12},
        ),
        # log((1 + s) / (1 - s)) = 2 s + s z P(z), z = s**2
        "log_ratio": Fit(
            lambda s: (2 * mp.atanh(s) - 2 * s) / s**3,
            lambda s: s**3 / (2 * mp.atanh(s)),
            mpf("1e-6"),
            mpf("0.1717"),
            {"f64": 7},
            _square,
        ),
        # the same for pow, after the term 2/3 s**3: log(...) = 2 s + 2/3 s**3 + s**5 P(z)
        "pow_log": Fit(
            lambda s: (2 * mp.atanh(s) - 2 * s - 2 * s**3 / 3) / s**5,
            lambda s: s**5 / (2 * mp.atanh(s)),
            mpf("1e-4"),
            mpf("0.1717"),
            {"f64": 9},
            _square,
        ),
        "sin": _odd(mp.sin, HALF, {"f32": 5, "f64": 9}),
        "tan_sin": _odd(mp.sin, QUARTER, {"f32": 3, "f64": 6}),
        # cos(r) = 1 - z / 2 + z**2 P(z), z = r**2
        "tan_cos": Fit(
            lambda r: (mp.cos(r) - 1 + r * r / 2) / r**4,
            lambda r: r**4 / mp.cos(r),
            mpf("1e-4"),
            QUARTER,
            {"f32": 3, "f64": 6},
            _square,
        ),
        "tanh": _odd(mp.tanh, mpf("0.626"), {"f32": 5, "f64": 12}),
        "sinh": _odd(mp.sinh, mpf("1.001"), {"f32": 4, "f64": 8}),
        "asin": _odd(mp.asin, mpf("0.5001"), {"f32": 5, "f64": 12}),
        "atan": _odd(mp.atan, mpf("1.0001"), {"f32": 9, "f64": 20}),
        # erf(x) = x + x P(x**2)
        "erf": Fit(
            lambda x: mp.erf(x) / x - 1,
            lambda x: x / mp.erf(x),
            mpf("1e-6"),
            mpf("1.0"),
            {"f32": 7, "f64": 13},
            _square,
        ),
        # erfc(t) = exp(-t - t P(t))
        "erf_tail_f32": Fit(
            lambda t: -mp.log(mp.erfc(t)) / t - 1,
            lambda t: t * mp.erfc(t) / mp.erf(t),
            mpf("0.92"),
            mpf("3.95"),
            {"f32": 7},
        ),
        "erf_tail_f64": Fit(
            lambda t: -mp.log(mp.erfc(t)) / t - 1,
            lambda t: t * mp.erfc(t) / mp.erf(t),
            mpf("0.99"),
            mpf("5.95"),
            {"f64": 18},
        ),
        # (1 + 2x) exp(x**2) erfc(x) = P((x - k) / (x + k)), k = 2 and 4
        "erfc_f32": Fit(
            _erfc_scaled(2),
            lambda q: 1 / _erfc_scaled(2)(q),
            _moebius(2, "0.45"),
            _moebius(2, "10.1"),
            {"f32": 11},
        ),
        "erfc_f64": Fit(
            _erfc_scaled(4),
            lambda q: 1 / _erfc_scaled(4)(q),
            _moebius(4, "0.45"),
            _moebius(4, "27.5"),
            {"f64": 23},
        ),
    }


def rounded(value: mpf, precision: str) -> mpf:
    """The nearest number of the working precision."""
    if precision == "f32":
        return mpf(float(np.float32(float(value))))
    return mpf(float(value))


def minimax(fit: Fit, terms: int, precision: str) -> tuple[list[mpf], mpf]:
    """The rounded coefficients, lowest power first, and their largest weighted error."""
    count = POINTS_PER_TERM * (terms + 1)
    angles = [mp.pi * (2 * k + 1) / (2 * count) for k in range(count)]
    points = [(fit.low + fit.high) / 2 + (fit.high - fit.low) / 2 * mp.cos(a) for a in angles]
    weights = [fit.weight(x) for x in points]
    values = [w * fit.value(x) for w, x in zip(weights, points, strict=True)]
    base = [fit.base(x) for x in points]
    columns = [[w * b**k for w, b in zip(weights, base, strict=True)] for k in range(terms)]
    fixed: list[mpf] = []
    free = [mpf(0)] * (terms + 1)
    while len(fixed) < terms:
        # What is left to fit has the factor base**k: errors alternate but for the sign of that.
        signs = [mp.sign(b) ** len(fixed) for b in base]
        rest = [s * r for s, r in zip(signs, _subtract(values, columns, fixed), strict=True)]
        left = [[s * c for s, c in zip(signs, cs, strict=True)] for cs in columns[len(fixed) :]]
        free = _exchange(left, rest, free[1:])
        fixed.append(rounded(free[0], precision))
    return fixed, _largest(_subtract(values, columns, fixed))


def _subtract(values: list[mpf], columns: list[list[mpf]], by: list[mpf]) -> list[mpf]:
    result = list(values)
    for column, coefficient in zip(columns, by, strict=False):
        result = [r - coefficient * c for r, c in zip(result, column, strict=True)]
    return result


def _exchange(columns: list[list[mpf]], values: list[mpf], first: list[mpf]) -> list[mpf]:
    """Coefficients whose errors have one size and alternating signs; never worse than `first`."""
    terms, count = len(columns), len(values)
    chosen = [round(k * (count - 1) / terms) for k in range(terms + 1)]
    best, least = first, _largest(_subtract(values, columns, first))
    for _ in range(ROUNDS):
        rows = [[c[i] for c in columns] + [(-1) ** k] for k, i in enumerate(chosen)]
        solved = mp.lu_solve(mp.matrix(rows), mp.matrix([values[i] for i in chosen]))
        solution = list(solved)[:terms]
        errors = _subtract(values, columns, solution)
        if _largest(errors) < least:
            best, least = solution, _largest(errors)
        previous, chosen = chosen, _extremes(errors, terms + 1)
        if chosen == previous or len(chosen) <= terms:
            break
    return best


def _largest(errors: list[mpf]) -> mpf:
    return max(abs(error) for error in errors)


def _extremes(errors: list[mpf], wanted: int) -> list[int]:
    """The largest error of each run of one sign; the ends are dropped while there are too many."""
    best: list[int] = []
    for index, error in enumerate(errors):
        if best and (errors[best[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[best[-1]]):
                best[-1] = index
        else:
            best.append(index)
    while len(best) > wanted:
        best.pop(0 if abs(errors[best[0]]) < abs(errors[best[-1]]) else -1)
    return best


def main(prefixes: list[str]) -> None:
    for name, fit in _fits().items():
        if prefixes and not any(name.startswith(prefix) for prefix in prefixes):
            continue
        for label, terms in fit.terms.items():
            precision = "f64" if label == "pow_f32" else label[-3:]
            coefficients, error = minimax(fit, terms, precision)
            print(f"# {name} {label}: error 2**{float(mp.log(error, 2)):.1f}")
            print("(" + "".join(f"\n    {float(c)!r}," for c in coefficients) + "\n)", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
