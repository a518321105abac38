"""Convolutions by the real cuDNN, and their derivatives, have the values of NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cuda.test_convolutions_by_library import CASES, bfloat16, check, draw, gradient

from symfuse.nn import functional as nn
from symfuse.runtime import options
from symfuse.runtime.cuda import libraries

pytestmark = pytest.mark.skipif(
    libraries.find("cudnn") is None, reason="cuDNN, which computes convolutions, is not installed"
)


@pytest.fixture(autouse=True)
def _asked_for(tmp_path: Path) -> Iterator[None]:
    with options.using(cache_dir=str(tmp_path), cudnn="always"):
        yield


@pytest.mark.parametrize("case", CASES)
def test_a_convolution_and_its_derivatives_have_the_values_of_numpy(case: str) -> None:
    function, shapes, _ = CASES[case]
    check(function, *draw(*shapes))
    check(gradient(function, 2), *draw(*shapes), near=5e-4)


@pytest.mark.parametrize(("numerics", "near"), [("strict", 2e-4), ("fast", 1e-2)])
def test_a_layer_of_some_size(numerics: str, near: float) -> None:
    arrays = draw((8, 28, 28, 32), (3, 3, 32, 64), (64,))
    layer = lambda x, k, b: nn.relu(nn.conv(x, k, 1, "same") + b)  # noqa: E731
    check(layer, *arrays, near=near, numerics=numerics)


@pytest.mark.parametrize("dtype", [np.float16, bfloat16])
def test_halves_take_bias_and_relu_along(dtype: type) -> None:
    arrays = draw((8, 28, 28, 32), (3, 3, 32, 64), (64,), dtype=dtype)
    layer = lambda x, k, b: nn.relu(nn.conv(x, k, 1, "same") + b)  # noqa: E731
    assert ", bias, relu): " in check(layer, *arrays, near=2e-2)


def test_the_kernels_in_its_place_have_them_too() -> None:
    x, k = draw((4, 14, 14, 16), (3, 3, 16, 32))
    with options.using(cudnn="never"):
        check(gradient(lambda x, k: nn.conv(x, k, 2, 1), 2), x, k, near=5e-4)
