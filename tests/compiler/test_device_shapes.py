"""Device schedules: neighbours touch neighbours, rows stay on chip, and there are tiles enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from handmade import make_graph
from msgspec.structs import replace
from rows import layernorm, softmax, spread
from scheduled import Scheduled, is_coalesced

from symfuse.compiler.explain.kernels import format_kernel, format_schedule
from symfuse.compiler.ir.op import operations as op
from symfuse.compiler.kernel.phases import Kernel, Part, Serial
from symfuse.compiler.kernel.verify import verify_kernel
from symfuse.compiler.targets.llvm.kernels import kernel_text
from symfuse.runtime.errors import VerifyError

Function = Callable[..., Any]


def product(x: Any, y: Any) -> Any:
    return op["contract"](x, y, batch=((), ()), contracting=((1,), (0,)))


def total(axis: int) -> Function:
    return lambda x: op["reduce_sum"](x, axes=(axis,))


def turned(x: Any) -> Any:
    return op["transpose"](x, axes=(1, 0)) * 2.0


LARGE: dict[str, tuple[Function, tuple[str, ...]]] = {
    "map": (lambda x: op["exp"](x), ("f32[4096,4096]",)),
    "row beside a matrix": (lambda x, c: x + spread(c, x, 0), ("f32[4096,333]", "f32[333]")),
    "transposed": (turned, ("f32[4096,2048]",)),
    "transposed of any size": (turned, ("f32[N,M]",)),
    "softmax": (lambda x: softmax(x, 1), ("f32[4096,1000]",)),
    "softmax of short rows": (lambda x: softmax(x, 1), ("f32[100000,10]",)),
    "softmax of long rows": (lambda x: softmax(x, 1), ("f32[500,30000]",)),
    "softmax of columns": (lambda x: softmax(x, 0), ("f32[100,100000]",)),
    "layer norm": (lambda x: layernorm(x, 1), ("f32[4096,768]",)),
    "sum of rows": (total(1), ("f32[4096,4096]",)),
    "sum of columns": (total(0), ("f32[4096,4096]",)),
    "sum of few columns": (total(0), ("f32[1000000,16]",)),
    "sum of all": (lambda x: op["reduce_sum"](x, axes=(0, 1)), ("f32[4096,4096]",)),
    "product": (product, ("f32[2048,2048]", "f32[2048,2048]")),
    "matrix and vector": (product, ("f32[4096,4096]", "f32[4096,1]")),
    "vector and matrix": (product, ("f32[1,4096]", "f32[4096,4096]")),
    "running sum": (lambda x: op["cumsum"](x, axis=1), ("f32[4096,4096]",)),
    "running sum of columns": (lambda x: op["cumsum"](x, axis=0), ("f32[512,8192]",)),
}


@pytest.mark.parametrize("name", LARGE)
def test_neighbouring_threads_touch_neighbouring_elements(name: str) -> None:
    function, types = LARGE[name]
    scheduled = Scheduled(make_graph(function, *types))
    assert is_coalesced(scheduled.kernels[0].parts[0], "load")
    assert scheduled.kernels[0].parts[0].threads % 32 == 0
    if len(scheduled.kernels) == 1:
        assert is_coalesced(scheduled.kernels[-1].parts[0], "store")


@pytest.mark.parametrize("name", LARGE)
def test_every_multiprocessor_has_tiles(name: str) -> None:
    function, types = LARGE[name]
    scheduled = Scheduled(make_graph(function, *types))
    tiles = scheduled.kernels[0].tiles
    assert not isinstance(tiles, int) or tiles >= scheduled.device.multiprocessors


def _loads(part: Part) -> int:
    return sum(instr.op == "load" for instr in part.instructions())


@pytest.mark.parametrize("name", ["softmax", "softmax of long rows", "layer norm"])
def test_rows_are_read_once_and_stay_in_registers(name: str) -> None:
    function, types = LARGE[name]
    scheduled = Scheduled(make_graph(function, *types))
    assert _loads(scheduled.part) == 1
    assert scheduled.shared == []


def test_longer_rows_stay_in_shared_memory() -> None:
    scheduled = Scheduled(make_graph(lambda x: softmax(x, 1), "f32[500,50257]"))
    assert _loads(scheduled.part) == 2
    assert len(scheduled.shared) == 1


def test_rows_that_do_not_fit_are_read_again() -> None:
    scheduled = Scheduled(make_graph(lambda x: softmax(x, 1), "f32[500,200000]"))
    assert _loads(scheduled.part) == 3
    assert scheduled.part.threads == 1024


def test_a_transposed_tile_goes_through_shared_memory() -> None:
    scheduled = Scheduled(make_graph(turned, "f32[4096,2048]"))
    (tile,) = scheduled.shared
    assert tile.name == "turned0"
    load, store = scheduled.part.phases
    assert [loop.lanes for loop in (*load.loops, *store.loops)] == [1, 4, 1, 4]


def test_a_product_keeps_blocks_in_shared_memory_and_sums_in_registers() -> None:
    scheduled = Scheduled(make_graph(product, "f32[2048,2048]", "f32[2048,2048]"))
    assert [local.name for local in scheduled.shared] == ["d0_block", "d1_block"]
    serial, after = scheduled.part.phases
    assert isinstance(serial, Serial)
    assert serial.phases[-1].loops[1:] == after.loops
    assert scheduled.part.threads == 256


STEPS: dict[str, tuple[Function, tuple[str, ...]]] = {
    "beside columns": (lambda w, x: w - total(0)(x) * 0.1, ("f32[12]", "f32[64,12]")),
    "beside rows": (lambda w, x: w - total(1)(x) * 0.1, ("f32[512]", "f32[512,12]")),
    "after a product": (
        lambda w, x, y: w - product(x, y) * 0.1,
        ("f32[40,50]", "f32[40,30]", "f32[30,50]"),
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_may_overwrite_what_it_starts_from(name: str) -> None:
    function, types = STEPS[name]
    scheduled = Scheduled(make_graph(function, *types))
    old, new = scheduled.graph.parameters[0], scheduled.graph.outputs[0]
    kernel = scheduled.kernels[-1]
    assert kernel.reads_in_place(scheduled.buffers(old), scheduled.buffers(new))


def test_what_other_threads_read_is_not_overwritten() -> None:
    scheduled = Scheduled(make_graph(lambda w: w + turned(w), "f32[64,64]"))
    (kernel,) = scheduled.kernels
    assert not kernel.reads_in_place(*kernel.reads, *kernel.writes)


def _product() -> Kernel:
    (kernel,) = Scheduled(make_graph(product, "f32[70,50]", "f32[50,90]")).kernels
    return kernel


def _with(kernel: Kernel, **changes: Any) -> Kernel:
    serial, after = kernel.parts[0].phases
    part = replace(kernel.parts[0], phases=(replace(serial, **changes), after))
    return replace(kernel, parts=(part,))


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no block": ({"block": 0}, "blocks of k0 are empty"),
    "another block": ({"block": 32}, "one step of k0 covers 16, its tile is 32"),
    "nothing folded": ({"phases": ()}, "is read before it is kept"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_loop_over_blocks_is_refused(name: str) -> None:
    changes, sentence = BROKEN[name]
    with pytest.raises(VerifyError, match=sentence):
        verify_kernel(_with(_product(), **changes))


def test_what_lives_in_a_block_is_gone_after_it() -> None:
    kernel = _product()
    serial, after = kernel.parts[0].phases
    assert isinstance(serial, Serial)
    part = replace(kernel.parts[0], phases=(serial, serial.phases[-1], after))
    with pytest.raises(VerifyError, match="is read before it is kept"):
        verify_kernel(replace(kernel, parts=(part,)))


def test_kernels_with_blocks_and_threads_have_a_text() -> None:
    assert "for each block of k0 by 16, 2 on their way:" in format_kernel(_product())
    assert "  phase 2: k0 · d0 (4 lanes" in format_schedule(_product())
    rows = Scheduled(make_graph(total(1), "f32[4096,64]")).kernels[0]
    assert "once for 16 threads alike:" in format_kernel(rows)


def test_processors_refuse_threads() -> None:
    with pytest.raises(AssertionError, match="no threads inside a tile"):
        kernel_text(_product(), (), (), set())
