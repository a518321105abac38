"""Folds: accumulators in registers, then the threads that share a fold, by shuffles and memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import prod

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ...ir.op import Reduction
from ...kernel.phases import Instr, Reduce
from .layout import Layout, Turn, Walk
from .memory import Here
from .scalars import CudaScalars, Value, c_type
from .storage import Registers
from .tile import WARP, Tile

__all__ = ["Fold", "Folds", "exchanges"]

State = tuple[Value, ...]
MOST_WORDS = 32  # of registers that the accumulators of one fold may take


class Fold(Struct, frozen=True, eq=False):
    """The accumulators of a fold: one array for each part of its state.

    Their dimensions are the loops that are kept, then those that are folded.
    """

    reduce: Reduce
    dtype: DType
    names: tuple[str, ...]
    dtypes: tuple[DType, ...]
    kept: tuple[Turn, ...]
    over: tuple[Turn, ...]

    @property
    def reduction(self) -> Reduction:
        return self.reduce.reduction

    def state(self, at: Sequence[str] | None = None) -> State:
        """The accumulators in the open loops; `at`: at these places of the folded ones."""
        inner = [turn.name for turn in self.over] if at is None else at
        place = "".join(f"[{x}]" for x in (*(turn.name for turn in self.kept), *inner))
        return tuple(
            Value(f"{name}{place}", dtype)
            for name, dtype in zip(self.names, self.dtypes, strict=True)
        )

    @property
    def first(self) -> State:
        """Where the folded loops have come together."""
        return self.state(["0"] * len(self.over))


class _Digit(Struct, frozen=True):
    """`count` threads at distances of `stride` that hold parts of one fold."""

    stride: int
    count: int


class Folds:
    """The folds of a phase; `outside`: loops over steps around them."""

    def __init__(self, tile: Tile, layout: Layout, outside: tuple[Walk, ...]) -> None:
        self.tile, self.layout, self.outside = tile, layout, outside
        self.w, self.s = tile.writer, tile.scalars

    # in one thread

    def begin(self, instr: Instr) -> Fold:
        """Declare the accumulators of a fold, which hold what is left of no element."""
        reduce: Reduce = instr.detail
        dtype = instr.args[0].dtype
        dtypes = reduce.reduction.dtypes(dtype)
        names = tuple(self.w.fresh(f"{reduce.local.name}_") for _ in dtypes)
        kept = self._turns(reduce.local.axes, steps=True)
        alone = instr.op == "scan" or self.layout.phase.fragment is not None
        over = () if alone else self._side_by_side(reduce, kept, dtypes)
        fold = Fold(reduce, dtype, names, dtypes, kept, over)
        turns = fold.kept + fold.over
        dims = "".join(f"[{turn.count}]" for turn in turns)
        nothing = self.nothing(fold)
        for name, number in zip(names, nothing, strict=True):
            start = "" if turns else f" = {number}"
            self.w.line(f"{c_type(number.dtype)} {name}{dims}{start};")
        if turns:
            with self._over(turns):
                self._assign(fold.state(), nothing)
        if reduce.onto:
            with self._over(fold.kept):
                self._assign(fold.first, self._held(fold))
        return fold

    def _held(self, fold: Fold) -> State:
        """What the local of a fold holds, as its state."""
        place = self.tile.storage[fold.reduce.local]
        assert isinstance(place, Registers), f"{fold.reduce.local} is carried in shared memory"
        at = "".join(f"[{turn.name}]" for turn in place.turns)
        held = Value(f"{place.name}{at}", place.dtype)
        return fold.reduction.inject(self._scalars(fold), held, None)

    def nothing(self, fold: Fold) -> State:
        """The state of no element."""
        numbers = zip(fold.reduction.identity(fold.dtype), fold.dtypes, strict=True)
        return tuple(self.s.const(number, dtype) for number, dtype in numbers)

    def _side_by_side(
        self, reduce: Reduce, kept: Sequence[Turn], dtypes: Sequence[DType]
    ) -> tuple[Turn, ...]:
        """The folded copies and lanes that have accumulators of their own, as registers allow."""
        over = self._turns(reduce.over, steps=False)
        words = sum(-(-dtype.itemsize // 4) for dtype in dtypes)
        while over and words * prod(turn.count for turn in (*kept, *over)) > MOST_WORDS:
            over = over[1:]
        return over

    def _turns(self, axes: Iterable[object], *, steps: bool) -> tuple[Turn, ...]:
        found: list[Turn] = []
        for axis in axes:
            walk = self.layout.of.get(axis)  # type: ignore[call-overload]
            if walk is None:
                continue
            if steps and walk.is_loop and walk not in self.outside:
                found.append(walk.unrolled_step)
            found.extend(walk.turns)
        return tuple(found)

    @contextmanager
    def _over(self, turns: Sequence[Turn]) -> Iterator[None]:
        if not turns:
            yield
            return
        with self.w.unrolled(turns[0].name, turns[0].count), self._over(turns[1:]):
            yield

    def add(self, fold: Fold, operands: State) -> None:
        """Fold an element, or the product of two, into the accumulators of the open loops."""
        state = fold.state()
        if len(operands) == 2 and not fold.reduction.uses_position:
            self.w.line(f"{state[0]} = sf_fma({operands[0]}, {operands[1]}, {state[0]});")
            return
        s = self._scalars(fold)
        value, position = (*operands, None)[:2]
        self.combine(fold, state, state, fold.reduction.inject(s, value, position))

    def _scalars(self, fold: Fold) -> CudaScalars:
        """What combines: written as one expression where it is one instruction."""
        return self.tile.plain if fold.reduction.instruction else self.s

    def _assign(self, to: State, values: Sequence[Value]) -> None:
        alone = len(to) == 1
        named = [v if alone or v.is_fixed else self.tile.named(v, "next") for v in values]
        for place, value in zip(to, named, strict=True):
            self.w.line(f"{place} = {value};")

    def combined(self, fold: Fold, left: State, right: State) -> State:
        """Both states together."""
        found: State = fold.reduction.combine(self._scalars(fold), left, right)
        return found

    def combine(self, fold: Fold, to: State, left: State, right: State) -> None:
        """Let `to` be both states together."""
        self._assign(to, self.combined(fold, left, right))

    # in all threads

    def finish(self, folds: Sequence[Fold], *, inside: bool) -> None:
        """Bring the parts of all threads together and keep the results; `inside` of a loop."""
        waiting = []
        for fold in folds:
            shuffles, rest = _digits(self.layout, fold.reduce)
            if rest:
                waiting.append((fold, rest))
            if fold.over or shuffles:
                with self._over(fold.kept):
                    self._join_turns(fold)
                    for digit in shuffles:
                        self._shuffle(fold, digit)
        if waiting:
            self._exchange(waiting, inside=inside)
        for fold in folds:
            with self._over(fold.kept):
                self._keep(fold)

    def _join_turns(self, fold: Fold) -> None:
        """Copies and lanes become one, those of the innermost loop first."""
        for at in reversed(range(len(fold.over))):
            outer, turn = fold.over[:at], fold.over[at]
            rest = ["0"] * (len(fold.over) - at - 1)
            names = [t.name for t in outer]
            with self._over(outer), self.w.unrolled(turn.name, turn.count, first=1):
                left = fold.state([*names, "0", *rest])
                right = fold.state([*names, turn.name, *rest])
                self.combine(fold, left, left, right)

    def _shuffle(self, fold: Fold, digit: _Digit) -> None:
        state = fold.first
        highest = digit.stride * digit.count // 2
        self.w.line("SF_UNROLL")
        head = f"for (i32 mask = {highest}; mask >= {digit.stride}; mask /= 2)"
        with self.w.block(head):
            other = tuple(
                self.tile.named(Value(f"sf_shuffle_xor({x}, mask)", x.dtype), "other")
                for x in state
            )
            self.combine(fold, state, state, other)

    def _exchange(self, waiting: Sequence[tuple[Fold, list[_Digit]]], *, inside: bool) -> None:
        """Each thread puts its state into memory and combines those of its fellows."""
        threads = self.layout.threads
        place = "thread" if threads >= self.tile.threads else f"thread % {threads}"
        arrays = [self._arrays(fold) for fold, _ in waiting]
        size = 0
        if inside:
            self.w.line("sf_barrier();")
        for (fold, _), names in zip(waiting, arrays, strict=True):
            for name, dtype in zip(names, fold.dtypes, strict=True):
                kind = c_type(dtype)
                self.w.line(f"{kind}* {name} = ({kind}*)(scratch + {size});")
                size += -(-prod(t.count for t in fold.kept) * threads * dtype.itemsize // 16) * 16
            with self._over(fold.kept):
                for name, x in zip(names, fold.first, strict=True):
                    self.w.line(f"{name}[{self._slot(fold, threads)}{place}] = {x};")
        self.w.line("sf_barrier();")
        for (fold, rest), names in zip(waiting, arrays, strict=True):
            with self._over(fold.kept):
                self._gather(fold, rest, names, place)
        self.tile.scratch(size)

    def _arrays(self, fold: Fold) -> list[str]:
        return [self.w.fresh(f"{name}_parts") for name in fold.names]

    def _slot(self, fold: Fold, threads: int) -> str:
        """The first place of the open loops in an array with a row for each of their turns."""
        text = ""
        for turn in fold.kept:
            text = f"({text} * {turn.count} + {turn.name})" if text else turn.name
        return f"{text} * {threads} + " if text else ""

    def _gather(self, fold: Fold, rest: Sequence[_Digit], names: Sequence[str], place: str) -> None:
        """The states of all fellows, in the order of their numbers."""
        first = f"({place})" if "%" in place else place
        base = first + "".join(f" - {first} / {d.stride} % {d.count} * {d.stride}" for d in rest)
        slot = self._slot(fold, self.layout.threads)
        steps = [(self.w.fresh("fellow"), digit) for digit in rest]
        offset = " + ".join(f"{name} * {digit.stride}" for name, digit in steps)
        with self.w.block(""):
            self.w.line(f"const i32 from = {slot}{base};")
            self._assign(fold.first, self.nothing(fold))
            heads = [
                f"for (i32 {name} = 0; {name} < {digit.count}; ++{name})" for name, digit in steps
            ]
            for head in heads[:-1]:
                self.w.line(head)
            with self.w.block(heads[-1]):
                other = tuple(
                    self.tile.named(Value(f"{array}[from + {offset}]", dtype), "other")
                    for array, dtype in zip(names, fold.dtypes, strict=True)
                )
                self.combine(fold, fold.first, fold.first, other)

    def _keep(self, fold: Fold) -> None:
        """What the fold gives becomes its local."""
        result: Value = fold.reduction.result(self.s, fold.first)
        place = self.tile.storage[fold.reduce.local]
        if isinstance(place, Registers):
            at = "".join(f"[{turn.name}]" for turn in place.turns)
            self.w.line(f"{place.name}{at} = {result};")
            return
        here = Here(self.layout, self.tile.indices, fold.kept)
        pointer, offset = self.tile.memory.kept(fold.reduce.local, here)
        owners = self.tile.owners(self.layout, fold.reduce.local.axes)
        condition = f"if ({' && '.join(owners)}) " if owners else ""
        self.w.line(f"{condition}{pointer}[{offset}] = {result};")


def exchanges(layout: Layout, reduce: Reduce) -> bool:
    """Whether threads of several warps share a fold."""
    return bool(_digits(layout, reduce)[1])


def _digits(layout: Layout, reduce: Reduce) -> tuple[list[_Digit], list[_Digit]]:
    """The threads to join by shuffles inside of warps, and those to join by memory."""
    shuffles, rest = [], []
    for walk in reversed(layout.walks):
        if walk.threads == 1 or walk.symbol not in reduce.over:
            continue
        for stride, count in walk.digits:
            if count > 1 and _is_power(stride) and _is_power(count) and stride < WARP:
                near = min(count, WARP // stride)
                shuffles.append(_Digit(stride, near))
                stride, count = stride * near, count // near
            if count > 1:
                rest.append(_Digit(stride, count))
    return shuffles, rest


def _is_power(number: int) -> bool:
    return number & (number - 1) == 0
