"""Where the locals of a tile live: in registers if all phases place them alike, else shared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim, Symbol
from ...kernel.phases import Axis, Instr, Local, Reduce
from ...kernel.processor import DEVICE
from .layout import Layout, Turn, Walk

__all__ = ["Registers", "Shared", "Storage", "derive_storage", "is_single", "kept_in"]

MOST_WORDS = 128  # that one local may take of a thread's registers
BANK = 4  # bytes of shared memory that one bank serves at once
VECTOR = DEVICE.vector_bytes  # of the widest access


class Registers(Struct, frozen=True):
    """An array in each thread, with a dimension for every loop that is not of threads."""

    name: str
    dtype: DType
    turns: tuple[Turn, ...]

    @property
    def size(self) -> int:
        return prod(turn.count for turn in self.turns)


class Shared(Struct, frozen=True):
    """An array that the threads of a block share, row-major over the places of its axes.

    It has a slot of `count` elements for every block that is under way at once.
    """

    name: str
    dtype: DType
    strides: tuple[tuple[Symbol, int], ...]
    count: int
    slots: int = 1

    @property
    def slot(self) -> int:
        """Elements from one slot to the next, which is aligned to vectors."""
        unit = VECTOR // self.dtype.itemsize
        return self.count if self.slots == 1 else -(-self.count // unit) * unit

    @property
    def array(self) -> str:
        """The name of all slots together."""
        return self.name if self.slots == 1 else f"{self.name}_slots"

    @property
    def size(self) -> int:
        """Bytes, up to where the next array may start."""
        return -(-self.slots * self.slot * self.dtype.itemsize // 128) * 128


Storage = Mapping[Local, Registers | Shared]


def is_single(axis: Axis) -> bool:
    """Whether a tile has one index of the axis."""
    return axis.tile == 1 or axis.extent == 1


def kept_in(instr: Instr) -> Local | None:
    """The local that an instruction reads or writes."""
    if isinstance(instr.detail, Local):
        return instr.detail
    if instr.op == "reduce" and isinstance(instr.detail, Reduce):
        return instr.detail.local
    return None


def derive_storage(
    layouts: Iterable[Layout], axes: Mapping[Symbol, Axis], threads: int, name: Mapping[Local, str]
) -> dict[Local, Registers | Shared]:
    """The place of every local of a part."""
    users: dict[Local, list[tuple[Instr, Layout]]] = {}
    for layout in layouts:
        for instr in layout.phase.body:
            local = kept_in(instr)
            if local is not None:
                users.setdefault(local, []).append((instr, layout))
    return {
        local: _place(local, found, axes, threads, name[local]) for local, found in users.items()
    }


def _place(
    local: Local,
    users: list[tuple[Instr, Layout]],
    axes: Mapping[Symbol, Axis],
    threads: int,
    name: str,
) -> Registers | Shared:
    walked = [axis for axis in local.axes if not is_single(axes[axis])]
    ways = [tuple(layout.of[axis] for axis in walked) for _, layout in users]
    known = all(walk.steps is not None for way in ways for walk in way)
    alone = not _feeds_fragments(users)
    alike = len({tuple(walk.mapping for walk in way) for way in ways}) == 1
    if known and alike and alone:
        registers = Registers(name, local.dtype, _turns(ways[0]))
        words = registers.size * -(-local.dtype.itemsize // 4)
        if words <= min(MOST_WORDS, DEVICE.half_of_registers(threads)):
            return registers
    if not known:
        raise AssertionError(f"{local} needs a size that is known when it is compiled")
    return _shared(local, users, walked, ways, name)


def _turns(way: tuple[Walk, ...]) -> tuple[Turn, ...]:
    """Steps, copies and lanes of each axis, where there are several."""
    found: list[Turn] = []
    for walk in way:
        found.extend(([walk.unrolled_step] if walk.is_loop else []) + list(walk.turns))
    return tuple(found)


def _shared(
    local: Local,
    users: list[tuple[Instr, Layout]],
    walked: list[Symbol],
    ways: list[tuple[Walk, ...]],
    name: str,
) -> Shared:
    lengths = [max(way[at].reach or 0 for way in ways) for at in range(len(walked))]
    strides, stride = [], 1
    for axis, length in zip(reversed(walked), reversed(lengths), strict=True):
        strides.append((axis, stride))
        stride *= length
        if stride == length and len(walked) > 1:
            stride += _padding(local, users, length)
    return Shared(name, local.dtype, tuple(reversed(strides)), max(1, stride))


def _padding(local: Local, users: list[tuple[Instr, Layout]], length: int) -> int:
    """Elements after each row, so that threads that walk a column find it in different banks.

    Rows that are read by vectors stay aligned to vectors.
    """
    last = local.axes[-1]
    if _feeds_fragments(users):
        return _padding_of_fragments(local, users, length)
    if all(_fastest(layout, local) == last for _, layout in users):
        return 0
    reads = [layout for instr, layout in users if instr.op == "get"]
    along = any(last in layout.of and layout.of[last].lanes > 1 for layout in reads)
    unit = (VECTOR if along else BANK) // local.dtype.itemsize or 1
    return unit if length % (2 * unit) == 0 else 0 if length % unit == 0 else -length % unit


def _feeds_fragments(users: list[tuple[Instr, Layout]]) -> bool:
    return any(i.op == "get" and layout.phase.fragment is not None for i, layout in users)


def _padding_of_fragments(local: Local, users: list[tuple[Instr, Layout]], length: int) -> int:
    """Elements that make rows an odd number of 16 bytes; 8 rows of so many are in all banks.

    Elements of 4 bytes in rows beside the sum are read one by one: 4 rows of 8 neighbours.
    """
    unit = VECTOR // local.dtype.itemsize
    down = next(la.walks[0].symbol for _, la in users if la.phase.fragment is not None)
    if local.axes[-1] != down and not local.dtype.is_half:
        return (8 - length) % 32
    return (unit - length) % (2 * unit)


def _fastest(layout: Layout, local: Local) -> Symbol | None:
    """The axis of the local along which neighbouring threads lie, or else lanes."""
    own = [walk for walk in layout.walks if walk.symbol in local.axes]
    wide = [walk for walk in own if walk.lanes > 1]
    spread = [walk for walk in own if walk.threads > 1]
    found = spread[-1:] or wide[-1:]
    return found[0].symbol if found else None


def shared_offset(shared: Shared, layout: Layout) -> Dim:
    """The element at the places of a phase, its symbols those of places inside the tile."""
    total: Dim = 0
    for axis, stride in shared.strides:
        total = total + layout.of[axis].inside * stride
    return total
