"""How threads walk a phase: spans of axes, digits of thread numbers, turns of loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from math import gcd, prod

from msgspec import Struct
from msgspec.structs import replace

from ...ir.dims import Dim, Symbol, is_multiple, minimum, symbols, upper_bound
from ...kernel.phases import Axis, Instr, Loop, Part, Phase, Serial
from .indices import FITS

__all__ = [
    "ENDINGS",
    "Layout",
    "Span",
    "Turn",
    "Walk",
    "block_span",
    "block_start",
    "layouts",
    "tile_span",
]

ENDINGS = ("_at", "_in", "_s", "_c", "_l")  # of the variables that belong to one axis


class Span(Struct, frozen=True):
    """The indices of an axis in a tile or block: from `start`, `cut` of them at most."""

    start: Dim
    extent: Dim
    cut: int | None

    @property
    def most(self) -> int | None:
        """How many there are at most, if that is known."""
        known = [n for n in (self.cut, self.extent) if isinstance(n, int)]
        return min(known, default=None)

    def is_whole(self, step: int) -> bool:
        """Whether steps of this length end where every tile ends."""
        if self.start == 0 and (self.cut is None or self.most == self.extent):
            return is_multiple(self.extent, step) is True
        return (self.cut or 0) % step == 0 and is_multiple(self.extent, step) is True

    def limit(self, step: int) -> Dim:
        """What indices must stay below; steps that fill a tile cannot pass its end."""
        if self.cut is None or self.cut % step == 0 or self.most == self.extent:
            return self.extent
        return minimum(self.start + self.cut, self.extent)


def tile_span(axis: Axis, number: Symbol) -> Span:
    """The indices of an axis in tile `number`."""
    if axis.tile is None or axis.tiles == 1:
        return Span(0, axis.extent, None if axis.tile is None else axis.tile)
    return Span(number * axis.tile, axis.extent, axis.tile)


def block_span(axis: Axis, serial: Serial, start: Symbol) -> Span:
    """The indices of a serial loop's axis in the block from `start` on."""
    return Span(start + 0, axis.extent, serial.block)


class Turn(Struct, frozen=True):
    """An unrolled loop: over steps, copies or lanes of an axis."""

    name: str
    count: int
    symbol: Symbol
    kind: str

    @property
    def place(self) -> Symbol:
        """The loop's variable in index expressions."""
        return Symbol(self.name, 0, self.count - 1, 1)


class Walk(Struct, frozen=True, eq=False, dict=True):
    """One loop of a phase; its thread digit is (thread // stride) % threads.

    Where it has warps, that is the digit inside of one, and their number is (thread // far) %
    warps.
    """

    loop: Loop
    span: Span
    stride: int
    name: str
    far: int = 0

    @property
    def symbol(self) -> Symbol:
        return self.loop.symbol

    @property
    def lanes(self) -> int:
        return self.loop.lanes

    @property
    def threads(self) -> int:
        return self.loop.threads

    @property
    def warps(self) -> int:
        return self.loop.warps

    @property
    def digits(self) -> tuple[tuple[int, int], ...]:
        """The distances and counts of its threads, the nearest first."""
        near = self.stride, self.threads // self.warps
        return (near,) if self.warps == 1 else (near, (self.far, self.warps))

    @cached_property
    def steps(self) -> int | None:
        """How many steps there are, if that is known."""
        if not self.loop.rolled:
            return 1
        most = self.span.most
        return None if most is None else -(-most // self.loop.step)

    @property
    def is_wide(self) -> bool:
        """Whether places inside the tile may need 64 bits."""
        most = self.span.most
        return most is None or most >= FITS

    @property
    def is_loop(self) -> bool:
        """Whether there may be more or less than one step."""
        return self.steps != 1

    @cached_property
    def copies(self) -> int:
        """Copies that the tile has room for."""
        most = self.span.most
        if self.is_loop or most is None:
            return self.loop.copies
        return max(1, min(self.loop.copies, -(-most // (self.threads * self.lanes))))

    @cached_property
    def step(self) -> int:
        return self.lanes * self.copies * self.threads

    @cached_property
    def is_masked(self) -> bool:
        """Whether some place of a step may lie beyond the end."""
        return not self.span.is_whole(self.step)

    @cached_property
    def cuts_vectors(self) -> bool:
        """Whether the end may lie between the lanes of a vector."""
        return self.is_masked and not self.span.is_whole(self.lanes)

    @property
    def limit(self) -> Dim:
        return self.span.limit(self.step)

    @property
    def reach(self) -> int | None:
        """How many places all steps have together."""
        return None if self.steps is None else self.steps * self.step

    @cached_property
    def base(self) -> Symbol:
        """The index of the first lane of copy 0 in the current step."""
        upper = upper_bound(self.span.extent)
        known = None if upper is None else max(0, upper - 1)
        return Symbol(self.name, 0, known, self._multiple(self.span.start))

    @cached_property
    def inside(self) -> Symbol:
        """The same, counted from the start of the tile."""
        known = None if self.reach is None else max(0, self.reach - 1)
        return Symbol(f"{self.name}_in", 0, known, self.lanes)

    def _multiple(self, start: Dim) -> int:
        return self.lanes if start == 0 else gcd(self.lanes, self.span.cut or 1)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The loops over copies and lanes, where there are several."""
        return tuple(turn for turn in (self.copy, self.lane) if turn.count > 1)

    @property
    def copy(self) -> Turn:
        return Turn(f"{self.name}_c", self.copies, self.symbol, "copy")

    @property
    def lane(self) -> Turn:
        return Turn(f"{self.name}_l", self.lanes, self.symbol, "lane")

    @property
    def unrolled_step(self) -> Turn:
        """The loop over steps where each is to be straight-line code."""
        assert self.steps is not None
        return Turn(f"{self.name}_s", self.steps, self.symbol, "step")

    def place(self, first: Symbol, *, lane: bool) -> Dim:
        """An index in the open loops, from that of copy 0."""
        at: Dim = first + 0
        if self.copies > 1:
            at = at + self.copy.place * (self.threads * self.lanes)
        if lane and self.lanes > 1:
            at = at + self.lane.place
        return at

    @property
    def mapping(self) -> tuple[int | None, ...]:
        """What must agree for an index to be with the same thread at the same place."""
        digit = self.stride if self.threads > 1 else 0
        groups = (self.warps, self.far) if self.warps > 1 else ()
        return self.steps, self.copies, self.threads, self.lanes, digit, *groups


class Layout(Struct, frozen=True, eq=False, dict=True):
    """A phase and how its threads walk it; `serial`: the axis whose block it runs in."""

    phase: Phase
    walks: tuple[Walk, ...]
    serial: Symbol | None

    @cached_property
    def of(self) -> Mapping[Symbol, Walk]:
        return {walk.symbol: walk for walk in self.walks}

    @property
    def threads(self) -> int:
        return self.phase.threads

    def turns(self, axes: Iterable[Symbol], kind: str) -> tuple[Turn, ...]:
        """The loops over copies or lanes that values over these axes vary with."""
        wanted = set(axes)
        every = (turn for walk in self.walks if walk.symbol in wanted for turn in walk.turns)
        return tuple(turn for turn in every if turn.kind == kind)

    def places(self, *, lane: bool) -> dict[Symbol, Dim]:
        """The index of each walked axis in the open loops."""
        return {walk.symbol: walk.place(walk.base, lane=lane) for walk in self.walks}


def layouts(part: Part, spans: Mapping[Symbol, Span], name: Mapping[Symbol, str]) -> list[Layout]:
    """The layout of every phase of a part, in order."""
    found = []
    axes = {axis.symbol: axis for axis in part.axes}
    for item in part.phases:
        if isinstance(item, Phase):
            found.append(_layout(item, spans, name, None))
            continue
        start = block_start(item, axes[item.symbol])
        inner = {**spans, item.symbol: block_span(axes[item.symbol], item, start)}
        found.extend(_layout(phase, inner, name, item.symbol) for phase in item.phases)
    return found


def block_start(serial: Serial, axis: Axis) -> Symbol:
    """The first index of the current block of a serial loop."""
    upper = upper_bound(axis.extent)
    known = None if upper is None else max(0, upper - 1)
    return Symbol(f"{serial.symbol}_start", 0, known, serial.block)


def _layout(
    phase: Phase, spans: Mapping[Symbol, Span], name: Mapping[Symbol, str], serial: Symbol | None
) -> Layout:
    phase = _in_order_where_additions_meet(phase)
    stride, walks = phase.same, []
    far = phase.threads // prod(loop.warps for loop in phase.loops)
    for loop in reversed(phase.loops):
        walks.append(Walk(loop, spans[loop.symbol], stride, name[loop.symbol], far))
        stride *= loop.threads // loop.warps
        far *= loop.warps
    return Layout(phase, tuple(reversed(walks)), serial)


def _in_order_where_additions_meet(phase: Phase) -> Phase:
    """Points that may add to the same element are walked one after the other."""
    adds = [instr for instr in phase.body if instr.op == "accumulate"]
    if not adds:
        return phase
    apart = set.intersection(*(_apart(instr) for instr in adds))
    loops = tuple(loop if loop.symbol in apart else Loop(loop.symbol) for loop in phase.loops)
    return replace(phase, loops=loops)


def _apart(instr: Instr) -> set[Symbol]:
    return set(symbols(instr.detail.offset))
