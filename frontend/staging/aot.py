"""`sf.compile`: a function compiled once, ahead of its calls."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

from msgspec.structs import replace

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import (
    ArgumentError,
    GuardError,
    SymfuseError,
    UnsupportedError,
    unsent,
)

from ..tracing.graph import Graph
from ..tracing.record import Recorded, record
from ..tracing.tree import flatten
from .backend import Choices, Loaded, load
from .draws import warning_of_draws
from .saving import write

__all__ = ["CompiledFunction", "Lowered", "compile", "export", "lower"]

_EXPLAIN = "symfuse.compiler.explain.stages"


class CompiledFunction:
    """Machine code for one function: takes and returns what the function does."""

    def __init__(self, loaded: Loaded, graph: Graph) -> None:
        self._loaded, self.graph = loaded, graph
        recorded = graph.recorded
        tree = recorded.out_tree if recorded else graph._out_tree
        self._out_tree = None if tree is None or tree.is_leaf else tree
        self._in_tree = recorded.arguments.tree if recorded else None
        parts = self._in_tree.children() if self._in_tree else []
        self._takes_flat = not parts or (not parts[1].count and parts[0].is_flat_tuple)
        self._returns_flat = tree is None or tree.is_leaf or (tree.is_flat_tuple and tree.count > 1)

    def __reduce__(self) -> NoReturn:
        raise unsent(self.graph.name)

    def __call__(self, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        """The results for these arguments, written to `out` where it is given."""
        try:
            if self._takes_flat and self._returns_flat and out is None and not kwargs:
                return self._loaded.entry(*args)
            leaves = self._leaves(args, kwargs)
            if out is None:
                return self._result(self._loaded.entry(*leaves))
            given = flatten(out)[0]
            target = given[0] if len(given) == 1 else tuple(given)
            return self._result(self.executable(*leaves, out=target))
        except SymfuseError as error:
            raise error.at(user_location()) from None

    def flat(self, *leaves: Any) -> tuple[Any, ...]:
        """The leaves of the results for the leaves of all arguments, in their order.

        Containers are neither taken apart nor checked: for loops that keep what they hand on flat.
        """
        try:
            found = self._loaded.entry(*leaves)
        except SymfuseError as error:
            raise error.at(user_location()) from None
        return found if isinstance(found, tuple) else (found,)

    def bind(self, *args: Any, out: Any = None, **kwargs: Any) -> Callable[[], Any]:
        """A function without arguments that reads these arrays and writes the same results."""
        leaves = self._leaves(args, kwargs)
        given = flatten(out)[0] if out is not None else None
        target = None if given is None else given[0] if len(given) == 1 else tuple(given)
        try:
            bound: Callable[[], Any] = self.executable.bind(*leaves, out=target)
        except SymfuseError as error:
            raise error.at(user_location()) from None
        if self._returns_flat:
            return bound
        return lambda: self._result(bound())

    @property
    def executable(self) -> Any:
        """The runtime's object that binds the code to memory."""
        if self._loaded.executable is None:
            raise UnsupportedError(
                'target="interpret" has no compiled code',
                fix='compile with target="cpu"',
                loc=user_location(),
            )
        return self._loaded.executable

    @property
    def compilation(self) -> Any:
        """What the compiler did, stage by stage."""
        return self._loaded.records

    @property
    def program(self) -> Any:
        """The machine code with its signature, guards and records."""
        return self.executable.program

    @property
    def guards(self) -> tuple[str, ...]:
        """What sizes must satisfy."""
        return tuple(self.program.guards)

    @property
    def placement(self) -> Any:
        """Where it runs: the target, the device with its name, and what the code is for."""
        return self.executable.placement

    @property
    def memory(self) -> Any:
        """The memory plan: `.peak` as a formula, `.peak_bytes(N=64)`, `.table()`, `.plot()`."""
        view = importlib.import_module("symfuse.view.memory").MemoryView
        return view.of(self._explained("memory"), self.graph.name)

    @property
    def kernels(self) -> Any:
        """The kernels with their kinds, source lines, phases and code."""
        return self._explained("kernels")

    def profile(self, *args: Any, **kwargs: Any) -> Any:
        """The time of each kernel on these arguments, and how often it ran: `.table()`, `.rows`.

        For the processor, the code is generated once more, with clocks around the launches, those
        in loops and branches as well; a device measures with events around each launch.
        """
        leaves = self._leaves(args, kwargs)
        try:
            return self._loaded.profile(leaves)
        except SymfuseError as error:
            raise error.at(user_location()) from None

    def explain(self) -> Any:
        """The user's source with, per line, its kernels, and why neighbours did not fuse."""
        return self._explained("explain")

    def cost_analysis(self) -> Any:
        """Operations and bytes, exact, as formulas in the sizes."""
        return self._explained("cost_analysis")

    def as_text(self, stage: str = "graph") -> str:
        """One stage as text: graph, optimized, schedule, kernels, memory; then llvm and asm, or for
        target="cuda" cuda, ptx and sass."""
        if stage == "graph":
            return str(self.graph)
        return str(self._explained("as_text", stage))

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the function into a file that `sf.load` reads without the compiler.

        The same source gives the same bytes. Containers that JSON cannot describe, such as
        dataclasses, raise UnsupportedError.
        """
        return write(path, self.compilation, self._in_tree, self._out_tree)

    def save_html(self, path: str | Path) -> Path:
        """Write a page with every stage, the reasons and the memory plan into a file."""
        write = importlib.import_module("symfuse.view.html").save_report
        return Path(write(self.compilation, path))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = importlib.import_module("symfuse.view.summary").compilation_bundle
        return dict(bundle(self.compilation))

    def __repr__(self) -> str:
        return f"<compiled {self.graph.name}: {self._signature()}>"

    def _explained(self, what: str, *more: Any) -> Any:
        """A record of the compilation, from the compiler's explanations."""
        return getattr(importlib.import_module(_EXPLAIN), what)(self.compilation, *more)

    def _leaves(self, args: Any, kwargs: Any) -> list[Any]:
        leaves, tree = flatten((args, kwargs))
        if self._in_tree is not None and tree != self._in_tree:
            raise GuardError(
                f"{self.graph.name} takes {self._signature()}, but the arguments are {tree}",
                fix="pass arguments with the containers that it was compiled for",
                loc=user_location(),
            )
        return leaves

    def _signature(self) -> str:
        pairs = zip(self.graph._names, self.graph.inputs, strict=True)
        return f"({', '.join(f'{name}: {node.type}' for name, node in pairs)})"

    def _result(self, result: Any) -> Any:
        if self._out_tree is None:
            return result
        leaves = (result,) if self._out_tree.count == 1 else result or ()
        return self._out_tree.unflatten(leaves)


class Lowered:
    """A traced function that is not compiled yet."""

    def __init__(self, graph: Graph, choices: Choices) -> None:
        self.graph, self._choices = graph, choices

    def compile(self) -> CompiledFunction:
        """The machine code."""
        return CompiledFunction(load(self.graph.ir, self._choices), self.graph)

    def as_text(self, stage: str = "graph") -> str:
        """One stage as text; stages after the graph need the compilation."""
        return str(self.graph) if stage == "graph" else self.compile().as_text(stage)

    def __repr__(self) -> str:
        return f"<lowered {self.graph.name}>"


def lower(
    function: Any,
    specs: Sequence[Any],
    named: Mapping[str, Any],
    choices: Choices,
    donated: Sequence[int] = (),
    *,
    static_argnums: Sequence[int] = (),
    static_argnames: Sequence[str] = (),
) -> Lowered:
    """The traced function for arguments of these types; a graph is taken as it is."""
    if isinstance(function, Graph) and not specs and not named:
        return Lowered(function, choices)
    with warning_of_draws(function):
        recorded = record(
            function, specs, named, static_argnums=static_argnums, static_argnames=static_argnames
        )
    return Lowered(Graph.of(_with_donated(recorded, donated)), choices)


def _with_donated(recorded: Recorded, donated: Sequence[int]) -> Recorded:
    if not donated:
        return recorded
    arguments = recorded.arguments
    given = recorded.graph.parameters[: len(arguments.leaves)]
    nodes = (node for at, node in enumerate(given) if arguments.position_of(at) in donated)
    return replace(recorded, graph=replace(recorded.graph, donated=frozenset(nodes)))


def compile(
    function: Any,
    /,
    *specs: Any,
    target: str | None = None,
    threads: int | None = None,
    numerics: str | None = None,
    max_memory: Any = None,
    verify: bool | None = None,
    mode: str | None = None,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    **named_specs: Any,
) -> CompiledFunction:
    """Compile a function, or a graph, for arguments of these types.

    With symbolic sizes it is compiled once for all of them; sizes that break a guard raise
    GuardError before anything runs. Raises CompileError if `max_memory` cannot be kept.

    >>> import symfuse as sf
    >>> exe = sf.compile(lambda x: x + 1, "f32[]", target="interpret")
    >>> float(exe(2.0))
    3.0
    """
    choices = Choices(target, numerics, threads, max_memory, verify, mode)
    nums, names, donated = map(_tuple, (static_argnums, static_argnames, donate_argnums))
    found = lower(
        function, specs, named_specs, choices, donated, static_argnums=nums, static_argnames=names
    )
    return found.compile()


def export(
    function: Any, /, *specs: Any, path: str | PathLike[str] = "model.sfz", **options: Any
) -> Path:
    """Compile a function for arguments of these types, and write it into a file for `sf.load`.

    The options and named specs are those of `sf.compile`. A function that is compiled already is
    taken as it is. Returns the path; raises UnsupportedError for containers such as dataclasses.

    >>> import tempfile, symfuse as sf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sf.export(lambda x: x + 1, "f32[N]", path=f"{folder}/next.sfz").name
    'next.sfz'
    """
    if not isinstance(function, CompiledFunction):
        function = compile(function, *specs, **options)
    elif specs or options:
        raise ArgumentError(
            f"{function!r} is compiled already, for its own arguments and options",
            fix="pass the function itself, or no specs and options",
            loc=user_location(),
        )
    found: Path = function.save(path)
    return found


def _tuple(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, int | str) else tuple(value)
