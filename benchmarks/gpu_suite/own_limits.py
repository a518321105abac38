"""What the device can do at most: copies on it, and between it and the host."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from symfuse.runtime.cuda.arrays import to_device
from symfuse.runtime.cuda.device import STREAM

from .clock import Clock
from .lines import Teller

__all__ = ["COPY", "sections"]

COPY = "limits: copy on the device"


def sections(teller: Teller, clock: Clock, tiny: bool) -> list[tuple[str, Callable[[], None]]]:
    """Copies of each kind; `bytes` counts what is read and what is written."""
    unit = 12 if tiny else 30
    return [
        (COPY, partial(_copies, teller, clock, (1 << unit,) if tiny else (1 << 30, 1 << 32))),
        ("limits: host", partial(_host, teller, clock, 1 << (unit - 2))),
        ("limits: allocation", partial(_allocation, teller, clock)),
    ]


def _copies(teller: Teller, clock: Clock, sizes: tuple[int, ...]) -> None:
    place = clock.device
    for nbytes in sizes:
        blocks = [place.memory.take(nbytes) for _ in range(2)]
        first, second = (block.address for block in blocks)
        with place:
            place.fill(second, 0x3F, nbytes)
        found = clock.sample(lambda: place.copy(first, second, nbytes))  # noqa: B023
        teller.time(f"{COPY}, {nbytes >> 20} MiB", "symfuse", found, bytes=2 * nbytes)
        found = clock.sample(lambda: place.fill(first, 1, nbytes))  # noqa: B023
        teller.time(f"limits: fill, {nbytes >> 20} MiB", "symfuse", found, bytes=nbytes)
    del blocks
    place.memory.trim()


def _host(teller: Teller, clock: Clock, nbytes: int) -> None:
    place = clock.device
    call = place.driver.call
    there, pinned = place.memory.take(nbytes), place.pinned.take(nbytes)
    ordinary = np.ones(nbytes, np.uint8)
    on_device = to_device(ordinary, place)
    label = f"{nbytes >> 20} MiB"
    places = {"pinned": pinned.address, "pageable": ordinary.ctypes.data}
    ways: dict[str, Callable[[], Any]] = {}
    for kind, address in places.items():
        ways[f"to the device, {kind}"] = partial(
            call, "cuMemcpyHtoDAsync_v2", there.address, address, nbytes, STREAM
        )
        ways[f"to the host, {kind}"] = partial(
            call, "cuMemcpyDtoHAsync_v2", address, there.address, nbytes, STREAM
        )
    ways["to the device, as symfuse copies"] = lambda: to_device(ordinary, place)
    ways["to the host, as symfuse copies"] = lambda: np.asarray(on_device)
    for kind, run in ways.items():
        found = clock.waited(run)
        teller.time(f"limits: {kind}, {label}", "symfuse", found, bytes=nbytes)


def _allocation(teller: Teller, clock: Clock) -> None:
    place = clock.device

    def by_driver() -> None:
        address = place.driver.handle("cuMemAlloc_v2", 1 << 20)
        place.driver.call("cuMemFree_v2", address)

    with place:
        teller.time("limits: allocation by the driver", "symfuse", clock.host(by_driver))
        pooled = clock.host(lambda: place.memory.take(1 << 20))
        teller.time("limits: allocation by symfuse", "symfuse", pooled)
