"""What the phases of a part share while they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...ir.dims import Symbol
from ...kernel.phases import Buffer, Instr
from ...kernel.processor import DEVICE
from .indices import Indices
from .layout import Layout, Walk
from .memory import Memory
from .scalars import CudaScalars, Value, c_type
from .storage import Registers, Shared, Storage, kept_in
from .writer import Writer

__all__ = ["WARP", "Tile"]

WARP = DEVICE.warp


@dataclass(eq=False, slots=True)
class Tile:
    """One part of a kernel, run by blocks of `threads` threads."""

    writer: Writer
    indices: Indices
    threads: int
    pointers: Mapping[Buffer, str]
    storage: Storage
    scratch_bytes: int = 0
    scalars: CudaScalars = field(init=False)
    plain: CudaScalars = field(init=False)
    memory: Memory = field(init=False)

    def __post_init__(self) -> None:
        self.scalars = CudaScalars(lambda value: self.named(value, "value"))
        self.plain = CudaScalars(lambda value: value)
        self.memory = Memory(self.indices, self.pointers, self.storage)

    def named(self, value: Value, hint: str) -> Value:
        """Declare a constant and give its name."""
        name = self.writer.fresh(hint)
        self.writer.line(f"const {c_type(value.dtype)} {name} = {value};")
        return Value(name, value.dtype)

    def scratch(self, size: int) -> None:
        """Ask for so many bytes that the threads exchange values through."""
        self.scratch_bytes = max(self.scratch_bytes, size)

    def digit(self, walk: Walk) -> str:
        """A thread's number along a walk; empty where there is one thread."""
        if walk.threads == 1:
            return ""
        near, *far = (self._digit(stride, count) for stride, count in walk.digits)
        return f"({far[0]} * {walk.threads // walk.warps} + {near})" if far else near

    def warp(self, walk: Walk) -> str:
        """The number of a thread's warp along a walk."""
        return "0" if walk.warps == 1 else self._digit(*walk.digits[1])

    def _digit(self, stride: int, count: int) -> str:
        text = "thread" if stride == 1 else f"thread / {stride}"
        return f"{text} % {count}" if stride * count < self.threads else text

    def owners(self, layout: Layout, axes: Iterable[Symbol]) -> list[str]:
        """That this thread is the one which writes values over these axes."""
        own = set(axes)
        found = []
        if layout.threads == 1:
            return ["thread == 0"]
        if layout.threads < self.threads:
            found.append(f"thread < {layout.threads}")
        if layout.phase.same > 1:
            found.append(f"thread % {layout.phase.same} == 0")
        found.extend(
            f"{self.digit(walk)} == 0"
            for walk in layout.walks
            if walk.threads > 1 and walk.symbol not in own
        )
        return found

    def places(self, instr: Instr) -> list[Registers | Shared]:
        """Where the local of an instruction lives, if it has one."""
        local = kept_in(instr)
        return [self.storage[local]] if local is not None else []

    def uses_places(self, walk: Walk) -> bool:
        """Whether some shared array has the axis of a walk."""
        shared = (place for place in self.storage.values() if isinstance(place, Shared))
        return any(walk.symbol == axis for place in shared for axis, _ in place.strides)
