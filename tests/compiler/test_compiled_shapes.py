"""Compiled code agrees with NumPy at the edges of vectors and tiles, over any axis."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from handmade import make_graph
from rows import arrays_of, layernorm, logsumexp, softmax, spread
from running import Compiled

from symfuse.compiler.ir.op import operations as op

SIZES = (0, 1, 2, 15, 16, 17, 65)
LONG = (4095, 4096, 4097)


def _maps(n: int) -> dict[str, tuple[Any, tuple[str, ...]]]:
    return {
        "exp": (lambda x, y: op["exp"](x) * y + 1.0, (f"f32[{n}]", f"f32[{n}]")),
        "rows": (lambda x, y: x + y, (f"f32[3,{n}]", f"f32[{n}]")),
        "columns": (lambda x, y: x * spread(y, x, 1), (f"f64[{n},3]", f"f64[{n}]")),
        "bytes": (lambda x, y: (x + x, op["logical_not"](y)), (f"i8[{n}]", f"bool[{n}]")),
        "turned": (lambda x: op["exp"](op["transpose"](x, axes=(1, 0))) * 2.0, (f"f32[{n},9]",)),
        "backwards": (lambda x: op["reverse"](x, axes=(1,)) * 2.0, (f"f32[2,{n}]",)),
        "padded": (_padded, (f"f32[2,{n}]",)),
        "joined": (lambda x, y: op["concatenate"](x, y, x, axis=1), (f"f32[2,{n}]", "f32[2,7]")),
    }


def _padded(x: Any) -> Any:
    wider = op["pad"](x, low=(1, 2), high=(2, 0), interior=(1, 2), value=3)
    return wider, op["reduce_sum"](wider, axes=(1,))


@pytest.mark.parametrize("n", [*SIZES, 4097])
@pytest.mark.parametrize("name", _maps(1))
def test_maps_and_views(name: str, n: int, rng: np.random.Generator) -> None:
    function, types = _maps(n)[name]
    graph = make_graph(function, *types)
    Compiled(graph).check(*arrays_of(graph, rng))


@pytest.mark.parametrize("n", [*SIZES, *LONG])
def test_folds_and_running_folds(n: int, rng: np.random.Generator) -> None:
    def folds(row: Any, wide: Any, tall: Any, deep: Any, bits: Any) -> Any:
        return (
            op["reduce_sum"](row, axes=(0,)),
            op["reduce_sum"](wide, axes=(0,)),
            op["reduce_sum"](wide, axes=(1,)),
            op["reduce_prod"](tall, axes=(0,)),
            op["reduce_sum"](deep, axes=(1,)),
            op["reduce_sum"](deep, axes=(0, 2)),
            op["reduce_any"](bits, axes=(0,)),
            op["reduce_all"](bits, axes=(0,)),
            op["cumsum"](wide, axis=1),
            op["cumsum"](wide, axis=0, reverse=True),
        )

    types = (f"f32[{n}]", f"f32[5,{n}]", f"f64[{n},5]", f"f32[3,{n},5]", f"bool[{n}]")
    graph = make_graph(folds, *types)
    Compiled(graph).check(*arrays_of(graph, rng), tolerance=2e-4)


@pytest.mark.parametrize("n", [1, 3, 16, 17, 65, 4097])
@pytest.mark.parametrize("row", [softmax, layernorm, logsumexp])
def test_rows_over_the_first_a_middle_and_the_last_axis(
    row: Any, n: int, rng: np.random.Generator
) -> None:
    def every(first: Any, middle: Any, last: Any) -> Any:
        return row(first, 0), row(middle, 1), row(last, last.rank - 1)

    graph = make_graph(every, f"f32[{n},7]", f"f32[3,{n},5]", f"f32[9,{n}]")
    Compiled(graph).check(*arrays_of(graph, rng), tolerance=2e-4)


def test_positions_of_extrema_take_nan_and_the_first_of_equals(rng: np.random.Generator) -> None:
    def positions(x: Any, y: Any) -> Any:
        return tuple(
            op[name](z, axis=axis)
            for name, z, axis in itertools.product(("argmax", "argmin"), (x, y), (0, 1))
        )

    graph = make_graph(positions, "f32[37,67]", "i8[37,67]")
    compiled = Compiled(graph)
    x = rng.integers(-2, 3, (37, 67)).astype(np.float32)
    y = rng.integers(-3, 3, (37, 67)).astype(np.int8)
    compiled.check(x, y)
    x[rng.random(x.shape) < 0.02] = np.nan
    x[3], x[:, 5] = np.nan, -np.inf
    compiled.check(x, y)


SHAPES = (
    (1, 1, 1),
    (3, 0, 2),
    (0, 3, 2),
    (17, 5, 0),
    (17, 16, 1),
    (1, 33, 65),
    (15, 64, 17),
    (64, 65, 33),
)


@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
@pytest.mark.parametrize("kind", ["f32", "f64", "i32"])
def test_products_of_every_orientation(
    m: int, k: int, n: int, kind: str, rng: np.random.Generator
) -> None:
    def products(x: Any, xt: Any, y: Any, yt: Any, v: Any) -> Any:
        return (
            _product(x, y, (1,), (0,)),
            _product(xt, y, (0,), (0,)),
            _product(x, yt, (1,), (1,)),
            _product(xt, yt, (0,), (1,)),
            _product(x, v, (1,), (0,)),
            _product(v, y, (0,), (0,)),
            _product(v, v, (0,), (0,)),
        )

    shapes = (f"[{m},{k}]", f"[{k},{m}]", f"[{k},{n}]", f"[{n},{k}]", f"[{k}]")
    graph = make_graph(products, *(kind + shape for shape in shapes))
    Compiled(graph).check(*arrays_of(graph, rng))


def _product(x: Any, y: Any, left: Any, right: Any, batch: Any = ((), ())) -> Any:
    return op["contract"](x, y, batch=batch, contracting=(left, right))


@pytest.mark.parametrize("b", [0, 1, 3])
@pytest.mark.parametrize("order", ["bmk,bkn", "mbk,kbn", "kmb,nkb", "bkm,nbk"])
def test_batches_of_products(b: int, order: str, rng: np.random.Generator) -> None:
    left, right = order.split(",")
    sizes = {"b": b, "m": 17, "k": 9, "n": 33}

    def function(x: Any, y: Any) -> Any:
        batch = ((left.index("b"),), (right.index("b"),))
        return _product(x, y, (left.index("k"),), (right.index("k"),), batch)

    types = [f"f32[{','.join(str(sizes[c]) for c in axes)}]" for axes in (left, right)]
    graph = make_graph(function, *types)
    Compiled(graph).check(*arrays_of(graph, rng))


@pytest.mark.parametrize(("m", "k", "n"), [(33, 64, 10), (1, 17, 65), (65, 3, 1)])
def test_what_surrounds_a_product_joins_it(
    m: int, k: int, n: int, rng: np.random.Generator
) -> None:
    def layer(x: Any, w: Any, c: Any, r: Any) -> Any:
        turned = op["transpose"](w, axes=(1, 0))
        hidden = op["tanh"](_product(op["exp"](x), turned, (1,), (0,)) + c) * r
        return hidden, op["reduce_sum"](hidden, axes=(0,)), op["transpose"](hidden, axes=(1, 0))

    graph = make_graph(layer, f"f32[{m},{k}]", f"f32[{n},{k}]", f"f32[{n}]", f"f32[{m},{n}]")
    Compiled(graph).check(*arrays_of(graph, rng), tolerance=1e-4)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_computed_places(axis: int, rng: np.random.Generator) -> None:
    shape = (7, 5, 37)
    count = [4 if a == axis else n for a, n in enumerate(shape)]
    spot = [*shape[:axis], 3, 2, *shape[axis + 1 :]]

    def places(x: Any, index: Any, along: Any, pieces: Any, beside: Any) -> Any:
        return (
            op["take"](x, index, axis=axis),
            op["take_along_axis"](x, along, axis=axis),
            op["scatter_add"](x, index, pieces, axis=axis),
            op["scatter_add_along_axis"](x, along, beside, axis=axis),
        )

    types = ("f32[7,5,37]", "i64[3,2]", f"i32{count}", f"f32{spot}", f"f32{count}")
    graph = make_graph(places, *(text.replace(" ", "") for text in types))
    arrays = arrays_of(graph, rng)
    arrays[1] -= 3  # places before the first stand for it
    Compiled(graph).check(*arrays)


def test_views_are_read_at_computed_places(rng: np.random.Generator) -> None:
    index = np.array([2, 0, 3, 9])

    def function(x: Any) -> Any:
        turned = op["transpose"](x, axes=(1, 0))
        cut = op["slice"](x, starts=(1, 0), stops=(7, 9), steps=(2, 1))
        views = (turned, cut, op["reverse"](x, axes=(0,)), op["reshape"](x, shape=(4, 18)))
        flat = op["reshape"](turned, shape=(72,))
        return tuple(op["take"](view, index, axis=0) for view in (*views, flat))

    graph = make_graph(function, "f32[8,9]")
    Compiled(graph).check(*arrays_of(graph, rng))


def test_counting_adds_one_number_often(rng: np.random.Generator) -> None:
    def count(x: Any, index: Any) -> Any:
        ones = op["broadcast"](op["convert"](1.0, dtype=x.dtype), shape=index.shape, axes=())
        return op["scatter_add"](x, index, ones, axis=0)

    graph = make_graph(count, "f32[5]", "i64[100]")
    index = rng.integers(0, 5, 100)
    (found,) = Compiled(graph).check(np.zeros(5, np.float32), index)
    np.testing.assert_array_equal(found, np.bincount(index, minlength=5))


def test_what_is_padded_and_joined_is_read_at_computed_places(rng: np.random.Generator) -> None:
    index = np.array([2, 0, 1])

    def function(x: Any, along: Any) -> Any:
        wider = op["pad"](x * 2.0, low=(1, 0), high=(1, 2), interior=(1, 0), value=3)
        joined = op["concatenate"](x, op["exp"](x), axis=0)
        turned = op["transpose"](
            op["pad"](x, low=(1,) * 2, high=(0,) * 2, interior=(1,) * 2, value=3), axes=(1, 0)
        )
        return (
            op["take"](wider, index, axis=0),
            op["take"](joined, index * 2, axis=0),
            op["take"](turned, index, axis=1),
            op["take"](op["take"](x + 1.0, index[::-1].copy(), axis=0), index, axis=0),
            op["take_along_axis"](wider, along, axis=0),
        )

    graph = make_graph(function, "f32[3,4]", "i64[2,6]")
    Compiled(graph).check(*arrays_of(graph, rng))


@pytest.mark.parametrize("value", [0, 3])
def test_a_fold_is_padded_in_the_kernel_that_folds(value: float, rng: np.random.Generator) -> None:
    def function(x: Any) -> Any:
        total = op["reshape"](op["reduce_sum"](x, axes=(1,)), shape=(3, 1))
        return x * 2.0, op["pad"](total, low=(0, 0), high=(0, 4), interior=(0, 0), value=value)

    graph = make_graph(function, "f32[3,5]")
    Compiled(graph).check(*arrays_of(graph, rng))
