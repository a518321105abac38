"""The schedules of graphics processors: which one suits a draft."""

from __future__ import annotations

from dataclasses import dataclass

from ..build import Draft
from ..host import HostSchedules
from ..processor import Device, Processor
from ..scatter import Additions
from ..schedules import Step
from ..split import Scratch

__all__ = ["DeviceSchedules"]


@dataclass(frozen=True, slots=True)
class DeviceSchedules:
    """How a graphics processor walks drafts."""

    device: Device

    @property
    def _alone(self) -> HostSchedules:
        return HostSchedules(Processor(4, 16, 1 << 16))

    def rows(self, draft: Draft, scratch: Scratch) -> tuple[Step, ...]:
        """Maps and folds."""
        return self._alone.rows(draft, scratch)

    def contraction(self, draft: Draft, scratch: Scratch) -> tuple[Step, ...]:
        """Tiles of products."""
        return self._alone.contraction(draft, scratch)

    def scan(self, draft: Draft) -> Step:
        """Running folds."""
        return self._alone.scan(draft)

    def scatter(self, work: Additions) -> Step:
        """Additions at computed places."""
        return self._alone.scatter(work)
