"""The phases of a tile in order, and the serial loops around some of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ...ir.dims import Dim, Symbol
from ...kernel.phases import Axis, Instr, Local, Loop, Part, Phase, Serial
from .folds import Fold, Folds
from .layout import Layout, block_start
from .loops import PhaseText
from .pipeline import ahead_of, slots_of
from .scalars import c_type
from .storage import Registers, Shared, kept_in
from .tensor_cores import FragmentText
from .tile import Tile

__all__ = ["PartText"]


class PartText:
    """Writes the phases of a part; before those in `meets` all threads meet."""

    def __init__(
        self,
        tile: Tile,
        part: Part,
        axes: Mapping[Symbol, Axis],
        layouts: list[Layout],
        meets: frozenset[int],
    ) -> None:
        self.tile, self.part, self.axes, self.layouts, self.meets = tile, part, axes, layouts, meets
        self.w, self.indices = tile.writer, tile.indices
        self.number = 0
        self.carried: tuple[Local, ...] = ()

    def write(self) -> None:
        for item in self.part.phases:
            if isinstance(item, Phase):
                self._phase({})
            else:
                self._serial(item)

    def _phase(self, running: dict[Instr, Fold], *, is_ahead: bool = False) -> None:
        layout = self.layouts[self.number]
        if self.number in self.meets:
            self.w.line("sf_barrier();")
        self.number += 1
        self.w.line(f"// phase {self.number}: {_walks(layout.phase)}")
        self._declare(i for i in layout.phase.body if i not in running)
        if layout.phase.fragment is not None:
            FragmentText(self.tile, layout, running).write()
        else:
            PhaseText(self.tile, layout, running, is_ahead=is_ahead).write()

    def _declare(self, instrs: Iterable[Instr]) -> None:
        """The registers of locals that are about to be written, and not yet there."""
        for instr in instrs:
            if kept_in(instr) in self.carried:
                continue
            for place in self.tile.places(instr) if instr.is_effect else ():
                if isinstance(place, Registers):
                    dims = "".join(f"[{turn.count}]" for turn in place.turns)
                    self.w.line(f"{c_type(place.dtype)} {place.name}{dims};")

    # serial loops

    def _serial(self, serial: Serial) -> None:
        """A loop over blocks, around it the folds that go on from one to the next."""
        self.carried = serial.carried
        inside = self.layouts[self.number : self.number + len(serial.phases)]
        folds = {layout: self._begin(layout, serial) for layout in inside}
        ahead = ahead_of(serial, inside, self.tile.memory)
        if ahead:
            self._in_stages(serial, ahead, [folds[layout][1] for layout in inside[len(ahead) :]])
        else:
            with self._blocks(serial, 0) as (at, kind, start):
                self.indices.bind(start, at, wide=kind == "i64")
                for _, states in folds.values():
                    self._phase(states)
        for folder, states in folds.values():
            if states:
                with self.w.block(""):
                    folder.finish(list(states.values()), inside=True)
        self.carried = ()

    def _begin(self, layout: Layout, serial: Serial) -> tuple[Folds, dict[Instr, Fold]]:
        """Declare what the folds over the loop's axis accumulate and what they give."""
        body = layout.phase.body
        goes_on = [i for i in body if i.op == "reduce" and i.detail.goes_on]
        own = [i for i in goes_on if serial.symbol in i.detail.over]
        folder = Folds(self.tile, layout, ())
        self._declare(own)
        return folder, {instr: folder.begin(instr) for instr in own}

    @contextmanager
    def _blocks(self, serial: Serial, early: int) -> Iterator[tuple[str, str, Symbol]]:
        """The loop, begun so many blocks early: its variable, the type of that, and its symbol."""
        axis = self.axes[serial.symbol]
        start = block_start(serial, axis)
        at = self.w.name(start.name)
        kind, stop = self.indices.c_type(axis.extent), self.indices.text(serial.end(axis.extent))
        first, block = self.indices.text(serial.first - early * serial.block), serial.block
        with self.w.block(f"for ({kind} {at} = {first}; {at} < {stop}; {at} += {block})"):
            yield at, kind, start

    def _in_stages(
        self, serial: Serial, ahead: Sequence[Layout], rest: Sequence[dict[Instr, Fold]]
    ) -> None:
        """While a block is worked on, copies of those after it are under way."""
        early, slots = serial.stages - 1, slots_of(ahead, self.tile.storage)
        extent: Dim = self.axes[serial.symbol].extent
        slot = self.w.name("slot")
        if self.number:
            self.w.line("sf_barrier();")
        self.w.line(f"i32 {slot} = {1 % serial.stages};")
        with self._blocks(serial, early) as (at, kind, start):
            wide = kind == "i64"
            begun = f"if ({at} >= {self.indices.text(serial.first)})"
            with self.w.block(begun):
                self.w.line(f"sf_copy_wait<{serial.stages - 2}>();")
                self.w.line("sf_barrier();")
            later = self.w.name(f"{at}_ahead")
            self.w.line(f"const {kind} {later} = {at} + {early * serial.block};")
            with self.w.block(f"if ({later} < {self.indices.text(serial.end(extent))})"):
                self.indices.bind(start, later, wide=wide)
                self._enter(slots, f"({slot} + {early}) % {serial.stages}")
                for _ in ahead:
                    self._phase({}, is_ahead=True)
            self.w.line("sf_copy_commit();")
            with self.w.block(begun):
                self.indices.bind(start, at, wide=wide)
                self._enter(slots, slot)
                for states in rest:
                    self._phase(states)
            self.w.line(f"{slot} = ({slot} + 1) % {serial.stages};")

    def _enter(self, slots: Iterable[Shared], number: str) -> None:
        """Let the names of arrays stand for one of their slots."""
        for place in slots:
            kind = c_type(place.dtype)
            self.w.line(f"{kind}* const {place.name} = {place.array} + {number} * {place.slot};")


def _walks(phase: Phase) -> str:
    """`d0 by 8 threads; d1 by 2 copies, 32 threads, 4 lanes`"""
    ways = "; ".join(map(_walk, phase.loops)) or "one point"
    return ways if phase.fragment is None else f"{ways}; fragments of {phase.fragment.dtype}"


def _walk(loop: Loop) -> str:
    numbers = (
        ("copies", loop.copies),
        ("warps", loop.warps),
        ("threads", loop.threads),
        ("lanes", loop.lanes),
    )
    several = ", ".join(f"{count} {word}" for word, count in numbers if count > 1)
    return f"{loop.symbol} by {several}" if several else str(loop.symbol)
