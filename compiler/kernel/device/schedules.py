"""The schedules of graphics processors: which one suits a draft."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ..build import Draft
from ..phases import Part
from ..processor import Device
from ..scatter import Additions
from ..schedules import Step
from ..split import Scratch
from .cut import cut_in_pieces, cut_product
from .long_scan import is_worth_cutting, scan_in_pieces
from .maps import schedule_map
from .products import Tiling, plan_tiling, schedule_tiling
from .rows import plan_fold, schedule_fold
from .scan import schedule_scan
from .scatter import schedule_scatter
from .tensor_products import schedule_fragments

__all__ = ["DeviceSchedules"]


class DeviceSchedules(Struct, frozen=True):
    """How a graphics processor walks drafts."""

    device: Device
    is_fast: bool = False  # whether products of f32 may lose digits

    def rows(self, draft: Draft, scratch: Scratch) -> tuple[Step, ...]:
        """Maps and folds; a long fold with few results takes two launches."""
        if not draft.reduced:
            return (Step(schedule_map(draft, self.device)),)
        fold = plan_fold(draft, self.device)
        cut = cut_in_pieces(fold, self.device, scratch)
        if cut is None:
            return (Step(schedule_fold(fold, self.device)),)
        pieces = replace(fold, draft=cut.pieces)
        partial = schedule_fold(pieces, self.device, cut.piece)
        rest = schedule_fold(plan_fold(cut.rest, self.device), self.device)
        return Step(partial, "partial reduce", "_partial", cut.why), Step(rest)

    def contraction(self, draft: Draft, scratch: Scratch) -> tuple[Step, ...]:
        """Tiles of products; long sums of few of them in pieces; a product with a vector is a
        fold of rows or columns."""
        tiling = plan_tiling(draft, self.device)
        if tiling is None:
            return self.rows(draft, scratch)
        deep = cut_product(tiling, self.device, scratch)
        if deep is None:
            return (Step(self._tiles(tiling)),)
        pieces = plan_tiling(deep.pieces, self.device, deep.piece)
        assert pieces is not None
        rest = schedule_fold(plan_fold(deep.rest, self.device), self.device)
        partial = Step(self._tiles(pieces), "partial product", "_partial", deep.why)
        return partial, Step(rest, "reduce", "_sum")

    def _tiles(self, tiling: Tiling) -> Part:
        """By tensor cores where they lose nothing."""
        part = schedule_fragments(tiling, self.device, is_fast=self.is_fast)
        return part or schedule_tiling(tiling, self.device)

    def scan(self, draft: Draft, scratch: Scratch) -> tuple[Step, ...]:
        """Rows by many threads, columns side by side; few long rows take three launches."""
        if is_worth_cutting(draft, self.device):
            return scan_in_pieces(draft, self.device, scratch)
        return (Step(schedule_scan(draft, self.device)),)

    def scatter(self, work: Additions) -> Step:
        """Tiles that own their places."""
        return Step(schedule_scatter(work, self.device))
