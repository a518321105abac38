"""Where the boxes, frames and lines of a drawing lie: each frame is laid out by itself first."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping

from msgspec import Struct, field

from .drawing import Drawing, Line
from .layout import DIRECTIONS, Edge, Layout, Point, Size, lay_out

__all__ = ["Placed", "Route", "on_border", "placed"]

PADDING, TITLE = 20.0, 16.0  # of frames
_GAP, _GAP_INSIDE = (28.0, 44.0), (20.0, 34.0)
Item = Hashable  # a box by its key, a frame by ("frame", key), None for the whole


class Route(Struct, frozen=True):
    """The points of a line, or of the part of it outside or inside of a frame."""

    points: list[Point]
    is_end: bool  # whether it ends at a box, rather than at a frame


class Placed(Struct):
    """The size of the whole; middles and sizes of boxes and of frames, by their keys; the lines."""

    size: Size
    boxes: dict[Hashable, tuple[Point, Size]]
    frames: dict[Hashable, tuple[Point, Size]]
    routes: list[Route]


class _Level(Struct):
    """What lies directly in a frame, or in the whole, and where lines cross the border."""

    layout: Layout
    title: float  # the least width
    ports: dict[Item, float] = field(default_factory=dict)  # distance from the middle

    @property
    def size(self) -> Size:
        width = max(self.layout.width, self.title)
        return width + 2 * PADDING, self.layout.height + 2 * PADDING + TITLE


def placed(
    drawing: Drawing, sizes: Mapping[Hashable, Size], titles: Mapping[Hashable, float]
) -> Placed:
    """The drawing laid out, for the sizes of its boxes and the widths of the titles of frames."""
    return _Nest(drawing, sizes, titles).placed()


class _Nest:
    """A drawing as a tree: boxes and frames in frames."""

    def __init__(
        self, drawing: Drawing, sizes: Mapping[Hashable, Size], titles: Mapping[Hashable, float]
    ) -> None:
        self.drawing, self.sizes = drawing, dict(sizes)
        self.direction = DIRECTIONS[drawing.rankdir]
        self.boxes = {box.key for box in drawing.boxes}
        self.up: dict[Item, Item] = {box.key: _item(box.frame) for box in drawing.boxes}
        self.up |= {_item(one.key): _item(one.frame) for one in drawing.frames}
        used = {item for box in drawing.boxes for item in self._around(box.key)}
        self.frames = [f for f in drawing.frames if _item(f.key) in used]
        self.levels: dict[Item, _Level] = {}
        for frame in sorted(self.frames, key=lambda f: -len(list(self._around(_item(f.key))))):
            item = _item(frame.key)
            self.levels[item] = self._laid_out(item, titles[frame.key])
            self.sizes[item] = self.levels[item].size
        self.levels[None] = self._laid_out(None, 0.0)

    def placed(self) -> Placed:
        whole = self.levels[None].layout
        middles: dict[Item, Point] = dict(whole.centre)
        routes = [Route(points, edge.target in self.boxes) for edge, points in whole.routes.items()]
        # Frames around others come first: what is inside depends on where they are.
        for item, level in list(reversed(self.levels.items()))[1:]:
            origin = _origin(level, middles[item])
            middles |= {k: _moved(p, origin) for k, p in level.layout.centre.items()}
            routes += self._inside(level, origin, middles[item])
        items = {frame.key: _item(frame.key) for frame in self.frames}
        return Placed(
            (whole.width, whole.height),
            {key: (middles[key], self.sizes[key]) for key in self.boxes},
            {key: (middles[item], self.sizes[item]) for key, item in items.items()},
            routes,
        )

    def _around(self, item: Item) -> Iterator[Item]:
        """The frames around an item, from the inside to the outside."""
        while (item := self.up[item]) is not None:
            yield item

    def _member(self, item: Item, level: Item) -> Item | None:
        """What lies directly in a frame and is, or holds, an item; None where it is outside."""
        while item is not None and self.up[item] != level:
            item = self.up[item]
        return item

    def _laid_out(self, level: Item, title: float) -> _Level:
        members = [item for item, above in self.up.items() if above == level and item in self.sizes]
        sizes: dict[Item, Size] = {item: self.sizes[item] for item in members}
        pinned: dict[Item, int] = {}
        edges = [edge for line in self.drawing.lines if (edge := self._edge(line, level, pinned))]
        sizes.update(dict.fromkeys(pinned, (8.0, 0.0) if self.direction[1] else (0.0, 8.0)))
        layout = lay_out(
            sizes,
            edges,
            gap=_GAP if level is None else _GAP_INSIDE,
            pinned=pinned,
            rankdir=self.drawing.rankdir,
        )
        return _Level(layout, title, {port: self._beside(layout, port) for port in pinned})

    def _edge(self, line: Line, level: Item, pinned: dict[Item, int]) -> Edge | None:
        """The part of a line that runs directly in a frame; where it crosses the border, a port."""
        start, end = self._member(line.source, level), self._member(line.target, level)
        if start == end:
            return None
        leave = self.levels[start].ports["out", line.source] if start in self.levels else 0.0
        enter = self.levels[end].ports["in", line.source] if end in self.levels else 0.0
        if start is None:
            start = ("in", line.source)
            pinned[start] = 0
        if end is None:
            end = ("out", line.source)
            pinned[end] = -1
        return Edge(start, end, leave, enter)

    def _beside(self, layout: Layout, port: Item) -> float:
        """How far a port lies beside the middle of its frame, along the ranks."""
        x, y = layout.centre[port]
        across = y - layout.height / 2 + TITLE / 2
        return x - layout.width / 2 if self.direction[1] else across

    def _inside(self, level: _Level, origin: Point, middle: Point) -> Iterator[Route]:
        """The lines in a frame, prolonged to the border where they cross it."""
        size = level.size
        for edge, points in level.layout.routes.items():
            moved = [_moved(point, origin) for point in points]
            if edge.source in level.ports:
                moved.insert(0, on_border(moved[0], middle, size, self.direction, -1))
            if edge.target in level.ports:
                moved.append(on_border(moved[-1], middle, size, self.direction, 1))
            yield Route(moved, edge.target in self.boxes)


def _origin(level: _Level, middle: Point) -> Point:
    """Where the inner layout of a frame lies in the whole."""
    top = middle[1] - level.size[1] / 2
    return middle[0] - level.layout.width / 2, top + PADDING + TITLE


def on_border(point: Point, middle: Point, size: Size, direction: Point, side: int) -> Point:
    """The point moved to the border of a box: where lines leave it (1) or enter it (-1)."""
    (dx, dy), (width, height) = direction, size
    return (
        middle[0] + side * dx * width / 2 if dx else point[0],
        middle[1] + side * dy * height / 2 if dy else point[1],
    )


def _item(frame: Hashable | None) -> Item:
    return None if frame is None else ("frame", frame)


def _moved(point: Point, by: Point) -> Point:
    return point[0] + by[0], point[1] + by[1]
