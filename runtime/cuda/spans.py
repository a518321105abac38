"""What the actions of a call touch, byte by byte, and whether they leave room for others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..host.solver import Solved
from ..program import Program
from .branches import Span, Work
from .code import ProductLaunch
from .launches import Enqueued, PackedKernel, counted
from .loaded import LoadedCode
from .walk import Action, Copy, Fill, Spot

__all__ = ["works_of"]

TILE = 128  # rows and columns of a product that one multiprocessor computes at once, about
SHARE = 2  # a small launch takes a part of the device in so many, at most


def works_of(
    code: LoadedCode, solved: Solved, packed: Sequence[tuple[Action, Enqueued]]
) -> list[Work]:
    """What is touched by each action, in memory told by the number of its buffer."""
    owners = _owners(code.program)
    return [
        Work(_spans(code, solved, action, owners), _is_small(code, solved, action, launch))
        for action, launch in packed
    ]


def _owners(program: Program) -> Mapping[int, int]:
    """Results that lie in the memory of inputs, by number."""
    first = len(program.inputs)
    results = enumerate(program.outputs, first)
    return {at: r.alias_of for at, r in results if r.alias_of is not None}


def _spans(
    code: LoadedCode, solved: Solved, action: Action, owners: Mapping[int, int]
) -> tuple[Span, ...] | None:
    touched = tuple(_touched(code, solved, action))
    if not touched:
        return None
    return tuple(
        Span(owners.get(number, number), offset, offset + nbytes, written)
        for (number, offset), nbytes, written in touched
        if nbytes
    )


def _touched(code: LoadedCode, solved: Solved, action: Action) -> Iterator[tuple[Spot, int, bool]]:
    """The spots of an action with their bytes, and whether it writes there; none if unknown."""
    if isinstance(action, Fill):
        yield action.spots[0], 4 * action.count, True
    elif isinstance(action, Copy):
        target, source = action.spots
        yield target, action.nbytes, True
        yield source, action.nbytes, False
    elif code.code.extents:
        extents = code.code.extents[action.at]
        for spot, extent in zip(action.spots, extents, strict=False):
            yield spot, counted(extent.nbytes, solved.prepared), extent.written


def _is_small(code: LoadedCode, solved: Solved, action: Action, packed: Enqueued) -> bool:
    """Whether it leaves most of the device to others."""
    if isinstance(action, Fill | Copy):
        return True
    facts = code.device.facts
    if isinstance(packed, PackedKernel):
        return SHARE * packed.threads <= facts.multiprocessors * facts.multiprocessor_threads
    launch = code.code.launches[action.at]
    if not isinstance(launch, ProductLaunch):
        return False
    rows, columns, batch = (
        counted(count, solved.prepared) for count in (launch.rows, launch.columns, launch.batch)
    )
    return SHARE * -(-rows // TILE) * -(-columns // TILE) * batch <= facts.multiprocessors
