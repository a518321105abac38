"""The primitives of kernels on the simulated device: what they compute, and what they refuse."""

from __future__ import annotations

import subprocess
from typing import Any

import numpy as np
import pytest
from cuda.on_device import needs_nvrtc
from cuda.simulator.build import (
    SOURCES,
    SimulationError,
    needs_compiler,
    poisons_registers,
    simulate,
    simulate_all,
)
from cuda.simulator.kernels import written

from symfuse.compiler.targets.cuda.nvrtc import Request, translate
from symfuse.compiler.targets.cuda.preamble import preamble

Array = np.ndarray[Any, Any]

KERNELS = written("""
SF_KERNEL(shuffles, 32)(f64* wide, f32* plain, u16* narrow) {
    i32 t = sf_thread();
    f64 x = wide[t];
    wide[t] = sf_shuffle_xor(x, 5);
    wide[32 + t] = sf_shuffle_down(x, 3);
    f32 y = plain[t];
    plain[t] = sf_shuffle_up(y, 4);
    plain[32 + t] = sf_shuffle(y, (t + 1) * 7);
    sf_f16 z{narrow[t]};
    narrow[t] = sf_shuffle(z, 31 - t).bits;
}
SF_KERNEL(votes, 64)(u32* found, const i32* x) {
    found[sf_thread()] = sf_ballot(x[sf_thread()] > 0);
}
SF_KERNEL(products, 32)(f32* d, const u32* a, const u32* b, i64 kind) {
    i32 t = sf_thread();
    if (kind == 0) sf_mma_bf16(d + 4 * t, a + 4 * t, b + 2 * t);
    if (kind == 1) sf_mma_f16(d + 4 * t, a + 4 * t, b + 2 * t);
    if (kind == 2) sf_mma_tf32(d + 4 * t, a + 4 * t, b + 2 * t);
}
SF_KERNEL(matrices, 32)(u32* found, const u16* x, i64 kind) {
    i32 t = sf_thread();
    SF_SHARED(u16, rows, 256);
    for (i32 i = 0; i < 8; ++i) rows[8 * t + i] = x[8 * t + i];
    sf_barrier();
    u32* r = found + 4 * t;
    if (kind == 0) sf_load_matrix_x4(r, rows + 8 * t);
    if (kind == 1) sf_load_matrix_x4_transposed(r, rows + 8 * t);
    if (kind == 2) sf_load_matrix_x2(r, rows + 8 * t);
    if (kind == 3) sf_load_matrix_x2_transposed(r, rows + 8 * t);
}
SF_KERNEL(halves, 256)(f32* f16, f32* bf16, u16* to_f16, u16* to_bf16, u32* tf32, f32* x, i64 n) {
    i64 i = sf_block() * 256ll + sf_thread();
    if (i < 65536) {
        f16[i] = sf_to_f32(sf_f16{u16(i)});
        bf16[i] = sf_to_f32(sf_bf16{u16(i)});
    }
    if (i < n) {
        to_f16[i] = sf_from_f32<sf_f16>(x[i]).bits;
        to_bf16[i] = sf_from_f32<sf_bf16>(x[i]).bits;
        tf32[i] = sf_tf32_bits(x[i]);
    }
}
SF_KERNEL(vectors, 32)(f32* y, const f32* x, u16* pairs) {
    i32 t = sf_thread();
    sf_vector<f32, 4> v = sf_load<f32, 4>(x + 4 * t);
    for (i32 i = 0; i < 4; ++i) v.at[i] *= 2;
    sf_store(y + 4 * t, v);
    sf_store(pairs + 2 * t, sf_bits_as<sf_vector<u16, 2>>(sf_pair(sf_bf16{u16(t)}, sf_bf16{7})));
}
SF_KERNEL(pipeline, 64)(f32* y, const f32* x, i64 n) {
    i32 t = sf_thread();
    SF_SHARED(f32, stage, 2 * 256);
    i64 steps = (n + 255) / 256;
    for (i64 step = -1; step < steps; ++step) {
        i64 next = (step + 1) * 256 + 4 * t, left = n - next;
        if (left > 0)
            sf_copy_async<16>(stage + next % 512, x + next, left < 4 ? left * 4 : 16);
        else
            sf_copy_async<16>(stage + next % 512, x, 0);
        sf_copy_commit();
        sf_copy_wait<1>();
        sf_barrier();
        for (i32 i = t; i < 256 && step >= 0; i += 64)
            y[step * 256 + i] = stage[step % 2 * 256 + 255 - i];
        sf_barrier();
    }
}
SF_KERNEL(dynamic, 64)(i32* y) {
    SF_DYNAMIC_SHARED(memory);
    i32* numbers = (i32*)memory;
    numbers[sf_thread()] = sf_thread();
    sf_barrier();
    y[sf_thread()] = numbers[63 - sf_thread()];
}
SF_KERNEL(unset, 32)(i32* y, f32* z, i64 n) {
    SF_SHARED(f32, shared, 32);
    i32 numbers[4];
    if (n > 32) numbers[0] = 0;
    y[sf_thread()] = numbers[n % 4];
    z[sf_thread()] = shared[sf_thread()];
}
SF_KERNEL(bad, 64)(i32* y, i64 kind) {
    i32 t = sf_thread();
    SF_SHARED(i32, shared, 10);
    if (kind == 0) y[1 << 20] = 1;
    if (kind == 1) *(i32*)(kind - 1) = t;
    if (kind == 2) sf_store((i32*)((char*)y + 4), sf_vector<i32, 2>{});
    if (kind == 3) y[t] = t / i32(kind - 3);
    if (kind == 4 && t < 40) sf_barrier();
    if (kind == 5 && t == 10) t = sf_shuffle(t, 0);
    if (kind == 6) shared[t] = t;
    if (kind == 7) for (;;) y[0] = t;
    if (kind == 8) y[-1] = t;
    if (kind == 9) y[t] = sf_bits_as<i32>(sf_load<i32, 1>(shared + 4096).at[0]);
    if (kind == 10) sf_copy_async<4>(shared, y - 1000);
    if (kind == 10) sf_copy_commit();
    sf_copy_wait<0>();
}
SF_KERNEL(deep, 32)(i32* y) {
    volatile i32 pile[1 << 15];
    pile[sf_thread()] = 1;
    y[0] = pile[0];
}
""")


def run(name: str, *arguments: Any, blocks: int = 1, **more: Any) -> None:
    arrays = [a for a in arguments if isinstance(a, np.ndarray)]
    sizes = [a for a in arguments if isinstance(a, int)]
    simulate_all(KERNELS[name], blocks, arrays, sizes, **more)


@needs_compiler
def test_shuffles_move_values_of_any_size(rng):
    wide, plain = np.zeros(64), np.zeros(64, "f4")
    wide[:32], plain[:32] = x, y = rng.random(32), rng.random(32).astype("f4")
    narrow = rng.integers(0, 1 << 16, 32).astype("u2")
    reversed_ = narrow[::-1].copy()
    run("shuffles", wide, plain, narrow)
    lane = np.arange(32)
    assert np.array_equal(wide[:32], x[lane ^ 5])
    assert np.array_equal(wide[32:], x[np.where(lane + 3 < 32, lane + 3, lane)])
    assert np.array_equal(plain[:32], y[np.where(lane < 4, lane, lane - 4)])
    assert np.array_equal(plain[32:], y[(lane + 1) * 7 % 32])
    assert np.array_equal(narrow, reversed_)


@needs_compiler
def test_a_ballot_has_one_bit_for_each_lane_of_the_warp(rng):
    x = rng.integers(-3, 4, 64).astype("i4")
    found = np.zeros(64, "u4")
    run("votes", found, x)
    for warp in (slice(0, 32), slice(32, 64)):
        assert set(found[warp]) == {sum(1 << i for i in range(32) if x[warp][i] > 0)}


def bits_of(values: Array, kind: int) -> Array:
    """The elements as a tensor core is given them: bf16, f16, tf32."""
    if kind == 1:
        return values.astype("f2").view("u2")
    words = values.astype("f4").view("u4")
    return (words >> 16).astype("u2") if kind == 0 else words


def places(kind: int) -> tuple[Array, Array, Array]:
    """Row and column of each element that a lane holds of a, b and d, as the PTX manual says."""
    lane = np.arange(32)[:, None]
    group, quad = lane >> 2, lane & 3
    d = np.arange(4)
    of_d = np.stack([group + 8 * (d // 2), quad * 2 + d % 2])
    if kind == 2:  # m16n8k8 with elements of 32 bits
        a, b = np.arange(4), np.arange(2)
        of_a = np.stack([group + 8 * (a % 2), quad + 4 * (a // 2)])
        return of_a, np.stack([quad + 4 * b, group + 0 * b]), of_d
    a, b = np.arange(8), np.arange(4)  # m16n8k16 with elements of 16 bits
    low = (a < 2) | ((a >= 4) & (a < 6))
    of_a = np.stack([np.where(low, group, group + 8), quad * 2 + (a & 1) + np.where(a < 4, 0, 8)])
    of_b = np.stack([quad * 2 + (b & 1) + np.where(b < 2, 0, 8), group + 0 * b])
    return of_a, of_b, of_d


@needs_compiler
@pytest.mark.parametrize("kind", [0, 1, 2], ids=["bf16", "f16", "tf32"])
def test_fragments_multiply_as_matrices(kind, rng):
    depth = 8 if kind == 2 else 16
    a = rng.integers(-8, 8, (16, depth)) / 4
    b = rng.integers(-8, 8, (depth, 8)) / 4
    start = rng.integers(-8, 8, (16, 8)) / 4
    of_a, of_b, of_d = places(kind)
    d = start[tuple(of_d)].astype("f4")
    words = [np.ascontiguousarray(bits_of(m[tuple(at)], kind)) for m, at in ((a, of_a), (b, of_b))]
    run("products", d, *(word.view("u4") for word in words), kind)
    assert np.array_equal(d, (start + a @ b)[tuple(of_d)])


@needs_compiler
def test_tensor_cores_cut_off_what_tf32_has_no_bits_for():
    a, b = np.full((32, 4), 1 + 2.0**-11, "f4"), np.ones((32, 2), "f4")
    d = np.zeros((32, 4), "f4")
    run("products", d, a.view("u4"), b.view("u4"), 2)
    assert np.all(d == 8)


@needs_compiler
@pytest.mark.parametrize("kind", range(4), ids=["x4", "x4 transposed", "x2", "x2 transposed"])
def test_matrices_are_loaded_as_fragments(kind, rng):
    x = rng.integers(0, 1 << 16, (4, 8, 8)).astype("u2")
    found = np.zeros((32, 4), "u4")
    run("matrices", found, x, kind)
    count = 4 if kind < 2 else 2
    expected = x.transpose(0, 2, 1) if kind % 2 else x
    for lane in range(32):
        row, column = lane // 4, lane % 4 * 2
        pairs = found[lane].view("u2").reshape(4, 2)[:count]
        assert np.array_equal(pairs, expected[:count, row, column : column + 2])


@needs_compiler
def test_halves_are_converted_as_numpy_converts_them(rng):
    some = rng.integers(0, 1 << 32, 60_000, dtype="u4").view("f4")
    near = np.ldexp(rng.random(4000).astype("f4"), rng.integers(-27, 18, 4000)).astype("f4")
    ties = (np.arange(4000, dtype="u4") << np.uint32(12)) + np.uint32(0x38000000)
    x = np.concatenate([some, near, -near, ties.view("f4"), np.float32([0, -0.0, np.inf, 65520])])
    f16, bf16 = np.zeros(65536, "f4"), np.zeros(65536, "f4")
    narrow, short = np.zeros(len(x), "u2"), np.zeros(len(x), "u2")
    tf32 = np.zeros(len(x), "u4")
    run("halves", f16, bf16, narrow, short, tf32, x, len(x), blocks=-(-len(x) // 256), seeds=())
    every = np.arange(65536, dtype="u4")
    assert np.array_equal(f16, every.astype("u2").view("f2").astype("f4"), equal_nan=True)
    assert np.array_equal(bf16, (every << 16).view("f4"), equal_nan=True)
    with np.errstate(over="ignore"):
        assert np.array_equal(narrow.view("f2"), x.astype("f2"), equal_nan=True)
    bits = x.view("u4")
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("u2")
    is_nan = np.isnan(x)
    assert np.array_equal(short[~is_nan], rounded[~is_nan])
    assert np.all(short[is_nan] == 0x7FFF)
    finite = np.isfinite(x)
    assert np.array_equal(tf32[finite], ((bits + 0x1000) & 0xFFFFE000)[finite])


@needs_compiler
def test_vectors_move_as_a_whole(rng):
    x, y, pairs = rng.random(128).astype("f4"), np.zeros(128, "f4"), np.zeros(64, "u2")
    run("vectors", y, x, pairs)
    assert np.array_equal(y, 2 * x)
    assert np.array_equal(pairs.reshape(32, 2), [(t, 7) for t in range(32)])


@needs_compiler
@pytest.mark.parametrize("n", [256, 1000, 1])
def test_copies_arrive_when_they_are_waited_for(n, rng):
    x = rng.random(n).astype("f4")
    padded = np.zeros(-(-n // 256) * 256, "f4")
    y = padded.copy()
    padded[:n] = x
    run("pipeline", y, x, n)
    assert np.array_equal(y, padded.reshape(-1, 256)[:, ::-1].reshape(-1))


@needs_compiler
def test_dynamic_shared_memory_has_the_size_of_the_launch():
    y = np.zeros(64, "i4")
    simulate_all(KERNELS["dynamic"].with_shared(256), 2, [y])
    assert np.array_equal(y, np.arange(64)[::-1])
    with pytest.raises(SimulationError, match="writes beside dynamic shared memory of 252 bytes"):
        simulate(KERNELS["dynamic"].with_shared(252), 1, [y], schedule="random")
    with pytest.raises(SimulationError, match="more than 227 KiB"):
        simulate(KERNELS["dynamic"].with_shared(228 << 10), 1, [y])


@needs_compiler
def test_what_was_never_set_is_no_zero():
    y, z = np.zeros(32, "i4"), np.zeros(32, "f4")
    simulate(KERNELS["unset"], 1, [y, z], [1])
    assert np.all(np.isnan(z))
    assert np.all(y != 0) or not poisons_registers()


@needs_compiler
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (0, "illegal address: .* writes byte 4194304 of argument 0 of 256 bytes at line"),
        (1, "illegal address: .* writes a null pointer at line"),
        (2, r"misaligned: .* sf_store of 8 bytes at line .*: byte 4 of argument 0 of 256 bytes"),
        (3, "failed: .* a division of integers by zero at line"),
        (4, "failed: .* divergent barriers: thread 0 waits at line .*, thread 40 has ended"),
        (5, "failed: .* sf_shuffle at line .*: lane 0 has ended"),
        (6, "illegal address: .* writes byte 128 of a shared array of 40 bytes"),
        (7, "failed: .* the kernel does not end"),
        (8, "illegal address: .* the kernel writes beside argument 0"),
        (9, "illegal address: .* reads byte 16384 of a shared array of 40 bytes"),
        (10, r"illegal address: .* reads 4000 bytes before argument 0 .* `if .* sf_copy_async"),
    ],
)
def test_a_bad_kernel_is_told_where_it_goes_wrong(kind, message):
    y = np.zeros(64, "i4")
    with pytest.raises(SimulationError, match=message):
        simulate(KERNELS["bad"], 1, [y], [kind], seconds=1)
    assert not y.any()


@needs_compiler
def test_a_stack_that_overflows_is_a_fault():
    with pytest.raises(SimulationError, match="illegal address"):
        simulate(KERNELS["deep"], 1, [np.zeros(1, "i4")])


@needs_compiler
def test_a_launch_has_to_fit_the_kernel():
    y = np.zeros(64, "i4")
    with pytest.raises(SimulationError, match="takes 2 parameters, not 1"):
        simulate(KERNELS["bad"], 1, [y])
    with pytest.raises(SimulationError, match="launch of no blocks"):
        simulate(KERNELS["bad"], 0, [y], [10])
    with pytest.raises(SimulationError, match="exports no such kernel"):
        simulate(KERNELS["bad"].mutated("SF_EXPORT(bad, i32*, i64);", ""), 1, [y], [10])
    with pytest.raises(SimulationError, match=r"(?s)does not compile:.*error: "):
        simulate(KERNELS["bad"].mutated("i32 numbers[4];", "i32 numbers[4]"), 1, [y], [10])


@needs_compiler
@pytest.mark.parametrize("flags", [(), ("-DSF_PORTABLE_FIBERS",)], ids=["by hand", "ucontext"])
def test_fibers_switch_back_and_forth(flags, tmp_path):
    program = tmp_path / "fibers"
    sources = [str(SOURCES / name) for name in ("fibers.cpp", "fibers_check.cc")]
    words = ["g++", "-std=c++17", "-x", "c++", *flags, *sources, "-o", str(program)]
    subprocess.run(words, check=True)
    done = subprocess.run([str(program)], check=True, capture_output=True, text=True)
    assert done.stdout == "a0 b0 a1 b1 a2 b2 done\n"


@needs_nvrtc
@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
def test_a_device_has_every_primitive_that_the_simulator_has(arch):
    text = KERNELS["shuffles"].text
    assert translate(Request("preamble", text, arch)).code.startswith(b"\x7fELF")


@needs_nvrtc
def test_vectors_are_one_access_on_a_device():
    text = translate(Request("preamble", KERNELS["vectors"].text, "sm_90", "ptx")).code.decode()
    body = text.partition(".entry vectors")[2].partition(".entry")[0]
    assert body.count("ld.global.nc.v4") + body.count("ld.global.v4") == 1
    assert body.count("st.global.v4") == 1


def test_generated_text_needs_no_header():
    assert "#include" not in preamble()
