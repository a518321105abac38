"""A piece of an array replaced: a copy of the array, and then the piece.

Where the result lies in the memory of the array, the copy is one onto itself and goes
(`passes/drop_copies.py`): then a turn of a loop writes the piece and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

from symfuse.runtime.dtypes import DType

from ..ir.node import Node
from ..ops.dynamic import fitting
from .body import Body, Index
from .build import Draft, Storage
from .domain import axis_symbols
from .phases import Buffer, Instr

__all__ = ["build_copy", "build_update"]


def build_update(
    node: Node, sees_through: Callable[[Node], bool], storage: Storage
) -> tuple[Draft, Draft]:
    """The copy of the first operand, and the piece over it."""
    body = Body(sees_through, storage)
    result, (x, update, *starts) = storage(node), node.inputs
    index = _index(node)
    body.store(result, index, node.shape, body.value(x, index))
    copy = _draft(node, body)
    places, fits = _places(body, node, starts)
    index = tuple(
        body.add(place, body.index(at)) for place, at in zip(places, _index(update), strict=True)
    )
    value = body.value(update, _index(update))
    if fits is not None:
        value = body.select(fits, value, body.load(result, index, node.shape))
    body.store(result, index, node.shape, value)
    return copy, _draft(update, body)


def build_copy(source: Buffer, result: Buffer) -> Draft:
    """One buffer as it is in another."""
    body = Body(lambda _: False, lambda _: source)
    symbols = axis_symbols(source.shape)
    pairs = list(zip(symbols, source.shape, strict=True))
    index: Index = tuple(0 if n == 1 else s + 0 for s, n in pairs)
    body.store(result, index, source.shape, body.load(source, index, source.shape))
    axes = [(s, n) for s, n in pairs if n != 1]
    return Draft(tuple(s for s, _ in axes), tuple(n for _, n in axes), (body.finish(),))


def _places(body: Body, node: Node, starts: list[Node]) -> tuple[list[Instr], Instr | None]:
    """Where the piece begins along each axis, and whether it fits."""
    places, fits = [], None
    for start, n, size in zip(starts, node.shape, node.inputs[1].shape, strict=True):
        place, inside = fitting(body, body.value(start, ()), n - size)
        known, room = start.number, n - size
        if isinstance(known, int) and isinstance(room, int) and 0 <= known <= room:
            places.append(body.const(known, DType.I64))
            continue
        places.append(place)
        fits = inside if fits is None else body.bitand(fits, inside)
    return places, fits


def _index(node: Node) -> Index:
    symbols = axis_symbols(node.shape)
    return tuple(0 if n == 1 else s + 0 for s, n in zip(symbols, node.shape, strict=True))


def _draft(node: Node, body: Body) -> Draft:
    symbols = axis_symbols(node.shape)
    axes = [(s, n) for s, n in zip(symbols, node.shape, strict=True) if n != 1]
    return Draft(tuple(s for s, _ in axes), tuple(n for _, n in axes), (body.finish(),))
