"""How wide memory can be touched along an axis, and how threads are dealt out to axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from msgspec import Struct

from ...ir.dims import Dim, Symbol, coefficient, evaluate, is_multiple, symbols, without
from ..build import Draft
from ..phases import Access, Instr, Loop, Phase
from ..processor import Device
from ..schedule import walked_axes

__all__ = [
    "Spread",
    "contiguous_axis",
    "cover",
    "lanes_along",
    "phases_of",
    "power_of_two",
    "size_or",
    "stride_along",
    "tiles_of",
]

SOME = 64  # what stands for sizes and indices that are not known
WASTE = 1.1  # of threads or registers, up to which a wider distribution is worth it


def power_of_two(number: int) -> int:
    """The smallest power of two that is not below a number."""
    return 1 << max(0, number - 1).bit_length()


def size_or(extent: Dim, otherwise: int) -> int:
    """A size if it is a number, else what stands for it in estimates."""
    return extent if isinstance(extent, int) else otherwise


def stride_along(instr: Instr, axis: Symbol) -> Dim:
    """How far apart an access finds neighbours along an axis, of whose index the place may be a
    quotient or a remainder: then at the first of them, whatever the other indices and sizes."""
    offset: Dim = instr.detail.offset
    known = coefficient(offset, axis)
    if known is not None:
        return known
    values = {symbol.name: SOME for symbol in symbols(offset)}
    first, second = (evaluate(offset, {**values, axis.name: at}) for at in (0, 1))
    return second - first


def contiguous_axis(draft: Draft, instrs: Iterable[Instr]) -> Symbol:
    """The axis along which most accesses are contiguous; the last one if they disagree."""
    accesses = [i for i in instrs if isinstance(i.detail, Access)]

    def score(axis: Symbol) -> tuple[int, int]:
        steps = [stride_along(i, axis) for i in accesses]
        contiguous = sum(step == 1 for step in steps)
        scattered = sum(step not in (0, 1) for step in steps)
        return contiguous - scattered, draft.axes.index(axis)

    return max(draft.axes, key=score)


def lanes_along(instrs: Iterable[Instr], axis: Symbol, device: Device) -> int:
    """How many neighbouring elements each access along an axis can touch at once."""
    touching = (i for i in instrs if isinstance(i.detail, Access))
    along = [i for i in touching if stride_along(i, axis) == 1]
    lanes = device.lanes(along) if along else 1
    while lanes > 1 and not all(_is_aligned(i, axis, lanes) for i in along):
        lanes //= 2
    return lanes


def _is_aligned(instr: Instr, axis: Symbol, lanes: int) -> bool:
    """Whether vectors of an access begin at multiples of their length."""
    access: Access = instr.detail
    args = instr.args if instr.op == "load" else instr.args[1:]
    if any(axis in arg.axes for arg in args) or coefficient(access.offset, axis) != 1:
        return False
    parts = (without(access.offset, axis), *access.strides)
    return all(is_multiple(part, lanes) is True for part in parts)


class Spread(Struct, frozen=True):
    """How many threads and copies of vectors an axis gets."""

    lanes: int = 1
    copies: int = 1
    threads: int = 1

    @property
    def step(self) -> int:
        return self.lanes * self.copies * self.threads

    def loop(self, symbol: Symbol, *, rolled: bool = False) -> Loop:
        """The loop over an axis that is spread like this."""
        return Loop(symbol, self.lanes, self.copies, self.threads, rolled)


def cover(extent: Dim, lanes: int, threads: int, copies: int) -> Spread:
    """As many threads as are of use on an axis, and copies where it is longer; little is idle."""
    if not isinstance(extent, int):
        return Spread(lanes, copies, threads)
    vectors = max(1, -(-extent // lanes))
    if vectors >= threads * copies:
        return Spread(lanes, copies, threads)
    choices = []
    while threads * copies >= vectors:
        needed = -(-vectors // threads)
        waste = threads * needed / vectors
        choices.append((max(waste, WASTE), -threads, Spread(lanes, needed, threads)))
        threads //= 2
        if not threads:
            break
    return min(choices, key=lambda choice: choice[:2])[2]


def phases_of(bodies: Sequence[tuple[Instr, ...]], loops: Sequence[Loop]) -> tuple[Phase, ...]:
    """One phase for each body, which walks those axes that it needs with the threads they have."""
    return tuple(_phase(body, loops) for body in bodies)


def _phase(body: tuple[Instr, ...], loops: Sequence[Loop]) -> Phase:
    walked = walked_axes(body)
    own = tuple(loop for loop in loops if loop.symbol in walked)
    spread = [at for at, loop in enumerate(loops) if loop in own and loop.threads > 1]
    after = loops[spread[-1] + 1 :] if spread else ()
    return Phase(own, body, prod(loop.threads for loop in after))


def tiles_of(draft: Draft, steps: dict[Symbol, int], *, otherwise: int = 1 << 20) -> int:
    """How many tiles there are, with sizes that are not known taken as large."""
    total = 1
    for axis in draft.axes:
        if axis not in draft.reduced:
            total *= -(-size_or(draft.extent(axis), otherwise) // steps.get(axis, 1))
    return total
