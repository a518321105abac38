"""The data sets: points in the square from −6 to 6, and what is to be learnt of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct

from ..datasets import generated
from .settings import DataName, Problem, Settings

__all__ = ["COUNT", "DATA_SETS", "LIMIT", "DataSet", "Points", "drawn", "square"]

Array = Any
COUNT, LIMIT = 400, 6.0
_SCALE = 4.0  # from the unit of `sf.datasets` to the square


class DataSet(Struct, frozen=True, eq=False):
    """The problem that it poses, and (count, noise, seed) → f32[count, 2], f32[count].

    The targets of a classification are 0 and 1, those of a regression lie between −1 and 1.
    """

    problem: Problem
    draw: Callable[[int, float, int], tuple[Array, Array]]


class Points(Struct, frozen=True, eq=False):
    """Points f32[n, 2] with their targets f32[n], to train with and to test with."""

    train_x: Array
    train_y: Array
    test_x: Array
    test_y: Array


def drawn(settings: Settings) -> Points:
    """The points of the settings: the same ones whenever data, noise, share and seed are."""
    x, y = DATA_SETS[settings.data].draw(COUNT, settings.noise, settings.seed)
    split = round(COUNT * settings.train_share)
    return Points(x[:split], y[:split], x[split:], y[split:])


def square(size: int) -> Array:
    """The centres of size² cells that fill the square: f32[size², 2], by rows from the top."""
    axis = LIMIT * ((2 * np.arange(size) + 1) / size - 1)
    x1, x2 = np.meshgrid(axis, axis[::-1])
    return np.stack([x1, x2], axis=-1).reshape(-1, 2).astype(np.float32)


def _two_classes(draw: Callable[..., Any], **chosen: Any) -> DataSet:
    """A generated set of two classes, scaled to the square."""

    def points(count: int, noise: float, seed: int) -> tuple[Array, Array]:
        x, labels = draw(count, spread=noise, seed=seed, **chosen)
        return (_SCALE * x).astype(np.float32), labels.astype(np.float32)

    return DataSet("classification", points)


def _function(value: Callable[[Array, Array], Array]) -> DataSet:
    """A function of the plane, known at points anywhere in the square, and not exactly."""

    def points(count: int, noise: float, seed: int) -> tuple[Array, Array]:
        rng = np.random.default_rng(seed)
        x = rng.uniform(-LIMIT, LIMIT, (count, 2))
        y = value(x[:, 0], x[:, 1]) + noise * rng.standard_normal(count)
        return x.astype(np.float32), np.clip(y, -1, 1).astype(np.float32)

    return DataSet("regression", points)


def _plane(x1: Array, x2: Array) -> Array:
    return (x1 + x2) / (2 * LIMIT)


_HILLS = ((-4, 2.5, 1), (0, 2.5, -1), (4, 2.5, 1), (-4, -2.5, -1), (0, -2.5, 1), (4, -2.5, -1))


def _hills(x1: Array, x2: Array) -> Array:
    """Hills and hollows in turn, as Gaussians of unit height."""
    heights = [h * np.exp(-((x1 - a) ** 2 + (x2 - b) ** 2) / 3) for a, b, h in _HILLS]
    return np.sum(heights, axis=0)


def _gauss(count: int, spread: float, seed: int) -> tuple[Array, Array]:
    """Two clouds on the diagonal, which grow into each other with the noise."""
    x, labels = generated.blobs(count, classes=2, spread=0.3 + 2 * spread, seed=seed)
    turned = x @ np.array([[1, 1], [-1, 1]]) / 2
    return (0.9 * turned).astype(np.float32), labels


DATA_SETS: dict[DataName, DataSet] = {
    "circle": _two_classes(generated.circles),
    "xor": _two_classes(generated.xor),
    "gauss": _two_classes(_gauss),
    "spiral": _two_classes(generated.spirals, twist=6.5),
    "moons": _two_classes(generated.moons),
    "plane": _function(_plane),
    "hills": _function(_hills),
}
