"""One phase → nested LLVM loops over vectors, with accumulators in registers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim, Symbol
from ...kernel.fused import fused_products, paired_stores
from ...kernel.phases import Access, Instr, Local, Loop, Phase, Reduce
from .addresses import Indices
from .folds import Key, State, Totals, across_lanes, identity, renamed, tree
from .memory import Memory
from .positions import Position, Range
from .scalars import LlvmScalars
from .writer import Value, Writer

__all__ = ["Nest"]


class Copy(Struct, frozen=True):
    """One copy of an unrolled body: its number along each axis, where it stands, what is inside."""

    numbers: Mapping[Symbol, int]
    position: Position
    active: Value | None  # the lanes that lie inside the axis; None for all


class Nest:
    """Writes the phases of a tile. `edge`: tiles of unrolled loops may be cut off."""

    def __init__(
        self,
        writer: Writer,
        scalars: LlvmScalars,
        indices: Indices,
        memory: Memory,
        ranges: Mapping[Symbol, Range],
        *,
        edge: bool,
    ) -> None:
        self.w, self.s, self.at, self.memory = writer, scalars, indices, memory
        self.ranges, self.edge = ranges, edge
        self.registers: dict[tuple[Local, Key], Value] = {}
        self.loops: dict[Symbol, Loop] = {}
        self.copies: dict[Symbol, int] = {}
        self.mask: dict[int, Value] = {}
        self.clamped: dict[tuple[Symbol, int], str] = {}
        self.phase: Phase = Phase((), ())
        self.vector: Loop | None = None
        self.own: dict[Instr, tuple[Symbol, ...]] = {}
        self.late: set[Instr] = set()

    def write(self, phase: Phase) -> None:
        """The loops of a phase and its body."""
        self.phase = phase
        self.loops = {loop.symbol: loop for loop in phase.loops}
        self.copies = {loop.symbol: self._copies(loop) for loop in phase.loops}
        self.vector = next((loop for loop in phase.loops if loop.lanes > 1), None)
        blocks = tuple(loop.symbol for loop in phase.loops if loop.step > 1)
        self.own = {i: tuple(a for a in blocks if a in i.axes) for i in phase.body}
        self.late = _after_folds(phase.body)
        self.mask, self.clamped = {}, {}
        self.at.open()
        self._hoist()
        folds = [i for i in phase.body if i.is_fold]
        totals = self._identities(folds)
        self._finish(self._walk(phase.loops, totals))
        self.at.close()

    # loops

    def _walk(self, loops: Sequence[Loop], totals: Totals) -> Totals:
        if not loops:
            return self._points(totals)
        loop, inner = loops[0], loops[1:]
        if not loop.rolled:
            self._enter_block(loop)
            return self._walk(inner, totals)
        if loop.step == 1:
            extent = self.ranges[loop.symbol]
            return self._turns(loop, _text(extent.start), _text(extent.stop), 1, inner, totals)
        return self._blocks(loop, inner, totals)

    def _blocks(self, loop: Loop, inner: Sequence[Loop], totals: Totals) -> Totals:
        """Whole blocks of all copies, then vectors one by one, the last of them masked."""
        extent = self.ranges[loop.symbol]
        start, stop, whole = extent.start, extent.stop, self._end_of_blocks(loop, extent)
        if whole != start:
            totals = self._turns(loop, _text(start), _text(whole), loop.step, inner, totals)
        if whole == stop:
            return totals
        self.copies[loop.symbol] = 1
        totals = self._turns(loop, _text(whole), _text(stop), loop.lanes, inner, totals, tail=True)
        self.copies[loop.symbol] = loop.copies
        return totals

    def _end_of_blocks(self, loop: Loop, extent: Range) -> Dim | str:
        """Where the last whole block ends: `start` if there is none, `stop` if none is cut off."""
        start, stop = extent.start, extent.stop
        if isinstance(start, int) and extent.known_length is not None:
            return start + extent.known_length // loop.step * loop.step
        if extent.tile is not None and not extent.may_end_early:
            length = extent.tile // loop.step * loop.step
            if length in (0, extent.tile):
                return stop if length else start
            return self._add(_text(start), str(length))
        blocks = self.w.emit(f"sdiv i64 {self._sub(_text(stop), _text(start))}, {loop.step}")
        return self._add(_text(start), self.w.emit(f"mul i64 {blocks}, {loop.step}"))

    def _turns(
        self,
        loop: Loop,
        start: str,
        stop: str,
        step: int,
        inner: Sequence[Loop],
        totals: Totals,
        *,
        tail: bool = False,
    ) -> Totals:
        masked = stop if tail and loop.lanes > 1 else None
        if _is_one_turn(start, stop, step):
            return self._turn(loop, start, masked, inner, totals)
        keys = [(key, n) for key, state in totals.items() for n in range(len(state))]
        carried = [(totals[key][n].type, totals[key][n].name) for key, n in keys]
        with self.w.loop(start, stop, step, carried, hint=loop.symbol.name) as turn:
            inside = renamed(totals, keys, turn.carried)
            after = self._turn(loop, turn.index, masked, inner, inside)
            turn.hand_on(*(after[key][n].name for key, n in keys))
        return renamed(totals, keys, turn.results)

    def _turn(
        self, loop: Loop, index: str, stop: str | None, inner: Sequence[Loop], totals: Totals
    ) -> Totals:
        """One turn of a loop, its lanes masked where they have a `stop`."""
        self.at.open()
        self.at.bind(loop.symbol, index)
        if stop is not None:
            self.mask = {0: self._mask(self._sub(stop, index), loop.lanes)}
        self._hoist()
        after = self._walk(inner, totals)
        self.at.close()
        self.mask = {}
        return after

    def _copies(self, loop: Loop) -> int:
        """How many copies of an unrolled axis the tile has room for."""
        length = self.ranges[loop.symbol].known_length
        if loop.rolled or length is None:
            return loop.copies
        return min(loop.copies, -(-length // loop.lanes))

    def _enter_block(self, loop: Loop) -> None:
        """Bind an unrolled axis: all its copies stand at fixed distances from the tile's start."""
        extent = self.ranges[loop.symbol]
        self.at.bind(loop.symbol, _text(extent.start))
        last, length = self.copies[loop.symbol] - 1, extent.known_length
        if length is not None and length < (last + 1) * loop.lanes:
            self.mask[last] = self._mask(str(length - last * loop.lanes), loop.lanes)
        if not (self.edge and extent.may_end_early):
            return
        if loop.lanes > 1:
            left = self._sub(_text(extent.stop), _text(extent.start))
            for copy in range(loop.copies):
                rest = self._sub(left, str(copy * loop.lanes)) if copy else left
                self.mask[copy] = self._mask(rest, loop.lanes)
            return
        end = self._sub(_text(extent.stop), "1")
        for copy in range(loop.copies):
            place = self._add(_text(extent.start), str(copy)) if copy else _text(extent.start)
            self.w.declare("declare i64 @llvm.smin.i64(i64, i64)")
            bounded = self.w.emit(f"call i64 @llvm.smin.i64(i64 {place}, i64 {end})")
            self.clamped[(loop.symbol, copy)] = bounded

    def _mask(self, count: str, lanes: int) -> Value:
        return self.s.mask_below(Value(count, DType.I64), lanes)

    # values

    def _hoist(self) -> None:
        """Compute here what the loops further inside do not change."""
        inner = [loop.symbol for loop in self.phase.loops if loop.symbol not in self.at.base]
        blocks = {loop.symbol for loop in self.phase.loops if loop.step > 1}
        accesses = (i.detail for i in self.phase.body if isinstance(i.detail, Access))
        self.at.prepare(access.offset for access in (*accesses, *self.phase.ahead))
        if not inner:
            return
        here = self._copy({})
        for instr in self.phase.body:
            settled = self.at.known(instr.axes) and not instr.axes & blocks
            if settled and not instr.is_effect and instr not in self.late:
                self._value(instr, here)

    def _points(self, totals: Totals) -> Totals:
        """The body once for every combination of copies; each stores after all that it reads."""
        fused, pairs = fused_products(self.phase.body), paired_stores(self.phase.body)
        totals, waiting = dict(totals), set(pairs.values())
        for access in self.phase.ahead:
            self.memory.fetch(access, [copy.position for copy in self._combinations()])
        for copy in self._combinations():
            for instr in self.phase.body:
                if instr.is_fold:
                    self._accumulate(instr, copy, totals, fused)
                elif not instr.is_effect and instr not in fused:
                    self._value(instr, copy)
            for instr in self.phase.body:
                if instr.is_effect and not instr.is_fold and instr not in waiting:
                    self._effect(instr, copy, pairs.get(instr))
        return totals

    def _combinations(self) -> Iterator[Copy]:
        symbols = [loop.symbol for loop in self.phase.loops if loop.step > 1]
        for numbers in product(*(range(self.copies[symbol]) for symbol in symbols)):
            yield self._copy(dict(zip(symbols, numbers, strict=True)))

    def _copy(self, numbers: Mapping[Symbol, int]) -> Copy:
        """Where each unrolled axis stands in a copy, and which of its lanes lie inside the axis."""
        position = Position(
            {a: n * self.loops[a].lanes for a, n in numbers.items()},
            {a: self.clamped[(a, n)] for a, n in numbers.items() if (a, n) in self.clamped},
            self.vector,
            self.copies,
        )
        vector = numbers.get(self.vector.symbol, 0) if self.vector else 0
        return Copy(numbers, position, self.mask.get(vector))

    def _value(self, instr: Instr, copy: Copy) -> Value:
        key = self._place(instr, copy)
        found = self.at.find(key)
        return found if found is not None else self.at.keep(key, self._compute(instr, copy))

    def _place(self, instr: Instr, copy: Copy) -> object:
        """What tells the value of this copy from those of others."""
        own = self.own.get(instr, ())
        return (instr, *(copy.numbers.get(axis, 0) for axis in own)) if own else instr

    def _compute(self, instr: Instr, copy: Copy) -> Value:
        if instr.op == "const":
            return self.s.const(instr.detail, instr.dtype)
        if instr.op == "index":
            return self._index(instr.detail, copy)
        if instr.op == "below":
            left, right = (self._index(dim, copy) for dim in instr.detail)
            return self.s.emit("lt", (left, right))
        if instr.op == "get":
            return self._get(instr.detail, copy)
        args = [self._value(arg, copy) for arg in instr.args]
        if instr.op == "load":
            return self._load(instr, args, copy)
        if instr.op == "convert":
            return self.s.convert(args[0], instr.dtype)
        if instr.op == "bitcast":
            return self.s.bitcast(args[0], instr.dtype)
        return self.s.emit(instr.op, tuple(args))

    def _index(self, dim: Dim, copy: Copy) -> Value:
        return self.memory.index(dim, copy.position)

    # memory

    def _load(self, instr: Instr, args: list[Value], copy: Copy) -> Value:
        access: Access = instr.detail
        return self.memory.load(access, args, copy.position, copy.active)

    def _effect(self, instr: Instr, copy: Copy, first: Instr | None) -> None:
        """A store, of both parts of a pair if one stores the `first` of them, or a put."""
        value = self._value(instr.args[0], copy)
        if instr.op == "put":
            self.memory.put(instr.detail, value, copy.position, copy.active)
            return
        rest = [self._value(arg, copy) for arg in instr.args[1:]]
        inside = self._inside(instr, copy)
        write: Any = self.memory.store if instr.op == "store" else self.memory.accumulate
        if first is not None:
            value, rest = self._value(first.args[0], copy), [value]
            instr, write = first, self.memory.store_pair
        if inside is None:
            write(instr.detail, value, rest, copy.position, copy.active)
            return
        with self.w.when(inside):
            self.at.open()
            write(instr.detail, value, rest, copy.position, copy.active)
            self.at.close()

    def _inside(self, instr: Instr, copy: Copy) -> str | None:
        """Whether the copy lies inside every axis that was clamped."""
        conditions = []
        for axis, number in copy.numbers.items():
            if number and (axis, number) in self.clamped and axis in instr.axes:
                place = self._add(_text(self.ranges[axis].start), str(number))
                stop = _text(self.ranges[axis].stop)
                conditions.append(self.w.emit(f"icmp slt i64 {place}, {stop}"))
        whole = conditions[0] if conditions else None
        for condition in conditions[1:]:
            whole = self.w.emit(f"and i1 {whole}, {condition}")
        return whole

    def _get(self, local: Local, copy: Copy) -> Value:
        key = self._key(local.axes, copy)
        if (local, key) in self.registers:
            return self.registers[(local, key)]
        return self.memory.get(local, copy.position, copy.active)

    # folds

    def _identities(self, folds: Sequence[Instr]) -> Totals:
        totals: Totals = {}
        for fold in folds:
            reduce: Reduce = fold.detail
            lanes = self._lanes(reduce)
            for copy in self._combinations():
                state = identity(self.s, reduce.reduction, fold.args[0].dtype, lanes)
                totals[(fold, self._fold_key(reduce, copy))] = state
        return totals

    def _accumulate(self, fold: Instr, copy: Copy, totals: Totals, fused: frozenset[Instr]) -> None:
        reduce: Reduce = fold.detail
        key = (fold, self._fold_key(reduce, copy))
        before = totals[key]
        if fold.args[0] in fused:
            left, right = (self._value(arg, copy) for arg in fold.args[0].args)
            after: tuple[Value, ...] = (self.s.fma(left, right, before[0]),)
        else:
            given = [self._value(arg, copy) for arg in fold.args]
            value, position = (*given, None)[:2]
            element = reduce.reduction.inject(self.s, value, position)
            after = reduce.reduction.combine(self.s, before, element)
        if copy.active is not None and self.vector and self.vector.symbol in reduce.over:
            after = tuple(
                self.s.select(copy.active, a, b) for a, b in zip(after, before, strict=True)
            )
        lanes = self._lanes(reduce)
        totals[key] = tuple(self.s.splat(value, lanes) for value in after)
        if fold.op == "scan":
            self.at.keep(self._place(fold, copy), reduce.reduction.result(self.s, totals[key]))

    def _finish(self, totals: Totals) -> None:
        """Combine the copies, then the lanes, of each fold, in an order fixed by sizes alone."""
        kept: dict[Instr, dict[Key, list[State]]] = {}
        for (fold, key), state in totals.items():
            if fold.op == "scan":
                continue
            own = tuple((a, n) for a, n in key if a not in fold.detail.over)
            kept.setdefault(fold, {}).setdefault(own, []).append(state)
        for fold, copies in kept.items():
            reduce: Reduce = fold.detail
            states = [tree(self.s, reduce.reduction, some) for some in copies.values()]
            if self.vector and self.vector.symbol in reduce.over:
                states = across_lanes(self.s, reduce.reduction, states)
            for own, state in zip(copies, states, strict=True):
                self.registers[(reduce.local, own)] = reduce.reduction.result(self.s, state)

    def _lanes(self, reduce: Reduce) -> int:
        if self.vector is None:
            return 1
        varies = self.vector.symbol in reduce.over or self.vector.symbol in reduce.local.axes
        return self.vector.lanes if varies else 1

    def _fold_key(self, reduce: Reduce, copy: Copy) -> Key:
        return self._key((*reduce.local.axes, *reduce.over), copy)

    def _key(self, axes: Any, copy: Copy) -> Key:
        wanted = set(axes)
        return tuple((axis, n) for axis, n in copy.numbers.items() if axis in wanted)

    def _add(self, left: str, right: str) -> str:
        return right if left == "0" else self.w.once(f"add nsw i64 {left}, {right}")

    def _sub(self, left: str, right: str) -> str:
        if left.isdigit() and right.isdigit():
            return str(int(left) - int(right))
        return left if right == "0" else self.w.once(f"sub nsw i64 {left}, {right}")


def _after_folds(body: Sequence[Instr]) -> set[Instr]:
    """The folds, and what needs their state so far, which there is at the innermost point alone."""
    late = set[Instr]()
    for instr in body:
        if instr.is_fold or not late.isdisjoint(instr.args):
            late.add(instr)
    return late


def _is_one_turn(start: str, stop: str, step: int) -> bool:
    return start.isdigit() and stop.isdigit() and 0 < int(stop) - int(start) <= step


def _text(value: Dim | str) -> str:
    return value if isinstance(value, str) else str(value)
