"""Running folds: the state so far, also where neighbours along the axis are with other threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from msgspec import Struct

from .folds import Fold, Folds, State
from .layout import Layout, Turn, Walk
from .scalars import Value, c_type
from .tile import WARP, Tile

__all__ = ["Scan"]


class Scan(Struct, frozen=True, eq=False):
    """Writes one scan. In the open loops, `value` is its element, `conditions` say that there is
    one, and `keep` takes the state so far; `turns` opens loops over copies and lanes."""

    tile: Tile
    folds: Folds
    layout: Layout
    fold: Fold
    turns: Callable[[Sequence[Turn]], AbstractContextManager[None]]
    value: Callable[[], Value]
    conditions: Callable[[], list[str]]
    keep: Callable[[Value], None]

    def write(self) -> None:
        walk = next((w for w in self.layout.walks if w.symbol in self.fold.reduce.over), None)
        copies = (walk.copy,) if walk and walk.copies > 1 else ()
        lanes = (walk.lane,) if walk and walk.lanes > 1 else ()
        with self.turns(self.fold.kept), self.turns(copies):
            if walk is not None and walk.threads > 1:
                self._in_threads(walk, lanes)
                return
            with self.turns(lanes):
                self._take(self.fold.state())
                self.keep(self._result(self.fold.state()))

    def _take(self, state: State) -> None:
        """Combine a state with the element, if there is one."""
        conditions = self.conditions()
        inside = f"if ({' && '.join(conditions)})" if conditions else ""
        with self.tile.writer.block(inside) if inside else nullcontext():
            reduction = self.fold.reduction
            element = reduction.inject(self.tile.scalars, self.value(), None)
            self._combine(state, state, element)

    def _result(self, state: State) -> Value:
        found: Value = self.fold.reduction.result(self.tile.scalars, state)
        return found

    def _combine(self, to: State, left: State, right: State) -> None:
        self.folds.combine(self.fold, to, left, right)

    # several threads

    def _in_threads(self, walk: Walk, lanes: Sequence[Turn]) -> None:
        """Each thread folds its lanes; then it needs what the threads before it have found."""
        w = self.tile.writer
        with w.block(""):
            total, before = self._fresh("total"), self._fresh("before")
            parts = tuple(Value(w.fresh("part"), x.dtype) for x in total)
            at = f"[{walk.lane.name}]" if lanes else ""
            for part in parts:
                w.line(f"{c_type(part.dtype)} {part}{f'[{walk.lanes}]' if lanes else ''};")
            with self.turns(lanes):
                self._take(total)
                for part, x in zip(parts, total, strict=True):
                    w.line(f"{part}{at} = {x};")
            self._join(walk, total, before)
            running = self.fold.state()
            self._combine(before, running, before)
            with self.turns(lanes):
                own = tuple(Value(f"{part}{at}", part.dtype) for part in parts)
                self.keep(self._result(self.folds.combined(self.fold, before, own)))
            self._combine(running, running, total)

    def _fresh(self, hint: str) -> State:
        """New variables that hold the state of no element."""
        found = []
        for number in self.folds.nothing(self.fold):
            found.append(Value(self.tile.writer.fresh(hint), number.dtype))
            self.tile.writer.line(f"{c_type(number.dtype)} {found[-1]} = {number};")
        return tuple(found)

    def _join(self, walk: Walk, total: State, before: State) -> None:
        """From what each thread has, what all have and what those before it have."""
        near = _near(walk)
        digit = self.tile.digit(walk)
        if near > 1:
            self._in_warps(walk, digit, near, total, before)
        if near < walk.threads:
            self._exchange(walk, digit, near, total, before)

    def _in_warps(self, walk: Walk, digit: str, near: int, total: State, before: State) -> None:
        """Sums over 1, 2, 4, … neighbours; then the last thread of each row has that of all."""
        w, times = self.tile.writer, f" * {walk.stride}" if walk.stride > 1 else ""
        w.line(
            f"const i32 row = {digit} % {near};"
            if near < walk.threads
            else f"const i32 row = {digit};"
        )
        w.line("SF_UNROLL")
        with w.block(f"for (i32 n = 1; n < {near}; n *= 2)"):
            below = self._shuffled("sf_shuffle_up", total, f"n{times}")
            with w.block("if (row >= n)"):
                self._combine(total, below, total)
        below = self._shuffled("sf_shuffle_up", total, f"{walk.stride}")
        with w.block("if (row > 0)"):
            self._assign(before, below)
        last = f"thread % {WARP} + ({near - 1} - row){times}"
        self._assign(total, self._shuffled("sf_shuffle", total, last))

    def _shuffled(self, name: str, state: State, lane: str) -> State:
        return tuple(
            self.tile.named(Value(f"{name}({x}, {lane})", x.dtype), "below") for x in state
        )

    def _assign(self, to: State, values: State) -> None:
        for place, value in zip(to, values, strict=True):
            self.tile.writer.line(f"{place} = {value};")

    def _exchange(self, walk: Walk, digit: str, near: int, total: State, before: State) -> None:
        """Through memory: each thread combines the totals of all groups, and of those before."""
        w, threads = self.tile.writer, self.layout.threads
        place = "thread" if threads >= self.tile.threads else f"thread % {threads}"
        stride, count = walk.stride * near, walk.threads // near
        w.line("sf_barrier();")
        size, names = 0, []
        for x in total:
            names.append(w.fresh("totals"))
            kind = c_type(x.dtype)
            w.line(f"{kind}* {names[-1]} = ({kind}*)(scratch + {size});")
            w.line(f"{names[-1]}[{place}] = {x};")
            size += -(-threads * x.dtype.itemsize // 16) * 16
        w.line("sf_barrier();")
        group = f"{digit} / {near}" if near > 1 else digit
        earlier, every = self._fresh("earlier"), self._fresh("every")
        with w.block(f"for (i32 i = 0; i < {count}; ++i)"):
            w.line(f"const i32 from = {place} + (i - {group}) * {stride};")
            there = tuple(
                self.tile.named(Value(f"{name}[from]", x.dtype), "there")
                for name, x in zip(names, total, strict=True)
            )
            with w.block(f"if (i < {group})"):
                self._combine(earlier, earlier, there)
            self._combine(every, every, there)
        self._combine(before, earlier, before)
        self._assign(total, every)
        self.tile.scratch(size)


def _near(walk: Walk) -> int:
    """How many neighbours along the walk are in one warp, in rows that shuffles can join."""
    width = walk.stride * walk.threads
    if WARP % width == 0:
        return walk.threads
    return WARP if walk.stride == 1 and walk.threads % WARP == 0 else 1
