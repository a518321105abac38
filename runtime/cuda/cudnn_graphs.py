"""Operations as values → graphs of cuDNN's descriptors, and the plans that it has for them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from ctypes import c_float
from dataclasses import dataclass

from .code import DnnLaunch, DnnOperation, Tensor
from .cudnn import CONSTANTS, DTYPES, Descriptor, Library, LibraryLacks

__all__ = ["KINDS", "Kind", "Network", "Recipe"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of operation: its descriptor, the prefix of its attributes, those of its tensors.

    `described_by` is the attribute for a descriptor of how it is done, `how` that descriptor.
    """

    descriptor: str
    prefix: str
    tensors: tuple[str, ...]
    described_by: str
    how: str


def _convolution(descriptor: str, prefix: str, *tensors: str) -> Kind:
    name = f"OPERATION_CONVOLUTION_{descriptor}"
    return Kind(name, f"OPERATION_CONVOLUTION_{prefix}_", tensors, "CONV_DESC", "CONVOLUTION")


def _pointwise(mode: str, *tensors: str) -> Kind:
    return Kind(
        "OPERATION_POINTWISE", "OPERATION_POINTWISE_", tensors, "PW_DESCRIPTOR", f"POINTWISE_{mode}"
    )


def _folded(operator: str) -> Kind:
    name = "OPERATION_REDUCTION"
    return Kind(name, f"{name}_", ("XDESC", "YDESC"), "DESC", f"REDUCE_TENSOR_{operator}")


# The tensors of a convolution are the image, the kernel, and what a convolution makes of them; its
# settings padding (alike before and behind), strides and dilation along the axes of space. An index
# is that along the axis that it is set to; a reduction is along the axes of which it keeps one.
KINDS: dict[str, Kind] = {
    "convolution": _convolution("FORWARD", "FORWARD", "X", "W", "Y"),
    "data_gradient": _convolution("BACKWARD_DATA", "BWD_DATA", "DX", "W", "DY"),
    "filter_gradient": _convolution("BACKWARD_FILTER", "BWD_FILTER", "X", "DW", "DY"),
    "add": _pointwise("ADD", "XDESC", "BDESC", "YDESC"),
    "relu": _pointwise("RELU_FWD", "XDESC", "YDESC"),
    "multiply": _pointwise("MUL", "XDESC", "BDESC", "YDESC"),
    "subtract": _pointwise("SUB", "XDESC", "BDESC", "YDESC"),
    "divide": _pointwise("DIV", "XDESC", "BDESC", "YDESC"),
    "exp": _pointwise("EXP", "XDESC", "YDESC"),
    "log": _pointwise("LOG", "XDESC", "YDESC"),
    "index": _pointwise("GEN_INDEX", "XDESC", "YDESC"),
    "at_least": _pointwise("CMP_GE", "XDESC", "BDESC", "YDESC"),
    "select": _pointwise("BINARY_SELECT", "XDESC", "BDESC", "TDESC", "YDESC"),
    "matmul": Kind(
        "OPERATION_MATMUL", "OPERATION_MATMUL_", ("ADESC", "BDESC", "CDESC"), "DESC", "MATMUL"
    ),
    "greatest": _folded("MAX"),
    "sum": _folded("ADD"),
}

_MODES = ("HEUR_MODE_A", "HEUR_MODE_FALLBACK")
_TRANSFORMED = frozenset(
    ("FFT", "WINOGRAD", *(f"WINOGRAD_TILE_{n}" for n in ("4x4", "6x6", "13x13")))
)
_INEXACT = frozenset(("DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION"))
_MOST_NOTES = CONSTANTS["CUDNN_NUMERICAL_NOTE_TYPE_COUNT"]


def refused(compute: str, fast: bool) -> frozenset[int]:
    """The notes on engines that are not to be used: sums have one order from call to call, and the
    digits of their type; tensor cores round factors of 32 bits to tf32."""
    names = {"NONDETERMINISTIC", *_INEXACT}
    if compute in ("f32", "f64"):
        names.add("TENSOR_CORE")
    if not fast:
        names |= _TRANSFORMED
    return frozenset(CONSTANTS[f"CUDNN_NUMERICAL_NOTE_{name}"] for name in names)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A plan of the library: its place among those that are recommended, engine and workspace."""

    plan: Descriptor
    rank: int
    engine: int
    workspace: int


class Network:
    """The descriptors of some operations, which are checked by the library as they are made."""

    def __init__(self, library: Library, launch: DnnLaunch, handle: int = 0) -> None:
        self.library, self.handle, self.launch = library, handle, launch
        self._math = "f64" if launch.compute == "f64" else "f32"
        self._values: dict[int, c_float] = {}
        tensors = [self._tensor(at, one) for at, one in enumerate(launch.tensors)]
        made = [self._operation(one, tensors) for one in launch.operations]
        graph = Descriptor(library, "OPERATIONGRAPH")
        if handle:
            graph.set("OPERATIONGRAPH_HANDLE", "HANDLE", handle)
        graph.set("OPERATIONGRAPH_OPS", "BACKEND_DESCRIPTOR", *made)
        self.graph = graph.finalise()

    def recipes(self) -> Iterator[Recipe]:
        """The plans that fit the launch, best first, as far as the library can tell."""
        unwanted = refused(self.launch.compute, self.launch.fast)
        for rank, config in enumerate(self._recommended()):
            (engine,) = config.descriptors("ENGINECFG_ENGINE", "ENGINE")
            notes = engine.numbers("ENGINE_NUMERICAL_NOTE", "NUMERICAL_NOTE", _MOST_NOTES)
            if unwanted.isdisjoint(notes) and (plan := self._plan(config)) is not None:
                (number,) = engine.numbers("ENGINE_GLOBAL_INDEX", "INT64")
                (nbytes,) = plan.numbers("EXECUTION_PLAN_WORKSPACE_SIZE", "INT64")
                if nbytes <= self.launch.workspace:
                    yield Recipe(plan, rank, number, nbytes)

    def run(self, recipe: Recipe, stream: int, addresses: Sequence[int]) -> None:
        """Enqueue the operations on what lies at the addresses, in the order of the pointers."""
        numbers, places = [], []
        for at, tensor in enumerate(self.launch.tensors):
            if tensor.pointer is not None:
                assert isinstance(tensor.offset, int)
                numbers.append(at + 1)
                places.append(addresses[tensor.pointer] + tensor.offset)
            elif at in self._values:
                numbers.append(at + 1)
                places.append(ctypes.addressof(self._values[at]))
        pack = Descriptor(self.library, "VARIANT_PACK")
        pack.set("VARIANT_PACK_UNIQUE_IDS", "INT64", *numbers)
        pack.set("VARIANT_PACK_DATA_POINTERS", "VOID_PTR", *places)
        workspace = addresses[self.launch.scratch] if recipe.workspace else None
        pack.set("VARIANT_PACK_WORKSPACE", "VOID_PTR", workspace).finalise()
        self.library.call("cudnnSetStream", self.handle, stream)
        arguments = self.handle, recipe.plan.address, pack.address
        self.library.call("cudnnBackendExecute", *arguments)

    def _tensor(self, at: int, tensor: Tensor) -> Descriptor:
        made = Descriptor(self.library, "TENSOR")
        made.set("TENSOR_UNIQUE_ID", "INT64", at + 1)
        made.set("TENSOR_DATA_TYPE", "DATA_TYPE", DTYPES[tensor.dtype])
        made.set("TENSOR_BYTE_ALIGNMENT", "INT64", tensor.alignment)
        made.set("TENSOR_DIMENSIONS", "INT64", *tensor.extents)
        made.set("TENSOR_STRIDES", "INT64", *tensor.strides)
        if tensor.value is not None:
            made.set("TENSOR_IS_BY_VALUE", "BOOLEAN", True)
            self._values[at] = c_float(tensor.value)
        elif tensor.pointer is None:
            made.set("TENSOR_IS_VIRTUAL", "BOOLEAN", True)
        return made.finalise()

    def _operation(self, operation: DnnOperation, tensors: Sequence[Descriptor]) -> Descriptor:
        kind = KINDS[operation.name]
        made = Descriptor(self.library, kind.descriptor)
        for name, number in zip(kind.tensors, operation.tensors, strict=True):
            made.set(kind.prefix + name, "BACKEND_DESCRIPTOR", tensors[number])
        if kind.how == "CONVOLUTION":
            real = "DOUBLE" if self._math == "f64" else "FLOAT"
            made.set(f"{kind.prefix}ALPHA", real, 1.0).set(f"{kind.prefix}BETA", real, 0.0)
        how = self._how(kind.how, operation)
        return made.set(kind.prefix + kind.described_by, "BACKEND_DESCRIPTOR", how).finalise()

    def _how(self, how: str, operation: DnnOperation) -> Descriptor:
        """The description of how an operation is done."""
        if how == "CONVOLUTION":
            return self._window(*operation.settings)
        if how == "MATMUL":
            made = Descriptor(self.library, "MATMUL")
            return made.set("MATMUL_COMP_TYPE", "DATA_TYPE", DTYPES[self._math]).finalise()
        number = CONSTANTS[f"CUDNN_{how}"]
        if how.startswith("REDUCE"):
            made = Descriptor(self.library, "REDUCTION")
            made.set("REDUCTION_OPERATOR", "REDUCTION_OPERATOR_TYPE", number)
            return made.set("REDUCTION_COMP_TYPE", "DATA_TYPE", DTYPES[self._math]).finalise()
        made = Descriptor(self.library, "POINTWISE").set("POINTWISE_MODE", "POINTWISE_MODE", number)
        result = self.launch.tensors[operation.tensors[-1]].dtype
        exact = result if result in ("i32", "bool") else self._math
        made.set("POINTWISE_MATH_PREC", "DATA_TYPE", DTYPES[exact])
        for axis in operation.settings:
            made.set("POINTWISE_AXIS", "INT64", *axis)
        return made.finalise()

    def _window(
        self, padding: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
    ) -> Descriptor:
        """How the windows of a convolution lie."""
        made = Descriptor(self.library, "CONVOLUTION")
        made.set("CONVOLUTION_SPATIAL_DIMS", "INT64", len(padding))
        made.set("CONVOLUTION_COMP_TYPE", "DATA_TYPE", DTYPES[self._math])
        mode = CONSTANTS["CUDNN_CROSS_CORRELATION"]
        made.set("CONVOLUTION_CONV_MODE", "CONVOLUTION_MODE", mode)
        made.set("CONVOLUTION_PRE_PADDINGS", "INT64", *padding)
        made.set("CONVOLUTION_POST_PADDINGS", "INT64", *padding)
        made.set("CONVOLUTION_FILTER_STRIDES", "INT64", *strides)
        made.set("CONVOLUTION_DILATIONS", "INT64", *dilation)
        return made.finalise()

    def _recommended(self) -> Iterator[Descriptor]:
        """The configurations of engines, those that are sure to work last."""
        for mode in _MODES:
            asked = Descriptor(self.library, "ENGINEHEUR")
            asked.set("ENGINEHEUR_OPERATION_GRAPH", "BACKEND_DESCRIPTOR", self.graph)
            asked.set("ENGINEHEUR_MODE", "HEUR_MODE", CONSTANTS[f"CUDNN_{mode}"])
            try:
                asked.finalise()
                count = asked.count("ENGINEHEUR_RESULTS")
            except LibraryLacks:
                continue
            yield from asked.descriptors("ENGINEHEUR_RESULTS", "ENGINECFG", count)

    def _plan(self, config: Descriptor) -> Descriptor | None:
        """The plan of a configuration; None if it does not do on this device."""
        plan = Descriptor(self.library, "EXECUTION_PLAN")
        plan.set("EXECUTION_PLAN_HANDLE", "HANDLE", self.handle)
        try:
            plan.set("EXECUTION_PLAN_ENGINE_CONFIG", "BACKEND_DESCRIPTOR", config)
            return plan.finalise()
        except LibraryLacks:
            return None
