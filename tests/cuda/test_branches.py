"""Launches side by side: those that touch the same bytes keep their order, in every order that a
graph allows, and a missing event is found."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from cuda import transformer
from cuda.on_device import needs_compiler, simulated
from cuda.simulator.build import driver_path

import symfuse as sf
from symfuse.compiler.targets.cuda import products
from symfuse.runtime import options
from symfuse.runtime.cuda import replay
from symfuse.runtime.cuda.branches import Branches, Span, Work, branches_of, conflicts
from symfuse.runtime.cuda.device import STREAM
from symfuse.runtime.cuda.driver import CallFailed
from symfuse.runtime.cuda.executable import CudaExecutable
from symfuse.runtime.cuda.spans import works_of
from symfuse.runtime.cuda.transfer import stager
from symfuse.tracing.tree import flatten

Array = np.ndarray[Any, Any]
Found = list[tuple[Branches, list[Work]]]


# the plan


def work(*spans: tuple[int, int, int, bool], small: bool = True) -> Work:
    return Work(tuple(Span(*span) for span in spans), small)


def some_works(rng: np.random.Generator) -> list[Work]:
    """Launches that read and write stretches of two memories."""
    found = []
    for _ in range(int(rng.integers(1, 25))):
        spans = []
        for _ in range(int(rng.integers(1, 4))):
            start = int(rng.integers(0, 60))
            stop = start + int(rng.integers(1, 12))
            spans.append((int(rng.integers(2)), start, stop, bool(rng.integers(3) == 0)))
        known = work(*spans, small=bool(rng.integers(4)))
        found.append(known if rng.integers(12) else Work(None))
    return found


def ordered(plan: Branches) -> list[set[int]]:
    """The launches that have ended when each one begins."""
    before: list[set[int]] = []
    last: dict[int, int] = {}
    for at, (stream, waits) in enumerate(zip(plan.streams, plan.waits, strict=True)):
        direct = [*waits, *([last[stream]] if stream in last else [])]
        before.append(set(direct).union(*(before[one] for one in direct)))
        last[stream] = at
    return before


def unordered(works: Sequence[Work], before: Sequence[set[int]]) -> list[tuple[int, int]]:
    """Pairs of launches that conflict, and of which the second one may run first."""
    pairs = ((i, j) for j in range(len(works)) for i in range(j))
    return [(i, j) for i, j in pairs if conflicts(works[i], works[j]) and i not in before[j]]


@pytest.mark.parametrize("seed", range(60))
def test_conflicting_launches_keep_their_order(seed: int) -> None:
    works = some_works(np.random.default_rng(seed))
    plan = branches_of(works, 3)
    if plan is not None:
        assert set(plan.streams) <= {0, 1, 2}
        assert unordered(works, ordered(plan)) == []


def test_some_of_the_plans_drawn_by_lot_have_branches() -> None:
    plans = [branches_of(some_works(np.random.default_rng(seed)), 3) for seed in range(60)]
    assert sum(plan is not None for plan in plans) > 20


def test_what_reads_the_same_runs_side_by_side() -> None:
    fork = [work((0, 0, 8, True)), *(work((0, 0, 8, False), (n, 0, 8, True)) for n in (1, 2, 3))]
    join = work(*((n, 0, 8, False) for n in (1, 2, 3)), (4, 0, 8, True))
    plan = branches_of([*fork, join], 4)
    assert plan == Branches((0, 0, 1, 2, 2), ((), (), (0,), (0,), (2, 1)))


def test_memory_that_is_used_again_is_waited_for() -> None:
    """The third launch writes where the second one, which it has nothing to do with, reads."""
    first, second = work((0, 0, 8, True)), work((0, 0, 8, False), (0, 16, 24, True))
    again = work((0, 4, 12, True))
    free = [work((n, 0, 8, True)) for n in (1, 2, 3)]
    plan = branches_of([first, second, again, *free], 4)
    assert plan is not None
    assert 1 in ordered(plan)[2]


def test_one_stream_is_enough_where_little_is_won() -> None:
    pair = [work((0, 0, 8, True)), work((1, 0, 8, True))]
    assert branches_of(pair, 4) is None
    assert branches_of([*pair, work((2, 0, 8, True))], 4) is not None
    assert branches_of([*pair, work((2, 0, 8, True))], 1) is None


def test_launches_that_fill_the_device_run_one_after_the_other() -> None:
    works = [work((n, 0, 8, True), small=False) for n in range(4)]
    assert branches_of(works, 4) is None


# the graph


def a_step() -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return transformer.step, transformer.arguments(3)


def turns() -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A loop of which the turns have several products, and carries in place."""

    def run(x, weights, others):
        def turn(x, w):
            a, b, c = (np.tanh(y) for y in (x @ w, x @ w.T, x.T @ w))
            return (a + b * c).T @ x / 8, (a * b).sum(axis=0)

        return sf.scan(turn, x, weights), np.exp(others) @ others

    rng = np.random.default_rng(2)
    x, w, o = (rng.normal(size=s).astype("f4") / 4 for s in ((16, 16), (5, 16, 16), (16, 16)))
    return run, (x, w, o)


PROGRAMS = {"a step of training": a_step, "a loop": turns}
EVERY_PROGRAM = pytest.mark.parametrize("name", PROGRAMS)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Found]:
    """The plans of what is captured; small products are given to the library."""
    for limit in ("WORTH_A_CALL", "WORTH_A_PASS", "DEEP", "SHALLOW"):
        monkeypatch.setattr(products, limit, 1, raising=False)
    found: Found = []

    def recorded(works: list[Work], most: int) -> Branches | None:
        plan = branches_of(works, most)
        found.append((plan or Branches.one(len(works)), works))
        return plan

    monkeypatch.setattr(replay, "branches_of", recorded)
    with simulated(), options.using(cache_dir=tmp_path):
        yield found


class Captured:
    """A program whose launches are captured, with arguments of its own."""

    def __init__(self, name: str) -> None:
        function, args = PROGRAMS[name]()
        self.program = sf.compile(function, *args, target="cuda").program
        self.executable = CudaExecutable(self.program, verify=False)
        values = [x for x in flatten(args)[0] if isinstance(x, np.ndarray)]
        with self.executable.device:
            self.bound = self.executable.bind_copies(values)

    def results(self) -> bytes:
        found = self.bound()
        every = found if isinstance(found, tuple) else (found,)
        return b"".join(np.asarray(x).tobytes() for x in every)

    def graphs(self) -> list[int]:
        parts = self.bound._replay._parts
        return [part._captured.template for part in parts if hasattr(part, "_captured")]

    def edges(self, graph: int) -> tuple[list[int], list[tuple[int, int]]]:
        """The nodes of a graph in their order, and the numbers of those that are joined."""
        driver = ctypes.CDLL(str(driver_path()))
        count = ctypes.c_size_t()
        driver.cuGraphGetNodes(ctypes.c_void_p(graph), None, ctypes.byref(count))
        nodes = (ctypes.c_void_p * count.value)()
        driver.cuGraphGetNodes(ctypes.c_void_p(graph), nodes, ctypes.byref(count))
        number = {node: at for at, node in enumerate(nodes)}
        many = ctypes.c_size_t(0)
        edges = driver.cuGraphGetEdges_v2
        edges(ctypes.c_void_p(graph), None, None, None, ctypes.byref(many))
        ends = [(ctypes.c_void_p * many.value)() for _ in range(2)]
        edges(ctypes.c_void_p(graph), *ends, None, ctypes.byref(many))
        pairs = [(number[a], number[b]) for a, b in zip(*ends, strict=True)]
        return list(nodes), sorted(pairs, key=lambda pair: pair[1])


def before_in(count: int, pairs: Sequence[tuple[int, int]]) -> list[set[int]]:
    found: list[set[int]] = [set() for _ in range(count)]
    for first, second in pairs:
        found[second] |= {first} | found[first]
    return found


@needs_compiler
@EVERY_PROGRAM
def test_the_graph_orders_all_conflicts(name: str, planned: Found) -> None:
    captured = Captured(name)
    plan, works = max(planned, key=lambda pair: len(pair[1]))
    assert len(set(plan.streams)) > 1
    graph = max(captured.graphs(), key=lambda one: len(captured.edges(one)[0]))
    nodes, pairs = captured.edges(graph)
    assert len(nodes) == len(works)
    assert unordered(works, before_in(len(nodes), pairs)) == []
    longest = [0] * len(nodes)
    for first, second in pairs:
        longest[second] = max(longest[second], longest[first] + 1)
    assert max(longest) + 1 < len(nodes)


@needs_compiler
@EVERY_PROGRAM
def test_every_order_of_a_graph_gives_the_same_bits(
    name: str, planned: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    with options.using(cuda_streams=1):
        wanted = Captured(name).results()
    assert all(set(plan.streams) == {0} for plan, _ in planned)
    captured = Captured(name)
    for schedule in ("0", "1", "2", "3"):
        monkeypatch.setenv("SIM_SCHEDULE", schedule)
        assert captured.results() == wanted


@needs_compiler
def test_a_missing_event_is_found(planned: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each event that is left out the conflict is told, and some of them spoil the results."""
    wanted = Captured("a step of training").results()
    plan, works = max(planned, key=lambda pair: len(pair[1]))
    edges = [(at, one) for at, waits in enumerate(plan.waits) for one in waits]
    assert edges
    spoilt = 0
    monkeypatch.setenv("SIM_SCHEDULE", "1")
    for at, one in edges:
        waits = [tuple(w for w in ws if (i, w) != (at, one)) for i, ws in enumerate(plan.waits)]
        wrong = Branches(plan.streams, tuple(waits))
        assert (one, at) in unordered(works, ordered(wrong))
        if spoilt < 2:
            monkeypatch.setattr(replay, "branches_of", lambda works, most, wrong=wrong: wrong)
            spoilt += Captured("a step of training").results() != wanted
    assert spoilt >= 2


@needs_compiler
@EVERY_PROGRAM
def test_launches_write_where_they_say(name: str, planned: Found) -> None:
    captured = Captured(name)
    bound, code = captured.bound, captured.executable.code
    start = bound._arena.address
    addresses = [*bound._addresses, start]
    sizes = {number: array.nbytes for number, array in enumerate(bound._inputs)}
    first = len(bound._inputs)
    sizes |= {first + at: array.nbytes for at, array in enumerate(bound._outputs)}
    regions = {**{n: (addresses[n], size) for n, size in sizes.items() if size}}
    regions[-1] = (start, bound._arena.nbytes)

    def memory() -> dict[int, Array]:
        found = {}
        for number, (address, nbytes) in regions.items():
            found[number] = np.empty(nbytes, np.uint8)
            stager(code.device).download(found[number], address)
        return found

    with code.device:
        before = memory()
        for action, packed in code.enqueued(bound._solved, bound._addresses, start):
            (told,) = works_of(code, bound._solved, [(action, packed)])
            assert told.spans is not None
            packed.enqueue(STREAM)
            code.device.synchronize()
            after = memory()
            for number, bytes_ in after.items():
                changed = set(np.flatnonzero(bytes_ != before[number]).tolist())
                for span in told.spans:
                    if span.written and span.memory == number:
                        changed -= set(range(span.start, span.stop))
                assert not changed, (packed.description, number, min(changed))
            before = after


# the driver


@needs_compiler
def test_branches_that_nobody_waits_for_are_refused(planned: Found) -> None:
    with simulated():
        device = Captured("a loop").executable.device
        call, handle = device.driver.call, device.driver.handle
        with device:
            one, two = handle("cuStreamCreate", 1), handle("cuStreamCreate", 1)
            event, graph = handle("cuEventCreate", 2), ctypes.c_void_p()
            block = device.memory.take(256)
            call("cuStreamBeginCapture_v2", one, 2)
            call("cuEventRecord", event, one)
            call("cuStreamWaitEvent", two, event, 0)
            call("cuMemsetD8Async", block.address, 0, 256, two)
            with pytest.raises(CallFailed, match="cuStreamEndCapture"):
                call("cuStreamEndCapture", one, ctypes.byref(graph))
