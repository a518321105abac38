"""symfuse's own vector mathematics, written over the scalar instructions of any target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import error, exponential, hyperbolic, inverse, logarithm, power, roots, steps, trigonometric

__all__ = ["FORMULAS"]

_ALL: tuple[Callable[..., Any], ...] = (
    exponential.exp,
    exponential.exp2,
    exponential.expm1,
    logarithm.log,
    logarithm.log2,
    logarithm.log10,
    logarithm.log1p,
    trigonometric.sin,
    trigonometric.cos,
    trigonometric.tan,
    inverse.asin,
    inverse.acos,
    inverse.atan,
    inverse.atan2,
    hyperbolic.sinh,
    hyperbolic.cosh,
    hyperbolic.tanh,
    hyperbolic.asinh,
    hyperbolic.acosh,
    hyperbolic.atanh,
    error.erf,
    error.erfc,
    power.pow,
    roots.rsqrt,
    roots.cbrt,
    roots.hypot,
    steps.nextafter,
    steps.fmod,
    steps.mod,
    steps.floordiv,
)

FORMULAS: Mapping[str, Callable[..., Any]] = {formula.__name__: formula for formula in _ALL}
