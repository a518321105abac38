"""What a contender's process tells: one JSON object a line, flushed at once."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["ROUNDS", "Sample", "Teller", "sampled"]

ROUNDS = 7
WINDOW = 8e-3  # seconds that the repetitions of one round take together
MOST = 5000


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds of one run: the median, the least and the most of some rounds."""

    seconds: float
    least: float
    most: float
    repetitions: int


def sampled(time_runs: Callable[[int], float], *, quick: bool = False) -> Sample:
    """The sample of `time_runs(n)`, which gives the seconds of n runs together."""
    if quick:
        once = time_runs(1)
        return Sample(once, once, once, 1)
    time_runs(2)
    first = max(time_runs(3) / 3, 1e-7)
    repetitions = min(MOST, max(1, round(WINDOW / first)))
    rounds = [time_runs(repetitions) / repetitions for _ in range(ROUNDS)]
    return Sample(statistics.median(rounds), min(rounds), max(rounds), repetitions)


class Teller:
    """Writes lines for one contender and knows what an earlier process has begun already."""

    def __init__(
        self, side: str, known: Path | None = None, only: str = "", without: str = ""
    ) -> None:
        self.side, self._begun = side, _begun(known)
        self._only, self._without = only, without
        self._start = time.monotonic()

    def begin(self, case: str) -> bool:
        """Whether the case is still to be done; from here on it counts as begun."""
        if case in self._begun or self._only not in case:
            return False
        if self._without and self._without in case:
            return False
        self._begun.add(case)
        self.tell(begin=case)
        return True

    def time(self, case: str, contender: str, sample: Sample, **more: Any) -> None:
        """Tell the times of a case."""
        self.tell(case=case, contender=contender, **asdict(sample), **more)

    def tell(self, **facts: Any) -> None:
        """Write one line."""
        facts = {"side": self.side, "at": round(time.monotonic() - self._start, 2), **facts}
        print(json.dumps(facts), flush=True)

    def attempt(self, case: str, contender: str, run: Callable[[], None]) -> BaseException | None:
        """Run something; what it raises is told and given back."""
        try:
            run()
        except Exception as error:  # the other cases shall still be measured
            lines = [line for line in str(error).splitlines() if line.strip()]
            reason = " ".join([type(error).__name__ + ":", *lines[:2]])[:300]
            self.tell(case=case, contender=contender, failed=reason)
            print(f"{case}: {error}", file=sys.stderr)
            return error
        return None


def _begun(known: Path | None) -> set[str]:
    if known is None or not known.exists():
        return set()
    rows = [json.loads(line) for line in known.read_text(encoding="utf-8").splitlines()]
    return {row["begin"] for row in rows if "begin" in row}
