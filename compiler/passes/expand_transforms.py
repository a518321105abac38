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
from ..ir.op import Op
from ..ir.regions import every_node, with_inner
from ..ops.complex import as_complex, as_real, interleave, part_of, parts_of, whole_of
from ..ops.contract import contract
from ..ops.fourier import fft, irfft, length_of, rfft
from ..ops.kinds import filled
from ..ops.pairs import Pair
from ..ops.shape import broadcast, reshape, reverse, transpose
from ..ops.slicing import concatenate, pad, slice
from .settle import settle

__all__ = ["expand_transforms", "is_counted", "is_one_product"]

WIDEST = 16  # elements of a small transform, unless a prime factor is greater
LARGEST_PRIME = 61  # up to which a transform is a product with its matrix

Array = np.ndarray[Any, Any]


def is_counted(node: Node) -> bool:
    """Whether the length of a transform is a number."""
    return isinstance(length_of(node), int)


def is_one_product(node: Node) -> bool:
    """Whether a transform is a product with its matrix, which takes less than calling a library."""
    size = length_of(node)
    return isinstance(size, int) and _is_short(size)


def expand_transforms(graph: Graph, chosen: Callable[[Node], bool]) -> Graph:
    """The graph with products in place of the transforms that are `chosen`, in the graphs inside
    it as well."""
    if not any(node.op in _EXPANSIONS and chosen(node) for node in every_node(graph)):
        return graph
    return settle(_expanded(graph, chosen))


def _expanded(graph: Graph, chosen: Callable[[Node], bool]) -> Graph:
    inside = cache(lambda inner: _expanded(inner, chosen))  # results of a loop share its body

    def change(node: Node) -> Node:
        if node.op in _EXPANSIONS and chosen(node):
            return _along_axis(node)
        if node.op is as_real and node.inputs[0].op is as_complex:
            return node.inputs[0].inputs[0]
        return with_inner(graph.builder, node, inside)

    return graph.with_each(change)


def _along_axis(node: Node) -> Node:
    """A transform of a length that is a number."""
    (x,), axis, size = node.inputs, node.attr("axis"), length_of(node)
    assert isinstance(size, int)
    order = (*(a for a in range(node.rank) if a != axis), axis)
    pair = parts_of(x) if x.dtype.is_complex else Pair(x, filled(0, x.type))
    last = _moved(pair, lambda part: transpose(part, axes=order))
    found = _EXPANSIONS[node.op](last, size, bool(node.attrs.get("inverse")))
    if isinstance(found, Pair):
        return whole_of(found.each(lambda part: _back(part, axis)))
    return _back(found, axis)


def _back(part: Node, axis: int) -> Node:
    order = list(range(part.rank - 1))
    order.insert(axis, part.rank - 1)
    found: Node = transpose(part, axes=tuple(order))
    return found


# along the last axis


def _transformed(x: Pair, size: int, inverse: bool) -> Pair:
    """Complex numbers to complex numbers."""
    if size <= 1:
        return x
    first = _radix(size)
    if first > LARGEST_PRIME:
        return _by_convolution(x, size, inverse)
    if first == size:
        return _by_matrix(x, _roots(size, size, size, inverse))
    return _in_two(x, first, size // first, inverse)


@cache
def _radix(size: int) -> int:
    """The size of the small transforms to begin with."""
    small = [r for r in range(2, min(size, WIDEST) + 1) if size % r == 0]
    if small:
        rest = size // max(small)
        return max(small) if rest > 1 or max(small) == size else size
    return next((p for p in range(WIDEST + 1, size) if size % p == 0), size)


def _is_short(size: int) -> bool:
    return _radix(size) == size <= LARGEST_PRIME


def _by_matrix(x: Pair, roots: Array) -> Pair:
    """A product with the matrix over pairs."""
    numbers, last = _over_pairs(roots), x.re.rank - 1
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


# real numbers: those of an even length are the parts of half as many complex ones


def _half(x: Pair, size: int, inverse: bool) -> Pair:
    """Real numbers to the first half of their transform. With the transform of the even elements
    beside that of the odd ones, sums and differences with its mirror image tell them apart."""
    count = size // 2 + 1
    if _is_short(size):
        return _by_matrix(x, _roots(size, count, size, inverse=False))
    if size % 2:
        return _transformed(x, size, False).each(lambda part: _cut(part, count))
    rows = reshape(x.re, shape=(*x.re.shape[:-1], size // 2, 2))
    found = _transformed(Pair(part_of(rows, 0), part_of(rows, 1)), size // 2, False)
    whole = found.each(lambda part: concatenate(part, _cut(part, 1), axis=part.rank - 1))
    other = whole.each(_mirrored).conjugate
    twist = _spread(_turns(np.arange(count), size, inverse=False) / 2j, whole.re)
    return (whole + other).scaled(0.5) + (whole - other) * twist


def _whole(x: Pair, size: int, inverse: bool) -> Node:
    """The first half of a transform to the real numbers, by the same steps backwards."""
    if _is_short(size):
        return _by_real_matrix(x, size)
    numbers: Node
    half = Pair(x.re, _without_ends(x.im, size))
    if size % 2:
        rest = half.each(lambda part: _mirrored(_cut(part, size // 2 + 1, 1))).conjugate
        joined = zip((half.re, half.im), (rest.re, rest.im), strict=True)
        both = Pair(*(concatenate(*parts, axis=x.re.rank - 1) for parts in joined))
        numbers = _transformed(both, size, True).re
        return numbers
    whole, other = half, half.each(_mirrored).conjugate
    twist = _spread(_turns(np.arange(size // 2 + 1), size, inverse=True), whole.re)
    packed = (whole + other) + ((whole - other) * twist).turned
    found = _transformed(packed.each(lambda part: _cut(part, size // 2)), size // 2, True)
    rows = interleave(found.re, found.im)
    numbers = reshape(rows, shape=(*x.re.shape[:-1], size))
    return numbers


def _by_real_matrix(x: Pair, size: int) -> Node:
    """Each element of the half but those without a mirror image counts twice."""
    count = size // 2 + 1
    weights = np.array([1 if 2 * k % size == 0 else 2 for k in range(count)])
    roots = weights[:, None] * _roots(count, size, size, inverse=True)
    matrix = constant(np.stack([roots.real, -roots.imag], 1), x.re.dtype)
    last = x.re.rank - 1
    over = ((last, last + 1), (0, 1))
    found: Node = contract(interleave(x.re, x.im), matrix, batch=((), ()), contracting=over)
    return found


def _without_ends(im: Node, size: int) -> Node:
    """Imaginary parts, zero where the elements have no mirror image."""
    between, zeros = (size - 1) // 2, (0,) * im.rank
    ends = {"low": (*zeros[1:], 1), "high": (*zeros[1:], size // 2 - between)}
    found: Node = pad(_cut(im, between + 1, 1), **ends, interior=zeros, value=0)
    return found


def _mirrored(x: Node) -> Any:
    return reverse(x, axes=(x.rank - 1,))


def _padded(x: Node, by: int) -> Any:
    zeros = (0,) * x.rank
    return pad(x, low=zeros, high=(*zeros[1:], by), interior=zeros, value=0)


def _cut(x: Node, stop: int, start: int = 0) -> Any:
    ranges = {"starts": (*(0,) * (x.rank - 1), start), "stops": (*x.shape[:-1], stop)}
    return slice(x, **ranges, steps=(1,) * x.rank)


_EXPANSIONS: dict[Op, Callable[[Pair, int, bool], Pair | Node]] = {
    fft: _transformed,
    rfft: _half,
    irfft: _whole,
}


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
