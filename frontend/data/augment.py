"""Augmentation of batches of pictures [N, rows, columns, …], drawn from a generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, ShapeError

__all__ = ["Augmentation", "crop", "flip", "noise"]

Array = Any
Augmentation = Callable[[np.random.Generator, Array], Array]
"""(generator, batch) → a batch of the same shape and element type."""


def flip(axis: int = 2, probability: float = 0.5) -> Augmentation:
    """Reverse each example along an axis of the batch with a probability; 2 mirrors left and right.

    >>> import numpy as np, symfuse as sf
    >>> x = np.arange(4).reshape(1, 1, 4)
    >>> sf.data.flip(probability=1.0)(np.random.default_rng(0), x)[0, 0]
    array([3, 2, 1, 0])
    """
    _in_unit("probability", probability)

    def flipped(rng: np.random.Generator, x: Array) -> Array:
        _require_axis(x, axis)
        chosen = rng.random(len(x)) < probability
        return np.where(chosen.reshape(-1, *[1] * (x.ndim - 1)), np.flip(x, axis), x)

    return flipped


def crop(padding: int) -> Augmentation:
    """Move each picture by at most `padding` rows and columns; zeros come in at the borders.

    The same as padding with zeros and cutting a piece of the old size out at random.

    >>> import numpy as np, symfuse as sf
    >>> sf.data.crop(1)(np.random.default_rng(0), np.ones((2, 3, 3))).shape
    (2, 3, 3)
    """
    if padding < 0:
        raise ArgumentError(
            f"padding is {padding}", fix="give a number of pixels", loc=user_location()
        )

    def cropped(rng: np.random.Generator, x: Array) -> Array:
        _require_axis(x, 2)
        borders = [(0, 0), (padding, padding), (padding, padding), *[(0, 0)] * (x.ndim - 3)]
        wide = np.pad(x, borders)
        down, right = rng.integers(0, 2 * padding + 1, (2, len(x), 1, 1))
        rows = down + np.arange(x.shape[1])[:, None]
        columns = right + np.arange(x.shape[2])
        return wide[np.arange(len(x))[:, None, None], rows, columns]

    return cropped


def noise(stddev: float) -> Augmentation:
    """Add normal noise to each element; the element type must be a float.

    >>> import numpy as np, symfuse as sf
    >>> x = np.zeros((1, 2), np.float32)
    >>> sf.data.noise(0.1)(np.random.default_rng(0), x).dtype
    dtype('float32')
    """
    if stddev < 0:
        raise ArgumentError(f"stddev is {stddev}", fix="give 0 or more", loc=user_location())

    def noisy(rng: np.random.Generator, x: Array) -> Array:
        if x.dtype.kind != "f":
            raise ArgumentError(
                f"noise cannot be added to {x.dtype}",
                fix="convert the examples first: x.astype(np.float32)",
                loc=user_location(),
            )
        return x + (stddev * rng.standard_normal(x.shape)).astype(x.dtype)

    return noisy


def _in_unit(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ArgumentError(f"{name} is {value}", fix="give 0 to 1", loc=user_location())


def _require_axis(x: Array, axis: int) -> None:
    if x.ndim <= max(axis, 0):
        raise ShapeError(
            f"a batch of shape {x.shape} has no axis {axis}",
            fix="batches have the axes example, row, column, …",
            loc=user_location(),
        )
