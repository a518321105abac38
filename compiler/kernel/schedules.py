"""What there is to decide for each kind of group, whoever decides it."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from .build import Draft
from .phases import Part
from .scatter import Additions
from .split import Scratch

__all__ = ["Schedules", "Step"]


class Step(Struct, frozen=True):
    """One launch; `kind` and `suffix` where it only prepares what the last one does, and `why`
    there are several."""

    part: Part
    kind: str = ""
    suffix: str = ""
    why: str = ""


class Schedules(Protocol):
    """Drafts in, scheduled parts out, in the order in which they are to run."""

    def rows(self, draft: Draft, scratch: Scratch) -> tuple[Step, ...]:
        """Maps and reductions over one domain."""
        ...

    def contraction(self, draft: Draft, scratch: Scratch) -> tuple[Step, ...]:
        """A product of sums and what follows from it."""
        ...

    def scan(self, draft: Draft, scratch: Scratch) -> tuple[Step, ...]:
        """A running fold."""
        ...

    def scatter(self, work: Additions) -> Step:
        """Additions at computed places."""
        ...
