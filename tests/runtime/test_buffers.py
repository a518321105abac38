"""The block cache: aligned memory that comes back warm, within a bound."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import numpy as np
import pytest
from handwritten import addition, symbolic_sums, vectors

from symfuse.compiler.targets.llvm.support import load_support
from symfuse.runtime import buffers
from symfuse.runtime.executable import Executable

MB = 1 << 20


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    load_support()
    limit = buffers.statistics().limit
    buffers.trim()
    yield
    buffers.set_limit(limit)


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


@pytest.mark.parametrize("shape", [(), (0,), (3, 5), (1000, 1000), (7, 1 << 20)])
@pytest.mark.parametrize("dtype", ["bool", "float32", "int64"])
def test_empty_arrays_are_aligned_and_whole(shape: tuple[int, ...], dtype: str) -> None:
    array = buffers.empty(shape, dtype)
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    assert array.size == 0 or array.ctypes.data % buffers.ALIGNMENT == 0
    assert array.flags.c_contiguous and array.flags.writeable
    array[...] = 1
    assert array.all()


def test_large_blocks_begin_at_a_huge_page() -> None:
    assert buffers.empty((4 * MB,), np.uint8).ctypes.data % (2 * MB) == 0


def test_a_dropped_block_is_the_next_one_of_its_class() -> None:
    first = buffers.empty((MB,), np.uint8)
    where = first.ctypes.data
    del first
    before = buffers.statistics()
    assert buffers.empty((MB - 100,), np.uint8).ctypes.data == where
    assert buffers.statistics().hits == before.hits + 1


def test_a_view_keeps_its_block_in_use() -> None:
    view = buffers.empty((MB,), np.uint8)[10:20]
    view[:] = 3
    other = buffers.empty((MB,), np.uint8)
    other[:] = 4
    assert view.tolist() == [3] * 10


def test_statistics_count_what_is_free_and_in_use() -> None:
    start = buffers.statistics()
    held = [buffers.empty((MB,), np.uint8) for _ in range(3)]
    during = buffers.statistics()
    assert (during.live - start.live, during.cached) == (3 * MB, 0)
    del held
    after = buffers.statistics()
    assert (after.live, after.cached, after.blocks) == (start.live, 3 * MB, 3)


def test_free_memory_stays_within_the_limit() -> None:
    buffers.set_limit(4 * MB)
    held = [buffers.empty((MB,), np.uint8) for _ in range(10)]
    del held
    assert buffers.statistics().cached == 4 * MB


def test_a_block_above_the_limit_is_given_back() -> None:
    buffers.set_limit(MB)
    buffers.empty((2 * MB,), np.uint8)
    assert buffers.statistics().cached == 0


def test_what_was_used_last_is_kept_longest() -> None:
    buffers.set_limit(3 * MB)
    arrays = [buffers.empty((size * MB,), np.uint8) for size in (1, 2, 1)]
    while arrays:
        arrays.pop(0)
    # The first megabyte had to go for the last one.
    assert (buffers.statistics().cached, buffers.statistics().blocks) == (3 * MB, 2)


def test_trimming_gives_everything_back() -> None:
    buffers.empty((MB,), np.uint8)
    buffers.trim()
    assert (buffers.statistics().cached, buffers.statistics().blocks) == (0, 0)


def test_the_number_of_free_blocks_is_bounded() -> None:
    held = [buffers.empty((buffers.CACHE_FROM,), np.uint8) for _ in range(600)]
    del held
    assert buffers.statistics().blocks == 512


def test_impossible_sizes_raise_memory_errors() -> None:
    for _ in range(3):
        with pytest.raises(MemoryError):
            buffers.empty((1 << 46,), np.uint8)


@pytest.mark.parametrize("size", [100_000, 4_000_000])
def test_large_results_touch_no_fresh_memory_after_the_first_calls(size: int) -> None:
    add, sums = Executable(addition(size), threads=1), Executable(symbolic_sums(), threads=1)
    x, y = vectors(2, size)
    for _ in range(3):
        kept = add(x, y), sums(x, y)
    before = faults()
    for _ in range(10):
        kept = add(x, y), sums(x, y)
    assert faults() - before < 20
    assert kept[0].ctypes.data % buffers.ALIGNMENT == 0


def test_an_arena_above_the_limit_is_kept_for_the_next_call() -> None:
    sums = Executable(symbolic_sums(), threads=1)
    x, y = vectors(2, 400_000)
    buffers.set_limit(1)
    sums(x, y)
    assert buffers.statistics().blocks == 1


def test_a_poisoned_arena_shows_the_last_byte_written() -> None:
    arena = buffers.poisoned(1000)
    assert buffers.high_water(arena) == 0
    assert np.isnan(arena.view(np.float32)).all() and np.isnan(arena.view(np.float64)).all()
    arena.view(np.uint8)[777] = 0
    assert buffers.high_water(arena) == 778
