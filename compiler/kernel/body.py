"""Writes the bodies of phases: graph nodes at symbolic indices → scalar instructions.

Each value is one instruction however often it is asked for, so a body has no common
subexpressions and the same node at the same index is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from symfuse.runtime.dtypes import DType

from ..ir.dims import Dim, Symbol, fold, symbols
from ..ir.node import Node
from ..ir.types import TensorType
from .halves import EXACT, emit_in_single, is_on_halves
from .phases import Access, Buffer, Instr, Local, Reduce
from .scalar import INSTRUCTIONS, Scalars, result_dtype

__all__ = ["Body", "Index", "Reader"]

Index = tuple[Any, ...]  # of Dims over loop symbols, or i64 instructions


class Reader:
    """Reads elements of one operand of an operation: `readers[i](index)` in its definition."""

    def __init__(self, body: Body, node: Node) -> None:
        self._body, self._node = body, node

    @property
    def type(self) -> TensorType:
        return self._node.type

    def __call__(
        self, index: Index, where: Instr | None = None, otherwise: float | int | bool = 0
    ) -> Instr:
        if where is None:
            return self._body.value(self._node, tuple(index))
        with_condition = self._body.under(where, otherwise)
        return with_condition.value(self._node, tuple(index))


class Body(Scalars):
    """The emitter that operations' definitions speak to while a kernel is built.

    `inside(node)` says whether a node is computed here; others are loaded from `buffer(node)`.
    `locals` maps reductions that an earlier phase has finished to where they are kept.
    Halves are converted here, so that targets have to load, store, convert and choose them only.
    """

    def __init__(
        self,
        inside: Callable[[Node], bool],
        buffer: Callable[[Node], Buffer],
        guard: tuple[Instr, float | int | bool] | None = None,
    ) -> None:
        self._inside, self._buffer, self._guard = inside, buffer, guard
        self._interned: dict[Any, Instr] = {}
        self._values: dict[tuple[Node, Index], Instr] = {}
        self.locals: dict[tuple[Node, Index], Local] = {}
        self.order: list[Instr] = []
        self._computed: dict[Symbol, Instr] = {}
        self._held: dict[Instr, DType] = {}  # values in f32 that this half holds

    def under(self, condition: Instr, otherwise: float | int | bool) -> Body:
        """The same body where memory is touched only if the condition holds."""
        if self._guard is not None:
            condition = self.bitand(condition, self._guard[0])
        inner = Body(self._inside, self._buffer, (condition, otherwise))
        inner._interned, inner.order, inner.locals = self._interned, self.order, self.locals
        inner._computed, inner._held = self._computed, self._held
        return inner

    # values of graph nodes

    def value(self, node: Node, index: Index) -> Instr:
        """The element of a node at an index."""
        found = self._values.get((node, index))
        if found is None:
            for waiting in self._waiting(node, index):
                found = self._values[(waiting, index)] = self._compute(waiting, index)
        assert found is not None  # the node itself comes last
        return found

    def let(self, node: Node, index: Index, value: Instr) -> None:
        """Take this for the element of a node at an index, up to the end of the body."""
        self._values[(node, index)] = value

    def _waiting(self, node: Node, index: Index) -> Iterator[Node]:
        """The nodes behind one that are computed at the same index, operands first: chains of
        elementwise operations may be longer than Python's stack."""
        stack = [(node, False)]
        while stack:
            one, is_ready = stack.pop()
            if (one, index) in self._values:
                continue
            if is_ready or not self._is_mapped(one, index):
                yield one
                continue
            stack.append((one, True))
            stack.extend((source, False) for source in reversed(one.inputs))

    def _is_mapped(self, node: Node, index: Index) -> bool:
        """Whether the element is computed here from those of the operands at the same index."""
        here = node.op.body is not None and self._inside(node)
        return here and (node, index) not in self.locals

    def _compute(self, node: Node, index: Index) -> Instr:
        local = self.locals.get((node, index))
        if local is not None:
            return self._guarded(self.convert(self.get(local), node.dtype))
        if node.number is not None:
            return self._guarded(self.const(node.number, node.dtype))
        if 0 in node.shape:
            return self._guarded(self.const(0, node.dtype))
        if not self._inside(node) or node.op.element is None:
            return self.load(self._buffer(node), index, node.shape)
        readers = tuple(Reader(self, source) for source in node.inputs)
        if node.op.body is None:
            index = tuple(map(self._named, index, node.shape))
        value: Instr = node.op.element(self, index, readers, node.type, node.attrs)
        return value if node.op.moves is not None else self._guarded(value)

    def _guarded(self, value: Instr) -> Instr:
        """The value where the guard holds, and what stands for it elsewhere."""
        if self._guard is None:
            return value
        return self.select(self._guard[0], value, self.const(self._guard[1], value.dtype))  # type: ignore[no-any-return]

    # computed indices: symbols stand for them where definitions do arithmetic on indices

    def _named(self, entry: Dim | Instr, size: Dim) -> Dim:
        if not isinstance(entry, Instr):
            return entry
        for symbol, value in self._computed.items():
            if value is entry and symbol.upper == size - 1:
                return symbol + 0
        symbol = Symbol(f"at{len(self._computed)}", 0, size - 1, 1)
        self._computed[symbol] = entry
        return symbol + 0

    def _settled(self, entry: Dim | Instr) -> Dim | Instr:
        """An index expression with computed values in it, as one computed value."""
        if isinstance(entry, Instr) or not self._computed.keys() & set(symbols(entry)):
            return entry
        value: Instr = fold(
            entry,
            constant=lambda number: self.const(number, DType.I64),
            symbol=lambda symbol: self._computed.get(symbol) or self.index(symbol + 0),
            add=self.add,
            mul=self.mul,
            floordiv=self.floordiv,
            mod=self.mod,
            max=self.max,
            min=self.min,
        )
        return value

    # the scalar emitter

    def emit(self, name: str, operands: tuple[Any, ...]) -> Instr:
        row = INSTRUCTIONS[name]
        if len(operands) != row.arity:
            raise AssertionError(f"{name} takes {row.arity} operands, got {len(operands)}")
        if is_on_halves(name, operands):
            return emit_in_single(self, name, operands)  # type: ignore[no-any-return]
        found = self._instr(name, operands, result_dtype(name, tuple(x.dtype for x in operands)))
        if self._held and name in EXACT:
            self._note_held(found)
        return found

    def _note_held(self, instr: Instr) -> None:
        """Note that a half holds the result if one holds all operands."""
        kinds = {self._held.get(arg) for arg in instr.args}
        if len(kinds) == 1 and (kind := kinds.pop()) is not None:
            self._held[instr] = kind

    def const(self, value: float | int | bool, dtype: DType) -> Instr:
        number = dtype.numpy.type(value).item()
        return self._instr("const", (), dtype, number, key=repr(number))

    def convert(self, value: Instr, dtype: DType) -> Instr:
        if value.dtype is dtype:
            return value
        if value.dtype.is_half and dtype is DType.F32:
            return self._widened(value)
        return self._instr("convert", (value,), dtype)

    def _widened(self, half: Instr) -> Instr:
        """A half in f32; where it was made from a value that it holds, that value."""
        if half.op == "convert" and self._held.get(half.args[0]) is half.dtype:
            return half.args[0]
        if half.op == "const":
            wide = self.const(half.detail, DType.F32)
        else:
            wide = self._instr("convert", (half,), DType.F32)
        self._held[wide] = half.dtype
        return wide

    def bitcast(self, value: Instr, dtype: DType) -> Instr:
        return value if value.dtype is dtype else self._instr("bitcast", (value,), dtype)

    def index(self, dim: Dim | Instr) -> Instr:
        """The integer value of an index expression, as i64."""
        dim = self._settled(dim)
        if isinstance(dim, Instr):
            return dim
        if isinstance(dim, int):
            return self.const(dim, DType.I64)
        return self._instr("index", (), DType.I64, dim, axes=symbols(dim))

    def below(self, left: Dim | Instr, right: Dim | Instr) -> Instr:
        """Whether left < right."""
        left, right = self._settled(left), self._settled(right)
        if isinstance(left, Instr) or isinstance(right, Instr):
            return self._instr("lt", (self.index(left), self.index(right)), DType.BOOL)
        if isinstance(left, int) and isinstance(right, int):
            return self.const(left < right, DType.BOOL)
        return self._instr(
            "below", (), DType.BOOL, (left, right), axes=(*symbols(left), *symbols(right))
        )

    # memory

    def load(self, buffer: Buffer, index: Index, shape: tuple[Dim, ...]) -> Instr:
        """An element of a buffer read as `shape`; index entries may be computed values."""
        offset, strides, args = _linear(tuple(map(self._settled, index)), shape)
        guarded, otherwise = self._guard is not None, self._guard[1] if self._guard else 0
        operands = (*args, self._guard[0]) if self._guard else args
        access = Access(buffer, offset, strides, guarded, otherwise)
        return self._instr("load", operands, buffer.dtype, access, axes=symbols(offset))

    def store(self, buffer: Buffer, index: Index, shape: tuple[Dim, ...], value: Instr) -> Instr:
        """Write an element of a buffer seen as `shape`."""
        offset, strides, args = _linear(index, shape)
        access = Access(buffer, offset, strides)
        return self._instr("store", (value, *args), buffer.dtype, access, axes=symbols(offset))

    def accumulate(
        self, buffer: Buffer, index: Index, shape: tuple[Dim, ...], value: Instr
    ) -> Instr:
        """Add to an element of a buffer seen as `shape`."""
        offset, strides, args = _linear(index, shape)
        access = Access(buffer, offset, strides)
        operands = (value, *args)
        return self._instr("accumulate", operands, buffer.dtype, access, axes=symbols(offset))

    def get(self, local: Local) -> Instr:
        return self._instr("get", (), local.dtype, local, axes=local.axes)

    def put(self, local: Local, value: Instr) -> Instr:
        return self._instr("put", (value,), local.dtype, local, axes=local.axes)

    def reduce(self, fold: Reduce, value: Instr, *position: Instr) -> Instr:
        """Fold a value (and its position, where the reduction asks for it) into a local."""
        return self._instr("reduce", (value, *position), fold.local.dtype, fold, axes=fold.over)

    def scan(self, fold: Reduce, value: Instr) -> Instr:
        """The fold of all values up to this one along the axis."""
        return self._instr("scan", (value,), fold.local.dtype, fold, axes=fold.over)

    def finish(self) -> tuple[Instr, ...]:
        """The instructions written since the last call, operands first."""
        done, self.order = tuple(self.order), []
        self._interned.clear()
        self._values.clear()
        self._computed.clear()
        self._held.clear()
        return done

    def _instr(
        self,
        op: str,
        args: tuple[Instr, ...],
        dtype: DType,
        detail: Any = None,
        *,
        axes: Iterable[Symbol] = (),
        key: Any = None,
    ) -> Instr:
        identity = (op, args, dtype, detail if key is None else key)
        known = self._interned.get(identity)
        if known is None:
            varies = frozenset(axes).union(*(arg.axes for arg in args))
            known = Instr(op, args, dtype, detail, varies)
            self._interned[identity] = known
            self.order.append(known)
        return known


def _linear(index: Index, shape: tuple[Dim, ...]) -> tuple[Dim, tuple[Dim, ...], tuple[Instr, ...]]:
    """Row-major offset of an index: the static part, and strides of the computed entries."""
    offset: Dim = 0
    stride: Dim = 1
    strides: list[Dim] = []
    args: list[Instr] = []
    for entry, size in zip(reversed(index), reversed(shape), strict=True):
        if isinstance(entry, Instr):
            entry, known = _parted(entry)
            offset = offset + known * stride
            strides.append(stride)
            args.append(entry)
        else:
            offset = offset + entry * stride
        stride = stride * size
    return offset, tuple(strides), tuple(args)


def _parted(entry: Instr) -> tuple[Instr, Dim]:
    """A computed place without the part of it that is an index: so neighbours stay neighbours."""
    if entry.op == "add":
        for one, other in (entry.args, entry.args[::-1]):
            if other.op in ("index", "const"):
                return one, other.detail
    return entry, 0
