"""One phase → nested C++ loops: steps, then copies and lanes that become straight-line code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from ...ir.dims import Symbol, minimum
from ...kernel.phases import Access, Instr
from .folds import Fold, Folds
from .layout import Layout, Turn, Walk
from .memory import Here, Vector
from .planning import Block, Nest, Plan
from .scalars import Value, c_type
from .scans import Scan
from .storage import Registers
from .tile import Tile

__all__ = ["PhaseText"]

LONG = 60  # characters of an expression that is not written inside another


@dataclass(frozen=True, slots=True)
class Held:
    """An array of values: one for every turn of loops that are not open where it is read."""

    name: str
    turns: tuple[Turn, ...]


class PhaseText:
    """Writes a phase. `running`: folds that go on from one block of a serial loop to the next."""

    def __init__(self, tile: Tile, layout: Layout, running: dict[Instr, Fold]) -> None:
        self.tile, self.layout, self.running = tile, layout, running
        self.w, self.s, self.indices = tile.writer, tile.scalars, tile.indices
        self.loops, self.kept = _ordered(layout)
        self.unrolled = _unrolled(layout, tile)
        self.plan = Plan(layout, self.loops, tile.storage, self._vector)
        self.folds = Folds(tile, layout, self.loops[: self.kept])
        self.values: dict[Instr, Value] = {}
        self.held: dict[Instr, Held] = {}
        self.open: list[Turn] = []

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
        kind = "i64" if walk.span.most is None else "i32"
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
        wide = walk.span.most is None
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
                self._hold(instr, outside=True)
        with self._turns(block.copies):
            for nest in block.nests:
                for instr in nest.instrs:
                    self._hold(instr, outside=False)
            for nest in block.nests:
                with self._turns(nest.lanes):
                    for instr in nest.instrs:
                        self._instr(instr)
                self._forget([nest] if nest.lanes else [])
        self._forget(block.nests if block.copies else [])

    def _forget(self, nests: Iterable[Nest]) -> None:
        """Names that were declared inside of loops are gone behind them."""
        for instr in (instr for nest in nests for instr in nest.instrs):
            self.values.pop(instr, None)

    @contextmanager
    def _turns(self, turns: Sequence[Turn]) -> Iterator[None]:
        """Unrolled loops, outermost first."""
        if not turns:
            yield
            return
        self.open.append(turns[0])
        with self.w.unrolled(turns[0].name, turns[0].count), self._turns(turns[1:]):
            yield
        self.open.pop()

    def _hold(self, instr: Instr, *, outside: bool) -> None:
        """Declare an array for a value that is read outside of the loops it is computed in."""
        if instr.is_effect or instr in self.held:
            return
        block, nest = self.plan.block[instr], self.plan.nest[instr]
        readers = self.plan.readers(instr)
        vector = self.plan.vectors.get(instr)
        leaves_block = any(self.plan.block[reader] is not block for reader in readers)
        leaves = vector is not None or any(self.plan.nest[reader] is not nest for reader in readers)
        turns = (block.copies if leaves_block else ()) + nest.lanes
        if vector is not None:
            turns += (vector.walk.lane,)
        if leaves and turns and outside == leaves_block:
            self.held[instr] = Held(self.w.fresh(_hint(instr)), turns)
            self.w.line(f"{c_type(instr.dtype)} {self.held[instr].name}{_dims(turns)};")

    # values

    def _value(self, instr: Instr) -> Value:
        """A value at the turns of the open loops."""
        if instr in self.values:
            return self.values[instr]
        if instr in self.held:
            held = self.held[instr]
            return Value(f"{held.name}{_at(held.turns)}", instr.dtype)
        return self._free(instr)

    def _free(self, instr: Instr) -> Value:
        here = self._here()
        if instr.op == "const":
            return self.s.const(instr.detail, instr.dtype)
        if instr.op == "get":
            place = self.tile.storage[instr.detail]
            return Value(f"{place.name}{_at(place.turns)}", instr.dtype)  # type: ignore[union-attr]
        if instr.op == "index":
            dim = here.index(instr.detail)
            wide = self.indices.c_type(dim) == "i64"
            text = self.indices.text(dim) if wide else f"(i64){self.indices.factor(dim)}"
            return Value(text, instr.dtype, not wide)
        left, right = (self.indices.text(here.index(dim)) for dim in instr.detail)
        return Value(f"{left} < {right}", instr.dtype, False)

    def _here(self) -> Here:
        return Here(self.layout, self.indices, self.open)

    def _vector(self, instr: Instr) -> Vector | None:
        return self.tile.memory.vector(instr, self.layout)

    def _instr(self, instr: Instr) -> None:
        if instr.op == "reduce":
            self._reduce(instr)
        elif instr.is_effect:
            self._effect(instr)
        elif instr in self.plan.vectors:
            self._load_vector(instr)
        else:
            self._define(instr, self._compute(instr))

    def _compute(self, instr: Instr) -> Value:
        if instr.op in ("load", "get"):
            return self._load(instr)
        args = [self._value(arg) for arg in instr.args]
        if instr.op == "convert":
            return self.s.convert(args[0], instr.dtype)
        if instr.op == "bitcast":
            return self.s.bitcast(args[0], instr.dtype)
        return self.s.expression(instr.op, tuple(args))

    def _define(self, instr: Instr, value: Value) -> None:
        """Give a value a place: in an array, inside the one expression that reads it, or a name."""
        if instr in self.held:
            self.w.line(f"{self._value(instr)} = {value};")
            return
        readers = self.plan.users.get(instr, [])
        alone = len(readers) == 1 and readers[0] in self.plan.nest and not readers[0].is_fold
        near = alone and self.plan.nest[readers[0]] is self.plan.nest[instr]
        vector = alone and readers[0] in self.plan.vectors
        if near and not vector and instr.op != "load" and len(value.text) <= LONG:
            self.values[instr] = value
            return
        self.values[instr] = self.tile.named(value, _hint(instr))

    # loads

    def _load(self, instr: Instr) -> Value:
        here = self._here()
        conditions = here.conditions(self.plan.axes(instr))
        otherwise = "{}"
        if instr.op == "get":
            pointer, offset = self.tile.memory.kept(instr.detail, here)
            conditions = []  # the array reaches as far as the loops do
        else:
            picks, guard = self._operands(instr)
            pointer, offset = self.tile.memory.element(instr.detail, picks, here)
            if guard is not None:
                conditions.append(guard.operand)
                otherwise = self.s.const(instr.detail.otherwise, instr.dtype).text
        element = f"{pointer}[{offset}]"
        if not conditions:
            return Value(element, instr.dtype)
        if otherwise == "{}":
            otherwise = f"{c_type(instr.dtype)}()"
        return Value(f"{' && '.join(conditions)} ? {element} : {otherwise}", instr.dtype, False)

    def _load_vector(self, instr: Instr) -> None:
        here, vector = self._here(), self.plan.vectors[instr]
        held = self.held[instr]
        to = f"{held.name}{_at(held.turns[:-1])}"
        conditions = here.conditions(self.plan.axes(instr), vector.walk)
        left = f", {here.left(vector.walk)}" if vector.walk.cuts_vectors else ""
        if instr.op == "get":
            pointer, offset = self.tile.memory.kept(instr.detail, here)
            conditions, left = [], ""
        else:
            picks, guard = self._operands(instr)
            pointer, offset = self.tile.memory.element(instr.detail, picks, here)
            if guard is not None:
                otherwise = self.s.const(instr.detail.otherwise, instr.dtype)
                with self._turns(held.turns[-1:]):
                    self.w.line(f"{held.name}{_at(held.turns)} = {otherwise};")
                conditions.append(guard.operand)
        self._when(conditions, f"sf_read<{vector.by}>({to}, {pointer} + {offset}{left});")

    def _operands(self, instr: Instr) -> tuple[list[Value], Value | None]:
        """The computed places of an access, and its condition."""
        args = [self._value(arg) for arg in instr.args[instr.is_effect :]]
        return (args[:-1], args[-1]) if instr.detail.guarded else (args, None)

    def _when(self, conditions: Iterable[str], statement: str) -> None:
        condition = " && ".join(conditions)
        self.w.line(f"if ({condition}) {statement}" if condition else statement)

    # effects

    def _effect(self, instr: Instr) -> None:
        here, axes, vector = self._here(), self.plan.axes(instr), self.plan.vectors.get(instr)
        conditions = self.tile.owners(self.layout, axes)
        conditions += here.conditions(axes, vector.walk if vector else None)
        if isinstance(instr.detail, Access):
            picks, guard = self._operands(instr)
            pointer, offset = self.tile.memory.element(instr.detail, picks, here)
            conditions += [guard.operand] if guard is not None else []
        elif isinstance(place := self.tile.storage[instr.detail], Registers):
            self.w.line(f"{place.name}{_at(place.turns)} = {self._value(instr.args[0])};")
            return
        else:
            pointer, offset = self.tile.memory.kept(instr.detail, here)
        if vector is not None:
            left = f", {here.left(vector.walk)}" if vector.walk.cuts_vectors else ""
            name = "sf_accumulate" if instr.op == "accumulate" else "sf_write"
            source = self._array(instr.args[0], vector.walk)
            statement = f"{name}<{vector.by}>({pointer} + {offset}, {source}{left});"
        else:
            value, element = self._value(instr.args[0]), f"{pointer}[{offset}]"
            if instr.op == "accumulate":
                value = Value(f"sf_add({element}, {value})", instr.dtype)
            statement = f"{element} = {value};"
        self._when(conditions, statement)

    def _array(self, instr: Instr, walk: Walk) -> str:
        """The values of the lanes of a walk, as an array."""
        found: Held | Registers | None = self.held.get(instr)
        if instr.op == "get" and instr in self.plan.free:
            place = self.tile.storage[instr.detail]
            found = place if isinstance(place, Registers) else None
        if found is not None and found.turns and found.turns[-1].name == walk.lane.name:
            return f"{found.name}{_at(found.turns[:-1])}"
        name = self.w.fresh("lanes")
        self.w.line(f"{c_type(instr.dtype)} {name}[{walk.lanes}];")
        with self._turns((walk.lane,)):
            self.w.line(f"{name}[{walk.lane.name}] = {self._value(instr)};")
        return name

    # folds

    def _reduce(self, instr: Instr) -> None:
        fold = self.running[instr]
        conditions = self._here().conditions(instr.detail.over)
        operands = self._fused(instr) or tuple(self._value(arg) for arg in instr.args)
        with self.w.block(f"if ({' && '.join(conditions)})") if conditions else nullcontext():
            self.folds.add(fold, operands)

    def _fused(self, instr: Instr) -> tuple[Value, ...]:
        """The factors of a product that is added without rounding in between."""
        product = instr.args[0]
        if product not in self.plan.fused:
            return ()
        return tuple(self._value(arg) for arg in product.args)

    def _scan(self, instr: Instr) -> None:
        turns = self.plan.copies(instr) + self.layout.turns(self.plan.axes(instr), "lane")
        self.held[instr] = Held(self.w.fresh(_hint(instr)), turns)
        self.w.line(f"{c_type(instr.dtype)} {self.held[instr].name}{_dims(turns)};")
        Scan(
            *(self.tile, self.folds, self.layout, self.running[instr], self._turns),
            value=lambda: self._value(instr.args[0]),
            conditions=lambda: self._here().conditions(self.plan.axes(instr)),
            keep=lambda value: self.w.line(f"{self._value(instr)} = {value};"),
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


def _hint(instr: Instr) -> str:
    if isinstance(instr.detail, Access):
        return f"{instr.detail.buffer.name.strip('%')}_"
    return instr.op


def _dims(turns: Sequence[Turn]) -> str:
    return "".join(f"[{turn.count}]" for turn in turns)


def _at(turns: Sequence[Turn]) -> str:
    return "".join(f"[{turn.name}]" for turn in turns)
