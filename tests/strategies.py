"""Random well-typed graphs over all operations, and arrays to run them on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import symfuse.compiler.ops  # noqa: F401
from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.dims import evaluate, parse_dim
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ir.op import Op, operations
from symfuse.compiler.ir.types import TensorType
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import SymfuseError

__all__ = ["EVERYTHING", "SMOOTH", "arrays_for", "graphs"]

op = operations
DTYPES = (DType.F32, DType.F64, DType.I32, DType.I64, DType.U8, DType.BOOL)
SYMBOL = "N"  # the size that symbolic graphs leave open

_SMOOTH = """add subtract multiply negative square sin cos tanh sigmoid softplus broadcast transpose
reshape slice pad concatenate reverse reduce_sum contract take scatter_add cumsum"""
SMOOTH = frozenset(_SMOOTH.split())
"""Operations without kinks, poles or overflow: what derivatives are compared with."""


def operands(operation: Op) -> int:
    """How many operands an elementwise operation has."""
    kinds = (p.kind for p in inspect.signature(operation.result_type).parameters.values())
    return sum(kind == inspect.Parameter.POSITIONAL_OR_KEYWORD for kind in kinds)


@dataclass
class Drawing:
    """A graph that is being drawn: what hypothesis answers, and the nodes so far."""

    draw: Callable[[Any], Any]
    dtypes: tuple[DType, ...]
    nodes: list[Node]

    def one_of(self, choices: Collection[Any]) -> Any:
        return self.draw(st.sampled_from(list(choices)))

    def number(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def some(self, fits: Callable[[Node], bool]) -> Node | None:
        """A node that fits, the newest most likely to be used by something simple."""
        fitting = [node for node in reversed(self.nodes) if fits(node)]
        return self.one_of(fitting) if fitting else None

    def axes_of(self, x: Node, *, static: bool = False) -> list[int]:
        return [a for a in range(x.rank) if not static or isinstance(x.shape[a], int)]

    def indices(self, shape: tuple[Any, ...], below: int) -> np.ndarray[Any, Any]:
        size = int(np.prod(shape))
        given = self.draw(st.lists(st.integers(0, below - 1), min_size=size, max_size=size))
        return np.array(given, np.int64).reshape(shape)


def _broadcast(d: Drawing, x: Node) -> Any:
    shape, axes = list(x.shape), list(range(x.rank))
    for _ in range(d.number(0 if x.rank > 2 else 1, 1)):
        at = d.number(0, len(shape))
        shape.insert(at, d.number(1, 3))
        axes = [a + (a >= at) for a in axes]
    return op["broadcast"](x, shape=tuple(shape), axes=tuple(axes))


def _transpose(d: Drawing, x: Node) -> Any:
    return op["transpose"](x, axes=tuple(d.draw(st.permutations(range(x.rank)))))


def _reshape(d: Drawing, x: Node) -> Any:
    shape = list(x.shape)
    if len(shape) > 1 and d.draw(st.booleans()):
        at = d.number(0, len(shape) - 2)
        shape[at : at + 2] = [shape[at] * shape[at + 1]]
    else:
        shape.insert(d.number(0, len(shape)), 1)
    return op["reshape"](x, shape=tuple(shape))


def _slice(d: Drawing, x: Node) -> Any:
    starts, stops, steps = [], [], []
    for size in x.shape:
        known = isinstance(size, int)
        starts.append(d.number(0, size - 1) if known and size else 0)
        stops.append(d.number(starts[-1] + 1, size) if known and size else size)
        steps.append(d.number(1, 2) if known else 1)
    return op["slice"](x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))


def _pad(d: Drawing, x: Node) -> Any:
    low, high, interior = (
        tuple(d.number(0, most) for _ in range(x.rank)) for most in (2, 2, 1)
    )  # fmt: skip
    value = d.one_of([0.0, 1.5] if x.dtype.is_float else [0])
    if x.dtype.is_bool:
        value = False
    return op["pad"](x, low=low, high=high, interior=interior, value=value)


def _concatenate(d: Drawing, x: Node) -> Any:
    axis = d.one_of(d.axes_of(x))
    rest = x.shape[:axis], x.shape[axis + 1 :]

    def fits(y: Node) -> bool:
        same = y.dtype is x.dtype and y.rank == x.rank
        return same and (y.shape[:axis], y.shape[axis + 1 :]) == rest

    return op["concatenate"](x, d.some(fits), axis=axis)


def _reverse(d: Drawing, x: Node) -> Any:
    return op["reverse"](x, axes=(d.one_of(d.axes_of(x)),))


def _required(d: Drawing, x: Node) -> Any:
    return op["required"](x, low=0, high=d.one_of(x.shape))


def _iota(d: Drawing, x: Node) -> Any:
    counting = [t for t in d.dtypes if not t.is_bool]
    if not counting:
        return None
    return op["iota"](shape=x.shape, axis=d.one_of(d.axes_of(x)), dtype=d.one_of(counting))


def _convert(d: Drawing, x: Node) -> Any:
    wider = [t for t in d.dtypes if t.is_float or not x.dtype.is_float]
    return op["convert"](x, dtype=d.one_of(wider))


def _reduce(name: str) -> Callable[[Drawing, Node], Any]:
    def reduce(d: Drawing, x: Node) -> Any:
        axes = d.draw(st.sets(st.sampled_from(d.axes_of(x)), min_size=1))
        return op[name](x, axes=tuple(sorted(axes)))

    return reduce


def _along(name: str, *, scan: bool = False) -> Callable[[Drawing, Node], Any]:
    def along(d: Drawing, x: Node) -> Any:
        attrs = {"reverse": d.draw(st.booleans())} if scan else {}
        return op[name](x, axis=d.one_of(d.axes_of(x)), **attrs)

    return along


def _contract(d: Drawing, x: Node) -> Any:
    y = d.some(lambda y: y.dtype is x.dtype and bool(set(y.shape) & set(x.shape)))
    if y is None:
        return None
    pairs = [(i, j) for i, n in enumerate(x.shape) for j, m in enumerate(y.shape) if n == m]
    i, j = d.one_of(pairs)
    others = [(a, b) for a, b in pairs if a != i and b != j]
    batch = [d.one_of(others)] if others and d.draw(st.booleans()) else []
    split = tuple(a for a, _ in batch), tuple(b for _, b in batch)
    return op["contract"](x, y, batch=split, contracting=((i,), (j,)))


def _take(d: Drawing, x: Node) -> Any:
    axis = _static_axis(d, x)
    if axis is None:
        return None
    shape = d.one_of([(), (2,), (2, 2)])
    return op["take"](x, d.indices(shape, x.shape[axis]), axis=axis)


def _scatter_add(d: Drawing, x: Node) -> Any:
    axis = _static_axis(d, x)
    if axis is None:
        return None
    index = d.indices((2,), x.shape[axis])
    return op["scatter_add"](x, index, op["take"](x, index, axis=axis), axis=axis)


def _piece(d: Drawing, x: Node) -> Any:
    """A piece of x, at places of its own."""
    if not x.shape or not all(isinstance(n, int) and n for n in x.shape):
        return None
    sizes = tuple(d.number(1, n) for n in x.shape)
    return op["dynamic_slice"](x, *(d.indices((), n) for n in x.shape), sizes=sizes)


def _replaced(d: Drawing, x: Node) -> Any:
    """x with a piece of itself, or of another array, at another place."""
    source = d.some(lambda y: y.type == x.type)
    update = _piece(d, source if source is not None else x)
    if update is None:
        return None
    return op["dynamic_update_slice"](x, update, *(d.indices((), n) for n in x.shape))


def _along_axis(name: str) -> Callable[[Drawing, Node], Any]:
    def along(d: Drawing, x: Node) -> Any:
        axis = _static_axis(d, x)
        if axis is None or not x.type.is_static:
            return None
        index = d.indices((*x.shape[:axis], 2, *x.shape[axis + 1 :]), x.shape[axis])
        taken = op["take_along_axis"](x, index, axis=axis)
        if name == "take_along_axis":
            return taken
        return op[name](x, index, taken, axis=axis)

    return along


def _argsort(d: Drawing, x: Node) -> Any:
    return op["argsort"](x)


def _windows(d: Drawing, x: Node) -> Any:
    return None if (axis := _static_axis(d, x)) is None else _windows_of(d, x, axis)


def _windows_of(d: Drawing, x: Node, axis: int) -> Any:
    size, stride, dilation = d.number(1, 2), d.number(1, 2), d.number(1, 2)
    return op["windows"](x, axis=axis, size=size, stride=stride, dilation=dilation)


def _overlap_add(d: Drawing, x: Node) -> Any:
    axis = _static_axis(d, x)
    if axis is None or x.dtype.is_bool:
        return None
    parts = _windows_of(d, x, axis)
    steps = {name: parts.attr(name) for name in ("stride", "dilation")}
    return op["overlap_add"](parts, axis=axis, length=x.shape[axis], **steps)


def _static_axis(d: Drawing, x: Node) -> int | None:
    axes = [a for a in d.axes_of(x, static=True) if x.shape[a] != 0]
    return d.one_of(axes) if axes else None


# Operation → how to draw one on a node of rank ≥ 1. Elementwise operations need no entry.
MAKERS: dict[str, Callable[[Drawing, Node], Any]] = {
    "broadcast": _broadcast,
    "transpose": _transpose,
    "reshape": _reshape,
    "slice": _slice,
    "pad": _pad,
    "concatenate": _concatenate,
    "reverse": _reverse,
    "required": _required,
    "iota": _iota,
    "convert": _convert,
    **{f"reduce_{how}": _reduce(f"reduce_{how}") for how in ("sum", "prod", "max", "min")},
    **{f"reduce_{how}": _reduce(f"reduce_{how}") for how in ("any", "all")},
    **{name: _along(name) for name in ("argmax", "argmin")},
    **{name: _along(name, scan=True) for name in ("cumsum", "cumprod")},
    "argsort": _argsort,
    "windows": _windows,
    "overlap_add": _overlap_add,
    "contract": _contract,
    "take": _take,
    "dynamic_slice": _piece,
    "dynamic_update_slice": _replaced,
    "scatter_add": _scatter_add,
    **{name: _along_axis(name) for name in ("take_along_axis", "scatter_add_along_axis")},
}


def _mapped(d: Drawing, name: str, x: Node) -> Any:
    """An elementwise operation on x and others of its shape, or on numbers."""
    others: list[Any] = []
    for _ in range(operands(op[name]) - 1):
        same = d.some(lambda y: y.type == x.type)
        others.append(same if d.number(0, 3) else (1 if x.dtype.is_integer else 0.5))
    if name == "power" and x.dtype.is_signed:
        return None  # NumPy has no negative powers of integers
    if name == "select":
        condition = d.some(lambda c: c.dtype.is_bool and c.shape == x.shape)
        return None if condition is None else op[name](condition, x, *others[:1])
    return op[name](x, *others)


EVERYTHING = frozenset({"<all>"})
"""As `only`: every operation that there is."""


def _drawable(only: frozenset[str]) -> list[str]:
    """What may be drawn, simple operations first, which is what failures shrink to."""
    mapped = [name for name, o in operations.items() if o.body is not None]
    names = [*mapped, *(name for name in MAKERS if name in operations and name not in mapped)]
    return [name for name in names if only is EVERYTHING or name in only]


@st.composite
def graphs(
    draw: Callable[[Any], Any],
    *,
    only: frozenset[str] = EVERYTHING,
    dtypes: tuple[DType, ...] = DTYPES,
    symbolic: bool = False,
    most_nodes: int = 10,
) -> Graph:
    """A graph of a few operations on one to three parameters, with one to three outputs."""
    builder = Builder()
    d = Drawing(draw, dtypes, [])
    sizes = [2, 3, parse_dim(SYMBOL, {}) if symbolic else 4, 1]
    shape = tuple(d.one_of(sizes) for _ in range(d.number(1, 3)))
    for at in range(d.number(1, 3)):
        own = shape if d.number(0, 2) else shape[::-1]
        d.nodes.append(builder.parameter(f"x{at}", TensorType(own, d.one_of(dtypes))))
    parameters = tuple(d.nodes)
    with builder.active():
        for _ in range(d.number(1, most_nodes)):
            _grow(d, only)
    made = d.nodes[len(parameters) :] or list(parameters)
    outputs = dict.fromkeys([made[-1], *(d.one_of(made) for _ in range(d.number(0, 2)))])
    return Graph("drawn", parameters, tuple(outputs), builder)


def _grow(d: Drawing, only: frozenset[str]) -> None:
    """One more node; nothing where the operation drawn does not take the operands drawn."""
    name = d.one_of(_drawable(only))
    x = d.some(lambda node: node.rank > 0 or op[name].body is not None)
    if x is None:
        return
    try:
        found = MAKERS[name](d, x) if name in MAKERS else _mapped(d, name, x)
    except SymfuseError:
        return  # such as the sine of a bool, or a size that nothing is known about
    if found is not None and found.rank <= 5:
        d.nodes.append(found)


def arrays_for(graph: Graph, seed: int, sizes: dict[str, int] | None = None) -> list[Any]:
    """A small array for each parameter, whose elements add exactly; open sizes are 3."""
    rng = np.random.default_rng(seed)
    known = {s.name: 3 for s in graph.symbols} | (sizes or {})
    return [_array(rng, p.type, known) for p in graph.parameters]


def _array(rng: np.random.Generator, type_: TensorType, sizes: dict[str, int]) -> Any:
    shape = [n if isinstance(n, int) else evaluate(n, sizes) for n in type_.shape]
    if type_.dtype.is_float:
        return (np.round(rng.normal(size=shape) * 8) / 8).astype(type_.dtype.numpy)
    high = 2 if type_.dtype.is_bool else 5
    low = -4 if type_.dtype.is_signed else 0
    return rng.integers(low, high, shape).astype(type_.dtype.numpy)
