"""The golden kernels compute on odd, short, long and open sizes what the processor computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cuda.golden import GOLDEN, Budget
from cuda.on_device import needs_compiler, simulated
from running import as_tuple, assert_near

import symfuse as sf

MAPS, ROWS = ((1,), (1000,), (4099,)), ((1, 1), (3, 5), (7, 300), (5, 1030), (2, 9001), (130, 64))
PRODUCTS = ((1, 1, 1), (3, 5, 7), (64, 64, 64), (70, 33, 130), (129, 100, 65))

# Per kernel: its types with open sizes, and the shapes of its arguments; "i" are 40 places.
CASES: dict[str, tuple[tuple[str, ...], list[list[Any]]]] = {
    "map, gelu": (("f32[N]",), [[shape] for shape in MAPS]),
    "softmax of short rows": (("f32[M,N]",), [[shape] for shape in ROWS]),
    "layer norm": (("f32[M,N]", "f32[N]", "f32[N]"), [[(m, n), (n,), (n,)] for m, n in ROWS]),
    "column sum": (("f32[M,N]",), [[shape] for shape in (*ROWS, (3000, 6))]),
    "full sum": (("f32[N]",), [[shape] for shape in (*MAPS, (200_003,))]),
    "transpose": (("f32[M,N]",), [[shape] for shape in ROWS]),
    "product with an epilogue": (
        ("f32[M,K]", "f32[K,N]", "f32[N]"),
        [[(m, k), (k, n), (n,)] for m, k, n in PRODUCTS],
    ),
    "Adam": (("f32[N]",) * 4, [[shape] * 4 for shape in MAPS]),
    "gather of rows": (("f32[M,N]", "i64[40]"), [[(m, n), "i"] for m, n in ROWS]),
    "scatter of rows": (
        ("f32[M,N]", "i64[40]", "f32[40,N]"),
        [[(m, n), "i", (40, n)] for m, n in ROWS],
    ),
    "cumulative sum": (("f32[M,N]",), [[shape] for shape in ROWS]),
    "argmax": (("f32[M,N]",), [[shape] for shape in ROWS]),
}
EVERY_KERNEL = pytest.mark.parametrize(
    "budget", [b for b in GOLDEN if b.name in CASES], ids=lambda budget: budget.name
)


def arguments(shapes: list[Any]) -> list[Any]:
    rng = np.random.default_rng(11)
    rows = shapes[0][0]
    return [
        rng.integers(0, rows, 40) if shape == "i" else rng.random(shape).astype(np.float32)
        for shape in shapes
    ]


def on_host(found: Any) -> tuple[Any, ...]:
    return tuple(map(np.asarray, as_tuple(found)))


@needs_compiler
@EVERY_KERNEL
def test_known_sizes(budget: Budget) -> None:
    for shapes in CASES[budget.name][1]:
        args = arguments(shapes)
        with simulated():
            found = on_host(sf.compile(budget.function, *args, target="cuda")(*args))
        assert_near(found, as_tuple(sf.compile(budget.function, *args)(*args)))


@needs_compiler
@EVERY_KERNEL
def test_one_program_for_all_sizes(budget: Budget) -> None:
    specs, cases = CASES[budget.name]
    wanted = sf.compile(budget.function, *specs)
    with simulated():
        exe = sf.compile(budget.function, *specs, target="cuda")
        for shapes in cases:
            args = arguments(shapes)
            assert_near(on_host(exe(*args)), as_tuple(wanted(*args)))
