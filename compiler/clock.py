"""Times the stages of a compilation, and tells those who wait for it which one it is at."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from . import progress

__all__ = ["Clock"]


class Clock:
    """How long each stage takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        progress.at(stage)
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
