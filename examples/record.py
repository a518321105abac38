"""What an example hands back: what it measured, the function it is about, a picture."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

import symfuse as sf
from symfuse.tracing.tree import flatten, map_leaves

__all__ = ["Measure", "Record", "Subject", "at_least", "at_most", "equal", "main", "near", "short"]


class Measure(Struct, frozen=True):
    """A number and the bar that it must reach."""

    name: str
    value: float
    relation: str  # one of ≥, ≤ and =
    bar: float

    @property
    def holds(self) -> bool:
        """Whether it does."""
        compare = {"≥": np.greater_equal, "≤": np.less_equal, "=": np.equal}[self.relation]
        return bool(compare(self.value, self.bar))

    def __str__(self) -> str:
        bar = f"{self.relation} {short(self.bar)}"
        return f"{self.name} {short(self.value)} {bar}" + ("" if self.holds else "  FAILED")


def short(value: float) -> str:
    """Whole numbers in full, others with four digits."""
    whole = float(value).is_integer() and abs(value) < 1e9
    return f"{value:.0f}" if whole else f"{value:.4g}"


def at_least(name: str, value: Any, bar: float) -> Measure:
    """A number that must not be below the bar."""
    return Measure(name, float(value), "≥", float(bar))


def at_most(name: str, value: Any, bar: float) -> Measure:
    """A number that must not be above the bar."""
    return Measure(name, float(value), "≤", float(bar))


def equal(name: str, value: Any, wanted: float) -> Measure:
    """A number that must be exactly this one, such as a count."""
    return Measure(name, float(value), "=", float(wanted))


def near(name: str, found: Any, wanted: Any, tolerance: float) -> Measure:
    """The largest difference between two arrays of one shape."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape:
        raise ValueError(f"{name}: {found.shape} is compared with {wanted.shape}")
    return at_most(f"{name}: largest difference", np.max(np.abs(found - wanted)), tolerance)


class Subject(Struct, frozen=True, eq=False):
    """The function that an example is about, with small arguments.

    It is drawn, run compiled and op by op, and its derivative is checked against differences, for
    the arguments of the numbers in `wrt`.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    wrt: tuple[int, ...] = (0,)

    def graph(self) -> sf.Graph:
        """Its graph."""
        return sf.trace(self.function, *self.args)

    def difference(self) -> float:
        """The largest relative difference between compiled and eager results, in float64."""
        args = self._wide()
        compiled = flatten(sf.jit(self.function)(*args))[0]
        eager = flatten(self.function(*args))[0]
        return max(_relative(c, e) for c, e in zip(compiled, eager, strict=True))

    def check_gradients(self) -> None:
        """Raise where a derivative, in either mode, is not what differences are."""
        args = self._wide()

        def of(*chosen: Any) -> Any:
            whole = dict(enumerate(args)) | dict(zip(self.wrt, chosen, strict=True))
            return self.function(*whole.values())

        if self.wrt:
            sf.check_grads(of, tuple(args[at] for at in self.wrt))

    def _wide(self) -> tuple[Any, ...]:
        wide: tuple[Any, ...] = map_leaves(_float64, self.args)
        return wide


class Record(Struct, frozen=True, eq=False):
    """The result of an example; the picture is SVG as text or PNG as bytes."""

    measures: tuple[Measure, ...]
    subject: Subject
    picture: str | bytes | None = None

    @property
    def holds(self) -> bool:
        """Whether every measure does."""
        return all(measure.holds for measure in self.measures)

    def as_dict(self) -> dict[str, Any]:
        """What is kept as JSON."""
        found = [
            {"name": m.name, "value": m.value, "relation": m.relation, "bar": m.bar, "ok": m.holds}
            for m in self.measures
        ]
        return {"measures": found, "ok": self.holds}


def main(run: Callable[[bool], Record]) -> None:
    """Run an example as a script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="in a reduced size")
    parser.add_argument("--json", action="store_true", help="print the measures as JSON")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write the picture there")
    args = parser.parse_args()
    record = run(args.quick)
    if args.picture and record.picture:
        data = record.picture
        args.picture.write_bytes(data.encode() if isinstance(data, str) else data)
    shown = json.dumps(record.as_dict()) if args.json else "\n".join(map(str, record.measures))
    print(shown)
    raise SystemExit(not record.holds)


def _float64(leaf: Any) -> Any:
    array = np.asarray(leaf)
    return array.astype(np.float64) if array.dtype.kind == "f" else leaf


def _relative(found: Any, wanted: Any) -> float:
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape:
        raise ValueError(f"compiled {found.shape}, eager {wanted.shape}")
    if not wanted.size:
        return 0.0
    scale = max(1.0, float(np.max(np.abs(wanted))))
    return float(np.max(np.abs(found.astype(float) - wanted.astype(float)))) / scale
