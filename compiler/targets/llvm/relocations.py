"""How x86-64 and AArch64 code refers to positions: relocations and stubs."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import TypeAlias

from msgspec import Struct

from symfuse.runtime.errors import CompileError

__all__ = ["ARCHITECTURES", "Architecture", "Patch", "Via"]

Write: TypeAlias = Callable[[bytearray, int, int], None]
"""Writes into an image, at a place, the reference to a target; both are offsets in the image."""


class Via(Enum):
    """What a relocation wants the position of."""

    SYMBOL = auto()
    """The symbol itself."""
    CALL = auto()
    """The symbol, or the stub of an external function."""
    SLOT = auto()
    """The slot of the address table that holds the symbol's address."""


class Patch(Struct, frozen=True):
    """One kind of relocation."""

    name: str
    via: Via
    write: Write


class Architecture(Struct, frozen=True):
    """What linking needs to know of an instruction set."""

    page: int
    """The largest page that an operating system uses there."""
    stub_bytes: int
    stub: Write
    """Writes a jump through a slot of the address table."""
    patches: Mapping[int, Patch]


def _distance(image: bytearray, place: int, target: int) -> None:
    struct.pack_into("<i", image, place, _fit(target - place, 32))


def _fit(value: int, bits: int) -> int:
    if -(1 << bits - 1) <= value < 1 << bits - 1:
        return value
    raise CompileError(
        f"the compiled code spans {abs(value)} bytes, more than one jump can cross",
        fix="split the function into smaller ones",
    )


# x86-64 ------------------------------------------------------------------------------------------


def _x86_stub(image: bytearray, place: int, slot: int) -> None:
    """`jmp *slot(%rip)`"""
    image[place : place + 8] = b"\xff\x25\0\0\0\0\xcc\xcc"
    _distance(image, place + 2, slot - 4)


_X86_64 = Architecture(
    page=4096,
    stub_bytes=8,
    stub=_x86_stub,
    patches={
        2: Patch("R_X86_64_PC32", Via.SYMBOL, _distance),
        4: Patch("R_X86_64_PLT32", Via.CALL, _distance),
        9: Patch("R_X86_64_GOTPCREL", Via.SLOT, _distance),
        41: Patch("R_X86_64_GOTPCRELX", Via.SLOT, _distance),
        42: Patch("R_X86_64_REX_GOTPCRELX", Via.SLOT, _distance),
    },
)

# AArch64 -----------------------------------------------------------------------------------------


def _set_bits(image: bytearray, place: int, value: int, *, low: int, width: int) -> None:
    """Replace `width` bits of the instruction at `place`, from bit `low` on."""
    mask = (1 << width) - 1
    (word,) = struct.unpack_from("<I", image, place)
    struct.pack_into("<I", image, place, word & ~(mask << low) | (value & mask) << low)


def _adr(image: bytearray, place: int, distance: int) -> None:
    """The 21 bits of `adr` and `adrp`, of which the lowest two stand apart."""
    _fit(distance, 21)
    _set_bits(image, place, distance, low=29, width=2)
    _set_bits(image, place, distance >> 2, low=5, width=19)


def _near(image: bytearray, place: int, target: int) -> None:
    _adr(image, place, target - place)


def _page(image: bytearray, place: int, target: int) -> None:
    # The image is mapped at the start of a page, so pages of the image are pages of memory.
    _adr(image, place, (target >> 12) - (place >> 12))


def _branch(image: bytearray, place: int, target: int) -> None:
    _set_bits(image, place, _fit(target - place, 28) >> 2, low=0, width=26)


def _low(scale: int) -> Write:
    """The offset within the page, in units of `1 << scale` bytes."""

    def write(image: bytearray, place: int, target: int) -> None:
        _set_bits(image, place, (target & 0xFFF) >> scale, low=10, width=12)

    return write


def _arm_stub(image: bytearray, place: int, slot: int) -> None:
    """`adrp x16, slot; ldr x16, [x16, slot]; br x16; brk`"""
    struct.pack_into("<4I", image, place, 0x90000010, 0xF9400210, 0xD61F0200, 0xD4200000)
    _page(image, place, slot)
    _low(3)(image, place + 4, slot)


_AARCH64 = Architecture(
    page=65536,
    stub_bytes=16,
    stub=_arm_stub,
    patches={
        261: Patch("R_AARCH64_PREL32", Via.SYMBOL, _distance),
        274: Patch("R_AARCH64_ADR_PREL_LO21", Via.SYMBOL, _near),
        275: Patch("R_AARCH64_ADR_PREL_PG_HI21", Via.SYMBOL, _page),
        277: Patch("R_AARCH64_ADD_ABS_LO12_NC", Via.SYMBOL, _low(0)),
        278: Patch("R_AARCH64_LDST8_ABS_LO12_NC", Via.SYMBOL, _low(0)),
        282: Patch("R_AARCH64_JUMP26", Via.CALL, _branch),
        283: Patch("R_AARCH64_CALL26", Via.CALL, _branch),
        284: Patch("R_AARCH64_LDST16_ABS_LO12_NC", Via.SYMBOL, _low(1)),
        285: Patch("R_AARCH64_LDST32_ABS_LO12_NC", Via.SYMBOL, _low(2)),
        286: Patch("R_AARCH64_LDST64_ABS_LO12_NC", Via.SYMBOL, _low(3)),
        299: Patch("R_AARCH64_LDST128_ABS_LO12_NC", Via.SYMBOL, _low(4)),
        311: Patch("R_AARCH64_ADR_GOT_PAGE", Via.SLOT, _page),
        312: Patch("R_AARCH64_LD64_GOT_LO12_NC", Via.SLOT, _low(3)),
    },
)

ARCHITECTURES: Mapping[str, Architecture] = {"x86_64": _X86_64, "aarch64": _AARCH64}
