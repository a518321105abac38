"""The native helpers of this process (call entry, block cache, thread pool), loaded once."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import library, threads
from .image import Image
from .layout import BLOCK, CACHE, why_not_native
from .loader import LoadedImage, load_image
from .numpy_functions import numpy_functions

__all__ = ["install", "installed", "native", "set_cache_limit"]

_CACHE = "symfuse_cache"
# Slots of NumPy's table of C functions; they have been the same since NumPy 1.7.
_NUMPY_SLOTS = {"PyArray_NewFromDescr": 94, "PyArray_SetBaseObject": 282}
_NDARRAY_SLOT = 2


class _Installed(NamedTuple):
    image: Image
    loaded: LoadedImage
    reason: str | None


_state: list[_Installed] = []


def install(image: Image) -> LoadedImage:
    """Load the helpers, if that has not been done; they stay until the process ends."""
    if not _state:
        # Other threads use them from here on; of two that come here at once, the first counts.
        _state.append(_loaded(image))
    threads.install(_state[0].loaded)
    return _state[0].loaded


def _loaded(image: Image) -> _Installed:
    slots = numpy_functions()
    for name, slot in _NUMPY_SLOTS.items():
        library.register(name, slots[slot])
    loaded = load_image(image, resident=True)
    _close_ring(loaded.address(_CACHE))
    reason = why_not_native()
    if slots[_NDARRAY_SLOT] != id(np.ndarray):
        reason = "this NumPy has a different table of C functions"
    return _Installed(image, loaded, reason)


def installed() -> Image | None:
    """The image of the helpers, to be shipped with a program."""
    return _state[0].image if _state else None


def native() -> LoadedImage | None:
    """The helpers, if they are loaded and may look into Python objects here."""
    return _state[0].loaded if _state and _state[0].reason is None else None


def set_cache_limit(limit: int) -> None:
    """Keep at most so many bytes of free memory for later results."""
    if loaded := native():
        field = loaded.address(_CACHE) + CACHE.offset("limit")
        ctypes.c_int64.from_address(field).value = limit


def _close_ring(cache: int) -> None:
    """Make the block cache an empty ring with a limit."""
    words = (ctypes.c_int64 * CACHE.words).from_address(cache)
    for field, value in (
        ("next", cache),
        ("previous", cache),
        ("limit", _memory() // 8),
        ("ndarray", id(np.ndarray)),
    ):
        words[CACHE.offset(field) // 8] = value
    assert CACHE.fields[:2] == BLOCK.fields[:2]


def _memory() -> int:
    """Bytes of memory that this process may use."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return physical
    return min(physical, int(text)) if text.isdigit() else physical
