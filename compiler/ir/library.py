"""Calls of library routines as data: what a target has to do for one matrix of a batch."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from .dims import Dim

__all__ = [
    "INFO",
    "Call",
    "Copy",
    "Line",
    "Memory",
    "Order",
    "Plan",
    "Report",
    "Scratch",
    "Sort",
    "Step",
    "Transform",
    "Triangle",
    "Widen",
    "Zeros",
]


class Memory(Struct, frozen=True):
    """Elements of an operand ("0", "1"), the result ("out") or a scratch, from a place on."""

    name: str
    start: Dim = 0


class Scratch(Struct, frozen=True):
    """Memory that the steps need for one matrix at a time; without a type, that of the result."""

    name: str
    size: Dim
    dtype: DType | None = None


class _Info(Struct, frozen=True):
    """Where a routine says whether it has succeeded."""


INFO = _Info()


class Copy(Struct, frozen=True):
    """So many elements from one place to another."""

    source: Memory
    target: Memory
    count: Dim


class Widen(Struct, frozen=True):
    """So many real numbers as complex ones in another place."""

    source: Memory
    target: Memory
    count: Dim


class Triangle(Struct, frozen=True):
    """Elements on one side of the diagonal, and zeros on the other, or all; strides are
    (row, column)."""

    part: Literal["lower", "upper", "all"]
    source: Memory
    source_strides: tuple[Dim, Dim]
    target: Memory
    target_strides: tuple[Dim, Dim]
    rows: Dim
    columns: Dim


class Call(Struct, frozen=True):
    """A routine of LAPACK or BLAS, without the letter of its type.

    Arguments are addresses: of a letter, of a size, of a number, of `Memory`, or `INFO`. Where the
    routine `fails`, the result is NaN.
    """

    routine: str
    args: tuple[Any, ...]
    fails: bool = False


class Order(Struct, frozen=True):
    """The order that rows are in after exchanges with the pivots, as numbers of the result."""

    pivots: Memory
    target: Memory
    count: Dim


class Report(Struct, frozen=True):
    """Python is told of operands: how, their places, and the sizes of all of them."""

    text: str
    operands: tuple[Memory, ...]
    dims: tuple[Dim, ...]


class Zeros(Struct, frozen=True):
    """So many elements of the result become zero."""

    target: Memory
    count: Dim


class Line(Struct, frozen=True):
    """So many elements along an axis, which lie `between` from each other; rows begin `apart`."""

    size: Dim
    between: Dim
    apart: Dim


class Transform(Struct, frozen=True):
    """Fourier transforms by their names in NumPy (fft, ifft, rfft, irfft), one for each row of the
    plan."""

    name: str
    source: Memory
    target: Memory
    given: Line
    found: Line


class Sort(Struct, frozen=True):
    """Rows of `size` elements in ascending order, by NumPy: the elements themselves, or the
    `positions` that they have had, equal ones as they stand."""

    source: Memory
    target: Memory
    size: Dim
    positions: bool = False


Step = Copy | Widen | Triangle | Call | Order | Report | Sort | Transform | Zeros


class Plan(Struct, frozen=True):
    """The steps for one matrix; the last `rank` axes of the result are of one, those before them
    are counted through. Threads share the `rows` of each; `work` is about what one takes, in
    scalar additions, where that is not as for the product of two."""

    steps: tuple[Step, ...]
    scratch: tuple[Scratch, ...] = ()
    rank: int = 2
    rows: Dim = 1
    work: Dim | None = None
