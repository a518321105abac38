"""The modified Bessel functions of the first kind, of order 0 and 1."""

from __future__ import annotations

from ..kernel.number import Number, polynomial, select
from .steps import in_double, within

__all__ = ["i0", "i0e", "i1", "i1e"]

_LARGE = 8.0
_HALVED = 700.0
_OVERFLOW = 1400.0  # from 714 on the results are infinite

# I₀(x) = 1 + z P(z), z = x² / 4, |x| < 8: tools/fit_special.py i0
_I0 = (
    1.0,
    0.2499999999999999,
    0.027777777777778335,
    0.0017361111111100522,
    6.944444444550122e-05,
    1.9290123450413457e-06,
    3.93675991430269e-08,
    6.151186645969804e-10,
    7.594071425327056e-12,
    7.59388075370059e-14,
    6.277825200634582e-16,
    4.34622854783302e-18,
    2.6375174320583207e-20,
    1.1318810348376574e-22,
    9.15528467016832e-25,
)

# I₀(x) = exp(x) P(16 / x - 1) / √x, x ≥ 8: tools/fit_special.py i0_tail
_I0_TAIL = (
    0.4021765094450081,
    0.003360551983667854,
    0.00013621607439232665,
    1.1143033791564964e-05,
    1.4838475473940165e-06,
    2.9735984302092306e-07,
    8.872253459178016e-08,
    3.932602747901627e-08,
    2.1545181774889576e-08,
    7.553496204552171e-09,
    -6.729742726744708e-09,
    -1.3404155167956727e-08,
    -5.468547027509958e-09,
    7.540363082222089e-09,
    7.580139857973731e-09,
    -3.4853609906215043e-09,
    -6.188194724582762e-09,
    1.4973812167445208e-09,
    3.881137428653668e-09,
    -5.55854467435026e-10,
    -1.778967106797631e-09,
    1.4657001777631425e-10,
    5.18219470716861e-10,
    -1.9189214027770423e-11,
    -7.06960583534557e-11,
)

# I₁(x) = x / 2 (1 + z P(z)), z = x² / 4, |x| < 8: tools/fit_special.py i1
_I1 = (
    0.4999999999999997,
    0.08333333333333544,
    0.006944444444439067,
    0.0003472222222289465,
    1.1574074069220995e-05,
    2.755731944552931e-07,
    4.920949185130985e-09,
    6.834666868112859e-11,
    7.593845828022331e-13,
    6.905932135807456e-15,
    5.213440918334415e-17,
    3.436980023729969e-19,
    1.5653869677755733e-21,
    1.3932043811130163e-23,
)

# I₁(x) = exp(x) P(16 / x - 1) / √x, x ≥ 8: tools/fit_special.py i1_tail
_I1_TAIL = (
    0.38939845902587233,
    -0.009749577193235728,
    -0.00021923576383430199,
    -1.5038547201185279e-05,
    -1.8349101134971151e-06,
    -3.483855606524919e-07,
    -1.0001323414831428e-07,
    -4.312935685290368e-08,
    -2.3370599769085292e-08,
    -8.426600667147084e-09,
    6.715809847419465e-09,
    1.4029598676512003e-08,
    6.040842153718738e-09,
    -7.630491554526858e-09,
    -8.044188738068198e-09,
    3.4061687949242887e-09,
    6.487015234651121e-09,
    -1.4166240864851276e-09,
    -4.047845163377547e-09,
    5.142504826551318e-10,
    1.851453065491455e-09,
    -1.3406028728670278e-10,
    -5.388752355701815e-10,
    1.747242177554903e-11,
    7.349026285862951e-11,
)


def _near(size: Number, coefficients: tuple[float, ...]) -> Number:
    z = size * size * 0.25
    return z * polynomial(z, coefficients) + 1.0


def _far(size: Number, coefficients: tuple[float, ...]) -> Number:
    """The function over exp(x)."""
    return polynomial(16.0 / size - 1.0, coefficients) / size.sqrt()


def _grown(far: Number, size: Number) -> Number:
    """Times exp(size), by halves where that overflows before the product does."""
    halved = size > _HALVED
    root = select(halved, size * 0.5, size).emit("exp")
    return far * root * select(halved, root, 1.0)


@in_double
def i0(x: Number) -> Number:
    """I₀(x)."""
    size = abs(x)
    large = _bounded(size)
    far = _grown(_far(large, _I0_TAIL), large)
    near = _near(within(size < _LARGE, size, 0.0), _I0)
    return select(size < _LARGE, near, far)


@in_double
def i0e(x: Number) -> Number:
    """exp(-|x|) I₀(x)."""
    size = abs(x)
    far = _far(within(size >= _LARGE, size, _LARGE), _I0_TAIL)
    small = within(size < _LARGE, size, 0.0)
    near = _near(small, _I0) * (-small).emit("exp")
    return select(size < _LARGE, near, far)


@in_double
def i1(x: Number) -> Number:
    """I₁(x)."""
    size = abs(x)
    large = _bounded(size)
    far = _grown(_far(large, _I1_TAIL), large)
    small = within(size < _LARGE, size, 0.0)
    near = small * (_near(small, _I1) * 0.5)
    return select(size < _LARGE, near, far).with_sign_of(x)


@in_double
def i1e(x: Number) -> Number:
    """exp(-|x|) I₁(x)."""
    size = abs(x)
    far = _far(within(size >= _LARGE, size, _LARGE), _I1_TAIL)
    small = within(size < _LARGE, size, 0.0)
    near = small * (_near(small, _I1) * ((-small).emit("exp") * 0.5))
    return select(size < _LARGE, near, far).with_sign_of(x)


def _bounded(size: Number) -> Number:
    return select(size > _OVERFLOW, size.of(_OVERFLOW), within(size >= _LARGE, size, _LARGE))
