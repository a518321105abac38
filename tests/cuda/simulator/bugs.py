"""Good kernels, what they have to give, and ways to spoil them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from cuda.simulator.kernels import Kernel, written

__all__ = [
    "BUGS",
    "CASES",
    "GOOD",
    "HARMLESS",
    "WRONG",
    "Bug",
    "Case",
    "checked_for_races",
    "kernels",
]

Array = np.ndarray[Any, Any]

# The largest of each row: over vectors, lanes, and warps, the same shared memory for every row.
MAXIMA = """\
SF_KERNEL(maxima, 128)(f32* y, const f32* x, i64 rows, i64 n) {
    i32 t = sf_thread(), warp = t / 32;
    SF_SHARED(f32, parts, 4);
    for (i64 row = sf_block(); row < rows; row += sf_blocks()) {
        f32 most = sf_bits_as<f32>(0xff800000u);
        for (i64 i = 4 * t; i < n; i += 512) {
            sf_vector<f32, 4> v = sf_load<f32, 4>(x + row * n + i);
            for (i32 lane = 0; lane < 4; ++lane) most = fmaxf(most, v.at[lane]);
        }
        for (i32 mask = 16; mask > 0; mask /= 2) most = fmaxf(most, sf_shuffle_xor(most, mask));
        if (t % 32 == 0) parts[warp] = most;
        sf_barrier();  // written
        for (i32 part = 0; part < 4; ++part) most = fmaxf(most, parts[part]);
        if (t == 127) y[row] = most;
        sf_barrier();  // read
    }
}
"""
# Running sums of rows of 128, by shuffles within a warp and shared memory between warps.
SUMS = """\
SF_KERNEL(sums, 128)(f32* y, const f32* x, i64 n) {
    i32 t = sf_thread();
    SF_SHARED(f32, ends, 4);
    i64 i = sf_block() * 128ll + t;
    f32 sum = i < n ? x[i] : 0;
    for (i32 by = 1; by < 32; by *= 2) {
        f32 before = sf_shuffle_up(sum, by);
        if (t % 32 >= by) sum += before;
    }
    if (t % 32 == 31) ends[t / 32] = sum;
    sf_barrier();
    for (i32 warp = 0; warp < t / 32; ++warp) sum += ends[warp];
    if (i < n) y[i] = sum;
}
"""
# d = a · b in bf16 on tensor cores: 32 rows and 16 columns to a block, two stages of copies.
PRODUCT = """\
SF_KERNEL(product, 64)(f32* d, const sf_bf16* a, const sf_bf16* b, i64 n, i64 k) {
    i32 t = sf_thread(), warp = t / 32, lane = t % 32;
    i64 row = sf_block() / (n / 16) * 32, column = sf_block() % (n / 16) * 16, steps = k / 16;
    SF_SHARED(sf_bf16, left, 2 * 32 * 24);
    SF_SHARED(sf_bf16, right, 2 * 16 * 24);
    f32 sum[2][4] = {};
    for (i64 step = -1; step < steps; ++step) {
        i64 next = step + 1;
        if (next < steps) {
            sf_copy_async<16>(left + next % 2 * 768 + lane * 24 + warp * 8,
                              a + (row + lane) * k + next * 16 + warp * 8);
            if (lane < 16)
                sf_copy_async<16>(right + next % 2 * 384 + lane * 24 + warp * 8,
                                  b + (next * 16 + lane) * n + column + warp * 8);
        }
        sf_copy_commit();
        if (step < 0) continue;
        sf_copy_wait<1>();
        sf_barrier();  // arrived
        const sf_bf16 *x = left + step % 2 * 768, *y = right + step % 2 * 384;
        x += (warp * 16 + lane % 16) * 24 + lane / 16 * 8;
        y += lane % 16 * 24 + lane / 16 * 8;
        u32 of_x[4], of_y[4];
        sf_load_matrix_x4(of_x, x);
        sf_load_matrix_x4_transposed(of_y, y);
        sf_mma_bf16(sum[0], of_x, of_y);
        sf_mma_bf16(sum[1], of_x, of_y + 2);
        sf_barrier();  // used
    }
    d += (row + warp * 16 + lane / 4) * n + column + lane % 4 * 2;
    for (i32 half = 0; half < 2; ++half)
        for (i32 i = 0; i < 4; ++i) d[i / 2 * 8 * n + half * 8 + i % 2] = sum[half][i];
}
"""
# Every thread writes the same number to the same place, which only a sanitizer minds.
HARMLESS = """\
SF_KERNEL(harmless, 64)(f32* y) {
    SF_SHARED(f32, one, 1);
    one[0] = 1;
    sf_barrier();
    y[sf_thread()] = one[0];
}
"""
GOOD = {"maxima": MAXIMA, "sums": SUMS, "product": PRODUCT}

SCHEDULE, WRONG = "depends on the schedule", "wrong result"
ADDRESS, MISALIGNED, FAILED = "illegal address", "misaligned", "failed"


@dataclass(frozen=True, slots=True)
class Bug:
    """A kernel in which `old` is written as `new`, and what finds that out.

    `is_race`: two threads use the same memory and nothing orders them.
    """

    what: str
    kernel: str
    old: str
    new: str
    caught: str
    is_race: bool = False

    @property
    def name(self) -> str:
        """The name of the kernel with the bug."""
        return f"{self.kernel}_{BUGS.index(self)}"

    @property
    def body(self) -> str:
        """The kernel with the bug."""
        good = GOOD[self.kernel]
        assert good.count(self.old) == 1, f"{self.old!r} stands {good.count(self.old)} times"
        return good.replace(self.old, self.new).replace(f"({self.kernel},", f"({self.name},")


BUGS = (
    Bug("no barrier before reading", "maxima", "sf_barrier();  // written", "", SCHEDULE, True),
    Bug("no barrier before writing again", "maxima", "sf_barrier();  // read", "", SCHEDULE, True),
    Bug("a wrong shuffle mask", "maxima", "mask = 16", "mask = 8", WRONG),
    Bug("a wrong lane", "sums", "sf_shuffle_up(sum, by)", "sf_shuffle(sum, by)", WRONG),
    Bug("a tail short by one", "sums", "if (i < n) y", "if (i < n - 1) y", WRONG),
    Bug("a tail long by one", "sums", "sum = i < n", "sum = i <= n", ADDRESS),
    Bug("a vector past the end", "maxima", "i < n; i", "i < n + 4; i", ADDRESS),
    Bug("a misaligned vector", "maxima", "(x + row * n + i)", "(x + row * n + i + 1)", MISALIGNED),
    Bug("no identity", "maxima", "sf_bits_as<f32>(0xff800000u)", "0", WRONG),
    Bug(
        "a divergent barrier", "sums", "    sf_barrier();", "    if (t < 96) sf_barrier();", FAILED
    ),
    Bug(
        "a barrier of half a warp", "sums", "    sf_barrier();", "if (t % 2) sf_barrier();", FAILED
    ),
    Bug("a divergent shuffle", "sums", "= sf_shuffle_up", "= t < 9 ? 0 : sf_shuffle_up", FAILED),
    Bug("shared memory never set", "sums", "== 31) ends", "== 31 && t > 64) ends", WRONG),
    Bug("shared memory too small", "sums", "ends, 4", "ends, 3", ADDRESS),
    Bug("a wait for too few copies", "product", "wait<1>", "wait<2>", SCHEDULE),
    Bug("no barrier behind a wait", "product", "sf_barrier();  // arrived", "", SCHEDULE, True),
    Bug("no barrier before a copy", "product", "sf_barrier();  // used", "", SCHEDULE, True),
    Bug("no transposition", "product", "x4_transposed", "x4", WRONG),
    Bug(
        "rows of another matrix", "product", "lane / 16 * 8;\n        u32", "0;\n        u32", WRONG
    ),
    Bug("rows in another order", "product", "+ lane % 16) * 24", "+ lane / 2) * 24", WRONG),
    Bug("a stage overwritten", "product", "left + next % 2 * 768", "left", WRONG),
)


@dataclass(frozen=True, slots=True)
class Case:
    """What a kernel is given, the result first, and what it has to make of it."""

    blocks: int
    arrays: tuple[Array, ...]
    sizes: tuple[int, ...]
    expected: Array


def _maxima() -> Case:
    x = -1 - np.random.default_rng(1).random((6, 520)).astype("f4")
    return Case(2, (np.zeros(6, "f4"), x), (6, 520), x.max(axis=1))


def _sums() -> Case:
    padded = np.zeros(384, "f4")
    padded[:300] = x = np.random.default_rng(2).integers(1, 9, 300).astype("f4")
    sums = padded.reshape(3, 128).cumsum(axis=1).reshape(-1)[:300]
    return Case(3, (np.zeros(300, "f4"), x), (300,), sums)


def _product() -> Case:
    rng = np.random.default_rng(3)
    a, b = rng.integers(-4, 5, (64, 80)), rng.integers(-4, 5, (80, 32))
    halves = ((m.astype("f4").view("u4") >> 16).astype("u2") for m in (a, b))
    return Case(4, (np.zeros((64, 32), "f4"), *halves), (32, 80), a @ b)


CASES = {"maxima": _maxima(), "sums": _sums(), "product": _product()}


@cache
def kernels() -> dict[str, Kernel]:
    """All of them, good and bad, in one text."""
    return written("".join([*GOOD.values(), *(bug.body for bug in BUGS)]))


def checked_for_races() -> Iterator[tuple[str, Kernel, Case, bool]]:
    """What it is, the kernel in a text of its own, its case, and whether it has a race."""
    for name, text in GOOD.items():
        yield name, written(text)[name], CASES[name], False
    for bug in BUGS:
        if bug.is_race:
            yield bug.what, written(bug.body)[bug.name], CASES[bug.kernel], True
