"""Which traced arrays NumPy would give the same memory: who may write to them, and read them after.

A view and its base share memory. So may what a branch or loop gives, and an array from before it,
in some runs: then a write to one of them ends the use of the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import ref

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.runtime.errors import Loc, TraceError

from .dispatch import ACTIVE, Traceable

__all__ = ["Memory"]


class Memory(Traceable):
    """A traced array as something that is written in place, and that has other names."""

    __slots__ = (
        "_awaited", "_is_owned", "_lost", "_node", "_pending", "_shares", "_trace", "_version",
        "_view",
    )  # fmt: skip
    _awaited: Any
    _is_owned: bool
    _lost: Any
    _node: Node
    _pending: Any
    _shares: tuple[tuple[ref[Any], int], ...]
    _trace: Any
    _version: int
    _view: tuple[Any, int] | None

    def _write(self, value: Memory) -> None:
        others, self._shares = self._bases()[1:], ()
        for other in others:
            other._lose()
        self._node, self._trace = value._node, value._trace
        self._version += 1

    def _bases(self) -> list[Any]:
        """The arrays in use whose memory NumPy would share with this one, in some run at least."""
        own = self if self._view is None else self._view[0]
        return [own, *(one for known, _ in own._shares if (one := known()) is not None)]

    def _may_be(self, others: Iterable[Memory]) -> None:
        """Note which arrays this is another name for, in some run at least."""
        found = {id(one): one for other in others for one in other._bases() if one is not self}
        self._shares = tuple((ref(one), one._version) for one in found.values())

    def _lose(self) -> None:
        """Have nobody use this array, the elements of which another one has."""
        self._version += 1
        self._lost = user_location() or True

    def _check_writable(self) -> None:
        reason, fix = "", ""
        running = ACTIVE.get()
        if running is not None and running is not self._trace and not self._trace.is_free:
            reason, fix = (
                "is from outside of the branch, loop or function that is traced",
                "return the value, and write it after",
            )
        elif self._node.is_parameter and not self._is_owned:
            reason, fix = "is an argument, which belongs to the caller", "x = x.copy()"
        elif self._view is not None:
            reason, fix = (
                "shares the memory of another array",
                "write to that array, or x = x.copy()",
            )
        if reason:
            raise TraceError(
                f"in-place write to {self!r}, which {reason}",
                fix=f"before the write: {fix}; or use x.at[i].set(v)",
                loc=user_location(),
            )

    def _is_stale(self) -> bool:
        return any(
            (one := known()) is not None and one._version != was for known, was in self._shares
        )

    def _check_usable(self) -> None:
        if self._lost is not None or (self._shares and self._is_stale()):
            place = f" ({self._lost})" if isinstance(self._lost, Loc) else ""
            raise TraceError(
                f"{self!r} may be another name for an array that has been written to{place} since",
                fix="copy it before: y = x.copy()",
                loc=user_location(),
            )
        if self._view is not None and self._view[0]._version != self._view[1]:
            raise TraceError(
                f"{self!r} is a view of an array that has been written to since",
                fix="copy it before the write: x[i].copy()",
                loc=user_location(),
            )
        changed = self if self._pending is not None else self._awaited
        if changed is not None:
            raise TraceError(
                f"{changed!r} is a view of another array and was changed in place",
                fix="index in the same statement: x[i] += v",
                loc=user_location(),
            )
