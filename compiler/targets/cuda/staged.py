"""Kernels that fetch blocks ahead, with other numbers of blocks on their way.

How many are best depends on the memory of a device and on how many blocks of threads find room
beside each other: so all are compiled where that is asked for, and the device decides.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from ...ir.dims import Symbol
from ...kernel.phases import Access, Kernel, Part, Serial
from ...kernel.processor import Device
from .kernels import KernelSource, kernel_source

__all__ = ["STAGES", "other_stages"]

STAGES = (2, 3, 4, 5)  # blocks on their way, that are worth a trial


def other_stages(
    kernel: Kernel, sizes: tuple[Symbol, ...], device: Device
) -> Iterator[KernelSource]:
    """The sources of a kernel with other numbers of stages, as far as the device has room for them;
    none where nothing is fetched ahead, and where elements are read at computed places, which need
    more than any numbers to be tried."""
    now = {serial.stages for serial in _ahead(kernel)}
    plain = not any(
        isinstance(i.detail, Access) and i.detail.strides
        for part in kernel.parts
        for i in part.instructions()
    )
    if len(now) != 1 or not plain:
        return
    for stages in STAGES:
        if stages not in now:
            source = kernel_source(_with_stages(kernel, stages), sizes)
            if "sf_copy_async" in source.body and source.shared <= device.most_shared_bytes:
                yield source


def _ahead(kernel: Kernel) -> Iterator[Serial]:
    """The loops that may have blocks on their way."""
    for part in kernel.parts:
        for item in part.phases:
            if isinstance(item, Serial) and item.stages > 1:
                yield item


def _with_stages(kernel: Kernel, stages: int) -> Kernel:
    def part_with(part: Part) -> Part:
        phases = tuple(
            replace(item, stages=stages) if isinstance(item, Serial) and item.stages > 1 else item
            for item in part.phases
        )
        return replace(part, phases=phases)

    return replace(kernel, parts=tuple(map(part_with, kernel.parts)))
