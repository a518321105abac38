"""Where the threads of a block must meet: before one touches what another has left or needs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from ...ir.dims import Symbol, symbols
from ...kernel.phases import Access, Buffer, Instr, Local, Part, Phase
from .folds import exchanges
from .layout import Layout
from .storage import Registers, Storage, kept_in

__all__ = ["Barriers"]

SCRATCH = "scratch"


class _Touch(Struct, frozen=True):
    """A use of something shared; equal places mean that each thread meets only its own elements."""

    what: Hashable
    writes: bool
    place: Hashable  # None: anything

    def collides(self, other: _Touch) -> bool:
        apart = self.what != other.what or not (self.writes or other.writes)
        return not apart and (self.place is None or self.place != other.place)


class Barriers(Struct):
    """Looks for the phases before which the threads must meet; those of loops that fetch ahead
    meet at every block, so what they have `fetched` needs nothing more."""

    part: Part
    layouts: list[Layout]
    storage: Storage
    threads: int
    alias: Mapping[Buffer, Hashable]
    fetched: frozenset[Local]
    _found: set[int] = field(default_factory=set)

    def find(self) -> frozenset[int]:
        """The numbers of those phases."""
        touched: set[_Touch] = set()  # since the threads last met, along every way that leads here
        number = 0
        for item in self.part.phases:
            if isinstance(item, Phase):
                self._phase(number, touched)
                number += 1
                continue
            inside = range(number, number + len(item.phases))
            for _ in range(2):  # the second time, what the block before has left is known
                entered = set(touched)
                for at in inside:
                    self._phase(at, touched)
                touched |= entered
            number += len(item.phases)
            touched.add(_Touch(SCRATCH, False, None))
        return frozenset(self._found)

    def _phase(self, number: int, touched: set[_Touch]) -> None:
        layout = self.layouts[number]
        touches = {touch for i in layout.phase.body for touch in self._touches(i, layout)}
        folds = [i.detail for i in layout.phase.body if i.is_fold]
        meets = any(exchanges(layout, fold) for fold in folds)
        if meets:
            touches.add(_Touch(SCRATCH, True, None))
        collide = any(old.collides(new) for new in touches for old in touched)
        if number in self._found or collide:
            self._found.add(number)
            touched.clear()
        touched |= touches

    def _touches(self, instr: Instr, layout: Layout) -> list[_Touch]:
        local = kept_in(instr)
        if local is not None:
            if isinstance(self.storage[local], Registers) or local in self.fetched:
                return []
            return [_Touch(local, instr.op != "get", self._place_of(local, layout))]
        if isinstance(instr.detail, Access):
            what = self.alias[instr.detail.buffer]
            return [_Touch(what, instr.op != "load", self._place(instr, layout))]
        return []

    def _place_of(self, local: Local, layout: Layout) -> Hashable:
        walked = [axis for axis in local.axes if axis in layout.of]
        return self._mapping(walked, layout) if self._is_own(walked, layout) else None

    def _place(self, instr: Instr, layout: Layout) -> Hashable:
        access: Access = instr.detail
        axes = [symbol for symbol in symbols(access.offset) if symbol in layout.of]
        if access.strides or not self._is_own(axes, layout):
            return None
        return access.offset, self._mapping(axes, layout)

    def _mapping(self, axes: Iterable[Symbol], layout: Layout) -> Any:
        return tuple((axis, layout.of[axis].mapping) for axis in axes)

    def _is_own(self, axes: Iterable[Symbol], layout: Layout) -> bool:
        """Whether every thread of the block has elements that no other thread has."""
        spread = {walk.symbol for walk in layout.walks if walk.threads > 1}
        alone = layout.phase.same == 1 and layout.threads == self.threads
        return alone and spread <= set(axes)
