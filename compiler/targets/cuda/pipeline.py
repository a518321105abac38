"""Serial loops that fetch blocks ahead: copies into shared memory that nobody waits for at once."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from ...kernel.phases import Access, Instr, Local, Part, Serial
from .layout import Layout
from .memory import Memory, Vector
from .storage import Registers, Shared, Storage

__all__ = ["FREE", "ahead_of", "copy_vector", "pipelined", "slots_of"]

FREE = ("const", "index", "below")
SIZES = (4, 8, 16)  # bytes of a copy


def _serial_layouts(part: Part, layouts: list[Layout]) -> list[tuple[Serial, list[Layout]]]:
    """Every serial loop of a part with the layouts of its phases."""
    found, number = [], 0
    for item in part.phases:
        if isinstance(item, Serial):
            found.append((item, layouts[number : number + len(item.phases)]))
            number += len(item.phases)
        else:
            number += 1
    return found


def ahead_of(serial: Serial, layouts: Iterable[Layout], memory: Memory) -> list[Layout]:
    """The first phases of a loop in stages, as long as they only copy into shared memory."""
    found: list[Layout] = []
    for layout in layouts if serial.stages > 1 else ():
        if not all(_is_copying(instr, layout, memory) for instr in layout.phase.body):
            break
        found.append(layout)
    return found


def _is_copying(instr: Instr, layout: Layout, memory: Memory) -> bool:
    if instr.op in FREE:
        return True
    if instr.op == "load":
        access: Access = instr.detail
        return not access.strides and not access.guarded
    if instr.op != "put" or instr.args[0].op != "load":
        return False
    shared = isinstance(memory.storage[instr.detail], Shared)
    return shared and _copy_width(instr, layout, memory) in SIZES


def copy_vector(put: Instr, layout: Layout, memory: Memory) -> Vector | None:
    """The lanes that one copy covers: neighbours in both memories, none beyond the end."""
    to, source = (memory.vector(instr, layout) for instr in (put, put.args[0]))
    if to is None or source is None or to.walk is not source.walk or to.walk.cuts_vectors:
        return None
    whole = to.walk.lanes * put.dtype.itemsize
    return to if to.by == source.by == to.walk.lanes and whole in SIZES else None


def _copy_width(put: Instr, layout: Layout, memory: Memory) -> int:
    """The bytes of one copy."""
    vector = copy_vector(put, layout, memory)
    return put.dtype.itemsize * (vector.by if vector is not None else 1)


def pipelined(
    part: Part, layouts: list[Layout], memory: Memory
) -> tuple[dict[Local, Registers | Shared], frozenset[Local]]:
    """The storage with room for all stages of what is fetched ahead, and which locals that are."""
    storage = dict(memory.storage)
    fetched: set[Local] = set()
    for serial, inside in _serial_layouts(part, layouts):
        for layout in ahead_of(serial, inside, memory):
            for local in _written(layout):
                place = storage[local]
                assert isinstance(place, Shared)
                storage[local] = replace(place, slots=serial.stages)
                fetched.add(local)
    return storage, frozenset(fetched)


def _written(layout: Layout) -> list[Local]:
    return [instr.detail for instr in layout.phase.body if instr.op == "put"]


def slots_of(layouts: Iterable[Layout], storage: Storage) -> list[Shared]:
    """The arrays with a slot for every stage that phases write."""
    places = (storage[local] for layout in layouts for local in _written(layout))
    return [place for place in places if isinstance(place, Shared)]
