"""Settings of the Python interpreter that compiling goes faster with."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["quick_turns", "without_collection"]

TURN = 2e-4  # seconds that a thread waits for another to let it go on; Python's own 5e-3 are more
# than what a thread that has LLVM work does between two calls into it

_lock = Lock()
_resting = 0  # blocks that want no collection now
_was_enabled = False
_hasty = 0  # blocks that want quick turns now
_usual = 0.0


@contextmanager
def without_collection() -> Iterator[None]:
    """No garbage collection in the block: graphs are made of many objects, hardly any in cycles."""
    global _resting, _was_enabled
    with _lock:
        if _resting == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _resting += 1
    try:
        yield
    finally:
        with _lock:
            _resting -= 1
            if _resting == 0 and _was_enabled:
                gc.enable()


@contextmanager
def quick_turns() -> Iterator[None]:
    """In the block, threads that come back from LLVM wait less for one that runs Python."""
    global _hasty, _usual
    with _lock:
        if _hasty == 0:
            _usual = sys.getswitchinterval()
            sys.setswitchinterval(min(TURN, _usual))
        _hasty += 1
    try:
        yield
    finally:
        with _lock:
            _hasty -= 1
            if _hasty == 0:
                sys.setswitchinterval(_usual)
