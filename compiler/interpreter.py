"""Settings of the Python interpreter that compiling goes faster with."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["quick_turns", "without_collection"]

TURN = 2e-4  # seconds that a thread waits for another to let it go on; Python's own 5e-3 are more
# than what a thread that has LLVM work does between two calls into it


class _Setting:
    """A setting that blocks share: the first changes it, and the last sets it back.

    `change` makes it what it is in the blocks, and gives what sets it back.
    """

    def __init__(self, change: Callable[[], Callable[[], None]]) -> None:
        self._change, self._lock, self._blocks = change, Lock(), 0
        self._set_back: Callable[[], None] = lambda: None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._blocks == 0:
                self._set_back = self._change()
            self._blocks += 1
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                if self._blocks == 0:
                    self._set_back()


def _rest_collector() -> Callable[[], None]:
    was_enabled = gc.isenabled()
    gc.disable()
    return _collect_again if was_enabled else gc.disable


def _collect_again() -> None:
    """Let the collector go on; what was made meanwhile stays, and need not be searched at once."""
    if gc.get_freeze_count() == 0:
        gc.freeze()
        gc.unfreeze()
    gc.enable()


def _hasten_turns() -> Callable[[], None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(TURN, usual))
    return lambda: sys.setswitchinterval(usual)


without_collection = _Setting(_rest_collector)
"""No garbage collection in the block: graphs are made of many objects, hardly any in cycles."""

quick_turns = _Setting(_hasten_turns)
"""In the block, threads that come back from LLVM wait less for one that runs Python."""
