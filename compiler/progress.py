"""Shows on a terminal what a compilation is at, once it has taken as long as one likes to wait."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock, Timer
from typing import Any

__all__ = ["PATIENCE", "at", "count", "shown"]

PATIENCE = 2.0  # seconds


@contextmanager
def shown(title: str) -> Iterator[None]:
    """Show what `at` and `count` tell inside, where stderr is a terminal and it takes long."""
    if not sys.stderr.isatty() or _current.get() is not None:
        yield
        return
    display = _Display(title)
    token = _current.set(display)
    try:
        yield
    finally:
        _current.reset(token)
        display.close()


def at(stage: str) -> None:
    """Tell which stage begins."""
    if (display := _current.get()) is not None:
        display.update(stage, 0, None)


def count(what: str, done: int, total: int) -> None:
    """Tell how many of several equal things are done."""
    if (display := _current.get()) is not None:
        display.update(what, done, total)


class _Display:
    """A line that comes when patience is at its end, and leaves nothing behind."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._state: tuple[str, int, int | None] = ("", 0, None)
        self._lock = Lock()
        self._live: Any = None
        self._task: Any = None
        self._timer = Timer(PATIENCE, self._open)
        self._timer.daemon = True
        self._timer.start()

    def update(self, what: str, done: int, total: int | None) -> None:
        with self._lock:
            self._state = (what, done, total)
            self._draw()

    def close(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._timer.finished.set()
            if self._live is not None:
                self._live.stop()

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20))
        found = Progress(
            *columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True
        )
        with self._lock:
            if self._timer.finished.is_set():
                return
            self._live, self._task = found, found.add_task("", total=None)
            self._draw()
            found.start()

    def _draw(self) -> None:
        if self._live is None:
            return
        what, done, total = self._state
        counted = "" if total is None else f" {done} of {total}"
        told = f"compiling {self.title}: {what}{counted}"
        self._live.update(self._task, description=told, completed=done, total=total)


_current: ContextVar[_Display | None] = ContextVar("_current", default=None)
