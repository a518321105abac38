"""Times on the device, by events around repetitions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from symfuse.runtime.cuda.clock import Clock as StreamClock
from symfuse.runtime.cuda.device import Device

from .lines import Sample, sampled

__all__ = ["Clock"]


class Clock:
    """Measures what functions put on symfuse's stream; `quick` runs everything once."""

    def __init__(self, device: Device, quick: bool) -> None:
        self.device, self.quick = device, quick
        self._stream = StreamClock(device)

    def sample(self, run: Callable[[], Any]) -> Sample:
        """The time that the stream takes for one run."""
        return sampled(lambda count: self.between(run, count), quick=self.quick)

    def between(self, run: Callable[[], Any], count: int) -> float:
        """The seconds between an event before and one after so many runs."""

        def repeated() -> None:
            for _ in range(count):
                run()

        with self.device:
            return self._stream.seconds(repeated)

    def host(self, run: Callable[[], Any]) -> Sample:
        """The time until `run` returns, whatever the device has still to do."""

        def some(count: int) -> float:
            self.device.synchronize()
            start = time.perf_counter()
            for _ in range(count):
                run()
            took = time.perf_counter() - start
            self.device.synchronize()
            return took

        # Few enough that they fit the queue of the driver, which else makes the host wait.
        return sampled(
            lambda count: some(min(count, 200)) * count / min(count, 200), quick=self.quick
        )

    def waited(self, run: Callable[[], Any]) -> Sample:
        """The time until the device is done with each run by itself."""

        def some(count: int) -> float:
            start = time.perf_counter()
            for _ in range(count):
                run()
                self.device.synchronize()
            return time.perf_counter() - start

        return sampled(some, quick=self.quick)
