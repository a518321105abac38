"""The tree of launches as the steps that the runtime goes through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from symfuse.runtime.cuda.places import Count, Place
from symfuse.runtime.cuda.steps import (
    MOST_CAPTURED,
    Carried,
    Choice,
    Repeat,
    Row,
    Step,
    Steps,
    While,
)

from ...ir.dims import Dim, product
from ...kernel import regions
from ...kernel.phases import Buffer, Kernel

__all__ = ["StepWriter", "how_run"]


class StepWriter(Struct, frozen=True):
    """Writes steps, for kernels with these numbers, memory at these places and these counts."""

    numbers: Mapping[Kernel, int]
    place: Callable[[Buffer], Place]
    count: Callable[[Dim], Count]

    def steps(self, launches: Sequence[Kernel]) -> Steps:
        """Those of some launches."""
        return tuple(map(self._step, launches))

    def _step(self, kernel: Kernel) -> Step:
        region = kernel.region
        if region is None:
            return self.numbers[kernel]
        if isinstance(region, regions.Repeat):
            return Repeat(
                self.steps(region.launches),
                self.count(region.length),
                region.reverse,
                tuple(map(self._carried, region.carries)),
                tuple(map(self._row, region.rows)),
                None if region.counter is None else self.place(region.counter),
            )
        if isinstance(region, regions.While):
            return While(
                self.steps(region.condition),
                self.steps(region.launches),
                self.place(region.test),
                tuple(map(self._carried, region.carries)),
                region.bound,
            )
        assert isinstance(region, regions.Choice)
        return Choice(self.place(region.index), tuple(map(self.steps, region.branches)))

    def _carried(self, carry: regions.Carry) -> Carried:
        last, spare = carry.last, None if carry.is_row else carry.spare
        return Carried(
            self.place(carry.start),
            self._slot(carry.read),
            self._slot(carry.write),
            None if last is None else self.place(last),
            None if spare is None else self.place(spare),
            carry.is_row,
            self._nbytes(carry.read),
        )

    def _row(self, rows: regions.Rows) -> Row:
        return Row(self.place(rows.whole), self._slot(rows.slot), self._nbytes(rows.slot))

    def _slot(self, buffer: Buffer) -> int:
        number = self.place(buffer).number
        assert number is not None
        return number

    def _nbytes(self, buffer: Buffer) -> Count:
        return self.count(product(buffer.shape) * buffer.dtype.itemsize)


def how_run(region: regions.Region) -> str:
    """Who launches what a loop or a choice consists of, in words."""
    if isinstance(region, regions.While):
        return "the host reads the condition before each turn"
    if isinstance(region, regions.Choice) and len(region.branches) > 1:
        return "the host reads the number and launches one branch"
    count = _launched(region)
    if count is None:
        return "the host launches turn by turn"
    if isinstance(count, int):
        return "captured" if count <= MOST_CAPTURED else "the host launches turn by turn"
    return f"captured, if it has no more than {MOST_CAPTURED} launches"


def _launched(region: regions.Region) -> Dim | None:
    """How many launches it takes, if no value decides that."""
    if isinstance(region, regions.While) or len(region.bodies) > 1:
        return None
    total: Dim = 0
    for kernel in region.bodies[0]:
        count = 1 if kernel.region is None else _launched(kernel.region)
        if count is None:
            return None
        total = total + count
    return total * region.length if isinstance(region, regions.Repeat) else total
