"""Elements that lie near each other are read by whole vectors, and short axes fill vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse.runtime import options

RNG = np.random.default_rng(3)


def values(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype("float32")


CASES = {
    "backwards": (lambda x: x[:, ::-1] * 2, (values(3, 37),)),
    "both ways": (lambda x: x[::-1] + x, (values(50),)),
    "every second": (lambda x: x[1::2] + 1, (values(70),)),
    "every third, to the end": (lambda x: x[::3] + 1, (values(100),)),
    "every third, masked": (lambda x: x[2::3] + 1, (values(3 * 21),)),
    "every fourth": (lambda x: x[:, 3::4] + 1, (values(5, 96),)),
    "columns of rows of three": (lambda x: (x[:, 0] * x[:, 1]) - x[:, 2], (values(83, 3),)),
    "columns of rows of four": (lambda x: x[:, 3] - x[:, 0], (values(64, 4),)),
    "channels first": (lambda x: np.transpose(x, (2, 0, 1)) * 2, (values(9, 11, 3),)),
    "cross products": (np.cross, (values(50, 3), values(50, 3))),
}


@pytest.mark.parametrize("name", CASES)
def test_near_elements_are_not_gathered(name: str) -> None:
    function, arrays = CASES[name]
    compiled = sf.compile(function, *arrays)
    assert ".gather." not in compiled.as_text("llvm")
    np.testing.assert_array_equal(compiled(*arrays), function(*arrays))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float16", "float64", "int64"])
def test_near_elements_of_every_size_are_read(dtype: str) -> None:
    x = (RNG.standard_normal((41, 3)) * 3).astype(dtype)
    found = sf.jit(lambda x: (x[:, 1], x[::-1, 2], x.T[::-1] == x.T))(x)
    for one, other in zip(found, (x[:, 1], x[::-1, 2], x.T[::-1] == x.T), strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_is_read_behind_the_last_of_spaced_elements() -> None:
    """The last vector ends a page; what follows may not be there."""
    whole = np.zeros(1 << 16, "float32")
    for size in (46, 91, 94, 4096 - 2):
        x = whole[whole.size - size :]
        x[:] = np.arange(size)
        np.testing.assert_array_equal(sf.jit(lambda x: x[::3] + 1)(x), x[::3] + 1)


SHORT = {
    "stacked": (lambda x, y: np.stack([x, y], axis=-1), (values(100), values(100))),
    "channels last": (lambda x: np.transpose(x, (1, 2, 0)) * 2, (values(3, 9, 10),)),
    "costly": (lambda x, y: np.sin(x * y), (values(100, 2), values(2))),
}


@pytest.mark.parametrize("name", SHORT)
def test_vectors_run_along_the_axis_that_fills_them(name: str) -> None:
    function, arrays = SHORT[name]
    compiled = sf.compile(function, *arrays)
    assert len(compiled.kernels) == 1
    short = {"stacked": 2, "channels last": 3, "costly": 2}[name]
    assert f"({short} copies) in {short}" in compiled.as_text("kernels")
    np.testing.assert_allclose(compiled(*arrays), function(*arrays), rtol=1e-6)


def test_cheap_rows_of_three_are_stored_side_by_side() -> None:
    text = sf.compile(lambda x, y: x * y, "f32[100,3]", "f32[3]").as_text("kernels")
    assert "copies) in 3" not in text


@pytest.mark.parametrize("shape", [(7, 5), (1000, 33), (3, 4, 50), (17,), (1, 9), (0, 4)])
@pytest.mark.parametrize("threads", [1, 2])
def test_running_sums_of_several_rows_keep_their_order(
    shape: tuple[int, ...], threads: int
) -> None:
    x = RNG.standard_normal(shape) * 10
    compiled = sf.jit(lambda x: np.cumsum(x, axis=-1), threads=threads)
    np.testing.assert_array_equal(compiled(x), np.cumsum(x, axis=-1))


def test_rows_of_running_sums_do_not_wait_for_each_other() -> None:
    with options.using(verify=True):
        text = sf.compile(lambda x: np.cumsum(x, axis=1), "f32[N,M]").as_text("kernels")
    assert "for d0 (4 copies, unrolled) in tile" in text
