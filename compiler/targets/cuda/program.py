"""Kernels → CUDA sources and launches → device code, and the host code that settles sizes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property, partial

from msgspec import Struct
from msgspec.structs import replace

from symfuse.runtime.cuda.code import Count, DeviceCode, KernelLaunch, Prepared, ProductLaunch
from symfuse.runtime.cuda.code import Place as DevicePlace
from symfuse.runtime.host.image import Image
from symfuse.runtime.log import log

from ...ir.dims import Dim
from ...kernel.lower import Buffers
from ...kernel.phases import Buffer, Kernel
from ..layout import Layout
from ..llvm.link import link
from ..llvm.machine import Level, host_machine
from ..llvm.prepare import prepare_text
from ..target import Code, Usage
from .kernels import KernelSource, kernel_source
from .machine import SIMULATED
from .nvrtc import Form, Request, Translation, translate_all
from .preamble import preamble
from .product_launches import product_launch
from .report import occupancy, read_log
from .sass import disassemble
from .scalars import helpers

__all__ = ["CudaProgram", "write_program"]


def write_program(
    kernels: Sequence[Kernel], layout: Layout, buffers: Buffers, arch: str, *, is_fast: bool
) -> CudaProgram:
    """The sources and the launches; formulas among their numbers become extras of the layout."""
    counts = _Counts()
    place = partial(_place, layout, counts)
    own = [kernel for kernel in kernels if kernel.by_library is None]
    sources = {kernel: kernel_source(kernel, layout.symbols) for kernel in own}
    modules = {kernel: 0 if arch == SIMULATED else at for at, kernel in enumerate(own)}

    def launch(kernel: Kernel) -> KernelLaunch | ProductLaunch:
        if kernel.by_library is not None:
            return product_launch(kernel, buffers, place, counts)
        source = sources[kernel]
        return KernelLaunch(
            source.name,
            modules[kernel],
            counts(kernel.tiles),
            source.threads,
            source.shared,
            tuple(map(place, source.pointers)),
            tuple(layout.symbols.index(symbol) for symbol in source.sizes),
        )

    launches = tuple(map(launch, kernels))
    found = tuple(sources.get(kernel) for kernel in kernels)
    return CudaProgram(arch, found, launches, replace(layout, extra=counts.formulas), is_fast)


class _Counts:
    """Numbers of launches: those that are known, and places of those that depend on sizes."""

    def __init__(self) -> None:
        self._found: dict[Dim, Prepared] = {}

    def __call__(self, dim: Dim) -> Count:
        if isinstance(dim, int):
            return dim
        return self._found.setdefault(dim, Prepared(len(self._found)))

    @property
    def formulas(self) -> tuple[Dim, ...]:
        return tuple(self._found)


def _place(layout: Layout, counts: _Counts, buffer: Buffer) -> DevicePlace:
    at = layout.places(buffer)
    return DevicePlace(at.number, counts(at.offset) if at.number is None else 0)


class CudaProgram(Struct, frozen=True, eq=False, dict=True):
    """The sources of the kernels and how all is launched; `sources` has None for products."""

    arch: str
    sources: tuple[KernelSource | None, ...]
    launches: tuple[KernelLaunch | ProductLaunch, ...]
    layout: Layout
    is_fast: bool

    @cached_property
    def text(self) -> str:
        """All kernels behind what each of them needs."""
        return "\n".join([preamble(), helpers(), *(source.body for source in self._own)])

    def as_text(self, stage: str) -> str:
        """The sources, or what the compiler makes of each of them."""
        if stage == "cuda":
            return self.text
        if stage == "ptx":
            made = self._translated("default", form="ptx")
            return "\n".join(one.code.rstrip(b"\0").decode() for one in made)
        return "\n".join(disassemble(one.code) for one in self._translated("default"))

    def kernel_text(self, number: int) -> str:
        """One kernel without what stands in front of all."""
        source = self.sources[number]
        return "" if source is None else source.body.strip()

    def usage(self) -> Sequence[Usage | None]:
        """Threads and memory of each launch, and what the compiler says of its registers."""
        if self.arch == SIMULATED:
            return [Usage(s.threads, s.shared) if s else None for s in self.sources]
        made = iter(self._translated("default"))
        return [self._used(s, next(made)) if s else None for s in self.sources]

    def generate(self, level: Level) -> Code:
        """The modules with the launches, and code for the processor where sizes are left open."""
        device = DeviceCode(self._modules(level), self.launches, self.arch, len(self.layout.extra))
        if not self.layout.symbols:
            return Code(None, device)
        return Code(self._prepare(level), device, host_machine().features)

    @property
    def _own(self) -> list[KernelSource]:
        return [source for source in self.sources if source is not None]

    def _modules(self, level: Level) -> tuple[bytes, ...]:
        if self.arch != SIMULATED:
            return tuple(one.code for one in self._translated(level))
        return (self.text.encode(),) if self._own else ()

    def _prepare(self, level: Level) -> Image:
        declarations: set[str] = set()
        function = prepare_text(self.layout, declarations)
        machine = host_machine()
        lines = [*sorted(declarations), function, machine.attributes, ""]
        return link(machine.emit_object("\n".join(lines), level=level))

    def _translated(self, level: Level, form: Form = "cubin") -> tuple[Translation, ...]:
        effort = ("--ptxas-options=-O1",) if level == "fast-compile" else ()
        flags = (f"-fmad={str(self.is_fast).lower()}", *effort)
        requests = [Request(s.name, _bare(s.text), self.arch, form, flags) for s in self._own]
        return translate_all(requests, _tell)

    def _used(self, source: KernelSource, made: Translation) -> Usage:
        found = read_log(made.log)[source.name]
        room = occupancy(self.arch, found, source.threads, source.shared)
        return Usage(
            source.threads,
            source.shared + found.shared,
            found.registers,
            found.spilled,
            found.stack,
            room.fraction if room else None,
            room.limit if room else "",
            made.seconds,
        )


def _bare(text: str) -> str:
    """The text without comments, which name lines of the user that move while kernels stay."""
    return re.sub(r"^ *//.*\n", "", text, flags=re.MULTILINE)


def _tell(request: Request, made: Translation, number: int, total: int) -> None:
    """A line on the channel of compilations for each kernel."""
    how = "from the cache" if made.from_cache else f"in {1e3 * made.seconds:.0f} ms"
    log("passes", "kernel %d of %d, %s, %s", number, total, request.name, how)
