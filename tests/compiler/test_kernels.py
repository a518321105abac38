"""How many kernels a computation takes, what keeps nodes apart, and what runs side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from handmade import make_graph
from msgspec.structs import replace
from rows import arrays_of, layernorm, logsumexp, softmax
from running import Compiled

from symfuse.compiler.autodiff.reverse import value_and_grad_graph
from symfuse.compiler.explain.stages import as_text
from symfuse.compiler.ir.op import operations as op
from symfuse.compiler.kernel.schedule import SQUARE


def _product(x: Any, y: Any) -> Any:
    return op["contract"](x, y, batch=((), ()), contracting=((1,), (0,)))


ONE_KERNEL: dict[str, tuple[Any, tuple[str, ...], str]] = {
    "softmax": (lambda x: softmax(x, 1), ("f32[64,100]",), "row"),
    "softmax down": (lambda x: softmax(x, 0), ("f32[100,64]",), "row"),
    "layernorm": (lambda x: layernorm(x, 1), ("f32[64,100]",), "row"),
    "logsumexp": (lambda x: logsumexp(x, 1), ("f32[64,100]",), "row"),
    "dense": (
        lambda x, w, c: op["relu"](_product(x, w) + c),
        ("f32[64,32]", "f32[32,48]", "f32[48]"),
        "contraction",
    ),
    "chain of maps": (lambda x: op["tanh"](op["exp"](x) * 2.0 + 1.0), ("f32[64,100]",), "map"),
    "views": (
        lambda x: op["transpose"](op["reverse"](x, axes=(0,)), axes=(1, 0)) + 1.0,
        ("f32[64,100]",),
        "map",
    ),
    "sum of a map": (
        lambda x: op["reduce_sum"](op["square"](x), axes=(1,)),
        ("f32[64,100]",),
        "row",
    ),
}


@pytest.mark.parametrize("name", ONE_KERNEL)
def test_these_are_one_kernel(name: str) -> None:
    function, types, kind = ONE_KERNEL[name]
    compiled = Compiled(make_graph(function, *types))
    assert compiled.kinds == [kind]
    assert compiled.compilation.memory.arena == 0


FETCHING = {
    "rows in three phases": (lambda x: softmax(x, 1), "f32[64,512]", [0, 1, 0]),
    "rows of any number": (lambda x: layernorm(x, 1), "f32[N,512]", [0, 1, 0]),
    "short rows": (lambda x: softmax(x, 1), "f32[64,100]", [0, 0, 0]),
    "rows in one phase": (lambda x: op["reduce_sum"](x, axes=(1,)), "f32[64,512]", [0, 0]),
    "rows of columns": (lambda x: softmax(x, 0), "f32[512,64]", [1, 1, 0]),
}


@pytest.mark.parametrize("name", FETCHING)
def test_what_comes_next_is_fetched_where_it_lies_elsewhere(name: str) -> None:
    function, given, expected = FETCHING[name]
    compiled = Compiled(make_graph(function, given))
    (kernel,) = compiled.compilation.launches
    phases = list(kernel.parts[0].every_phase())
    assert [len(phase.ahead) for phase in phases] == expected
    llvm, schedule = (as_text(compiled.compilation, stage) for stage in ("llvm", "schedule"))
    assert ("@llvm.prefetch" in llvm) == ("fetched" in schedule) == (1 in expected)


def _launches(*types: str) -> list[Any]:
    return Compiled(make_graph(_product, *types)).compilation.launches


def test_rows_of_a_product_are_fetched_turns_ahead() -> None:
    *_, product = _launches("f32[64,300]", "f32[300,500]")
    fold, store = product.parts[0].every_phase()
    (ahead,) = fold.ahead
    assert ahead.buffer is product.reads[1]
    assert not store.ahead


def _times_transposed(x: Any, y: Any) -> Any:
    return op["contract"](x, y, batch=((), ()), contracting=((1,), (1,)))


@pytest.mark.parametrize("dtype", ["f32", "f64", "i32"])
@pytest.mark.parametrize(
    ("rows", "depth", "columns"),
    [(32, 16, 16), (33, 50, 35), (40, 5, 12), (48, 47, 65), ("N", 33, 30), (34, "N", 32)],
)
def test_panels_of_a_transposed_operand_are_squares_turned_over(
    rows: Any, depth: Any, columns: int, dtype: str, rng: np.random.Generator
) -> None:
    graph = make_graph(_times_transposed, f"{dtype}[{rows},{depth}]", f"{dtype}[{columns},{depth}]")
    compiled = Compiled(graph)
    assert "pack" in compiled.kinds
    sizes = {"N": 41}
    shapes = [(sizes.get(a, a), sizes.get(b, b)) for a, b in ((rows, depth), (columns, depth))]
    arrays = [rng.integers(-9, 9, shape).astype(p.dtype.numpy)
              for shape, p in zip(shapes, graph.parameters, strict=True)]  # fmt: skip
    (found,) = compiled.check(*arrays, sizes=sizes if "N" in (rows, depth) else {})
    np.testing.assert_array_equal(found, arrays[0] @ arrays[1].T)


@pytest.mark.parametrize("dtype", ["f32", "f64", "i64", "f16"])
@pytest.mark.parametrize("shape", [(64, 64), (70, 35), (16, 100), ("N", 33), (3, 40, 50)])
def test_transposed_maps_turn_squares_over(
    shape: Any, dtype: str, rng: np.random.Generator
) -> None:
    order = (0, 2, 1) if len(shape) == 3 else (1, 0)
    listed = ",".join(map(str, shape))
    graph = make_graph(
        lambda x: op["equal"](op["transpose"](x, axes=order), 1), f"{dtype}[{listed}]"
    )
    compiled = Compiled(graph)
    (launch,) = compiled.compilation.launches
    assert sum(axis.tile == SQUARE for axis in launch.parts[0].axes) == 2
    sizes = {"N": 81} if "N" in shape else {}
    array = rng.integers(0, 2, [sizes.get(n, n) for n in shape])
    (found,) = compiled.check(array.astype(graph.parameters[0].dtype.numpy), sizes=sizes)
    np.testing.assert_array_equal(found, np.transpose(array, order) == 1)


PANELS = {
    ("f32[100,784]", "f32[784,500]"): False,  # few rows read what was fetched ahead as fast
    ("f32[400,784]", "f32[784,500]"): True,
    ("f32[100,784]", "f32[784,512]"): True,  # rows of k displace each other
    ("f32[16,784]", "f32[784,512]"): False,
}
TRANSPOSED = {
    ("f32[100,500]", "f32[500,500]"): True,
    ("f32[16,500]", "f32[500,500]"): False,  # too few rows
    ("f32[100,500]", "f32[10,500]"): False,  # most lanes of the one vector would be empty
}


@pytest.mark.parametrize("types", PANELS, ids=" ".join)
def test_panels_are_made_where_many_rows_or_displacing_ones_read_them(types: Any) -> None:
    kinds = [launch.kind for launch in _launches(*types)]
    assert ("pack" in kinds) is PANELS[types]


@pytest.mark.parametrize("types", TRANSPOSED, ids=" ".join)
def test_panels_are_made_of_a_transposed_operand_for_some_rows(types: Any) -> None:
    compiled = Compiled(make_graph(_times_transposed, *types))
    assert ("pack" in compiled.kinds) is TRANSPOSED[types]


def _loss(x: Any, w: Any, c: Any, v: Any, t: Any) -> Any:
    hidden = op["tanh"](_product(x, w) + c)
    return op["reduce_sum"](op["square"](_product(hidden, v) - t), axes=(0, 1))


def test_a_perceptron_and_its_gradient_take_four_launches(rng: np.random.Generator) -> None:
    """Five products, of which what is between them is part, and the sums beside them."""
    types = ("f32[64,32]", "f32[32,48]", "f32[48]", "f32[48,10]", "f32[64,10]")
    graph = make_graph(_loss, *types)
    graph = value_and_grad_graph(graph, graph.parameters[1:4])
    compiled = Compiled(graph)
    compiled.check(*arrays_of(graph, rng), tolerance=1e-4)
    grouping = compiled.compilation.grouping
    assert sum(group.kind == "contraction" for group in grouping.groups) == 5
    assert len(compiled.kinds) == 4


def test_kernels_that_do_not_wait_for_each_other_share_a_launch(rng: np.random.Generator) -> None:
    def step(*tensors: Any) -> Any:
        half = len(tensors) // 2
        return tuple(w - g * 0.1 for w, g in zip(tensors[:half], tensors[half:], strict=True))

    types = ("f32[10]", "f32[20,3]", "f32[4]") * 2
    graph = make_graph(step, *types)
    graph = replace(graph, name="step")
    compiled = Compiled(graph)
    compiled.check(*arrays_of(graph, rng))
    assert compiled.kinds == ["horizontal"]
    assert len(compiled.compilation.launches[0].parts) == 3


def test_numbers_and_constants_take_no_kernel() -> None:
    index = np.array([2, 0, 1])
    compiled = Compiled(make_graph(lambda x: op["take"](x, index, axis=0) * 2.0, "f32[5,7]"))
    assert compiled.kinds == ["map"]


APART: dict[str, tuple[Any, tuple[str, ...], str]] = {
    "other axes": (
        lambda x: tuple(op["reduce_sum"](op["exp"](x), axes=(a,)) for a in (0, 1)),
        ("f32[64,64]",),
        "exp and reduce_sum stay apart: reductions run over different axes: (0,), (1,)",
    ),
    "two products": (
        lambda x, y: _product(_product(x, y), y),
        ("f32[64,64]", "f32[64,64]"),
        "contract and contract stay apart: contract has a loop structure of its own",
    ),
    "a row of products": (
        lambda x, y: softmax(_product(x, y), 1),
        ("f32[64,64]", "f32[64,64]"),
        "contract and reduce_max stay apart: a reduction over a product's result waits for all",
    ),
    "few rows": (
        lambda x: softmax(x, 1),
        ("f32[2,100000]",),
        "reduce_max and subtract stay apart: too few rows to keep the cores busy",
    ),
    "after a scan": (
        lambda x: op["exp"](op["cumsum"](x, axis=0)),
        ("f32[64,64]",),
        "cumsum and exp stay apart: cumsum must finish before exp reads it",
    ),
}


@pytest.mark.parametrize("name", APART)
def test_verdicts_give_the_reason(name: str) -> None:
    function, types, sentence = APART[name]
    verdicts = Compiled(make_graph(function, *types)).compilation.grouping.verdicts
    said = [f"{v.producer.op} and {v.consumer.op} stay apart: {v.reason}" for v in verdicts]
    assert any(one.startswith(sentence) for one in said), said


def test_a_verdict_names_both_lines() -> None:
    graph = make_graph(lambda x: op["tanh"](op["exp"](x) * 2.0), "f32[64]")
    for verdict in Compiled(graph).compilation.grouping.verdicts:
        assert verdict.joined
        assert str(verdict).count("test_kernels.py") == 2
