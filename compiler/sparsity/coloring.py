"""Colours for the columns, rows or variables of a sparse matrix, of which those of one colour are
found by one product.

After A. Gebremedhin, F. Manne and A. Pothen, "What color is your Jacobian? Graph coloring for
computing derivatives", SIAM Review 47 (2005), and, for star colourings, A. Gebremedhin, A.
Tarafdar, F. Manne and A. Pothen, "New acyclic and star coloring algorithms with application to
computing Hessians", SIAM Journal on Scientific Computing 29 (2007).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from .relations import Relation

__all__ = ["ORDERS", "distance_two", "fewest_possible", "star"]

Array = np.ndarray[Any, Any]
Neighbours = list[list[int]]


def distance_two(pattern: Relation, order: str) -> Array:
    """A colour for each column; two columns of one colour have no row in common."""
    if fewest_possible(pattern) == pattern.shape[1]:
        return np.arange(pattern.shape[1], dtype=np.int32)
    conflicts = _neighbours(pattern.T.tocsr() @ pattern)
    colors = [-1] * len(conflicts)
    for vertex in ORDERS[order](conflicts):
        colors[vertex] = _least({colors[other] for other in conflicts[vertex]})
    return np.asarray(colors, np.int32)


def fewest_possible(pattern: Relation) -> int:
    """A number of colours that no colouring of the columns falls below: the fullest row's."""
    return int(np.diff(pattern.indptr).max(initial=0))


def star(pattern: Relation, order: str) -> Array:
    """A colour for each variable of a symmetric matrix: neighbours differ, and every path over four
    variables has three colours. So each entry stands alone in a product with one of its two ends.
    """
    neighbours = _neighbours(pattern)
    if all(len(others) == len(neighbours) - 1 for others in neighbours):
        return np.arange(len(neighbours), dtype=np.int32)
    stars = _Stars(neighbours)
    for vertex in ORDERS[order](neighbours):
        stars.take(vertex)
    return np.asarray(stars.colors, np.int32)


class _Stars:
    """Variables coloured one after the other; edges between two colours form stars.

    A star has a hub as soon as it has two edges; until then its edge is alone.
    """

    def __init__(self, neighbours: Neighbours) -> None:
        self.neighbours = neighbours
        self.colors = [-1] * len(neighbours)
        self._star: dict[tuple[int, int], int] = {}  # edge → its star
        self._hubs: list[int] = []  # star → its hub, -1 as long as it has one edge

    def take(self, vertex: int) -> None:
        """Colour one more variable."""
        colors = self.colors
        coloured = [other for other in self.neighbours[vertex] if colors[other] >= 0]
        by_color: dict[int, list[int]] = {}
        for other in coloured:
            by_color.setdefault(colors[other], []).append(other)
        forbidden = set(by_color)
        for others in by_color.values():
            if len(others) > 1:  # the variable is the hub: its leaves may not have another hub
                forbidden.update(c for leaf in others for c in self._around(leaf, vertex))
            else:
                forbidden.update(self._hub_colors(others[0], vertex))
        colors[vertex] = _least(forbidden)
        for others in by_color.values():
            for other in others:
                self._join(vertex, other, others)

    def _around(self, leaf: int, vertex: int) -> Iterable[int]:
        """The colours beside a leaf."""
        return (
            self.colors[x] for x in self.neighbours[leaf] if x != vertex and self.colors[x] >= 0
        )

    def _hub_colors(self, other: int, vertex: int) -> Iterable[int]:
        """The colours of hubs that a neighbour is a leaf of: it can be that of no second one."""
        for x in self.neighbours[other]:
            if x != vertex and self.colors[x] >= 0 and self._hubs[self._star[_edge(other, x)]] == x:
                yield self.colors[x]

    def _join(self, vertex: int, other: int, alike: list[int]) -> None:
        """Put an edge into the star that it extends, or into one of its own."""
        color = self.colors[vertex]
        for x in self.neighbours[other]:
            if x != vertex and self.colors[x] == color:
                found = self._star[_edge(other, x)]
                self._hubs[found], self._star[_edge(vertex, other)] = other, found
                return
        first = self._star.get(_edge(vertex, alike[0]))
        if other is not alike[0] and first is not None:
            self._hubs[first], self._star[_edge(vertex, other)] = vertex, first
            return
        self._star[_edge(vertex, other)] = len(self._hubs)
        self._hubs.append(-1)


def _edge(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)


def _least(taken: set[int]) -> int:
    """The first colour that is free."""
    color = 0
    while color in taken:
        color += 1
    return color


def _neighbours(graph: Relation) -> Neighbours:
    """Those beside each vertex, which is none of its own."""
    indices, ends = graph.indices.tolist(), graph.indptr.tolist()
    return [
        sorted(other for other in indices[ends[v] : ends[v + 1]] if other != v)
        for v in range(graph.shape[0])
    ]


# the order in which vertices are coloured


def _natural(neighbours: Neighbours) -> Sequence[int]:
    return range(len(neighbours))


def _largest_first(neighbours: Neighbours) -> Sequence[int]:
    return sorted(range(len(neighbours)), key=lambda v: -len(neighbours[v]))


def _smallest_last(neighbours: Neighbours) -> Sequence[int]:
    """Last the vertex with the fewest neighbours, before it the same of the rest."""
    return _taken(neighbours, [len(others) for others in neighbours])[::-1]


def _incidence_degree(neighbours: Neighbours) -> Sequence[int]:
    """Always the vertex with the most neighbours that have a colour."""
    return _taken(neighbours, [0] * len(neighbours))


def _taken(neighbours: Neighbours, keys: list[int]) -> list[int]:
    """Vertices one by one, the least key first; each lowers the keys of its neighbours."""
    heap = [(key, vertex) for vertex, key in enumerate(keys)]
    heapify(heap)
    order: list[int] = []
    waiting = [True] * len(keys)
    while heap:
        key, vertex = heappop(heap)
        if not waiting[vertex] or key != keys[vertex]:
            continue
        waiting[vertex] = False
        order.append(vertex)
        for other in neighbours[vertex]:
            if waiting[other]:
                keys[other] -= 1
                heappush(heap, (keys[other], other))
    return order


ORDERS: dict[str, Callable[[Neighbours], Sequence[int]]] = {
    "smallest_last": _smallest_last,
    "largest_first": _largest_first,
    "incidence_degree": _incidence_degree,
    "natural": _natural,
}
"""Names of orders, the usual one first."""
