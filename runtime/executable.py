"""A program bound to memory, ready to be called."""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Callable, Collection
from typing import Any, NoReturn

from . import options
from .errors import unsent
from .host.arguments import Counters
from .host.caller import Caller
from .host.entry import Bound, Descriptor, native_bound, native_entry
from .host.features import host_features
from .host.loader import architecture, load_image
from .host.threads import default_threads
from .placement import Placement
from .program import Program

__all__ = ["Executable", "load"]

_CUDA = "symfuse.runtime.cuda.executable"


def load(program: Program, *, threads: int | None = None, verify: bool | None = None) -> Any:
    """The program, loaded where it is for: an Executable, or one with the same face on a device."""
    if program.device is None:
        return Executable(program, threads=threads, verify=verify)
    # What drives devices is loaded with the first program for one.
    on_device = importlib.import_module(_CUDA).CudaExecutable
    return on_device(program, threads=threads, verify=verify)


class Executable:
    """Runs one program on the processor.

    A donated argument is given up by the caller: its memory becomes that of a result, and the
    array object itself is returned as that result. Where it cannot be written to (it is
    read-only, not contiguous, or overlaps another argument) a copy takes its place.
    """

    __slots__ = ("_caller", "_descriptor", "_is_native", "entry")

    entry: Callable[..., Any]
    """The function to call in hot loops: native wherever that is possible."""

    def __init__(
        self, program: Program, *, threads: int | None = None, verify: bool | None = None
    ) -> None:
        checked = bool(options.get("verify")) if verify is None else verify
        count = default_threads() if threads is None else threads
        code = load_image(program.code)
        self._caller = Caller(program, code, threads=count, verify=checked)
        self._descriptor = Descriptor(self._caller)
        self._is_native = not checked and not self._caller.reports
        built = native_entry(self._descriptor, self.name) if self._is_native else None
        self.entry = built or self._caller
        if built:
            self._caller.native = weakref.ref(built)

    def __reduce__(self) -> NoReturn:
        raise unsent(self.name)

    def entry_or(
        self, fallback: Callable[..., Any], numbers: Collection[int] = ()
    ) -> Callable[..., Any] | None:
        """The native function that gives `fallback` every call it cannot serve as it is.

        It takes Python floats for the arguments `numbers`, which are of f64 and rank 0, and arrays
        for all others. None where there is no native code. `fallback` must not refer to the
        function strongly.
        """
        if not self._is_native or any(self.program.arguments[n].donated for n in numbers):
            return None
        return native_entry(Descriptor(self._caller, fallback, numbers), self.name)

    def __call__(self, *arrays: Any, out: Any = None) -> Any:
        """The results for these arguments, written to `out` where it is given."""
        return self.entry(*arrays) if out is None else self._caller(*arrays, out=out)

    def __repr__(self) -> str:
        return f"<executable {self.name}{self.program.signature}>"

    def bind(self, *arrays: Any, out: Any = None) -> Callable[[], Any]:
        """A function without arguments that reads these arrays and writes the same results anew.

        It is for one thread at a time, and always returns the same arrays.
        """
        bound = Bound(self._caller, arrays, out)
        return (native_bound(bound, self.name) if self._is_native else None) or bound

    @property
    def program(self) -> Program:
        return self._caller.program

    @property
    def name(self) -> str:
        """What the program is called in messages."""
        return str(self.program.metadata.get("name", "program"))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The sizes that each call settles."""
        return self.program.symbols

    @property
    def reports(self) -> bool:
        """Whether the code tells Python something while it runs."""
        return self._caller.reports

    @property
    def is_native(self) -> bool:
        """Whether calls reach the code without passing through Python."""
        return self.entry is not self._caller

    @property
    def placement(self) -> Placement:
        """Where the program runs."""
        return Placement("cpu", "cpu", host_features().cpu, architecture())

    @property
    def counters(self) -> Counters:
        """How many calls took the Python path, and what they had to copy."""
        return self._caller.counters

    @property
    def last_high_water(self) -> int | None:
        """The bytes of the arena that the last verified run used."""
        return self._caller.last_high_water

    @property
    def threads(self) -> int:
        """How many threads one call may use."""
        return self._caller.threads

    @threads.setter
    def threads(self, count: int) -> None:
        self._caller.threads = count
        self._descriptor.set_threads(count)
