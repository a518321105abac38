"""Cores of sleeping workers: what a caller takes, each gets back, and nobody else is touched."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from symfuse.compiler.targets.llvm.link import link
from symfuse.compiler.targets.llvm.machine import baseline_machine
from symfuse.compiler.targets.llvm.pool import pool_ir
from symfuse.compiler.targets.llvm.shared import support_ir
from symfuse.runtime.host.features import available_cores
from symfuse.runtime.host.loader import LoadedImage, architecture, load_image
from symfuse.runtime.host.threads import PARALLEL

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are not moved elsewhere"),
    pytest.mark.skipif(available_cores() < 2, reason="takes two cores"),
]

KEYHOLES = """
define void @part(i32 %threads) #0 {
  call void @pool.part(i32 %threads)
  ret void
}

define void @reunite(ptr %bed) #0 {
  call void @pool.reunite(ptr %bed)
  ret void
}

define ptr @bed(i32 %rank) #0 {
  %bed = getelementptr %pool.bed, ptr @pool.beds, i32 %rank
  ret ptr %bed
}

define i32 @allow(i64 %thread, i32 %core, i32 %allowed) #0 {
  %yes = icmp ne i32 %allowed, 0
  %changed = call i1 @pool.allow(i64 %thread, i32 %core, i1 %yes)
  %number = zext i1 %changed to i32
  ret i32 %number
}

define void @employ(i32 %workers) #0 {
  store i32 %workers, ptr @pool.workers, align 4
  ret void
}

; counts who has come in context[1], and goes when context[0] is set
define void @hold(ptr %context, i32 %chunk, i32 %chunks) #0 {
entry:
  %count = getelementptr i32, ptr %context, i32 1
  %before = atomicrmw add ptr %count, i32 1 seq_cst
  br label %look
look:
  %open = load atomic i32, ptr %context seq_cst, align 4
  %shut = icmp eq i32 %open, 0
  br i1 %shut, label %look, label %done
done:
  ret void
}
"""


Sleeper = Callable[[set[int]], int]


class Bed(ctypes.Structure):
    """A place of `@pool.beds`."""

    _fields_ = (
        ("thread", ctypes.c_int64),
        ("asleep", ctypes.c_int32),
        ("taken", ctypes.c_int32),
    )


class Pool:
    """A pool of the test's own, which stays, with keyholes."""

    def __init__(self) -> None:
        text = support_ir([pool_ir(sys.platform, architecture()), KEYHOLES])
        self.code: LoadedImage = load_image(
            link(baseline_machine().emit_object(text)), resident=True
        )

    def call(self, name: str, *given: int, result: Any = None) -> Any:
        """Call a function with addresses and numbers, without the interpreter lock."""
        kinds = [ctypes.c_void_p if one > 1 << 31 else ctypes.c_int32 for one in given]
        return ctypes.CFUNCTYPE(result, *kinds)(self.code.address(name))(*given)

    def bed(self, rank: int) -> Bed:
        return Bed.from_address(self.call("bed", rank, result=ctypes.c_void_p))


@pytest.fixture
def pool() -> Pool:
    return Pool()


@pytest.fixture
def cores() -> Iterator[tuple[int, int]]:
    """The one core that the test itself runs on, and another one."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[:1])
    yield allowed[0], allowed[1]
    os.sched_setaffinity(0, allowed)


@pytest.fixture
def sleeper(pool: Pool) -> Iterator[Sleeper]:
    """Put a thread that may run on these cores to bed 1; its number for the system."""
    end = threading.Event()
    threads: list[threading.Thread] = []

    def lie_down(cores: set[int]) -> int:
        thread = threading.Thread(target=end.wait)
        thread.start()
        threads.append(thread)
        bed = pool.bed(1)
        bed.thread, bed.asleep, bed.taken = thread.ident, 1, 0
        pool.call("employ", 1)
        assert thread.native_id is not None
        os.sched_setaffinity(thread.native_id, cores)
        return thread.native_id

    yield lie_down
    end.set()
    for thread in threads:
        thread.join()


def test_a_sleeper_loses_the_core_of_its_caller_until_it_rises(
    pool: Pool, cores: tuple[int, int], sleeper: Sleeper
) -> None:
    home, other = cores
    worker, bed = sleeper({home, other}), pool.bed(1)
    for _ in range(2):  # nothing more is taken from who has lost one
        pool.call("part", 2)
        assert (os.sched_getaffinity(worker), bed.taken) == ({other}, home + 1)
    for _ in range(2):
        pool.call("reunite", ctypes.addressof(bed))
        assert (os.sched_getaffinity(worker), bed.taken) == ({home, other}, 0)


def test_nobody_else_loses_a_core(pool: Pool, cores: tuple[int, int], sleeper: Sleeper) -> None:
    home, other = cores
    only, bed = sleeper({home}), pool.bed(1)
    pool.call("part", 2)
    assert (os.sched_getaffinity(only), bed.taken) == ({home}, 0)  # it has no other core
    worker = sleeper({home, other})
    bed.asleep = 0
    pool.call("part", 2)
    bed.asleep = 1
    pool.call("part", 1)  # a job that does not let it in
    pool.call("employ", 0)
    pool.call("part", 2)  # and one that finds nobody
    assert (os.sched_getaffinity(worker), bed.taken) == ({home, other}, 0)


def test_what_others_allow_meanwhile_stays(
    pool: Pool, cores: tuple[int, int], sleeper: Sleeper
) -> None:
    home, other = cores
    worker, bed = sleeper({home, other}), pool.bed(1)
    pool.call("part", 2)
    os.sched_setaffinity(worker, {home})
    pool.call("reunite", ctypes.addressof(bed))
    assert (os.sched_getaffinity(worker), bed.taken) == ({home}, 0)


@pytest.mark.parametrize("core", [-1, 1024, 5000, 2**31 - 1])
@pytest.mark.parametrize("allowed", [0, 1])
def test_cores_that_no_mask_has_are_left_alone(
    pool: Pool, sleeper: Sleeper, core: int, allowed: int
) -> None:
    before = os.sched_getaffinity(0)
    worker, bed = sleeper(before), pool.bed(1)
    assert not pool.call("allow", bed.thread, core, allowed, result=ctypes.c_int32)
    assert os.sched_getaffinity(worker) == before


def test_a_core_that_was_taken_too_late_is_given_back_before_the_next_sleep(pool: Pool) -> None:
    state = np.zeros(2, np.int32)
    job = (pool.code.address("hold"), state.ctypes.data, 2, 2)
    own = set(os.listdir("/proc/self/task"))
    caller = threading.Thread(target=pool.call, args=(PARALLEL, *job))
    caller.start()
    while state[1] < 2:  # the worker is in the middle of a chunk
        time.sleep(0.001)
    (worker,) = map(int, set(os.listdir("/proc/self/task")) - own - {str(caller.native_id)})
    bed, cores = pool.bed(1), os.sched_getaffinity(worker)
    os.sched_setaffinity(worker, cores - {min(cores)})
    bed.taken = min(cores) + 1
    state[0] = 1
    caller.join()
    while not bed.asleep:
        time.sleep(0.001)
    assert (os.sched_getaffinity(worker), bed.taken) == (cores, 0)
