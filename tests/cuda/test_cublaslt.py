"""The vendor's library of products: what is described to it, and the plans made of that."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda.host_device import HostDevice
from cuda.simulator.build import driver_path, needs_compiler
from cuda.simulator.products import library_path

from symfuse.runtime import options
from symfuse.runtime.cuda import libraries, products
from symfuse.runtime.cuda.code import Place, Prepared, ProductLaunch
from symfuse.runtime.cuda.cublaslt import (
    COMPUTE,
    CONSTANTS,
    EPILOGUES,
    Library,
    Operation,
    ProductFailed,
    Shape,
    cublaslt,
)
from symfuse.runtime.cuda.device import STREAM
from symfuse.runtime.cuda.device import device as device_of
from symfuse.runtime.cuda.graph import Captured
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DeviceError

Array = np.ndarray[Any, Any]

FOUND = libraries.find("cublasLt")
needs_library = pytest.mark.skipif(FOUND is None, reason="cuBLASLt is not installed")

PLAIN = Shape(
    rows=5,
    columns=8,
    inner=7,
    batch=1,
    dtype="f32",
    compute="f32",
    transposed=(False, False),
    leading=(7, 8, 8),
    strides=(35, 56, 40),
    epilogue="none",
    scale=1.0,
    share=0.0,
    alignment=(16, 16, 16, 16),
)


@pytest.fixture
def library() -> Iterator[Library]:
    """The stand-in, which computes on the host."""
    folder = driver_path().parent / "alone"  # without a driver beside it, it works at once
    library_path(folder)
    with options.using(cuda_driver=str(folder)):
        yield cublaslt()


@pytest.fixture
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HostDevice]:
    with options.using(cache_dir=str(tmp_path), cache=True):
        yield HostDevice(request.node.nodeid)


# the real library, as far as it goes without a device


@needs_library
def test_numbers_are_those_of_the_headers(tmp_path: Path) -> None:
    assert FOUND is not None
    headers = [Path(FOUND.path).parents[1] / "include", Path("/usr/local/cuda/include")]
    if not (headers[0] / "cublasLt.h").is_file() or not (headers[1] / "driver_types.h").is_file():
        pytest.skip("the headers of the library are not installed")
    checks = [f"static_assert({name} == {value});" for name, value in CONSTANTS.items()]
    checks += [
        "static_assert(sizeof(cublasLtMatmulAlgo_t) == 64);",
        "static_assert(sizeof(cublasLtMatmulHeuristicResult_t) == 96);",
    ]
    source = tmp_path / "numbers.cpp"
    source.write_text("#include <cublasLt.h>\n" + "\n".join(checks))
    folders = [f"-I{folder}" for folder in headers]
    subprocess.run(["g++", "-std=c++17", "-fsyntax-only", *folders, str(source)], check=True)


@needs_library
@pytest.mark.parametrize("epilogue", EPILOGUES)
@pytest.mark.parametrize(("dtype", "compute"), [("f32", "f32"), ("f64", "f64"), ("bf16", "half")])
def test_the_real_library_takes_every_description(epilogue: str, dtype: str, compute: str) -> None:
    real = cublaslt()
    shape = replace(PLAIN, epilogue=epilogue, dtype=dtype, compute=compute, batch=3, share=1.0)
    operation = Operation(real, shape, COMPUTE[compute][0])
    told = ctypes.c_uint32()
    number = CONSTANTS["CUBLASLT_MATMUL_DESC_EPILOGUE"]
    real.call(
        "cublasLtMatmulDescGetAttribute",
        *(operation.description, number, ctypes.byref(told), 4, None),
    )
    assert told.value == EPILOGUES[epilogue].number
    apart = ctypes.c_int64()
    real.call(
        "cublasLtMatrixLayoutGetAttribute",
        *(operation.left, CONSTANTS["CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET"]),
        *(ctypes.byref(apart), 8, None),
    )
    assert apart.value == PLAIN.strides[0]
    operation.close()


@needs_library
def test_the_real_library_says_that_it_needs_a_device() -> None:
    if libraries.find("cublasLt") and Path("/dev/nvidiactl").exists():
        pytest.skip("there is a device")
    with pytest.raises(ProductFailed, match=r"cublasLtCreate .* could not start .*no device"):
        cublaslt().handle("cublasLtCreate")


def test_an_absent_library_is_an_error_that_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libraries, "find", lambda name: None)
    with pytest.raises(DeviceError, match="computes products of matrices") as raised:
        cublaslt()
    assert "nvidia-cublas" in raised.value.fix


# plans, on the stand-in


def launch_of(shape: Shape, *, symbolic: bool = False, pointers: int = 4) -> ProductLaunch:
    return ProductLaunch(
        "k0",
        Prepared(0) if symbolic else shape.rows,
        shape.columns,
        shape.inner,
        shape.batch,
        shape.dtype,
        shape.compute,
        shape.transposed,
        shape.leading,
        shape.strides,
        (0, 0, 0, 0),
        shape.epilogue,
        shape.scale,
        shape.share,
        1 << 16,
        tuple(Place(number) for number in range(pointers)),
    )


def test_operands_are_as_aligned_as_the_places_where_they_begin() -> None:
    launch = replace(launch_of(PLAIN), offsets=(32, 8, 4, 2))
    shape, _ = products.shape_of(launch, list(launch.counts))
    assert shape.alignment == (16, 8, 4, 2)


@needs_compiler
def test_a_matrix_that_the_result_may_overwrite_has_its_description(library: Library) -> None:
    dense = fitting(PLAIN, share=1.0)
    apart = replace(dense, leading=(*dense.leading[:2], dense.leading[2] + 8))
    compute = COMPUTE["f32"][0]
    for shape, same in ((dense, True), (apart, False), (replace(dense, batch=3), True)):
        operation = Operation(library, shape, compute)
        assert (operation.added == operation.result) is same


def numbers_of(launch: ProductLaunch, rows: int) -> list[int]:
    return [rows if isinstance(count, Prepared) else count for count in launch.counts]


def aligned(array: Array) -> Array:
    """A copy whose first element has an address that 256 divides."""
    room = np.zeros(array.nbytes + 256, np.uint8)
    start = -room.ctypes.data % 256
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class Case:
    """Operands of a product in memory, and what the library makes of them."""

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.shape, dtype = shape, DType(shape.dtype).numpy
        batch, rows, columns, inner = shape.batch, shape.rows, shape.columns, shape.inner

        def drawn(*size: int) -> Array:
            return rng.standard_normal(size).astype(dtype)

        self.left, self.right = drawn(batch, rows, inner), drawn(batch, inner, columns)
        self.added, self.bias = drawn(batch, rows, columns), drawn(max(rows, columns))
        width = -(-columns // 128) * 128
        values = EPILOGUES[shape.epilogue].aux == "values"
        aux = drawn(batch, rows, columns) if values else rng.integers(0, 256, (rows, width // 8))
        self.aux = aligned(aux if values else aux.astype(np.uint8))
        self.bias = aligned(self.bias)
        self.workspace = aligned(np.zeros(1 << 16, np.uint8))

    def run(self, device: HostDevice, **facts: Any) -> Array:
        """The result, computed by a plan."""
        launch = launch_of(self.shape, **facts)
        plan = products.prepare(device, launch, numbers_of(launch, self.shape.rows))
        flips = self.shape.transposed
        left, right = (
            aligned(np.swapaxes(x, 1, 2) if flip else x)
            for x, flip in zip((self.left, self.right), flips, strict=True)
        )
        added = aligned(self.added)
        result = aligned(np.full_like(self.added, 3))
        epilogue = EPILOGUES[self.shape.epilogue]
        arrays = [left, right, result, self.workspace]
        arrays += [added] if self.shape.share else []
        arrays += [self.bias] if epilogue.bias else []
        arrays += [self.aux] if epilogue.aux else []
        plan.launch(0, [array.ctypes.data for array in arrays])
        self.note = plan.note
        assert plan.way.chosen is not None
        self.number = int.from_bytes(plan.way.chosen.algorithm[8:16], "little")
        return result

    @property
    def product(self) -> Array:
        """What stands before the epilogue."""
        wide = [x.astype(np.float64) for x in (self.left, self.right, self.added)]
        return self.shape.scale * (wide[0] @ wide[1]) + self.shape.share * wide[2]


def fitting(shape: Shape, **changes: Any) -> Shape:
    """The shape with operands that lie without gaps."""
    shape = replace(shape, **changes)
    m, n, k = shape.rows, shape.columns, shape.inner
    leading = (m if shape.transposed[0] else k, k if shape.transposed[1] else n, n)
    return replace(shape, leading=leading, strides=(m * k, k * n, m * n))


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


@needs_compiler
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(
    ("dtype", "compute", "tolerance"),
    [("f32", "f32", 1e-6), ("f64", "f64", 1e-14), ("f16", "half", 1e-3), ("f32", "tf32", 2e-3)],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_plan_computes_the_product(
    library: Library,
    device: HostDevice,
    flips: tuple[bool, bool],
    dtype: str,
    compute: str,
    tolerance: float,
    batch: int,
) -> None:
    shape = fitting(PLAIN, transposed=flips, dtype=dtype, compute=compute, batch=batch)
    case = Case(replace(shape, scale=-0.5, share=2.0))
    found = case.run(device, pointers=5)
    np.testing.assert_allclose(found, case.product, rtol=tolerance, atol=8 * tolerance)


@needs_compiler
@pytest.mark.parametrize("epilogue", EPILOGUES)
def test_a_plan_computes_the_epilogue(library: Library, device: HostDevice, epilogue: str) -> None:
    case = Case(replace(PLAIN, epilogue=epilogue))
    bias = case.bias[:8].astype(np.float64)
    aux = case.aux.copy()
    z = case.product + (bias if "bias" in epilogue else 0)
    found = case.run(device)
    bits = (
        np.unpackbits(aux.reshape(5, -1), axis=1, bitorder="little")[:, :8] if aux.ndim == 2 else 0
    )
    slope = (gelu(aux + 1e-4) - gelu(aux - 1e-4)) / 2e-4 if "dgelu" in epilogue else 0
    wanted = {
        "dr": z * bits,
        "dg": z * slope,
        "re": np.maximum(z, 0),
        "ge": gelu(z),
    }.get(epilogue[:2], z)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3)
    if "_aux" in epilogue and "gelu" in epilogue:
        np.testing.assert_allclose(case.aux, z, rtol=1e-5, atol=1e-5)
    if "_aux" in epilogue and "relu" in epilogue:
        bits = np.unpackbits(case.aux.reshape(5, -1), axis=1, bitorder="little")[:, :8]
        np.testing.assert_array_equal(bits, z[0] > 0)
    gradients = {
        "bgrad_right": case.right[0].sum(0),
        "bgrad_left": case.left[0].sum(1),
        "drelu_bgrad": wanted[0].sum(0) if epilogue == "drelu_bgrad" else None,
        "dgelu_bgrad": wanted[0].sum(0) if epilogue == "dgelu_bgrad" else None,
    }
    if (gradient := gradients.get(epilogue)) is not None:
        np.testing.assert_allclose(case.bias[: len(gradient)], gradient, rtol=2e-3, atol=2e-3)


@needs_compiler
def test_rows_and_batches_may_lie_apart(library: Library, device: HostDevice) -> None:
    case = Case(fitting(PLAIN, batch=2))
    wide = aligned(np.zeros((2, 5, 20), np.float32))
    wide[:, :, 4:11] = case.left
    weights = aligned(case.right[0])
    shape = replace(case.shape, leading=(20, 8, 8), strides=(100, 0, 40))
    launch = replace(launch_of(shape), offsets=(16, 0, 0, 0))
    plan = products.prepare(device, launch, list(launch.counts))
    found = aligned(np.zeros((2, 5, 8), np.float32))
    addresses = [x.ctypes.data for x in (wide, weights, found, case.workspace)]
    plan.launch(0, addresses)
    np.testing.assert_allclose(found, case.left @ weights, rtol=1e-5, atol=1e-5)


@needs_compiler
def test_the_fastest_way_is_found_once_and_kept(library: Library, device: HostDevice) -> None:
    case = Case(PLAIN)
    case.run(device)
    assert case.note == "the fastest of 3 that were timed"
    assert case.number > 0  # of the stand-in's ways the first is the slowest
    taken = device.memory.taken
    again = HostDevice(f"{device.driver.path} again")
    case.run(again)
    assert case.note == "the fastest, as timed before"
    assert taken > 0 and again.memory.taken == 0


@needs_compiler
@pytest.mark.parametrize(
    ("dtype", "compute"), [("f32", "f32"), ("f64", "f64"), ("f16", "half"), ("bf16", "half")]
)
def test_ways_are_timed_on_numbers_other_than_zero(
    library: Library,
    device: HostDevice,
    monkeypatch: pytest.MonkeyPatch,
    dtype: str,
    compute: str,
) -> None:
    seen = []

    def run(way: Any, stream: int, places: Any, candidate: Any) -> None:
        nbytes = products._bytes(way.shape)[0]
        seen.append(ctypes.string_at(places.left, nbytes))

    monkeypatch.setattr(products._Way, "run", run)
    shape = fitting(PLAIN, rows=900, inner=800, dtype=dtype, compute=compute)
    products.prepare(device, launch_of(shape), list(launch_of(shape).counts))
    size = 900 * 800
    if dtype == "bf16":
        values = (np.frombuffer(seen[0], np.uint16).astype(np.uint32) << 16).view(np.float32)
    else:
        values = np.frombuffer(seen[0], {"f32": "f4", "f64": "f8", "f16": "f2"}[dtype])
    assert values[:size].astype(np.float64).std() == pytest.approx(1, abs=0.05)
    assert abs(values).max() < 10


@needs_compiler
def test_open_sizes_take_the_first_recommendation(library: Library, device: HostDevice) -> None:
    case = Case(PLAIN)
    np.testing.assert_allclose(case.run(device, symbolic=True), case.product, rtol=1e-5, atol=1e-5)
    assert case.note == "the first of the library's recommendations"
    assert device.memory.taken == 0


@needs_compiler
def test_a_plan_is_made_once_for_each_size(library: Library, device: HostDevice) -> None:
    launch = launch_of(PLAIN, symbolic=True)
    first, second, other = (
        products.prepare(device, launch, numbers_of(launch, rows)) for rows in (5, 5, 6)
    )
    assert first.way is second.way
    assert first.way is not other.way


@needs_compiler
@pytest.mark.parametrize("changes", [{"rows": 0}, {"columns": 0}, {"batch": 0}])
def test_an_empty_result_launches_nothing(
    library: Library, device: HostDevice, changes: dict[str, int]
) -> None:
    launch = launch_of(fitting(PLAIN, **changes))
    products.prepare(device, launch, list(launch.counts)).launch(0, [0, 0, 0, 0])


@needs_compiler
def test_an_empty_sum_is_zero_before_the_epilogue(library: Library, device: HostDevice) -> None:
    case = Case(fitting(PLAIN, inner=0, epilogue="bias", share=2.0))
    case.workspace[...] = 0xFF
    np.testing.assert_allclose(case.run(device), 2 * case.added + case.bias[:8], rtol=1e-6)


@needs_compiler
def test_another_kind_of_full_precision_is_asked_for_where_one_is_missing(
    library: Library, device: HostDevice
) -> None:
    """The stand-in has no pedantic code for the GELU."""
    case = Case(replace(PLAIN, epilogue="gelu"))
    np.testing.assert_allclose(case.run(device), gelu(case.product), rtol=1e-5, atol=1e-5)


@needs_compiler
def test_a_product_without_code_is_an_error_that_says_which(
    library: Library, device: HostDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMPUTE, "f32", COMPUTE["f32"][:1])
    launch = launch_of(replace(PLAIN, epilogue="gelu"))
    with pytest.raises(ProductFailed, match="no code on the host for the product k0: 5 × 7 × 8"):
        products.prepare(device, launch, list(launch.counts))


@needs_compiler
def test_a_wrong_address_is_reported(library: Library, device: HostDevice) -> None:
    launch = launch_of(PLAIN)
    plan = products.prepare(device, launch, list(launch.counts))
    with pytest.raises(ProductFailed, match=r"cublasLtMatmul .* an argument is invalid"):
        plan.launch(0, [4, 4, 4, 4])


# on the simulated device


class _Enqueued:
    description = "a product"

    def __init__(self, plan: products.Plan, addresses: list[int]) -> None:
        self.plan, self.addresses = plan, addresses

    def enqueue(self, stream: int) -> None:
        self.plan.launch(stream, self.addresses)


@needs_compiler
def test_a_product_is_captured_and_replayed(tmp_path: Path) -> None:
    folder = driver_path().parent
    library_path(folder)
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal(n).astype(np.float32) for n in ((5, 7), (7, 8)))
    with options.using(cuda_driver=str(folder), cache_dir=str(tmp_path)), device_of() as sim:
        launch = launch_of(PLAIN)
        plan = products.prepare(sim, launch, list(launch.counts))
        blocks = [sim.memory.take(n) for n in (left.nbytes, right.nbytes, 160, 1 << 16)]
        captured = Captured(sim, [_Enqueued(plan, [block.address for block in blocks])])
        found = np.zeros((5, 8), np.float32)
        for factor in (1, 2):
            for block, array in zip(blocks, (factor * left, right), strict=False):
                send = ("cuMemcpyHtoDAsync_v2", block.address, array.ctypes.data, array.nbytes)
                sim.driver.call(*send, STREAM)
            captured.launch()
            receive = ("cuMemcpyDtoHAsync_v2", found.ctypes.data, blocks[2].address, 160)
            sim.driver.call(*receive, STREAM)
            sim.synchronize()
            np.testing.assert_allclose(found, factor * left @ right, rtol=1e-5, atol=1e-5)
    assert plan.note == "the fastest of 3 that were timed"
