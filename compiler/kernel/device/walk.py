"""How wide memory can be touched along an axis, and how threads are dealt out to axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from ...ir.dims import Dim, Symbol, coefficient, is_multiple, without
from ..build import Draft
from ..phases import Access, Instr, Loop, Phase
from ..processor import Device
from ..schedule import walked_axes

__all__ = ["Spread", "cover", "lanes_along", "phases_of", "power_of_two", "size_or", "tiles_of"]

WASTE = 1.1  # of threads or registers, up to which a wider distribution is worth it


def power_of_two(number: int) -> int:
    """The smallest power of two that is not below a number."""
    return 1 << max(0, number - 1).bit_length()


def size_or(extent: Dim, otherwise: int) -> int:
    """A size if it is a number, else what stands for it in estimates."""
    return extent if isinstance(extent, int) else otherwise


def lanes_along(instrs: Iterable[Instr], axis: Symbol, device: Device) -> int:
    """How many neighbouring elements each access along an axis can touch at once."""
    touching = (i for i in instrs if isinstance(i.detail, Access))
    along = [i for i in touching if coefficient(i.detail.offset, axis) == 1]
    lanes = device.lanes(along) if along else 1
    while lanes > 1 and not all(_is_aligned(i, axis, lanes) for i in along):
        lanes //= 2
    return lanes


def _is_aligned(instr: Instr, axis: Symbol, lanes: int) -> bool:
    """Whether vectors of an access begin at multiples of their length."""
    access: Access = instr.detail
    args = instr.args if instr.op == "load" else instr.args[1:]
    if any(axis in arg.axes for arg in args):
        return False
    parts = (without(access.offset, axis), *access.strides)
    return all(is_multiple(part, lanes) is True for part in parts)


@dataclass(frozen=True, slots=True)
class Spread:
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
