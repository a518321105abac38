"""The schedules of processors: vectors and register tiles, one thread in each tile."""

from __future__ import annotations

from msgspec import Struct

from .build import Draft
from .deep import cut_deep_product
from .merge import merge_axes
from .processor import Processor
from .products import schedule_contraction
from .scan import schedule_scan
from .scatter import Additions, schedule_scatter
from .schedule import schedule_rows
from .schedules import Step
from .split import Scratch, split_fold
from .widen import widen

__all__ = ["HostSchedules"]


class HostSchedules(Struct, frozen=True):
    """How a processor walks drafts."""

    processor: Processor

    def rows(self, draft: Draft, scratch: Scratch) -> tuple[Step, ...]:
        """One launch, or two when a long fold is split over the cores."""
        split = split_fold(draft, scratch)
        if split is None:
            return (Step(schedule_rows(draft, self.processor)),)
        first, second, piece = split
        partial = schedule_rows(first, self.processor, piece)
        rest = schedule_rows(second, self.processor)
        return Step(partial, "partial reduce", "_partial"), Step(rest)

    def contraction(self, draft: Draft, scratch: Scratch) -> tuple[Step, ...]:
        """The product, after copies of operands, in f32 or in panels, where they are worth it;
        long sums of few of them in pieces. What gives one number is walked as any other fold."""
        if draft.reduced.issuperset(draft.axes):
            return self.rows(draft, scratch)
        widened = widen(draft, scratch)
        copies = [schedule_rows(copy, self.processor) for copy in widened.copies]
        deep = cut_deep_product(widened.draft, self.processor, scratch)
        draft, piece = (widened.draft, None) if deep is None else (deep.pieces, deep.piece)
        *panels, tiles = schedule_contraction(draft, self.processor, scratch, piece)
        before = (
            *(Step(part, "widen", f"_wide{at}") for at, part in enumerate(copies)),
            *(Step(part, "pack", f"_panels{at or ''}") for at, part in enumerate(panels)),
        )
        if deep is None:
            return *before, Step(tiles)
        rest = schedule_rows(merge_axes(deep.rest), self.processor)
        return *before, Step(tiles, suffix="_partial"), Step(rest, "reduce", "_sum")

    def scan(self, draft: Draft, scratch: Scratch) -> tuple[Step, ...]:
        """Blocks of neighbouring rows, or one row after the other."""
        return (Step(schedule_scan(draft, self.processor)),)

    def scatter(self, work: Additions) -> Step:
        """Blocks of neighbouring columns."""
        return Step(schedule_scatter(work, self.processor))
