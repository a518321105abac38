"""Launches that hold launches: repeated, repeated while a condition holds, and chosen.

A region reads and writes what is different in every turn through slots: buffers whose address is
set before the launches of the turn run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from ..ir.dims import Dim, is_multiple, product
from .phases import Buffer, Kernel

__all__ = [
    "Carry",
    "Choice",
    "Region",
    "Repeat",
    "Rows",
    "Slot",
    "While",
    "alignment_of",
    "leaves",
    "lines",
    "turns",
]

_ALIGNED = 16  # bytes, to which all memory is aligned but for rows and parts of it


class Slot(Buffer, frozen=True, eq=False):
    """A buffer whose address is another one in each turn, but always a multiple of `alignment`."""

    alignment: int = _ALIGNED

    @classmethod
    def over(cls, like: Buffer, *places: Buffer, rows: tuple[Buffer, ...] = ()) -> Slot:
        """One that sees all of some buffers, and rows of others."""
        aligned = min((alignment_of(place) for place in (*places, *rows)), default=_ALIGNED)
        nbytes = product(like.shape) * like.dtype.itemsize
        while rows and aligned > 1 and is_multiple(nbytes, aligned) is not True:
            aligned //= 2
        return cls(like.name, like.dtype, like.shape, aligned)


def alignment_of(buffer: Buffer) -> int:
    """The bytes, up to 16, that the address of a buffer is a multiple of."""
    return buffer.alignment if isinstance(buffer, Slot) else _ALIGNED


class Carry(Struct, frozen=True):
    """A value that turns hand on: it begins at `start` and ends in `last`.

    A turn reads it at the slot `read` and writes the next one at `write`. Turns write into `last`
    and `spare` in turn; without a spare, each overwrites what the one before it has left. One that
    `is_row` is the row that the turn before has written at `write`; it is copied to `last` in the
    end, if anything reads it there.
    """

    start: Buffer
    read: Buffer
    write: Buffer
    last: Buffer | None
    spare: Buffer | None
    is_row: bool = False

    @property
    def end(self) -> Buffer:
        """Where the last turn leaves it."""
        assert self.last is not None
        return self.last


class Rows(Struct, frozen=True):
    """A buffer of which each turn sees one row, at a slot."""

    whole: Buffer
    slot: Buffer


class Repeat(Struct, frozen=True):
    """`length` turns; `counter` holds the number of the turn, which is that of its rows."""

    launches: tuple[Kernel, ...]
    length: Dim
    reverse: bool
    carries: tuple[Carry, ...]
    rows: tuple[Rows, ...]
    counter: Buffer | None

    @property
    def bodies(self) -> tuple[tuple[Kernel, ...], ...]:
        return (self.launches,)

    @property
    def slots(self) -> Iterator[Buffer]:
        """The buffers whose address changes."""
        yield from _slots(self.carries)
        yield from (row.slot for row in self.rows)

    @property
    def own(self) -> tuple[Buffer, ...]:
        """The memory that the region writes itself."""
        return tuple(b for b in (self.counter, *_ends(self.carries)) if b is not None)

    def __str__(self) -> str:
        way = ", backwards" if self.reverse else ""
        return f"repeat {self.length} times{way}"


class While(Struct, frozen=True):
    """Turns as long as `condition` leaves a truth in `test`, at most `bound`."""

    condition: tuple[Kernel, ...]
    launches: tuple[Kernel, ...]
    test: Buffer
    carries: tuple[Carry, ...]
    bound: int | None

    @property
    def bodies(self) -> tuple[tuple[Kernel, ...], ...]:
        return (self.condition, self.launches)

    @property
    def slots(self) -> Iterator[Buffer]:
        """The buffers whose address changes."""
        yield from _slots(self.carries)

    @property
    def own(self) -> tuple[Buffer, ...]:
        """The memory that the region writes itself."""
        return tuple(b for b in (self.test, *_ends(self.carries)) if b is not None)

    def __str__(self) -> str:
        return "while" if self.bound is None else f"while, at most {self.bound} times"


class Choice(Struct, frozen=True):
    """The launches of one branch, by the number in `index`; a single branch always runs."""

    index: Buffer
    branches: tuple[tuple[Kernel, ...], ...]

    @property
    def bodies(self) -> tuple[tuple[Kernel, ...], ...]:
        return self.branches

    @property
    def slots(self) -> tuple[Buffer, ...]:
        """None: all branches see the same memory."""
        return ()

    @property
    def own(self) -> tuple[Buffer, ...]:
        """None: results and operands belong to what is around the branch."""
        return ()

    def __str__(self) -> str:
        return "apart" if len(self.branches) == 1 else f"one of {len(self.branches)}"


Region = Repeat | While | Choice


def leaves(launches: Iterable[Kernel]) -> Iterator[Kernel]:
    """All kernels in the order in which they stand, those of regions inside."""
    for kernel in launches:
        if kernel.region is None:
            yield kernel
        else:
            for body in kernel.region.bodies:
                yield from leaves(body)


def turns(launches: Iterable[Kernel], often: Dim = 1) -> Iterator[tuple[Kernel, Dim]]:
    """The kernels as `leaves` gives them, and how often each runs as far as that is known: a loop
    whose end is not counts as one turn, and of a choice every branch."""
    for kernel in launches:
        if kernel.region is None:
            yield kernel, often
        else:
            inside = often * getattr(kernel.region, "length", 1)
            for body in kernel.region.bodies:
                yield from turns(body, inside)


def lines(launches: Iterable[Kernel], depth: int = 0) -> Iterator[tuple[int, str, Kernel]]:
    """Depth, words and launch of each line of the tree of launches."""
    for kernel in launches:
        if kernel.region is None:
            yield depth, kernel.name, kernel
            continue
        yield depth, str(kernel.region), kernel
        for number, body in enumerate(kernel.region.bodies):
            if len(kernel.region.bodies) > 1:
                yield depth + 1, _heading(kernel.region, number), kernel
                yield from lines(body, depth + 2)
            else:
                yield from lines(body, depth + 1)


def _heading(region: Region, number: int) -> str:
    return f"branch {number}" if isinstance(region, Choice) else ("condition", "turn")[number]


def _slots(carries: Iterable[Carry]) -> Iterator[Buffer]:
    for carry in carries:
        yield carry.read
        if not carry.is_row:
            yield carry.write


def _ends(carries: Iterable[Carry]) -> Iterator[Buffer | None]:
    for carry in carries:
        yield from (carry.last, carry.spare)
