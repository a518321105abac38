"""One phase → nested C++ loops: steps, then copies and lanes that become straight-line code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from ...ir.dims import Symbol, minimum
from ...kernel.phases import Instr
from .folds import Fold, Folds
from .layout import Layout, Walk
from .memory import Vector
from .pipeline import copy_vector
from .planning import Block, Plan
from .points import Points
from .scalars import Value
from .scans import Scan
from .storage import Registers
from .tile import Tile

__all__ = ["PhaseText"]


class PhaseText:
    """Writes a phase. `running`: folds that go on from one block of a serial loop to the next.
    `is_ahead`: it starts copies, and what it copies is there only some blocks later."""

    def __init__(
        self, tile: Tile, layout: Layout, running: dict[Instr, Fold], *, is_ahead: bool = False
    ) -> None:
        self.tile, self.layout, self.running, self.is_ahead = tile, layout, running, is_ahead
        self.w, self.s, self.indices = tile.writer, tile.scalars, tile.indices
        self.loops, self.kept = _ordered(layout)
        self.unrolled = _unrolled(layout, tile)
        self.plan = Plan(layout, self.loops, tile.storage, self._vector, is_ahead=is_ahead)
        self.points = Points(tile, layout, self.plan)
        self.folds = Folds(tile, layout, self.loops[: self.kept])

    def write(self) -> None:
        with self.w.block(""):
            for walk in self.layout.walks:
                self._bind_turns(walk)
                if walk not in self.loops:
                    self._declare(walk, None)
            self._level(0)

    # loops over steps

    def _level(self, depth: int) -> None:
        """What stands in this many loops over steps, and the loops inside."""
        own = [i for i in self.layout.phase.body if i.is_fold and i not in self.running]
        reduces = [i for i in own if i.op == "reduce"]
        if depth == self.kept:
            self.running = {**self.running, **{i: self.folds.begin(i) for i in own}}
        for block in self.plan.levels[depth]:
            self._block(block)
        if depth < len(self.loops):
            with self._steps(self.loops[depth]):
                self._level(depth + 1)
        if depth == self.kept and reduces:
            self.folds.finish([self.running[i] for i in reduces], inside=self.kept > 0)

    @contextmanager
    def _steps(self, walk: Walk) -> Iterator[None]:
        """A loop over the steps of a walk, the same for all threads."""
        if walk.symbol in self.unrolled:
            turn = walk.unrolled_step
            self.indices.bind(turn.place, turn.name)
            with self.w.unrolled(turn.name, turn.count):
                self._declare(walk, f"{turn.name} * {walk.step}")
                yield
            return
        at, stop = f"{walk.name}_at", self._length(walk)
        kind = "i64" if walk.is_wide else "i32"
        with self.w.block(f"for ({kind} {at} = 0; {at} < {stop}; {at} += {walk.step})"):
            self._declare(walk, at)
            yield

    def _length(self, walk: Walk) -> str:
        """How many indices the walk has in this tile."""
        span = walk.span
        if span.start == 0:
            return self.indices.text(span.extent if span.cut is None else span.most or span.extent)
        assert span.cut is not None
        if span.is_whole(span.cut):
            return str(span.cut)
        return self.indices.text(minimum(span.cut, span.extent - span.start))

    def _declare(self, walk: Walk, step: str | None) -> None:
        """The index of copy 0 of this step, from the start of the tile and in all."""
        digit = self.tile.digit(walk)
        lanes = f"{digit} * {walk.lanes}" if walk.lanes > 1 and digit else digit
        inside = " + ".join(term for term in (step, lanes) if term) or "0"
        wide = walk.is_wide
        start = self.indices.text(walk.span.start)
        kind = "i64" if wide else "i32"
        self.indices.bind(walk.inside, f"{walk.name}_in", wide=wide)
        if walk.span.start == 0:
            self.indices.bind(walk.base, walk.name, wide=wide)
            self.indices.bind(walk.inside, walk.name, wide=wide)
            self.w.line(f"const {kind} {walk.name} = {inside};")
            return
        if self.tile.uses_places(walk):
            self.w.line(f"const {kind} {walk.name}_in = {inside};")
            inside = f"{walk.name}_in"
        kind = self.indices.c_type(walk.span.start)
        self.indices.bind(walk.base, walk.name, wide=kind == "i64")
        terms = " + ".join(term for term in (start, inside) if term != "0")
        self.w.line(f"const {kind} {walk.name} = {terms};")

    def _bind_turns(self, walk: Walk) -> None:
        for turn in walk.turns:
            self.indices.bind(turn.place, turn.name)

    # blocks

    def _block(self, block: Block) -> None:
        if block.scan is not None:
            self._scan(block.scan)
            return
        for nest in block.nests:
            for instr in nest.instrs:
                self.points.hold(instr, outside=True)
        with self.points.turns(block.copies):
            for nest in block.nests:
                for instr in nest.instrs:
                    self.points.hold(instr, outside=False)
            for nest in block.nests:
                with self.points.turns(nest.lanes):
                    for instr in nest.instrs:
                        self._instr(instr)
                self.points.forget([nest] if nest.lanes else [])
        self.points.forget(block.nests if block.copies else [])

    def _instr(self, instr: Instr) -> None:
        if instr.op == "reduce":
            self._reduce(instr)
        elif instr.is_effect:
            (self.points.copy if self.is_ahead else self.points.effect)(instr)
        elif instr in self.plan.vectors:
            self.points.load_vector(instr)
        else:
            self.points.define(instr, self.points.compute(instr))

    def _vector(self, instr: Instr) -> Vector | None:
        if self.is_ahead:
            is_put = instr.op == "put"
            return copy_vector(instr, self.layout, self.tile.memory) if is_put else None
        return self.tile.memory.vector(instr, self.layout)

    # folds

    def _reduce(self, instr: Instr) -> None:
        fold = self.running[instr]
        conditions = self.points.here().conditions(instr.detail.over)
        operands = self._fused(instr) or tuple(self.points.value(arg) for arg in instr.args)
        with self.w.block(f"if ({' && '.join(conditions)})") if conditions else nullcontext():
            self.folds.add(fold, operands)

    def _fused(self, instr: Instr) -> tuple[Value, ...]:
        """The factors of a product that is added without rounding in between."""
        product = instr.args[0]
        if product not in self.plan.fused:
            return ()
        return tuple(self.points.value(arg) for arg in product.args)

    def _scan(self, instr: Instr) -> None:
        turns = self.plan.copies(instr) + self.layout.turns(self.plan.axes(instr), "lane")
        self.points.declare(instr, turns)
        Scan(
            *(self.tile, self.folds, self.layout, self.running[instr], self.points.turns),
            value=lambda: self.points.value(instr.args[0]),
            conditions=lambda: self.points.here().conditions(self.plan.axes(instr)),
            keep=lambda value: self.w.line(f"{self.points.value(instr)} = {value};"),
        ).write()


def _ordered(layout: Layout) -> tuple[tuple[Walk, ...], int]:
    """The loops over steps, those that no fold runs along first; and how many these are."""
    folded: frozenset[Symbol] = layout.phase.reduced
    folds = [i.detail.over for i in layout.phase.body if i.is_fold]
    outer = [w for w in layout.walks if w.is_loop and w.symbol not in folded]
    inner = [w for w in layout.walks if w.is_loop and w.symbol in folded]
    return (*outer, *inner), len(outer) if folds else len(outer) + len(inner)


def _unrolled(layout: Layout, tile: Tile) -> frozenset[Symbol]:
    """The axes whose steps are told apart by arrays in registers."""
    turns = (
        turn
        for instr in layout.phase.body
        for place in tile.places(instr)
        if isinstance(place, Registers)
        for turn in place.turns
    )
    told_apart = {turn.symbol for turn in turns if turn.kind == "step"}
    for instr in layout.phase.body:  # a loop that one fold runs along and another keeps
        if instr.is_fold:
            told_apart |= layout.phase.reduced & set(instr.detail.local.axes)
            if layout.serial in instr.detail.over:
                told_apart |= set(instr.detail.local.axes)
    return frozenset(told_apart)
