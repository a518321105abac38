"""Bugs planted into good kernels and good host code, each with what must catch it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from cuda.simulator.build import SimulationError, needs_compiler, simulate_all
from cuda.simulator.kernels import Kernel, written
from cuda.simulator.session import Session

from symfuse.runtime.cuda.driver import CallFailed

pytestmark = needs_compiler

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
GOOD = {"maxima": MAXIMA, "sums": SUMS, "product": PRODUCT}

SCHEDULE, WRONG = "depends on the schedule", "wrong result"
ADDRESS, MISALIGNED, FAILED = "illegal address", "misaligned", "failed"


@dataclass(frozen=True, slots=True)
class Bug:
    """A kernel in which `old` is written as `new`, and what finds that out."""

    what: str
    kernel: str
    old: str
    new: str
    caught: str

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
    Bug("no barrier before reading", "maxima", "sf_barrier();  // written", "", SCHEDULE),
    Bug("no barrier before writing again", "maxima", "sf_barrier();  // read", "", SCHEDULE),
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
    Bug("no barrier behind a wait", "product", "sf_barrier();  // arrived", "", SCHEDULE),
    Bug("no barrier before a copy", "product", "sf_barrier();  // used", "", SCHEDULE),
    Bug("no transposition", "product", "x4_transposed", "x4", WRONG),
    Bug(
        "rows of another matrix", "product", "lane / 16 * 8;\n        u32", "0;\n        u32", WRONG
    ),
    Bug("rows in another order", "product", "+ lane % 16) * 24", "+ lane / 2) * 24", WRONG),
    Bug("a stage overwritten", "product", "left + next % 2 * 768", "left", WRONG),
)


@cache
def kernels() -> dict[str, Kernel]:
    """All of them, good and bad, in one text."""
    return written("".join([*GOOD.values(), *(bug.body for bug in BUGS)]))


def bf16(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (values.astype("f4").view("u4") >> 16).astype("u2")


def verdict(kernel: Kernel, family: str) -> str:
    """What the gates say of a kernel: what catches it, or that it is right."""
    try:
        return "right" if RUNS[family](kernel) else WRONG
    except SimulationError as error:
        return error.fault


def runs_maxima(kernel: Kernel) -> bool:
    x = -1 - np.random.default_rng(1).random((6, 520)).astype("f4")
    y = np.zeros(6, "f4")
    simulate_all(kernel, 2, [y, x], [6, 520])
    return np.array_equal(y, x.max(axis=1))


def runs_sums(kernel: Kernel) -> bool:
    x = np.random.default_rng(2).integers(1, 9, 300).astype("f4")
    y = np.zeros(300, "f4")
    simulate_all(kernel, 3, [y, x], [300])
    padded = np.zeros(384, "f4")
    padded[:300] = x
    return np.array_equal(y, padded.reshape(3, 128).cumsum(axis=1).reshape(-1)[:300])


def runs_product(kernel: Kernel) -> bool:
    rng = np.random.default_rng(3)
    a, b = rng.integers(-4, 5, (64, 80)), rng.integers(-4, 5, (80, 32))
    d = np.zeros((64, 32), "f4")
    simulate_all(kernel, 4, [d, bf16(a), bf16(b)], [32, 80])
    return np.array_equal(d, a @ b)


RUNS: dict[str, Callable[[Kernel], bool]] = {
    "maxima": runs_maxima,
    "sums": runs_sums,
    "product": runs_product,
}


@pytest.mark.parametrize("name", GOOD)
def test_the_good_kernels_are_right(name: str) -> None:
    assert verdict(kernels()[name], name) == "right"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.what)
def test_a_bug_in_a_kernel_is_caught(bug: Bug) -> None:
    assert verdict(kernels()[bug.name], bug.kernel) == bug.caught


# Host code


class Host(Session):
    """Host code that sums 300 numbers on the device, in steps that a test may spoil."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.found = np.arange(300, dtype="f4"), self.pinned(300)
        self.on_device, self.result = self.memory(1200), self.memory(1200)

    def start(self, *, threads: int = 128, shared: int = 0) -> None:
        """Copy the numbers to the device, sum them, and copy the sums back."""
        self.upload(self.on_device, self.x)
        parameters = (self.result, self.on_device, 300)
        function = self.function(kernels()["sums"])
        self.launch(function, parameters, blocks=3, threads=threads, shared=shared)
        self.download(self.found, self.result)


@pytest.fixture
def host() -> Iterator[Host]:
    found = Host()
    yield found
    found.close()


def expected(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.concatenate([part.cumsum(dtype="f4") for part in (x[:128], x[128:256], x[256:])])


def test_the_good_host_code_is_right(host: Host) -> None:
    host.start()
    host.synchronize()
    assert np.array_equal(host.found, expected(host.x))


def test_reading_before_synchronising_is_caught(host: Host) -> None:
    host.start()
    assert np.isnan(host.found).all()


@pytest.mark.parametrize(
    ("spoil", "status", "message"),
    [
        (lambda h: h.upload(h.on_device + 4, h.x), 1, "1200 bytes from byte 4 of allocation"),
        (lambda h: h.start(threads=2048), 1, "a block has 1 to 1024 threads"),
        (lambda h: h.start(threads=256), 1, "more threads than SF_KERNEL declares"),
        (lambda h: h.start(shared=64 << 10), 1, "more dynamic shared memory than the function"),
        (
            lambda h: h.function(Kernel("sums", "\x7fELF", 1)),
            200,
            "an image is the text of kernels",
        ),
        (lambda h: h.function(Kernel("sums", "SF_EXPORT() {", 1)), 200, "error: "),
    ],
    ids=["copy too long", "block too large", "beyond bounds", "no opt-in", "no text", "no C++"],
)
def test_a_bad_call_is_refused(
    host: Host, spoil: Callable[[Host], Any], status: int, message: str
) -> None:
    with pytest.raises(CallFailed, match=message) as caught:
        spoil(host)
    assert caught.value.status == status


def test_use_after_free_is_caught(host: Host) -> None:
    host.call("cuMemFree_v2", host.on_device)
    with pytest.raises(CallFailed, match="which was freed are not inside one allocation"):
        host.start()
    parameters = (host.result, host.on_device, 300)
    host.launch(host.function(kernels()["sums"]), parameters, blocks=3, threads=128)
    with pytest.raises(CallFailed, match=r"reads allocation .*, which was freed") as caught:
        host.synchronize()
    assert caught.value.status == 700
    with pytest.raises(CallFailed, match="illegal memory access"):
        host.download(host.found, host.result)
