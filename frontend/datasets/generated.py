"""Data sets that are drawn from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["blobs", "circles", "moons", "sentences", "shapes", "spirals", "xor"]

Pair = tuple[Any, Any]


def blobs(count: int = 300, classes: int = 3, spread: float = 0.5, seed: int = 0) -> Pair:
    """Normal clouds around the corners of a regular polygon: f32[count, 2], i64[count]."""
    rng, labels = _drawn(count, classes, seed)
    angle = 2 * np.pi * labels / classes
    return _points(rng, 2 * np.cos(angle), 2 * np.sin(angle), spread), labels


def moons(count: int = 300, spread: float = 0.1, seed: int = 0) -> Pair:
    """Two half circles that reach into each other: f32[count, 2], i64[count]."""
    rng, labels = _drawn(count, 2, seed)
    angle, side = np.pi * rng.random(count), 1 - 2 * labels
    return _points(
        rng, labels - 0.5 + side * np.cos(angle), side * (np.sin(angle) - 0.25), spread
    ), labels


def circles(count: int = 300, spread: float = 0.1, seed: int = 0) -> Pair:
    """A small ring inside a large one: f32[count, 2], i64[count]."""
    rng, labels = _drawn(count, 2, seed)
    angle, radius = 2 * np.pi * rng.random(count), 0.4 + labels
    return _points(rng, radius * np.cos(angle), radius * np.sin(angle), spread), labels


def xor(count: int = 300, spread: float = 0.1, seed: int = 0) -> Pair:
    """Points of a square, labelled by whether their signs differ: f32[count, 2], i64[count]."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1, 1, (2, count))
    labels = (x * y < 0).astype(np.int64)
    return _points(rng, x, y, spread), labels


def spirals(
    count: int = 300, classes: int = 2, spread: float = 0.05, seed: int = 0, twist: float = 3.0
) -> Pair:
    """Arms that wind around each other: f32[count, 2], i64[count].

    An arm reaches from radius 0.1 to 1.5, and turns by `twist` radians for each unit of it.
    """
    rng, labels = _drawn(count, classes, seed)
    radius = 0.1 + 1.4 * rng.random(count)
    angle = 2 * np.pi * labels / classes + twist * radius
    return _points(rng, radius * np.cos(angle), radius * np.sin(angle), spread), labels


_WORDS = {
    "article": ("the", "a", "one"),
    "adjective": ("small", "red", "quiet", "old", "bright"),
    "noun": ("cat", "tree", "river", "stone", "bird", "cloud"),
    "verb": ("sees", "follows", "likes", "finds", "meets"),
}
_FORM = ("article", "adjective", "noun", "verb", "article", "noun")


def sentences(count: int = 500, seed: int = 0) -> str:
    """Sentences of one small grammar, in lower case: text for models of language.

    >>> import symfuse as sf
    >>> len(sf.datasets.sentences(3).split("."))
    4
    """
    rng = np.random.default_rng(seed)
    return "".join(
        " ".join(_WORDS[part][rng.integers(len(_WORDS[part]))] for part in _FORM) + ". "
        for _ in range(count)
    )


def shapes(count: int = 200, size: int = 16, seed: int = 0) -> tuple[Any, Any, Any]:
    """Pictures with one shape each: f32[count, size, size, 1], its kind and its box.

    Kinds i64[count]: 0 is a filled square, 1 a disc, 2 a cross. Boxes f32[count, 4]: (y0, x0, y1,
    x1) in pixels.
    """
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, count)
    radius = rng.integers(size // 6 + 1, size // 4 + 1, count)
    centres = np.stack([rng.integers(r, size - r, 2) for r in radius])
    pictures = np.stack(
        [_shape(*given, size) for given in zip(kinds, radius, centres, strict=True)]
    )
    boxes = np.concatenate([centres - radius[:, None], centres + radius[:, None]], axis=1)
    noisy = pictures + 0.1 * rng.standard_normal(pictures.shape)
    return noisy[..., None].astype(np.float32), kinds.astype(np.int64), boxes.astype(np.float32)


def _shape(kind: int, radius: int, centre: Any, size: int) -> Any:
    places = np.arange(size) + 0.5
    down, right = np.abs(places[:, None] - centre[0]), np.abs(places - centre[1])
    square = np.maximum(down, right) < radius
    masks = (square, down**2 + right**2 < radius**2, square & (np.minimum(down, right) < 1.1))
    return masks[kind].astype(float)


def _drawn(count: int, classes: int, seed: int) -> tuple[np.random.Generator, Any]:
    rng = np.random.default_rng(seed)
    return rng, rng.permutation(np.arange(count) % classes)


def _points(rng: np.random.Generator, x: Any, y: Any, spread: float) -> Any:
    points = np.stack([x, y], axis=1)
    return (points + spread * rng.standard_normal(points.shape)).astype(np.float32)
