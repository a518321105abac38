"""Recording: what a function does to tracers becomes the nodes of one graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from symfuse.compiler import ops
from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.dims import Expr
from symfuse.compiler.ir.evaluator import CURRENT
from symfuse.compiler.ir.location import Source, user_location
from symfuse.compiler.ir.node import Literal, Node
from symfuse.compiler.ir.op import Op, operations
from symfuse.compiler.ir.regions import every_node
from symfuse.compiler.ir.types import TensorType
from symfuse.runtime import options
from symfuse.runtime.dtypes import DType, promoted
from symfuse.runtime.errors import DTypeError, Loc, SymfuseError, TraceError

from .dispatch import ACTIVE
from .sizes import given_attributes, plain
from .tracer import Tracer

__all__ = ["Trace", "call", "call_graph", "constant", "current", "dtype_of", "size_value", "tells"]

assert ops  # loading it completes the table of operations

_VIEWS = frozenset({"broadcast", "transpose", "reshape", "slice", "reverse", "required"})


class Trace:
    """One recording: a builder, the values that were closed over, and where it began."""

    def __init__(self, name: str, *, is_free: bool = False) -> None:
        self.name = name
        self.builder = Builder()
        self.parent: Trace | None = None if is_free else ACTIVE.get()
        self.is_free = is_free  # of placeholders: it never ends
        self.is_open = True
        self.loc: Loc | None = user_location()
        self.parameters: list[Node] = []
        self.captured: dict[Node, Any] = {}
        self.told: Node | None = None  # the token of the last operation that tells of values
        self.read: dict[int, tuple[Tracer, Loc | None]] = {}  # from outside, by identity, and where
        self._hidden: dict[int, tuple[Any, Node]] = {}

    @contextmanager
    def recording(self) -> Iterator[Trace]:
        """Have the operations of the block recorded here; afterwards its tracers are dead."""
        token = ACTIVE.set(self)
        try:
            yield self
        finally:
            ACTIVE.reset(token)
            self.is_open = False

    def parameter(self, name: str, type_: TensorType, *, weak: bool = False) -> Tracer:
        """A new input; `weak` values take the element type of what they meet."""
        node = self.builder.parameter(name, type_, Source(self.loc, name))
        self.parameters.append(node)
        return Tracer(self, node, weak=weak)

    def apply(self, op: Op, args: Sequence[Any], attrs: dict[str, Any]) -> Tracer:
        """The traced result of an operation on tracers, arrays, numbers and sizes."""
        self._check_open(args)
        weak = op.body is not None and self._only_weak(args)
        operands = tuple(self._operands(op, args))
        token = CURRENT.set(self.builder)
        try:
            node = self.builder.apply(op, operands, given_attributes(attrs))
        finally:
            CURRENT.reset(token)
        view = None
        if op.name in _VIEWS and isinstance(args[0], Tracer):
            base = args[0]._view[0] if args[0]._view else args[0]
            view = (base, base._version)
        return Tracer(self, node, weak=weak and not node.dtype.is_bool, view=view)

    def lift(self, value: Any) -> Node:
        """Any value as a node of this graph."""
        operand = self._operand(value)
        if isinstance(operand, Node):
            return operand
        with self.builder.deriving(Source(user_location())):
            return self.builder.constant(operand)

    def finish(self, outputs: Sequence[Node]) -> ir.Graph:
        """The graph of what was recorded; who needs a result has all told that is told."""
        with self.builder.active():
            outputs = [self.after_told(output) for output in outputs]
        return ir.Graph(
            self.name, tuple(self.parameters), tuple(outputs), self.builder, dict(self.captured)
        )

    def tell(self, name: str, values: Sequence[Any], attrs: dict[str, Any]) -> None:
        """Record an operation that tells of values, after those before it."""
        nodes = [self.lift(value) for value in values]
        tokens = () if self.told is None else (self.told,)
        given = {**attrs, "count": len(nodes)}
        with self.builder.active():
            self.told = self.builder.apply(operations[name], (*nodes, *tokens), given)

    @contextmanager
    def telling(self, graphs: Sequence[ir.Graph], operands: list[Node]) -> Iterator[list[Node]]:
        """Have graphs that tell of values, and are recorded in the block, do so in their turn.

        Their operands come after what has been told; the block adds its results to the list.
        """
        results: list[Node] = []
        is_told = bool(operands) and any(map(tells, graphs))
        with self.builder.active():
            if is_told:
                operands[0] = self.after_told(operands[0])
            yield results
            if is_told and results:
                telling = [node for node in results if node.op.name == "after"]
                self.told = operations["debug_order"](*(telling or results[:1]))

    def after_told(self, node: Node) -> Node:
        """The node, which is there when all has been told that was told so far."""
        if self.told is None:
            return node
        after: Node = operations["after"](node, self.told)
        return after

    def _operands(self, op: Op, args: Sequence[Any]) -> Iterator[Any]:
        if op.body is None or not any(map(_is_weak, args)):
            yield from map(self._operand, args)
            return
        strong = [dtype_of(a) for a in args if not _is_weak(a) and not _is_number(a)]
        for arg in args:
            if not _is_weak(arg):
                yield self._operand(arg)
            else:
                yield self._as_dtype(arg, weak_dtype(dtype_of(arg), strong))

    def _as_dtype(self, value: Any, dtype: DType) -> Node:
        node = self.lift(value)
        if node.dtype is dtype:
            return node
        with self.builder.active():
            return self.builder.apply(operations["convert"], (node,), {"dtype": dtype})

    def _only_weak(self, args: Sequence[Any]) -> bool:
        return any(map(_is_weak, args)) and all(_is_weak(a) or _is_number(a) for a in args)

    def _operand(self, value: Any) -> Any:
        """A node, or a Python number as it is."""
        if isinstance(value, Tracer):
            return self._of_tracer(value)
        if _is_number(value) or isinstance(value, Node):
            return value
        if isinstance(value, Expr):
            return self._of_tracer(size_value(value))
        return self._of_array(value)

    def _of_array(self, value: Any) -> Node:
        array = as_array(value)
        if array.ndim == 0:
            return self.builder.constant(array[()])
        if not isinstance(value, np.ndarray) and not hasattr(value, "__dlpack__"):
            return self.builder.constant(array)
        known = self._hidden.get(id(value))
        if known is None:
            node = self.builder.parameter("captured", TensorType(array.shape, DType.of(array)))
            self._hide(value, node, array)
            return node
        return known[1]

    def _of_tracer(self, tracer: Tracer) -> Node:
        tracer._check_usable()
        if tracer._trace is self:
            return tracer._node
        if not self._is_inside(tracer._trace):
            raise leaked(tracer)
        self._note_read(tracer)
        node = tracer._node
        if node.is_constant:
            return copied_constant(self.builder, node)
        if id(node) not in self._hidden:
            name = node.source.variable() or "captured"
            inner = self.builder.parameter(name, node.type, Source(node.source.loc, name))
            self._hide(node, inner, Tracer(tracer._trace, node))
        return self._hidden[id(node)][1]

    def _note_read(self, tracer: Tracer) -> None:
        """Note for all traces around this one that the array is read, and whose memory it is."""
        trace: Trace | None = self
        bases = [base for base in tracer._bases() if id(base) not in self.read]
        if not bases:
            return
        loc = user_location()
        found = {id(base): (base, loc) for base in bases}
        while trace is not None and trace is not tracer._trace:
            trace.read = {**found, **trace.read}
            trace = trace.parent

    def _hide(self, key: Any, node: Node, value: Any) -> None:
        self._hidden[id(key)] = (key, node)
        self.parameters.append(node)
        self.captured[node] = value

    def _is_inside(self, other: Trace) -> bool:
        outer = self.parent
        while outer is not None and outer is not other:
            outer = outer.parent
        return other.is_open and (outer is not None or other.is_free)

    def _check_open(self, args: Sequence[Any]) -> None:
        if not self.is_open:
            raise leaked(next(a for a in args if isinstance(a, Tracer)))


def tells(graph: ir.Graph) -> bool:
    """Whether something in a graph tells Python of values."""
    return any(node.op.name == "after" for node in every_node(graph))


def current(args: Sequence[Any]) -> Trace | None:
    """The trace that records an operation on these arguments; None: it is computed at once."""
    active: Trace | None = ACTIVE.get()
    if active is not None:
        return active
    for arg in args:
        if isinstance(arg, Tracer):
            if arg._trace.is_free:
                return arg._trace  # type: ignore[no-any-return]
            raise leaked(arg)
        if type(arg) in (list, tuple) and (found := current(arg)) is not None:
            return found
    return None


def call(name: str, *args: Any, **attrs: Any) -> Any:
    """An operation by its name: recorded by the running trace, else computed at once."""
    op = operations[name]
    trace = current(args)
    return op(*args, **attrs) if trace is None else trace.apply(op, args, attrs)


def constant(value: Any, dtype: Any = None) -> Any:
    """An array that stands in the graph itself; outside a trace the array."""
    array = np.asarray(value, dtype=dtype)
    trace = ACTIVE.get()
    return array if trace is None else Tracer(trace, trace.builder.constant(array))


def call_graph(graph: ir.Graph, args: Sequence[Any]) -> list[Any]:
    """The outputs of a graph for these values: recorded in the running trace, or computed."""
    held = list(graph.captured.values())
    trace = current([*args, *held])
    if trace is None:
        return [out[()] for out in ir_outputs(graph, args)]
    given = iter(args)
    values = [graph.captured[p] if p in graph.captured else next(given) for p in graph.parameters]
    nodes = [trace.lift(value) for value in values]
    with trace.telling([graph], nodes) as results:
        new = dict(zip(graph.parameters, nodes, strict=True))
        copy_nodes(graph, trace.builder, new)
        results += [new[output] for output in graph.outputs]
    return [Tracer(trace, new[output]) for output in graph.outputs]


def ir_outputs(graph: ir.Graph, args: Sequence[Any]) -> tuple[Any, ...]:
    """The outputs of a graph on arrays by the interpreter."""
    found = graph(*args)
    results = found if isinstance(found, tuple) else (found,)
    if options.get("debug_nans"):
        import_module("symfuse.debug.nans").inspect(graph, args, results)
    return results


def copy_nodes(graph: ir.Graph, builder: Builder, new: dict[Node, Node]) -> None:
    """Make every node of a graph again in another builder; `new` has the parameters' values."""
    for node in graph.nodes:
        if node in new:
            continue
        if node.is_constant:
            new[node] = copied_constant(builder, node)
            continue
        with builder.deriving(node.source), builder.active():
            inputs = tuple(new[source] for source in node.inputs)
            new[node] = builder.apply(node.op, inputs, node.attrs)


def copied_constant(builder: Builder, node: Node) -> Node:
    """The same constant in another builder."""
    value = node.attr("value")
    with builder.deriving(node.source):
        held = value.array() if isinstance(value, Literal) else value
        return builder.constant(held, node.dtype)


def size_value(size: Any, dtype: DType = DType.I64) -> Any:
    """A size as a number of the graph: the last of 0, 1, ..., size."""
    if isinstance(size, int):
        return size
    size = plain(size)
    counted = call("iota", shape=(size + 1,), axis=0, dtype=dtype)
    last = call("slice", counted, starts=(size,), stops=(size + 1,), steps=(1,))
    scalar = call("reshape", last, shape=())
    scalar._weak, scalar._view = True, None
    return scalar


def leaked(tracer: Tracer) -> TraceError:
    """The error for a tracer that is used after its trace: names both lines."""
    made = tracer._node.source.loc
    began = tracer._trace.loc
    where = f", made at {made.filename}:{made.line} ({made.source()})" if made else ""
    trace = f" that began at {began}" if began else ""
    return TraceError(
        f"the traced value {tracer._node.type}{where} is used after its trace{trace} has ended",
        fix="return it from the traced function instead of keeping it in a variable outside",
        loc=user_location(),
    )


def as_array(value: Any) -> np.ndarray[Any, Any]:
    """Anything array-like as a NumPy array of an element type that symfuse has."""
    try:
        array = np.asarray(value)
        DType.of(array.dtype)
    except SymfuseError:
        raise
    except (TypeError, ValueError) as error:
        raise DTypeError(
            f"a value of type {type(value).__name__} is not an array: {error}",
            fix="pass arrays and numbers, or make it a static argument",
            loc=user_location(),
        ) from None
    return array


def dtype_of(value: Any) -> DType:
    """The element type of a tracer, array, number or size."""
    if isinstance(value, Tracer | Node):
        return value._node.dtype if isinstance(value, Tracer) else value.dtype
    return DType.I64 if isinstance(value, Expr) else DType.of(as_array(value).dtype)


def weak_dtype(weak: DType, strong: Sequence[DType]) -> DType:
    """The element type that a Python number of type `weak` takes among these."""
    if not strong:
        return weak
    met = promoted(*strong)
    if weak.is_complex and met.is_float:
        return promoted(met, 1j)
    return met if weak.order <= met.order else weak


def _is_weak(value: Any) -> bool:
    return value._weak if isinstance(value, Tracer) else isinstance(value, Expr)


def _is_number(value: Any) -> bool:
    return type(value) in (bool, int, float, complex)
