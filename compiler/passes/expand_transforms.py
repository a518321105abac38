"""Fourier transforms as products, which every target has.

A transform of n = r·m elements is m small transforms of r, a twist of what comes out, and r
transforms of m (Cooley and Tukey, 1965). The small ones are products with a matrix. Over pairs
(real, imaginary) that lie side by side each is one product of real matrices, twice as wide. A
length with a large prime factor is a convolution with a chirp (Bluestein, 1970), of a longer and
smooth length. Matrices, twists and chirps are computed in double precision and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..ir.builder import constant
from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.regions import changed
from ..ir.walk import rebuild
from ..ops.complex import as_complex, as_real, interleave, part_of, parts_of, whole_of
from ..ops.contract import contract
from ..ops.fourier import fft
from ..ops.kinds import filled
from ..ops.pairs import Pair
from ..ops.shape import broadcast, reshape, transpose
from ..ops.slicing import pad, slice
from .settle import settle

__all__ = ["expand_transforms", "is_counted", "is_one_product"]

WIDEST = 16  # elements of a small transform, unless a prime factor is greater
LARGEST_PRIME = 61  # up to which a transform is a product with its matrix

Array = np.ndarray[Any, Any]


def is_counted(node: Node) -> bool:
    """Whether the length of a transform is a number."""
    return isinstance(node.shape[node.attr("axis")], int)


def is_one_product(node: Node) -> bool:
    """Whether a transform is a product with its matrix, which takes less than calling a library."""
    size = node.shape[node.attr("axis")]
    return isinstance(size, int) and _radix(size) == size <= LARGEST_PRIME


def expand_transforms(graph: Graph, chosen: Callable[[Node], bool]) -> Graph:
    """The graph with products in place of the transforms that are `chosen`, in the graphs inside
    it as well."""
    found = _expanded(graph, chosen)
    return found if found is graph else settle(found)


def _expanded(graph: Graph, chosen: Callable[[Node], bool]) -> Graph:
    if not any(node.op is fft or node.op.regional for node in graph.nodes):
        return graph
    inside = cache(lambda inner: _expanded(inner, chosen))  # results of a loop share its body

    def change(node: Node) -> Node:
        if node.op is fft and chosen(node):
            return whole_of(_transform(node))
        if node.op is as_real and node.inputs[0].op is as_complex:
            return node.inputs[0].inputs[0]
        attrs = changed(node, inside) if node.op.regional is not None else None
        return graph.builder.apply(node.op, node.inputs, attrs) if attrs else node

    kept = {parameter: parameter for parameter in graph.parameters}
    with graph.builder.active():
        new = rebuild(graph.nodes, graph.builder, kept, change)
    return graph.with_outputs(new[output] for output in graph.outputs)


def _transform(node: Node) -> Pair:
    """A transform of a size that is a number, over pairs."""
    axis, size = node.attr("axis"), node.shape[node.attr("axis")]
    order = (*(a for a in range(node.rank) if a != axis), axis)
    last = _moved(parts_of(node.inputs[0]), lambda part: transpose(part, axes=order))
    found = _transformed(last, size, bool(node.attr("inverse")))
    return found.each(lambda part: _back(part, axis))


def _back(part: Node, axis: int) -> Node:
    order = list(range(part.rank - 1))
    order.insert(axis, part.rank - 1)
    found: Node = transpose(part, axes=tuple(order))
    return found


def _transformed(x: Pair, size: int, inverse: bool) -> Pair:
    """The transform along the last axis."""
    if size <= 1:
        return x
    first = _radix(size)
    if first > LARGEST_PRIME:
        return _by_convolution(x, size, inverse)
    if first == size:
        return _by_matrix(x, size, inverse)
    return _in_two(x, first, size // first, inverse)


@cache
def _radix(size: int) -> int:
    """The size of the small transforms to begin with."""
    small = [r for r in range(2, min(size, WIDEST) + 1) if size % r == 0]
    if small:
        rest = size // max(small)
        return max(small) if rest > 1 or max(small) == size else size
    return next((p for p in range(WIDEST + 1, size) if size % p == 0), size)


def _by_matrix(x: Pair, size: int, inverse: bool) -> Pair:
    """A product with the matrix over pairs."""
    numbers, last = _over_pairs(_roots(size, size, size, inverse)), x.re.rank - 1
    if x.is_real:
        matrix = constant(numbers[:, 0], x.re.dtype)
        found = contract(x.re, matrix, batch=((), ()), contracting=((last,), (0,)))
    else:
        whole, matrix = interleave(x.re, x.im), constant(numbers, x.re.dtype)
        over = ((last, last + 1), (0, 1))
        found = contract(whole, matrix, batch=((), ()), contracting=over)
    return Pair(part_of(found, 0), part_of(found, 1))


def _moved(x: Pair, move: Callable[[Any], Any]) -> Pair:
    """Both parts with their elements in other places; what is known to be real stays so."""
    re = move(x.re)
    return Pair(re, filled(0, re.type) if x.is_real else move(x.im))


def _in_two(x: Pair, first: int, second: int, inverse: bool) -> Pair:
    """Element second·i + j goes to place k + first·l: transforms over i, a twist by k·j,
    transforms over j."""
    *lead, size = x.re.shape
    rank = len(lead)
    rows = _moved(x, lambda part: reshape(part, shape=(*lead, first, second)))
    turned = _moved(rows, lambda part: _swapped(part, rank))
    columns = _transformed(turned, first, inverse)
    twist = _roots(second, first, size, inverse)
    twisted = columns * _spread(twist, columns.re)
    done = _transformed(twisted.each(lambda part: _swapped(part, rank)), second, inverse)
    return done.each(lambda part: reshape(_swapped(part, rank), shape=(*lead, size)))


def _swapped(x: Node, rank: int) -> Node:
    """The last two axes exchanged."""
    found: Node = transpose(x, axes=(*range(rank), rank + 1, rank))
    return found


def _spread(values: Array, like: Node) -> Pair:
    """Complex numbers that stand in the graph, beside every row of an array."""
    axes = tuple(range(like.rank - values.ndim, like.rank))

    def part(numbers: Array) -> Any:
        return broadcast(constant(numbers, like.dtype), shape=like.shape, axes=axes)

    return Pair(part(values.real), part(values.imag))


def _by_convolution(x: Pair, size: int, inverse: bool) -> Pair:
    """j·k is (j² + k² - (k - j)²) / 2: chirps before and after a convolution with a chirp."""
    length = _smooth(2 * size - 1)
    chirp = _chirp(size, inverse)
    filled = (x * _spread(chirp, x.re)).each(lambda part: _padded(part, length - size))
    spectrum = _transformed(filled, length, False)
    answer = _spread(np.fft.fft(_around(chirp.conj(), length)) / length, spectrum.re)
    found = _transformed(spectrum * answer, length, True).each(lambda part: _cut(part, size))
    return found * _spread(chirp, found.re)


def _padded(x: Node, by: int) -> Any:
    zeros = (0,) * x.rank
    return pad(x, low=zeros, high=(*zeros[1:], by), interior=zeros, value=0)


def _cut(x: Node, size: int) -> Any:
    stops = (*x.shape[:-1], size)
    return slice(x, starts=(0,) * x.rank, stops=stops, steps=(1,) * x.rank)


# numbers, in double precision


def _roots(rows: int, columns: int, order: int, inverse: bool) -> Array:
    """The powers i·j of a primitive root of one."""
    powers = np.outer(np.arange(rows), np.arange(columns)) % order
    return _turns(powers, order, inverse)


def _turns(powers: Array, order: int, inverse: bool) -> Array:
    angles = (2 if inverse else -2) * np.pi * powers / order
    return np.asarray(np.cos(angles) + 1j * np.sin(angles))


def _chirp(size: int, inverse: bool) -> Array:
    squares = np.array([k * k % (2 * size) for k in range(size)])
    return _turns(squares, 2 * size, inverse)


def _around(chirp: Array, length: int) -> Array:
    """A chirp and its mirror image on a circle."""
    found = np.zeros(length, complex)
    found[: len(chirp)] = chirp
    found[length - len(chirp) + 1 :] = chirp[:0:-1]
    return found


def _over_pairs(matrix: Array) -> Array:
    """(row, part, column, part): the matrix as a real one over pairs."""
    re, im = matrix.real, matrix.imag
    return np.stack([np.stack([re, im], -1), np.stack([-im, re], -1)], 1)


@cache
def _smooth(least: int) -> int:
    """The least number from `least` on with no prime factor above 3."""
    threes = [3**k for k in range(least.bit_length())]
    found: int = min(three << max(-(-least // three) - 1, 0).bit_length() for three in threes)
    return found
