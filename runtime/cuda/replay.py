"""The launches of one set of sizes, captured once and moved to other addresses when they change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..host.solver import Solved
from .graph import Captured
from .launches import PackedKernel
from .loaded import LoadedCode
from .memory import Block

__all__ = ["Replay", "Settled"]


class Replay:
    """A captured call; its kernels are patched where an address has changed."""

    __slots__ = ("_addresses", "_captured", "_code", "_index")

    def __init__(
        self, code: LoadedCode, solved: Solved, addresses: Sequence[int], arena: int
    ) -> None:
        numbered = list(code.numbered(solved, addresses, arena))
        self._index = {number: at for at, (number, _) in enumerate(numbered)}
        self._captured = Captured(code.device, [launch for _, launch in numbered])
        self._code, self._addresses = code, list(addresses)

    def __call__(self, addresses: list[int]) -> None:
        """Put all launches on the stream, with these addresses of all buffers."""
        if addresses != self._addresses:
            self._move(addresses)
        self._captured.launch()

    def _move(self, addresses: list[int]) -> None:
        """Have the kernels use the addresses."""
        launches, stale = self._captured.launches, set()
        for number, (old, new) in enumerate(zip(self._addresses, addresses, strict=True)):
            if old == new:
                continue
            for launch, position in self._code.uses.get(number, ()):
                at = self._index.get(launch)
                if at is not None:
                    kernel = launches[at]
                    assert isinstance(kernel, PackedKernel)
                    kernel.words[position] += new - old
                    stale.add(at)
        # Cleared meanwhile: if an update fails, nothing here is in the state of any addresses.
        self._addresses = []
        for at in sorted(stale):
            self._captured.update(at)
        self._addresses = list(addresses)


class Settled(Replay):
    """A captured call whose products have operands of its own, for callers with ever new arrays.

    A captured product cannot be moved. Here its arguments are copied to where it reads, and its
    results from where it writes, instead of capturing everything again.
    """

    __slots__ = ("_inputs", "_results", "_slots")

    def __init__(
        self,
        code: LoadedCode,
        solved: Solved,
        addresses: Sequence[int],
        arena: int,
        sizes: Mapping[int, int],
    ) -> None:
        self._slots: dict[int, tuple[Block, int]] = {
            number: (code.device.memory.take(nbytes), nbytes) for number, nbytes in sizes.items()
        }
        first = len(code.program.inputs)
        self._inputs = [number for number in self._slots if number < first]
        self._results = [number for number in self._slots if number >= first]
        super().__init__(code, solved, self._moved(addresses), arena)

    def __call__(self, addresses: list[int]) -> None:
        """Put all launches on the stream, between the copies."""
        copy = self._code.device.copy
        for number in self._inputs:
            slot, nbytes = self._slots[number]
            copy(slot.address, addresses[number], nbytes)
        super().__call__(self._moved(addresses))
        for number in self._results:
            slot, nbytes = self._slots[number]
            copy(addresses[number], slot.address, nbytes)

    def _moved(self, addresses: Sequence[int]) -> list[int]:
        moved = list(addresses)
        for number, (slot, _) in self._slots.items():
            moved[number] = slot.address
        return moved
