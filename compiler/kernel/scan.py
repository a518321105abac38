"""Running folds: a loop along one axis stores its state at every step."""

from __future__ import annotations

from collections.abc import Callable

from ..ir.dims import Symbol
from ..ir.node import Node
from .body import Body
from .build import Draft, Storage
from .domain import axis_symbols
from .phases import Axis, Local, Loop, Part, Phase, Reduce
from .processor import Processor
from .schedule import copies_along

__all__ = ["build_scan", "schedule_scan"]


def build_scan(node: Node, sees_through: Callable[[Node], bool], storage: Storage) -> Draft:
    """One body: the element, the state with it, and its store."""
    body = Body(sees_through, storage)
    along, reduction = node.attr("axis"), node.op.reduction
    assert reduction is not None
    symbols = axis_symbols(node.shape)
    place = [0 if n == 1 else s + 0 for s, n in zip(symbols, node.shape, strict=True)]
    if node.attrs.get("reverse") and node.shape[along] != 1:
        place[along] = node.shape[along] - 1 - symbols[along]
    axes = tuple((s, n) for s, n in zip(symbols, node.shape, strict=True) if n != 1)
    kept = tuple(s for s, _ in axes if s != symbols[along])
    over = frozenset({symbols[along]} if node.shape[along] != 1 else ())
    index = tuple(place)
    dtype = node.dtype.computed
    state = Reduce(Local("running", dtype, kept), reduction, over)
    running = body.scan(state, body.convert(body.value(node.inputs[0], index), dtype))
    body.store(storage(node), index, node.shape, body.convert(running, node.dtype))
    return Draft(tuple(s for s, _ in axes), tuple(n for _, n in axes), (body.finish(),))


def schedule_scan(draft: Draft, processor: Processor) -> Part:
    """A tile is a block of neighbouring rows, walked in step along the axis: vectors of them where
    they lie side by side, else one element of each, since none waits for those of the others."""
    (body,) = draft.bodies
    kept = [axis for axis in draft.axes if axis not in draft.reduced]
    rows = kept[-1] if kept else None
    beside = rows is not None and rows == draft.axes[-1]
    lanes = processor.lanes(body) if beside else 1
    copies = 1 if rows is None else copies_along(body, draft.extent(rows), lanes)
    axes = tuple(
        Axis(
            symbol, extent, None if symbol in draft.reduced else _tile(symbol, rows, lanes * copies)
        )
        for symbol, extent in zip(draft.axes, draft.extents, strict=True)
    )
    loops = [Loop(symbol) for symbol in draft.axes if symbol in draft.reduced]
    if rows is not None and lanes * copies > 1:
        loops.append(Loop(rows, lanes, copies, rolled=False))
    return Part(axes, (Phase(tuple(loops), body),))


def _tile(symbol: Symbol, rows: Symbol | None, block: int) -> int:
    return block if symbol == rows else 1
