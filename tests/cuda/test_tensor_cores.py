"""Products by tensor cores in the simulator, on the simulated device, and in machine code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from cuda.emitted import Case, check_all
from cuda.on_device import needs_compiler, needs_nvrtc, simulated
from msgspec import Struct
from rows import arrays_of
from scheduled import Scheduled
from tensor_products import (
    LARGE_TILES,
    PRODUCTS,
    PROLOGUES,
    Product,
    fragment_phases,
    gated,
    inside_of_products,
    left_turned,
    plain,
    right_turned,
    scheduled,
)

import symfuse as sf
from symfuse.compiler.compile import compile_graph
from symfuse.compiler.targets.cuda import target
from symfuse.compiler.targets.cuda.sass import count_instructions, disassemble, disassembler
from symfuse.runtime import options
from symfuse.runtime.dtypes import DType

TOLERANCE = {"f16": 2e-3, "bf16": 1e-2, "f32": 2e-5}
EVERY_TYPE = pytest.mark.parametrize("dtype", ["f16", "bf16", "f32"])


@pytest.fixture(autouse=True)
def without_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels of our own for everything."""
    monkeypatch.setattr(target, "has_products", lambda arch: False)
    with options.using(cache=False):
        yield


def case_of(product: Product, dtype: str, device: Any = None) -> Case:
    found, arrays = scheduled(product, dtype, device)
    given = found.given(arrays)
    return Case(tuple(found.launches), given, product.sizes, rtol=TOLERANCE[dtype])


@needs_compiler
@EVERY_TYPE
def test_every_order_of_threads_gives_what_the_interpreter_gives(dtype: str) -> None:
    check_all([case_of(product, dtype) for product in PRODUCTS], orders=True)


@needs_compiler
@EVERY_TYPE
def test_large_tiles(dtype: str) -> None:
    functions = ((plain, ("[130,72]", "[72,200]")), (right_turned, ("[140,72]", "[136,72]")))
    turned = (left_turned, ("[72,136]", "[72,264]"))
    products = [Product("large", f, shapes) for f, shapes in (*functions, turned)]
    for product in products:
        (phase,) = fragment_phases(scheduled(product, dtype, LARGE_TILES)[0])
        assert phase.threads == 256
    check_all([case_of(product, dtype, LARGE_TILES) for product in products])


@needs_compiler
@EVERY_TYPE
def test_sizes_by_lot(dtype: str) -> None:
    rng = np.random.default_rng(11)
    functions = (plain, right_turned, left_turned)
    cases = []
    for number in range(9):
        rows, columns, inner = (int(n) for n in rng.integers(8, 90, 3))
        if number % 3 == 0:
            rows, columns, inner = (8 * (n // 8) for n in (rows, columns, inner))
        function = functions[int(rng.integers(3))]
        left = f"[{inner},{rows}]" if function is left_turned else f"[{rows},{inner}]"
        right = f"[{columns},{inner}]" if function is right_turned else f"[{inner},{columns}]"
        device = LARGE_TILES if number % 2 else None
        cases.append(case_of(Product("by lot", function, (left, right)), dtype, device))
    check_all(cases)


@needs_compiler
def test_operands_are_worked_out_on_their_way() -> None:
    cases = []
    for function, specs in PROLOGUES:
        graph = sf.make_graph(function)(*specs).ir
        with inside_of_products():
            found = Scheduled(graph)
        given = found.given(arrays_of(graph, np.random.default_rng(4)))
        cases.append(Case(tuple(found.launches), given, {}, rtol=TOLERANCE["bf16"]))
    check_all(cases, orders=True)


@needs_compiler
@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
def test_a_function_on_the_simulated_device(dtype: DType) -> None:
    rng = np.random.default_rng(3)
    shapes = ((45, 40), (40, 72), (72,), (45, 72))
    args = [rng.normal(size=shape).astype(dtype.numpy) for shape in shapes]
    with simulated():
        exe = sf.compile(gated, *args, target="cuda")
        found = [np.asarray(x).astype(np.float64) for x in exe(*args)]
    wide = [arg.astype(np.float64) for arg in args]
    sums = wide[0] @ wide[1] + wide[2]
    digits = 2e-3 if dtype is DType.F16 else 2e-2
    np.testing.assert_allclose(found[1], sums, rtol=digits, atol=digits * 4)
    np.testing.assert_allclose(found[0], np.tanh(sums) * wide[3], rtol=digits, atol=digits * 8)
    assert "sf_multiply<" in exe.as_text("cuda")


@needs_compiler
def test_any_number_of_rows_on_the_simulated_device() -> None:
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(40, 24)).astype(np.float16)
    with simulated():
        exe = sf.compile(plain, sf.spec(("N", 40), "float16"), weights, target="cuda")
        for rows in (1, 16, 53):
            x = rng.normal(size=(rows, 40)).astype(np.float16)
            wanted = x.astype(np.float32) @ weights.astype(np.float32)
            np.testing.assert_allclose(np.asarray(exe(x, weights)), wanted, rtol=2e-3, atol=2e-2)


@needs_compiler
@pytest.mark.parametrize("numerics", ["strict", "fast"])
def test_singles_lose_digits_only_where_numerics_are_fast(numerics: str) -> None:
    rng = np.random.default_rng(3)
    x, y = (rng.normal(size=shape).astype(np.float32) for shape in ((40, 33), (33, 24)))
    with simulated():
        exe = sf.compile(plain, x, y, target="cuda", numerics=numerics)
        error = np.abs(np.asarray(exe(x, y)) - x.astype(np.float64) @ y)
    assert ("sf_multiply<" in exe.as_text("cuda")) is (numerics == "fast")
    assert error.max() < 2e-2
    assert bool(error.max() < 1e-4) is (numerics == "strict")


# machine code


class Golden(Struct, frozen=True):
    """A kernel whose machine code is watched: its least numbers of instructions, and the most
    registers that it may take."""

    name: str
    function: Any
    specs: tuple[str, ...]
    products: int
    matrices: int
    copies: int
    registers: int = 128
    numerics: str = "strict"


HALVES = ("f16[4096,2048]", "f16[2048,4096]")
GOLDEN = (
    Golden("f16", plain, HALVES, 32, 12, 4),
    Golden("bf16 in rows", right_turned, ("bf16[4096,2048]",) * 2, 32, 12, 4),
    Golden("f16 in columns", left_turned, ("f16[2048,4096]",) * 2, 32, 12, 4),
    Golden("f32", plain, ("f32[4096,2048]", "f32[2048,4096]"), 32, 8, 4, numerics="fast"),
    Golden("f16, epilogue", gated, (*HALVES, "f16[4096]", "f16[4096,4096]"), 32, 12, 4, 168),
    Golden("f16 of any rows", plain, ("f16[N,768]", "f16[768,768]"), 32, 12, 4, 144),
    Golden("f16, odd", plain, ("f16[4097,2047]", "f16[2047,4099]"), 16, 8, 0, 96),
    Golden("f16, any size", plain, ("f16[N,K]", "f16[K,M]"), 16, 8, 0, 168),
)


@cache
def compiled(golden: Golden, arch: str) -> Any:
    graph = sf.make_graph(golden.function)(*golden.specs).ir
    return compile_graph(graph, target="cuda", arch=arch, numerics=golden.numerics)


@needs_nvrtc
@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_kernels_keep_to_their_registers(golden: Golden, arch: str) -> None:
    for usage in compiled(golden, arch).written.usage():
        assert (usage.spilled, usage.stack) == (0, 0)
        assert usage.registers <= golden.registers


@needs_nvrtc
@pytest.mark.skipif(disassembler() is None, reason="nvdisasm is not on this machine")
@pytest.mark.parametrize("golden", GOLDEN[:4], ids=lambda golden: golden.name)
def test_machine_code_multiplies_matrices(golden: Golden) -> None:
    counts: Counter[str] = Counter()
    for module in compiled(golden, "sm_90").program.device.modules:
        for name, count in count_instructions(disassemble(module)).items():
            counts[name.split(".")[0]] += count
    assert counts["HMMA"] == golden.products
    assert counts["LDSM"] == golden.matrices
    assert counts["LDGSTS"] >= golden.copies
    assert counts["LDL"] == counts["STL"] == counts["FFMA"] == 0
