"""Golden files `*.cu`: the text of typical kernels, for review."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cuda.distributions import kernels_of
from cuda.on_device import needs_nvrtc
from cuda.test_emitter import FOLDS, MAPS, ON_DEVICE, ORDERED, PRODUCTS, SYMBOLIC
from handmade import make_graph

from symfuse.compiler.targets.cuda.kernels import kernel_source, prefix
from symfuse.compiler.targets.cuda.nvrtc import Request, translate
from symfuse.compiler.targets.cuda.report import read_log

HERE = Path(__file__).parents[1] / "golden" / "cuda"
HALVES = ("f16[30,24]", "f16[24,40]", "f16[40]")
KERNELS = {
    "map": (*MAPS["odd"], {}),
    "transpose": (*MAPS["turned"], {}),
    "take": (*MAPS["rows by number"], {}),
    "sum_of_columns": (*FOLDS["sum of columns"], {}),
    "softmax": (*FOLDS["softmax"], {}),
    "running_sums": (*ORDERED["running sums"], {}),
    "scatter": (*ORDERED["rows added"], {}),
    "layer": (*PRODUCTS["layer"], {}),
    "layer_of_halves": (PRODUCTS["layer"][0], HALVES, {}),
    "long_sums": (PRODUCTS["product"][0], ("f32[16,512]", "f32[512,16]"), {}),
    "rows_of_any_number": SYMBOLIC["rows"],
}
EVERY_KERNEL = pytest.mark.parametrize("name", KERNELS)
_PLACE = re.compile(r" \([\w.]+:\d+\)$", re.MULTILINE)


def text_of(name: str) -> str:
    """The kernels of one example, without the lines of the tests that it comes from."""
    function, types, _ = KERNELS[name]
    graph = make_graph(function, *types)
    kernels, _ = kernels_of(graph, ON_DEVICE)
    return "\n".join(
        _PLACE.sub("", kernel_source(kernel, graph.symbols).body) for kernel in kernels
    )


@EVERY_KERNEL
def test_a_kernel_has_the_text_of_the_golden_file(
    name: str, request: pytest.FixtureRequest
) -> None:
    path, found = HERE / f"{name}.cu", text_of(name)
    if request.config.getoption("--rewrite-golden"):
        path.write_text(found, encoding="utf-8")
        return
    expected = path.read_text(encoding="utf-8")
    assert found == expected, f"run pytest --rewrite-golden and review the change of {path.name}"


def test_every_golden_file_has_its_kernel() -> None:
    assert {path.stem for path in HERE.glob("*.cu")} == set(KERNELS)


@needs_nvrtc
@EVERY_KERNEL
@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
def test_nothing_is_spilled(name: str, arch: str) -> None:
    made = translate(Request(name, prefix() + text_of(name), arch))
    assert all(found.spilled == found.stack == 0 for found in read_log(made.log).values())
