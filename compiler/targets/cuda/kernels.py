"""One kernel → the text of one CUDA kernel, of which each block runs one tile."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim, Symbol, symbols, upper_bound
from ...kernel.phases import Access, Axis, Buffer, Kernel, Part
from ...kernel.processor import DEVICE
from .barriers import Barriers
from .indices import Indices
from .layout import ENDINGS, Span, layouts, tile_span
from .memory import Memory
from .parts import PartText
from .pipeline import pipelined
from .preamble import preamble
from .scalars import c_type, helpers
from .storage import Shared, derive_storage, is_single, kept_in
from .tile import WARP, Tile
from .writer import Writer

__all__ = ["KernelSource", "kernel_source", "prefix"]

_BYTE = DType.U8
FEW_THREADS = 384  # of a multiprocessor, each of which may have 168 registers


class KernelSource(Struct, frozen=True):
    """The text of a kernel and how it is launched.

    Its parameters are `pointers`, then one i64 for each of `sizes`; `shared` counts the bytes of
    dynamic shared memory. `body` is the text without what stands in front of every kernel, `names`
    are the identifiers that it declares.
    """

    name: str
    body: str
    threads: int
    shared: int
    pointers: tuple[Buffer, ...]
    sizes: tuple[Symbol, ...]
    names: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """All that is compiled."""
        return prefix() + self.body


@cache
def prefix() -> str:
    """What stands in front of every kernel."""
    return f"{preamble()}\n{helpers()}\n"


def kernel_source(kernel: Kernel, sizes: tuple[Symbol, ...]) -> KernelSource:
    """The CUDA C++ of a kernel; `sizes` are the symbolic sizes of its program."""
    return _KernelText(kernel, sizes).source()


class _KernelText:
    def __init__(self, kernel: Kernel, sizes: tuple[Symbol, ...]) -> None:
        self.kernel, self.w, self.indices = kernel, Writer(), Indices()
        self.name = self.w.name(kernel.name)
        self.threads = max(-(-part.threads // WARP) * WARP for part in kernel.parts)
        self.buffers = tuple(dict.fromkeys((*kernel.reads, *kernel.writes)))
        self.pointers = {buffer: self.w.name(buffer.name) for buffer in self.buffers}
        self.alias = _aliases(kernel)
        used = _sizes(kernel)
        self.sizes = tuple(symbol for symbol in sizes if symbol in used)
        self.shared: list[list[Shared]] = []
        self.scratch = 0

    def source(self) -> KernelSource:
        params = self._parameters()
        done: Dim = 0
        for number, part in enumerate(self.kernel.parts):
            with self._branch(number, done + part.tiles):
                self._part(part, self._tile_number(done))
            done = done + part.tiles
        arrays, dynamic = self._shared_arrays()
        head = [*self._title(), f"SF_KERNEL({self.name}, {self.threads}{self._room(dynamic)})"]
        head.append(f"({', '.join(f'{kind} {name}' for kind, name in params)}) {{")
        opening = [*arrays, "const i32 thread = sf_thread();", "const i32 block = sf_block();"]
        exported = ", ".join(
            [self.name, *(kind.replace(" __restrict__", "") for kind, _ in params)]
        )
        lines = (
            *head,
            *(f"    {line}" for line in opening),
            *self.w.lines,
            "}",
            f"SF_EXPORT({exported});",
        )
        body = "\n".join(lines) + "\n"
        names = self.w.names
        return KernelSource(self.name, body, self.threads, dynamic, self.buffers, self.sizes, names)

    # the head

    def _room(self, dynamic: int) -> str:
        """How many blocks shared memory has room for, where registers then need not be saved."""
        blocks = DEVICE.most_shared_bytes // dynamic if dynamic else 0
        return f", {blocks}" if 0 < blocks * self.threads <= FEW_THREADS else ""

    def _title(self) -> list[str]:
        lines = dict.fromkeys(_line(node) for node in self.kernel.nodes)
        return [f"// {self.kernel.kind}", *(f"//   {line}" for line in lines)]

    def _parameters(self) -> list[tuple[str, str]]:
        """Types and names: the buffers, then the sizes."""
        found = []
        groups = list(self.alias.values())
        for buffer in self.buffers:
            const = "" if buffer in self.kernel.writes else "const "
            alone = " __restrict__" if groups.count(self.alias[buffer]) == 1 else ""
            found.append((f"{const}{c_type(buffer.dtype)}*{alone}", self.pointers[buffer]))
        for symbol in self.sizes:
            name = self.w.name(symbol.name)
            self.indices.bind(symbol, name, wide=True)
            found.append(("i64", name))
        return found

    def _shared_arrays(self) -> tuple[list[str], int]:
        """Declarations of shared memory, and the bytes of it that a launch must ask for."""
        scratch = [Shared("scratch", _BYTE, (), self.scratch)] if self.scratch else []
        sizes = [sum(array.size for array in (*scratch, *arrays)) for arrays in self.shared]
        if sum(sizes) <= DEVICE.shared_bytes:
            every = [*scratch, *(array for arrays in self.shared for array in arrays)]
            kinds = ["char" if a in scratch else c_type(a.dtype) for a in every]
            return [
                f"SF_SHARED({kind}, {a.array}, {a.slots * a.slot});"
                for kind, a in zip(kinds, every, strict=True)
            ], 0
        lines = ["SF_DYNAMIC_SHARED(shared);"]
        lines += ["char* const scratch = shared;"] if scratch else []
        for arrays in self.shared:
            at = sum(array.size for array in scratch)
            for array in arrays:
                kind = c_type(array.dtype)
                lines.append(f"{kind}* const {array.array} = ({kind}*)(shared + {at});")
                at += array.size
        return lines, max(sizes)

    # tiles

    def _branch(self, number: int, stop: Dim) -> AbstractContextManager[None]:
        """The blocks of a part, where there are several parts."""
        parts = len(self.kernel.parts)
        if parts == 1:
            return nullcontext()
        last = number == parts - 1
        test = "" if last else f"if (block < {self.indices.text(stop)})"
        return self.w.block(f"else {test}".strip() if number else test)

    def _tile_number(self, done: Dim) -> str:
        if done == 0:
            return "block"
        name = self.w.fresh("tile")
        self.w.line(f"const i32 {name} = block - {self.indices.factor(done)};")
        return name

    def _part(self, part: Part, number: str) -> None:
        axes = {axis.symbol: axis for axis in part.axes}
        names = {axis: self.w.name(axis.name, ENDINGS) for axis in axes}
        spans = self._spans(part, number, names)
        found = layouts(part, spans, names)
        locals_ = dict.fromkeys(x for la in found for i in la.phase.body if (x := kept_in(i)))
        called = {local: self.w.name(local.name, ("_slots",)) for local in locals_}
        storage = derive_storage(found, axes, self.threads, called)
        memory = Memory(self.indices, self.pointers, storage)
        storage, fetched = pipelined(part, found, memory)
        self.shared.append([x for x in storage.values() if isinstance(x, Shared)])
        tile = Tile(self.w, self.indices, self.threads, self.pointers, storage)
        meets = Barriers(part, found, storage, self.threads, self.alias, fetched).find()
        PartText(tile, part, axes, found, meets).write()
        self.scratch = max(self.scratch, tile.scratch_bytes)

    def _spans(self, part: Part, number: str, names: Mapping[Symbol, str]) -> dict[Symbol, Span]:
        """The indices of every axis in this tile; the last axis changes fastest."""
        cut = [axis for axis in part.axes if axis.tile is not None and axis.tiles != 1]
        spans = {}
        for axis in reversed(part.axes):
            place = _number(axis)
            if axis not in cut:
                self.indices.bind(place, "0")
            elif axis is cut[0]:
                self._bind_number(axis, place, number, names)
            else:
                count = self.indices.factor(axis.tiles)
                self._bind_number(axis, place, f"{number} % {count}", names)
                rest = self.w.fresh("rest")
                self.w.line(f"const i32 {rest} = {number} / {count};")
                number = rest
            spans[axis.symbol] = tile_span(axis, place)
            if is_single(axis):
                text = self.indices.text(spans[axis.symbol].start)
                self.indices.bind(axis.symbol, text)
        return spans

    def _bind_number(
        self, axis: Axis, place: Symbol, text: str, names: Mapping[Symbol, str]
    ) -> None:
        name = self.w.name(f"{names[axis.symbol]}_tile")
        self.w.line(f"const i32 {name} = {text};")
        self.indices.bind(place, name)


def _number(axis: Axis) -> Symbol:
    """The number of the tile along an axis."""
    if axis.number is not None:
        return axis.number
    upper = upper_bound(axis.tiles)
    return Symbol(f"{axis.symbol}_tile", 0, None if upper is None else max(0, upper - 1))


def _aliases(kernel: Kernel) -> dict[Buffer, Hashable]:
    """A group for every buffer; buffers that may lie in the same memory share one."""
    group: dict[Buffer, Hashable] = {b: b for b in (*kernel.reads, *kernel.writes)}
    for result in kernel.writes:
        for source in kernel.reads:
            if source is not result and kernel.reads_in_place(source, result):
                old, new = group[source], group[result]
                group = {b: new if g == old else g for b, g in group.items()}
    return group


def _sizes(kernel: Kernel) -> set[Symbol]:
    """Every symbol in the index expressions of a kernel."""
    dims: list[Dim] = []
    for part in kernel.parts:
        dims.extend(axis.extent for axis in part.axes)
        for instr in part.instructions():
            if isinstance(instr.detail, Access):
                dims.extend((instr.detail.offset, *instr.detail.strides))
            elif instr.op in ("index", "below"):
                dims.extend(instr.detail if instr.op == "below" else (instr.detail,))
    return {symbol for dim in dims for symbol in symbols(dim)}


def _line(node: object) -> str:
    source = getattr(node, "source", None)
    loc = getattr(source, "loc", None)
    return f"{getattr(node, 'op', node)}{f' ({loc})' if loc is not None else ''}"
