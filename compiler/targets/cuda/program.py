"""Kernels → CUDA sources and launches → device code, and the host code that settles sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as changed
from functools import cached_property, partial

from msgspec import Struct
from msgspec.structs import replace

from symfuse.runtime.cuda.code import (
    Count,
    DeviceCode,
    Extent,
    KernelLaunch,
    LibraryLaunch,
    Prepared,
    ProductLaunch,
)
from symfuse.runtime.cuda.code import Place as DevicePlace
from symfuse.runtime.cuda.steps import Steps
from symfuse.runtime.host.image import Image
from symfuse.runtime.log import log

from ...ir.dims import Dim
from ...kernel.phases import Buffer, Kernel
from ...kernel.regions import Region, leaves
from ...passes.plan_memory import buffer_bytes
from ...progress import count
from ..layout import Layout
from ..llvm.link import link
from ..llvm.machine import Level, host_machine
from ..llvm.prepare import prepare_text
from ..target import Code, Usage
from .dnn_launches import DnnCall, dnn_launch
from .functions import Function, functions_of
from .kernels import KernelSource, kernel_source, prefix
from .machine import SIMULATED
from .nvrtc import Form, Request, Translation, translate_all
from .preamble import preamble
from .product_launches import product_launch
from .report import device_of, occupancy, read_log
from .sass import disassemble
from .scalars import helpers
from .staged import other_stages
from .steps import StepWriter, how_run

__all__ = ["CudaProgram", "write_program"]


def write_program(
    tree: Sequence[Kernel], layout: Layout, arch: str, *, is_fast: bool
) -> CudaProgram:
    """The sources and the launches; formulas among their numbers become extras of the layout."""
    counts = _Counts()
    place = partial(_place, layout, counts)
    kernels = tuple(leaves(tree))
    own = [made for kernel in kernels for made in _generated(kernel)]
    sources = {kernel: kernel_source(kernel, layout.symbols) for kernel in own}
    functions = functions_of(sources.values())
    distinct = tuple(dict.fromkeys(functions.values()))
    modules = {f: 0 if arch == SIMULATED else at for at, f in enumerate(distinct)}

    def launch(kernel: Kernel) -> KernelLaunch | LibraryLaunch:
        if isinstance(kernel.by_library, DnnCall):
            return dnn_launch(kernel, place, counts, own_launch)
        if kernel.by_library is not None:
            return product_launch(kernel, place, counts)
        return own_launch(kernel)

    def own_launch(kernel: Kernel) -> KernelLaunch:
        source = sources[kernel]
        return KernelLaunch(
            functions[source].entry,
            modules[functions[source]],
            counts(kernel.tiles),
            source.threads,
            source.shared,
            tuple(map(place, source.pointers)),
            tuple(layout.symbols.index(symbol) for symbol in source.sizes),
        )

    launches = tuple(map(launch, kernels))
    extents = tuple(
        _extents(kernel, launch, place, counts)
        for kernel, launch in zip(kernels, launches, strict=True)
    )
    numbers = {kernel: number for number, kernel in enumerate(kernels)}
    steps = () if kernels == tuple(tree) else StepWriter(numbers, place, counts).steps(tree)
    found = tuple(sources.get(kernel) for kernel in kernels)
    layout = replace(layout, extra=counts.formulas)
    return CudaProgram(
        arch, kernels, found, functions, distinct, launches, extents, steps, layout, is_fast
    )


def _generated(kernel: Kernel) -> tuple[Kernel, ...]:
    """The kernels that are compiled for a launch."""
    if isinstance(kernel.by_library, DnnCall):
        return kernel.by_library.otherwise
    return (kernel,) if kernel.by_library is None else ()


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


def _extents(
    kernel: Kernel,
    launch: KernelLaunch | LibraryLaunch,
    place: Callable[[Buffer], DevicePlace],
    counts: Callable[[Dim], Count],
) -> tuple[Extent, ...]:
    """What a launch touches behind each of its pointers, buffers in one place together; nothing
    where it may be more."""
    if not isinstance(launch, KernelLaunch | ProductLaunch):
        return ()
    found: dict[DevicePlace, Extent] = {}
    for buffer in (*kernel.reads, *kernel.writes):
        at, nbytes = place(buffer), counts(buffer_bytes(buffer))
        known = found.get(at, Extent(nbytes, False))
        if known.nbytes != nbytes:
            return ()
        found[at] = Extent(nbytes, known.written or buffer in kernel.writes)
    return tuple(found[pointer] for pointer in launch.pointers)


class CudaProgram(Struct, frozen=True, eq=False, dict=True):
    """The sources of the kernels and how all is launched; `sources` has None for libraries.

    `distinct` are the functions that are compiled: those of `functions`, each once.
    """

    arch: str
    kernels: tuple[Kernel, ...]
    sources: tuple[KernelSource | None, ...]
    functions: Mapping[KernelSource, Function]
    distinct: tuple[Function, ...]
    launches: tuple[KernelLaunch | LibraryLaunch, ...]
    extents: tuple[tuple[Extent, ...], ...]
    steps: Steps
    layout: Layout
    is_fast: bool

    @cached_property
    def text(self) -> str:
        """All kernels behind what each of them needs."""
        return "\n".join([preamble(), helpers(), *(s.body for s in self.functions)])

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

    def how_run(self, region: Region) -> str:
        """Whether turns are captured, and where the host has to look at values."""
        return how_run(region)

    def usage(self) -> Sequence[Usage | None]:
        """Threads and memory of each launch, and what the compiler says of its registers."""
        if self.arch == SIMULATED:
            return [Usage(s.threads, s.shared) if s else None for s in self.sources]
        made = dict(zip(self.distinct, self._translated("default"), strict=True))
        return [self._used(s, made) if s else None for s in self.sources]

    def generate(self, level: Level) -> Code:
        """The modules with the launches, and code for the processor where sizes are left open."""
        prepared, slots = len(self.layout.extra), self.layout.slots
        distinct, launches = (
            self._with_forms() if level == "max" else (self.distinct, self.launches)
        )
        device = DeviceCode(
            self._modules(level, distinct),
            launches,
            self.arch,
            prepared,
            self.steps,
            slots,
            self.extents,
        )
        if not self.layout.symbols:
            return Code(None, device)
        return Code(self._prepare(level), device, host_machine().features)

    def timed(self, level: Level) -> None:
        """Nothing: events of the device tell the times of launches."""

    def _with_forms(
        self,
    ) -> tuple[tuple[Function, ...], tuple[KernelLaunch | LibraryLaunch, ...]]:
        """All functions and launches, with the other forms of kernels that fetch blocks ahead."""
        device = device_of(self.arch)
        forms = {
            at: tuple(other_stages(kernel, self.layout.symbols, device))
            for at, kernel in enumerate(self.kernels)
            if isinstance(self.launches[at], KernelLaunch)
        }
        functions = functions_of(form for some in forms.values() for form in some)
        distinct = tuple(dict.fromkeys((*self.distinct, *functions.values())))
        modules = {f: 0 if self.arch == SIMULATED else at for at, f in enumerate(distinct)}
        launches = list(self.launches)
        for at, some in forms.items():
            first = launches[at]
            assert isinstance(first, KernelLaunch)
            others = []
            for form in some:
                name = functions[form]
                others.append(
                    changed(first, entry=name.entry, module=modules[name], shared=form.shared)
                )
            launches[at] = changed(first, others=tuple(others))
        return distinct, tuple(launches)

    def _modules(self, level: Level, distinct: Sequence[Function]) -> tuple[bytes, ...]:
        if self.arch != SIMULATED:
            return tuple(one.code for one in self._translated(level, distinct))
        every = [prefix(), *(function.body for function in distinct)]
        return ("\n".join(every).encode(),) if distinct else ()

    def _prepare(self, level: Level) -> Image:
        declarations: set[str] = set()
        function = prepare_text(self.layout, declarations)
        text = "\n".join([*sorted(declarations), function])
        return link(host_machine().emit_object(text, level=level))

    def _translated(
        self, level: Level, distinct: Sequence[Function] = (), form: Form = "cubin"
    ) -> tuple[Translation, ...]:
        effort = ("--ptxas-options=-O1",) if level == "fast-compile" else ()
        flags = (f"-fmad={str(self.is_fast).lower()}", *effort)
        requests = [
            Request(f.entry, prefix() + f.body, self.arch, form, flags)
            for f in distinct or self.distinct
        ]
        return translate_all(requests, _tell)

    def _used(self, source: KernelSource, every: Mapping[Function, Translation]) -> Usage:
        function = self.functions[source]
        made = every[function]
        found = read_log(made.log)[function.entry]
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


def _tell(request: Request, made: Translation, number: int, total: int) -> None:
    """A line on the channel of compilations for each kernel, and a count for those who wait."""
    how = "from the cache" if made.from_cache else f"in {1e3 * made.seconds:.0f} ms"
    log("passes", "kernel %d of %d, %s, %s", number, total, request.name, how)
    count("kernels", number, total)
