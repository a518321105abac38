"""Random values whose spread follows from how many inputs and outputs a unit has."""

from __future__ import annotations

import math
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError

from ..limits import number
from ..names import remembered
from ..random import normal, truncated_normal, uniform
from .initializer import Initializer, fans

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "VarianceScaling",
]

_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "normal", "uniform")
_SPREAD_OF_TRUNCATED = 0.8796256610342398  # of N(0, 1) between -2 and 2


@remembered
def VarianceScaling(
    scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal"
) -> Initializer:
    """Numbers of variance scale / n, n being how many inputs or outputs there are, or their mean.

    "truncated_normal" (or "normal") cuts off beyond two standard deviations of what it is cut from.

    >>> import symfuse as sf
    >>> values = sf.initializers.VarianceScaling(2.0)(sf.random.key(0), (200, 300))
    >>> round(float(values.var()), 3)
    0.01
    """
    number(0, above=True).expect(scale, "VarianceScaling", "scale")
    for given, known in ((mode, _MODES), (distribution, _DISTRIBUTIONS)):
        if given not in known:
            raise ArgumentError(
                f"{given!r} is not known", fix=f"give one of {known}", loc=user_location()
            )
    return _scaled("variance_scaling", scale, mode, distribution)


@remembered
def GlorotNormal() -> Initializer:
    """Xavier's: a truncated normal distribution of variance 2 / (inputs + outputs).

    >>> import symfuse as sf
    >>> round(float(sf.initializers.GlorotNormal()(sf.random.key(0), (200, 200)).std()), 3)
    0.071
    """
    return _scaled("glorot_normal", 1.0, "fan_avg", "truncated_normal")


@remembered
def GlorotUniform() -> Initializer:
    """Xavier's: uniform between ±√(6 / (inputs + outputs)).

    >>> import symfuse as sf
    >>> bool(abs(sf.initializers.GlorotUniform()(sf.random.key(0), (3, 3))).max() <= 1.0)
    True
    """
    return _scaled("glorot_uniform", 1.0, "fan_avg", "uniform")


@remembered
def HeNormal() -> Initializer:
    """Kaiming's: a truncated normal distribution of variance 2 / inputs, for ReLU.

    >>> import symfuse as sf
    >>> round(float(sf.initializers.HeNormal()(sf.random.key(0), (200, 200)).std()), 2)
    0.1
    """
    return _scaled("he_normal", 2.0, "fan_in", "truncated_normal")


@remembered
def HeUniform() -> Initializer:
    """Kaiming's: uniform between ±√(6 / inputs), for ReLU.

    >>> import symfuse as sf
    >>> bool(abs(sf.initializers.HeUniform()(sf.random.key(0), (6, 3))).max() <= 1.0)
    True
    """
    return _scaled("he_uniform", 2.0, "fan_in", "uniform")


@remembered
def LecunNormal() -> Initializer:
    """LeCun's: a truncated normal distribution of variance 1 / inputs.

    >>> import symfuse as sf
    >>> round(float(sf.initializers.LecunNormal()(sf.random.key(0), (100, 300)).std()), 2)
    0.1
    """
    return _scaled("lecun_normal", 1.0, "fan_in", "truncated_normal")


@remembered
def LecunUniform() -> Initializer:
    """LeCun's: uniform between ±√(3 / inputs).

    >>> import symfuse as sf
    >>> bool(abs(sf.initializers.LecunUniform()(sf.random.key(0), (3, 3))).max() <= 1.0)
    True
    """
    return _scaled("lecun_uniform", 1.0, "fan_in", "uniform")


def _scaled(name: str, scale: float, mode: str, distribution: str) -> Initializer:
    def make(key: Any, shape: tuple[Any, ...], dtype: DType) -> Any:
        inputs, outputs = fans(shape)
        count = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[mode]
        return _drawn(distribution, key, shape, dtype, math.sqrt(scale / max(count, 1)))

    return Initializer(name, make)


def _drawn(kind: str, key: Any, shape: tuple[Any, ...], dtype: DType, spread: float) -> Any:
    """Numbers of mean 0 and this standard deviation."""
    if kind == "uniform":
        limit = math.sqrt(3.0) * spread
        return uniform(key, shape, dtype, -limit, limit)
    if kind == "untruncated_normal":
        return normal(key, shape, dtype) * spread
    return truncated_normal(key, -2.0, 2.0, shape, dtype) * (spread / _SPREAD_OF_TRUNCATED)
