"""Running folds: threads share a row, or each has a column."""

from __future__ import annotations

from ...ir.dims import Symbol
from ..build import Draft
from ..phases import Axis, Loop, Part, Phase
from ..processor import Device
from ..split import Piece
from .walk import Spread, lanes_along, power_of_two, size_or, tiles_of

__all__ = ["has_columns", "schedule_scan"]

THREADS = 256
AHEAD = 8  # elements of a column that a thread has under way
ACROSS = 32  # threads across columns, where there are few columns
ENOUGH = 512  # threads for each multiprocessor that keep memory busy
NARROW = 16  # columns, below which threads go along the axis instead
LONG = 1 << 16  # what stands for a size that is not known

Walk = tuple[tuple[Loop, ...], dict[Symbol, int]]


def schedule_scan(draft: Draft, device: Device, piece: Piece | None = None) -> Part:
    """Rows by the threads of a block or some of them, or columns side by side; with a piece, each
    tile walks one piece of the axis."""
    kept = [axis for axis in draft.axes if axis not in draft.reduced]
    beside = kept[-1] if kept else None
    if not draft.reduced:
        loops, cut = _columns(draft, beside, device)
    elif has_columns(draft):
        loops, cut = _down(draft, kept[-1], device)
    else:
        loops, cut = _rows(draft, beside, device, piece)
    axes = []
    for symbol, extent in zip(draft.axes, draft.extents, strict=True):
        if symbol not in draft.reduced:
            axes.append(Axis(symbol, extent, cut.get(symbol, 1)))
        elif piece is not None:
            axes.append(Axis(symbol, extent, piece.length, piece.number))
        else:
            axes.append(Axis(symbol, extent))
    return Part(tuple(axes), (Phase(loops, draft.bodies[0]),))


def has_columns(draft: Draft) -> bool:
    """Whether threads can lie side by side across the axis."""
    last = draft.axes[-1]
    return last not in draft.reduced and size_or(draft.extent(last), LONG) >= NARROW


def _columns(draft: Draft, beside: Symbol | None, device: Device) -> Walk:
    """A thread for each column."""
    if beside is None:
        return (), {}
    threads = min(THREADS, power_of_two(size_or(draft.extent(beside), LONG)))
    while threads > device.warp and tiles_of(draft, {beside: threads}) < device.multiprocessors:
        threads //= 2
    loops = (Loop(beside, threads=threads, rolled=False),) if threads > 1 else ()
    return loops, {beside: threads}


def _down(draft: Draft, beside: Symbol, device: Device) -> Walk:
    """One thread goes down a column, or some do where columns are few and long."""
    (along,) = draft.reduced
    length = size_or(draft.extent(along), LONG)
    few = tiles_of(draft, {beside: 1}) < device.multiprocessors * ENOUGH
    if not few or length < 2 * AHEAD:
        loops, cut = _columns(draft, beside, device)
        return (Loop(along, copies=AHEAD), *loops), cut
    rows = min(THREADS * 2 // ACROSS, power_of_two(-(-length // AHEAD)))
    down = Loop(along, lanes=AHEAD, threads=rows)
    return (down, Loop(beside, threads=ACROSS, rolled=False)), {beside: ACROSS}


def _rows(draft: Draft, beside: Symbol | None, device: Device, piece: Piece | None) -> Walk:
    """Threads along the axis, and several rows in a block where they are short."""
    (along,) = draft.reduced
    lanes = lanes_along(draft.bodies[0], along, device)
    length = size_or(draft.extent(along), LONG) if piece is None else piece.length
    vectors = max(1, -(-length // lanes))
    threads = min(THREADS, power_of_two(vectors))
    if vectors >= 8 * THREADS and tiles_of(draft, {}) < device.multiprocessors:
        threads = device.most_threads
    inner = Spread(lanes, 1, threads).loop(along, rolled=True)
    rows = 1
    if beside is not None and threads <= device.warp:
        most = power_of_two(size_or(draft.extent(beside), LONG))
        while rows * threads < THREADS // 2 and rows < most:
            rows *= 2
    if beside is None or rows == 1:
        return (inner,), {}
    return (Loop(beside, threads=rows, rolled=False), inner), {beside: rows}
