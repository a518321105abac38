"""The processor of this computer as a target: LLVM text, linked into one image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import import_module

from msgspec import Struct, field

from symfuse.runtime.host import sorting
from symfuse.runtime.host.features import host_features
from symfuse.runtime.host.image import Image

from ...ir.graph import Graph
from ...ir.regions import every_node
from ...kernel.forms import first_of_each_form
from ...kernel.host import HostSchedules
from ...kernel.lower import Buffers
from ...kernel.phases import Kernel
from ...kernel.processor import Processor
from ...kernel.regions import Region, leaves
from ...ops.fourier import fft, irfft, length_of, rfft
from ...passes.expand_sorts import ascend_sorts, expand_sorts
from ...passes.expand_transforms import expand_transforms, is_one_product
from ...passes.group_kernels import Group, Grouping
from ..layout import Layout
from ..target import Code, Usage
from .launcher import Entries
from .link import link
from .machine import Level, emit_objects, host_machine
from .program import program_functions
from .routines import routine_kernel
from .support import load_support
from .timed import timing_functions
from .units import Function, module_text, units

__all__ = ["HostTarget", "target"]


def target(arch: str) -> HostTarget:
    """The processor that this runs on."""
    return HostTarget(arch)


class HostTarget(Struct, frozen=True):
    """Kernels become functions of one module, which `main` calls in their order."""

    arch: str
    name: str = "cpu"
    alignment: int = 64
    rest: int = 0

    def schedules(self, numerics: str) -> HostSchedules:
        """Those for the widths of this processor, whatever the numerics."""
        features = host_features()
        registers = 32 if features.vector_bytes == 64 else 16
        return HostSchedules(Processor(features.vector_bytes, registers, features.l2_bytes))

    def prepared(self, graph: Graph) -> Graph:
        """The graph with short transforms written out, and sorts as NumPy has them, if it does."""
        graph = expand_transforms(graph, is_one_product)
        return ascend_sorts(graph) if sorting.are_there() else expand_sorts(graph)

    def assign(self, graph: Graph, grouping: Grouping, numerics: str) -> HostAssignment:
        """Everything to kernels and libraries; `numerics` has had its say before."""
        return HostAssignment(grouping, tuple(_reasons(graph)))


def _reasons(graph: Graph) -> Iterator[str]:
    """Why a library computes transforms; those that are short are products by now."""
    for node in every_node(graph):
        if node.op in (fft, rfft, irfft):
            size, given = length_of(node), node.inputs[0].type
            yield f"the library of NumPy does {node.op} of {given}: {size} is not one short product"


class HostAssignment(Struct, frozen=True):
    """Kernels of our own for all groups but those that a library computes."""

    grouping: Grouping
    reasons: Sequence[str] = ()

    def library_kernel(self, group: Group, name: str, buffers: Buffers) -> Kernel | None:
        """The launch of what a library computes; None for all others."""
        if group.anchor is None or group.anchor.op.library is None:
            return None
        return routine_kernel(group.anchor, name, buffers)

    def write(self, launches: Sequence[Kernel], layout: Layout, buffers: Buffers) -> HostText:
        """The functions of the program."""
        entries = first_of_each_form(leaves(launches))
        functions = program_functions(launches, layout, entries)
        return HostText(tuple(launches), layout, entries, functions)


class HostText(Struct, frozen=True, eq=False):
    """LLVM functions, each written when it is first asked for.

    `entries` has all launches in order, and whose function each calls.
    """

    tree: tuple[Kernel, ...]
    layout: Layout
    entries: Entries
    _source: Iterator[Function]
    _written: list[Function] = field(default_factory=list)

    @property
    def functions(self) -> Iterator[Function]:
        """All functions, those that are not written yet as they come."""
        yield from self._written
        for function in self._source:
            self._written.append(function)
            yield function

    @property
    def text(self) -> str:
        """All of them as one module."""
        return module_text(self.functions)

    def as_text(self, stage: str) -> str:
        """The module, or what it is in assembly."""
        if stage == "llvm":
            return self.text
        return host_machine().assembly(self.text)

    def kernel_text(self, number: int) -> str:
        """The function of one launch, behind those of its parts."""
        whole = self._function_text(tuple(self.entries.values())[number].name)
        parts = dict.fromkeys(re.findall(r"call void @(\w+)\(ptr %p\d+, ptr ", whole))
        return "\n".join([*map(self._function_text, parts), whole])

    def _function_text(self, name: str) -> str:
        found = re.search(rf'^define [^\n]*@"?{name}"?\(.*?^}}', self.text, re.M | re.S)
        return found[0] if found else ""

    def how_run(self, region: Region) -> str:
        """Nothing: machine code goes through all of them."""
        return ""

    def usage(self) -> Sequence[Usage | None]:
        """Nothing: there is no device."""
        return (None,) * len(self.entries)

    def generate(self, level: Level) -> Code:
        """The image."""
        machine = host_machine()
        objects = emit_objects(machine, units(self.functions), level, _prepare)
        return Code(link(*objects), features=machine.features)

    def timed(self, level: Level) -> Image:
        """The image of a program that tells its times as well."""
        clocks = module_text(timing_functions(self.tree, self.layout, self.entries))
        return link(*emit_objects(host_machine(), (*units(self.functions), clocks), level))


def _prepare() -> None:
    """Load what runs programs, and the shared code, which is written to disk with them."""
    load_support()
    import_module("symfuse.runtime.executable")
