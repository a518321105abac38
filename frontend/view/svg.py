"""Graph → SVG, made without other programs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise

from symfuse.compiler.ir.graph import Graph

from .drawing import MOST, Box, Drawing, Frame, Frames, draw
from .layout import DIRECTIONS, Point, Size
from .palette import FAMILIES, STYLE, frame_hue
from .placing import Route, on_border, placed

__all__ = ["document", "drawing_svg", "to_svg"]

MARGIN = 16.0
_WIDE, _SMALL = 7.3, 6.4  # width of a letter of titles and of details
_LINE = 14.0  # height of a line of details
_WINGS = (-3.6, 3.6)  # of arrows


def to_svg(graph: Graph, frames: Frames = (), *, most: int = MOST) -> str:
    """The graph as one SVG document; `frames` are titles with the nodes of each kernel."""
    return drawing_svg(draw(graph, frames, most))


def drawing_svg(drawing: Drawing) -> str:
    """A drawing laid out and written as SVG."""
    picture = _Picture(drawing)
    used = [name for name in FAMILIES if any(box.family == name for box in drawing.boxes)]
    width = max(picture.width, sum(30 + 6.2 * len(FAMILIES[n][2]) for n in used))
    shift = f'<g transform="translate({(width - picture.width) / 2:.1f} 0)">'
    body = [shift, *picture.parts(), "</g>", *_legend(used, picture.height + 22, drawing.note)]
    return document(body, width, picture.height + 34, drawing.name)


def document(parts: Iterable[str], width: float, height: float, title: str) -> str:
    """An SVG document with the common style around these parts."""
    w, h = width + 2 * MARGIN, height + 2 * MARGIN
    box = f'viewBox="{-MARGIN:g} {-MARGIN:g} {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="sf" role="img" {box}>'
    ground = f'<rect class="bg" x="{-MARGIN:g}" y="{-MARGIN:g}" width="{w:.0f}" height="{h:.0f}"/>'
    title = f"<title>{escape(title)}</title><style>{STYLE}</style>"
    return "\n".join([head, title, ground, *parts, "</svg>"])


class _Picture:
    """A drawing with the places of all that is in it."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing
        self.boxes = {box.key: box for box in drawing.boxes}
        sizes = {key: _size(box) for key, box in self.boxes.items()}
        titles = {frame.key: _SMALL * len(frame.title) + 12 for frame in drawing.frames}
        self.found = placed(drawing, sizes, titles)
        self.direction = DIRECTIONS[drawing.rankdir]
        self.width, self.height = self.found.size

    def parts(self) -> Iterator[str]:
        frames = {frame.key: frame for frame in self.drawing.frames}
        for key, place in self.found.frames.items():
            yield _frame(frames[key], *place)
        for route in self.found.routes:
            yield _path(route, self.direction)
        for key, place in self.found.frames.items():
            yield _frame_title(frames[key], *place)
        yield from self._labels()
        for box in self.drawing.boxes:
            yield _box(box, *self.found.boxes[box.key])

    def _labels(self) -> Iterator[str]:
        seen: set[Hashable] = set()
        for line in self.drawing.lines:
            box = self.boxes[line.source]
            if line.source in seen or not line.label or box.family in ("parameter", "constant"):
                continue
            seen.add(line.source)
            middle, size = self.found.boxes[line.source]
            x, y = on_border(middle, middle, size, self.direction, 1)
            turns_right = self.found.boxes[line.target][0][0] > x + 20
            place = f'x="{x - 6:.1f}" text-anchor="end"' if turns_right else f'x="{x + 6:.1f}"'
            yield f'<text class="l" {place} y="{y + 12:.1f}">{escape(line.label)}</text>'


def _size(box: Box) -> Size:
    details = box.detail.splitlines()
    width = max(_WIDE * len(box.title), *(_SMALL * len(one) for one in details), 30.0) + 26
    return width, 26.0 + _LINE * len(details) if details else 28.0


def _box(box: Box, centre: Point, size: Size) -> str:
    (w, h), (x, y) = size, centre
    left, top = x - w / 2, y - h / 2
    is_end = box.family in ("parameter", "output")
    radius = h / 2 if is_end else 7
    rect = f'x="{left:.1f}" y="{top:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{radius:g}"'
    parts = [f'<g class="n"><title>{escape(box.hint or box.title)}</title><rect class="b" {rect}/>']
    if is_end:
        colour = f'style="stroke:var(--sf-{box.family});fill:none" stroke-width="1.6"'
        parts.append(f"<rect {rect} {colour}/>")
    else:
        bar = f'x="{left + 5:.1f}" y="{top + 7:.1f}" width="3.5" height="{h - 14:.1f}" rx="1.75"'
        parts.append(f'<rect class="{box.family}" {bar}/>')
    shift = 0 if is_end else 3
    first = y + 4 if not box.detail else top + 17
    middle = f'text-anchor="middle" x="{x + shift:.1f}"'
    parts.append(f'<text class="t" {middle} y="{first:.1f}">{escape(box.title)}</text>')
    for at, detail in enumerate(box.detail.splitlines()):
        below = top + 32 + _LINE * at
        parts.append(f'<text class="d" {middle} y="{below:.1f}">{escape(detail)}</text>')
    return "".join([*parts, "</g>"])


def _frame(frame: Frame, centre: Point, size: Size) -> str:
    (w, h), (x, y) = size, centre
    left, top, hue = x - w / 2, y - h / 2, frame_hue(frame.number)
    rim = f"stroke:hsl({hue} var(--sf-rim) var(--sf-tint))"
    fill = f"fill:hsl({hue} var(--sf-sat) var(--sf-wash));{rim}"
    rect = f'x="{left:.1f}" y="{top:.1f}" width="{w:.1f}" height="{h:.1f}" rx="12"'
    return f'<rect class="f" data-kernel="{frame.number}" {rect} style="{fill}"/>'


def _frame_title(frame: Frame, centre: Point, size: Size) -> str:
    x, y = centre[0] - size[0] / 2 + 12, centre[1] - size[1] / 2 + 17
    halo = f"stroke:hsl({frame_hue(frame.number)} var(--sf-sat) var(--sf-wash))"
    at = f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text class="ft" style="{halo}" {at}>{escape(frame.title)}</text>'


def _path(route: Route, direction: Point) -> str:
    """Smooth from rank to rank, straight through the ranks; the arrow ends at the box."""
    points, (dx, dy) = list(route.points), direction
    head = ""
    if route.is_end:
        x, y = points[-1]
        points[-1] = (x - 5 * dx, y - 5 * dy)
        wings = " ".join(f"L{x - 7 * dx + s * dy:.1f} {y - 7 * dy + s * dx:.1f}" for s in _WINGS)
        head = f'<path class="a" d="M{x:.1f} {y:.1f}{wings}z"/>'
    steps = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(x0 - x1 if dy else y0 - y1) < 0.5:
            steps.append(f"L{x1:.1f} {y1:.1f}")
            continue
        middle = (y0 + y1) / 2 if dy else (x0 + x1) / 2
        bends = (x0, middle, x1, middle) if dy else (middle, y0, middle, y1)
        steps.append("C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}".format(*bends, x1, y1))
    return f'<path class="e" d="{"".join(steps)}"/>{head}'


def _legend(used: Sequence[str], y: float, note: str) -> Iterator[str]:
    x = 0.0
    for name in used:
        title = FAMILIES[name][2]
        yield f'<rect class="{name}" x="{x:.1f}" y="{y - 8:.1f}" width="9" height="9" rx="2.5"/>'
        yield f'<text class="d" x="{x + 14:.1f}" y="{y:.1f}">{escape(title)}</text>'
        x += 30 + 6.2 * len(title)
    if note:
        yield f'<text class="d" x="0" y="{y + 18:.1f}">{escape(note)}</text>'
