"""The incomplete beta function: the share beside the mean is one integral, the other is the rest.

With t/(1 - t) = x/(1 - x) exp(-v), the share below x is a product of powers times an integral of
exp(-g(v)) over v > 0 with a convex g: a Gaussian, an exponential or what lies between. It is cut
off where nothing is left, and the formula of Gauss and Legendre serves for all parameters. Before,
a is raised by recurrence (DLMF 8.17.20), which bounds the range of v. Near an end whose parameter
is small both shares come from a power series (DLMF 8.17.7).
"""

from __future__ import annotations

import math
from fractions import Fraction

from msgspec import Struct

from ..kernel.number import Number, select
from .gamma import binet, binet_fall, gamma_factors, log_gamma_after_one
from .incomplete_gamma import deviation
from .series import Series
from .steps import in_double, split, within

__all__ = ["betainc", "betainc_derivative", "betaincc"]

_LARGE = 4.0  # from which Stirling's formula serves
_CORRECTIONS = 2  # of the place where the integral is cut off
_RAISED = 8  # by which the parameter is raised
_END = 38.0  # g where the integral is cut off: exp(-38) is nothing beside 1
_CORNER, _REACH, _CORNER_SERIES = 0.25, 0.5, 26  # x, b x up to which the series serves; its terms
_MOST = 1e150  # stands for greater parameters
_ROOT_TWO_PI = 2.5066282746310007

# Places and weights in 0..1 of the formula of Gauss and Legendre.
_NODES = (
    (0.00240639000148932, 0.0061706148999936),
    (0.012635722014345251, 0.014265694314466832),
    (0.030862723998633622, 0.022138719408709904),
    (0.056792236497799485, 0.02964929245771839),
    (0.08999900701304854, 0.03667324070554015),
    (0.12993790421072282, 0.04309508076597664),
    (0.17595317403151223, 0.04880932605205694),
    (0.22728926430558022, 0.05372213505798282),
    (0.2831032461869774, 0.0577528340268628),
    (0.3424786601519183, 0.060835236463901696),
    (0.40444056626319186, 0.06291872817341415),
    (0.4679715535686972, 0.06396909767337608),
    (0.5320284464313028, 0.06396909767337608),
    (0.5955594337368082, 0.06291872817341415),
    (0.6575213398480817, 0.060835236463901696),
    (0.7168967538130225, 0.0577528340268628),
    (0.7727107356944197, 0.05372213505798282),
    (0.8240468259684878, 0.04880932605205694),
    (0.8700620957892772, 0.04309508076597664),
    (0.9100009929869515, 0.03667324070554015),
    (0.9432077635022005, 0.02964929245771839),
    (0.9691372760013663, 0.022138719408709904),
    (0.9873642779856547, 0.014265694314466832),
    (0.9975936099985107, 0.0061706148999936),
)


@in_double
def betainc(a: Number, b: Number, x: Number) -> Number:
    """I(a, b, x), the share of the integral of t**(a - 1) (1 - t)**(b - 1) that lies below x."""
    return _shares(a, b, x)[0]


@in_double
def betaincc(a: Number, b: Number, x: Number) -> Number:
    """1 - I(a, b, x), the share above x."""
    return _shares(a, b, x)[1]


@in_double
def betainc_derivative(
    a: Number, b: Number, x: Number, *, orders: tuple[int, int] = (1, 0)
) -> Number:
    """The derivative of I(a, b, x) in a and b of these orders: that of its steps.

    Mixed ones are combined of those along lines, as in A. Griewank, J. Utke, A. Walther: Evaluating
    higher derivative tensors by forward propagation of univariate Taylor series, Mathematics of
    Computation 69 (2000).
    """
    usual = _is_usual(a, b, x)
    given = tuple(within(usual, p, 1.0) for p in (a, b)), within(usual, x, 0.5)
    total = x.of(0.0)
    for line, weight in _lines(*orders):
        total = total + _along(*given, line, sum(orders)) * weight
    return select(usual, total, select(_limits(a, b, x)[2], x.of(0.0), math.nan))


def _along(parameters: tuple[Number, ...], x: Number, line: tuple[int, int], order: int) -> Number:
    """The derivative of I(a + h line[0], b + h line[1], x) in h, of an order."""
    a, b = (
        Series(p.s, p.value, (p.of(float(by)),), order)
        for p, by in zip(parameters, line, strict=True)
    )
    return a.of(_inside(a, b, a.of(x))[0]).derivative


def _lines(in_a: int, in_b: int) -> list[tuple[tuple[int, int], float]]:
    """Lines and factors, with which derivatives along lines add up to a mixed one: that along
    (1, t) is a polynomial in t, of which it is a coefficient."""
    if in_a == 0:
        return [((0, 1), 1.0)]
    places = [(-1) ** k * -(-k // 2) for k in range(in_a + in_b + 1)] if in_b else [0]
    found = []
    for place in places:
        weight = _basis([p for p in places if p != place], place)[in_b]
        if weight:
            found.append(((1, place), float(weight / math.comb(in_a + in_b, in_b))))
    return found


def _basis(others: list[int], place: int) -> list[Fraction]:
    """The coefficients of the polynomial that is 1 at a place and 0 at others."""
    found = [Fraction(1)]
    for other in others:
        shifted, kept = [Fraction(0), *found], [*found, Fraction(0)]
        found = [(p - other * q) / (place - other) for p, q in zip(shifted, kept, strict=True)]
    return found


def _is_usual(a: Number, b: Number, x: Number) -> Number:
    return (a > 0.0) & (b > 0.0) & (x > 0.0) & (x < 1.0) & (a < math.inf) & (b < math.inf)


def _limits(a: Number, b: Number, x: Number) -> tuple[Number, Number, Number]:
    """Where nothing lies below x, where everything does, and where that holds for parameters near
    by as well."""
    left = (a > 0.0) & (b >= 0.0) & (x >= 0.0) & (x < 1.0) & (b < math.inf)
    right = (b > 0.0) & (a >= 0.0) & (x <= 1.0) & (x > 0.0) & (a < math.inf)
    none = left & (x.equals(0.0) | b.equals(0.0) | a.equals(math.inf))
    every = right & (x.equals(1.0) | a.equals(0.0) | b.equals(math.inf))
    return none, every, (none & (b > 0.0)) | (every & (a > 0.0))


def _shares(a: Number, b: Number, x: Number) -> tuple[Number, Number]:
    """Both shares, with their limits and NaN outside."""
    usual, (none, every, _) = _is_usual(a, b, x), _limits(a, b, x)
    lower, upper = _inside(
        within(usual, a, 1.0).emit("min", _MOST),
        within(usual, b, 1.0).emit("min", _MOST),
        within(usual, x, 0.5),
    )

    def limited(value: Number, at_none: float, at_every: float) -> Number:
        outside = select(none, x.of(at_none), select(every, x.of(at_every), math.nan))
        return select(usual, value, outside)

    return limited(lower, 0.0, 1.0), limited(upper, 1.0, 0.0)


def _inside(a: Number, b: Number, x: Number) -> tuple[Number, Number]:
    """Both shares for parameters above 0 and x between 0 and 1."""
    y = 1.0 - x
    distance = _distance(a, b, x, y)
    left = distance <= 0.0
    p, q = select(left, a, b), select(left, b, a)
    near, far = select(left, x, y), select(left, y, x)
    share = _tail(p, q, near, far, select(left, distance, -distance))
    rest = 1.0 - share
    lower, upper = select(left, share, rest), select(left, rest, share)
    above = (b < 1.0) & (y <= _CORNER) & (a * y <= _REACH)
    below = (a < 1.0) & (x <= _CORNER) & (b * x <= _REACH)
    few = within(above | below, select(above, b, a), 0.5)
    many, place = select(above, a, b), select(above, y, x)
    inner, outer = _near_end(
        few, within(above | below, many, 1.0), within(above | below, place, 0.1)
    )
    lower = select(above, outer, select(below, inner, lower))
    return lower, select(above, inner, select(below, outer, upper))


def _distance(a: Number, b: Number, x: Number, y: Number) -> Number:
    """x b - (1 - x) a, which is (a + b) times the distance from the mean, with all digits."""
    lost = _product_error(b, x) - _product_error(a, y) - ((1.0 - y) - x) * a
    return b * x - a * y + lost


def _product_error(p: Number, x: Number) -> Number:
    """What rounding takes from a product: T. J. Dekker, Numerische Mathematik 18 (1971)."""
    first, second, product = split(p.plain), split(x.plain), p.plain * x.plain
    high = first[0] * second[0] - product
    return p.of(first[1] * second[1] + (first[0] * second[1] + (first[1] * second[0] + high)))


def _tail(a: Number, b: Number, x: Number, y: Number, distance: Number) -> Number:
    """The share below x, left of the mean."""
    total, term = a.of(1.0), a.of(1.0)
    for k in range(1, _RAISED + 1):
        term = term * ((a + b + float(k - 1)) * x) / (a + float(k))
        total = total + (term if k < _RAISED else 0.0)
    raised = a + float(_RAISED)
    rest = raised * _integral(raised, b, x, y, distance - y * float(_RAISED))
    return _weight(a, b, x, y, distance) * (total + term * rest)


def _weight(a: Number, b: Number, x: Number, y: Number, distance: Number) -> Number:
    """x**a y**b / (a B(a, b)) by Stirling's formula, with exact factors for small parameters."""
    n = a + b
    exponent = deviation(a, n * x, distance) + deviation(b, n * y, -distance)
    (more, above), (rest, first), (other, second) = (_stirling(p) for p in (n, a, b))
    power = (more - rest - other - exponent).emit("exp") / _ROOT_TWO_PI
    return power * (b / n).sqrt() / a.sqrt() * above / first / second


def _stirling(x: Number) -> tuple[Number, Number]:
    """The logarithm and a factor of Γ(x) exp(x) x**(1/2 - x) / √(2π)."""
    small = x < _LARGE
    near = within(small, x, 1.0)
    left, right = gamma_factors(near)
    factor = left * right * near.emit("exp") / near.emit("pow", near - 0.5) / _ROOT_TWO_PI
    return select(small, 0.0, binet(within(~small, x, _LARGE))), select(small, factor, 1.0)


def _integral(a: Number, b: Number, x: Number, y: Number, distance: Number) -> Number:
    """∫ exp(-g(v)) dv, v > 0, with g(v) = a v + (a + b) log(1 - x + x exp(-v))."""
    path = _Path(a.plain, b.plain, x.plain, y.plain, distance.plain)
    end, total = path.end(), a.of(0.0)
    for place, weight in _NODES:
        rise, first, second = path.bends(end * place)
        total = total + (distance * rise - a * first - b * second).emit("exp") * weight
    return total * end


class _Path(Struct, frozen=True):
    """The integrand at numbers that do not vary: where it is read is no part of its derivatives."""

    a: Number
    b: Number
    x: Number
    y: Number
    distance: Number

    def bends(self, v: Number) -> tuple[Number, Number, Number]:
        """What the distance, a and b are multiplied with in g: g is a sum of terms above 0."""
        share = -(-v).emit("expm1")
        below = self.y + self.x * (1.0 - share)
        rise = share / below
        fall, growth = -self.y * rise, self.x * rise
        one = v.of(1.0)
        return (
            rise,
            deviation(one, (1.0 - share) / below, fall),
            deviation(one, 1.0 / below, growth),
        )

    def end(self) -> Number:
        """The v where g is about 38: that of a parabola, corrected as if g were a power."""
        slope, n = -self.distance, self.a + self.b
        curve = n * self.x * self.y * (2.0 * _END)
        parabola = (slope + (slope * slope + curve).sqrt()) * (1 / (2.0 * _END))
        most = (_END - n * self.y.emit("log")) / self.a
        v = (1.0 / parabola).emit("min", most)
        for _ in range(_CORRECTIONS):
            v = self.corrected(v).emit("min", most)
        return v

    def corrected(self, v: Number) -> Number:
        """Where g would be 38 if it were a power of v, the one that it is like at v."""
        rise, first, second = self.bends(v)
        found = self.a * first + self.b * second - self.distance * rise
        fall = (-v).emit("exp")
        slope = (self.a * self.y - self.b * self.x * fall) / (self.y + self.x * fall)
        return v * ((found * (1 / _END)).emit("log") * (-found) / (v * slope)).emit("exp")


def _near_end(a: Number, b: Number, x: Number) -> tuple[Number, Number]:
    """Both shares for small a, x and b x, of which all digits are kept."""
    total, term = x.of(0.0), x.of(1.0)
    for k in range(1, _CORNER_SERIES + 1):
        term = term * ((float(k) - b) * (1.0 / k)) * x
        total = total + term / (a + float(k))
    exponent = a * x.emit("log") - log_gamma_after_one(a) - _log_fall(b, a)
    change = a * total
    power = exponent.emit("exp")
    return power * (change + 1.0), -exponent.emit("expm1") - power * change


def _log_fall(x: Number, step: Number) -> Number:
    """log(Γ(x) / Γ(x + step)), with all digits for a small step."""
    far = x + _LARGE
    growth = step / (x + 1.0)
    for k in range(2, int(_LARGE)):
        more = step / (x + float(k))
        growth = growth + more + growth * more
    near = (step / x).emit("log1p") + growth.emit("log1p")
    bend = (step / far).emit("log1p") * (far + step - 0.5)
    return near + binet_fall(far, step) + step - step * far.emit("log") - bend
