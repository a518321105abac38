"""Settles the sizes of one call: symbols, shapes of results, bytes of the arena."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ..errors import GuardError
from ..program import Argument, Program
from .loader import LoadedImage

__all__ = ["Shape", "Solved", "Solver"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


class Solved(NamedTuple):
    """The value of every symbol, the shape of every result, the arena and what else is prepared."""

    sizes: Array
    shapes: list[Shape]
    arena: int
    prepared: tuple[int, ...] = ()


class Solver:
    """Finds what follows from the shapes of the inputs, or says which of them do not fit."""

    __slots__ = ("_prepare", "code", "program")

    def __init__(self, program: Program, code: LoadedImage | None) -> None:
        # The code is kept: the function below does not own the memory that it runs in.
        self.program, self.code = program, code
        self._prepare: Callable[..., int] | None = None
        if code is not None and not program.is_static:
            pointer = ctypes.c_void_p
            kind = ctypes.CFUNCTYPE(ctypes.c_int64, pointer, pointer, pointer)
            self._prepare = kind(code.address("prepare"))

    def __call__(self, given: Sequence[Shape]) -> Solved:
        """What these shapes of all inputs, the hidden ones included, lead to."""
        program = self.program
        sizes = np.full(max(1, len(program.symbols)), -1, np.int64)
        if self._prepare is None:
            shapes = [tuple(map(int, result.dims)) for result in program.outputs]
            return Solved(sizes, shapes, int(program.arena))
        self._match_symbols(given, sizes)
        ranks = [len(result.dims) for result in program.outputs]
        extra = program.device.prepared if program.device else 0
        dims = np.array([*chain.from_iterable(given)] or [0], np.int64)
        solved = np.zeros(sum(ranks) + 1 + extra, np.int64)
        if broken := self._prepare(dims.ctypes.data, sizes.ctypes.data, solved.ctypes.data):
            raise self._broken_guard(broken - 1, given)
        numbers = solved.tolist()
        ends = np.cumsum(ranks).tolist()
        shapes = [tuple(numbers[end - rank : end]) for rank, end in zip(ranks, ends, strict=True)]
        behind = sum(ranks)
        return Solved(sizes, shapes, numbers[behind], tuple(numbers[behind + 1 :]))

    def _match_symbols(self, given: Sequence[Shape], sizes: Array) -> None:
        """Note the size of every symbol that is a dimension by itself; equal names, equal sizes."""
        first: dict[str, Argument] = {}
        symbols = self.program.symbols
        for argument, shape in zip(self.program.inputs, given, strict=True):
            for dim, size in zip(argument.dims, shape, strict=True):
                if not isinstance(dim, str) or dim not in symbols:
                    continue
                k = symbols.index(dim)
                if sizes[k] not in (-1, size):
                    earlier = first[dim]
                    raise GuardError(
                        f"{dim} is {sizes[k]} in argument {earlier.name!r} ({earlier.spec}) "
                        f"but {size} in argument {argument.name!r} ({argument.spec})",
                        fix=f"pass arrays in which {dim} is the same",
                    )
                sizes[k] = size
                first.setdefault(dim, argument)

    def _broken_guard(self, index: int, given: Sequence[Shape]) -> GuardError:
        guards = self.program.guards
        sentence = guards[index] if index < len(guards) else "sizes that fit together"
        shapes = ", ".join(
            f"{argument.name} {shape}"
            for argument, shape in zip(self.program.inputs, given, strict=True)
            if not argument.hidden
        )
        return GuardError(
            f"the program is valid for {sentence}; it got {shapes}",
            fix=f"pass sizes for which this holds, or compile for these: {self.program.signature}",
        )
