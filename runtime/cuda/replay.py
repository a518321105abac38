"""The launches of one set of sizes, captured once and moved to other addresses when they change."""

from __future__ import annotations

from collections.abc import Sequence

from ..host.solver import Solved
from .graph import Captured
from .launches import PackedKernel
from .loaded import LoadedCode

__all__ = ["Replay"]


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
