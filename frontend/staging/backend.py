"""From a graph to something that can be called: compiled code, or the interpreter."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakSet

from msgspec import Struct

from symfuse.compiler.interpreter import without_collection
from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.dims import upper_bound
from symfuse.compiler.ir.location import user_location
from symfuse.runtime import options
from symfuse.runtime.errors import CompileError, DeviceError, OptionError, UnsupportedError

__all__ = ["LIVE", "Choices", "Loaded", "load"]


class Choices(Struct, frozen=True):
    """How to compile; None leaves a choice to the option of the same name."""

    target: str | None = None
    numerics: str | None = None
    threads: int | None = None
    max_memory: Any = None
    verify: bool | None = None
    mode: str | None = None

    def __post_init__(self) -> None:
        _check("target", self.target, options.OPTIONS["target"].choices)
        _check("numerics", self.numerics, options.OPTIONS["numerics"].choices)
        _check("mode", self.mode, ("default", "max", "fast-compile"))

    @property
    def compiler(self) -> Mapping[str, Any]:
        """What the compiler is told; only what was chosen."""
        numerics = self.numerics or options.get("numerics")
        given = {"numerics": numerics, "level": self.mode}
        return {name: value for name, value in given.items() if value is not None}


class Loaded(Struct, weakref=True, eq=False):
    """Something that runs a graph on flat arrays."""

    graph: ir.Graph
    entry: Callable[..., Any]
    executable: Any = None  # a runtime Executable; None for the interpreter
    compilation: Any = None  # the compiler's records; None for the interpreter
    mode: str | None = None  # how much the code was optimised
    is_watched: bool = False  # whether its results are inspected for NaN

    @property
    def is_wrapped(self) -> bool:
        """Whether something in Python looks at each call of the code."""
        return self.executable is not None and self.entry is not self.executable.entry

    @property
    def records(self) -> Any:
        """What the compiler did; the interpreter has none."""
        if self.compilation is None:
            raise UnsupportedError(
                'target="interpret" is not compiled', fix='use target="cpu"', loc=user_location()
            )
        return self.compilation

    def profile(self, arrays: Sequence[Any]) -> Any:
        """The time of each kernel on these arguments, of which none is changed."""
        measure = importlib.import_module("symfuse.compiler.explain.profile").profile
        return measure(self.records, arrays, self.executable.threads, self.mode or "default")


LIVE: WeakSet[Loaded] = WeakSet()
"""All code that is in use."""


def load(graph: ir.Graph, choices: Choices) -> Loaded:
    """Compile a graph and load the code; target "interpret" runs it by NumPy instead."""
    with without_collection():
        loaded = _loaded(graph, choices)
    LIVE.add(loaded)
    if options.get("debug") >= 2 and loaded.compilation is not None:
        loaded.entry = importlib.import_module("symfuse.debug.times").timed(loaded)
    if options.get("debug_nans"):
        importlib.import_module("symfuse.debug.nans").watched(loaded)
    return loaded


def _loaded(graph: ir.Graph, choices: Choices) -> Loaded:
    target = choices.target or options.get("target")
    if target == "interpret":
        return Loaded(graph, graph)
    # The compiler is loaded when something is first compiled: tracing does without it.
    compile_graph = importlib.import_module("symfuse.compiler.compile").compile_graph
    try:
        compilation = compile_graph(graph, target=target, **choices.compiler)
        if choices.max_memory is not None:
            _check_memory(compilation, choices.max_memory)
        executable = _executable(compilation, choices)
    except DeviceError as error:
        raise _nowhere(error).at(user_location()) from None
    return Loaded(graph, executable.entry, executable, compilation, choices.mode)


def _executable(compilation: Any, choices: Choices) -> Any:
    """The program, loaded where it runs; what is compiled for a device that is not here waits."""
    program = compilation.program
    if program.device is not None:
        unplaced = importlib.import_module("symfuse.runtime.cuda.unplaced")
        if (problem := unplaced.why_not_here()) is not None:
            return unplaced.Unplaced(program, problem)
    load_program = importlib.import_module("symfuse.runtime.executable").load
    found = load_program(program, threads=choices.threads, verify=choices.verify)
    if program.device is not None:
        found.live_set = lambda: _largest(compilation)
    return found


def _nowhere(error: DeviceError) -> DeviceError:
    """What stands in the way of compiling for a device: first of all that there may be none."""
    problem = importlib.import_module("symfuse.runtime.cuda.unplaced").why_not_here()
    if problem is None or problem.what == error.what:
        return error
    return DeviceError(f"{problem.what}; and {error.what}", fix=f"{problem.fix}; {error.fix}")


def _check_memory(compilation: Any, limit: int | str) -> None:
    """Raise if the arena may be larger than the limit, naming the largest intermediates."""
    plan = importlib.import_module("symfuse.compiler.explain.stages").memory(compilation)
    most = importlib.import_module("symfuse.compiler.explain.memory").byte_count(limit)
    peak = upper_bound(plan.peak)
    if peak is None:
        raise CompileError(
            f"the memory of {compilation.traced.name} is {plan.peak} bytes, without a bound",
            fix='bound the sizes, as by sf.dim("N", max=1024), to give max_memory a meaning',
            loc=user_location(),
        )
    if peak > most:
        raise CompileError(
            f"{compilation.traced.name} needs {peak} bytes of memory of {most} allowed; the "
            f"largest intermediates are {_largest(compilation)}",
            fix="allow more, or make the sizes smaller",
            loc=user_location(),
        )


def _largest(compilation: Any) -> str:
    """The intermediates that take most memory, with their types."""
    plan = importlib.import_module("symfuse.compiler.explain.stages").memory(compilation)
    largest = sorted(plan.rows, key=lambda row: -(upper_bound(row.nbytes) or 0))[:5]
    return ", ".join(f"{row.name}: {row.type}" for row in largest)


def _check(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise OptionError(
            f"{name}={value!r} is not known",
            fix=f"use one of {', '.join(map(repr, allowed))}",
            loc=user_location(),
        )
