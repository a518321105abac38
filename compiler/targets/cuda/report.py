"""What devices have, what the compiler says a kernel takes of it, and how many find room."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from ...kernel.processor import DEVICE, Device

__all__ = ["Occupancy", "Resources", "architectures", "device_of", "occupancy", "read_log"]

_WARP = 32
_REGISTERS_AT_ONCE = 256  # registers are handed to a warp in portions of this size
_RESERVED_SHARED = 1024  # bytes of shared memory that each block takes for the system

_ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_BARRIERS = re.compile(r"used (\d+) barriers")
_SHARED = re.compile(r"(\d+) bytes smem")


class Resources(Struct, frozen=True):
    """What one kernel takes: registers of a thread, bytes of its stack and of those spilled,
    bytes of shared memory of fixed size, and barriers."""

    arch: str
    registers: int
    stack: int = 0
    spilled: int = 0
    shared: int = 0
    barriers: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Everything as numbers, for JSON."""
        return asdict(self)


class Occupancy(Struct, frozen=True):
    """How many blocks fit on a multiprocessor, their share of its threads, and what limits it."""

    blocks: int
    fraction: float
    limit: str

    def __str__(self) -> str:
        return f"{100 * self.fraction:.0f} % ({self.limit})"


class _Multiprocessor(Struct, frozen=True):
    """What the blocks on one multiprocessor share."""

    threads: int
    blocks: int
    shared: int
    registers: int = 65536


# By compute capability, from the table of the CUDA programming guide. Before 8.0 there are no
# asynchronous copies and no bf16.
_MULTIPROCESSORS: Mapping[str, _Multiprocessor] = {
    "80": _Multiprocessor(2048, 32, 164 << 10),
    "86": _Multiprocessor(1536, 16, 100 << 10),
    "87": _Multiprocessor(1536, 16, 164 << 10),
    "88": _Multiprocessor(1536, 16, 100 << 10),
    "89": _Multiprocessor(1536, 24, 100 << 10),
    "90": _Multiprocessor(2048, 32, 228 << 10),
    "100": _Multiprocessor(2048, 32, 228 << 10),
    "103": _Multiprocessor(2048, 32, 228 << 10),
    "110": _Multiprocessor(1536, 24, 228 << 10),
    "120": _Multiprocessor(1536, 24, 100 << 10),
    "121": _Multiprocessor(1536, 24, 100 << 10),
}


def architectures() -> tuple[str, ...]:
    """The architectures that are known, from the oldest."""
    return tuple(f"sm_{number}" for number in _MULTIPROCESSORS)


def device_of(arch: str) -> Device:
    """What schedules must know of the devices of an architecture."""
    room = _room(arch)
    if room is None:
        return DEVICE
    return replace(DEVICE, most_shared_bytes=room.shared - _RESERVED_SHARED)


def read_log(log: str) -> dict[str, Resources]:
    """Kernel → what it takes, from what the assembler has printed."""
    starts = list(_ENTRY.finditer(log))
    ends = [start.start() for start in starts[1:]] + [len(log)]
    return {
        start[1]: _resources(start[2], log[start.end() : end])
        for start, end in zip(starts, ends, strict=True)
    }


def occupancy(arch: str, resources: Resources, threads: int, shared: int = 0) -> Occupancy | None:
    """What fits of blocks of so many threads with `shared` bytes beside the fixed ones.

    None for an architecture whose limits are not known.
    """
    room = _room(arch)
    if room is None:
        return None
    warps = -(-threads // _WARP)
    of_a_warp = -(-resources.registers * _WARP // _REGISTERS_AT_ONCE) * _REGISTERS_AT_ONCE
    fitting = {
        "threads": room.threads // (warps * _WARP),
        "registers": room.registers // max(1, of_a_warp) // warps,
        "shared memory": room.shared // (resources.shared + shared + _RESERVED_SHARED),
        "blocks": room.blocks,
    }
    limit = min(fitting, key=lambda what: fitting[what])
    blocks = fitting[limit]
    return Occupancy(blocks, blocks * warps * _WARP / room.threads, limit)


def _room(arch: str) -> _Multiprocessor | None:
    digits = re.match(r"sm_(\d+)", arch)
    return _MULTIPROCESSORS.get(digits[1]) if digits else None


def _resources(arch: str, text: str) -> Resources:
    stack, stores, loads = _numbers(_STACK, text, 3)
    return Resources(
        arch,
        registers=_numbers(_USED, text, 1)[0],
        stack=stack,
        spilled=stores + loads,
        shared=_numbers(_SHARED, text, 1)[0],
        barriers=_numbers(_BARRIERS, text, 1)[0],
    )


def _numbers(pattern: re.Pattern[str], text: str, count: int) -> tuple[int, ...]:
    found = pattern.search(text)
    return tuple(map(int, found.groups())) if found else (0,) * count
