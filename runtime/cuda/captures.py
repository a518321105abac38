"""What one executable has captured: for which sizes, and for which addresses of products."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from ..host.solver import Solved
from .arrays import DeviceArray
from .graph import Graphs
from .loaded import LoadedCode
from .operands import Operand
from .replay import Replay, Settled

__all__ = ["Captures"]

_MOST = 4  # captures for addresses of products, before these get memory that stays


class Captures:
    """The captured launches of a program, the most recently used ones.

    Kernels are moved to other addresses. A product is captured for its addresses; where these
    are always new, it gets memory of its own, to and from which operands are copied.
    """

    def __init__(self, code: LoadedCode) -> None:
        self._code, self._graphs = code, Graphs[Replay]()
        self._counts: dict[Hashable, int] = {}
        self._opaque = tuple(sorted(code.opaque))
        staying = _staying(code)
        self._steady = tuple(number for number in self._opaque if number in staying)
        self._moving = code.opaque - staying

    def __len__(self) -> int:
        return len(self._graphs)

    def finder(self, sizes: Hashable) -> Callable[[Sequence[int]], Replay | None]:
        """Finds what is captured for these sizes and some addresses."""
        return lambda addresses: self._graphs.get(self._place(sizes, addresses))

    def replay(
        self,
        sizes: Hashable,
        arrays: tuple[Sequence[Operand], Sequence[DeviceArray]],
        solved: Solved,
        addresses: list[int],
        arena: int,
    ) -> Replay:
        """What is captured for these sizes and addresses; it is captured now if it is not there."""
        known = self._graphs.get(self._place(sizes, addresses))
        if known is not None:
            return known
        if self._moving:
            self._counts[sizes] = self._counts.get(sizes, 0) + 1
        self._code.device.sweep()
        if not self._settles(sizes):
            made = Replay(self._code, solved, addresses, arena)
        else:
            every = enumerate((*arrays[0], *arrays[1]))
            own = {number: array.nbytes for number, array in every if number in self._moving}
            made = Settled(self._code, solved, addresses, arena, own)
        return self._graphs.find(self._place(sizes, addresses), lambda: made)

    def clear(self) -> None:
        """Capture anew from now on."""
        self._graphs.clear()
        self._counts.clear()

    def _settles(self, sizes: Hashable) -> bool:
        return self._counts.get(sizes, 0) > _MOST

    def _place(self, sizes: Hashable, addresses: Sequence[int]) -> Hashable:
        """What captured launches belong to: sizes, and addresses that cannot be changed in them."""
        fixed = self._steady if self._settles(sizes) else self._opaque
        return sizes, tuple(addresses[number] for number in fixed)


def _staying(code: LoadedCode) -> set[int]:
    """The buffers that keep their address: hidden inputs, constants, donated ones."""
    inputs, first = code.program.inputs, len(code.program.inputs)
    donated = {at for at, argument in enumerate(inputs) if argument.donated}
    results = enumerate(code.program.outputs, first)
    kept = {at for at, result in results if result.alias_of is not None}
    return donated | kept | code.fixed.keys()
