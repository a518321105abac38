"""The ways in which a library can compute something, timed once, and the best one remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from ..cache import Key, key, store
from ..dtypes import DType
from ..errors import DeviceError
from ..log import log
from .clock import Clock
from .device import STREAM, Device
from .driver import CallFailed, OutOfMemory
from .libraries import Opened
from .memory import Block

__all__ = ["FIRST", "REMEMBERED", "fastest", "key_of", "once", "remembered"]

FIRST = "the first of the library's recommendations"
REMEMBERED = "the fastest, as timed before"
_NO_MEMORY = "the first recommendation: there was no memory to time others"
_REPETITIONS = 5
_WORTH_IT = 0.97  # of the time of the first candidate, for another to be taken instead
_MUCH = 256 << 20  # bytes, that are given back to the driver when they have served for timing

Way = TypeVar("Way")


Made = TypeVar("Made")
_made: dict[tuple[Any, ...], Any] = {}
_making = Lock()


def once(make: Callable[[Device, Opened], Made], device: Device, library: Opened) -> Made:
    """What is made of a device and a library, and kept for as long as the process runs."""
    key = make, device.driver.path, device.ordinal, library.path
    with _making:
        if key not in _made:
            _made[key] = make(device, library)
        found: Made = _made[key]
        return found


def key_of(device: Device, label: str, version: int, facts: Mapping[str, str]) -> Key:
    """What is remembered belongs to what is computed, the device, and the library's version."""
    told = device.facts
    where = f"{told.name}, {told.arch}, {told.multiprocessors}"
    return key(label, {**facts, "device": where, "library": str(version)})


def remembered(entry: Key) -> bytes | None:
    """What was found to be best before, as it was packed."""
    return store().get(entry)


def fastest(
    device: Device,
    entry: Key,
    ways: Sequence[Way],
    memory: Sequence[tuple[int, str]],
    run: Callable[[Way, list[int]], None],
    packed: Callable[[Way], bytes],
) -> tuple[Way, str]:
    """The way that takes least time, kept on disk as `packed`, and how it was found.

    Each is `run` at addresses of `memory`: so many bytes each, filled with normal numbers of a type
    ("": left as they are). The first one is taken where others gain little, and where there is no
    memory to try them. Those that their library recommends and then cannot run are left out; the
    first one's error is raised where none is left.
    """
    try:
        with _sample(device, memory) as addresses:
            tried = [_seconds(device, partial(run, way, addresses)) for way in ways]
    except OutOfMemory:
        return ways[0], _NO_MEMORY
    times = {at: one for at, one in enumerate(tried) if not isinstance(one, DeviceError)}
    for failed in (one for one in tried if isinstance(one, DeviceError)):
        if not times:
            raise failed
        log("passes", "a way to compute it is left out: %s", failed.what)
    best, first = min(times, key=times.__getitem__), min(times)
    chosen = ways[best if times[best] < _WORTH_IT * times[first] else first]
    store().put(entry, packed(chosen))
    return chosen, f"the fastest of {len(times)} that were timed"


def _seconds(device: Device, run: Callable[[], None]) -> float | DeviceError:
    """What the device takes for what `run` puts on the stream: the least of a few, after one; the
    error of a library that cannot do it."""
    try:
        run()
    except CallFailed:  # of the driver, after which nothing runs
        raise
    except DeviceError as error:
        return error
    with Clock(device) as clock:
        return min(clock.seconds(run) for _ in range(_REPETITIONS))


@contextmanager
def _sample(device: Device, sizes: Sequence[tuple[int, str]]) -> Iterator[list[int]]:
    """Addresses of memory; it holds numbers, as a product of zeros takes less power and time."""
    blocks: list[Block] = []
    for nbytes, dtype in sizes:
        blocks.append(device.memory.take(nbytes))
        if dtype:
            _scatter(device, blocks[-1].address, nbytes, dtype)
    yield [block.address for block in blocks]
    blocks.clear()
    if sum(nbytes for nbytes, _ in sizes) > _MUCH:
        device.memory.trim()


def _scatter(device: Device, address: int, nbytes: int, dtype: str) -> None:
    """Fill memory with normal numbers."""
    some = _drawn(dtype)
    done = min(nbytes, len(some))
    device.driver.call("cuMemcpyHtoDAsync_v2", address, some, done, STREAM)
    while done < nbytes:
        more = min(done, nbytes - done)
        device.copy(address + done, address, more)
        done += more


@cache
def _drawn(dtype: str) -> bytes:
    """A megabyte of normal numbers."""
    size = DType(dtype).itemsize
    found = np.random.default_rng(0).standard_normal((1 << 20) // size)
    if dtype == "bf16":  # the upper half of a float
        return (found.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return found.astype(DType(dtype).numpy).tobytes()
