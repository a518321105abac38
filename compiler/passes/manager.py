"""Runs passes in order and keeps a record of each: what it did, how often, how long."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from time import perf_counter

from msgspec import Struct

from symfuse.runtime import options
from symfuse.runtime.errors import SymfuseError
from symfuse.runtime.log import log

from ..ir.graph import Graph
from ..ir.verify import verify
from ..rewrite.driver import PassContext

__all__ = ["Pass", "PassRecord", "run_passes"]

Pass = Callable[[Graph, PassContext], Graph]


class PassRecord(Struct, frozen=True):
    """One pass over one graph; graphs are values, so that every step can be shown later."""

    name: str
    before: Graph
    after: Graph
    seconds: float
    fired: Mapping[str, int]  # rule → how often it was used

    @property
    def has_changed(self) -> bool:
        return self.after is not self.before

    @property
    def counts(self) -> tuple[int, int]:
        """The nodes before and after."""
        return len(self.before.nodes), len(self.after.nodes)

    def __str__(self) -> str:
        before, after = self.counts
        rules = ", ".join(f"{name} {count}×" for name, count in self.fired.items())
        took = f"{self.name}: {before} → {after} nodes in {1e3 * self.seconds:.1f} ms"
        return f"{took} ({rules})" if rules else took


def run_passes(
    graph: Graph, passes: Iterable[Pass], *, numerics: str = "strict"
) -> tuple[Graph, tuple[PassRecord, ...]]:
    """The graph after all passes, and the record of each.

    With the option `verify` every graph is checked, with `dump` each is written to a file.
    """
    records: list[PassRecord] = []
    folder = _folder(graph)
    _dump(folder, 0, "graph", graph)
    for number, one in enumerate(passes, 1):
        record = _run(one, graph, numerics)
        records.append(record)
        graph = record.after
        log("passes", "%s", record)
        _dump(folder, number, record.name, graph)
    return graph, tuple(records)


def _run(one: Pass, graph: Graph, numerics: str) -> PassRecord:
    name = getattr(one, "__name__", type(one).__name__)
    context = PassContext(numerics)
    start = perf_counter()
    try:
        after = one(graph, context)
    except SymfuseError as error:
        raise error.at(None, prefix=name) from None
    seconds = perf_counter() - start
    if options.get("verify"):
        try:
            verify(after)
        except SymfuseError as error:
            raise error.at(None, prefix=f"after {name}") from None
    return PassRecord(name, graph, after, seconds, dict(context.fired.most_common()))


def _folder(graph: Graph) -> Path | None:
    """A new folder for one compilation inside the one that `dump` names."""
    chosen = options.get("dump")
    if not chosen:
        return None
    title = re.sub(r"\W+", "_", graph.name) or "graph"
    again = 1
    while (folder := Path(chosen) / (title if again == 1 else f"{title}_{again}")).exists():
        again += 1
    folder.mkdir(parents=True)
    return folder


def _dump(folder: Path | None, number: int, name: str, graph: Graph) -> None:
    if folder is not None:
        (folder / f"{number:02}_{name}.sf").write_text(f"{graph}\n", encoding="utf-8")
