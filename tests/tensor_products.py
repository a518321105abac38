"""Products for tensor cores: every way in which operands lie, and sizes that cut every tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from msgspec import Struct
from rows import arrays_of
from scheduled import Scheduled

import symfuse as sf
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.kernel.phases import Phase
from symfuse.compiler.kernel.processor import Device
from symfuse.compiler.passes import group_kernels

__all__ = [
    "LARGE_TILES",
    "PRODUCTS",
    "PROLOGUES",
    "Product",
    "fragment_phases",
    "inside_of_products",
    "scheduled",
]

Array = np.ndarray[Any, Any]
LARGE_TILES = Device(multiprocessors=1)


class Product(Struct, frozen=True):
    """A function of arrays whose types are given without their elements' type."""

    name: str
    function: Callable[..., Any]
    shapes: tuple[str, ...]
    sizes: Mapping[str, int] = {}

    def graph(self, dtype: str) -> Graph:
        """The function for elements of a type."""
        return sf.make_graph(self.function)(*(f"{dtype}{shape}" for shape in self.shapes)).ir


def plain(x, y):
    return x @ y


def right_turned(x, y):
    return x @ y.T


def left_turned(x, y):
    return x.T @ y


def both_turned(x, y):
    return x.T @ y.T


def gated(x, y, bias, gate):
    sums = x @ y + bias
    return np.tanh(sums) * gate, sums


def over_two_axes(x, y):
    return np.tensordot(x, y, axes=((0, 1), (1, 0)))


PRODUCTS = (
    Product("of whole tiles", plain, ("[64,64]", "[64,64]")),
    Product("in rows and columns", right_turned, ("[70,40]", "[33,40]")),
    Product("in columns and rows", left_turned, ("[40,72]", "[40,48]")),
    Product("in columns", both_turned, ("[72,40]", "[56,72]")),
    Product("of odd sizes", plain, ("[37,29]", "[29,43]")),
    Product("of odd sizes in columns", both_turned, ("[29,37]", "[43,29]")),
    Product("of a short sum", plain, ("[9,8]", "[8,11]")),
    Product("of few rows", plain, ("[8,100]", "[100,200]")),
    Product("of odd groups of rows", plain, ("[24,48]", "[48,20]")),
    Product("in batches", np.matmul, ("[3,40,24]", "[3,24,56]")),
    Product("of any size", plain, ("[N,K]", "[K,M]"), {"N": 37, "K": 45, "M": 50}),
    Product("of no sum", plain, ("[N,K]", "[K,M]"), {"N": 9, "K": 0, "M": 17}),
    Product("of any number of rows", plain, ("[N,48]", "[48,64]"), {"N": 35}),
    Product("over two axes", over_two_axes, ("[6,8,33]", "[8,6,40]")),
    Product("with an epilogue", gated, ("[40,64]", "[64,56]", "[56]", "[40,56]")),
)


def rectified(x, y):
    return np.maximum(x, 0) @ -y


def from_whole_numbers(x, y, scale):
    return x @ (y.astype("float16") * scale)


def from_singles(x, y):
    return x.astype("bfloat16") @ np.exp(y).astype("bfloat16")


# What is worked out of the operands on their way into shared memory, and of which types they are.
PROLOGUES = (
    (rectified, ("f16[40,64]", "f16[64,56]")),
    (rectified, ("bf16[37,29]", "bf16[29,43]")),
    (from_whole_numbers, ("f16[40,72]", "i8[72,48]", "f16[48]")),
    (from_singles, ("f32[40,33]", "f32[33,48]")),
)


@contextmanager
def inside_of_products() -> Iterator[None]:
    """What operands are computed from is computed by the products that read them."""
    plainly = group_kernels.inlined_nodes

    def chosen(graph: Graph) -> set[Any]:
        mapped = {n for n in graph.nodes if n.op.body is not None and n not in graph.outputs}
        return plainly(graph) | mapped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_kernels, "inlined_nodes", chosen)
        yield


def scheduled(
    product: Product, dtype: str, device: Device | None = None
) -> tuple[Scheduled, list[Array]]:
    """The kernels of a product, and arrays for them; those of f32 lose nothing in a product."""
    graph = product.graph(dtype)
    numerics = "fast" if dtype == "f32" else "strict"
    arrays = arrays_of(graph, np.random.default_rng(7), product.sizes)
    if dtype == "f32":
        arrays = [x.astype(np.float16).astype(np.float32) for x in arrays]
    return Scheduled(graph, device, numerics), arrays


def fragment_phases(found: Scheduled) -> list[Phase]:
    """The phases that warps fold by fragments."""
    return [
        phase
        for kernel in found.launches
        for part in kernel.parts
        for phase in part.every_phase()
        if phase.fragment is not None
    ]
