"""Layered drawings of directed graphs: ranks, order with few crossings, coordinates.

The steps are those of Sugiyama, Tagawa and Toda: edges point down, long ones pass through a point
on every rank between, neighbours on a rank are ordered by the barycentre of what they are joined
to, and positions minimise squared distances under that order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

from msgspec import Struct, field

__all__ = ["DIRECTIONS", "Edge", "Layout", "Point", "Size", "lay_out"]

Key = Hashable
Size = tuple[float, float]
Point = tuple[float, float]

DIRECTIONS: dict[str, Point] = {"TB": (0, 1), "BT": (0, -1), "LR": (1, 0), "RL": (-1, 0)}
"""Graphviz' names of where edges lead, and the step on the page."""

SWEEPS = 12  # of the ordering; few drawings gain from more
RELAXATIONS = 24  # of the coordinates
STRAIGHT = 8.0  # how much more a long edge wants to be straight than a short one


class Edge(Struct, frozen=True):
    """Joins two boxes, `leave` and `enter` beside their middles: along their ranks."""

    source: Key
    target: Key
    leave: float = 0.0
    enter: float = 0.0


class Layout(Struct):
    """The middle of each box, and the points that each edge runs through, rank after rank."""

    width: float
    height: float
    centre: dict[Key, Point]
    routes: dict[Edge, list[Point]]
    rank: dict[Key, int]


class _Item(Struct, eq=False):
    """A box, or the point where an edge crosses a rank."""

    key: Key | None
    width: float
    height: float
    rank: int
    order: float = 0.0
    x: float = 0.0
    above: list[tuple[_Item, float, float]] = field(default_factory=list)  # other, its end, own end
    below: list[tuple[_Item, float, float]] = field(default_factory=list)

    @property
    def is_point(self) -> bool:
        return self.key is None


def lay_out(
    sizes: Mapping[Key, Size],
    edges: Iterable[Edge],
    *,
    gap: Size = (24.0, 40.0),
    pinned: Mapping[Key, int] | None = None,
    rankdir: str = "TB",
) -> Layout:
    """Place boxes of these sizes; the edges must form no circle.

    `gap` is between neighbours and between ranks. `pinned` boxes are drawn in to the first (0) or
    the last (-1) rank. Edges lead to the bottom, top, right or left: `rankdir`.
    """
    if rankdir != "TB":
        return _turned(sizes, edges, gap, pinned, rankdir)
    drawn = list(dict.fromkeys(edges))
    rank = _ranks(sizes, drawn, pinned or {})
    items = {key: _Item(key, *size, rank[key]) for key, size in sizes.items()}
    chains = _joined(items, drawn)
    layers = _layers([*items.values(), *(p for chain in chains.values() for p in chain.points)])
    _order(layers)
    _place(layers, gap[0])
    tops, height = _heights(layers, gap[1])
    return _finished(items, chains, layers, tops, height, rank)


def _turned(
    sizes: Mapping[Key, Size],
    edges: Iterable[Edge],
    gap: Size,
    pinned: Mapping[Key, int] | None,
    rankdir: str,
) -> Layout:
    """The layout from top to bottom of boxes on their sides, brought into another direction."""
    across, along = DIRECTIONS[rankdir]
    lying = {key: size[::-1] for key, size in sizes.items()} if across else sizes
    found = lay_out(lying, edges, gap=gap, pinned=pinned)

    def turn(point: Point) -> Point:
        x, y = point[0], found.height - point[1] if across + along < 0 else point[1]
        return (y, x) if across else (x, y)

    width, height = (found.width, found.height)[:: -1 if across else 1]
    centre = {key: turn(point) for key, point in found.centre.items()}
    routes = {edge: [turn(point) for point in route] for edge, route in found.routes.items()}
    return Layout(width, height, centre, routes, found.rank)


# ranks


def _ranks(
    sizes: Mapping[Key, Size], edges: list[Edge], pinned: Mapping[Key, int]
) -> dict[Key, int]:
    """Below everything that it is joined from; what has nothing above moves down to its reader."""
    above: dict[Key, list[Key]] = {key: [] for key in sizes}
    below: dict[Key, list[Key]] = {key: [] for key in sizes}
    for edge in edges:
        above[edge.target].append(edge.source)
        below[edge.source].append(edge.target)
    order = _topological(above, below)
    rank: dict[Key, int] = {}
    for key in order:
        rank[key] = max((rank[source] + 1 for source in above[key]), default=0)
    late = _late(order, above, below)
    for key in reversed(order):
        if key in late:
            rank[key] = min(rank[target] for target in below[key]) - 1
    last = max(rank.values(), default=0)
    for key, wanted in pinned.items():
        rank[key] = wanted if wanted >= 0 else last
    return rank


def _late(order: list[Key], above: dict[Key, list[Key]], below: dict[Key, list[Key]]) -> set[Key]:
    """Boxes that may move down to their readers: sources, and what only such a one is read by."""
    late: set[Key] = set()
    for key in order:
        alone = len(above[key]) == 1 and len(below[above[key][0]]) == 1 and above[key][0] in late
        if below[key] and (not above[key] or alone):
            late.add(key)
    return late


def _topological(above: dict[Key, list[Key]], below: dict[Key, list[Key]]) -> list[Key]:
    waiting = {key: len(sources) for key, sources in above.items()}
    ready = [key for key, count in waiting.items() if count == 0]
    order: list[Key] = []
    for key in ready:
        order.append(key)
        for target in below[key]:
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    if len(order) != len(above):
        raise ValueError("the edges of a drawing form a circle")
    return order


# long edges


class _Chain(Struct):
    """The points on the ranks below a box that its long edges share."""

    leave: float
    points: list[_Item]
    targets: list[Edge]


def _joined(items: dict[Key, _Item], edges: list[Edge]) -> dict[tuple[Key, float], _Chain]:
    """Edges from one place share points: one line runs down and branches where it is read."""
    chains: dict[tuple[Key, float], _Chain] = {}
    for edge in edges:
        chain = chains.setdefault((edge.source, edge.leave), _Chain(edge.leave, [], []))
        chain.targets.append(edge)
    for (source, leave), chain in chains.items():
        start = items[source]
        last = max(items[edge.target].rank for edge in chain.targets)
        before, at = start, leave
        for rank in range(start.rank + 1, last):
            point = _Item(None, 6.0, 0.0, rank)
            _link(before, point, at, 0.0)
            chain.points.append(point)
            before, at = point, 0.0
        for edge in chain.targets:
            target = items[edge.target]
            steps = target.rank - start.rank - 1
            if steps > 0:
                _link(chain.points[steps - 1], target, 0.0, edge.enter)
            else:
                _link(start, target, leave, edge.enter)
    return chains


def _link(upper: _Item, lower: _Item, leave: float, enter: float) -> None:
    upper.below.append((lower, enter, leave))
    lower.above.append((upper, leave, enter))


# order


def _layers(items: Sequence[_Item]) -> list[list[_Item]]:
    layers: list[list[_Item]] = [[] for _ in range(max((i.rank for i in items), default=-1) + 1)]
    for item in items:
        layers[item.rank].append(item)
    return layers


def _order(layers: list[list[_Item]]) -> None:
    """Sort each rank by the barycentre of its neighbours, down and up; keep the best order."""
    _first_order(layers)
    best, fewest = [list(layer) for layer in layers], _crossings(layers)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        downwards = sweep % 2 == 0
        for layer in layers[1:] if downwards else layers[-2::-1]:
            for item in layer:
                item.order = _barycentre(item, downwards)
            layer.sort(key=lambda item: item.order)
            _number(layer)
        crossings = _crossings(layers)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    for layer, kept in zip(layers, best, strict=True):
        layer[:] = kept
        _number(layer)


def _first_order(layers: list[list[_Item]]) -> None:
    """The order in which a walk from the last rank upwards, then the rest, meets the boxes."""
    seen: dict[int, int] = {}
    stack = [item for layer in layers for item in reversed(layer)]
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = len(seen)
        stack.extend(upper for upper, *_ in reversed(item.above))
    for layer in layers:
        layer.sort(key=lambda item: seen[id(item)])
        _number(layer)


def _number(layer: list[_Item]) -> None:
    at = 0.0
    for item in layer:
        item.order = at + item.width / 2
        at += item.width + 20.0


def _barycentre(item: _Item, downwards: bool) -> float:
    near = item.above if downwards else item.below
    if not near:
        return item.order
    return sum(other.order + end for other, end, _ in near) / len(near)


def _crossings(layers: list[list[_Item]]) -> int:
    total = 0
    for layer in layers[:-1]:
        ends = [
            (upper.order + leave, lower.order + enter)
            for upper in layer
            for lower, enter, leave in upper.below
        ]
        ends.sort()
        total += _inversions([low for _, low in ends])
    return total


def _inversions(values: list[float]) -> int:
    if len(values) < 2:
        return 0
    middle = len(values) // 2
    left, right = values[:middle], values[middle:]
    count = _inversions(left) + _inversions(right)
    left.sort()
    right.sort()
    at = 0
    for value in right:
        while at < len(left) and left[at] <= value:
            at += 1
        count += len(left) - at
    return count


# coordinates


def _place(layers: list[list[_Item]], gap: float) -> None:
    """Least squares along each rank, in turn, under the order found."""
    for layer in layers:
        for item in layer:
            item.x = item.order
    for turn in range(RELAXATIONS):
        order = layers if turn % 2 == 0 else layers[::-1]
        for layer in order:
            wishes = [_wish(item, turn, downwards=turn % 2 == 0) for item in layer]
            _settle(layer, wishes, gap)
    low = min((i.x - i.width / 2 for layer in layers for i in layer), default=0.0)
    for layer in layers:
        for item in layer:
            item.x -= low


def _wish(item: _Item, turn: int, *, downwards: bool) -> tuple[float, float]:
    """Where an item wants to be, and how much."""
    last = turn >= RELAXATIONS // 2
    near = [*item.above, *item.below] if last else item.above if downwards else item.below
    if not near:
        return item.x, 0.05
    pulls = [
        (other.x + end - own, STRAIGHT if item.is_point and other.is_point else 1.0)
        for other, end, own in near
    ]
    weight = sum(w for _, w in pulls)
    return sum(x * w for x, w in pulls) / weight, weight


def _settle(layer: list[_Item], wishes: list[tuple[float, float]], gap: float) -> None:
    """The positions nearest to the wishes that keep the order and the gaps (pool adjacent)."""
    offset, offsets = 0.0, []
    for at, item in enumerate(layer):
        if at:
            before = layer[at - 1]
            space = gap * (0.6 if item.is_point or before.is_point else 1.0)
            offset += before.width / 2 + item.width / 2 + space
        offsets.append(offset)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, members
    for (x, weight), shift in zip(wishes, offsets, strict=True):
        mean, total, count = x - shift, weight, 1
        while blocks and blocks[-1][0] > mean:
            other, other_weight, members = blocks.pop()
            mean = (mean * total + other * other_weight) / (total + other_weight)
            total, count = total + other_weight, count + members
        blocks.append((mean, total, count))
    at = 0
    for mean, _, count in blocks:
        for item in layer[at : at + count]:
            item.x = mean + offsets[at]
            at += 1


def _heights(layers: list[list[_Item]], gap: float) -> tuple[list[tuple[float, float]], float]:
    """Top and bottom of each rank; ranks between which many lines slant lie further apart."""
    spans, y = [], 0.0
    for layer in layers:
        height = max((item.height for item in layer), default=0.0)
        spans.append((y, y + height))
        slant = max(
            (abs(i.x + own - o.x - end) for i in layer for o, end, own in i.below), default=0.0
        )
        y += height + gap + min(gap, slant / 12)
    return spans, (spans[-1][1] if spans else 0.0)


def _finished(
    items: dict[Key, _Item],
    chains: dict[tuple[Key, float], _Chain],
    layers: list[list[_Item]],
    spans: list[tuple[float, float]],
    height: float,
    rank: dict[Key, int],
) -> Layout:
    middle = {key: (i.x, sum(spans[i.rank]) / 2) for key, i in items.items()}
    routes: dict[Edge, list[Point]] = {}
    for (source, leave), chain in chains.items():
        start = items[source]
        x, y = middle[source]
        for edge in chain.targets:
            target = items[edge.target]
            route = [(x + leave, y + start.height / 2)]
            route.append((x + leave, spans[start.rank][1]))
            for point in chain.points[: max(0, target.rank - start.rank - 1)]:
                route += [(point.x, spans[point.rank][0]), (point.x, spans[point.rank][1])]
            route.append((target.x + edge.enter, spans[target.rank][0]))
            route.append((target.x + edge.enter, middle[edge.target][1] - target.height / 2))
            routes[edge] = route
    right = max((i.x + i.width / 2 for layer in layers for i in layer), default=0.0)
    return Layout(right, height, middle, routes, rank)
