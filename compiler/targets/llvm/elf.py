"""Reads an ELF64 relocatable object: its sections, symbols and relocations."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property

from msgspec import Struct

from symfuse.runtime.errors import CompileError

__all__ = ["ElfObject", "Relocation", "Section", "Symbol"]

_MACHINES = {62: "x86_64", 183: "aarch64"}
_PROGBITS, _SYMTAB, _RELA, _NOBITS, _UNWIND = 1, 2, 4, 8, 0x70000001
_WRITE, _ALLOC = 1, 2
_UNDEFINED = 0
_LOCAL = 0
_HIDDEN = 2  # visibility: for the parts of one image alone
_RESERVED = 0xFF00  # section numbers from here on say something else
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")


class Section(Struct, frozen=True):
    """One row of the section table; `link` and `info` point at other sections."""

    index: int
    name: str
    type: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int

    @property
    def is_loaded(self) -> bool:
        """Whether it takes memory when the code runs; tables for unwinding are left behind."""
        return bool(self.flags & _ALLOC) and self.type != _UNWIND and self.name != ".eh_frame"

    @property
    def is_writable(self) -> bool:
        return bool(self.flags & _WRITE)

    @property
    def is_zeros(self) -> bool:
        return self.type == _NOBITS


class Symbol(Struct, frozen=True):
    """A name and where it lies: `value` bytes into the section with the index `section`."""

    name: str
    section: int
    value: int
    is_local: bool
    is_hidden: bool = False

    @property
    def is_external(self) -> bool:
        return self.section == _UNDEFINED and bool(self.name)


class Relocation(Struct, frozen=True):
    """A place, `offset` bytes into `section`, that waits for the position of a symbol."""

    section: int
    offset: int
    kind: int
    symbol: Symbol
    addend: int


class ElfObject:
    """The object file `data`, read piece by piece as it is asked for.

    The numbers of its sections begin at `base`, so that those of several objects differ.
    """

    def __init__(self, data: bytes, base: int = 0) -> None:
        machine = struct.unpack_from("<H", data, 18)[0] if data[:6] == b"\x7fELF\2\1" else None
        if machine not in _MACHINES:
            raise CompileError(
                f"the code generator wrote {data[:20]!r}…, no ELF object for x86-64 or AArch64",
                fix="run on Linux or macOS on one of these two architectures",
            )
        self.architecture = _MACHINES[machine]
        self._data, self._base = data, base

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        (start,) = struct.unpack_from("<Q", self._data, 40)
        stride, count, names = struct.unpack_from("<HHH", self._data, 58)
        rows = [_SECTION.unpack_from(self._data, start + i * stride) for i in range(count)]
        return tuple(
            Section(
                self._base + i, self._text(rows[names][4] + name), type_, flags, offset, size, *more
            )
            for i, (name, type_, flags, _, offset, size, *more, _) in enumerate(rows)
        )

    @property
    def loaded(self) -> tuple[Section, ...]:
        """The sections that make the image, each of a type that is plain bytes or zeros."""
        found = tuple(s for s in self.sections if s.is_loaded)
        for section in found:
            if section.type not in (_PROGBITS, _NOBITS):
                raise CompileError(
                    f"section {section.name} has type {section.type}, which an image cannot hold",
                    fix="write code without constructors, destructors and thread-local variables",
                )
        return found

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        table = next(s for s in self.sections if s.type == _SYMTAB)
        names = self.sections[table.link].offset
        rows = _SYMBOL.iter_unpack(self.content(table))
        return tuple(
            Symbol(
                self._text(names + name),
                section + self._base * (_UNDEFINED < section < _RESERVED),
                value,
                is_local=info >> 4 == _LOCAL,
                is_hidden=other & 3 == _HIDDEN,
            )
            for name, info, other, section, value, _ in rows
        )

    @property
    def exported(self) -> tuple[Symbol, ...]:
        """The symbols that are defined here for others to use, be it for other objects alone."""
        return tuple(s for s in self.symbols if not s.is_local and s.section != _UNDEFINED)

    def relocations(self) -> Iterator[Relocation]:
        """The relocations of all loaded sections."""
        for table in self.sections:
            if table.type == _RELA and (patched := self.sections[table.info]).is_loaded:
                for offset, info, addend in _RELOCATION.iter_unpack(self.content(table)):
                    symbol = self.symbols[info >> 32]
                    yield Relocation(patched.index, offset, info & 0xFFFFFFFF, symbol, addend)

    def content(self, section: Section) -> bytes:
        """The bytes of the section as stored; zeros are not."""
        return self._data[section.offset : section.offset + section.size * (not section.is_zeros)]

    def _text(self, start: int) -> str:
        return self._data[start : self._data.index(b"\0", start)].decode()
