"""Ctrl-C between two steps, and never in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Interrupts", "between_steps"]


class Interrupts:
    """Whether Ctrl-C has been pressed."""

    def __init__(self) -> None:
        self.pressed = False

    def __call__(self, *_: Any) -> None:
        if self.pressed:
            raise KeyboardInterrupt  # asked for twice: do not wait
        self.pressed = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if it has been pressed; called where all arrays are whole."""
        if self.pressed:
            raise KeyboardInterrupt


@contextmanager
def between_steps() -> Iterator[Interrupts]:
    """Ctrl-C sets a flag in the block, which the block looks at after each step."""
    found = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    before = signal.signal(signal.SIGINT, found)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, before)
