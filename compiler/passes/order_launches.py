"""Orders kernels, and puts small ones that do not wait for each other into one launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from ..kernel.lower import beside
from ..kernel.phases import Buffer, Kernel

__all__ = ["order_launches"]

SMALL = 4_000_000  # scalar additions up to which starting a launch is a cost worth sharing


def order_launches(
    kernels: Sequence[Kernel], overwritten: Mapping[Buffer, Buffer]
) -> tuple[Kernel, ...]:
    """The launches: each after those that write what it reads, and after those that still read
    what it overwrites (`overwritten`: result → the donated input whose memory it takes)."""
    depth = _depths(kernels, overwritten)
    ordered = sorted(kernels, key=depth.__getitem__)
    launches: list[Kernel] = []
    for _, level in groupby(ordered, key=depth.__getitem__):
        together = list(level)
        small = [kernel for kernel in together if _is_small(kernel)]
        launches += [kernel for kernel in together if not _is_small(kernel)]
        if small:
            launches.append(beside(f"{small[0].name}_and_{len(small) - 1}_more", small))
    return tuple(launches)


def _depths(kernels: Sequence[Kernel], overwritten: Mapping[Buffer, Buffer]) -> dict[Kernel, int]:
    """How many launches each kernel must wait for; the kernels come producers first."""
    number = {kernel: at for at, kernel in enumerate(kernels)}
    writers: dict[Buffer, list[Kernel]] = {}
    readers: dict[Buffer, list[Kernel]] = {}
    for kernel in kernels:
        for buffer in kernel.writes:
            writers.setdefault(buffer, []).append(kernel)
        for buffer in kernel.reads:
            readers.setdefault(buffer, []).append(kernel)
    depth: dict[Kernel, int] = {}
    for _ in range(2):  # the second time, waiting for readers has moved some writers on
        for kernel in kernels:
            touched = dict.fromkeys((*kernel.reads, *kernel.writes))
            before = [k for b in touched for k in writers.get(b, ()) if number[k] < number[kernel]]
            for result in kernel.writes:
                source = overwritten.get(result)
                if source is not None:
                    before += [k for k in readers.get(source, ()) if k is not kernel]
            depth[kernel] = max((depth.get(k, 0) + 1 for k in before), default=0)
    return depth


def _is_small(kernel: Kernel) -> bool:
    """Whether the kernel may be short: one of open size is so at some size."""
    if kernel.by_library is not None or kernel.region is not None:
        return False
    return not isinstance(kernel.work, int) or kernel.work < SMALL
