"""From a graph to something that can be called: compiled code, or the interpreter."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.dims import upper_bound
from symfuse.compiler.ir.location import user_location
from symfuse.runtime import options
from symfuse.runtime.errors import CompileError, DeviceError, OptionError

__all__ = ["Choices", "Loaded", "get_ready", "load"]

_TARGETS = ("cpu", "cuda", "interpret")


@dataclass(frozen=True, slots=True)
class Choices:
    """How to compile; None leaves a choice to the option of the same name."""

    target: str | None = None
    numerics: str | None = None
    threads: int | None = None
    max_memory: Any = None
    verify: bool | None = None
    mode: str | None = None

    def __post_init__(self) -> None:
        _check("target", self.target, _TARGETS)
        _check("numerics", self.numerics, ("strict", "fast"))
        _check("mode", self.mode, ("default", "max", "fast-compile"))
        _check_device(self.target)

    @property
    def compiler(self) -> Mapping[str, Any]:
        """What the compiler is told; only what was chosen."""
        numerics = self.numerics or options.get("numerics")
        given = {"numerics": numerics, "level": self.mode}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(slots=True)
class Loaded:
    """Something that runs a graph on flat arrays."""

    graph: ir.Graph
    entry: Callable[..., Any]
    executable: Any = None  # a runtime Executable; None for the interpreter
    compilation: Any = None  # the compiler's records; None for the interpreter
    mode: str | None = None  # how much the code was optimised


def get_ready() -> None:
    """Begin with what takes no graph, while the function is traced."""
    importlib.import_module("symfuse.compiler.ahead").build_ahead()


def load(graph: ir.Graph, choices: Choices) -> Loaded:
    """Compile a graph and load the code; target "interpret" runs it by NumPy instead."""
    target = choices.target or options.get("target")
    _check_device(target)
    if target == "interpret":
        return Loaded(graph, graph)
    # The compiler is loaded when something is first compiled: tracing does without it.
    compile_graph = importlib.import_module("symfuse.compiler.compile").compile_graph
    executable_type = importlib.import_module("symfuse.runtime.executable").Executable
    compilation = compile_graph(graph, **choices.compiler)
    if choices.max_memory is not None:
        _check_memory(compilation, choices.max_memory)
    program = compilation.program
    executable = executable_type(program, threads=choices.threads, verify=choices.verify)
    return Loaded(graph, executable.entry, executable, compilation, choices.mode)


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
        largest = sorted(plan.rows, key=lambda row: -(upper_bound(row.nbytes) or 0))[:5]
        shown = ", ".join(f"{row.name}: {row.type}" for row in largest)
        raise CompileError(
            f"{compilation.traced.name} needs {peak} bytes of memory of {most} allowed; the "
            f"largest intermediates are {shown}",
            fix="allow more, or make the sizes smaller",
            loc=user_location(),
        )


def _check_device(target: str | None) -> None:
    """Refuse what would otherwise be compiled for another device than the one asked for."""
    if target == "cuda":
        raise DeviceError(
            "this build of symfuse has no CUDA target yet",
            fix='use target="cpu"; if the environment sets SYMFUSE_TARGET, set it to cpu',
            loc=user_location(),
        )


def _check(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise OptionError(
            f"{name}={value!r} is not known",
            fix=f"use one of {', '.join(map(repr, allowed))}",
            loc=user_location(),
        )
