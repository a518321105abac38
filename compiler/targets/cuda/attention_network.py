"""Attention as operations of cuDNN: which attentions it computes, and how they are told to it.

softmax(scale · q · kᵀ) · v is told step by step, with values between that are never stored; the
library recognises the whole. It stores the log-sum-exp of each row beside the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf

from msgspec import Struct

from symfuse.runtime.cuda.code import DnnOperation
from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim, is_at_most, is_equal, is_multiple, product
from ...ir.node import Node
from ...kernel.lower import Buffers
from ...kernel.phases import Buffer, Kernel
from .attention import Attention
from .dnn_launches import DnnCall, DnnTensor, workspace_of
from .library import is_below
from .matrices import View, merged, view_of

__all__ = ["AttentionNetwork", "attention_call", "network_of"]

WORTH_A_CALL = 1 << 21  # multiplications from which the library is worth a launch
WIDEST, UNIT = 128, 8  # widths of heads that its engines have
LARGE_FILL = -1e30  # a number in place of scores that leaves nothing of a key

Batches = tuple[int, ...]


class AttentionNetwork(Struct, frozen=True, eq=False):
    """An attention for cuDNN: of q, k, v and the result the axes as batches, heads, rows, width."""

    operands: tuple[DnnTensor, DnnTensor, DnnTensor, DnnTensor]
    nodes: tuple[Node, Node, Node, Node]
    scale: float
    causal: bool


def network_of(
    seen: Attention, sees_through: Callable[[Node], bool], numerics: str, *, always: bool
) -> AttentionNetwork | str:
    """The attention as the library computes it, or why it does not."""
    nodes = (*seen.operands, seen.root)
    if any(node.dtype is not seen.root.dtype or not node.dtype.is_half for node in nodes):
        return "cuDNN has attention of halves alone"
    if reason := _why_not_masked(seen, numerics):
        return reason
    if seen.read_elsewhere:
        return "others read values between, which cuDNN does not give"
    batch, queries, keys, depth, width = seen.size
    if is_below(batch * queries * keys * (depth + width), WORTH_A_CALL) and not always:
        return "it is small for cuDNN"
    for size in (depth, width):
        if is_multiple(size, UNIT) is not True or is_at_most(size, WIDEST) is not True:
            return f"cuDNN has heads of widths that {UNIT} divides, up to {WIDEST}"
    views = [view_of(node, sees_through) for node in seen.operands]
    axes = _axes(seen)
    whole = View(seen.root, 0, seen.root.shape, _dense(seen.root.shape))
    found = [
        None if view is None else _tensor(view, some)
        for view, some in zip((*views, whole), axes, strict=True)
    ]
    known = [one for one in found if one is not None]
    if len(known) != len(found):
        return "an operand is computed on the way, or its heads are not evenly spaced in memory"
    stored = [view.node for view in views if view is not None]
    return AttentionNetwork(
        (known[0], known[1], known[2], known[3]),
        (stored[0], stored[1], stored[2], seen.root),
        seen.scale,
        seen.diagonal is not None,
    )


def attention_call(
    chosen: AttentionNetwork,
    name: str,
    buffers: Buffers,
    otherwise: Iterable[Kernel],
    *,
    fast: bool,
) -> DnnCall:
    """The operations of an attention."""
    steps = _Steps()
    q, k, v, result = (
        _with(tensor, buffers(node))
        for tensor, node in zip(chosen.operands, chosen.nodes, strict=True)
    )
    dtype, half = DType.F32, q.dtype
    heads, rows, columns = q.extents[:2], q.extents[2], k.extents[2]
    square, column = (*heads, rows, columns), (*heads, rows, 1)
    turned = DnnTensor(half, _flipped(k.extents), _flipped(k.strides), k.buffer, k.offset)
    scores = steps.value("matmul", square, dtype, steps.given(q), steps.given(turned))
    scale = steps.given(_number(chosen.scale))
    scores = steps.value("multiply", square, dtype, scores, scale)
    if chosen.causal:
        row = steps.value("index", square, DType.I32, scores, settings=((2,),))
        at = steps.value("index", square, DType.I32, scores, settings=((3,),))
        kept = steps.value("at_least", square, DType.BOOL, row, at)
        hidden = steps.given(_number(-inf))
        scores = steps.value("select", square, dtype, scores, hidden, kept)
    greatest = steps.value("greatest", column, dtype, scores)
    below = steps.value("subtract", square, dtype, scores, greatest)
    powers = steps.value("exp", square, dtype, below)
    total = steps.value("sum", column, dtype, powers)
    logarithm = steps.value("log", column, dtype, total)
    told = Buffer(f"{name}_rows", DType.F32, column)
    logs = DnnTensor(dtype, column, _dense(column), told)
    steps.add("add", (greatest, logarithm, steps.given(logs)))
    weights = steps.value("divide", square, half, powers, total)
    steps.add("matmul", (weights, steps.given(v), steps.given(result)))
    scratch = (workspace_of(name), told)
    return DnnCall(
        tuple(steps.tensors), tuple(steps.operations), "half", fast, scratch, tuple(otherwise)
    )


class _Steps:
    """Operations one after another, and the tensors between them."""

    def __init__(self) -> None:
        self.tensors: list[DnnTensor] = []
        self.operations: list[DnnOperation] = []

    def given(self, tensor: DnnTensor) -> int:
        """The number of a tensor."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def value(
        self,
        name: str,
        extents: tuple[Dim, ...],
        dtype: DType,
        *operands: int,
        settings: tuple[tuple[int, ...], ...] = (),
    ) -> int:
        """The number of what an operation makes of operands, which is not stored."""
        made = self.given(DnnTensor(dtype, extents, _dense(extents)))
        self.add(name, (*operands, made), settings)
        return made

    def add(
        self, name: str, tensors: tuple[int, ...], settings: tuple[tuple[int, ...], ...] = ()
    ) -> None:
        """One operation more."""
        self.operations.append(DnnOperation(name, tensors, settings))


def _why_not_masked(seen: Attention, numerics: str) -> str:
    """Why what is done to the scores is nothing of the library's; empty if it is a scale, and
    perhaps a mask of the keys behind the query."""
    kinds = [step.kind for step in seen.steps or ()]
    plain = [kind for kind in kinds if kind != "mask"]
    if seen.steps is None or any(kind != "scale" for kind in plain):
        return "cuDNN is asked for scaled scores alone, perhaps with a causal mask"
    if plain == kinds:
        return ""
    step = seen.steps[-1]
    last = kinds.count("mask") == 1 and step.kind == "mask"
    if not last or step.diagonal != 0 or seen.key_axis != seen.scores.rank - 1:
        return "its mask is not causal"
    if numerics != "fast" or not step.number <= LARGE_FILL:
        return 'cuDNN does not compute what a mask hides, which takes numerics="fast" and -inf'
    return ""


def _axes(seen: Attention) -> list[tuple[Batches, int, int]]:
    """Of q, k, v and the result the batches in one order, and the axes of rows and of width."""
    of_q, of_k, of_v = seen.roles
    anchor = seen.root if seen.root.op.contraction else seen.root.inputs[0]
    in_scores = anchor.attr("batch")[1 if seen.turned else 0]
    count = len(in_scores)
    place = {of: at for at, of in enumerate(in_scores)}
    order = [place[at] for at in range(count)]
    rows, width = (count + 1, count) if seen.turned else (count, count + 1)
    return [
        (of_q.batch, of_q.own[0], of_q.summed[0]),
        (of_k.batch, of_k.own[0], of_k.summed[0]),
        (tuple(of_v.batch[at] for at in order), of_v.summed[0], of_v.own[0]),
        (tuple(order), rows, width),
    ]


def _tensor(view: View, axes: tuple[Batches, int, int]) -> DnnTensor | None:
    """A view with its axes as batches, heads, rows, width; None if batches are no single axis, or
    the elements of a row do not lie side by side."""
    batches, rows, width = axes
    outer = merged(view, batches[:-1])
    if outer is None or is_equal(view.strides[width], 1) is not True:
        return None
    heads = (view.shape[batches[-1]], view.strides[batches[-1]]) if batches else (1, 1)
    pairs = (outer, heads, *((view.shape[a], view.strides[a]) for a in (rows, width)))
    if any(step == 0 and size != 1 for size, step in pairs):
        return None
    extents = tuple(size for size, _ in pairs)
    strides = tuple(1 if step == 0 else step for _, step in pairs)
    return DnnTensor(view.node.dtype, extents, strides, None, view.offset)


def _dense(shape: tuple[Dim, ...]) -> tuple[Dim, ...]:
    return tuple(product(shape[axis + 1 :]) for axis in range(len(shape)))


def _with(tensor: DnnTensor, buffer: Buffer) -> DnnTensor:
    return DnnTensor(tensor.dtype, tensor.extents, tensor.strides, buffer, tensor.offset)


def _flipped(dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
    return (*dims[:2], dims[3], dims[2])


def _number(value: float) -> DnnTensor:
    return DnnTensor(DType.F32, (1, 1, 1, 1), (1, 1, 1, 1), value=value)
