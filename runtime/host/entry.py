"""Native callables: a descriptor, a capsule around it, and a built-in function that reads it."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Collection, Sequence
from itertools import chain, count
from threading import Lock
from typing import Any

import numpy as np

from ..buffers import CACHE_FROM, empty
from ..errors import DeviceError, GuardError
from ..program import Argument, Program, Result
from .caller import Caller, raise_failure
from .layout import ALIGNED, BOUND, CONTIGUOUS, DERIVED, ENTRY, INPUT, OUTPUT, WRITEABLE
from .support import native

__all__ = ["Bound", "Descriptor", "native_bound", "native_entry"]

Array = np.ndarray[Any, Any]

# From this many bytes of traffic on, other Python threads may run meanwhile.
_RELEASE_FROM = 64 << 10
# Making an array costs more than filling one of this size.
_KEEP_TO = 4096
_NO_ARRAY = 0xFFFFFFFF  # flags that no array has
_FASTCALL_KEYWORDS, _NOARGS = 0x0082, 0x0004


class _MethodDefinition(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class Descriptor:
    """The words that `symfuse_call` reads for one program; it keeps all they point to.

    `fallback` gets the calls that native code cannot serve; without one, the caller does.
    `numbers` are the arguments that have to be Python floats.
    """

    __slots__ = ("_numbers", "_tables", "_words", "caller", "definition", "fallback")

    def __init__(
        self,
        caller: Caller,
        fallback: Callable[..., Any] | None = None,
        numbers: Collection[int] = (),
    ) -> None:
        self.caller, self._numbers = caller, numbers
        self.fallback = fallback or caller
        self.definition: Any = None
        self._tables: list[Array] = []
        program = caller.program
        self._words = np.array(
            ENTRY.pack(
                main=caller.code.address("main"),
                prepare=0 if program.is_static else caller.code.address("prepare"),
                fallback=id(self.fallback),
                failure=id(raise_failure),
                expected=len(program.arguments),
                inputs=len(program.inputs),
                outputs=len(program.outputs),
                constants=len(program.constants),
                symbols=len(program.symbols),
                input_table=self._input_table(program),
                output_table=self._table(self._output(program, x) for x in program.outputs),
                constant_table=self._keep([array.ctypes.data for array in program.constants]),
                input_dims=sum(argument.spec.rank for argument in program.inputs),
                output_dims=sum(result.spec.rank for result in program.outputs),
                donated=sum(argument.donated for argument in program.inputs),
                arena=0 if isinstance(program.arena, str) else program.arena,
                threads=caller.threads,
                work=_static_work(program),
                release_from=_RELEASE_FROM,
                cache_from=CACHE_FROM,
                keep_to=_KEEP_TO,
                single=len(program.outputs) == 1,
                scratch=_scratch_words(program),
            ),
            np.int64,
        )

    @property
    def address(self) -> int:
        return int(self._words.ctypes.data)

    def set_threads(self, threads: int) -> None:
        """Have the next calls use so many threads."""
        self._words[ENTRY.offset("threads") // 8] = threads

    def _keep(self, words: Sequence[int]) -> int:
        table = np.array(words or [0], np.int64)
        self._tables.append(table)
        return int(table.ctypes.data)

    def _table(self, rows: Any) -> int:
        return self._keep(list(chain.from_iterable(rows)))

    def _input_table(self, program: Program) -> int:
        hidden, given = iter(program.hidden), count()
        return self._table(
            self._input(program, argument, next(hidden), False)
            if argument.hidden
            else self._input(program, argument, None, next(given) in self._numbers)
            for argument in program.inputs
        )

    def _input(
        self, program: Program, argument: Argument, value: Array | None, is_number: bool
    ) -> list[int]:
        codes = map(program.match, argument.dims)
        flags = CONTIGUOUS | ALIGNED | (WRITEABLE if argument.donated else 0)
        return INPUT.pack(
            descr=id(argument.dtype.numpy),
            rank=argument.spec.rank,
            flags=_NO_ARRAY if is_number else flags,
            dims=self._keep([DERIVED if code is None else code for code in codes]),
            data=0 if value is None else int(value.ctypes.data),
            itemsize=argument.dtype.itemsize,
            donated=argument.donated,
            number=id(float) if is_number else 0,
        )

    def _output(self, program: Program, result: Result) -> list[int]:
        return OUTPUT.pack(
            descr=id(result.dtype.numpy),
            rank=result.spec.rank,
            # Of a symbolic program the shapes come from `prepare`.
            dims=self._keep([dim if isinstance(dim, int) else 0 for dim in result.dims]),
            itemsize=result.dtype.itemsize,
            alias=-1 if result.alias_of is None else program.argument_of(result.alias_of),
            recent=0,
            older=0,
        )


class Bound:
    """A call whose arguments, results and arena are fixed; it keeps all of them."""

    __slots__ = (
        "_arrays",
        "_busy",
        "_pointers",
        "_sizes",
        "_words",
        "caller",
        "definition",
        "result",
    )

    def __init__(self, caller: Caller, values: Sequence[Any], out: Any) -> None:
        self.caller = caller
        self.definition: Any = None
        self._busy = Lock()
        inputs, outputs, self._sizes, arena = _fixed_arrays(caller, values, out)
        scratch = empty((arena,), np.uint8)
        self._arrays = [*inputs, *outputs, scratch]
        self._pointers = caller.pointers([*inputs, *outputs])
        self.result = caller.results(outputs)
        traffic = sum(array.nbytes for array in self._arrays) + caller.program.work
        self._words = np.array(
            BOUND.pack(
                main=caller.code.address("main"),
                buffers=self._pointers.ctypes.data,
                sizes=self._sizes.ctypes.data,
                arena=scratch.ctypes.data,
                threads=caller.threads,
                releases=traffic >= _RELEASE_FROM,
                result=id(self.result),
                busy=0,
                refusal=id(_raise_busy),
                failure=id(raise_failure),
            ),
            np.int64,
        )

    @property
    def address(self) -> int:
        return int(self._words.ctypes.data)

    def __call__(self) -> Any:
        """Run once more; the arrays of the result are the same at each call."""
        if not self._busy.acquire(blocking=False):
            _raise_busy()
        try:
            self.caller.run(self._arrays[:-1], self._sizes, self._arrays[-1].nbytes)
        finally:
            self._busy.release()
        return self.result


def native_entry(descriptor: Descriptor, name: str) -> Callable[..., Any] | None:
    """The built-in function of a program; None where native code may not touch Python objects."""
    return _builtin("symfuse_call", "symfuse_forget", _FASTCALL_KEYWORDS, descriptor, name)


def native_bound(bound: Bound, name: str) -> Callable[[], Any] | None:
    """The built-in function of a fixed call; None where there can be none."""
    return _builtin("symfuse_run", "symfuse_unbind", _NOARGS, bound, name)


def _builtin(
    function: str, destructor: str, flags: int, owner: Descriptor | Bound, name: str
) -> Callable[..., Any] | None:
    """A built-in function over `owner`, which lives as long as the function."""
    helpers = native()
    if helpers is None:
        return None
    doc = f"{name}{owner.caller.program.signature}".encode()
    address = helpers.address(function)
    owner.definition = _MethodDefinition(name.encode(), address, flags, doc)
    capsule = _new_capsule(owner.address, None, helpers.address(destructor))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))
    _set_context(capsule, id(owner))
    made: Callable[..., Any] = _new_function(ctypes.addressof(owner.definition), capsule, None)
    return made


def _fixed_arrays(
    caller: Caller, values: Sequence[Any], out: Any
) -> tuple[list[Array], list[Array], Array, int]:
    """Inputs, outputs, symbol sizes and arena bytes of a call that is to be repeated."""
    copies = caller.counters.copies
    inputs = caller.take_inputs(values)
    visible = (a for a, i in zip(inputs, caller.program.inputs, strict=True) if not i.hidden)
    same = all(
        isinstance(value, np.ndarray) and (not array.size or np.may_share_memory(value, array))
        for value, array in zip(values, visible, strict=True)
    )
    sizes, shapes, arena = caller.solve(inputs)
    if not same or caller.counters.copies != copies:
        raise GuardError(
            "bind keeps the memory of its arguments, and one of them would have to be copied",
            fix="pass contiguous NumPy arrays of the program's dtypes",
        )
    return inputs, caller.bind_outputs(inputs, shapes, out), sizes, arena


def _static_work(program: Program) -> int:
    """Bytes known to be moved beside the reading of the inputs."""
    arena = program.arena if isinstance(program.arena, int) else 0
    specs = (result.spec for result in program.outputs if result.spec.is_static)
    sizes = (spec.dtype.itemsize * math.prod(map(int, spec.dims)) for spec in specs)
    return program.work + arena + sum(sizes)


def _scratch_words(program: Program) -> int:
    """The words of the tables that one call makes on its stack."""
    ranks = sum(len(x.dims) for x in program.inputs) + sum(len(x.dims) for x in program.outputs)
    tables = 2 * len(program.inputs) + 2 * len(program.outputs) + len(program.constants)
    return tables + len(program.symbols) + ranks + 1


def _raise_busy() -> None:
    """What native code calls when a bound call is entered a second time."""
    raise DeviceError(
        "this bound call is running in another thread",
        fix="bind once for each thread: a bound call has one arena and one set of results",
    )


_pointer, _object = ctypes.c_void_p, ctypes.py_object
_new_capsule = ctypes.PYFUNCTYPE(_object, _pointer, ctypes.c_char_p, _pointer)(
    ("PyCapsule_New", ctypes.pythonapi)
)
_set_context = ctypes.PYFUNCTYPE(ctypes.c_int, _object, _pointer)(
    ("PyCapsule_SetContext", ctypes.pythonapi)
)
_new_function = ctypes.PYFUNCTYPE(_object, _pointer, _object, _pointer)(
    ("PyCFunction_NewEx", ctypes.pythonapi)
)
