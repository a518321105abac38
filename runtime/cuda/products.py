"""Products of matrices made ready to be launched: the best way to compute each, found once.

The library recommends several ways for every product. For sizes that are known when a program is
compiled the recommended ones are timed, and what was found is kept on disk; for open sizes, of
which there may be many, the first recommendation is taken.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..cache import Key
from ..dtypes import DType
from .code import Prepared, ProductLaunch
from .cublaslt import (
    ALGORITHM_BYTES,
    COMPUTE,
    EPILOGUES,
    Candidate,
    Library,
    Operation,
    ProductFailed,
    Shape,
    cublaslt,
)
from .device import STREAM, Device
from .graph import Graphs
from .places import ALIGNED
from .trials import FIRST, REMEMBERED, fastest, key_of, once, remembered

__all__ = ["Plan", "prepare", "shape_of"]

_KEPT = 256  # plans of one device
_CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """One product, ready to be launched any number of times."""

    way: _Way
    offsets: tuple[int, ...]

    @property
    def note(self) -> str:
        """How the way to compute it was found."""
        return self.way.note

    def launch(self, stream: int, addresses: Sequence[int]) -> None:
        """Enqueue the product of what lies at these addresses, in the order of the pointers."""
        self.way.launch(stream, self._places(addresses))

    def _places(self, addresses: Sequence[int]) -> _Places:
        left, right, result, workspace, *rest = addresses
        shape = self.way.shape
        epilogue = EPILOGUES[shape.epilogue]
        beside = iter(rest)
        added = next(beside) + self.offsets[2] if shape.share else result
        bias = next(beside) + self.offsets[3] if epilogue.bias else 0
        aux = next(beside) if epilogue.aux else 0
        left, right = left + self.offsets[0], right + self.offsets[1]
        return _Places(left, right, result, added, bias, aux, workspace)


def prepare(device: Device, launch: ProductLaunch, numbers: Sequence[int]) -> Plan:
    """The plan of a product whose counts are these numbers; not to be called while capturing.

    Raises DeviceError where the library is absent or cannot compute the product.
    """
    shape, offsets = shape_of(launch, numbers)
    timed = not any(isinstance(count, Prepared) for count in launch.counts)
    with device:
        way = once(_Products, device, cublaslt()).way(launch.entry, shape, launch.workspace, timed)
    return Plan(way, offsets)


def shape_of(launch: ProductLaunch, numbers: Sequence[int]) -> tuple[Shape, tuple[int, ...]]:
    """The product with these numbers for its counts, and where in their places operands begin."""
    rows, columns, inner, batch, *rest = numbers[:14]
    leading, strides, offsets = rest[:3], rest[3:6], rest[6:10]
    alignment = [
        min(place, _alignment(offset))
        for place, offset in zip(launch.alignment, offsets, strict=True)
    ]
    shape = Shape(
        rows,
        columns,
        inner,
        batch,
        launch.dtype,
        launch.compute,
        launch.transposed,
        (leading[0], leading[1], leading[2]),
        (strides[0], strides[1], strides[2]),
        launch.epilogue,
        launch.scale,
        launch.share,
        (alignment[0], alignment[1], alignment[2], alignment[3]),
    )
    return shape, tuple(offsets)


def _alignment(offset: int) -> int:
    """The largest power of two up to 16 that divides the offset."""
    return min(ALIGNED, offset & -offset) if offset else ALIGNED


@dataclass(frozen=True, slots=True)
class _Places:
    """Addresses of everything that a product reads and writes."""

    left: int
    right: int
    result: int
    added: int
    bias: int
    aux: int
    workspace: int


class _Way:
    """A product and the algorithm that computes it."""

    def __init__(
        self, products: _Products, shape: Shape, workspace: int, compute: int, note: str = ""
    ) -> None:
        self.shape, self.workspace, self.note = shape, workspace, note
        self._products = products
        # An empty sum is computed as the product of a column and a row of zeros.
        self.is_empty_sum = shape.inner == 0
        described = _empty_sum(shape) if self.is_empty_sum else shape
        self.operation = Operation(products.library, described, compute)
        self.chosen: Candidate | None = None
        self._lock = threading.Lock()

    @property
    def is_nothing(self) -> bool:
        """Whether there is no result at all."""
        return 0 in (self.shape.rows, self.shape.columns, self.shape.batch)

    def launch(self, stream: int, places: _Places) -> None:
        if self.is_nothing:
            return
        if self.is_empty_sum:
            nbytes = max(self.shape.rows, self.shape.columns) * DType(self.shape.dtype).itemsize
            if nbytes > self.workspace:
                raise ProductFailed(f"an empty sum of {nbytes} bytes a row does not fit")
            self._products.clear(places.workspace, nbytes, stream)
            zeros = places.workspace
            places = replace(places, left=zeros, right=zeros)
        assert self.chosen is not None
        self.run(stream, places, self.chosen)

    def run(self, stream: int, places: _Places, candidate: Candidate) -> None:
        """Enqueue the product, computed in this way."""
        operation = self.operation
        algorithm = ctypes.create_string_buffer(candidate.algorithm, ALGORITHM_BYTES)
        workspace = 0 if self.is_empty_sum else self.workspace
        with self._lock:  # addresses of the epilogue are part of the description
            operation.attach(places.bias, places.aux)
            self._products.library.call(
                "cublasLtMatmul",
                self._products.handle,
                operation.description,
                ctypes.byref(operation.scale),
                places.right,
                operation.right,
                places.left,
                operation.left,
                ctypes.byref(operation.share),
                places.added,
                operation.added,
                places.result,
                operation.result,
                algorithm,
                places.workspace,
                workspace,
                stream,
            )

    def candidates(self) -> tuple[Candidate, ...]:
        workspace = 0 if self.is_empty_sum else self.workspace
        return self.operation.candidates(self._products.handle, workspace, _CANDIDATES)


def _empty_sum(shape: Shape) -> Shape:
    return replace(
        shape,
        inner=1,
        transposed=(False, False),
        leading=(1, 1, shape.leading[2]),
        strides=(0, 0, shape.strides[2]),
    )


class _Products:
    """The library at work on one device, and the plans made so far."""

    def __init__(self, device: Device, library: Library) -> None:
        self.device, self.library = device, library
        self.handle = library.handle("cublasLtCreate")
        self._ways = Graphs[_Way](_KEPT)
        self._lock = threading.Lock()

    def way(self, entry: str, shape: Shape, workspace: int, timed: bool) -> _Way:
        with self._lock:
            return self._ways.find(
                (shape, workspace), lambda: self._find(entry, shape, workspace, timed)
            )

    def clear(self, address: int, nbytes: int, stream: int) -> None:
        self.device.driver.call("cuMemsetD8Async", address, 0, nbytes, stream)

    def _find(self, entry: str, shape: Shape, workspace: int, timed: bool) -> _Way:
        for compute in COMPUTE[shape.compute]:
            way = _Way(self, shape, workspace, compute)
            if way.is_nothing:
                return way
            if self._remembered(way, compute, timed):
                return way
            if candidates := way.candidates():
                self._choose(way, candidates, compute, timed)
                return way
        raise ProductFailed(
            f"cuBLASLt {self.library.version} has no code on {self.device.facts.name} for the "
            f"product {entry}: {shape.rows} × {shape.inner} × {shape.columns}, {shape.dtype}, "
            f"epilogue {shape.epilogue}",
            fix="install another version of nvidia-cublas, 13.0 or newer, or leave products to "
            "generated kernels: SYMFUSE_CUBLAS=never",
        )

    def _choose(
        self, way: _Way, candidates: tuple[Candidate, ...], compute: int, timed: bool
    ) -> None:
        way.chosen, way.note = candidates[0], FIRST
        if not timed or way.is_empty_sum or len(candidates) == 1:
            return
        sizes, dtype = _bytes(way.shape), way.shape.dtype
        memory = [*((nbytes, dtype) for nbytes in sizes), (way.workspace, "")]

        def run(candidate: Candidate, addresses: list[int]) -> None:
            way.run(STREAM, _Places(*addresses), candidate)

        entry = self._key(way, compute)
        found = fastest(self.device, entry, candidates, memory, run, _packed)
        way.chosen, way.note = found

    def _remembered(self, way: _Way, compute: int, timed: bool) -> bool:
        """Whether what was once timed is known and can still be done."""
        if not timed or way.is_empty_sum:
            return False
        stored = remembered(self._key(way, compute))
        if stored is None or len(stored) != ALGORITHM_BYTES + 8:
            return False
        known = Candidate(stored[:ALGORITHM_BYTES], int.from_bytes(stored[ALGORITHM_BYTES:]))
        if known.workspace > way.workspace or not way.operation.accepts(self.handle, known):
            return False
        way.chosen, way.note = known, REMEMBERED
        return True

    def _key(self, way: _Way, compute: int) -> Key:
        facts = {
            "product": repr(way.shape),
            "compute": str(compute),
            "workspace": str(way.workspace),
        }
        return key_of(self.device, "product", self.library.version, facts)


def _packed(candidate: Candidate) -> bytes:
    return candidate.algorithm + candidate.workspace.to_bytes(8)


def _bytes(shape: Shape) -> tuple[int, ...]:
    """Of the places of a product, but for its workspace."""
    size, batch = DType(shape.dtype).itemsize, shape.batch
    heights = (
        shape.inner if shape.transposed[0] else shape.rows,
        shape.columns if shape.transposed[1] else shape.inner,
        shape.rows,
    )
    spans = [
        (abs(stride) * (batch - 1) + leading * height) * size
        for leading, height, stride in zip(shape.leading, heights, shape.strides, strict=True)
    ]
    result = batch * shape.rows * shape.columns * size
    vector = max(shape.rows, shape.columns) * size
    left, right, added = spans
    return left, right, result, added, vector, 2 * result
