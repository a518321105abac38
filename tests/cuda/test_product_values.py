"""The library's products have the values of the graph: one by one, and in whole programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda.host_device import HostDevice
from cuda.on_device import Simulated
from cuda.simulator.build import driver_path, needs_compiler
from cuda.simulator.products import library_path
from cuda.test_cublaslt import aligned
from cuda.test_products import FAST, FORMS, chosen

from symfuse import numpy as snp
from symfuse import trace, value_and_grad
from symfuse.compiler.ir.dims import Dim, evaluate
from symfuse.compiler.ir.printer import name_nodes
from symfuse.compiler.kernel.interpret import interpret_kernels
from symfuse.compiler.kernel.lower import Buffers
from symfuse.compiler.kernel.phases import Buffer, Kernel
from symfuse.compiler.kernel.verify import verify_kernel
from symfuse.compiler.passes.group_kernels import Group
from symfuse.compiler.targets.cuda import products as deciding
from symfuse.compiler.targets.cuda.product_launches import product_kernel, product_launch
from symfuse.nn import functional as nn
from symfuse.runtime import options
from symfuse.runtime.cuda.code import Place, ProductLaunch
from symfuse.runtime.cuda.products import prepare

Array = np.ndarray[Any, Any]

# one product


class Run:
    """A graph of one product, by the interpreter of kernels and by the library's stand-in."""

    def __init__(
        self,
        function: Callable[..., Any],
        types: tuple[str, ...],
        arrays: list[Array],
        **facts: Any,
    ) -> None:
        self.graph, choices = chosen(function, *types, **facts)
        ((group, self.product),) = choices.products.items()
        assert isinstance(group, Group) and len(choices.grouping.groups) == 1
        self.buffers = Buffers(name_nodes(self.graph), choices.grouping.reshaped)
        through = choices.grouping.sees_through
        self.kernel: Kernel = product_kernel(self.product, "k0", through, self.buffers)
        self.arrays = arrays
        given = [self.buffers(p) for p in self.graph.parameters]
        self.given = dict(zip(given, map(aligned, arrays), strict=True))

    @property
    def wanted(self) -> tuple[Array, ...]:
        found = self.graph(*self.arrays)
        return found if isinstance(found, tuple) else (found,)

    def interpreted(self) -> list[Array]:
        verify_kernel(self.kernel)
        held = interpret_kernels([self.kernel], self.given, {})
        return [held[self.buffers(output)] for output in self.graph.outputs]

    def launched(self, device: HostDevice) -> list[Array]:
        memory = dict(self.given)
        for buffer in self.kernel.writes:
            shape = tuple(int(evaluate(n, {})) for n in buffer.shape)
            memory[buffer] = aligned(np.zeros(shape, buffer.dtype.numpy))
        numbers = {buffer: number for number, buffer in enumerate(memory)}

        def place(buffer: Buffer) -> Place:
            return Place(numbers[buffer])

        def count(dim: Dim) -> int:
            return int(evaluate(dim, {}))

        launch = product_launch(self.kernel, place, count)
        plan = prepare(device, launch, list(launch.counts))  # type: ignore[arg-type]
        addresses = [array.ctypes.data for array in memory.values()]
        plan.launch(0, [addresses[place.number or 0] for place in launch.pointers])
        return [memory[self.buffers(output)] for output in self.graph.outputs]


@pytest.fixture
def device(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HostDevice]:
    """The stand-in on a device that is the host; the smallest products are worth it."""
    for name in ("WORTH_A_CALL", "WORTH_A_PASS", "NARROW", "SHALLOW", "DEEP"):
        monkeypatch.setattr(deciding, name, 1)
    folder = driver_path().parent / "alone"
    library_path(folder)
    with options.using(cuda_driver=str(folder), cache_dir=str(tmp_path)):
        yield HostDevice(request.node.nodeid)


SMALL = {"128": "4", "256": "6", "512": "8", "64": "2"}


def small(types: tuple[str, ...]) -> tuple[str, ...]:
    """The types with sizes that can be computed one by one."""
    for large, little in SMALL.items():
        types = tuple(
            text.replace(f"{large}", little) if "f64" not in text else text for text in types
        )
    return types


def drawn(types: tuple[str, ...]) -> list[Array]:
    rng = np.random.default_rng(3)
    dtypes = {"f32": np.float32, "f64": np.float64}
    return [
        rng.standard_normal(tuple(map(int, text[4:-1].split(",")))).astype(dtypes[text[:3]])
        for text in types
    ]


@needs_compiler
@pytest.mark.parametrize("form", [name for name in FORMS if name != "in double"])
def test_a_form_has_the_values_of_the_graph(form: str, device: HostDevice) -> None:
    function, types, _ = FORMS[form]
    types = small(types)
    run = Run(function, types, drawn(types))
    for values in (run.interpreted(), run.launched(device)):
        for found, wanted in zip(values, run.wanted, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@needs_compiler
@pytest.mark.parametrize("form", FAST)
def test_a_function_has_the_values_of_the_graph(form: str, device: HostDevice) -> None:
    function, types, _ = FAST[form]
    types = small(types)
    run = Run(function, types, drawn(types), numerics="fast")
    for values in (run.interpreted(), run.launched(device)):
        for found, wanted in zip(values, run.wanted, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-2, atol=1e-2)


@needs_compiler
@pytest.mark.parametrize(
    ("function", "types"),
    [
        (lambda x, w: x.T @ w, ("f32[6,4]", "f32[6,8]")),
        (lambda x, w: w.T @ x.T, ("f32[4,6]", "f32[6,8]")),
        (lambda x, w: x[:, 4:10] @ w, ("f32[5,12]", "f32[6,8]")),
        (lambda x, w: x[1::2] @ w, ("f32[8,6]", "f32[6,8]")),
        (lambda x, w: x.reshape(4, 6) @ w, ("f32[2,2,3,2]", "f32[6,8]")),
        (lambda q, k: snp.einsum("bqhd,bkhd->bhqk", q, k), ("f32[1,5,3,4]", "f32[1,7,3,4]")),
        (lambda x, w: snp.einsum("bij,jbk->bik", x, w), ("f32[2,5,4]", "f32[4,2,3]")),
        (lambda x, w, b: x @ w + b[2:10], ("f32[5,6]", "f32[6,8]", "f32[12]")),
        (lambda x, w, r: x @ w + r[:, 1:9], ("f32[5,6]", "f32[6,8]", "f32[5,10]")),
    ],
)
def test_views_have_the_values_of_the_graph(
    function: Callable[..., Any], types: tuple[str, ...], device: HostDevice
) -> None:
    run = Run(function, types, drawn(types))
    for values in (run.interpreted(), run.launched(device)):
        np.testing.assert_allclose(values[0], run.wanted[0], rtol=1e-5, atol=1e-5)


def test_a_product_may_be_added_to_in_place_and_overwrites_no_operand() -> None:
    graph, choices = chosen(lambda x, w: w - x @ w, "f32[256,256]", "f32[256,256]")
    (product,) = choices.products.values()
    buffers = Buffers(name_nodes(graph), choices.grouping.reshaped)
    kernel = product_kernel(product, "k0", choices.grouping.sees_through, buffers)
    x, w = map(buffers, graph.parameters)
    result = buffers(graph.outputs[0])
    assert not kernel.reads_in_place(w, result)
    graph, choices = chosen(
        lambda x, w, r: r - x @ w, "f32[256,256]", "f32[256,256]", "f32[256,256]"
    )
    (product,) = choices.products.values()
    buffers = Buffers(name_nodes(graph), choices.grouping.reshaped)
    kernel = product_kernel(product, "k0", choices.grouping.sees_through, buffers)
    x, w, r = map(buffers, graph.parameters)
    result = buffers(graph.outputs[0])
    assert kernel.reads_in_place(r, result)
    assert not kernel.reads_in_place(x, result)
    assert not kernel.reads_in_place(w, result)


# whole programs


def step(x: Any, y: Any, w: Any, b: Any, v: Any) -> Any:
    """A gradient step of two layers."""

    def loss(w: Any, b: Any, v: Any) -> Any:
        return snp.mean((nn.gelu(x @ w + b) @ v - y) ** 2)

    value, slopes = value_and_grad(loss, argnums=(0, 1, 2))(w, b, v)
    return value, *(p - 0.1 * slope for p, slope in zip((w, b, v), slopes, strict=True))


STEP = ("f32[12,9]", "f32[12,10]", "f32[9,16]", "f32[16]", "f32[16,10]")


@needs_compiler
@pytest.mark.parametrize("rows", ["12", "N"])
def test_a_program_computes_its_products_by_the_library(rows: str, device: HostDevice) -> None:
    arrays = drawn(STEP)
    graph = trace(step, *(text.replace("12", rows) for text in STEP)).ir
    with options.using(cache=False):
        program = Simulated(graph)
        launches = program.compilation.program.device.launches
        found = program(*arrays)
    assert sum(isinstance(launch, ProductLaunch) for launch in launches) == 5
    for result, wanted in zip(found, graph(*arrays), strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-5)


@needs_compiler
def test_a_program_with_an_empty_batch(device: HostDevice) -> None:
    graph = trace(lambda x, w, y: (x @ w, x.T @ y), "f32[N,6]", "f32[6,8]", "f32[N,8]").ir
    arrays = [np.ones(shape, np.float32) for shape in ((0, 6), (6, 8), (0, 8))]
    with options.using(cache=False):
        empty, zero = Simulated(graph)(*arrays)
    assert empty.shape == (0, 8)
    np.testing.assert_array_equal(zero, np.zeros((6, 8)))
