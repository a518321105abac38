"""The kernel language: a grid of tiles, a tile a list of phases, a phase a loop nest.

A `Part` covers a domain of axes. Each axis is cut into tiles of `tile` indices (None: one tile
covers it all); every combination of tiles runs independently of the others. Within a tile the
phases run in order. A phase loops over some of the axes; its body is straight-line scalar code on
the axes' symbols. `Loop` says how an axis is walked: steps of `copies` blocks of `threads` threads
of `lanes` lanes, so that index = ((step · copies + copy) · threads + thread) · lanes + lane.
A `Serial` walks an axis block by block and runs its phases in each block.

The threads of a tile share its work. A phase reads a thread's number digit by digit: its last loop
with threads has the lowest digit, the loops before it the next ones; below all digits stand `same`
neighbours that compute the same, of which the first writes memory. Where loops have `warps`, the
threads of an axis are in as many equal groups; the numbers of groups are digits above all others,
those inside of groups below, each in the order of the loops. Threads without a place in a phase
write nothing there. Each phase, and each block of a serial loop, sees what those before it
have written. What a fold gives is there for all threads.

A phase with a `Fragment` adds up products of what two locals hold, and its warps do so by products
of small matrices: rows × depth by depth × columns. Its value is that of the fold in its body, in
any order of the sum. Its loops say which sums a thread holds, and they follow from the machine:
`fragments.py` has the rules.
Nothing here knows a target; where locals live, masks, clamps and barriers are derived.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

from msgspec import Struct, field

from symfuse.runtime.dtypes import DType

from ..ir.dims import Dim, Symbol, ceil_div, maximum, minimum
from ..ir.op import Reduction
from .scalar import INSTRUCTIONS

__all__ = [
    "Access",
    "Axis",
    "Buffer",
    "Fragment",
    "Instr",
    "Kernel",
    "Local",
    "Loop",
    "Part",
    "Phase",
    "Reduce",
    "Serial",
    "body_cost",
]


class Buffer(Struct, frozen=True, eq=False):
    """Contiguous row-major memory that kernels read and write; where it lies is planned later."""

    name: str
    dtype: DType
    shape: tuple[Dim, ...]

    def __str__(self) -> str:
        return f"%{self.name}"


class Local(Struct, frozen=True, eq=False):
    """A value that outlives its phase inside a tile: one element for every index of `axes`.

    Of a cut axis these are the indices of the tile, of a serial loop's axis those of the block.
    """

    name: str
    dtype: DType
    axes: tuple[Symbol, ...]

    def __str__(self) -> str:
        return f"${self.name}"


class Access(Struct, frozen=True):
    """The element `offset + Σ strides[i] · args[i]` of a buffer; `guarded`: the last arg is a
    condition, and where it fails the element is not touched and `otherwise` stands for it.
    `padded`: there is memory to the end of the last tile, so that whole vectors may be touched."""

    buffer: Buffer
    offset: Dim
    strides: tuple[Dim, ...] = ()
    guarded: bool = False
    otherwise: float | int | bool = 0
    padded: bool = False

    @property
    def part(self) -> int | None:
        """Which one of a pair along the last axis this is, where that axis has two elements and
        one of them is known to be meant."""
        if self.buffer.shape[-1:] != (2,) or self.strides or self.guarded:
            return None
        part = self.offset % 2
        return part if isinstance(part, int) else None

    @property
    def pair(self) -> Dim:
        """Where the pair begins that this is a part of; of others, the place itself."""
        return self.offset - (self.part or 0)


class Reduce(Struct, frozen=True):
    """Fold the argument over the axes `over` into a local; in a serial loop along one of them it
    goes on from block to block, or begins `anew` in each; or with what a local carried by the loop
    holds, `onto` which it folds."""

    local: Local
    reduction: Reduction
    over: frozenset[Symbol]
    anew: bool = False
    onto: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether the fold itself goes on from block to block of a loop along its axis."""
        return not (self.anew or self.onto)


class Instr(Struct, frozen=True, eq=False):
    """One instruction of a body: a scalar instruction by name, or one of load, store, accumulate,
    get, put, reduce, scan, index, below, const, convert, bitcast (see `detail`).

    `accumulate` adds to what memory holds, in the order of the axes that it does not vary with.
    `scan` is a fold whose value is its state so far: at each index that of all elements up to it,
    in the order of the indices, whichever threads and lanes hold them."""

    op: str
    args: tuple[Instr, ...]
    dtype: DType
    detail: Any = None
    axes: frozenset[Symbol] = frozenset()  # the loop symbols that the value changes with

    @property
    def is_effect(self) -> bool:
        return self.op in ("store", "accumulate", "put", "reduce")

    @property
    def is_fold(self) -> bool:
        return self.op in ("reduce", "scan")


class Axis(Struct, frozen=True):
    """One axis of a part's domain and how it is cut into tiles; `number` counts them."""

    symbol: Symbol
    extent: Dim
    tile: int | None = None
    number: Symbol | None = None

    @property
    def tiles(self) -> Dim:
        """How many tiles the axis has."""
        return 1 if self.tile is None else ceil_div(self.extent, self.tile)

    @property
    def divides(self) -> bool:
        """Whether every tile is known to be full."""
        whole = self.tile is None or self.tile == 1
        return whole or (isinstance(self.extent, int) and self.extent % (self.tile or 1) == 0)


class Loop(Struct, frozen=True):
    """How a phase walks an axis inside a tile; not `rolled`: one step covers the tile.

    `warps`: so many equal groups of its threads lie farther apart than all others.
    """

    symbol: Symbol
    lanes: int = 1
    copies: int = 1
    threads: int = 1
    rolled: bool = True
    warps: int = 1

    @property
    def step(self) -> int:
        return self.lanes * self.copies * self.threads


class Fragment(Struct, frozen=True):
    """The matrices that a warp multiplies at once, of elements of `dtype`, summed in f32.

    Elements in f32 are rounded to 11 digits on their way into a product.
    """

    dtype: DType
    rows: int = 16
    columns: int = 8

    @property
    def depth(self) -> int:
        """How many products one sum is longer by: as many as 32 bytes hold."""
        return 32 // self.dtype.itemsize


class Phase(Struct, frozen=True):
    """A loop nest, outermost loop first, and the body of its innermost point.

    `same`: so many neighbouring threads compute the same. `fragment`: warps fold the body's
    products by matrices of this shape. `ahead`: places that later turns, or the next
    tile, read, worth having on their way from memory by then.
    """

    loops: tuple[Loop, ...]
    body: tuple[Instr, ...]
    same: int = 1
    fragment: Fragment | None = None
    ahead: tuple[Access, ...] = ()

    @property
    def threads(self) -> int:
        """How many threads have a place in this phase."""
        return self.same * prod(loop.threads for loop in self.loops)

    @property
    def effects(self) -> tuple[Instr, ...]:
        return tuple(instr for instr in self.body if instr.is_effect)

    @property
    def reduced(self) -> frozenset[Symbol]:
        """The axes that this phase folds."""
        over = (i.detail.over for i in self.body if i.is_fold)
        return frozenset().union(*over)


class Serial(Struct, frozen=True):
    """A loop over an axis in blocks of `block` indices, in order; its phases run in each block.

    To them a block is what a tile is to other phases: a loop over the axis walks the block, and
    the last block may be cut off. A fold over the axis goes on from block to block; its local is
    there once the loop is over. The locals `carried` have values before the loop; each block puts
    new ones, or folds onto them, for the block after it, and what the last has left is there after
    the loop. The put alone reads what such a local has held before, in its phase. Any other local
    that the phases write is new in every block, and gone after the loop. Blocks that end before
    `start`, and those from `stop` on, are left out.
    `stages`: so many blocks are worth having on their way from memory.
    """

    symbol: Symbol
    block: int
    phases: tuple[Phase, ...]
    stages: int = 1
    carried: tuple[Local, ...] = ()
    stop: Dim | None = None
    start: Dim | None = None

    @property
    def first(self) -> Dim:
        """Where the first block begins."""
        return 0 if self.start is None else maximum(self.start, 0) // self.block * self.block

    def end(self, extent: Dim) -> Dim:
        """Where blocks no longer begin."""
        return extent if self.stop is None else minimum(extent, self.stop)

    def most(self, extent: Dim) -> Dim:
        """How many indices blocks cover, at most."""
        span = None if self.start is None or self.stop is None else self.stop - self.start
        return span if isinstance(span, int) else extent


class Part(Struct, frozen=True):
    """A domain, its tiles, and what runs in each."""

    axes: tuple[Axis, ...]
    phases: tuple[Phase | Serial, ...]

    @property
    def tiles(self) -> Dim:
        total: Dim = 1
        for axis in self.axes:
            total = total * axis.tiles
        return total

    @property
    def threads(self) -> int:
        """How many threads the phases of a tile make use of."""
        return max((phase.threads for phase in self.every_phase()), default=1)

    def every_phase(self) -> Iterator[Phase]:
        """The phases in order, those of serial loops once."""
        for item in self.phases:
            yield from item.phases if isinstance(item, Serial) else (item,)

    def instructions(self) -> Iterator[Instr]:
        for phase in self.every_phase():
            yield from phase.body


class Kernel(Struct, frozen=True, eq=False):
    """One launch: independent parts side by side, numbered through tile by tile."""

    name: str
    kind: str
    parts: tuple[Part, ...]
    work: Dim  # estimated scalar additions, which decide whether threads are worth their start
    nodes: tuple[Any, ...] = ()  # the graph nodes that are computed here, for explanations
    reads: tuple[Buffer, ...] = field(default=())
    writes: tuple[Buffer, ...] = field(default=())
    by_library: Any = None  # what a library computes instead of the parts
    region: Any = None  # what runs other launches instead of the parts (`regions.py`)
    why: str = ""  # the reason for a launch that prepares another, for explanations
    overwritten: tuple[Buffer, ...] = ()  # what a library may overwrite by the result in its place

    @property
    def tiles(self) -> Dim:
        total: Dim = 0
        for part in self.parts:
            total = total + part.tiles
        return total

    def reads_in_place(self, source: Buffer, result: Buffer) -> bool:
        """Whether each element of `source` is read only where `result` is stored in its place,
        and before that."""
        if self.region is not None:
            return _carried_in_place(self, source, result)
        if self.by_library is not None and source not in self.overwritten:
            return source not in self.reads
        return all(_in_place(part, source, result) for part in self.parts)


def _carried_in_place(kernel: Kernel, source: Buffer, result: Buffer) -> bool:
    """Whether a loop overwrites what it begins with turn by turn, and reads it for nothing else."""
    carries = [c for c in getattr(kernel.region, "carries", ()) if c.start is source]
    alone = len(carries) == 1 and carries[0].last is result and carries[0].spare is None
    return alone and kernel.reads.count(source) == 1


def _in_place(part: Part, source: Buffer, result: Buffer) -> bool:
    touched = list(enumerate(i for i in part.instructions() if isinstance(i.detail, Access)))
    loads = [(at, i) for at, i in touched if i.op == "load" and i.detail.buffer is source]
    stores = [(at, i) for at, i in touched if i.op != "load" and i.detail.buffer is result]
    if not loads:
        return True
    if not stores or any(i.op != "store" or i.detail.strides for _, i in stores):
        return False
    places = {i if i.detail.strides else i.detail.pair for _, i in (*loads, *stores)}
    before = max(at for at, _ in loads) < min(at for at, _ in stores)
    return len(places) == 1 and before and _in_one_thread(part, source, result)


def _in_one_thread(part: Part, source: Buffer, result: Buffer) -> bool:
    """Whether no thread uses an element that another one may have overwritten."""
    phases = [phase for phase in part.every_phase() if _touches(phase, (source, result))]
    walks = {(phase.loops, phase.same) for phase in phases}
    alone = len(walks) == 1 and all(
        prod(loop.threads for loop in phase.loops) == part.threads or _only_stores(phase, source)
        for phase in phases
    )
    return part.threads == 1 or alone


def _touches(phase: Phase, buffers: tuple[Buffer, ...]) -> bool:
    return any(isinstance(i.detail, Access) and i.detail.buffer in buffers for i in phase.body)


def _only_stores(phase: Phase, source: Buffer) -> bool:
    """Whether what is read goes nowhere but to memory, so that it matters to the thread that
    writes and to none that computes the same."""
    read: set[Instr] = set()
    for instr in phase.body:
        here = instr.op == "load" and instr.detail.buffer is source
        if here or not read.isdisjoint(instr.args):
            read.add(instr)
    return not any(i.op in ("put", "reduce", "scan") for i in read)


def body_cost(body: Iterable[Instr]) -> int:
    """Scalar additions that one point of a body is worth."""
    return sum(INSTRUCTIONS[i.op].cost if i.op in INSTRUCTIONS else 1 for i in body)
