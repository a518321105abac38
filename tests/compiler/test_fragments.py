"""Products by fragments: which take them, that they compute the same, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from rows import arrays_of
from scheduled import Scheduled
from tensor_products import (
    LARGE_TILES,
    PRODUCTS,
    PROLOGUES,
    Product,
    fragment_phases,
    inside_of_products,
    plain,
    scheduled,
)

import symfuse as sf
from symfuse.compiler.explain.kernels import format_kernel, format_schedule
from symfuse.compiler.kernel.fragments import factors_of
from symfuse.compiler.kernel.phases import Fragment, Instr, Kernel, Phase, Serial
from symfuse.compiler.kernel.verify import verify_kernel
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import VerifyError

TOLERANCE = {"f16": 4e-3, "bf16": 3e-2, "f32": 2e-5}
EVERY_PRODUCT = pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)


@pytest.mark.parametrize("device", [None, LARGE_TILES], ids=["small tiles", "large tiles"])
@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32"])
@EVERY_PRODUCT
def test_products_give_what_the_graph_gives(product: Product, dtype: str, device: Any) -> None:
    found, arrays = scheduled(product, dtype, device)
    assert len(fragment_phases(found)) == 1
    found.check(*arrays, tolerance=TOLERANCE[dtype], sizes=product.sizes)


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@EVERY_PRODUCT
def test_halves_stay_halves(product: Product, dtype: str) -> None:
    found, _ = scheduled(product, dtype)
    (phase,) = fragment_phases(found)
    factors = factors_of(phase)
    assert factors is not None
    assert {factors.rows.dtype, factors.columns.dtype} == {DType(dtype)}


def takes_fragments(function: Any, *specs: str, numerics: str = "strict") -> bool:
    graph = sf.make_graph(function)(*specs).ir
    return bool(fragment_phases(Scheduled(graph, numerics=numerics)))


def test_only_what_is_held_by_halves_takes_fragments_unless_numerics_are_fast() -> None:
    square = ("[64,64]",) * 2
    assert not takes_fragments(plain, *(f"f32{x}" for x in square))
    assert takes_fragments(plain, *(f"f32{x}" for x in square), numerics="fast")
    for dtype in ("f64", "i32"):
        assert not takes_fragments(plain, *(f"{dtype}{x}" for x in square), numerics="fast")


def in_singles(x: Any, y: Any) -> Any:
    return x.astype("float32") @ y.astype("float32")


def test_sums_of_halves_in_f32_are_not_rounded() -> None:
    graph = sf.make_graph(in_singles)("f16[20,33]", "f16[33,24]").ir
    rng = np.random.default_rng(2)
    arrays = [rng.normal(size=p.shape).astype(np.float16) for p in graph.parameters]
    with inside_of_products():
        found = Scheduled(graph)
        assert fragment_phases(found)
        assert not takes_fragments(in_singles, "f16[64,64]", "bf16[64,64]")
    found.check(*arrays, tolerance=1e-6)


@pytest.mark.parametrize(("function", "specs"), PROLOGUES)
def test_operands_are_worked_out_on_their_way(function: Any, specs: Any) -> None:
    graph = sf.make_graph(function)(*specs).ir
    with inside_of_products():
        found = Scheduled(graph)
    assert len(found.launches) == len(fragment_phases(found)) == 1
    arrays = arrays_of(graph, np.random.default_rng(4))
    found.check(*arrays, tolerance=TOLERANCE["bf16"])


def test_vectors_take_no_fragments() -> None:
    assert not takes_fragments(plain, "f16[64,64]", "f16[64]")
    assert not takes_fragments(plain, "f16[64,64]", "f16[64,4]")


def test_it_is_printed() -> None:
    found, _ = scheduled(PRODUCTS[0], "f16")
    (kernel,) = found.launches
    assert "products of f16 matrices of 16×16 by 16×8" in format_schedule(kernel)
    assert "by products of f16 matrices of 16×16 by 16×8:" in format_kernel(kernel)


# what is refused


def changed(change: Any) -> Kernel:
    """A kernel whose phase with fragments is another one."""
    found, _ = scheduled(PRODUCTS[0], "f16")
    (kernel,) = found.launches
    (part,) = kernel.parts
    serial, after = part.phases
    assert isinstance(serial, Serial)
    *loading, phase = serial.phases
    serial = replace(serial, phases=(*loading, change(phase)))
    return replace(kernel, parts=(replace(part, phases=(serial, after)),))


def with_loop(phase: Phase, at: int, **changes: Any) -> Phase:
    loops = list(phase.loops)
    loops[at] = replace(loops[at], **changes)
    return replace(phase, loops=tuple(loops))


def of_f32(phase: Phase) -> Phase:
    return replace(with_loop(phase, 0, lanes=8), fragment=Fragment(DType.F32))


def added(phase: Phase) -> Phase:
    """The factors are added instead of multiplied."""
    made: dict[Instr, Instr] = {}
    for instr in phase.body:
        args = tuple(made[arg] for arg in instr.args)
        made[instr] = replace(instr, args=args, op="add" if instr.op == "mul" else instr.op)
    return replace(phase, body=tuple(made.values()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda phase: with_loop(phase, 0, lanes=8), "do not follow their layout"),
        (lambda phase: with_loop(phase, 1, warps=1), "do not follow their layout"),
        (lambda phase: with_loop(phase, 2, warps=3), "in 3 warps"),
        (lambda phase: replace(phase, same=2), "do not follow their layout"),
        (lambda phase: replace(phase, fragment=Fragment(DType.F64)), "no fragments of f64"),
        (of_f32, "holds f16, fragments are of f32"),
        (added, "adds up products of what two locals hold"),
        (lambda phase: replace(phase, loops=phase.loops[::-1]), "inside that over vectors"),
    ],
)
def test_phases_that_no_warp_can_fold_are_refused(change: Any, said: str) -> None:
    verify_kernel(changed(lambda phase: phase))
    with pytest.raises(VerifyError, match=said):
        verify_kernel(changed(change))


def test_a_scan_does_not_run_along_threads_that_lie_apart() -> None:
    graph = sf.make_graph(lambda x: np.cumsum(x, axis=-1))("f32[8,4096]").ir
    kernel = Scheduled(graph).launches[0]
    (part,) = kernel.parts
    *before, last = part.phases
    at = next(n for n, loop in enumerate(last.loops) if loop.threads > 1)
    broken = replace(part, phases=(*before, with_loop(last, at, warps=2)))
    with pytest.raises(VerifyError, match="a scan runs along threads that lie apart"):
        verify_kernel(replace(kernel, parts=(broken,)))
