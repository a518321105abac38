"""Long folds to one number are cut into pieces, which threads share."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf

RNG = np.random.default_rng(8)
TIMES = {
    "dot": np.dot,
    "all axes": lambda x, y: np.einsum("ij,ij->", x.reshape(100, -1), y.reshape(100, -1)),
}


@pytest.mark.parametrize("name", TIMES)
def test_a_product_with_one_result_is_a_fold_as_any_other(name: str) -> None:
    compiled = sf.compile(TIMES[name], "f64[100000]", "f64[100000]")
    partial, rest = compiled.kernels
    assert partial.kind == "partial reduce"
    assert "parallel for each tile of" in compiled.as_text("kernels")
    x, y = RNG.standard_normal((2, 100000))
    np.testing.assert_allclose(compiled(x, y), np.dot(x, y), rtol=1e-12)
    assert rest.kind == "contraction"


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32"])
@pytest.mark.parametrize("size", [0, 1, 3, 100, 32768, 70001])
def test_its_bits_do_not_depend_on_threads(size: int, dtype: str) -> None:
    x, y = RNG.integers(-3, 4, (2, size)).astype(dtype)
    found = [sf.jit(np.dot, threads=threads)(x, y) for threads in (1, 2)]
    assert found[0].tobytes() == found[1].tobytes()
    if size < 1000:
        assert found[0] == np.dot(x, y)


def test_short_products_stay_one_launch() -> None:
    assert len(sf.compile(np.dot, "f32[1000]", "f32[1000]").kernels) == 1
