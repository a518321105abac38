"""The tree of launches as the steps that the runtime goes through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from symfuse.runtime.cuda.places import Count, Place
from symfuse.runtime.cuda.steps import Carried, Choice, Repeat, Row, Step, Steps, While

from ...ir.dims import Dim, product
from ...kernel import regions
from ...kernel.phases import Buffer, Kernel

__all__ = ["StepWriter"]


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
