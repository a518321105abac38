"""Loops and branches: operations whose attributes are graphs.

A region is a closed graph; what it needs from outside is handed to it, the same in every turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from ..ir.dims import Dim, is_equal
from ..ir.op import Op
from ..ir.regions import Regional, run_region
from ..ir.types import TensorType
from .alignment import as_is

__all__ = [
    "branch",
    "expect_types",
    "is_same_type",
    "loop",
    "node_types",
    "region_of",
    "while_loop",
]

_COUNTER = TensorType((), DType.I64)
_REGION = "a region's parameters have the types of what it is given"


def is_same_type(one: TensorType, other: TensorType) -> bool:
    """Whether two types are equal, if perhaps with sizes spelt in different ways."""
    if one == other:
        return True
    if one.dtype is not other.dtype or one.rank != other.rank:
        return False
    return all(is_equal(n, m) for n, m in zip(one.shape, other.shape, strict=True))


def expect_types(what: str, given: Sequence[TensorType], wanted: Sequence[TensorType]) -> None:
    """Raise unless values have the types that a graph takes or gives."""
    if len(given) != len(wanted):
        raise ShapeError(f"{what}: {len(given)} values where {len(wanted)} are needed", fix=_REGION)
    for at, (one, other) in enumerate(zip(given, wanted, strict=True)):
        if not is_same_type(one, other):
            kind = ShapeError if one.dtype is other.dtype else DTypeError
            raise kind(f"{what}: value {at} is {one} where {other} is needed", fix=_REGION)


def node_types(nodes: Sequence[Any]) -> tuple[TensorType, ...]:
    """The types of some nodes."""
    return tuple(node.type for node in nodes)


def _member(type_: TensorType, length: Dim) -> TensorType:
    """The type of one slice along the first axis."""
    if not type_.shape or not is_equal(type_.shape[0], length):
        raise ShapeError(f"{type_} has no first axis of size {length} to walk along")
    return type_.with_shape(type_.shape[1:])


# loops whose number of turns is known before they begin


def _loop_type(
    *types: TensorType,
    body: Any,
    carries: int,
    scanned: int,
    length: Dim,
    reverse: bool = False,
    result: int = 0,
) -> TensorType:
    walked = [_member(type_, length) for type_ in types[carries : carries + scanned]]
    given = (_COUNTER, *types[:carries], *walked, *types[carries + scanned :])
    expect_types("body", given, node_types(body.parameters))
    outputs = node_types(body.outputs)
    expect_types("what the body carries on", outputs[:carries], types[:carries])
    found = outputs[result]
    return types[result] if result < carries else found.with_shape((length, *found.shape))


def _loop_results(values: Sequence[Any], attrs: Mapping[str, Any]) -> tuple[Any, ...]:
    carries, scanned, length = attrs["carries"], attrs["scanned"], attrs["length"]
    body = attrs["body"]
    state, walked = list(values[:carries]), values[carries : carries + scanned]
    rest = values[carries + scanned :]
    slots = [_rows(length, node, body) for node in region_of(body).outputs[carries:]]
    turns = range(length)
    for turn in reversed(turns) if attrs["reverse"] else turns:
        slices = [x[turn] for x in walked]
        found = run_region(body, [np.int64(turn), *state, *slices, *rest])
        state = list(found[:carries])
        for slot, value in zip(slots, found[carries:], strict=True):
            slot[turn] = value
    return (*(np.asarray(value) for value in state), *slots)


def _rows(length: int, node: Any, body: Any) -> Any:
    """Room for what every turn gives of one output."""
    shape = node.shape if all(isinstance(n, int) for n in node.shape) else body.shape(node)
    return np.empty((length, *shape), node.dtype.numpy)


loop: Op = Op(
    name="loop",
    doc="`length` turns of a body: (turn, carries…, slices…, rest…) → (carries…, rows…)",
    result_type=_loop_type,
    align=as_is,
    regional=Regional(_loop_results, lambda attrs: len(region_of(attrs["body"]).outputs)),
    reference=lambda *values, result, **attrs: _loop_results(values, attrs)[result],
)


# loops that go on while a condition holds


def _while_type(
    *types: TensorType,
    condition: Any,
    body: Any,
    carries: int,
    bound: int | None = None,
    result: int = 0,
) -> TensorType:
    expect_types("condition", types, node_types(condition.parameters))
    expect_types(
        "what the condition gives", node_types(condition.outputs), (TensorType((), DType.BOOL),)
    )
    expect_types("body", types, node_types(body.parameters))
    expect_types("what the body carries on", node_types(body.outputs), types[:carries])
    return types[result]


def _while_results(values: Sequence[Any], attrs: Mapping[str, Any]) -> tuple[Any, ...]:
    carries, bound = attrs["carries"], attrs["bound"]
    state, rest = list(values[:carries]), values[carries:]
    turns = 0
    while run_region(attrs["condition"], [*state, *rest])[0]:
        if turns == bound:
            break
        turns += 1
        state = list(run_region(attrs["body"], [*state, *rest]))
    return tuple(np.asarray(value) for value in state)


while_loop: Op = Op(
    name="while_loop",
    doc="turns of a body while a condition holds, at most `bound`: carries… → carries…",
    result_type=_while_type,
    align=as_is,
    regional=Regional(_while_results, lambda attrs: int(attrs["carries"])),
    reference=lambda *values, result, **attrs: _while_results(values, attrs)[result],
)


# branches


def _branch_type(
    index: TensorType, *types: TensorType, branches: Any, result: int = 0, **kept: int
) -> TensorType:
    expect_types("the number of the branch", (index,), (TensorType((), DType.I32),))
    wanted = node_types(branches[0].outputs)
    for number, one in enumerate(branches):
        expect_types(f"branch {number}", types, node_types(one.parameters))
        expect_types(f"results of branch {number}", node_types(one.outputs), wanted)
    return wanted[result]


def _branch_results(values: Sequence[Any], attrs: Mapping[str, Any]) -> tuple[Any, ...]:
    branches = attrs["branches"]
    chosen = min(max(int(values[0]), 0), len(branches) - 1)
    return tuple(np.asarray(x) for x in run_region(branches[chosen], values[1:]))


def region_of(value: Any) -> Any:
    """The graph of an attribute, bound to sizes or not."""
    return getattr(value, "region", value)


branch: Op = Op(
    name="branch",
    doc="what one of several graphs gives; `index` is clamped to their number; a single one is "
    "computed apart, and again when it is differentiated backwards, but for its last `kept` "
    "results",
    result_type=_branch_type,
    align=as_is,
    regional=Regional(_branch_results, lambda attrs: len(region_of(attrs["branches"][0]).outputs)),
    reference=lambda *values, result, **attrs: _branch_results(values, attrs)[result],
)
