"""Which launches of a captured graph may run side by side, and which have to wait for which.

Launches conflict that touch the same bytes, one of them writing. The plan of memory gives bytes to
another buffer as soon as the order of launches allows it: so it is the bytes that count, not
buffers. Launches that fill the device gain nothing from company and run one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["Branches", "Span", "Work", "branches_of", "conflicts"]

WORTH = 2  # launches less in the longest row of launches, for which branches are worth their edges


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` to `stop` of some memory, read, or written as well."""

    memory: int
    start: int
    stop: int
    written: bool

    def meets(self, other: Span) -> bool:
        """Whether both touch a byte that one of them writes."""
        same = self.memory == other.memory and (self.written or other.written)
        return same and self.start < other.stop and other.start < self.stop

    def covers(self, other: Span) -> bool:
        """Whether it has all bytes of the other."""
        return self.start <= other.start and other.stop <= self.stop


@dataclass(frozen=True, slots=True)
class Work:
    """What a launch touches; None if that is not known. A `small` one leaves room for others."""

    spans: tuple[Span, ...] | None
    small: bool = True


@dataclass(frozen=True, slots=True)
class Branches:
    """The stream of each launch, and the launches of other streams that it waits for."""

    streams: tuple[int, ...]
    waits: tuple[tuple[int, ...], ...]

    @classmethod
    def one(cls, count: int) -> Branches:
        """So many launches in their order."""
        return cls((0,) * count, ((),) * count)

    @property
    def every(self) -> range:
        """The streams."""
        return range(max(self.streams, default=0) + 1)

    @property
    def awaited(self) -> frozenset[int]:
        """The launches that those of other streams wait for."""
        return frozenset().union(*self.waits)


def conflicts(first: Work, second: Work) -> bool:
    """Whether two launches have to keep their order."""
    if first.spans is None or second.spans is None:
        return True
    return any(one.meets(other) for one in first.spans for other in second.spans)


def branches_of(works: Sequence[Work], most: int) -> Branches | None:
    """At most so many streams for launches in an order that is right; None where one does."""
    before = _Order().of(works) if most > 1 else []
    return _Streams(most).of(before) if _is_worth(before) else None


def _is_worth(before: Sequence[frozenset[int]]) -> bool:
    """Whether the longest row of launches that wait for each other is short enough."""
    depth: list[int] = []
    for needed in before:
        depth.append(1 + max((depth[at] for at in needed), default=0))
    return len(depth) - max(depth, default=0) >= WORTH


@dataclass(slots=True)
class _Touched:
    """The spans of some memory that later launches have to respect."""

    read: list[tuple[Span, int]] = field(default_factory=list)
    written: list[tuple[Span, int]] = field(default_factory=list)

    def before(self, span: Span) -> Iterable[int]:
        """The launches that come before one that touches this."""
        found = [at for other, at in self.written if span.meets(other)]
        return found + [at for other, at in self.read if span.written and span.meets(other)]

    def add(self, span: Span, at: int) -> None:
        """Keep a span; what a write covers altogether is ordered before it from now on."""
        if not span.written:
            self.read.append((span, at))
            return
        self.read = [kept for kept in self.read if not span.covers(kept[0])]
        self.written = [kept for kept in self.written if not span.covers(kept[0])]
        self.written.append((span, at))


class _Order:
    """Goes through launches and finds what each has to wait for."""

    def __init__(self) -> None:
        self._touched: dict[int, _Touched] = {}
        self._large: set[int] = set()  # the last one that fills the device
        self._unknown: set[int] = set()  # the last one of which nothing is known

    def of(self, works: Sequence[Work]) -> list[frozenset[int]]:
        return [frozenset(self._before(at, work)) for at, work in enumerate(works)]

    def _before(self, at: int, work: Work) -> Iterable[int]:
        if work.spans is None:
            self._touched.clear()
            self._unknown = self._large = {at}
            return range(at)
        found = set(self._unknown)
        if not work.small:
            found |= self._large
            self._large = {at}
        for span in work.spans:
            found.update(self._touched.setdefault(span.memory, _Touched()).before(span))
        for span in work.spans:
            self._touched[span.memory].add(span, at)
        return found


class _Streams:
    """Deals launches out to streams: behind one that they wait for, or where least is going on."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last: list[int] = []  # launch of each stream
        self._known: list[dict[int, int]] = []  # stream → its last launch that has ended before

    def of(self, before: Sequence[frozenset[int]]) -> Branches:
        streams: list[int] = []
        waits = []
        for at, needed in enumerate(before):
            stream = self._choose(needed)
            known = dict(self._known[self._last[stream]]) if stream < len(self._last) else {}
            waited = []
            for one in sorted(needed, reverse=True):
                if known.get(streams[one], -1) < one:
                    waited.append(one)
                    for other, last in self._known[one].items():
                        known[other] = max(last, known.get(other, -1))
            self._last[stream : stream + 1] = [at]
            self._known.append({**known, stream: at})
            streams.append(stream)
            waits.append(tuple(waited))
        return Branches(tuple(streams), tuple(waits))

    def _choose(self, needed: frozenset[int]) -> int:
        behind = [stream for stream, last in enumerate(self._last) if last in needed]
        if behind:
            return max(behind, key=self._last.__getitem__)
        if len(self._last) < self._most:
            return len(self._last)
        return min(range(self._most), key=self._last.__getitem__)
