"""Layers of several values: called with a list of them."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from ..losses.distances import unit
from ..numpy.creation import full
from ..numpy.products import contract
from ..numpy.shared import normal_axis
from .layer import Layer, Stepwise
from .masks import every
from .scope import Scope

__all__ = ["Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"]


class _Merging(Stepwise):
    """A layer of several values of one shape: steps count that do in all of them."""

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return every(mask)


class Add(_Merging):
    """The sum of all values.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> sf.nn.Add().apply({}, {}, [np.ones(2), np.ones(2)])[0].tolist()
    [2.0, 2.0]
    """

    def call(self, scope: Scope, inputs: Any) -> Any:
        return reduce(np.add, several(self, inputs))


class Subtract(_Merging):
    """The first value minus the second."""

    def call(self, scope: Scope, inputs: Any) -> Any:
        first, second = several(self, inputs, 2, 2)
        return first - second


class Multiply(_Merging):
    """The product of all values, element by element."""

    def call(self, scope: Scope, inputs: Any) -> Any:
        return reduce(np.multiply, several(self, inputs))


class Average(_Merging):
    """The mean of all values."""

    def call(self, scope: Scope, inputs: Any) -> Any:
        return reduce(np.add, several(self, inputs)) * (1.0 / len(inputs))


class Maximum(_Merging):
    """The greatest of the values at each place."""

    def call(self, scope: Scope, inputs: Any) -> Any:
        return reduce(np.maximum, several(self, inputs))


class Minimum(_Merging):
    """The least of the values at each place."""

    def call(self, scope: Scope, inputs: Any) -> Any:
        return reduce(np.minimum, several(self, inputs))


class Concatenate(Stepwise):
    """The values one behind the other along an axis; along that of time, their masks, too."""

    axis: int = -1

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None or normal_axis(self.axis, inputs[0].ndim) != 1:
            return every(mask)
        pairs = zip(inputs, mask, strict=True)
        return np.concatenate(
            [full(x.shape[:2], True) if own is None else own for x, own in pairs], axis=1
        )

    def call(self, scope: Scope, inputs: Any) -> Any:
        return np.concatenate(several(self, inputs), axis=self.axis)


class Dot(Layer):
    """Σ x · y along an axis of each, for every example; with `normalize`, of unit vectors.

    The result has the other axes of x, then those of y, and at least one.
    """

    axes: Any
    normalize: bool = False

    def call(self, scope: Scope, inputs: Any) -> Any:
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        pairs = zip(several(self, inputs, 2, 2), axes, strict=True)
        x, y = (np.moveaxis(one, axis, -1) for one, axis in pairs)
        if self.normalize:
            x, y = unit(x), unit(y)
        found = contract(x, y, batch=((0,), (0,)), contracting=((x.ndim - 1,), (y.ndim - 1,)))
        return np.expand_dims(found, -1) if found.ndim == 1 else found


def several(layer: Any, inputs: Any, least: int = 1, most: int | None = None) -> list[Any]:
    """The values that a layer is called with, in a list, as many as it takes."""
    count = len(inputs) if isinstance(inputs, list | tuple) else 0
    if count < least or (most is not None and count > most):
        wanted = f"{least} values" if most == least else f"{least} values or more"
        given = f"{count} values" if count else f"what is no list: {inputs!r}"
        raise ArgumentError(
            f"{layer.name or type(layer).__name__} is called with {given}",
            fix=f"call it with a list of {wanted}, as in layer([x, y])",
            loc=user_location(),
        )
    return list(inputs)
