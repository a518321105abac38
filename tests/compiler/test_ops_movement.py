"""Index maps of the operations that move elements, over numbers and symbols."""

from __future__ import annotations

import numpy as np
import pytest
from handmade import make_graph
from hypothesis import given
from hypothesis import strategies as st

from symfuse.compiler import ops
from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.dims import Symbol, dim, product
from symfuse.compiler.ir.types import TensorType
from symfuse.compiler.ops.shape import reshape_guards
from symfuse.compiler.ops.slicing import slice_guards
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

N, M = dim("N"), dim("M")
F32 = DType.F32


def loop_symbols(*sizes: object) -> tuple[object, ...]:
    """One index over each size."""
    return tuple(Symbol(f"i{k}", 0, n - 1, 1) + 0 for k, n in enumerate(sizes))  # type: ignore[operator]


def test_the_index_of_a_flattened_array_is_a_quotient_and_a_rest() -> None:
    (i,) = loop_symbols(4 * N)
    x = TensorType((N, 4), F32)
    assert ops.reshape.moves is not None
    assert ops.reshape.moves((i,), x, {"shape": (4 * N,)}) == (i // 4, i % 4)  # type: ignore[operator]


def test_reshaping_renumbers_only_axes_that_change() -> None:
    i, j, k, m = loop_symbols(N, 2, 3, M)
    x = TensorType((N, 6, M), F32)
    assert ops.reshape.moves is not None
    moved = ops.reshape.moves((i, j, k, m), x, {"shape": (N, 2, 3, M)})
    assert moved == (i, 3 * j + k, m)  # type: ignore[operator]


def test_axes_of_size_one_come_and_go_without_arithmetic() -> None:
    i, _, j = loop_symbols(N, 1, M)
    x = TensorType((1, N, M), F32)
    assert ops.reshape.moves is not None
    assert ops.reshape.moves((i, 0, j), x, {"shape": (N, 1, M)}) == (0, i, j)


def test_flattening_and_restoring_finds_the_old_index() -> None:
    i, j = loop_symbols(N, 4)
    assert ops.reshape.moves is not None
    (flat,) = ops.reshape.moves((i, j), TensorType((4 * N,), F32), {"shape": (N, 4)})
    assert ops.reshape.moves((flat,), TensorType((N, 4), F32), {"shape": (4 * N,)}) == (i, j)


@given(st.permutations([2, 3, 4]), st.sampled_from([(24,), (4, 6), (2, 2, 6), (3, 8, 1)]))
def test_the_index_map_of_reshape_keeps_row_major_order(
    old: list[int], new: tuple[int, ...]
) -> None:
    assert ops.reshape.moves is not None
    x = np.arange(24).reshape(old)
    index = tuple(np.indices(new))
    moved = ops.reshape.moves(index, TensorType(tuple(old), F32), {"shape": new})
    np.testing.assert_array_equal(x[tuple(np.broadcast_arrays(*moved))], x.reshape(new))


def test_sizes_that_never_agree_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"(?s)f32\[N,4\] does not reshape to f32\[4\*N\+1\]"):
        make_graph(lambda x: ops.reshape(x, shape=(4 * N + 1,)), "f32[N,4]")


def test_sizes_that_may_agree_leave_a_guard() -> None:
    x = TensorType((N,), F32)
    assert ops.reshape.result_type(x, shape=(M, 2)).shape == (M, 2)
    assert reshape_guards(x, shape=(M, 2)) == ((N, "=", product((M, 2))),)
    assert not reshape_guards(TensorType((2 * M,), F32), shape=(M, 2))


def test_slices_that_may_not_fit_leave_guards() -> None:
    x = TensorType((N,), F32)
    attrs = {"starts": (2,), "stops": (M + 2,), "steps": (1,)}
    assert ops.slice.result_type(x, **attrs).shape == (M,)
    assert slice_guards(x, **attrs) == ((M + 2, "≤", N),)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="is no slice"):
        ops.slice.result_type(x, starts=(0,), stops=(N + 1,), steps=(1,))


def test_pieces_of_a_symbolic_axis_have_symbolic_sizes() -> None:
    x = TensorType((N,), F32)
    assert ops.slice.result_type(x, starts=(0,), stops=(N,), steps=(1,)).shape == (N,)
    shorter = ops.slice.result_type(
        TensorType((N + 3,), F32), starts=(1,), stops=(N + 2,), steps=(1,)
    )
    assert shorter.shape == (N + 1,)
    assert ops.concatenate.result_type(x, TensorType((3,), F32), axis=0).shape == (N + 3,)
    padded = ops.pad.result_type(x, low=(1,), high=(N,), interior=(0,), value=0)
    assert padded.shape == (2 * N + 1,)


@pytest.mark.parametrize("size", [0, 1, 5, 6])
def test_the_adjoint_of_a_strided_slice_fits_every_size(size: int) -> None:
    builder = Builder()
    x = builder.parameter("x", TensorType((N,), DType.F64))
    attrs = {"starts": (0,), "stops": (N,), "steps": (2,)}
    piece = builder.apply(ops.slice, (x,), attrs)
    assert ops.slice.transpose is not None
    with builder.active():
        back = ops.slice.transpose(piece, 0, (x,), attrs)
    graph = make_graph(lambda x: x, "f64[N]")
    graph = type(graph)("f", (x,), (back,), builder)
    values = np.arange(1.0, size + 1)
    np.testing.assert_array_equal(graph(values), np.where(np.arange(size) % 2, 0, values))


def test_broadcasting_a_symbol_to_another_is_refused() -> None:
    with pytest.raises(ShapeError, match="does not broadcast"):
        ops.broadcast.result_type(TensorType((N,), F32), shape=(M, 2), axes=(0,))
