"""The text of kernels does what the interpreter does, however their axes are walked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda.distributions import given_to, kernels_of, redistributed
from cuda.emitted import Case, check_all
from cuda.simulator.build import needs_compiler
from handmade import make_graph
from rows import arrays_of, layernorm, logsumexp, softmax

from symfuse.compiler.ir.dims import Symbol
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import operations as op
from symfuse.compiler.kernel.device.schedules import DeviceSchedules
from symfuse.compiler.kernel.host import HostSchedules
from symfuse.compiler.kernel.lower import beside
from symfuse.compiler.kernel.phases import (
    Access,
    Axis,
    Buffer,
    Instr,
    Kernel,
    Local,
    Loop,
    Part,
    Phase,
)
from symfuse.compiler.kernel.processor import Device, Processor
from symfuse.compiler.targets.cuda.kernels import kernel_source, prefix
from symfuse.runtime.dtypes import DType

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]
ON_HOST = HostSchedules(Processor(16, 16, 1 << 15))
ON_DEVICE = DeviceSchedules(Device())


def _product(x: Any, y: Any) -> Any:
    return op["contract"](x, y, batch=((), ()), contracting=((1,), (0,)))


def _statistics(x: Any) -> Any:
    total = op["reduce_sum"](x, axes=(1,))
    return total, op["reduce_max"](x, axes=(1,)), op["argmax"](x, axis=1)


def _reduced(name: str, *axes: int) -> Function:
    return lambda x: op[name](x, axes=axes)


def _padded(x: Any) -> Any:
    return op["pad"](x, low=(1, 2), high=(0, 3), interior=(0, 1), value=7.0)


MAPS: dict[str, tuple[Function, tuple[str, ...]]] = {
    "one number": (lambda x: op["exp"](x) + 1.0, ("f32[]",)),
    "odd": (lambda x: op["exp"](x) * 2.0 + x, ("f32[1003]",)),
    "aligned": (lambda x, y: x * y + x, ("f32[8,64]", "f32[8,64]")),
    "rows of odd length": (lambda x, y: x - y, ("f32[9,31]", "f32[9,31]")),
    "a number for each row": (
        lambda x, y: x + op["broadcast"](y, shape=(7, 20), axes=(0,)),
        ("f32[7,20]", "f32[7]"),
    ),
    "every third": (
        lambda x: op["slice"](x, starts=(1, 2), stops=(9, 30), steps=(2, 3)) + 1.0,
        ("f32[10,30]",),
    ),
    "from behind": (lambda x: op["reverse"](x, axes=(1,)) * 3.0, ("f32[6,21]",)),
    "padded": (_padded, ("f32[5,9]",)),
    "joined": (lambda x, y: op["concatenate"](x, y, axis=1), ("f32[5,7]", "f32[5,12]")),
    "turned": (lambda x: op["transpose"](x, axes=(1, 0)), ("f32[37,23]",)),
    "reshaped": (lambda x: op["reshape"](x, shape=(12, 10)) + 1.0, ("f32[5,24]",)),
    "counted": (lambda x: x + op["iota"](shape=(4, 6), axis=1, dtype=x.dtype), ("i32[4,6]",)),
    "whole numbers": (lambda x, y: op["floor_divide"](x, y + 1), ("i32[99]", "i32[99]")),
    "narrow": (lambda x: x * 3 + 1, ("u8[77]",)),
    "truths": (lambda x, y: op["logical_and"](x, op["logical_not"](y)), ("bool[65]",) * 2),
    "double": (lambda x: op["tanh"](x) / 3.0, ("f64[130]",)),
    "halves": (lambda x: op["tanh"](x) * 2.0, ("f16[130]",)),
    "rows by number": (lambda x, i: op["take"](x, i, axis=0), ("f32[5,18]", "i64[7]")),
    "elements by number": (
        lambda x, i: op["take_along_axis"](x, i, axis=1),
        ("f32[6,5]", "i64[6,9]"),
    ),
    "empty": (lambda x: x * 2.0, ("f32[0,5]",)),
}
FOLDS: dict[str, tuple[Function, tuple[str, ...]]] = {
    "sum of rows": (_reduced("reduce_sum", 1), ("f32[9,70]",)),
    "sum of columns": (_reduced("reduce_sum", 0), ("f32[70,9]",)),
    "sum of all": (_reduced("reduce_sum", 0, 1), ("f32[13,21]",)),
    "sum in the middle": (_reduced("reduce_sum", 1), ("f64[4,15,6]",)),
    "sum around": (_reduced("reduce_max", 0, 2), ("f32[4,5,13]",)),
    "product of whole numbers": (_reduced("reduce_prod", 1), ("i64[5,9]",)),
    "any": (_reduced("reduce_any", 0), ("bool[40,9]",)),
    "all": (_reduced("reduce_all", 1), ("bool[9,40]",)),
    "sum of halves": (_reduced("reduce_sum", 1), ("f16[5,40]",)),
    "statistics": (_statistics, ("f32[7,50]",)),
    "first of the largest": (lambda x: op["argmax"](x, axis=0), ("i32[33,10]",)),
    "softmax": (lambda x: softmax(x, 1), ("f32[7,50]",)),
    "softmax down": (lambda x: softmax(x, 0), ("f32[50,7]",)),
    "layer norm": (lambda x: layernorm(x, 1), ("f32[6,64]",)),
    "log of sum of exp": (lambda x: logsumexp(x, 1), ("f64[6,37]",)),
    "softmax of long rows": (lambda x: softmax(x, 1), ("f32[2,700]",)),
    "of nothing": (_reduced("reduce_sum", 1), ("f32[5,0]",)),
}
ORDERED: dict[str, tuple[Function, tuple[str, ...]]] = {
    "running sum": (lambda x: op["cumsum"](x, axis=0), ("f32[75]",)),
    "running sums": (lambda x: op["cumsum"](x, axis=1), ("i64[5,70]",)),
    "running sums of columns": (lambda x: op["cumsum"](x, axis=0), ("f64[33,6]",)),
    "running from behind": (lambda x: op["cumsum"](x, axis=1, reverse=True), ("f32[4,41]",)),
    "running products": (lambda x: op["cumprod"](x, axis=1), ("f32[4,19]",)),
    "rows added": (
        lambda x, i, u: op["scatter_add"](x, i, u, axis=0),
        ("f32[5,12]", "i64[9]", "f32[9,12]"),
    ),
    "elements added": (
        lambda x, i, u: op["scatter_add_along_axis"](x, i, u, axis=1),
        ("f32[6,5]", "i64[6,9]", "f32[6,9]"),
    ),
}
PRODUCTS: dict[str, tuple[Function, tuple[str, ...]]] = {
    "product": (_product, ("f32[37,29]", "f32[29,45]")),
    "aligned product": (_product, ("f32[64,32]", "f32[32,64]")),
    "product of doubles": (_product, ("f64[20,33]", "f64[33,17]")),
    "layer": (
        lambda x, w, b: op["tanh"](_product(x, w) + op["broadcast"](b, shape=(30, 40), axes=(1,))),
        ("f32[30,16]", "f32[16,40]", "f32[40]"),
    ),
    "product of whole numbers": (_product, ("i32[9,21]", "i32[21,11]")),
    "product over nothing": (_product, ("f32[5,0]", "f32[0,6]")),
}
SYMBOLIC: dict[str, tuple[Function, tuple[str, ...], dict[str, int]]] = {
    "map": (lambda x, y: x * y + 1.0, ("f32[N]", "f32[N]"), {"N": 1001}),
    "rows": (lambda x: op["exp"](x) - 1.0, ("f32[N,24]",), {"N": 9}),
    "matrix": (lambda x: op["transpose"](x, axes=(1, 0)), ("f32[N,M]",), {"N": 21, "M": 35}),
    "sums": (_reduced("reduce_sum", 1), ("f32[N,M]",), {"N": 6, "M": 83}),
    "softmax": (lambda x: softmax(x, 1), ("f32[N,M]",), {"N": 5, "M": 83}),
    "product": (_product, ("f32[N,K]", "f32[K,M]"), {"N": 20, "K": 33, "M": 30}),
    "no rows": (_reduced("reduce_sum", 0), ("f32[N,M]",), {"N": 0, "M": 8}),
    "running": (lambda x: op["cumsum"](x, axis=0), ("f32[N]",), {"N": 300}),
}


def case(
    function: Function,
    types: tuple[str, ...],
    schedules: Any,
    change: Callable[[Kernel], Kernel] = lambda kernel: kernel,
    sizes: dict[str, int] | None = None,
) -> Case:
    graph: Graph = make_graph(function, *types)
    kernels, buffers = kernels_of(graph, schedules)
    arrays = arrays_of(graph, np.random.default_rng(11), sizes)
    given = given_to(graph, buffers, arrays)
    half = any(p.dtype.is_half for p in graph.parameters)
    rtol = 2e-3 if half else 1e-5
    return Case(tuple(map(change, kernels)), given, sizes or {}, rtol)


@needs_compiler
@pytest.mark.parametrize("group", [MAPS, FOLDS, ORDERED], ids=["maps", "folds", "ordered"])
def test_one_thread_can_do_all_the_work(group: dict[str, Any]) -> None:
    """Schedules of processors have no threads; right results never depend on a schedule."""
    check_all([case(*entry, ON_HOST) for entry in group.values()], orders=True)


@needs_compiler
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("group", [MAPS, FOLDS, ORDERED], ids=["maps", "folds", "ordered"])
def test_axes_can_be_walked_in_any_way(group: dict[str, Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    cases = [
        case(*entry, ON_HOST, lambda kernel: redistributed(kernel, rng)) for entry in group.values()
    ]
    check_all(cases, orders=True)


@needs_compiler
@pytest.mark.parametrize(
    "group", [MAPS, FOLDS, ORDERED, PRODUCTS], ids=["maps", "folds", "ordered", "products"]
)
def test_schedules_of_devices_compute_the_same(group: dict[str, Any]) -> None:
    check_all([case(*entry, ON_DEVICE) for entry in group.values()], orders=True)


@needs_compiler
def test_sizes_may_be_known_late() -> None:
    cases = [
        case(function, types, ON_DEVICE, sizes=sizes)
        for function, types, sizes in SYMBOLIC.values()
    ]
    check_all(cases, orders=True)


@needs_compiler
def test_parts_lie_side_by_side() -> None:
    chosen = [MAPS["odd"], FOLDS["sum of rows"], FOLDS["softmax"]]
    cases = [case(*entry, ON_DEVICE) for entry in chosen]
    kernel = beside("together", [one for each in cases for one in each.kernels])
    given = {buffer: array for each in cases for buffer, array in each.given.items()}
    check_all([Case((kernel,), given)], orders=True)


def turning(side: int) -> Case:
    """A matrix that is turned in a tile as large as itself."""
    row, column = (Symbol(name, 0, side - 1) for name in ("row", "column"))
    source, result = (Buffer(name, DType.F64, (side, side)) for name in ("x", "row_c"))
    kept = Local("kept", DType.F64, (row, column))
    both = frozenset({row, column})
    loaded = Instr("load", (), DType.F64, Access(source, row * side + column), both)
    put = Instr("put", (loaded,), DType.F64, kept, both)
    got = Instr("get", (), DType.F64, kept, both)
    there = Access(result, column * side + row)
    store = Instr("store", (got,), DType.F64, there, both)
    first = Phase((Loop(row, 1, 1, 4), Loop(column, 2, 1, 32)), (loaded, put))
    second = Phase((Loop(column, 1, 1, 4), Loop(row, 2, 1, 32)), (got, store))
    part = Part((Axis(row, side), Axis(column, side)), (first, second))
    kernel = Kernel("turn", "map", (part,), 1, reads=(source,), writes=(result,))
    return Case((kernel,), {source: np.random.default_rng(1).normal(size=(side, side))})


@needs_compiler
@pytest.mark.parametrize("side", [30, 100])
def test_tiles_may_need_more_shared_memory_than_every_kernel_has(side: int) -> None:
    one = turning(side)
    source = kernel_source(one.kernels[0], ())
    assert (source.shared > 0) == (side == 100)
    check_all([one], orders=True)


def test_indices_have_64_bits_only_where_they_need_them() -> None:
    texts = []
    for shape in ("1000,1000", "90000,90000"):
        function, _ = MAPS["turned"]
        kernels, _ = kernels_of(make_graph(function, f"f32[{shape}]"), ON_DEVICE)
        texts.append(kernel_source(kernels[0], ()).body)
    assert "i64" not in texts[0]
    assert "(i64)90000 * d" in texts[1]


def test_kernels_have_nothing_to_add_in_the_order_of_arrival():
    assert "atomic" not in prefix().lower()
