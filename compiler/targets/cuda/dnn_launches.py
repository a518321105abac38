"""What cuDNN computes as a kernel among others and as a launch, and the kernels in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import accumulate

from msgspec import Struct

from symfuse.runtime.cuda.code import Count, DnnLaunch, DnnOperation, KernelLaunch, Place, Tensor
from symfuse.runtime.cuda.places import ALIGNED
from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim, is_multiple, product
from ...ir.node import Node
from ...kernel.device.schedules import DeviceSchedules
from ...kernel.lower import Buffers, Order, lower_group
from ...kernel.phases import Buffer, Kernel, Part
from ...kernel.regions import alignment_of
from ...passes.group_kernels import Group
from .library import WORKSPACE, Convolution, Feature
from .product_launches import every_loop

__all__ = [
    "DnnCall",
    "DnnTensor",
    "convolution_kernel",
    "dnn_kernel",
    "dnn_launch",
    "workspace_of",
]

_LEAST_AXES = 2  # of space: the library has convolutions along two or three


class DnnTensor(Struct, frozen=True, eq=False):
    """A tensor of an operation before its buffer has a place; without one it is never stored, or a
    `value`."""

    dtype: DType
    extents: tuple[Dim, ...]
    strides: tuple[Dim, ...]
    buffer: Buffer | None = None
    offset: Dim = 0
    value: float | None = None


class DnnCall(Struct, frozen=True, eq=False):
    """Operations on tensors, which number the tensors; how exact; and what can do it otherwise.

    Of the `scratch` memory the first is the workspace, the others are written for nobody.
    """

    tensors: tuple[DnnTensor, ...]
    operations: tuple[DnnOperation, ...]
    compute: str
    fast: bool
    scratch: tuple[Buffer, ...]
    otherwise: tuple[Kernel, ...]

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """All memory that is used, each once."""
        own = [t.buffer for t in self.tensors if t.buffer is not None]
        theirs = [b for kernel in self.otherwise for b in (*kernel.reads, *kernel.writes)]
        return tuple(dict.fromkeys((*own, *theirs, *self.scratch)))


def convolution_call(
    chosen: Convolution, name: str, buffers: Buffers, otherwise: Iterable[Kernel], *, fast: bool
) -> DnnCall:
    """The operations of a convolution and of what follows it."""
    dtype, anchor = chosen.anchor.dtype, chosen.anchor
    features = [chosen.image, chosen.kernel, chosen.result]
    tensors = [
        _tensor(one, dtype, None if one.node is anchor else buffers(one.node)) for one in features
    ]
    numbers = tuple(
        (rest,) * (_LEAST_AXES - len(each)) + each
        for each, rest in ((chosen.padding, 0), (chosen.strides, 1), (chosen.dilation, 1))
    )
    steps = [DnnOperation(chosen.kind, (0, 1, 2), numbers)]
    at = next(number for number, one in enumerate(features) if one.node is anchor)
    if chosen.bias is not None:
        width, ones = chosen.kernel.batch, (1,) * len(numbers[0])
        shape, apart = (1, width, *ones), (width, 1, *(width for _ in ones))
        where = buffers(chosen.bias.node)
        tensors.append(DnnTensor(dtype, shape, apart, where, chosen.bias.offset))
        steps.append(DnnOperation("add", (at, len(tensors) - 1, len(tensors))))
        tensors.append(_on_its_way(tensors[at]))
        at = len(tensors) - 1
    if chosen.relu:
        steps.append(DnnOperation("relu", (at, len(tensors))))
        tensors.append(_on_its_way(tensors[at]))
        at = len(tensors) - 1
    for number, one in enumerate(tensors):
        if one.buffer is None:
            kept = buffers(chosen.output) if number == at else None
            kind = dtype if number == at else dtype.computed
            tensors[number] = DnnTensor(kind, one.extents, one.strides, kept)
    scratch = (workspace_of(name),)
    return DnnCall(tuple(tensors), tuple(steps), chosen.compute, fast, scratch, tuple(otherwise))


def workspace_of(name: str) -> Buffer:
    """The memory that plans of a launch may use meanwhile."""
    return Buffer(f"{name}_workspace", DType.U8, (WORKSPACE,))


def convolution_kernel(
    chosen: Convolution,
    group: Group,
    name: str,
    sees_through: Callable[[Node], bool],
    buffers: Buffers,
    schedules: DeviceSchedules,
) -> Kernel:
    """The launch of a convolution, and the kernels that compute it where the library cannot."""
    order = Order(group.kind, group.nodes, group.outputs, group.domain, group.anchor)
    otherwise = lower_group(order, name, sees_through, buffers, schedules)
    call = convolution_call(chosen, name, buffers, otherwise, fast=schedules.is_fast)
    parts = every_loop(chosen.anchor, group.nodes, group.outputs, sees_through, buffers)
    return dnn_kernel(name, "convolution", call, (parts,))


def dnn_kernel(name: str, kind: str, call: DnnCall, parts: tuple[Part, ...]) -> Kernel:
    """What the library does, as a kernel with loops for those who check and explain."""
    first = call.otherwise[0]
    nodes = tuple(dict.fromkeys(node for kernel in call.otherwise for node in kernel.nodes))
    written = {*call.scratch, *(b for kernel in call.otherwise for b in kernel.writes)}
    reads = tuple(b for b in call.buffers if b not in written)
    writes = tuple(b for b in call.buffers if b in written)
    return Kernel(name, kind, parts, first.work, nodes, reads, writes, by_library=call)


def dnn_launch(
    kernel: Kernel,
    place: Callable[[Buffer], Place],
    count: Callable[[Dim], Count],
    launch: Callable[[Kernel], KernelLaunch],
) -> DnnLaunch:
    """The launch of a kernel that `dnn_kernel` made, once every buffer has its place."""
    call = kernel.by_library
    assert isinstance(call, DnnCall)
    number = {buffer: at for at, buffer in enumerate(call.buffers)}
    return DnnLaunch(
        entry=kernel.name,
        tensors=tuple(_placed(tensor, number, count) for tensor in call.tensors),
        operations=call.operations,
        compute=call.compute,
        fast=call.fast,
        workspace=WORKSPACE,
        scratch=number[call.scratch[0]],
        pointers=tuple(map(place, number)),
        nbytes=tuple(count(product(b.shape) * b.dtype.itemsize) for b in number),
        otherwise=tuple(map(launch, call.otherwise)),
    )


def _tensor(feature: Feature, dtype: DType, buffer: Buffer | None) -> DnnTensor:
    """Batches, channels and axes of space, as the library lists them, channels last in memory."""
    space = (1,) * (_LEAST_AXES - len(feature.space)) + feature.space
    extents = (feature.batch, feature.channels, *space)
    inner: tuple[Dim, ...] = tuple(
        accumulate((feature.channels, *reversed(space)), lambda a, b: a * b)
    )
    strides = (inner[-1], 1, *reversed(inner[:-1]))
    return DnnTensor(dtype, extents, strides, buffer, feature.offset)


def _on_its_way(tensor: DnnTensor) -> DnnTensor:
    return DnnTensor(tensor.dtype, tensor.extents, tensor.strides)


def _placed(tensor: DnnTensor, number: dict[Buffer, int], count: Callable[[Dim], Count]) -> Tensor:
    buffer, size = tensor.buffer, tensor.dtype.itemsize
    offset, alignment = tensor.offset * size, ALIGNED
    if buffer is not None:
        alignment = min(ALIGNED, alignment_of(buffer))
        while is_multiple(offset, alignment) is not True:
            alignment //= 2
    return Tensor(
        str(tensor.dtype),
        tuple(map(count, tensor.extents)),
        tuple(map(count, tensor.strides)),
        None if buffer is None else number[buffer],
        count(offset),
        alignment,
        tensor.value,
    )
