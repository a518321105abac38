"""Products of matrices made ready to be launched: the best way to compute each, found once.

The library recommends several ways for every product. For sizes that are known when a program is
compiled the recommended ones are timed, and what was found is kept on disk; for open sizes, of
which there may be many, the first recommendation is taken.
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from ..cache import Key, key, store
from ..dtypes import DType
from .clock import Clock
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
from .driver import OutOfMemory
from .places import ALIGNED

__all__ = ["Plan", "prepare", "shape_of"]

_KEPT = 256  # plans of one device
_CANDIDATES = 8
_REPETITIONS = 5
_WORTH_IT = 0.97  # of the time of the first recommendation, for another to be taken instead
_MUCH = 256 << 20  # bytes, that are given back to the driver when they have served for timing


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
        return _Places(left, right, result, workspace, added, bias, aux)


def prepare(device: Device, launch: ProductLaunch, numbers: Sequence[int]) -> Plan:
    """The plan of a product whose counts are these numbers; not to be called while capturing.

    Raises DeviceError where the library is absent or cannot compute the product.
    """
    shape, offsets = shape_of(launch, numbers)
    timed = not any(isinstance(count, Prepared) for count in launch.counts)
    with device:
        way = _products(device).way(launch.entry, shape, launch.workspace, timed)
    return Plan(way, offsets)


def shape_of(launch: ProductLaunch, numbers: Sequence[int]) -> tuple[Shape, tuple[int, ...]]:
    """The product with these numbers for its counts, and where in their places operands begin."""
    rows, columns, inner, batch, *rest = numbers[:14]
    leading, strides, offsets = rest[:3], rest[3:6], rest[6:10]
    alignment = [
        min(place, _alignment(offset))
        for place, offset in zip(launch.alignment, (*offsets[:3], 0), strict=True)
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
    workspace: int
    added: int
    bias: int
    aux: int


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
            places = _Places(
                zeros, zeros, places.result, zeros, places.added, places.bias, places.aux
            )
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
        self._ways: OrderedDict[tuple[Shape, int], _Way] = OrderedDict()
        self._lock = threading.Lock()

    def way(self, entry: str, shape: Shape, workspace: int, timed: bool) -> _Way:
        key = (shape, workspace)
        with self._lock:
            known = self._ways.get(key)
            if known is None:
                known = self._ways[key] = self._find(entry, shape, workspace, timed)
            self._ways.move_to_end(key)
            if len(self._ways) > _KEPT:
                self._ways.popitem(last=False)
        return known

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
            fix="install another version of nvidia-cublas, 13.0 or newer",
        )

    def _choose(
        self, way: _Way, candidates: tuple[Candidate, ...], compute: int, timed: bool
    ) -> None:
        way.chosen, way.note = candidates[0], "the first of the library's recommendations"
        if not timed or way.is_empty_sum or len(candidates) == 1:
            return
        try:
            times = [_time(self.device, way, candidate) for candidate in candidates]
        except OutOfMemory:
            way.note = "the first recommendation: there was no memory to time others"
            return
        if sum(_bytes(way.shape)) > _MUCH:
            self.device.memory.trim()
        best = min(range(len(times)), key=times.__getitem__)
        if times[best] < _WORTH_IT * times[0]:
            way.chosen = candidates[best]
        way.note = f"the fastest of {len(times)} that were timed"
        store().put(self._key(way, compute), _packed(way.chosen))

    def _remembered(self, way: _Way, compute: int, timed: bool) -> bool:
        """Whether what was once timed is known and can still be done."""
        if not timed or way.is_empty_sum:
            return False
        stored = store().get(self._key(way, compute))
        if stored is None or len(stored) != ALGORITHM_BYTES + 8:
            return False
        known = Candidate(stored[:ALGORITHM_BYTES], int.from_bytes(stored[ALGORITHM_BYTES:]))
        if known.workspace > way.workspace or not way.operation.accepts(self.handle, known):
            return False
        way.chosen, way.note = known, "the fastest, as timed before"
        return True

    def _key(self, way: _Way, compute: int) -> Key:
        facts = self.device.facts
        parts = {
            "product": repr(way.shape),
            "compute": str(compute),
            "workspace": str(way.workspace),
            "device": f"{facts.name}, {facts.arch}, {facts.multiprocessors}",
            "library": str(self.library.version),
        }
        return key("product", parts)


def _packed(candidate: Candidate) -> bytes:
    return candidate.algorithm + candidate.workspace.to_bytes(8)


_known: dict[tuple[str, int, str], _Products] = {}
_known_lock = threading.Lock()


def _products(device: Device) -> _Products:
    library = cublaslt()
    key = (device.driver.path, device.ordinal, library.path)
    with _known_lock:
        if key not in _known:
            _known[key] = _Products(device, library)
        return _known[key]


# timing


def _time(device: Device, way: _Way, candidate: Candidate) -> float:
    """Seconds of the product in this way: the least of a few, on memory of its own."""
    sizes = _bytes(way.shape)
    blocks = [device.memory.take(nbytes) for nbytes in (*sizes, way.workspace)]
    left, right, added, result, bias, aux, workspace = (block.address for block in blocks)
    places = _Places(left, right, result, workspace, added, bias, aux)
    for block, nbytes in zip(blocks, sizes, strict=False):
        _scatter(device, block.address, nbytes, way.shape.dtype)
    way.run(STREAM, places, candidate)
    with Clock(device) as clock:
        return min(
            clock.seconds(lambda: way.run(STREAM, places, candidate)) for _ in range(_REPETITIONS)
        )


def _scatter(device: Device, address: int, nbytes: int, dtype: str) -> None:
    """Fill memory with normal numbers: of zeros a product takes less power, and so less time."""
    some = _drawn(dtype)
    done = min(nbytes, len(some))
    device.driver.call("cuMemcpyHtoDAsync_v2", address, some, done, STREAM)
    while done < nbytes:
        more = min(done, nbytes - done)
        device.copy(address + done, address, more)
        done += more


@cache
def _drawn(dtype: str) -> bytes:
    """A megabyte of normal numbers."""
    size = DType(dtype).itemsize
    found = np.random.default_rng(0).standard_normal((1 << 20) // size)
    if dtype == "bf16":  # the upper half of a float
        return (found.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return found.astype(DType(dtype).numpy).tobytes()


def _bytes(shape: Shape) -> tuple[int, ...]:
    """Of left, right, added, result, bias and the auxiliary matrix."""
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
    return (*spans, result, vector, 2 * result)
