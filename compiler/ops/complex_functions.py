"""Functions of complex numbers by formulas over their parts, with the branch cuts of C99.

Each is accurate wherever its result can be represented, near cuts and poles too: the inverse
functions are those of Kahan ("Branch cuts for complex elementary functions", 1987), the quotient is
Smith's. A part that is zero stays zero times whatever, as Annex G of C99 has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from symfuse.runtime.dtypes import DType

from ..ir.op import operations
from .kinds import filled, like
from .pairs import Pair

__all__ = [
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "equal", "exp", "expm1",
    "log", "log1p", "not_equal", "power", "quotient", "reciprocal", "scaled_exp", "scaled_log",
    "sin", "sinh", "sqrt", "square", "tan", "tanh",
]  # fmt: skip

_MOST_FACTORS = 64  # of a constant whole exponent that is multiplied out


class _Real:
    """The operations on reals, by their names."""

    def __getattr__(self, name: str) -> Any:
        return operations[name]


real = _Real()


def _where(condition: Any, x: Pair, y: Pair) -> Pair:
    return Pair(real.select(condition, x.re, y.re), real.select(condition, x.im, y.im))


def _times(x: Any, y: Any) -> Any:
    """The product, but ±0 times anything, even ∞ and NaN, is ±0; NaN has no sign."""
    signed = real.select(real.isnan(x), y, y * real.copysign(like(1, x), x))
    return real.select(real.equal(y, 0), signed, x * y)


def equal(x: Pair, y: Pair) -> Any:
    """Whether both parts are equal."""
    return real.logical_and(real.equal(x.re, y.re), real.equal(x.im, y.im))


def not_equal(x: Pair, y: Pair) -> Any:
    """Whether some part differs."""
    return real.logical_or(real.not_equal(x.re, y.re), real.not_equal(x.im, y.im))


def square(z: Pair) -> Pair:
    """The square: nothing cancels that has been rounded. A real part of zero is +0."""
    return Pair((z.re - z.im) * (z.re + z.im) + 0, 2 * z.re * z.im)


def _divisor(y: Pair) -> tuple[Any, Any, Any]:
    """Whether the real part is the greater one, what the other is of it, and |y|² by it."""
    first = real.greater_equal(real.abs(y.re), real.abs(y.im))
    great, small = real.select(first, y.re, y.im), real.select(first, y.im, y.re)
    ratio = small / great
    return first, ratio, great + small * ratio


def quotient(x: Pair, y: Pair) -> Pair:
    """Smith's: divided by the greater part of y first, so that nothing overflows on the way."""
    size = y.each(real.abs)
    first, ratio, divisor = _divisor(y)
    scale = 1 / divisor
    above = real.select(first, x.re + x.im * ratio, x.re * ratio + x.im)
    below = real.select(first, x.im - x.re * ratio, x.im * ratio - x.re)
    is_zero = real.equal(real.maximum(size.re, size.im), 0)
    return _where(is_zero, Pair(x.re / size.re, x.im / size.re), Pair(above * scale, below * scale))


def reciprocal(z: Pair) -> Pair:
    """One by z, Smith's; of zero no number, as NumPy has it, which 1 / z does not."""
    first, ratio, divisor = _divisor(z)
    one = like(1, z.re)
    above, below = real.select(first, one, ratio), real.select(first, ratio, one)
    return Pair(above / divisor, -below / divisor)


def _is_lost(z: Pair) -> Any:
    """Whether the real part is ±∞ and the angle no number."""
    return real.logical_and(real.isinf(z.re), real.logical_not(real.isfinite(z.im)))


def _far_out(z: Pair, limit: Any, found: Any) -> Any:
    """The real part of what grows with that of z: at ±∞ its limit, if the angle is no number."""
    return real.select(_is_lost(z), limit, found)


def _is_infinite(z: Pair) -> Any:
    """Whether some part is ±∞, whatever the other one is."""
    return real.logical_or(real.isinf(z.re), real.isinf(z.im))


def exp(z: Pair) -> Pair:
    """In two equal factors, as the sine or cosine may bring back what has overflown."""
    half = real.exp(0.5 * z.re)
    sine, cosine = _times(half, real.sin(z.im)), _times(half, real.cos(z.im))
    found = Pair(_far_out(z, z.re, _times(half, cosine)), _times(half, sine))
    vanishes = real.logical_and(real.equal(half, 0), _is_lost(z))
    found = _where(vanishes, Pair(half, half * real.copysign(like(1, half), z.im)), found)
    return _where(real.equal(z.im, 0), Pair(real.exp(z.re), z.im), found)


def scaled_exp(base: float) -> Callable[[Pair], Pair]:
    """The powers of a base."""
    return lambda z: exp(z.scaled(math.log(base)))


def expm1(z: Pair) -> Pair:
    """Exact near 0: cos y - 1 is -2·sin²(y/2)."""
    half, grown = real.sin(0.5 * z.im), real.expm1(z.re)
    return Pair(_far_out(z, grown, grown * real.cos(z.im) - 2 * half * half), exp(z).im)


def _log_size(x: Any, y: Any, x_less_1: Any) -> Any:
    """log √(x² + y²), near 1 by how far x² + y² is from it; `x_less_1` is x - 1 for x ≥ 0."""
    great, small = real.maximum(x, y), real.minimum(x, y)
    excess = real.select(real.greater_equal(x, y), x_less_1, y - 1)
    near = 0.5 * real.log1p(excess * (great + 1) + small * small)
    half = real.log(real.hypot(0.5 * x, 0.5 * y)) + math.log(2)
    is_near = real.logical_and(real.greater(great, 0.5), real.less(great, 1.5))
    far = real.select(real.greater(great, 1e30), half, real.log(real.hypot(x, y)))
    return real.select(is_near, near, far)


def log(z: Pair) -> Pair:
    """The logarithm of the absolute value, and the angle."""
    size = z.each(real.abs)
    return Pair(_log_size(size.re, size.im, size.re - 1), real.atan2(z.im, z.re))


def scaled_log(base: float) -> Callable[[Pair], Pair]:
    """The logarithm to a base."""
    return lambda z: log(z).scaled(1 / math.log(base))


def log1p(z: Pair) -> Pair:
    """Exact near 0: what 1 + x loses of x is not needed."""
    x = 1 + z.re
    excess = real.select(real.less(x, 0), -x - 1, z.re)
    return Pair(_log_size(real.abs(x), real.abs(z.im), excess), real.atan2(z.im, x))


def sqrt(z: Pair) -> Pair:
    """The root with a real part ≥ 0; scaled, so that the absolute value does not overflow."""
    is_great = real.greater(real.maximum(*_sizes(z)), 1e30)
    down = real.select(is_great, like(0.0625, z.re), like(16.0, z.re))
    up = real.select(is_great, like(4.0, z.re), like(0.25, z.re))
    w = Pair(z.re * down, z.im * down)
    root = real.sqrt(0.5 * (real.abs(w.re) + real.hypot(w.re, w.im)))
    other = real.abs(w.im) / (2 * root)
    is_right = real.greater_equal(w.re, 0)
    found = Pair(
        up * real.select(is_right, root, other),
        real.copysign(up * real.select(is_right, other, root), z.im),
    )
    found = _where(real.equal(root, 0), Pair(root, z.im), found)
    return _where(real.isinf(z.im), Pair(real.abs(z.im), z.im), found)


def _sizes(z: Pair) -> tuple[Any, Any]:
    return real.abs(z.re), real.abs(z.im)


def sinh(z: Pair) -> Pair:
    """sinh x·cos y + i·cosh x·sin y."""
    sine = _times(real.cos(z.im), real.sinh(z.re))
    return Pair(_far_out(z, z.re, sine), _times(real.cosh(z.re), real.sin(z.im)))


def cosh(z: Pair) -> Pair:
    """cosh x·cos y + i·sinh x·sin y."""
    sine = real.sin(z.im)
    imaginary = _times(sine, real.sinh(z.re))
    cosine = real.cosh(z.re) * real.cos(z.im)
    return Pair(
        _far_out(z, real.abs(z.re), cosine),
        real.select(real.equal(sine, 0), _times(real.sinh(z.re), sine), imaginary),
    )


def sin(z: Pair) -> Pair:
    """The hyperbolic sine, turned."""
    return sinh(z.turned).turned_back


def cos(z: Pair) -> Pair:
    """The hyperbolic cosine, turned."""
    return cosh(z.turned)


def tanh(z: Pair) -> Pair:
    """Kahan's: by the tangent of y and the sine of x; far out it is ±1 but for an exponential."""
    limit = 22.0 if z.re.dtype is DType.F32 else 177.0
    tangent, sine = real.tan(z.im), real.sinh(z.re)
    widened = 1 + tangent * tangent
    below = 1 + widened * sine * sine
    near = Pair(widened * real.sqrt(1 + sine * sine) * sine / below, tangent / below)
    size = real.abs(z.re)
    tail = 4 * _times(real.sin(z.im) * real.cos(z.im), real.exp(-2 * size))
    far = Pair(real.copysign(like(1, z.re), z.re), tail)
    found = _where(real.greater(size, limit), far, near)
    lost = real.logical_not(real.logical_or(real.isfinite(z.im), real.isinf(z.re)))
    nan = like(math.nan, z.re)
    found = _where(lost, Pair(real.select(real.equal(z.re, 0), z.re, nan), nan), found)
    return Pair(found.re, real.select(real.equal(z.im, 0), z.im, found.im))


def tan(z: Pair) -> Pair:
    """The hyperbolic tangent, turned."""
    return tanh(z.turned).turned_back


def _roots(z: Pair) -> tuple[Pair, Pair]:
    """The roots of 1 - z and 1 + z, where a zero in z keeps its sign."""
    return sqrt(Pair(1 - z.re, -z.im)), sqrt(Pair(1 + z.re, z.im))


def asin(z: Pair) -> Pair:
    """Kahan's: no difference of what has been rounded. On the imaginary axis the real part is that
    of z; infinitely far out it is the angle, and the imaginary part infinite."""
    less, more = _roots(z)
    found = Pair(real.atan2(z.re, (less * more).re), real.asinh((less.conjugate * more).im))
    outside = Pair(real.atan2(z.re, real.abs(z.im)), _infinite(z.im))
    found = Pair(real.select(real.equal(z.re, 0), z.re, found.re), found.im)
    return _where(_is_infinite(z), outside, found)


def _infinite(sign: Any) -> Any:
    return real.copysign(like(math.inf, sign), sign)


def acos(z: Pair) -> Pair:
    """Kahan's, as `asin`."""
    less, more = _roots(z)
    found = Pair(2 * real.atan2(less.re, more.re), real.asinh((more.conjugate * less).im))
    outside = Pair(real.atan2(real.abs(z.im), z.re), -_infinite(z.im))
    right = like(math.pi / 2, z.re)
    found = Pair(real.select(real.equal(z.re, 0), right, found.re), found.im)
    return _where(_is_infinite(z), outside, found)


def asinh(z: Pair) -> Pair:
    """The inverse sine, turned."""
    return asin(z.turned).turned_back


def acosh(z: Pair) -> Pair:
    """The inverse cosine, turned into the right half."""
    found = acos(z)
    return Pair(real.abs(found.im), real.copysign(found.re, z.im))


def atanh(z: Pair) -> Pair:
    """By logarithm and angle of the quotient (1 + z) / (1 - z), in the first quadrant. Far out it
    is 1 / z and a right angle; beside the poles squares of distances would vanish."""
    x, y = _sizes(z)
    distance, right = real.hypot(1 - x, y), like(math.pi / 2, x)
    size = 0.25 * real.log1p(4 * (x / ((1 - x) * (1 - x) + y * y)))
    near = 0.5 * (math.log(2) - real.log(distance))
    found = Pair(
        real.select(real.less(distance, 1e-17), near, size),
        0.5 * real.atan2(2 * y, (1 - x) * (1 + x) - y * y),
    )
    far = reciprocal(z).each(real.abs)
    is_far = real.greater(real.maximum(x, y), 1e9)
    found = _where(is_far, Pair(far.re, right - far.im), found)
    outside = Pair(like(0, x), real.select(real.isnan(y), y, right))
    found = _where(_is_infinite(z), outside, found)
    size = real.select(real.equal(x, 0), x, found.re)
    return Pair(real.copysign(size, z.re), real.copysign(found.im, z.im))


def atan(z: Pair) -> Pair:
    """The inverse hyperbolic tangent, turned."""
    return atanh(z.turned).turned_back


def power(z: Pair, w: Pair) -> Pair:
    """exp(w·log z); a whole number as exponent is multiplied out; z⁰ = 1, and 0 to a power with a
    positive real part is 0."""
    count = _whole(w)
    if count is not None:
        return _multiplied_out(z, count)
    one, zero, nan = (like(n, z.re) for n in (1, 0, math.nan))
    found = exp(w * log(z))
    none = real.select(real.greater(w.re, 0), zero, nan)
    is_zero = real.logical_and(real.equal(z.re, 0), real.equal(z.im, 0))
    found = _where(is_zero, Pair(none, none), found)
    is_first = real.logical_and(real.equal(w.re, 0), real.equal(w.im, 0))
    return _where(is_first, Pair(one, zero), found)


def _whole(w: Pair) -> int | None:
    re, im = w.re.number, w.im.number
    is_whole = im == 0 and re is not None and re == int(re) if _is_finite(re) else False
    return int(re) if is_whole and abs(re) <= _MOST_FACTORS else None


def _is_finite(number: Any) -> bool:
    return number is not None and math.isfinite(number)


def _multiplied_out(z: Pair, count: int) -> Pair:
    """The power by squaring."""
    found: Pair | None = None
    factor, left = z, abs(count)
    while left:
        if left & 1:
            found = factor if found is None else found * factor
        left >>= 1
        factor = square(factor) if left else factor
    if found is None:
        return Pair(filled(1, z.re.type), filled(0, z.re.type))
    return found if count > 0 else reciprocal(found)
