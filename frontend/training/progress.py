"""How a fit shows where it is: a bar for each epoch, a line, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

__all__ = ["Bar", "Lines", "Silent", "display"]

PAUSE = 0.1  # seconds between two looks at the metrics


class Silent:
    """Shows nothing."""

    def begin(self, title: str, batches: int | None) -> None:
        """An epoch begins."""

    def step(self, examples: int, logs: Callable[[], Mapping[str, Any]]) -> None:
        """A batch has been used; `logs` works the metrics out."""

    def end(self, logs: Mapping[str, Any]) -> None:
        """An epoch is over."""

    def close(self) -> None:
        """The fit is over."""


class Lines(Silent):
    """A line at the end of each epoch."""

    def __init__(self) -> None:
        self._title, self._start, self._examples = "", 0.0, 0

    def begin(self, title: str, batches: int | None) -> None:
        self._title, self._start, self._examples = title, time.perf_counter(), 0

    def step(self, examples: int, logs: Callable[[], Mapping[str, Any]]) -> None:
        self._examples += examples

    def end(self, logs: Mapping[str, Any]) -> None:
        took = time.perf_counter() - self._start
        rate = f"{self._examples / max(took, 1e-9):.0f} samples/s"
        print(f"{self._title}: {shown(logs)} - {took:.1f} s, {rate}", flush=True)


class Bar(Silent):
    """A bar with the time left, the metrics and the examples per second."""

    def __init__(self) -> None:
        from rich import progress

        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=28),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[shown]}"),
        )
        self._bar = progress.Progress(*columns, refresh_per_second=8)
        self._task: Any = None
        self._start = self._looked = 0.0
        self._examples = self._steps = 0

    def begin(self, title: str, batches: int | None) -> None:
        self._bar.start()
        self._task = self._bar.add_task(title, total=batches, shown="")
        self._start, self._looked = time.perf_counter(), 0.0
        self._examples = self._steps = 0

    def step(self, examples: int, logs: Callable[[], Mapping[str, Any]]) -> None:
        self._examples += examples
        self._steps += 1
        now = time.perf_counter()
        if now - self._looked >= PAUSE:
            self._looked = now
            self._show(logs())

    def end(self, logs: Mapping[str, Any]) -> None:
        self._show(logs, total=self._steps)

    def close(self) -> None:
        self._bar.stop()

    def _show(self, logs: Mapping[str, Any], **more: Any) -> None:
        took = max(time.perf_counter() - self._start, 1e-9)
        text = f"{shown(logs)} - {self._examples / took:.0f} samples/s"
        self._bar.update(self._task, completed=self._steps, shown=text, **more)


def display(verbose: Any) -> Silent:
    """0 shows nothing, 1 a bar, 2 a line for each epoch; "auto" a bar on terminals, else lines."""
    if verbose == "auto":
        verbose = 1 if sys.stdout.isatty() else 2
    found = {0: Silent, 1: Bar, 2: Lines}.get(verbose)
    if found is None:
        raise ArgumentError(
            f"verbose={verbose!r} is not known", fix='give 0, 1, 2 or "auto"', loc=user_location()
        )
    return found()


def shown(logs: Mapping[str, Any]) -> str:
    """The metrics that are numbers, in a line."""
    return " - ".join(
        f"{name}: {value:.4g}" for name, value in logs.items() if isinstance(value, float)
    )
