"""What launches cost, and what the library's recommendations are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import symfuse as sf
from symfuse.runtime.cuda.arrays import to_device
from symfuse.runtime.cuda.code import ProductLaunch
from symfuse.runtime.cuda.device import STREAM
from symfuse.runtime.cuda.graph import Captured
from symfuse.runtime.cuda.products import prepare

from .clock import Clock
from .lines import Sample, Teller

__all__ = ["captured", "sections", "tell_products"]

TOGETHER = 100  # launches in one captured graph
NODES, TINY_NODES = (1, 10, 100, 1000), (1, 10)


def captured(clock: Clock, launches: Sequence[Any]) -> Sample:
    """The time of all the launches once, as one of many repetitions in one captured graph."""
    times = 3 if clock.quick else TOGETHER
    graph = Captured(clock.device, list(launches) * times)
    found = clock.sample(graph.launch)
    return Sample(found.seconds / times, found.least / times, found.most / times, found.repetitions)


def sections(teller: Teller, clock: Clock, tiny: bool) -> list[tuple[str, Callable[[], None]]]:
    """What one small kernel costs: called, bound, captured with others, and waited for."""
    return [
        ("launch: calls of one small kernel", partial(_calls, teller, clock)),
        ("launch: graphs of small kernels", partial(_graphs, teller, clock, tiny)),
    ]


def _small(clock: Clock) -> tuple[Any, Any, Any]:
    x = to_device(np.ones(4, np.float32), clock.device)
    compiled = sf.compile(lambda x: x + 1, "f32[4]", target="cuda")
    return x, compiled, compiled.executable.bind(x)


def _calls(teller: Teller, clock: Clock) -> None:
    x, compiled, bound = _small(clock)
    fixed = [to_device(np.ones(4, np.float32), clock.device) for _ in range(2)]
    turns = iter(range(1 << 30))

    def moved() -> None:
        compiled(fixed[next(turns) % 2])

    for what, run in (
        ("bound", bound),
        ("called, results kept apart", lambda: compiled(x)),
        ("called with other arrays", moved),
    ):
        teller.time(f"launch: {what}, host", "symfuse", clock.host(run))
        teller.time(f"launch: {what}, until done", "symfuse", clock.waited(run))
        teller.time(f"launch: {what}, back to back", "symfuse", clock.sample(run))
    host = np.ones(4, np.float32)
    teller.time(
        "launch: from and to NumPy", "symfuse", clock.waited(lambda: np.asarray(compiled(host)))
    )


def _graphs(teller: Teller, clock: Clock, tiny: bool) -> None:
    _, _, bound = _small(clock)
    ((_, launch),) = bound.launches()
    for count in TINY_NODES if tiny else NODES:
        graph = Captured(clock.device, [launch] * count)
        name = f"launch: graph of {count}"
        teller.time(f"{name}, host", "symfuse", clock.host(graph.launch))
        teller.time(f"{name}, until done", "symfuse", clock.waited(graph.launch))
        found = clock.sample(graph.launch)
        teller.time(f"{name}, device", "symfuse", found, node=found.seconds / count)


def tell_products(teller: Teller, clock: Clock, case: str, compiled: Any, bound: Any) -> None:
    """Time each way that the library recommends for the products of a program."""
    code = compiled.program.device
    for number, packed in bound.launches():
        launch = code.launches[number]
        if not isinstance(launch, ProductLaunch):
            continue
        numbers = [count for count in launch.counts if isinstance(count, int)]
        way = prepare(clock.device, launch, numbers).way
        kept, times = way.chosen, []
        try:
            for candidate in way.candidates():
                way.chosen = candidate
                times.append(clock.sample(partial(packed.enqueue, STREAM)).seconds)
        finally:
            way.chosen = kept
        teller.tell(
            case=case,
            contender="cuBLASLt",
            recommended=times,
            first_over_best=times[0] / min(times),
            epilogue=launch.epilogue,
            chosen=way.note,
        )
