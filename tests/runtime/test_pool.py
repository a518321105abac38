"""The thread pool: every chunk runs exactly once, whoever calls, and however often."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from symfuse.compiler.targets.llvm.link import link
from symfuse.compiler.targets.llvm.machine import baseline_machine
from symfuse.compiler.targets.llvm.pool import pool_ir
from symfuse.compiler.targets.llvm.shared import support_ir
from symfuse.compiler.targets.llvm.support import load_support
from symfuse.runtime import options
from symfuse.runtime.host.features import available_cores
from symfuse.runtime.host.loader import LoadedImage, load_image
from symfuse.runtime.host.threads import PARALLEL, default_threads

KERNELS = """
declare void @symfuse_parallel(ptr, ptr, i32, i32)
declare i64 @pthread_self()

; context[chunk] += 1 + chunks
define void @mark(ptr %context, i32 %chunk, i32 %chunks) #0 {
  %place = getelementptr i32, ptr %context, i32 %chunk
  %sum = add i32 %chunks, 1
  %before = atomicrmw add ptr %place, i32 %sum monotonic
  ret void
}

; marks the row of 16 that belongs to the chunk, by a job of its own
define void @nest(ptr %context, i32 %chunk, i32 %chunks) #0 {
  %start = mul i32 %chunk, 16
  %row = getelementptr i32, ptr %context, i32 %start
  call void @symfuse_parallel(ptr @mark, ptr %row, i32 16, i32 4)
  ret void
}

; context[chunk] = the thread that ran it, after some tens of microseconds
define void @sign(ptr %context, i32 %chunk, i32 %chunks) #0 {
entry:
  br label %delay
delay:
  %turn = phi i32 [ 0, %entry ], [ %next, %delay ]
  %next = add i32 %turn, 1
  %place = getelementptr i64, ptr %context, i32 %chunk
  store volatile i64 0, ptr %place
  %again = icmp ult i32 %next, 20000
  br i1 %again, label %delay, label %done
done:
  %thread = call i64 @pthread_self()
  store i64 %thread, ptr %place
  ret void
}
"""


@dataclass(frozen=True)
class Pool:
    """The pool of this process and kernels to run on it."""

    parallel: Callable[[int, int, int, int], None]
    kernels: LoadedImage

    def run(self, kernel: str, result: np.ndarray, chunks: int, threads: int) -> None:
        self.parallel(self.kernels.address(kernel), result.ctypes.data, chunks, threads)

    def marks_all(self, chunks: int, threads: int) -> bool:
        counts = np.zeros(max(chunks, 1), np.int32)
        self.run("mark", counts, chunks, threads)
        return bool((counts[:chunks] == chunks + 1).all())

    def crew(self, chunks: int, threads: int) -> int:
        """How many threads took part in a job."""
        signatures = np.zeros(chunks, np.int64)
        self.run("sign", signatures, chunks, threads)
        return len(np.unique(signatures))


@pytest.fixture(scope="module")
def pool() -> Pool:
    shared = load_support()
    kernels = load_image(link(baseline_machine().emit_object(support_ir([KERNELS]))))
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
    return Pool(signature(shared.address(PARALLEL)), kernels)


def test_two_thousand_jobs_of_any_size_run_each_chunk_once(
    pool: Pool, rng: np.random.Generator
) -> None:
    for chunks, threads in rng.integers((0, 0), (40, 6), size=(2000, 2)).tolist():
        assert pool.marks_all(chunks, threads), (chunks, threads)


def test_jobs_after_a_pause_find_sleeping_workers(pool: Pool) -> None:
    for _ in range(20):
        time.sleep(0.002)
        assert pool.marks_all(chunks=64, threads=4)


def test_python_threads_may_call_at_the_same_time(pool: Pool) -> None:
    verdicts: list[bool] = []

    def call_often(seed: int) -> None:
        rng = np.random.default_rng(seed)
        jobs = rng.integers((1, 1), (30, 5), size=(300, 2)).tolist()
        verdicts.append(all(pool.marks_all(*job) for job in jobs))

    callers = [threading.Thread(target=call_often, args=(seed,)) for seed in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert verdicts == [True] * 4


def test_a_chunk_may_call_the_pool_again(pool: Pool) -> None:
    for _ in range(50):
        counts = np.zeros((24, 16), np.int32)
        pool.run("nest", counts, 24, 3)
        assert (counts == 17).all()


def test_a_job_uses_no_more_threads_than_it_asks_for(pool: Pool) -> None:
    assert pool.crew(chunks=64, threads=5) <= 5
    assert all(pool.crew(chunks=32, threads=2) <= 2 for _ in range(20))
    assert pool.crew(chunks=8, threads=1) == 1


def test_several_threads_take_part_in_a_long_job(pool: Pool) -> None:
    assert any(pool.crew(chunks=64, threads=2) == 2 for _ in range(100))


def masks() -> set[frozenset[int]]:
    """The cores that the threads of this process may run on."""
    threads = map(int, os.listdir("/proc/self/task"))
    return {frozenset(os.sched_getaffinity(thread)) for thread in threads}


def wait_for_cores() -> None:
    """Until all threads have the cores of this one, which who was woken last may not have yet."""
    for _ in range(1000):
        if masks() == {frozenset(os.sched_getaffinity(0))}:
            return
        time.sleep(0.01)
    pytest.fail(f"some threads have other cores left: {masks()}")


@pytest.mark.skipif(sys.platform != "linux", reason="workers are not moved elsewhere")
def test_woken_workers_get_back_the_core_that_their_caller_took_from_them(pool: Pool) -> None:
    for _ in range(20):
        pool.marks_all(chunks=64, threads=4)
        time.sleep(0.005)
    wait_for_cores()


@pytest.mark.skipif(sys.platform != "linux", reason="workers are not moved elsewhere")
@pytest.mark.skipif(available_cores() < 2, reason="takes two cores")
def test_workers_stay_where_the_program_has_put_them(pool: Pool) -> None:
    pool.marks_all(chunks=64, threads=4)
    wait_for_cores()
    own = {thread.native_id for thread in threading.enumerate()}
    workers = [t for t in map(int, os.listdir("/proc/self/task")) if t not in own]
    allowed = os.sched_getaffinity(0)
    last = {max(allowed)}
    try:
        for worker in workers:
            os.sched_setaffinity(worker, last)
        os.sched_setaffinity(0, {min(allowed)})
        for _ in range(10):
            time.sleep(0.005)
            pool.marks_all(chunks=64, threads=4)
        assert all(os.sched_getaffinity(worker) == last for worker in workers)
    finally:
        for thread in (0, *workers):
            os.sched_setaffinity(thread, allowed)


def test_idle_workers_cost_nothing(pool: Pool) -> None:
    pool.marks_all(chunks=16, threads=4)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.02


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*_at_fork:pytest.PytestUnraisableExceptionWarning")
def test_a_forked_child_has_a_pool_of_its_own(pool: Pool) -> None:
    assert pool.marks_all(chunks=32, threads=4)
    child = os.fork()
    if child == 0:
        fine = all(pool.marks_all(chunks=32, threads=4) for _ in range(100))
        os._exit(0 if fine else 1)
    assert all(pool.marks_all(chunks=32, threads=4) for _ in range(100))
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*_at_fork:pytest.PytestUnraisableExceptionWarning")
def test_children_may_be_forked_in_the_middle_of_jobs(pool: Pool) -> None:
    end, verdicts = threading.Event(), list[bool]()

    def call_until_the_end(threads: int) -> None:
        fine = True
        while not end.is_set():
            fine &= pool.marks_all(chunks=40, threads=threads)
        verdicts.append(fine)

    callers = [threading.Thread(target=call_until_the_end, args=(n,)) for n in (2, 3, 9)]
    for caller in callers:
        caller.start()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            fine = all(pool.marks_all(chunks=32, threads=4) for _ in range(20))
            os._exit(0 if fine else 1)
        assert os.waitpid(child, 0)[1] == 0
    end.set()
    for caller in callers:
        caller.join()
    assert verdicts == [True] * 3


def test_the_environment_and_the_options_limit_the_threads(
    environment: Callable[..., None],
) -> None:
    if sys.platform != "linux":
        assert default_threads() == 1
        return
    environment(SYMFUSE_NUM_THREADS=None, OMP_NUM_THREADS=None)
    assert default_threads() == available_cores()
    environment(OMP_NUM_THREADS="3,2")
    assert default_threads() == 3
    environment(SYMFUSE_NUM_THREADS="5")
    assert default_threads() == 5
    with options.using(num_threads=2):
        assert default_threads() == 2


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_the_pool_compiles_for_every_platform(platform: str, architecture: str) -> None:
    text = pool_ir(platform, architecture)
    image = link(baseline_machine(architecture).emit_object(text))
    assert PARALLEL in image.symbols
    assert ("pthread_create" in image.externals) == (platform == "linux")
