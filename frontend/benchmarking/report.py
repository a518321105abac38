"""What a benchmark found: times with spread, ratios, errors, and the distance to the limits."""

from __future__ import annotations

import json
import math
from typing import Any

from msgspec import Struct

from symfuse.compiler.explain.text import bytes_text, count_text, numbered, seconds_text, table

from ..view.charts import bars
from .limits import Limits
from .timing import Times

__all__ = ["Report", "Row"]


class Row(Struct, frozen=True):
    """One contender: its times and its error, or the reason why it did not take part."""

    name: str
    times: Times | None = None
    error: float | None = None  # largest, relative to the largest value of the reference
    reason: str = ""


class Report(Struct, frozen=True):
    """symfuse is the first row; ratios say how much longer the others take."""

    name: str
    rows: tuple[Row, ...]
    nbytes: int
    flops: int
    kernels: int
    compile_seconds: float
    limits: Limits

    @property
    def ours(self) -> Times:
        times = self.rows[0].times
        assert times is not None
        return times

    @property
    def of_limit(self) -> float:
        """The part of the machine's binding limit that symfuse reaches."""
        return self.limits.fraction(self.nbytes, self.flops, self.ours.median)

    def speed_up(self, name: str) -> float:
        """How often symfuse is as fast as the contender of this name."""
        times = next(row.times for row in self.rows if row.name == name)
        if times is None:
            raise ValueError(f"{name} did not take part")
        return times.median / self.ours.median

    def as_dict(self) -> dict[str, Any]:
        """Everything as numbers and texts."""
        rows = [
            {
                "name": row.name,
                **(row.times.as_dict() if row.times else {"skipped": row.reason}),
                **({"speed_up": self.speed_up(row.name)} if row.times else {}),
                **({} if row.error is None else {"error": _finite(row.error)}),
            }
            for row in self.rows
        ]
        return {
            "name": self.name,
            "rows": rows,
            "bytes": self.nbytes,
            "flops": self.flops,
            "kernels": self.kernels,
            "compile_seconds": self.compile_seconds,
            "of_limit": self.of_limit,
            "limits": {
                "bytes_per_second": self.limits.bytes_per_second,
                "flops_per_second": self.limits.flops_per_second,
                "cores": self.limits.cores,
            },
        }

    def to_json(self) -> str:
        """The report as a JSON document."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False)

    def plot(self) -> str:
        """Bars with their spread, as SVG text."""
        drawn = [
            (row.name, t.median, t.p10, t.p90, f"{seconds_text(t.median)}{self._ratio(row)}")
            for row in self.rows
            if (t := row.times)
        ]
        return bars(drawn, f"{self.name}: time per call")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "image/svg+xml": self.plot()}

    def __str__(self) -> str:
        cells = [self._cells(row) for row in self.rows]
        header = ("", "median", "p10", "p90", "ratio", "error")
        facts = (
            f"{numbered(self.kernels, 'kernel')}, {bytes_text(self.nbytes)} moved, "
            f"{count_text(self.flops)} FLOPs, compiled in {seconds_text(self.compile_seconds)}; "
            f"{100 * self.of_limit:.0f} % of the machine's limit "
            f"({self.limits.bytes_per_second / 1e9:.0f} GB/s, "
            f"{self.limits.flops_per_second / 1e9:.0f} GFLOP/s)"
        )
        skipped = [f"{row.name}: skipped, {row.reason}" for row in self.rows if not row.times]
        return "\n".join([self.name, table(header, cells), facts, *skipped])

    def _cells(self, row: Row) -> tuple[str, ...]:
        if row.times is None:
            return (row.name, "–", "–", "–", "–", "–")
        times = (row.times.median, row.times.p10, row.times.p90)
        error = "–" if row.error is None else f"{row.error:.1e}"
        ratio = f"{self.speed_up(row.name):.2f}×"
        return (row.name, *map(seconds_text, times), ratio, error)

    def _ratio(self, row: Row) -> str:
        return "" if row is self.rows[0] else f"  {self.speed_up(row.name):.2f}×"


def _finite(error: float) -> float | None:
    """JSON has no infinity, which stands for a result that is not finite where it should be."""
    return error if math.isfinite(error) else None
