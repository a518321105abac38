"""A program for a device on a machine without one: it can be looked at and saved, not called."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ..errors import DeviceError
from ..host.arguments import Counters
from ..placement import Placement
from ..program import Program
from .device import device

__all__ = ["Unplaced", "why_not_here"]


def why_not_here() -> DeviceError | None:
    """Why no program can run on a device here; None if one can."""
    try:
        device()
    except DeviceError as error:
        return error
    return None


class Unplaced:
    """Has the face of an executable, and raises the reason for every call."""

    def __init__(self, program: Program, problem: DeviceError) -> None:
        self.program, self.threads, self.counters = program, 1, Counters()
        self._problem = problem

    def __call__(self, *values: Any, out: Any = None) -> Any:
        """Raise: there is nothing to run on."""
        raise self._refusal

    def bind(self, *values: Any, out: Any = None) -> Callable[[], Any]:
        """Raise: there is nothing to run on."""
        raise self._refusal

    def entry_or(self, fallback: Callable[..., Any], numbers: Collection[int] = ()) -> None:
        """None: nothing can be called without Python."""

    @property
    def entry(self) -> Callable[..., Any]:
        """The function that raises."""
        return self

    @property
    def name(self) -> str:
        """What the program is called in messages."""
        return str(self.program.metadata.get("name", "program"))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The sizes that each call would settle."""
        return self.program.symbols

    @property
    def is_native(self) -> bool:
        """Whether calls reach the code without passing through Python: there are none."""
        return False

    @property
    def placement(self) -> Placement:
        """What the code is for; the device is missing."""
        assert self.program.device is not None
        return Placement("cuda", "none", "no device here", self.program.device.arch)

    @property
    def _refusal(self) -> DeviceError:
        return self._problem.at(None, prefix=f"{self.name} cannot run here")

    def __repr__(self) -> str:
        return f"<program {self.name}{self.program.signature} without a device>"
