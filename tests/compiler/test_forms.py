"""Launches that are the same code, but for the buffers that they work on, call one function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse.runtime.executable import Executable

snp = sf.numpy


def functions(exe: Any) -> int:
    """How many kernels there is code for."""
    return sum(line.startswith("define hidden") for line in exe.as_text("llvm").splitlines())


def drawn(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("f")


def chain(x: Any, weights: Any) -> Any:
    for w in weights:
        x = snp.tanh(x @ w / 8)
    return x


def stages(*epilogues: Any) -> Any:
    """Products one after the other, each with an epilogue."""

    def program(x: Any, w: Any) -> Any:
        for epilogue in epilogues:
            x = epilogue(x @ w)
        return x

    return program


def interpreted(program: Any, *args: Any) -> Any:
    return sf.trace(program, *args)(*args)


@pytest.mark.parametrize("rows", [32, 700])
def test_layers_of_one_size_are_one_function(rows: int) -> None:
    x, weights = drawn(rows, 64), [drawn(64, 64) + n for n in range(6)]
    exe = sf.compile(chain, x, weights)
    assert (len(exe.kernels), functions(exe)) == (6, 1)
    np.testing.assert_allclose(exe(x, weights), chain(x.astype("d"), weights), atol=1e-5)


def test_every_launch_shows_the_code_that_it_runs() -> None:
    exe = sf.compile(chain, "f32[8,8]", ["f32[8,8]"] * 3)
    written = exe._loaded.compilation.written
    assert len({written.kernel_text(n) for n in range(3)}) == 1
    assert "define hidden void @k0" in written.kernel_text(2)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (lambda x: x + 2, lambda x: x + 2, True),
        (lambda x: x + 2, lambda x: x + 3, False),
        (lambda x: snp.maximum(x, 0.0), lambda x: snp.maximum(x, -0.0), False),
        (lambda x: x + np.float32("nan"), lambda x: x + np.float32("nan"), True),
        (lambda x: x * x, lambda x: x * snp.abs(x), False),
        (lambda x: snp.where(x > 1, x, 1), lambda x: snp.where(x > 1, 1, x), False),
    ],
)
def test_constants_and_operations_tell_code_apart(one: Any, other: Any, alike: bool) -> None:
    x, w = drawn(40, 40), drawn(40, 40) / 7
    exe = sf.compile(stages(one, other), x, w)
    assert (len(exe.kernels), functions(exe)) == (2, 1 if alike else 2)
    found, wanted = exe(x, w), interpreted(stages(one, other), x, w)
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-5)


def test_one_operand_twice_is_not_two_operands() -> None:
    def program(x: Any, w: Any) -> Any:
        y = x @ w
        return y @ y, y

    x, w = drawn(40, 40), drawn(40, 40)
    exe = sf.compile(program, x, w)
    assert (len(exe.kernels), functions(exe)) == (2, 2)
    np.testing.assert_allclose(exe(x, w)[0], (x @ w) @ (x @ w), rtol=1e-4, atol=1e-3)


def test_operands_come_in_the_order_of_the_launch() -> None:
    def program(x: Any, y: Any) -> Any:
        first = snp.cumsum(x - 2 * y)
        second = snp.cumsum(y - 2 * first)
        return snp.cumsum(first - 2 * second), second

    x, y = drawn(50), drawn(51)[:50]
    exe = sf.compile(program, x, y)
    assert functions(exe) < len(exe.kernels)
    for found, wanted in zip(exe(x, y), interpreted(program, x, y), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_sizes_left_open_are_found_by_every_launch() -> None:
    exe = sf.compile(chain, "f32[N,24]", ["f32[24,24]"] * 4)
    assert (len(exe.kernels), functions(exe)) == (4, 1)
    weights = [drawn(24, 24) for _ in range(4)]
    for size in (0, 1, 7, 33):
        x = drawn(size, 24)
        np.testing.assert_allclose(exe(x, weights), chain(x.astype("d"), weights), atol=1e-5)


def test_loops_and_branches_share_functions_with_what_is_around_them() -> None:
    def program(x: Any, w: Any) -> Any:
        x = snp.tanh(x @ w)
        x = sf.fori_loop(0, 3, lambda i, c: snp.tanh(c @ w), x)
        return sf.cond(x.sum() > 0, lambda: snp.tanh(x @ w), lambda: snp.tanh(snp.tanh(x @ w) @ w))

    x, w = drawn(48, 48), drawn(48, 48) / 9
    exe = sf.compile(program, x, w)
    assert functions(exe) < len(exe.kernels)
    np.testing.assert_allclose(exe(x, w), interpreted(program, x, w), rtol=1e-4, atol=1e-5)


def test_threads_share_a_function_in_turn() -> None:
    def program(x: Any) -> Any:
        for _ in range(4):
            x = snp.sin(x) / snp.max(snp.abs(x))
        return x

    x = drawn(1 << 20)
    exe = sf.compile(program, x)
    assert functions(exe) < len(exe.kernels)
    one, two = (Executable(exe.program, threads=n)(x) for n in (1, 2))
    assert np.asarray(one).tobytes() == np.asarray(two).tobytes()
    np.testing.assert_allclose(two, interpreted(program, x), rtol=1e-5, atol=1e-6)


def test_times_are_told_by_launch() -> None:
    exe = sf.compile(chain, "f32[8,8]", ["f32[8,8]"] * 3)
    report = exe.profile(drawn(8, 8), [drawn(8, 8)] * 3)
    assert len({row.name for row in report.rows}) == 3


def steps(params: Any, slopes: Any) -> Any:
    return [(p - 0.1 * g, g * g) for p, g in zip(params, slopes, strict=True)]


@pytest.mark.parametrize("threads", [1, 2])
def test_parts_of_one_kernel_share_functions(threads: int) -> None:
    shapes = [(300, 400), (400,), (300, 400), (400,), (7,), (300, 400)]
    params, slopes = ([drawn(*shape) + n for shape in shapes] for n in (0, 1))
    exe = sf.compile(steps, params, slopes)
    assert (len(exe.kernels), functions(exe)) == (1, 1 + 6)  # two parts for each shape
    once = Executable(exe.program, threads=threads)(*params, *slopes)
    wanted = [x for pair in steps(params, slopes) for x in pair]
    for found, x in zip(once, wanted, strict=True):
        np.testing.assert_allclose(found, x, rtol=1e-6, atol=1e-6)
    shown = exe._loaded.compilation.written.kernel_text(0)
    assert shown.count("define hidden") == 7


def test_parts_of_open_sizes_share_functions() -> None:
    specs = ["f32[N,5]", "f32[5]", "f32[N,5]"]
    exe = sf.compile(steps, specs, specs)
    assert (len(exe.kernels), functions(exe)) == (1, 1 + 4)
    for size in (0, 1, 70):
        params, slopes = (
            [drawn(*shape) + n for shape in ((size, 5), (5,), (size, 5))] for n in (0, 1)
        )
        for pair, wanted in zip(exe(params, slopes), steps(params, slopes), strict=True):
            for found, x in zip(pair, wanted, strict=True):
                np.testing.assert_allclose(found, x, rtol=1e-6, atol=1e-6)
