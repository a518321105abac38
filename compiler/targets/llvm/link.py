"""Turns relocatable objects into one flat image that runs wherever it is mapped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from symfuse.runtime.errors import CompileError
from symfuse.runtime.host.image import POINTER_BYTES, Image

from .elf import ElfObject, Relocation, Section, Symbol
from .relocations import ARCHITECTURES, Architecture, Patch, Via

__all__ = ["link"]

_ALIGN = 64


def link(*files: bytes) -> Image:
    """The image of object files: table, stubs, code, constants, then what is written."""
    objects = _read(files)
    architecture = ARCHITECTURES[objects[0].architecture]
    exported = {symbol.name: symbol for elf in objects for symbol in elf.exported}
    relocations = tuple(_bound(r, exported) for elf in objects for r in elf.relocations())
    layout = _lay_out([s for elf in objects for s in elf.loaded], architecture, relocations)
    code = _fill(objects, architecture, layout)
    for relocation in relocations:
        _resolve(code, relocation, _patch(relocation, architecture), layout)
    visible = (symbol for symbol in exported.values() if not symbol.is_hidden)
    return Image(
        architecture=objects[0].architecture,
        code=bytes(code),
        symbols={s.name: layout.sections[s.section] + s.value for s in visible},
        externals=tuple(layout.slots),
        data_offset=layout.data_offset,
        size=layout.size,
    )


class _Layout(Struct, frozen=True):
    """Offsets in the image: of slots and stubs by name, of sections by index, and of its parts."""

    slots: dict[str, int]
    stubs: dict[str, int]
    sections: dict[int, int]
    data_offset: int
    zeros_offset: int
    size: int


def _read(files: Iterable[bytes]) -> list[ElfObject]:
    objects: list[ElfObject] = []
    base = 0
    for data in files:
        objects.append(ElfObject(data, base))
        base += len(objects[-1].sections)
    return objects


def _bound(relocation: Relocation, exported: Mapping[str, Symbol]) -> Relocation:
    """The relocation, to the symbol of another object where that defines it."""
    symbol = relocation.symbol
    if not symbol.is_external or symbol.name not in exported:
        return relocation
    return replace(relocation, symbol=exported[symbol.name])


def _table_names(relocations: Iterable[Relocation], architecture: Architecture) -> list[str]:
    """The symbols reached through the address table: all that are external, and some of our own."""
    return sorted(
        {
            r.symbol.name
            for r in relocations
            if r.symbol.is_external or _patch(r, architecture).via is Via.SLOT
        }
    )


def _patch(relocation: Relocation, architecture: Architecture) -> Patch:
    if relocation.kind in architecture.patches:
        return architecture.patches[relocation.kind]
    raise CompileError(
        f"the reference to {relocation.symbol.name or 'a section'!r} is a relocation of kind "
        f"{relocation.kind}, which an image cannot hold",
        fix="refer to addresses from code, not from constant tables or thread-local variables",
    )


def _lay_out(
    sections: Sequence[Section], architecture: Architecture, relocations: Iterable[Relocation]
) -> _Layout:
    names = _table_names(relocations, architecture)
    slots = {name: index * POINTER_BYTES for index, name in enumerate(names)}
    stubs_at = _round_up(len(slots) * POINTER_BYTES, 16)
    stubs = {name: stubs_at + i * architecture.stub_bytes for i, name in enumerate(names)}
    constant = [s for s in sections if not s.is_writable]
    stored = [s for s in sections if s.is_writable and not s.is_zeros]
    zeros = [s for s in sections if s.is_writable and s.is_zeros]
    places, end = _stack(constant, stubs_at + len(stubs) * architecture.stub_bytes)
    data_offset = _round_up(end, architecture.page) if stored or zeros else end
    stored_places, zeros_offset = _stack(stored, data_offset)
    zeros_places, size = _stack(zeros, zeros_offset)
    places |= stored_places | zeros_places
    return _Layout(slots, stubs, places, data_offset, zeros_offset, size)


def _stack(sections: Iterable[Section], end: int) -> tuple[dict[int, int], int]:
    """Where each section lies when they follow one another from `end` on, and where they end."""
    places = {}
    for section in sections:
        places[section.index] = start = _round_up(end, max(_ALIGN, section.align))
        end = start + section.size
    return places, end


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _fill(objects: Iterable[ElfObject], architecture: Architecture, layout: _Layout) -> bytearray:
    code = bytearray(layout.zeros_offset)
    for name, place in layout.stubs.items():
        architecture.stub(code, place, layout.slots[name])
    for elf in objects:
        for section in elf.loaded:
            if not section.is_zeros:
                start = layout.sections[section.index]
                code[start : start + section.size] = elf.content(section)
    return code


def _resolve(code: bytearray, relocation: Relocation, patch: Patch, layout: _Layout) -> None:
    place = layout.sections[relocation.section] + relocation.offset
    patch.write(code, place, _target(relocation.symbol, patch, layout) + relocation.addend)


def _target(symbol: Symbol, patch: Patch, layout: _Layout) -> int:
    if patch.via is Via.SLOT:
        return layout.slots[symbol.name]
    if symbol.section in layout.sections:
        return layout.sections[symbol.section] + symbol.value
    if patch.via is Via.CALL and symbol.is_external:
        return layout.stubs[symbol.name]
    raise CompileError(
        f"{patch.name} wants the distance to {symbol.name!r}, which is not part of the image",
        fix="declare it without `dso_local`, so that it is reached through the address table",
    )
