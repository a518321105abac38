"""Running folds: threads along contiguous axes, else one thread for each column."""

from __future__ import annotations

from ...ir.dims import Symbol
from ..build import Draft
from ..phases import Axis, Loop, Part, Phase
from ..processor import Device
from .walk import Spread, lanes_along, power_of_two, size_or, tiles_of

__all__ = ["schedule_scan"]

THREADS = 256
AHEAD = 8  # rows that a thread has under way
NARROW = 16  # columns, below which threads go along the axis instead
LONG = 1 << 16  # what stands for a size that is not known


def schedule_scan(draft: Draft, device: Device) -> Part:
    """Each row by the threads of a block or some of them; or columns side by side."""
    (body,) = draft.bodies
    kept = [axis for axis in draft.axes if axis not in draft.reduced]
    beside = kept[-1] if kept else None
    if not draft.reduced:
        loops, cut = _columns(draft, beside, device)
    elif beside == draft.axes[-1] and size_or(draft.extent(beside), LONG) >= NARROW:
        loops, cut = _columns(draft, beside, device)
        (along,) = draft.reduced
        loops = (Loop(along, copies=AHEAD), *loops)
    else:
        loops, cut = _rows(draft, beside, device)
    axes = tuple(
        Axis(a, n, None if a in draft.reduced else cut.get(a, 1))
        for a, n in zip(draft.axes, draft.extents, strict=True)
    )
    return Part(axes, (Phase(loops, body),))


def _columns(
    draft: Draft, beside: Symbol | None, device: Device
) -> tuple[tuple[Loop, ...], dict[Symbol, int]]:
    """A thread for each column."""
    if beside is None:
        return (), {}
    threads = min(THREADS, power_of_two(size_or(draft.extent(beside), LONG)))
    while threads > device.warp and tiles_of(draft, {beside: threads}) < device.multiprocessors:
        threads //= 2
    loops = (Loop(beside, threads=threads, rolled=False),) if threads > 1 else ()
    return loops, {beside: threads}


def _rows(
    draft: Draft, beside: Symbol | None, device: Device
) -> tuple[tuple[Loop, ...], dict[Symbol, int]]:
    """Threads along the axis, and several rows in a block where they are short."""
    (along,) = draft.reduced
    lanes = lanes_along(draft.bodies[0], along, device)
    vectors = max(1, -(-size_or(draft.extent(along), LONG) // lanes))
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
