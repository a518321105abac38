"""Products of few results and long sums: pieces of the sums first, then those in their order."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from cuda.emitted import Case, check_all
from cuda.on_device import needs_compiler, needs_nvrtc, simulated
from rows import arrays_of
from scheduled import Scheduled
from tensor_products import Product, scheduled

import symfuse as sf
from symfuse.compiler.compile import compile_graph
from symfuse.compiler.explain.launches import kernel_records
from symfuse.compiler.ir.dims import evaluate
from symfuse.compiler.kernel.phases import Serial
from symfuse.compiler.targets.cuda import target
from symfuse.runtime import options

FEW = 2  # partial sums and their sum


def layer(x: Any, w: Any, c: Any) -> Any:
    return np.tanh(x @ w + c)


def turned(x: Any, y: Any) -> Any:
    return x.T @ y


DEEP = (
    Product("of whole pieces", np.matmul, ("[16,1024]", "[1024,16]")),
    Product("of an odd last piece", np.matmul, ("[20,1003]", "[1003,33]")),
    Product("in columns", turned, ("[700,24]", "[700,40]")),
    Product("in batches", np.matmul, ("[2,16,600]", "[2,600,24]")),
    Product("with an epilogue", layer, ("[24,900]", "[900,20]", "[20]")),
    Product("of a sum of any length", turned, ("[N,16]", "[N,24]"), {"N": 2500}),
    Product("of a short sum of any length", turned, ("[N,16]", "[N,24]"), {"N": 40}),
    Product("of no sum of any length", turned, ("[N,16]", "[N,24]"), {"N": 0}),
)
TOLERANCE = {"f32": 2e-4, "f16": 2e-3, "f64": 1e-12}


def partial_of(found: Scheduled) -> Any:
    """The launch that adds up pieces; the other one adds those."""
    assert len(found.kernels) == FEW
    assert [kernel.kind for kernel in found.kernels] == ["partial product", "reduce"]
    return found.kernels[0]


@needs_compiler
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_order_of_threads_gives_the_same_bits(dtype: str) -> None:
    cases = []
    for product in DEEP:
        graph = product.graph(dtype)
        found = Scheduled(graph)
        partial_of(found)
        arrays = arrays_of(graph, np.random.default_rng(8), product.sizes)
        given = found.given(arrays)
        cases.append(Case(tuple(found.launches), given, product.sizes, rtol=TOLERANCE[dtype]))
    check_all(cases, orders=True)


@pytest.mark.parametrize("product", DEEP, ids=lambda product: product.name)
def test_pieces_cover_the_sum_once(product: Product) -> None:
    found, arrays = scheduled(product, "f32")
    (part,) = partial_of(found).parts
    (serial,) = (item for item in part.phases if isinstance(item, Serial))
    piece, depth = part.axes[0], next(a for a in part.axes if a.symbol == serial.symbol)
    seen: list[int] = []
    for number in range(evaluate(piece.tiles, product.sizes)):
        places = {**product.sizes, piece.symbol.name: number}
        first = evaluate(serial.first, places)
        assert first % serial.block == 0
        seen += range(first, evaluate(serial.end(depth.extent), places))
    assert seen == list(range(evaluate(depth.extent, product.sizes)))
    found.check(*arrays, sizes=product.sizes, tolerance=1e-3)


def test_the_reason_is_told() -> None:
    graph = sf.make_graph(np.matmul)("f32[64,8192]", "f32[8192,64]").ir
    records = kernel_records(Scheduled(graph).kernels)
    told = "one tile has all results, so folds of 8192 are cut into pieces of 256"
    assert [record.why for record in records] == [told, ""]
    assert f"because {told}" in records[0].text
    assert records[0].as_dict()["why"] == told


@pytest.mark.parametrize(
    "specs",
    [
        ("f32[1024,4096]", "f32[4096,1024]"),  # tiles for every multiprocessor
        ("f32[64,400]", "f32[400,64]"),  # a piece would be too short
    ],
)
def test_products_stay_whole_where_that_is_as_good(specs: tuple[str, str]) -> None:
    (kernel,) = Scheduled(sf.make_graph(np.matmul)(*specs).ir).kernels
    assert kernel.why == ""


def test_pieces_give_every_multiprocessor_a_tile() -> None:
    def tiles(inner: int) -> int:
        graph = sf.make_graph(np.matmul)(f"f32[128,{inner}]", f"f32[{inner},128]").ir
        return Scheduled(graph).kernels[0].tiles

    assert (tiles(256), tiles(65536)) == (64, 256)


@needs_compiler
def test_a_function_on_the_simulated_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "has_products", lambda arch: False)
    rng = np.random.default_rng(3)
    args = [rng.normal(size=shape).astype("f4") for shape in ((24, 900), (900, 20), (20,))]
    wanted = np.tanh(args[0].astype("f8") @ args[1] + args[2])
    with simulated(), options.using(cache=False):
        exe = sf.compile(layer, *args, target="cuda")
        first, again = (np.asarray(exe(*args)) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    np.testing.assert_allclose(first, wanted, rtol=1e-4, atol=1e-4)
    assert [kernel.kind for kernel in exe.kernels] == ["partial product", "reduce"]


# machine code

BUDGETS = {"f32": 64, "f16": 88}


@cache
def compiled(dtype: str, arch: str) -> Any:
    specs = (f"{dtype}[128,16384]", f"{dtype}[16384,128]", f"{dtype}[128]")
    with pytest.MonkeyPatch.context() as patch, options.using(cache=False):
        patch.setattr(target, "has_products", lambda arch: False)
        return compile_graph(sf.make_graph(layer)(*specs).ir, target="cuda", arch=arch)


@needs_nvrtc
@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
@pytest.mark.parametrize("dtype", BUDGETS)
def test_kernels_keep_to_their_registers(dtype: str, arch: str) -> None:
    usages = compiled(dtype, arch).written.usage()
    assert len(usages) == FEW
    for usage in usages:
        assert (usage.spilled, usage.stack) == (0, 0)
        assert usage.registers <= BUDGETS[dtype]


@needs_nvrtc
@pytest.mark.parametrize("dtype", BUDGETS)
def test_pieces_come_by_asynchronous_copies(dtype: str) -> None:
    text = compiled(dtype, "sm_90").written.as_text("ptx")
    assert len(re.findall(r"cp\.async\.c[ag]\.shared\.global", text)) >= 2
    assert "ld.global.v4" in text or "ld.global.nc.v4" in text
