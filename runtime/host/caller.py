"""Calls a program from Python: for every call that the native entry cannot serve itself."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..buffers import empty, high_water, poisoned
from ..errors import DeviceError, GuardError, VerifyError
from ..program import Program
from ..reports import raise_failures
from . import reporting
from .arguments import (
    Counters,
    check_count,
    separate_donated,
    take,
    take_outputs,
    without_overlap,
)
from .loader import LoadedImage
from .solver import Shape, Solver

__all__ = ["Caller", "raise_failure"]

Array = np.ndarray[Any, Any]

# More than the planned arena is checked for writes when a run is verified.
_MARGIN = 4096


class Caller:
    """A loaded program with its Python path: called when the native entry cannot serve a call."""

    __slots__ = (
        "_main",
        "_solver",
        "code",
        "constants",
        "counters",
        "hidden",
        "last_high_water",
        "native",
        "program",
        "reports",
        "threads",
        "verify",
    )

    def __init__(self, program: Program, code: LoadedImage, *, threads: int, verify: bool) -> None:
        self.program, self.code, self.threads, self.verify = program, code, threads, verify
        self.reports = reporting.NAME in program.code.externals
        self.counters = Counters()
        self.last_high_water: int | None = None
        # The native entry keeps this caller alive; to keep it in return would be a cycle that
        # the garbage collector cannot see.
        self.native: Callable[[], Callable[..., Any] | None] = _nothing
        pointer = ctypes.c_void_p
        kind = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, pointer, ctypes.c_int32)
        self._main = kind(code.address("main"))
        self._solver = Solver(program, code)

    def __call__(self, *values: Any, out: Any = None) -> Any:
        """Take the arguments as they are, run, and return the results."""
        self.counters.slow_calls += 1
        arrays = self.take_inputs(values)
        if out is None and (entry := self.native()):
            fit = [a for a, i in zip(arrays, self.program.inputs, strict=True) if not i.hidden]
            # Arguments that have become arrays may be native now; the others have been refused.
            if any(array is not value for array, value in zip(fit, values, strict=True)):
                return entry(*fit)
        sizes, shapes, arena = self.solve(arrays)
        separate_donated(self.program, arrays, self.counters)
        given = None if out is None else take_outputs(self.program, shapes, out)
        if given is not None:
            without_overlap(self.program, arrays, given, self.counters)
        outputs = self.make_outputs(arrays, shapes, given)
        self.run([*arrays, *outputs], sizes, arena)
        if given is not None:
            for target, output in zip(given, outputs, strict=True):
                if target is not output:
                    np.copyto(target, output)
        return self.results(outputs if given is None else given)

    def take_inputs(self, values: Sequence[Any]) -> list[Array]:
        """An array for every input, the hidden ones included."""
        check_count(self.program, len(values))
        visible, hidden = iter(values), iter(self.program.hidden)
        return [
            next(hidden) if argument.hidden else take(argument, next(visible), self.counters)
            for argument in self.program.inputs
        ]

    def solve(self, arrays: Sequence[Array]) -> tuple[Array, list[Shape], int]:
        """The value of every symbol, the shape of every result, and the bytes of the arena."""
        found = self._solver([array.shape for array in arrays])
        return found.sizes, found.shapes, found.arena

    def make_outputs(
        self, arrays: Sequence[Array], shapes: Sequence[Shape], given: Sequence[Array] | None
    ) -> list[Array]:
        """The arrays that the code writes: given or new ones, or those of donated inputs."""
        outputs = []
        for i, (result, shape) in enumerate(zip(self.program.outputs, shapes, strict=True)):
            if result.alias_of is not None:
                outputs.append(arrays[result.alias_of])
            elif given is not None:
                outputs.append(given[i])
            else:
                outputs.append(empty(shape, result.dtype.numpy))
        return outputs

    def bind_outputs(
        self, arrays: Sequence[Array], shapes: Sequence[Shape], out: Any
    ) -> list[Array]:
        """The arrays that a repeated call writes to; they may not be those that it reads."""
        given = None if out is None else take_outputs(self.program, shapes, out)
        outputs = self.make_outputs(arrays, shapes, given)
        own = [x for x, r in zip(outputs, self.program.outputs, strict=True) if r.alias_of is None]
        if given is not None and any(x is not y for x, y in zip(outputs, given, strict=True)):
            raise GuardError(
                "a result that takes over a donated argument cannot go to out",
                fix="bind without out: the donated arrays are the results",
            )
        every = [*arrays, *own]
        donated = (k for k, argument in enumerate(self.program.inputs) if argument.donated)
        for written in (*donated, *range(len(arrays), len(every))):
            others = (other for k, other in enumerate(every) if k != written)
            if any(np.may_share_memory(every[written], other) for other in others):
                raise GuardError(
                    "a bound call writes to memory that it also reads",
                    fix="pass separate arrays for arguments and results",
                )
        return outputs

    def run(self, arrays: Sequence[Array], sizes: Array, arena: int) -> None:
        """Run the code on inputs and outputs; raise if it reports an error."""
        pointers = self.pointers(arrays)
        scratch = poisoned(arena + _MARGIN) if self.verify else empty((arena,), np.uint8)
        status = self._main(
            pointers.ctypes.data, sizes.ctypes.data, scratch.ctypes.data, self.threads
        )
        if status:
            raise_failure()
        if self.reports:
            raise_failures()
        if self.verify:
            self.last_high_water = high_water(scratch)
            if self.last_high_water > arena:
                raise VerifyError(
                    f"the program wrote {self.last_high_water} bytes of an arena of {arena}"
                )

    def pointers(self, arrays: Sequence[Array]) -> Array:
        """The addresses of inputs, outputs and constants, as the code takes them."""
        every = [*arrays, *self.program.constants]
        return np.array([array.ctypes.data for array in every] or [0], np.int64)

    def results(self, outputs: Sequence[Array]) -> Any:
        """The only result itself, or the tuple of all."""
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _nothing() -> None:
    """No native entry."""


def raise_failure() -> None:
    """What native code calls when a program reports an error."""
    raise DeviceError(
        "the program stopped before its end: its code reported an error",
        fix="run it with SYMFUSE_VERIFY=1 to find the operation",
    )
