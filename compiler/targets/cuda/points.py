"""The values and effects of a phase at the point where its open loops stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct

from ...kernel.phases import Access, Instr
from .layout import Layout, Turn, Walk
from .memory import Here
from .planning import Nest, Plan
from .scalars import Value, c_type
from .storage import Registers
from .tile import Tile

__all__ = ["Points"]

LONG = 60  # characters of an expression that is not written inside another


class Held(Struct, frozen=True):
    """An array of values: one for every turn of loops that are not open where it is read."""

    name: str
    turns: tuple[Turn, ...]


class Points:
    """Writes instructions one by one; the loops over copies and lanes open and close around."""

    def __init__(self, tile: Tile, layout: Layout, plan: Plan) -> None:
        self.tile, self.layout, self.plan = tile, layout, plan
        self.w, self.s, self.indices = tile.writer, tile.scalars, tile.indices
        self.values: dict[Instr, Value] = {}
        self.held: dict[Instr, Held] = {}
        self.open: list[Turn] = []

    @contextmanager
    def turns(self, turns: Sequence[Turn]) -> Iterator[None]:
        """Unrolled loops, outermost first."""
        if not turns:
            yield
            return
        self.open.append(turns[0])
        with self.w.unrolled(turns[0].name, turns[0].count), self.turns(turns[1:]):
            yield
        self.open.pop()

    def forget(self, nests: Iterable[Nest]) -> None:
        """Names that were declared inside of loops are gone behind them."""
        for instr in (instr for nest in nests for instr in nest.instrs):
            self.values.pop(instr, None)

    def hold(self, instr: Instr, *, outside: bool) -> None:
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
            self.declare(instr, turns)

    def declare(self, instr: Instr, turns: tuple[Turn, ...]) -> None:
        """Hold a value in an array with a place for every turn."""
        self.held[instr] = Held(self.w.fresh(_hint(instr)), turns)
        self.w.line(f"{c_type(instr.dtype)} {self.held[instr].name}{_dims_of(turns)};")

    # values

    def value(self, instr: Instr) -> Value:
        """A value at the turns of the open loops."""
        if instr in self.values:
            return self.values[instr]
        if instr in self.held:
            held = self.held[instr]
            return Value(f"{held.name}{_at_turns(held.turns)}", instr.dtype)
        return self._free(instr)

    def _free(self, instr: Instr) -> Value:
        here = self.here()
        if instr.op == "const":
            return self.s.const(instr.detail, instr.dtype)
        if instr.op == "get":
            place = self.tile.storage[instr.detail]
            return Value(f"{place.name}{_at_turns(place.turns)}", instr.dtype)  # type: ignore[union-attr]
        if instr.op == "index":
            dim = here.index(instr.detail)
            wide = self.indices.c_type(dim) == "i64"
            text = self.indices.text(dim) if wide else f"(i64){self.indices.factor(dim)}"
            return Value(text, instr.dtype, not wide)
        left, right = (self.indices.text(here.index(dim)) for dim in instr.detail)
        return Value(f"{left} < {right}", instr.dtype, False)

    def here(self) -> Here:
        """This point."""
        return Here(self.layout, self.indices, self.open)

    def compute(self, instr: Instr) -> Value:
        """The expression of a value."""
        if instr.op in ("load", "get"):
            return self._load(instr)
        args = [self.value(arg) for arg in instr.args]
        if instr.op == "convert":
            return self.s.convert(args[0], instr.dtype)
        if instr.op == "bitcast":
            return self.s.bitcast(args[0], instr.dtype)
        return self.s.expression(instr.op, tuple(args))

    def define(self, instr: Instr, value: Value) -> None:
        """Give a value a place: in an array, inside the one expression that reads it, or a name."""
        if instr in self.held:
            self.w.line(f"{self.value(instr)} = {value};")
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
        here = self.here()
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

    def load_vector(self, instr: Instr) -> None:
        """Read all lanes of a value into its array."""
        here, vector = self.here(), self.plan.vectors[instr]
        held = self.held[instr]
        to = f"{held.name}{_at_turns(held.turns[:-1])}"
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
                with self.turns(held.turns[-1:]):
                    self.w.line(f"{held.name}{_at_turns(held.turns)} = {otherwise};")
                conditions.append(guard.operand)
        self._when(conditions, f"sf_read<{vector.by}>({to}, {pointer} + {offset}{left});")

    def _operands(self, instr: Instr) -> tuple[list[Value], Value | None]:
        """The computed places of an access, and its condition."""
        args = [self.value(arg) for arg in instr.args[instr.is_effect :]]
        return (args[:-1], args[-1]) if instr.detail.guarded else (args, None)

    def _when(self, conditions: Iterable[str], statement: str) -> None:
        condition = " && ".join(conditions)
        self.w.line(f"if ({condition}) {statement}" if condition else statement)

    # effects

    def effect(self, instr: Instr) -> None:
        """Write memory, or registers that outlive the phase."""
        here, axes, vector = self.here(), self.plan.axes(instr), self.plan.vectors.get(instr)
        conditions = self.tile.owners(self.layout, axes)
        conditions += here.conditions(axes, vector.walk if vector else None)
        if isinstance(instr.detail, Access):
            picks, guard = self._operands(instr)
            pointer, offset = self.tile.memory.element(instr.detail, picks, here)
            conditions += [guard.operand] if guard is not None else []
        elif isinstance(place := self.tile.storage[instr.detail], Registers):
            self.w.line(f"{place.name}{_at_turns(place.turns)} = {self.value(instr.args[0])};")
            return
        else:
            pointer, offset = self.tile.memory.kept(instr.detail, here)
        if vector is not None:
            left = f", {here.left(vector.walk)}" if vector.walk.cuts_vectors else ""
            name = "sf_accumulate" if instr.op == "accumulate" else "sf_write"
            source = self._array(instr.args[0], vector.walk)
            statement = f"{name}<{vector.by}>({pointer} + {offset}, {source}{left});"
        else:
            value, element = self.value(instr.args[0]), f"{pointer}[{offset}]"
            if instr.op == "accumulate":
                value = Value(f"sf_add({element}, {value})", instr.dtype)
            statement = f"{element} = {value};"
        self._when(conditions, statement)

    def copy(self, instr: Instr) -> None:
        """Start the copy of an element or vector into shared memory; zeros beyond the end."""
        here, axes, vector = self.here(), self.plan.axes(instr), self.plan.vectors.get(instr)
        to, at = self.tile.memory.kept(instr.detail, here)
        source, offset = self.tile.memory.element(instr.args[0].detail, [], here)
        size = instr.dtype.itemsize * (vector.by if vector is not None else 1)
        inside = " && ".join(here.conditions(axes))
        rest = f", {inside} ? {size} : 0" if inside else ""
        copy = f"sf_copy_async<{size}>({to} + {at}, {source} + {offset}{rest});"
        self._when(self.tile.owners(self.layout, axes), copy)

    def _array(self, instr: Instr, walk: Walk) -> str:
        """The values of the lanes of a walk, as an array."""
        found: Held | Registers | None = self.held.get(instr)
        if instr.op == "get" and instr in self.plan.free:
            place = self.tile.storage[instr.detail]
            found = place if isinstance(place, Registers) else None
        if found is not None and found.turns and found.turns[-1].name == walk.lane.name:
            return f"{found.name}{_at_turns(found.turns[:-1])}"
        name = self.w.fresh("lanes")
        self.w.line(f"{c_type(instr.dtype)} {name}[{walk.lanes}];")
        with self.turns((walk.lane,)):
            self.w.line(f"{name}[{walk.lane.name}] = {self.value(instr)};")
        return name


def _hint(instr: Instr) -> str:
    if isinstance(instr.detail, Access):
        return f"{instr.detail.buffer.name.strip('%')}_"
    return instr.op


def _dims_of(turns: Sequence[Turn]) -> str:
    return "".join(f"[{turn.count}]" for turn in turns)


def _at_turns(turns: Sequence[Turn]) -> str:
    return "".join(f"[{turn.name}]" for turn in turns)
