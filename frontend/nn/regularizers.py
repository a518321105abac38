"""Penalties of large weights, which are added to the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct

from ..names import by_name
from ..numpy.shared import common_dtype, convert, traced

__all__ = ["L1", "L1L2", "L2", "regularizer"]


class L1L2(Struct, frozen=True):
    """l1 · Σ|w| + l2 · Σw².

    >>> import symfuse as sf
    >>> float(sf.nn.L1L2(0.5, 0.25)([1.0, -2.0]))
    2.75
    """

    l1: float = 0.0
    l2: float = 0.0

    def __call__(self, weight: Any) -> Any:
        """The penalty of one weight; halves are summed in f32."""
        weight = traced(weight)
        weight = convert(weight, common_dtype(weight).computed)
        parts = []
        if self.l1:
            parts.append(self.l1 * np.sum(np.abs(weight)))
        if self.l2:
            parts.append(self.l2 * np.sum(np.square(weight)))
        return sum(parts[1:], parts[0]) if parts else 0.0 * np.sum(weight)


def L1(l1: float = 0.01) -> L1L2:
    """l1 · Σ|w|.

    >>> import symfuse as sf
    >>> float(sf.nn.L1(0.5)([1.0, -2.0]))
    1.5
    """
    return L1L2(l1=l1)


def L2(l2: float = 0.01) -> L1L2:
    """l2 · Σw².

    >>> import symfuse as sf
    >>> float(sf.nn.L2(0.5)([1.0, -2.0]))
    2.5
    """
    return L1L2(l2=l2)


_KNOWN: dict[str, Callable[[], L1L2]] = {"l1": L1, "l2": L2, "l1_l2": lambda: L1L2(0.01, 0.01)}


def regularizer(identifier: Any) -> Callable[[Any], Any] | None:
    """The penalty of a name such as "l2"; functions of a weight and None as they are.

    >>> import symfuse as sf
    >>> sf.nn.regularizer("l2")
    L1L2(l1=0.0, l2=0.01)
    """
    if identifier is None or callable(identifier):
        return identifier  # type: ignore[no-any-return]
    return by_name("regulariser", identifier, _KNOWN)()
