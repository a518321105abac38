"""Elements of buffers and of shared locals: addresses, vectors, and conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ...ir.dims import Dim, Symbol, coefficient, is_multiple, substitute
from ...kernel.phases import Access, Buffer, Instr, Local
from ...kernel.regions import alignment_of
from .indices import Indices
from .layout import Layout, Turn, Walk
from .scalars import Value
from .storage import VECTOR, Shared, Storage, shared_offset

__all__ = ["Here", "Memory", "Vector"]


class Vector(Struct, frozen=True):
    """The walk whose lanes an access covers, `by` elements at a time."""

    walk: Walk
    by: int


class Here:
    """Where a statement stands: a phase, and those of its unrolled loops that are open."""

    def __init__(self, layout: Layout, indices: Indices, turns: Iterable[Turn]) -> None:
        self.layout, self.indices = layout, indices
        self.turns = frozenset(turn.name for turn in turns)
        self._at = {w.symbol: w.place(w.base, lane=self._is_open(w)) for w in layout.walks}
        self._in = {w.inside: w.place(w.inside, lane=self._is_open(w)) for w in layout.walks}

    def _is_open(self, walk: Walk) -> bool:
        return walk.lane.name in self.turns

    def index(self, dim: Dim) -> Dim:
        """An expression of axes or of places inside the tile, at this point."""
        return substitute(dim, {**self._at, **self._in})

    def conditions(self, axes: Iterable[Symbol], vector: Walk | None = None) -> list[str]:
        """That this point lies inside each axis; the lanes of a vector may count for themselves."""
        wanted = set(axes)
        return [
            f"{self.indices.text(self._first(walk))} < {self.indices.text(walk.limit)}"
            for walk in self.layout.walks
            if walk.symbol in wanted
            and walk.is_masked
            and not (walk is vector and walk.cuts_vectors)
        ]

    def _first(self, walk: Walk) -> Dim:
        return self._at[walk.symbol] if walk.cuts_vectors else walk.place(walk.base, lane=False)

    def left(self, walk: Walk) -> str:
        """How many lanes of a vector lie inside its axis, if positive."""
        return self.indices.text(walk.limit - walk.place(walk.base, lane=False))


class Memory:
    """The text of addresses."""

    def __init__(self, indices: Indices, pointers: Mapping[Buffer, str], storage: Storage) -> None:
        self.indices, self.pointers, self.storage = indices, pointers, storage

    def vector(self, instr: Instr, layout: Layout) -> Vector | None:
        """How an access covers lanes at once: where they are neighbours and begin aligned."""
        detail = instr.detail
        if isinstance(detail, Access):
            offset, operands = detail.offset, instr.args if instr.op == "load" else instr.args[1:]
            along = [walk for walk in layout.walks if coefficient(offset, walk.symbol) == 1]
            strides: tuple[Dim, ...] = detail.strides
        elif isinstance(detail, Local) and isinstance(shared := self.storage[detail], Shared):
            offset, operands, strides = shared_offset(shared, layout), (), ()
            along = [walk for walk in layout.walks if coefficient(offset, walk.inside) == 1]
        else:
            return None
        most = min(VECTOR, alignment_of(detail.buffer)) if isinstance(detail, Access) else VECTOR
        for walk in along:
            fixed = not any(walk.symbol in operand.axes for operand in operands)
            by = min(walk.lanes & -walk.lanes, most // instr.dtype.itemsize)
            by = self._aligned(offset, strides, walk, layout, by) if fixed else 1
            if by > 1:
                return Vector(walk, by)
        return None

    def _aligned(
        self, offset: Dim, strides: tuple[Dim, ...], walk: Walk, layout: Layout, by: int
    ) -> int:
        """The most elements, up to so many, that an access may cover at once."""
        others = (w.lane for w in layout.walks if w is not walk and w.lanes > 1)
        first = Here(layout, self.indices, others).index(offset)
        while by > 1 and not all(is_multiple(part, by) is True for part in (first, *strides)):
            by //= 2
        return by

    def element(self, access: Access, picks: Iterable[Value], here: Here) -> tuple[str, str]:
        """The pointer of a buffer and the offset of an element."""
        offset = here.index(access.offset)
        terms = [self.indices.text(offset)] if offset != 0 or not access.strides else []
        for pick, stride in zip(picks, access.strides, strict=True):
            factor = "" if stride == 1 else f" * {self.indices.factor(stride)}"
            terms.append(f"{pick.operand}{factor}")
        return self.pointers[access.buffer], " + ".join(terms)

    def kept(self, local: Local, here: Here) -> tuple[str, str]:
        """The pointer of a shared local and the offset of an element."""
        shared = self.storage[local]
        assert isinstance(shared, Shared)
        return shared.name, self.indices.text(here.index(shared_offset(shared, here.layout)))
