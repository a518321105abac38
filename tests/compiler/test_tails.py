"""What is left of an axis behind its last whole vector: right, and nothing beside it is touched."""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import numpy as np
import pytest
from handmade import make_graph

import symfuse.compiler.ops  # noqa: F401  (completes the registry)
from symfuse.compiler.compile import compile_graph
from symfuse.compiler.ir.op import operations as op
from symfuse.runtime.dtypes import DType
from symfuse.runtime.executable import Executable

SIZES = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 18, 31, 33, 47, 49, 65, 129)
BESIDE = 16  # elements behind each result
TYPES = [DType.I8, DType.U8, DType.I16, DType.BF16, DType.F16, DType.I32, DType.F32, DType.F64]
BODIES = {
    "narrowed": lambda x, dtype: op["convert"](op["convert"](x, dtype=DType.F32) * 3, dtype=dtype),
    "folded": lambda x, dtype: op["reduce_max"](x, axes=(0,)),
    "summed": lambda x, dtype: op["reduce_sum"](x, axes=(0,)),
    "running": lambda x, dtype: op["cumsum"](x, axis=0),
    "compared": lambda x, dtype: op["less"](x, op["reverse"](x, axes=(1,))),
}


def with_room(result: Any) -> tuple[Any, Any]:
    """Memory for a result, and that behind it."""
    room = np.full(result.size + BESIDE, 7, result.dtype)
    return room[: result.size].reshape(result.shape), room[result.size :]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_nothing_is_written_behind_the_end(body: str, dtype: DType) -> None:
    def every(*arrays: Any) -> Any:
        return tuple(BODIES[body](x, dtype) for x in arrays)

    graph = make_graph(every, *(f"{dtype}[3,{size}]" for size in SIZES))
    arrays = [(np.arange(3 * size) % 7).reshape(3, size).astype(dtype.numpy) for size in SIZES]
    wanted = graph(*arrays)
    rooms = [with_room(result) for result in wanted]
    Executable(compile_graph(graph).program, threads=1)(*arrays, out=tuple(r for r, _ in rooms))
    for (found, beside), expected in zip(rooms, wanted, strict=True):
        np.testing.assert_array_equal(found, expected)
        assert (beside == np.full(BESIDE, 7, beside.dtype)).all()


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32", "i32"])
@pytest.mark.parametrize("shape", [(3, 17), (5, 1), (1, 40), (0, 7), (4, 0)], ids=str)
def test_what_a_scan_of_copies_gives_is_not_computed_before_the_scan(
    dtype: str, shape: tuple[int, int]
) -> None:
    def scanned(x: Any, y: Any) -> Any:
        copies = op["broadcast"](x, shape=shape, axes=(0,))
        counted = op["iota"](shape=shape, axis=0, dtype=x.dtype)
        return (
            op["cumsum"](copies, axis=0) * 2,
            op["cumsum"](counted, axis=0),
            op["cumsum"](y, axis=0) + op["cumprod"](copies, axis=0),
        )

    graph = make_graph(scanned, f"{dtype}[{shape[0]}]", f"{dtype}[{shape[0]},{shape[1]}]")
    arrays = [np.ones(p.type.shape, p.dtype.numpy) * 2 for p in graph.parameters]
    found = Executable(compile_graph(graph).program, threads=1)(*arrays)
    for one, expected in zip(found, graph(*arrays), strict=True):
        np.testing.assert_array_equal(one, expected)


def before_nothing(array: Any) -> tuple[Any, mmap.mmap]:
    """The same numbers in memory behind which none may be read."""
    pages = mmap.mmap(-1, (-(-array.nbytes // mmap.PAGESIZE) + 1) * mmap.PAGESIZE)
    end = len(pages) - mmap.PAGESIZE
    place = np.frombuffer(pages, array.dtype, array.size, end - array.nbytes)
    place[:] = array.ravel()
    beyond = ctypes.c_void_p(place.ctypes.data + array.nbytes)
    assert ctypes.CDLL(None).mprotect(beyond, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    return place.reshape(array.shape), pages


@pytest.mark.skipif(sys.platform != "linux", reason="a page is taken away as on Linux")
@pytest.mark.parametrize("shape", [(16, 14, 2), (5, 9, 3), (2, 17, 4), (3, 31, 2)], ids=str)
@pytest.mark.parametrize("dtype", ["f32", "i32", "f64", "u8"])
def test_nothing_is_read_behind_the_end(dtype: str, shape: tuple[int, ...]) -> None:
    graph = make_graph(
        lambda x: (op["transpose"](x, axes=(0, 2, 1)), op["reduce_max"](x, axes=(1,))),
        f"{dtype}[{','.join(map(str, shape))}]",
    )
    numbers = (np.arange(np.prod(shape)) % 100).reshape(shape)
    array, _ = before_nothing(numbers.astype(graph.parameters[0].dtype.numpy))
    found = Executable(compile_graph(graph).program, threads=1)(array)
    for one, expected in zip(found, graph(array), strict=True):
        np.testing.assert_array_equal(one, expected)
