"""Attention by the real cuDNN has the values of NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cuda.test_attention_by_library import CASES, TIMED, bfloat16, heads, plain
from cuda.test_convolutions_by_library import check, draw

from symfuse.runtime import options
from symfuse.runtime.cuda import libraries

pytestmark = pytest.mark.skipif(
    libraries.find("cudnn") is None, reason="cuDNN, which computes attention, is not installed"
)


@pytest.fixture(autouse=True)
def _asked_for(tmp_path: Path) -> Iterator[None]:
    with options.using(cache_dir=str(tmp_path), cudnn="always"):
        yield


@pytest.mark.parametrize("dtype", [np.float16, bfloat16])
@pytest.mark.parametrize("case", CASES)
def test_an_attention_has_the_values_of_numpy(case: str, dtype: type) -> None:
    function, shapes, numerics = CASES[case]
    assert TIMED in check(function, *draw(*shapes, dtype=dtype), near=2e-2, numerics=numerics)


def test_the_faster_of_plan_and_kernel_has_them_too() -> None:
    with options.using(cudnn="auto"):
        check(plain, *draw(*heads(2, 8, 512, 64), dtype=bfloat16), near=2e-2)
