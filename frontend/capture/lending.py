"""What becomes of the arrays, lists and dicts outside that a loop or branch of the graph changes.

Inside, others stand in for them. Where a variable still holds what stands in when the code ends,
the one outside gets the new contents, which all names for it see, as in Python. Where it does not,
the array outside cannot be used any more. Inside, no other name may read what the code writes.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import combinations
from types import CellType
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import TraceError

from ..tracing.rows import Rows
from ..tracing.trace import Trace
from ..tracing.tracer import Tracer
from ..tracing.tree import flatten
from .states import Variables

__all__ = ["Lent", "Turn", "expect_one_name", "lent", "returned", "with_other_names"]

_OWN_COPY = "give every name an array of its own: y = x.copy()"


class Lent(Struct, frozen=True):
    """What a variable, or a place in it, holds outside, and what stands in for that."""

    outside: Any
    inside: Any
    parts: dict[Any, Lent]

    @property
    def is_written(self) -> bool:
        """Whether the array that stands in has been written to."""
        is_own = isinstance(self.inside, Tracer) and self.inside is not self.outside
        return is_own and self.inside._version > 0

    def arrays(self, after: Any) -> Iterator[tuple[Lent, Any]]:
        """The arrays in it, and what is in their places after the code."""
        if isinstance(self.inside, Tracer):
            yield self, after
        found = _parts(after)
        for key, part in self.parts.items():
            yield from part.arrays(found.get(key))


def lent(outside: Any, inside: Any) -> Lent:
    """What stands in for a value, and for its parts, before the code runs."""
    held = _parts(outside)
    pairs = {key: (held[key], one) for key, one in _parts(inside).items() if key in held}
    return Lent(outside, inside, {key: lent(*pair) for key, pair in pairs.items()})


def _parts(value: Any) -> dict[Any, Any]:
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list | tuple):
        kind: Any = list if isinstance(value, list) else tuple
        return dict(enumerate(kind.__iter__(value)))  # which is no reading of a list that grows
    if isinstance(value, Rows):
        return {}  # which nobody writes to
    leaves, tree = flatten(value)
    return {} if tree.is_leaf else dict(enumerate(leaves))


class Turn(Struct, frozen=True):
    """Code that has been traced: what stood in for its variables, and what they hold after it."""

    lent: tuple[Lent, ...]
    after: tuple[Any, ...]
    trace: Trace
    repeats: bool = False

    def arrays(self) -> list[tuple[Lent, Any]]:
        """The arrays of its variables, and what is in their places after it."""
        pairs = zip(self.lent, self.after, strict=False)
        return [found for whole, after in pairs for found in whole.arrays(after)]

    def written(self) -> list[Lent]:
        """The arrays that it has written to, or will in other turns, which exchange them."""
        arrays = self.arrays()
        known = {id(one.inside): one for one, _ in arrays}
        found = {id(one.inside) for one, _ in arrays if one.is_written}
        moves = [
            {id(one.inside), id(base)}
            for one, after in (arrays if self.repeats else ())
            if isinstance(after, Tracer)
            for base in after._bases()
            if id(base) in known
        ]
        while more := [move for move in moves if move & found and not move <= found]:
            found = found.union(*more)
        return [one for key, one in known.items() if key in found]

    def at(self, places: Iterable[int]) -> tuple[Any, ...]:
        """What the variables of these numbers hold after it."""
        return tuple(self.after[place] for place in places)

    def keeps(self, at: int) -> bool:
        """Whether an array that it may have written to is still that of the variable."""
        return any(
            isinstance(one.inside, Tracer)
            and one.inside is self.after[at]
            and one.inside is not one.outside
            for one in self.lent[at : at + 1]
        )

    def expect_one_name(self, *others: Trace) -> None:
        """Refuse that it reads what it writes by another name than that which it writes it by."""
        reads = [trace.read for trace in (self.trace, *others)]
        found = [known[key] for one in self.written() for key in _memory(one.outside)
                 for known in reads if key in known]  # fmt: skip
        for array, loc in found:
            raise TraceError(
                f"{array!r} is read by another name in a loop or branch that writes to it",
                fix="use the name by which it is written, or a copy from before: y = x.copy()",
                loc=loc,
            )

    def expect_steady(self) -> None:
        """Refuse that names for an array that is written are for others in the next turn."""
        arrays = self.arrays()
        if not any(one.is_written for one, _ in arrays):
            return
        for one, after in arrays:
            if one.is_written and isinstance(after, Tracer) and after is not one.inside:
                _expect_own(after, self.trace)
        for (one, after), (two, other) in combinations(arrays, 2):
            if not (one.is_written or two.is_written):
                continue
            if _memory(one.outside) & _memory(two.outside) or _memory(after) & _memory(other):
                raise _shared(one.inside if one.is_written else two.inside)


def _expect_own(array: Tracer, trace: Trace) -> None:
    """Refuse an array of outside as what the next turn would write to."""
    if any(base._trace is not trace for base in array._bases()):
        raise _shared(array)
    array._check_writable()


def _shared(array: Tracer) -> TraceError:
    return TraceError(
        f"turns of this loop write to {array!r}, and in some of them other names are for it, too",
        fix=_OWN_COPY,
        loc=user_location(),
    )


def _memory(value: Any) -> set[int]:
    """What tells arrays apart whose memory NumPy would share."""
    if not isinstance(value, Tracer):
        return {id(value)} if isinstance(value, np.ndarray) else set()
    return {id(base) for base in value._bases() if base._node.shape}


def returned(turns: Sequence[Turn], chosen: Sequence[int], new: Iterable[Any]) -> tuple[Any, ...]:
    """What the variables of these numbers hold after code of which one of the turns has run."""
    settling = _Settling(turns)
    values = tuple(
        settling.value([(turn.lent[at], turn.after[at]) for turn in turns], value)
        for at, value in zip(chosen, new, strict=True)
    )
    settling.end()
    return values


class _Settling:
    """Gives what is outside its new contents."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        lent = [one for turn in turns for one, _ in turn.arrays()]
        written = [one for turn in turns for one in turn.written()]
        self._outside = {id(one.inside): one.outside for one in lent}
        self._written = {id(one.outside): one.outside for one in written}
        self._kept: set[int] = set()
        self._new: list[tuple[Tracer, list[Any]]] = []

    def value(self, sides: Sequence[tuple[Lent, Any]], new: Any) -> Any:
        """The object outside if it is in its place on all sides, with the new contents."""
        old = sides[0][0].outside
        if type(old) is tuple and type(new) is tuple:
            return tuple(self._parts(sides, new).values())
        if any(after is not one.inside for one, after in sides):
            self._moved(sides, new)
        elif isinstance(old, Tracer) and isinstance(new, Tracer):
            return self._array(old, new, any(one.is_written for one, _ in sides))
        elif type(old) is list and type(new) is list:
            old[:] = self._parts(sides, new).values()
            return old
        elif type(old) is dict and type(new) is dict:
            parts = self._parts(sides, new)
            old.clear()
            old.update(parts)
            return old
        return new

    def _array(self, old: Tracer, new: Tracer, is_written: bool) -> Tracer:
        if is_written and id(old) not in self._kept:
            old._write(new)
            self._kept.add(id(old))
        return old

    def _parts(self, sides: Sequence[tuple[Lent, Any]], new: Any) -> dict[Any, Any]:
        found = [(one.parts, _parts(after)) for one, after in sides]
        return {
            key: self.value([(parts[key], after[key]) for parts, after in found], part)
            if all(key in parts and key in after for parts, after in found)
            else part
            for key, part in _parts(new).items()
        }

    def _moved(self, sides: Sequence[tuple[Lent, Any]], new: Any) -> None:
        """Note which arrays a new one may be, as a branch may give one from outside."""
        if isinstance(new, Tracer) and new._node.shape:
            self._new.append((new, [after for _, after in sides]))

    def end(self) -> None:
        """Have nobody use what has been written, and is in no place where it was."""
        for key, array in self._written.items():
            if key not in self._kept and isinstance(array, Tracer):
                for base in array._bases():
                    base._lose()
        for new, sides in self._new:
            bases = [base for one in sides if isinstance(one, Tracer) for base in one._bases()]
            found = [self._outside.get(id(base), base) for base in bases]
            new._may_be([one for one in found if isinstance(one, Tracer)])


def with_other_names(variables: Variables, *kinds: type) -> set[str]:
    """The variables of these kinds whose values Python refers to from elsewhere as well."""
    alone = _references(CellType([]))
    pairs = zip(variables.names, variables.cells, strict=True)
    return {name for name, cell in pairs if _is_of(cell, kinds) and _references(cell) > alone}


def expect_one_name(variables: Variables, written: Container[str], *kinds: type) -> None:
    """Refuse changes to arrays of NumPy, and to lists that grow, which have other names.

    They become traced arrays, which nothing tells the others of.
    """
    for name in sorted(with_other_names(variables, *kinds)):
        if name in written:
            raise TraceError(
                f"{name} is changed in a loop or branch of the graph, and is an array of NumPy, or "
                "a list that grows, that has another name as well",
                fix=f"use one name, or a copy from before: {name} = {name}.copy()",
                loc=user_location(),
            )


def _is_of(cell: CellType, kinds: tuple[type, ...]) -> bool:
    try:
        return type(cell.cell_contents) in kinds
    except ValueError:  # which an empty one raises
        return False


def _references(cell: CellType) -> int:
    return sys.getrefcount(cell.cell_contents)
