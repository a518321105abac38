"""The text of scheduled kernels gives in the simulator what the interpreter gives."""

from __future__ import annotations

import numpy as np
import pytest
from cuda.emitted import Case, check_all
from cuda.simulator.build import needs_compiler
from device_graphs import EVERY_GRAPH, device_graph
from rows import arrays_of
from scheduled import Scheduled

LONG = ("running sum of a long row", "running sum of long rows backwards")
PORTIONS = 4  # of the graphs, each compiled as one text


def _case(name: str) -> Case:
    graph, sizes = device_graph(name)
    scheduled = Scheduled(graph)
    given = scheduled.given(arrays_of(graph, np.random.default_rng(5), sizes))
    return Case(tuple(scheduled.launches), given, sizes, rtol=2e-4)


@needs_compiler
@pytest.mark.parametrize("portion", range(PORTIONS))
def test_graphs(portion: int) -> None:
    names = [name for name in EVERY_GRAPH if name not in LONG]
    check_all([_case(name) for name in names[portion::PORTIONS]])
