"""Goes through the steps of one call: which launch comes next, and where in memory it works.

Memory is told by spots, which are the same for every call of the same sizes: the number of a
buffer, or that of the arena, and bytes behind its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .code import DeviceCode
from .launches import counted
from .places import Count, Place
from .steps import Carried, Choice, Repeat, Steps, While, bodies

__all__ = ["ARENA", "Action", "Copy", "Fill", "Peek", "Run", "Spot", "Walk", "roots"]

ARENA = -1  # so that the arena's address may stand behind those of all buffers
Spot = tuple[int, int]
Peek = Callable[[Spot, int], bytes]


# Actions are not frozen: that would make them three times as dear.


@dataclass(slots=True)
class Run:
    """Launch number `at`, whose pointers go to these spots."""

    at: int
    spots: tuple[Spot, ...]


@dataclass(slots=True)
class Copy:
    """Bytes from one place to another."""

    spots: tuple[Spot, Spot]  # target, source
    nbytes: int


@dataclass(slots=True)
class Fill:
    """Words of 32 bits, which all get the same value."""

    spots: tuple[Spot]
    word: int
    count: int


Action = Run | Copy | Fill


class Walk:
    """The actions of calls of the same sizes; `peek` gives bytes of memory once all is done that
    came before."""

    def __init__(self, code: DeviceCode, prepared: Sequence[int], peek: Peek | None = None) -> None:
        self.code, self.prepared, self.peek = code, prepared, peek
        self._slots: dict[int, Spot] = {}
        self._pointers: dict[int, tuple[Spot, ...]] = {}

    def __call__(self, steps: Steps) -> Iterator[Action]:
        """Of these steps, in their order."""
        for step in steps:
            if isinstance(step, int):
                yield self._run(step)
            elif isinstance(step, Repeat):
                yield from self._repeat(step)
            elif isinstance(step, While):
                yield from self._while(step)
            else:
                yield from self(self._chosen(step))

    def _run(self, at: int) -> Run:
        """A launch with its pointers, those to slots at what the slots see now."""
        if (known := self._pointers.get(at)) is None:
            places = self.code.launches[at].pointers
            known = self._pointers[at] = tuple(map(self._fixed, places))
        if not (slots := self._slots):
            return Run(at, known)
        spots = [
            spot if (seen := slots.get(spot[0])) is None else (seen[0], seen[1] + spot[1])
            for spot in known
        ]
        return Run(at, tuple(spots))

    def _repeat(self, step: Repeat) -> Iterator[Action]:
        """Turns whose number is known: the last one writes to where the results belong."""
        length = self._count(step.length)
        turns = range(length)
        states = [_State(self, carry, length) for carry in step.carries]
        rows = [(row.slot, self._spot(row.whole), self._count(row.nbytes)) for row in step.rows]
        if step.counter is not None and length:
            counter = self._spot(step.counter)
            yield Fill((counter,), 0, 2)
        for turn in reversed(turns) if step.reverse else turns:
            if step.counter is not None:
                yield Fill((counter,), turn, 1)
            for slot, (number, offset), nbytes in rows:
                self._slots[slot] = (number, offset + turn * nbytes)
            yield from self._turn(states, step.steps)
        for state in states:
            yield from state.finish()

    def _while(self, step: While) -> Iterator[Action]:
        """Turns as long as the host reads a truth."""
        states = [_State(self, carry, 1) for carry in step.carries]
        test, turn = self._spot(step.test), 0
        while True:
            for state in states:
                self._slots[state.carry.read] = state.read
            yield from self(step.condition)
            if turn == step.bound or not any(self._seen(test, 1)):
                break
            yield from self._turn(states, step.steps)
            turn += 1
        for state in states:
            yield from state.finish()

    def _turn(self, states: Sequence[_State], steps: Steps) -> Iterator[Action]:
        for state in states:
            state.begin(self._slots)
        yield from self(steps)
        for state in states:
            state.hand_on(self._slots)

    def _chosen(self, step: Choice) -> Steps:
        """The branch of the number, which is clamped."""
        last = len(step.branches) - 1
        if last == 0:
            return step.branches[0]
        number = int.from_bytes(self._seen(self._spot(step.index), 4), "little", signed=True)
        return step.branches[min(max(number, 0), last)]

    def _seen(self, spot: Spot, nbytes: int) -> bytes:
        assert self.peek is not None
        return self.peek(spot, nbytes)

    def _spot(self, place: Place) -> Spot:
        spot = self._fixed(place)
        seen = self._slots.get(spot[0])
        return spot if seen is None else _behind(seen, spot[1])

    def _fixed(self, place: Place) -> Spot:
        return ARENA if place.number is None else place.number, self._count(place.offset)

    def _count(self, count: Count) -> int:
        return counted(count, self.prepared)


class _State:
    """Where a carry is read and written in the turn at hand."""

    __slots__ = ("carry", "last", "nbytes", "other", "read", "write")

    def __init__(self, walk: Walk, carry: Carried, length: int) -> None:
        self.carry, self.nbytes = carry, walk._count(carry.nbytes)
        self.read = walk._spot(carry.start)
        self.last = None if carry.last is None else walk._spot(carry.last)
        self.write = self.other = self.read if self.last is None else self.last
        if carry.spare is not None and not carry.is_row:
            spare = walk._spot(carry.spare)
            self.write, self.other = (self.write, spare) if length % 2 else (spare, self.write)

    def begin(self, slots: dict[int, Spot]) -> None:
        slots[self.carry.read] = self.read
        if not self.carry.is_row:
            slots[self.carry.write] = self.write

    def hand_on(self, slots: Mapping[int, Spot]) -> None:
        if self.carry.is_row:
            self.read = slots[self.carry.write]
        else:
            self.read, self.write, self.other = self.write, self.other, self.write

    def finish(self) -> Iterator[Action]:
        """The copy to where the result belongs, if it is elsewhere."""
        if self.last is not None and self.read != self.last and self.nbytes:
            yield Copy((self.last, self.read), self.nbytes)


def _behind(spot: Spot, nbytes: int) -> Spot:
    return spot[0], spot[1] + nbytes


def roots(code: DeviceCode) -> dict[int, frozenset[int]]:
    """Slot → the buffers in which it may lie."""
    found: dict[int, frozenset[int]] = {}

    def of(*places: Place | None) -> frozenset[int]:
        numbers = [p.number for p in places if p is not None and p.number is not None]
        return frozenset().union(*(found.get(n, {n}) for n in numbers))

    def visit(steps: Steps) -> None:
        for step in steps:
            if isinstance(step, int):
                continue
            if isinstance(step, Repeat):
                found.update((row.slot, of(row.whole)) for row in step.rows)
            for carry in () if isinstance(step, Choice) else step.carries:
                if carry.is_row:
                    found[carry.read] = of(carry.start) | found[carry.write]
                else:
                    found[carry.read] = of(carry.start, carry.last, carry.spare)
                    found[carry.write] = of(carry.last, carry.spare)
            for inner in bodies(step):
                visit(inner)

    visit(code.steps)
    return found
