"""Which kernels, and which parts of them, are the same code but for the buffers they work on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
from msgspec import Struct

from ..ir.dims import Symbol
from .phases import Access, Buffer, Instr, Kernel, Local, Part

__all__ = ["first_of_each_form", "operands", "part_functions", "part_operands"]


def operands(kernel: Kernel) -> tuple[Buffer, ...]:
    """The buffers of a kernel in the order in which its code is given them: those of each part."""
    if kernel.by_library is not None:
        return tuple(dict.fromkeys((*kernel.reads, *kernel.writes)))
    return tuple(buffer for part in kernel.parts for buffer in part_operands(part))


def part_operands(part: Part) -> tuple[Buffer, ...]:
    """The buffers of a part, each once."""
    found: dict[Buffer, None] = {}
    for phase in part.every_phase():
        accesses = (i.detail for i in phase.body if isinstance(i.detail, Access))
        found.update(dict.fromkeys(access.buffer for access in (*accesses, *phase.ahead)))
    return tuple(found)


def first_of_each_form(kernels: Iterable[Kernel]) -> Mapping[Kernel, Kernel]:
    """For each kernel the first one that is the same code."""
    kernels = tuple(kernels)
    outlines = {kernel: _outline(kernel) for kernel in kernels}
    often = Counter(outlines.values())
    first: dict[Hashable, Kernel] = {}
    return {
        kernel: first.setdefault(_kernel_form(kernel) if often[outline] > 1 else kernel, kernel)
        for kernel, outline in outlines.items()
    }


def part_functions(kernels: Iterable[Kernel]) -> Mapping[Kernel, tuple[str, ...]]:
    """For each kernel of several parts the names of the functions that these are; parts that are
    the same code have the function of the first of them."""
    several = [kernel for kernel in kernels if len(kernel.parts) > 1]
    often = Counter(_part_outline(part) for kernel in several for part in kernel.parts)
    first: dict[Hashable, str] = {}

    def name(kernel: Kernel, number: int, part: Part) -> str:
        own = f"{kernel.name}_{number}"
        return first.setdefault(_form(part) if often[_part_outline(part)] > 1 else own, own)

    return {
        kernel: tuple(name(kernel, number, part) for number, part in enumerate(kernel.parts))
        for kernel in several
    }


def _kernel_form(kernel: Kernel) -> Hashable:
    """All that decides what code a kernel is; itself where a library computes it."""
    if kernel.by_library is not None:
        return kernel
    return kernel.work, *map(_form, kernel.parts)


def _form(part: Part) -> Hashable:
    """All that decides what code a part is, without names and which buffers it has."""
    of = _Form()
    return of(part_operands(part)), of(part)


def _outline(kernel: Kernel) -> Hashable:
    """What kernels of one form have in common, and is quickly told."""
    return kernel.kind, kernel.work, *map(_part_outline, kernel.parts)


def _part_outline(part: Part) -> Hashable:
    return part.axes, *(len(phase.body) for phase in part.every_phase())


class _Form:
    """Tuples of what records hold, in which a number stands for what is known by identity."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def __call__(self, value: Any) -> Hashable:
        return _reading(type(value))(self, value)  # type: ignore[arg-type]  # types are hashable

    def numbered(self, value: Any) -> Hashable:
        number = self._numbers.get(value)
        if number is not None:
            return number
        self._numbers[value] = len(self._numbers)
        return self.record(value)

    def record(self, value: Struct) -> Hashable:
        kind = type(value)
        return kind, *[self(getattr(value, field)) for field in _fields(kind)]

    def items(self, value: tuple[Any, ...]) -> Hashable:
        return tuple(map(self, value))

    def number(self, value: Any) -> Hashable:
        return type(value), repr(value)  # -0.0 is not 0.0, nor 1 True, and NaN is NaN

    def itself(self, value: Hashable) -> Hashable:
        return value


@cache
def _reading(kind: type) -> Callable[[_Form, Any], Hashable]:
    """What becomes of values of a type, found once for each; the names of symbols matter."""
    readings = (
        ((Buffer, Instr, Local), _Form.numbered),
        ((Symbol,), _Form.itself),
        ((Struct,), _Form.record),
        ((tuple,), _Form.items),
        ((bool, int, float, np.generic), _Form.number),
    )
    return next((read for kinds, read in readings if issubclass(kind, kinds)), _Form.itself)


@cache
def _fields(kind: type[Struct]) -> tuple[str, ...]:
    """The fields of records of a type that decide what code is."""
    return tuple(field for field in kind.__struct_fields__ if field != "name")
