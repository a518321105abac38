"""The call that looks like the last one: arrays of the same types, and nothing to think about."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import DType
from ..host.solver import Shape, Solved
from ..program import Argument, Program
from .arrays import DeviceArray
from .loaded import LoadedCode
from .memory import padded
from .replay import Replay
from .transfer import stager

__all__ = ["Fast"]


class Fast:
    """Serves calls with arrays of exactly these types, on the device in memory of symfuse's own or
    on the host; None tells that a call is of another kind.
    """

    __slots__ = (
        "_base",
        "_device",
        "_donates",
        "_find",
        "_first",
        "_outputs",
        "_rows",
        "_single",
        "_take",
        "_template",
        "_upload",
        "_visible",
    )

    def __init__(
        self,
        code: LoadedCode,
        shapes: Sequence[Shape],
        solved: Solved,
        find: Callable[[list[int]], Replay | None],
        base: int,
    ) -> None:
        program, self._device = code.program, code.device
        self._find, self._base = find, base
        self._take, self._upload = self._device.memory.take, stager(self._device).upload_packed
        self._rows, _ = _rows(program, shapes)
        self._visible = [row.number for row in self._rows]
        self._donates = any(argument.donated for argument in program.inputs)
        self._outputs = [
            (
                None if result.alias_of is None else program.argument_of(result.alias_of),
                shape,
                result.dtype,
                _bytes(shape, result.dtype),
            )
            for result, shape in zip(program.outputs, solved.shapes, strict=True)
        ]
        self._first = len(program.inputs)
        total = self._first + len(program.outputs) + len(program.constants)
        self._template = [code.fixed.get(number, 0) for number in range(total)]
        self._single = len(self._outputs) == 1

    @staticmethod
    def room(program: Program, shapes: Sequence[Shape]) -> int:
        """The bytes that all arguments take which may come from the host."""
        return _rows(program, shapes)[1]

    def __call__(self, values: Sequence[Any]) -> Any:
        """The results; None, before anything has been done, if the values do not fit."""
        addresses = self._template.copy()
        pieces = self._place(values, addresses)
        if pieces is None:
            return None
        if self._donates and len({addresses[at] for at in self._visible}) < len(self._visible):
            return None
        results = []
        for at, (alias, shape, dtype, nbytes) in enumerate(self._outputs, self._first):
            if alias is None:
                block = self._take(nbytes)
                made = DeviceArray(self._device, block.address, shape, dtype, block)
            else:
                made = values[alias]
            addresses[at] = made.address
            results.append(made)
        replay = self._find(addresses)
        if replay is None:
            return None
        if pieces:
            self._upload(self._base, pieces, pieces[-1][0] + pieces[-1][2])
        replay(addresses)
        return results[0] if self._single else tuple(results)

    def _place(
        self, values: Sequence[Any], addresses: list[int]
    ) -> list[tuple[int, int, int]] | None:
        """Fill in the addresses of the inputs, and give what has to be sent; None: does not fit."""
        rows, device = self._rows, self._device
        if len(values) != len(rows):
            return None
        pieces: list[tuple[int, int, int]] = []
        for value, row in zip(values, rows, strict=True):
            if type(value) is DeviceArray:
                if (
                    value.shape != row.shape
                    or value.element is not row.dtype
                    or value.device is not device
                    or not value.is_own
                    or (row.donated and value.is_read_only)
                ):
                    return None
                addresses[row.number] = value.address
            elif (
                type(value) is np.ndarray
                and not row.donated
                and value.dtype == row.numpy
                and value.shape == row.shape
                and value.flags.c_contiguous
                and value.flags.aligned
            ):
                addresses[row.number] = self._base + row.offset
                pieces.append((row.offset, value.ctypes.data, row.nbytes))
            else:
                return None
        return pieces


class _Row:
    """One argument: its number among the inputs, its type, its place among what is sent."""

    __slots__ = ("donated", "dtype", "nbytes", "number", "numpy", "offset", "shape")

    def __init__(self, number: int, argument: Argument, shape: Shape, offset: int) -> None:
        self.number, self.shape, self.offset = number, shape, offset
        self.dtype, self.numpy = argument.dtype, argument.dtype.numpy
        self.donated, self.nbytes = argument.donated, _bytes(shape, argument.dtype)


def _rows(program: Program, shapes: Sequence[Shape]) -> tuple[list[_Row], int]:
    """A row for each argument of the caller's, and the bytes that all of them take."""
    rows, end = [], 0
    for number, (argument, shape) in enumerate(zip(program.inputs, shapes, strict=True)):
        if not argument.hidden:
            row = _Row(number, argument, shape, end)
            rows.append(row)
            end += 0 if row.donated else padded(row.nbytes)
    return rows, end


def _bytes(shape: Shape, dtype: DType) -> int:
    return math.prod(shape) * dtype.itemsize
