"""Graph → SVG, made without other programs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise

from msgspec import Struct, field

from symfuse.compiler.ir.graph import Graph

from .drawing import MOST, Box, Drawing, Frame, Frames, Line, draw
from .layout import Edge, Layout, Point, Size, lay_out
from .palette import FAMILIES, STYLE, frame_hue

__all__ = ["document", "drawing_svg", "to_svg"]

MARGIN = 16.0
PADDING, TITLE = 20.0, 16.0  # of frames
_WIDE, _SMALL = 7.3, 6.4  # width of a letter of titles and of details


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


class _Inside(Struct):
    """The layout of one frame, with the places where lines cross its border."""

    frame: Frame
    layout: Layout
    ports: dict[Hashable, float] = field(default_factory=dict)  # distance from the middle

    @property
    def size(self) -> Size:
        width = max(self.layout.width, _SMALL * len(self.frame.title) + 12)
        return width + 2 * PADDING, self.layout.height + 2 * PADDING + TITLE


class _Picture:
    """Frames are laid out first, each by itself, then the whole with every frame as one box."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing
        self.boxes = {box.key: box for box in drawing.boxes}
        self.frame_of = {box.key: box.frame for box in drawing.boxes}
        self.inside = {f.key: self._laid_out(f) for f in drawing.frames if self._members(f)}
        sizes: dict[Hashable, Size] = {
            k: _size(b) for k, b in self.boxes.items() if b.frame is None
        }
        sizes.update({("frame", key): one.size for key, one in self.inside.items()})
        self.outer = lay_out(sizes, self._outer_edges(), gap=(28.0, 44.0))
        self.width, self.height = self.outer.width, self.outer.height

    def parts(self) -> Iterator[str]:
        for key, one in self.inside.items():
            yield _frame(one.frame, self.outer.centre[("frame", key)], one.size)
        yield from self._paths()
        for key, one in self.inside.items():
            yield _frame_title(one.frame, self.outer.centre[("frame", key)], one.size)
        yield from self._labels()
        for box in self.drawing.boxes:
            yield _box(box, self._centre(box.key))

    # laying out

    def _members(self, frame: Frame) -> list[Box]:
        return [box for box in self.drawing.boxes if box.frame == frame.key]

    def _laid_out(self, frame: Frame) -> _Inside:
        sizes: dict[Hashable, Size] = {b.key: _size(b) for b in self._members(frame)}
        edges: list[Edge] = []
        pinned: dict[Hashable, int] = {}
        for line in self.drawing.lines:
            starts, ends = (self.frame_of[k] == frame.key for k in (line.source, line.target))
            if starts and ends:
                edges.append(Edge(line.source, line.target))
            elif starts:
                pinned[("out", line.source)] = -1
                edges.append(Edge(line.source, ("out", line.source)))
            elif ends:
                pinned[("in", line.source)] = 0
                edges.append(Edge(("in", line.source), line.target))
        sizes.update(dict.fromkeys(pinned, (8.0, 0.0)))
        inside = _Inside(frame, lay_out(sizes, edges, gap=(20.0, 34.0), pinned=pinned))
        middle = inside.layout.width / 2
        inside.ports = {port: inside.layout.centre[port][0] - middle for port in pinned}
        return inside

    def _outer_edges(self) -> list[Edge]:
        return [edge for line in self.drawing.lines if (edge := self._outer(line))]

    def _outer(self, line: Line) -> Edge | None:
        """The part of a line that runs outside all frames."""
        start, end = self.frame_of[line.source], self.frame_of[line.target]
        if start is not None and start == end:
            return None
        source = line.source if start is None else ("frame", start)
        target = line.target if end is None else ("frame", end)
        leave = 0.0 if start is None else self.inside[start].ports[("out", line.source)]
        enter = 0.0 if end is None else self.inside[end].ports[("in", line.source)]
        return Edge(source, target, leave, enter)

    def _shift(self, key: Hashable) -> Point:
        """Where the inner layout of a frame lies in the whole."""
        one, (x, y) = self.inside[key], self.outer.centre[("frame", key)]
        return x - one.layout.width / 2, y - one.size[1] / 2 + PADDING + TITLE

    def _centre(self, key: Hashable) -> Point:
        frame = self.frame_of[key]
        if frame is None:
            return self.outer.centre[key]
        (dx, dy), (x, y) = self._shift(frame), self.inside[frame].layout.centre[key]
        return x + dx, y + dy

    # lines

    def _paths(self) -> Iterator[str]:
        outer = self.outer.routes.items()
        yield from (_path(route, arrow=e.target in self.boxes) for e, route in outer)
        for key, one in self.inside.items():
            dx, dy = self._shift(key)
            _, y = self.outer.centre[("frame", key)]
            top, bottom = y - one.size[1] / 2, y + one.size[1] / 2
            for edge, route in one.layout.routes.items():
                moved = [(px + dx, py + dy) for px, py in route]
                if edge.target in self.boxes:
                    start = [] if edge.source in self.boxes else [(moved[0][0], top)]
                    yield _path([*start, *moved], arrow=True)
                else:
                    yield _path([*moved, (moved[-1][0], bottom)], arrow=False)

    def _labels(self) -> Iterator[str]:
        seen: set[Hashable] = set()
        for line in self.drawing.lines:
            box = self.boxes[line.source]
            if line.source in seen or not line.label or box.family in ("parameter", "constant"):
                continue
            seen.add(line.source)
            x, y = self._centre(line.source)
            turns_right = self._centre(line.target)[0] > x + 20
            place = f'x="{x - 6:.1f}" text-anchor="end"' if turns_right else f'x="{x + 6:.1f}"'
            below = y + _size(box)[1] / 2 + 12
            yield f'<text class="l" {place} y="{below:.1f}">{escape(line.label)}</text>'


def _size(box: Box) -> Size:
    width = max(_WIDE * len(box.title), _SMALL * len(box.detail)) + 26
    return max(56.0, width), 40.0 if box.detail else 28.0


def _box(box: Box, centre: Point) -> str:
    (w, h), (x, y) = _size(box), centre
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
    first = y + 4 if not box.detail else y - 3
    middle = f'text-anchor="middle" x="{x + shift:.1f}"'
    parts.append(f'<text class="t" {middle} y="{first:.1f}">{escape(box.title)}</text>')
    if box.detail:
        parts.append(f'<text class="d" {middle} y="{y + 12:.1f}">{escape(box.detail)}</text>')
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


def _path(route: Sequence[Point], *, arrow: bool) -> str:
    """Smooth from rank to rank, straight through the ranks; the arrow ends at the box."""
    points = list(route)
    head = ""
    if arrow:
        x, y = points[-1]
        points[-1] = (x, y - 5)
        head = f'<path class="a" d="M{x:.1f} {y:.1f}l-3.6 -7h7.2z"/>'
    steps = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(x0 - x1) < 0.5:
            steps.append(f"L{x1:.1f} {y1:.1f}")
            continue
        middle = (y0 + y1) / 2
        steps.append(f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}")
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
