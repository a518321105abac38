"""The discrete Fourier transform, and the products that it is expanded into.

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

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import UnsupportedError

from ..ir.builder import constant
from ..ir.node import Node
from ..ir.op import Op, Sample
from ..ir.types import TensorType
from .alignment import as_is
from .complex import interleave, part_of
from .contract import contract
from .kinds import filled, linear
from .pairs import Pair
from .sampling import COMPLEX, draw
from .shape import broadcast, checked_axes, reshape, transpose
from .slicing import pad, slice

__all__ = ["fft"]

WIDEST = 16  # elements of a small transform, unless a prime factor is greater
LARGEST_PRIME = 61  # up to which a transform is a product with its matrix

Array = np.ndarray[Any, Any]


def _fft_type(x: TensorType, *, axis: int, inverse: bool = False) -> TensorType:
    checked_axes(x, (axis,))
    if not x.dtype.is_complex:
        raise UnsupportedError(f"{x} has no transform", fix="convert it to complex numbers")
    return x


def _reference(x: Any, *, axis: int, inverse: bool = False) -> Any:
    values = np.asarray(x)
    if not values.shape[axis]:
        return values
    if inverse:
        return np.fft.ifft(values, axis=axis, norm="forward")
    return np.fft.fft(values, axis=axis)


def _samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    lengths = (1, 2, 3, 8, 12, 45, 64, 67)
    drawn = [
        Sample((draw(rng, dtype, (2, n)),), {"axis": 1, "inverse": bool(n % 2)}) for n in lengths
    ]
    return [*drawn, Sample((draw(rng, dtype, (6, 2, 3)),), {"axis": 0})]


# over pairs: [..., n, 2] → [..., n, 2]


def _fft_parts(node: Node, operands: tuple[Any, ...]) -> Pair:
    (x,), axis, size = operands, node.attr("axis"), node.shape[node.attr("axis")]
    if not isinstance(size, int):
        raise UnsupportedError(
            f"the transform of {node.type} along an axis of symbolic size is not compiled",
            fix="give that axis a number as its size, as in sf.compile(f, 'c64[N,256]')",
        )
    order = (*(a for a in range(node.rank) if a != axis), axis)
    last = _moved(x, lambda part: transpose(part, axes=order))
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


fft: Op = linear(
    "fft",
    doc="Σ x·exp(∓2πi·jk/n) along an axis, not divided by anything; its own transpose",
    align=as_is,
    result_type=_fft_type,
    parts=_fft_parts,
    transpose=lambda ct, which, inputs, attrs: fft(ct, **attrs),
    batch=lambda inputs, batched, attrs: fft(inputs[0], **{**attrs, "axis": attrs["axis"] + 1}),
    reference=_reference,
    samples=_samples,
    dtypes=COMPLEX,
    ulp=64,
)
