"""Which kernels are the same code: those that differ only in the buffers that they work on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
from msgspec import Struct

from .phases import Buffer, Instr, Kernel, Local

__all__ = ["first_of_each_form", "form", "operands"]

_BY_IDENTITY = (Buffer, Instr, Local)
_NUMBERS = (bool, int, float, np.generic)


def operands(kernel: Kernel) -> tuple[Buffer, ...]:
    """The buffers of a kernel, each once, in the order in which its code is given them."""
    return tuple(dict.fromkeys((*kernel.reads, *kernel.writes)))


def first_of_each_form(kernels: Iterable[Kernel]) -> Mapping[Kernel, Kernel]:
    """For each kernel the first one that is the same code."""
    kernels = tuple(kernels)
    outlines = {kernel: _outline(kernel) for kernel in kernels}
    often = Counter(outlines.values())
    first: dict[Hashable, Kernel] = {}
    return {
        kernel: first.setdefault(form(kernel) if often[outline] > 1 else kernel, kernel)
        for kernel, outline in outlines.items()
    }


def form(kernel: Kernel) -> Hashable:
    """All that decides what code a kernel is, without names, provenance, and which buffers it has;
    the kernel itself where a library computes it."""
    if kernel.by_library is not None:
        return kernel
    of = _Form()
    return of(operands(kernel)), of(kernel.parts), kernel.work


def _outline(kernel: Kernel) -> Hashable:
    """What kernels of one form have in common, and is quickly told."""
    bodies = tuple(len(phase.body) for part in kernel.parts for phase in part.every_phase())
    return kernel.kind, kernel.work, kernel.tiles, bodies


class _Form:
    """Tuples of what records hold, in which a number stands for what is known by identity."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def __call__(self, value: Any) -> Hashable:
        if isinstance(value, _BY_IDENTITY):
            return self._numbered(value)
        if isinstance(value, Struct):
            return self._fields(value)
        if isinstance(value, tuple):
            return tuple(map(self, value))
        if isinstance(value, _NUMBERS):
            return type(value), repr(value)  # -0.0 is not 0.0, nor 1 True, and NaN is NaN
        found: Hashable = value
        return found

    def _numbered(self, value: Any) -> Hashable:
        number = self._numbers.get(value)
        if number is not None:
            return number
        self._numbers[value] = len(self._numbers)
        return self._fields(value)

    def _fields(self, value: Struct) -> Hashable:
        kept = (f for f in value.__struct_fields__ if f != "name")
        return type(value), *(self(getattr(value, field)) for field in kept)
