"""Small pictures: curves as SVG, grids of grey images and coloured planes as PNG."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from symfuse.view.curves import curves as draw_curves

__all__ = ["curves", "grid", "plane", "png"]

COLOURS = np.array([(47, 111, 237), (232, 115, 12), (22, 145, 74), (139, 70, 224)])


def grid(images: Any, columns: int, scale: int = 4) -> bytes:
    """Images [N, rows, columns] side by side, from the least value in black to the greatest."""
    images = np.asarray(images, float)
    count, height, width = images.shape
    rows = -(-count // columns)
    low, high = images.min(), images.max()
    sheet = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1), 90, np.uint8)
    for at, image in enumerate(images):
        top, left = (
            part * (size + 1) + 1
            for part, size in zip(divmod(at, columns), image.shape, strict=True)
        )
        tones = 255 * (image - low) / max(high - low, 1e-12)
        sheet[top : top + height, left : left + width] = tones
    return png(np.repeat(np.repeat(sheet, scale, 0), scale, 1))


def plane(scores: Any, points: Any, labels: Any, limit: float, size: int = 240) -> bytes:
    """Which class has the highest of `scores(points)[N, classes]` in a square, and examples."""
    axis = np.linspace(-limit, limit, size)
    places = np.stack(np.meshgrid(axis, axis[::-1]), -1).reshape(-1, 2).astype(np.float32)
    shown = np.asarray(scores(places)).reshape(size, size, -1)
    if shown.shape[-1] == 1:
        shown = np.concatenate([-shown, shown], -1)
    picture = (0.35 * COLOURS[shown.argmax(-1)] + 0.65 * 255).astype(np.uint8)
    scaled = (np.asarray(points) * [1, -1] + limit) * (size - 1) / (2 * limit)
    for (x, y), label in zip(scaled.round().astype(int), labels, strict=True):
        if 1 <= x < size - 1 and 1 <= y < size - 1:
            picture[y - 1 : y + 2, x - 1 : x + 2] = COLOURS[int(label)]
    return png(picture)


def png(pixels: Any) -> bytes:
    """uint8[rows, columns], grey, or uint8[rows, columns, 3], as a PNG file."""
    pixels = np.asarray(pixels, np.uint8)
    kind = 0 if pixels.ndim == 2 else 2
    rows = pixels.reshape(len(pixels), -1)
    filtered = np.concatenate([np.zeros((len(rows), 1), np.uint8), rows], 1).tobytes()
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, kind, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(filtered, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def curves(
    series: Mapping[str, Any],
    title: str,
    *,
    x: Any = None,
    x_label: str = "",
    log: bool = False,
) -> str:
    """A line for each series over `x` or the numbers of its values, as SVG; `log` shows log₁₀."""
    points = {}
    for name, values in series.items():
        heights = np.asarray(values, float)
        if log:
            heights = np.log10(heights, where=heights > 0, out=np.full_like(heights, np.nan))
        places = np.arange(len(heights)) if x is None else x
        points[name] = list(zip(map(float, places), map(float, heights), strict=True))
    return draw_curves(points, x_label, f"log₁₀: {title}" if log else title)
