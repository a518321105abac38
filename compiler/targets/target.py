"""What a target is: how kernels are walked, and the code that it makes of kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import asdict

from symfuse.runtime.host.image import Image

from ..ir.graph import Graph
from ..kernel.lower import Buffers
from ..kernel.phases import Kernel
from ..kernel.regions import Region
from ..kernel.schedules import Schedules
from ..passes.group_kernels import Group, Grouping
from .layout import Layout
from .llvm.machine import Level

if TYPE_CHECKING:
    from symfuse.runtime.cuda.code import DeviceCode

__all__ = ["Assignment", "Code", "Target", "Usage", "Written"]


class Code(Struct, frozen=True):
    """Machine code: for the processor, for a device, and the features that the former needs."""

    image: Image | None
    device: DeviceCode | None = None
    features: str = ""


class Usage(Struct, frozen=True):
    """What one launch takes of a device, as far as that is known.

    `shared` is bytes of shared memory of a block, `spilled` and `stack` are bytes of a thread,
    `occupancy` is the share of a multiprocessor's threads that find room at a time and `limit`
    what keeps out more; `seconds` is how long the compiler worked on it.
    """

    threads: int
    shared: int
    registers: int | None = None
    spilled: int | None = None
    stack: int | None = None
    occupancy: float | None = None
    limit: str = ""
    seconds: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything as numbers, for JSON."""
        return asdict(self)


class Written(Protocol):
    """A program as text, on its way to machine code."""

    @property
    def text(self) -> str:
        """All of it in the language that this target writes."""
        ...

    def as_text(self, stage: str) -> str:
        """One of the stages that the target is listed with."""
        ...

    def kernel_text(self, number: int) -> str:
        """The function of one launch."""
        ...

    def how_run(self, region: Region) -> str:
        """What there is to tell of who goes through a loop or chooses a branch."""
        ...

    def usage(self) -> Sequence[Usage | None]:
        """What each launch takes of a device; nothing where there is none."""
        ...

    def generate(self, level: Level) -> Code:
        """The machine code."""
        ...

    def timed(self, level: Level) -> Image | None:
        """The code once more, with clocks around launches; None where a device has clocks."""
        ...


class Assignment(Protocol):
    """Who computes each group of a graph: kernels of our own, or what a library brings."""

    @property
    def grouping(self) -> Grouping:
        """The groups, divided where a library computes a part of one."""
        ...

    @property
    def reasons(self) -> Sequence[str]:
        """A sentence for every choice between kernels of our own and a library."""
        ...

    def library_kernel(self, group: Group, name: str, buffers: Buffers) -> Kernel | None:
        """The launch of a group that a library computes; None for all others."""
        ...

    def write(self, launches: Sequence[Kernel], layout: Layout, buffers: Buffers) -> Written:
        """The launches as text."""
        ...


class Target(Protocol):
    """One machine, with which compiling means the same for all others."""

    @property
    def name(self) -> str: ...
    @property
    def arch(self) -> str: ...
    @property
    def alignment(self) -> int:
        """Of buffers in the arena, in bytes."""
        ...

    @property
    def rest(self) -> int:
        """Of the memory of small buffers before it is used again, in launches."""
        ...

    def schedules(self, numerics: str) -> Schedules:
        """How kernels are walked."""
        ...

    def prepared(self, graph: Graph) -> Graph:
        """The graph in operations that the target has."""
        ...

    def assign(self, graph: Graph, grouping: Grouping, numerics: str) -> Assignment:
        """Who computes what."""
        ...
