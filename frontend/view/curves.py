"""Curves of numbers over epochs, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from .palette import frame_hue
from .svg import document

__all__ = ["curves"]

WIDTH, HEIGHT, LEFT, BELOW = 560.0, 300.0, 66.0, 46.0
Points = Sequence[tuple[float, float]]


def curves(series: Mapping[str, Points], across: str = "", title: str = "") -> str:
    """A line for each series; values that are not finite are left out.

    >>> curves({"loss": [(1, 0.5), (2, 0.25)]}).startswith("<svg")
    True
    """
    known = {
        name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in series.items()
    }
    every = [point for points in known.values() for point in points] or [(0.0, 0.0)]
    frame = _Frame(every)
    parts = [*frame.grid(across)]
    for at, (name, points) in enumerate(known.items()):
        parts += _line(frame, at, name, points)
    return document(parts, WIDTH + 150, HEIGHT + BELOW, title or ", ".join(known))


class _Frame:
    """Where numbers lie in the picture."""

    def __init__(self, points: Points) -> None:
        self.low_x, self.high_x = _span([x for x, _ in points])
        self.low_y, self.high_y = _span([y for _, y in points])

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.low_x) / (self.high_x - self.low_x)
        up = (y - self.low_y) / (self.high_y - self.low_y)
        return LEFT + across * (WIDTH - LEFT), HEIGHT * (1 - up)

    def grid(self, across: str) -> Iterator[str]:
        for quarter in range(5):
            value = self.low_y + (self.high_y - self.low_y) * quarter / 4
            y = HEIGHT * (1 - quarter / 4)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            place = f'text-anchor="end" x="{LEFT - 8}" y="{y + 4:.1f}"'
            yield f'<text class="d" {place}>{value:.3g}</text>'
            number = self.low_x + (self.high_x - self.low_x) * quarter / 4
            x = LEFT + (WIDTH - LEFT) * quarter / 4
            place = f'text-anchor="middle" x="{x:.1f}" y="{HEIGHT + 18}"'
            yield f'<text class="d" {place}>{number:.3g}</text>'
        place = f'text-anchor="middle" x="{(LEFT + WIDTH) / 2:.1f}" y="{HEIGHT + 38}"'
        yield f'<text class="d" {place}>{escape(across)}</text>'


def _line(frame: _Frame, at: int, name: str, points: Points) -> Iterator[str]:
    style = f"hsl({frame_hue(at)} 62% 48%)"
    places = [frame.place(x, y) for x, y in points]
    if len(places) == 1:
        (x, y), *_ = places
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{style}"/>'
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{style}" stroke-width="1.8"/>'
    y = 12 + 20 * at
    yield f'<rect x="{WIDTH + 14}" y="{y - 8}" width="14" height="4" rx="2" fill="{style}"/>'
    yield f'<text class="d" x="{WIDTH + 34}" y="{y}">{escape(name)}</text>'


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
