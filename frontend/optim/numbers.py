"""The numbers of an optimiser in the element type of the parameter that they are used for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..numpy.shared import convert, traced

__all__ = ["Numbers", "number"]


class Numbers:
    """Settings and derived numbers, all f64, converted when they are asked for."""

    def __init__(self, values: Mapping[str, Any], dtype: DType) -> None:
        self._values, self._dtype = values, dtype

    def __getitem__(self, name: str) -> Any:
        return self.of(self._values[name])

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def of(self, value: Any) -> Any:
        """An f64 number in this element type."""
        return convert(traced(value), self._dtype)

    def mixed(self, name: str, old: Any, new: Any) -> Any:
        """A running mean moved on: old * decay + new * (1 - decay), the decay being `name`."""
        # The difference from 1 is taken in f64: in f32 a decay of 0.999 would lose digits.
        return old + self.of(1.0 - self._values[name]) * (new - old)


def number(value: Any) -> Any:
    """A number as an f64 array of rank 0, which a program takes as an argument."""
    return np.asarray(value, np.float64) if isinstance(value, int | float) else value
