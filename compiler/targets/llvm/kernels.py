"""One kernel → one LLVM function that runs its share of the tiles."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ...ir.dims import Dim, Symbol, maximum, minimum
from ...kernel.forms import operands
from ...kernel.phases import Axis, Buffer, Kernel, Part, Serial
from .addresses import Indices
from .loops import Nest, Range
from .memory import Memory
from .routines import write_routines
from .scalars import LlvmScalars
from .writer import Writer

__all__ = ["chunks_of", "kernel_text", "load_sizes"]

CHUNK_WORK = 500_000  # scalar additions of a chunk: with fewer, sharing costs more than it gains
MOST_CHUNKS = 32


def kernel_text(kernel: Kernel, sizes: tuple[Symbol, ...], declarations: set[str]) -> str:
    """`void kernel(frame, chunk, chunks)`: tiles chunk·n/chunks up to (chunk + 1)·n/chunks.

    The frame holds the addresses of the sizes and of each operand.
    """
    return _KernelText(kernel, sizes, declarations).text()


def chunks_of(kernel: Kernel) -> Dim:
    """Enough for threads to share evenly, each worth more than it costs to claim."""
    most = minimum(_shared(kernel), MOST_CHUNKS)
    return minimum(most, maximum(kernel.work // CHUNK_WORK, 1))


def _shared(kernel: Kernel) -> Dim:
    """How many parts there are for threads to share."""
    return kernel.tiles if kernel.by_library is None else kernel.by_library.plan.rows


def load_sizes(w: Writer, at: Indices, pointer: str, sizes: tuple[Symbol, ...]) -> None:
    """Bind the symbolic sizes of the program to what the call has found."""
    for number, symbol in enumerate(sizes):
        place = w.emit(f"getelementptr i64, ptr {pointer}, i64 {number}", "p")
        at.bind(symbol, w.emit(f"load i64, ptr {place}, align 8", "size"))


class _KernelText:
    def __init__(self, kernel: Kernel, sizes: tuple[Symbol, ...], declarations: set[str]) -> None:
        params = (("ptr", "%frame"), ("i32", "%chunk"), ("i32", "%chunks"))
        self.kernel, self.sizes = kernel, sizes
        self.w = Writer(kernel.name, params, linkage="hidden", declarations=declarations)
        self.s = LlvmScalars(self.w)
        self.at = Indices(self.w, self.s)
        self.pointers: dict[Buffer, str] = {}
        self.axes: dict[Symbol, Axis] = {}

    def text(self) -> str:
        if self.sizes:
            load_sizes(self.w, self.at, self._field(0), self.sizes)
        for number, buffer in enumerate(operands(self.kernel), 1):
            self.pointers[buffer] = self._field(number)
        if self.kernel.by_library is not None:
            share = self._share()
            write_routines(self.kernel.by_library, self.w, self.at, self.pointers, share)
            self.w.line("ret void")
            return self.w.text()
        first, last = self._share()
        done: Dim = 0
        for part in self.kernel.parts:
            self._part(part, first, last, done)
            done = done + part.tiles
        self.w.line("ret void")
        return self.w.text()

    def _field(self, number: int) -> str:
        place = self.w.emit(f"getelementptr ptr, ptr %frame, i64 {number}", "p")
        return self.w.emit(f"load ptr, ptr {place}, align 8", "p")

    # tiles

    def _share(self) -> tuple[str, str]:
        """The first and one past the last tile, or row for a library, of this chunk."""
        total = self.at.at_base(_shared(self.kernel))
        if chunks_of(self.kernel) == 1:
            return "0", total
        chunk = self.w.emit("zext i32 %chunk to i64")
        chunks = self.w.emit("zext i32 %chunks to i64")
        after = self.w.emit(f"add i64 {chunk}, 1")
        bounds = []
        for number in (chunk, after):
            scaled = self.w.emit(f"mul i64 {total}, {number}")
            bounds.append(self.w.emit(f"udiv i64 {scaled}, {chunks}"))
        return bounds[0], bounds[1]

    def _part(self, part: Part, first: str, last: str, done: Dim) -> None:
        """The tiles of a part that fall into the share."""
        self.axes = {axis.symbol: axis for axis in part.axes}
        low, high = first, last
        if len(self.kernel.parts) > 1:
            low, high = self._overlap(first, last, done, done + part.tiles)
        with self.w.loop(low, high, 1, hint="tile") as tile:
            self.at.open()
            number = tile.index
            if done != 0:
                before = self.at.at_base(done)
                number = self.w.emit(f"sub nsw i64 {tile.index}, {before}")
            starts = self._coordinates(part, number)
            self._tile(part, starts)
            self.at.close()

    def _overlap(self, first: str, last: str, start: Dim, stop: Dim) -> tuple[str, str]:
        low, high = self.at.at_base(start), self.at.at_base(stop)
        for name in ("smax", "smin"):
            self.w.declare(f"declare i64 @llvm.{name}.i64(i64, i64)")
        return (
            self.w.emit(f"call i64 @llvm.smax.i64(i64 {first}, i64 {low})"),
            self.w.emit(f"call i64 @llvm.smin.i64(i64 {last}, i64 {high})"),
        )

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
