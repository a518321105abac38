"""One kernel → an LLVM function that runs its share of the tiles, and one for each of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ...ir.dims import Dim, Symbol, maximum, minimum
from ...kernel.forms import operands, part_operands
from ...kernel.phases import Axis, Buffer, Kernel, Part, Serial
from .addresses import Indices
from .loops import Nest
from .memory import Memory
from .positions import Range
from .records import call
from .routines import write_routines
from .scalars import LlvmScalars
from .units import part_head
from .writer import Writer

__all__ = ["chunks_of", "kernel_text", "load_sizes", "part_text"]

CHUNK_WORK = 500_000  # scalar additions of a chunk: with fewer, sharing costs more than it gains
MOST_CHUNKS = 32


def kernel_text(
    kernel: Kernel, parts: Sequence[str], sizes: tuple[Symbol, ...], declarations: set[str]
) -> str:
    """`void kernel(frame, chunk, chunks)`: tiles chunk·n/chunks up to (chunk + 1)·n/chunks.

    The frame holds the addresses of the sizes and of each operand. `parts` are the functions of its
    parts where it has several.
    """
    params = (("ptr", "%frame"), ("i32", "%chunk"), ("i32", "%chunks"))
    w = Writer(kernel.name, params, linkage="hidden", declarations=declarations)
    scalars = LlvmScalars(w)
    at = Indices(w, scalars)
    load_sizes(w, at, _field(w, "%frame", 0) if sizes else "", sizes)
    share = _share(w, at, kernel)
    if parts:
        _call_parts(w, at, kernel, parts, share)
    else:
        pointers = {b: _field(w, "%frame", n) for n, b in enumerate(operands(kernel), 1)}
        if kernel.by_library is not None:
            write_routines(kernel.by_library, w, at, pointers, share)
        for part in kernel.parts:
            _Tiles(w, scalars, at, pointers, part).write(*share)
    w.line("ret void")
    return w.text()


def part_text(name: str, part: Part, sizes: tuple[Symbol, ...], declarations: set[str]) -> str:
    """`void part(sizes, operands, first, last)`: the tiles of a part from first up to last."""
    params = (("ptr", "%sizes"), ("ptr", "%operands"), ("i64", "%first"), ("i64", "%last"))
    w = Writer(name, params, linkage="hidden", declarations=declarations)
    scalars = LlvmScalars(w)
    at = Indices(w, scalars)
    load_sizes(w, at, "%sizes", sizes)
    pointers = {b: _field(w, "%operands", n) for n, b in enumerate(part_operands(part))}
    _Tiles(w, scalars, at, pointers, part).write("%first", "%last")
    w.line("ret void")
    return w.text()


def chunks_of(kernel: Kernel) -> Dim:
    """Enough for threads to share evenly, in pairs, each worth more than it costs to claim."""
    most = minimum(_shared(kernel), MOST_CHUNKS)
    return minimum(most, maximum(2 * (kernel.work // (2 * CHUNK_WORK)), 1))


def _shared(kernel: Kernel) -> Dim:
    """How many parts there are for threads to share."""
    return kernel.tiles if kernel.by_library is None else kernel.by_library.plan.rows


def load_sizes(w: Writer, at: Indices, pointer: str, sizes: tuple[Symbol, ...]) -> None:
    """Bind the symbolic sizes of the program to what the call has found."""
    for number, symbol in enumerate(sizes):
        place = w.emit(f"getelementptr i64, ptr {pointer}, i64 {number}", "p")
        at.bind(symbol, w.emit(f"load i64, ptr {place}, align 8", "size"))


def _field(w: Writer, table: str, number: int) -> str:
    """The address that stands in a table."""
    place = w.emit(f"getelementptr ptr, ptr {table}, i64 {number}", "p")
    return w.emit(f"load ptr, ptr {place}, align 8", "p")


def _share(w: Writer, at: Indices, kernel: Kernel) -> tuple[str, str]:
    """The first and one past the last tile, or row for a library, of this chunk."""
    total = at.at_base(_shared(kernel))
    if chunks_of(kernel) == 1:
        return "0", total
    chunk, chunks = (w.emit(f"zext i32 {name} to i64") for name in ("%chunk", "%chunks"))
    after = w.emit(f"add i64 {chunk}, 1")
    scaled = [w.emit(f"mul i64 {total}, {number}") for number in (chunk, after)]
    first, last = (w.emit(f"udiv i64 {number}, {chunks}") for number in scaled)
    return first, last


def _call_parts(
    w: Writer, at: Indices, kernel: Kernel, names: Sequence[str], share: tuple[str, str]
) -> None:
    """Each part with the tiles that fall into the share."""
    sizes = _field(w, "%frame", 0)
    done: Dim = 0
    before = 1
    for part, name in zip(kernel.parts, names, strict=True):
        w.declare(part_head(name))
        table = w.emit(f"getelementptr ptr, ptr %frame, i64 {before}", "p")
        first, last = _overlap(w, at, share, done, done + part.tiles)
        w.line(f"call void @{name}(ptr {sizes}, ptr {table}, i64 {first}, i64 {last})")
        done = done + part.tiles
        before += len(part_operands(part))


def _overlap(
    w: Writer, at: Indices, share: tuple[str, str], start: Dim, stop: Dim
) -> tuple[str, str]:
    """The share of the tiles of a part, counted from its first."""
    low, high = at.at_base(start), at.at_base(stop)
    first = call(w, "i64", "llvm.smax.i64", f"i64 {share[0]}", f"i64 {low}")
    last = call(w, "i64", "llvm.smin.i64", f"i64 {share[1]}", f"i64 {high}")
    return w.emit(f"sub nsw i64 {first}, {low}"), w.emit(f"sub nsw i64 {last}, {low}")


class _Tiles:
    """Writes the loop over tiles of a part, whose operands are at the given addresses."""

    def __init__(
        self,
        w: Writer,
        scalars: LlvmScalars,
        at: Indices,
        pointers: Mapping[Buffer, str],
        part: Part,
    ) -> None:
        self.w, self.s, self.at, self.pointers, self.part = w, scalars, at, pointers, part
        self.axes = {axis.symbol: axis for axis in part.axes}

    def write(self, first: str, last: str) -> None:
        """The tiles from first up to last."""
        with self.w.loop(first, last, 1, hint="tile") as tile:
            self.at.open()
            self._tile(self.part, self._coordinates(self.part, tile.index))
            self.at.close()

    def _coordinates(self, part: Part, number: str) -> dict[Symbol, str]:
        """The first index of every axis in this tile; the last axis changes fastest."""
        cut = [axis for axis in part.axes if axis.tile is not None and axis.tiles != 1]
        starts = {axis.symbol: "0" for axis in part.axes}
        for axis in part.axes:
            if axis.number is not None and axis not in cut:
                self.at.bind(axis.number, "0")
        for axis in reversed(cut):
            if axis is cut[0]:
                place = number
            else:
                count = self.at.at_base(axis.tiles)
                place = self.w.emit(f"urem i64 {number}, {count}")
                number = self.w.emit(f"udiv i64 {number}, {count}")
            if axis.number is not None:
                self.at.bind(axis.number, place)
            one = axis.tile == 1
            starts[axis.symbol] = place if one else self.w.emit(f"mul i64 {place}, {axis.tile}")
        return starts

    def _tile(self, part: Part, starts: dict[Symbol, str]) -> None:
        ranges = {axis.symbol: self._range(axis, starts[axis.symbol]) for axis in part.axes}
        for axis in part.axes:
            if axis.tile == 1 or axis.extent == 1:
                self.at.bind(axis.symbol, starts[axis.symbol])
        cut = self._cut(part, ranges)
        if not cut:
            self._phases(part, ranges, edge=False)
            return
        inside, outside, done = (self.w.label(f"tile.{kind}") for kind in ("full", "edge", "done"))
        self.w.branch_if(self._is_full(cut, ranges), inside, outside)
        for label, there in ((inside, ranges), (outside, _last_tile(cut, ranges))):
            self.w.start_block(label)
            self.at.open()
            self._phases(part, there, edge=label is outside)
            self.at.close()
            self.w.branch(done)
        self.w.start_block(done)

    def _range(self, axis: Axis, start: str) -> Range:
        if axis.tile is None:
            stop: Dim | str = axis.extent if isinstance(axis.extent, int) else self._stop(axis)
            return Range(0, stop, None, axis.extent, False)
        if axis.tiles == 1 and isinstance(axis.extent, int):
            return Range(0, axis.extent, axis.tile, axis.extent, False)
        after = self.w.emit(f"add nsw i64 {start}, {axis.tile}")
        if axis.divides:
            return Range(start, after, axis.tile, axis.extent, False)
        self.w.declare("declare i64 @llvm.smin.i64(i64, i64)")
        end = self.at.at_base(axis.extent)
        stop = self.w.emit(f"call i64 @llvm.smin.i64(i64 {after}, i64 {end})")
        return Range(start, stop, axis.tile, axis.extent, True)

    def _stop(self, axis: Axis) -> str:
        return self.at.at_base(axis.extent)

    def _cut(self, part: Part, ranges: Mapping[Symbol, Range]) -> list[Axis]:
        """The axes of unrolled loops whose last tile may be cut off."""
        blocks = {
            loop.symbol for phase in part.every_phase() for loop in phase.loops if not loop.rolled
        }
        return [a for a in part.axes if a.symbol in blocks and ranges[a.symbol].may_end_early]

    def _is_full(self, cut: list[Axis], ranges: Mapping[Symbol, Range]) -> str:
        """Whether this tile is cut off along none of the axes."""
        whole = ""
        for axis in cut:
            start, stop = ranges[axis.symbol].start, ranges[axis.symbol].stop
            length = self.w.emit(f"sub nsw i64 {stop}, {start}")
            full = self.w.emit(f"icmp eq i64 {length}, {axis.tile}")
            whole = self.w.emit(f"and i1 {whole}, {full}") if whole else full
        return whole

    def _phases(self, part: Part, ranges: Mapping[Symbol, Range], *, edge: bool) -> None:
        memory = Memory(self.w, self.s, self.at, self.pointers.__getitem__, self._tile_of)
        nest = Nest(self.w, self.s, self.at, memory, ranges, edge=edge)
        for phase in part.phases:
            if isinstance(phase, Serial) or phase.threads > 1:
                raise AssertionError("processors have no threads inside a tile and no blocks")
            nest.write(phase)

    def _tile_of(self, symbol: Symbol) -> tuple[Dim, int | None]:
        axis = self.axes[symbol]
        return axis.extent, axis.tile


def _last_tile(cut: list[Axis], ranges: Mapping[Symbol, Range]) -> Mapping[Symbol, Range]:
    """The ranges of a tile that is cut off: along a single axis of known size, how long it is."""
    axis = cut[0]
    if len(cut) > 1 or not isinstance(axis.extent, int) or axis.tile is None:
        return ranges
    rest = replace(ranges[axis.symbol], may_end_early=False, length=axis.extent % axis.tile)
    return {**ranges, axis.symbol: rest}
