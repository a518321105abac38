"""What one call consists of: addresses of all buffers, what the host sends, and the run itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..buffers import high_water, poisoned
from ..errors import DeviceError, VerifyError
from ..host.solver import Solved
from .arrays import DeviceArray
from .device import STREAM, Device
from .loaded import LoadedCode
from .memory import Block, padded
from .operands import Operand
from .transfer import CHUNK, stager

__all__ = ["MARGIN", "Incoming", "addresses_of", "deliver", "foreign", "run_verified"]

Array = np.ndarray[Any, Any]

# More than the planned arena is checked for writes when a run is verified.
MARGIN = 4096


@dataclass(frozen=True, slots=True)
class Incoming:
    """The inputs that come from the host: (input, offset, host address, bytes) of each."""

    pieces: tuple[tuple[int, int, int, int], ...]
    nbytes: int

    @staticmethod
    def of(code: LoadedCode, inputs: Sequence[Operand]) -> Incoming:
        """Those of these inputs, one behind the other."""
        pieces, end = [], 0
        for number, array in enumerate(inputs):
            if not isinstance(array, DeviceArray) and number not in code.fixed:
                pieces.append((number, end, array.ctypes.data, array.nbytes))
                end += padded(array.nbytes)
        return Incoming(tuple(pieces), end)

    def send(self, device: Device, base: int) -> None:
        """Copy them to the device: at once if together they are small."""
        copies = stager(device)
        if 0 < self.nbytes <= CHUNK:
            rows = [(offset, source, count) for _, offset, source, count in self.pieces]
            copies.upload_packed(base, rows, self.nbytes)
            return
        for _, offset, source, count in self.pieces:
            copies.upload_bytes(base + offset, source, count)


def addresses_of(
    code: LoadedCode,
    inputs: Sequence[Operand],
    outputs: Sequence[DeviceArray],
    incoming: Incoming,
    base: int,
) -> list[int]:
    """The address of every input, output and constant; what comes from the host lies at `base`."""
    fixed = code.fixed
    found = [
        array.address if isinstance(array, DeviceArray) else fixed.get(number, 0)
        for number, array in enumerate(inputs)
    ]
    for number, offset, _, _ in incoming.pieces:
        found[number] = base + offset
    found += [output.address for output in outputs]
    first = len(found)
    return found + [fixed[first + at] for at in range(len(code.program.constants))]


def deliver(
    device: Device, outputs: Sequence[DeviceArray], targets: Sequence[Operand]
) -> Sequence[Operand]:
    """The caller's arrays, with the results in them."""
    for output, target in zip(outputs, targets, strict=True):
        if not isinstance(target, DeviceArray):
            stager(device).download(target, output.address)
        elif target is not output:
            device.copy(target.address, output.address, output.nbytes)
    return targets


def foreign(arrays: Iterable[Operand]) -> list[object]:
    """What keeps those arrays that lie in memory of other libraries."""
    owners = (array.owner for array in arrays if isinstance(array, DeviceArray))
    return [owner for owner in owners if not isinstance(owner, Block)]


def run_verified(
    code: LoadedCode, solved: Solved, addresses: Sequence[int], arena: Block | None
) -> int:
    """Run one launch after the other, each to its end, and give the bytes used of the arena."""
    device, base = code.device, arena.address if arena else 0
    used = poisoned(solved.arena + MARGIN if arena else 0)
    if arena:
        stager(device).upload(base, used)
    for _, launch in code.enqueued(solved, addresses, base):
        try:
            launch.enqueue(STREAM)
            device.synchronize()
        except DeviceError as error:
            known = error.what.startswith(launch.description)
            raise error if known else error.at(None, prefix=launch.description) from None
    if arena:
        stager(device).download(used, base)
    top = high_water(used)
    if top > solved.arena:
        raise VerifyError(f"the program wrote {top} bytes of an arena of {solved.arena}")
    return top
