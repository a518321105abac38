"""A graphics processor as a target: CUDA C++, compiled kernel by kernel."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from symfuse.runtime import options
from symfuse.runtime.errors import OptionError, UnsupportedError

from ...ir.graph import Graph
from ...ir.library import Call, Transform
from ...ir.node import Node
from ...ir.regions import every_node
from ...kernel.device.schedules import DeviceSchedules
from ...kernel.lower import Buffers
from ...kernel.phases import Kernel
from ...kernel.processor import Device
from ...passes.expand_sorts import expand_sorts
from ...passes.expand_transforms import expand_transforms, is_counted
from ...passes.group_kernels import Group, Grouping, group_kernels
from ...passes.unroll_regions import unroll_regions
from ..layout import Layout
from .choose_attention import choose_attention, without_sums_over_keys
from .convolution_forms import in_library_form
from .convolutions import Convolutions, choose_convolutions
from .dnn_launches import convolution_kernel
from .fused_attention import Attentions, attention_kernel
from .machine import SIMULATED, has_products, why_no_cudnn
from .product_launches import product_kernel
from .products import Choices, choose_products
from .program import CudaProgram, write_program
from .report import architectures, device_of

__all__ = ["CudaTarget", "target"]


def target(arch: str) -> CudaTarget:
    """Devices of this architecture, as `sm_90`."""
    plain = arch.rstrip("af")
    if plain not in (SIMULATED, *architectures()):
        known = ", ".join(architectures())
        raise OptionError(
            f"there is no code for arch={arch!r}",
            fix=f'use a device of one of {known}, or target="cpu"',
        )
    return CudaTarget(arch)


class CudaTarget(Struct, frozen=True):
    """Kernels become modules of their own, which the runtime launches in their order."""

    arch: str
    name: str = "cuda"
    alignment: int = 256
    rest: int = 4  # launches that may run side by side

    @property
    def device(self) -> Device:
        """What schedules must know of the devices that it is for."""
        return device_of(self.arch)

    def schedules(self, numerics: str) -> DeviceSchedules:
        """Those for threads that share tiles."""
        return DeviceSchedules(self.device, numerics == "fast")

    def prepared(self, graph: Graph) -> Graph:
        """The graph with sorts, loops and branches written out, and derivatives of attention in
        the form that needs no scores; an error if it needs LAPACK."""
        found = expand_transforms(unroll_regions(expand_sorts(graph)), is_counted)
        if not why_no_cudnn(self.arch):
            found = in_library_form(found, always=options.get("cudnn") == "always")
        found = without_sums_over_keys(found, self.device, available=has_products(self.arch))
        for node in every_node(found):
            if node.op.library is not None:
                raise UnsupportedError(
                    f"{node.op} is done by {_who(node)}, which runs on the processor only",
                    fix=f'{_remedy(node)}compile this function with target="cpu"',
                    loc=node.source.loc,
                )
        return found

    def assign(self, graph: Graph, grouping: Grouping, numerics: str) -> CudaAssignment:
        """Kernels for everything that no library computes better."""
        available = has_products(self.arch)
        see = grouping.sees_through
        missing, always = why_no_cudnn(self.arch), options.get("cudnn") == "always"
        attentions = choose_attention(
            graph, see, numerics, self.device, available=available, missing=missing, always=always
        )
        closed = attentions.closed
        repeated = attentions.repeated
        if closed:
            grouping = group_kernels(graph, closed, repeated)
        convolutions = choose_convolutions(graph, grouping, numerics, missing, always=always)
        if convolutions.calls:
            closed = {**closed, **convolutions.closed}
            repeated |= convolutions.repeated
            grouping = group_kernels(graph, closed, repeated)
        choices = choose_products(
            graph,
            grouping,
            numerics,
            available=available,
            closed=closed,
            repeated=repeated,
            decided=convolutions.decided,
        )
        named = convolutions.named(attentions.named(choices.grouping))
        choices = replace(choices, grouping=named)
        schedules = self.schedules(numerics)
        return CudaAssignment(self.arch, choices, attentions, convolutions, schedules)


def _remedy(node: Node) -> str:
    """What else can be done: transforms of known length are products."""
    is_transform = node.op.name in ("fft", "rfft", "irfft")
    return "give the axis that is transformed a number as its size, or " if is_transform else ""


def _who(node: Node) -> str:
    """Whom the processor calls for an operation."""
    assert node.op.library is not None
    plan = node.op.library(tuple(x.type for x in node.inputs), node.type, node.attrs)
    kinds = {type(step) for step in plan.steps}
    return "LAPACK" if Call in kinds else "NumPy's library" if Transform in kinds else "Python"


class CudaAssignment(Struct, frozen=True):
    """The groups for kernels and those for libraries."""

    arch: str
    choices: Choices
    attentions: Attentions
    convolutions: Convolutions
    schedules: DeviceSchedules

    @property
    def grouping(self) -> Grouping:
        """The groups, divided where the library computes a part of one."""
        return self.choices.grouping

    @property
    def reasons(self) -> Sequence[str]:
        """Why each attention, convolution and product is computed by what computes it."""
        convolutions = self.convolutions.reasons
        return (*self.attentions.reasons, *convolutions, *map(str, self.choices.choices))

    def library_kernel(self, group: Group, name: str, buffers: Buffers) -> Kernel | None:
        """The launch of an attention, or of a convolution or product by a library."""
        if group.kind == "attention" and group.anchor is not None:
            fused = self.attentions.fused[group.anchor]
            see, device = self.grouping.sees_through, self.schedules.device
            fast = self.schedules.is_fast
            return attention_kernel(fused, group, name, see, buffers, device, is_fast=fast)
        see = self.grouping.sees_through
        if group.anchor is not None and group.anchor in self.convolutions.calls:
            call = self.convolutions.calls[group.anchor]
            return convolution_kernel(call, group, name, see, buffers, self.schedules)
        product = self.choices.products.get(group)
        return None if product is None else product_kernel(product, name, see, buffers)

    def write(self, launches: Sequence[Kernel], layout: Layout, buffers: Buffers) -> CudaProgram:
        """The source of every kernel, and the grid and the operands of every launch."""
        return write_program(launches, layout, self.arch, is_fast=self.schedules.is_fast)
