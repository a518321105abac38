"""`sf.Graph`: a traced function as a value that can be printed, called, drawn and compiled."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.dims import Symbol
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.runtime.errors import GuardError, SymfuseError, TraceError

from .record import Recorded, record
from .trace import Trace, call_graph
from .tracer import Tracer
from .tree import Structure, flatten

__all__ = ["Graph", "make_graph", "trace"]


class Graph:
    """A function from arrays to arrays as a graph of operations.

    It prints as text, runs on arrays by the reference interpreter (NumPy), can be called inside
    other traced functions, and is accepted wherever a function is.

    >>> import symfuse as sf
    >>> x = sf.placeholder("x", "f32[3]")
    >>> graph = sf.Graph(inputs=[x], outputs=[sf.numpy.tanh(x)])
    >>> graph.stats()["tanh"]
    1
    """

    def __init__(self, inputs: Sequence[Any], outputs: Any, *, name: str = "graph") -> None:
        leaves, tree = flatten(outputs if isinstance(outputs, Tracer) else tuple(outputs))
        trace = _one_trace([*inputs, *leaves])
        for at, given in enumerate(inputs):
            if not isinstance(given, Tracer) or not given._node.is_parameter:
                raise TraceError(
                    f"inputs[{at}] is {given!r}, which is no placeholder",
                    fix='make it by sf.placeholder("x", "f32[3]")',
                    loc=user_location(),
                )
        parameters = tuple(given._node for given in inputs)
        single = len(leaves) == 1 and not isinstance(outputs, Tracer)
        nodes = tuple(trace.lift(leaf) for leaf in leaves)
        used = ir.Graph(name, (), nodes, trace.builder)
        hidden = tuple(n for n in used.nodes if n in trace.captured)
        _check_complete(used, (*parameters, *hidden))
        captured = {node: trace.captured[node] for node in hidden}
        self.ir = ir.Graph(name, (*parameters, *hidden), nodes, trace.builder, captured)
        self.recorded: Recorded | None = None
        self._out_tree: Structure | None = None if single else tree
        self._names = tuple(p.source.variable() or f"x{i}" for i, p in enumerate(parameters))

    @classmethod
    def of(cls, recorded: Recorded) -> Graph:
        """The graph of a traced function, with the containers of its arguments and results."""
        graph = object.__new__(cls)
        graph.ir, graph.recorded = recorded.graph, recorded
        graph._out_tree, graph._names = recorded.out_tree, recorded.names
        return graph

    @classmethod
    def wrap(cls, inner: ir.Graph) -> Graph:
        """A graph of the compiler as one that takes and returns flat arrays."""
        graph = object.__new__(cls)
        graph.ir, graph.recorded = inner, None
        graph._out_tree = None if len(inner.outputs) == 1 else flatten((0,) * len(inner.outputs))[1]
        visible = [p for p in inner.parameters if p not in inner.captured]
        graph._names = tuple(p.source.variable() or f"x{i}" for i, p in enumerate(visible))
        return graph

    @classmethod
    def parse(cls, text: str) -> Graph:
        """The graph that was printed as this text."""
        return cls.wrap(ir.Graph.parse(text))

    @property
    def name(self) -> str:
        return self.ir.name

    @property
    def __name__(self) -> str:
        return self.ir.name

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The parameters that a caller gives values for."""
        return tuple(p for p in self.ir.parameters if p not in self.ir.captured)

    @property
    def outputs(self) -> tuple[Node, ...]:
        return self.ir.outputs

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node that an output needs, inputs before users."""
        return self.ir.nodes

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """The symbolic sizes."""
        return self.ir.symbols

    def stats(self) -> dict[str, int]:
        """How often each operation occurs."""
        return self.ir.stats()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs: computed by NumPy on arrays, recorded inside a trace."""
        leaves = self._leaves(args, kwargs)
        try:
            results = call_graph(self.ir, leaves)
        except SymfuseError as error:
            raise error.at(user_location()) from None
        return results[0] if self._out_tree is None else self._out_tree.unflatten(results)

    def _leaves(self, args: Any, kwargs: Any) -> list[Any]:
        leaves, tree = flatten((args, kwargs))
        expected = self.recorded.arguments.tree if self.recorded else None
        if (expected is not None and tree != expected) or len(leaves) != len(self.inputs):
            names = ", ".join(
                f"{n}: {p.type}" for n, p in zip(self._names, self.inputs, strict=True)
            )
            raise GuardError(
                f"{self.name} takes ({names}), but the arguments are {tree}",
                fix=f"pass {len(self.inputs)} arrays" if expected is None else f"pass {expected}",
                loc=user_location(),
            )
        return leaves

    def __str__(self) -> str:
        return str(self.ir)

    def __repr__(self) -> str:
        return str(self.ir)

    def to_networkx(self) -> Any:
        """The graph as a networkx.MultiDiGraph."""
        return _view("symfuse.compiler.ir.export", "to_networkx")(self.ir)

    def to_dot(self) -> str:
        """The graph in the language of Graphviz."""
        return str(_view("symfuse.compiler.ir.export", "to_dot")(self.ir))

    def to_mermaid(self) -> str:
        """The graph as a Mermaid flow chart."""
        return str(_view("symfuse.compiler.ir.export", "to_mermaid")(self.ir))

    def to_sympy(self) -> Any:
        """The outputs as expressions of SymPy in the inputs: `symfuse.from_sympy` reads them.

        Arrays are given by their elements, x[0], x[1], ..., where the sizes are small numbers.
        Raises UnsupportedError for operations without a formula.

        >>> import symfuse as sf
        >>> sf.trace(lambda x, y: x * sf.numpy.sin(y), "f64[]", "f64[]").to_sympy()
        x*sin(y)
        """
        return _view("symfuse.symbols.expressing", "to_sympy")(self.ir)

    def to_latex(self) -> str:
        """Aligned equations in LaTeX, with the user's names for intermediate values."""
        return str(_view("symfuse.symbols.typesetting", "to_latex")(self.ir))

    def to_svg(self) -> str:
        """The graph as a drawing, made without other programs."""
        return str(_view("symfuse.view.svg", "to_svg")(self.ir))

    def to_html(self) -> str:
        """The graph as one page that needs nothing else."""
        return str(_view("symfuse.view.html", "to_html")(self.ir))

    def save_html(self, path: str | Path) -> Path:
        """Write the page of the graph into a file."""
        target = Path(path)
        target.write_text(self.to_html(), encoding="utf-8")
        return target

    def view(self) -> Path:
        """Open the page of the graph in a browser; returns the temporary file that it is in."""
        found: Path = _view("symfuse.view.browser", "opened")(self.name, self.to_html())
        return found

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return dict(_view("symfuse.view.summary", "graph_bundle")(self.ir))


def trace(
    function: Callable[..., Any],
    /,
    *specs: Any,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    **named_specs: Any,
) -> Graph:
    """The graph of a function for arguments of these types: specs, texts, arrays or trees of them.

    Raises TraceError, ShapeError, DTypeError or UnsupportedError at the user's line.

    >>> import symfuse as sf
    >>> graph = sf.trace(lambda x, y: x @ y, "f32[N,3]", "f32[3,4]")
    >>> print(graph.outputs[0].type)
    f32[N,4]
    """
    nums = (static_argnums,) if isinstance(static_argnums, int) else static_argnums
    names = (static_argnames,) if isinstance(static_argnames, str) else static_argnames
    found = record(function, specs, named_specs, static_argnums=nums, static_argnames=names)
    return Graph.of(found)


def make_graph(function: Callable[..., Any], **static: Any) -> Callable[..., Graph]:
    """`make_graph(f)(*specs)`: the graph of f, in the manner of jax.make_jaxpr."""

    def traced_for(*specs: Any, **named: Any) -> Graph:
        return trace(function, *specs, **static, **named)

    return traced_for


def _one_trace(values: Sequence[Any]) -> Trace:
    traces = {id(v._trace): v._trace for v in values if isinstance(v, Tracer)}
    if len(traces) != 1:
        raise TraceError(
            "a graph needs placeholders, and outputs that are computed from them",
            fix='x = sf.placeholder("x", "f32[3]"); sf.Graph(inputs=[x], outputs=[snp.tanh(x)])',
            loc=user_location(),
        )
    found: Trace = next(iter(traces.values()))
    return found


def _check_complete(used: ir.Graph, known: Sequence[Node]) -> None:
    missing = [n for n in used.nodes if n.is_parameter and n not in known]
    if missing:
        names = ", ".join(n.source.variable() or "?" for n in missing)
        raise TraceError(
            f"the outputs depend on {names}, which inputs does not list",
            fix=f"add {names} to inputs",
            loc=user_location(),
        )


def _view(module: str, name: str) -> Any:
    """A function of a module that is loaded when it is first needed."""
    return getattr(importlib.import_module(module), name)
