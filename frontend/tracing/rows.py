"""Lists of many rows: what a comprehension over a traced array gives, held as one array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from symfuse.compiler.ir.dims import Expr
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import TraceError

from .dispatch import FUNCTIONS
from .refusals import NoValueError
from .tree import flatten, map_leaves, register

__all__ = ["Rows"]


class Rows:
    """A list whose elements are the rows of arrays; it is read as a list is, and not changed.

    With several lengths its elements are such lists themselves.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, arrays: Any, length: Any, *inner: Any) -> None:
        self.arrays, self.length, self.inner = arrays, length, inner

    def row(self, arrays: Any) -> Any:
        """An element, of which the arrays are given."""
        return Rows(arrays, *self.inner) if self.inner else arrays

    def __len__(self) -> int:
        if isinstance(self.length, Expr):
            raise self._unknown("len() of a list")
        return int(self.length)

    def __getitem__(self, key: Any) -> Any:
        rows = map_leaves(lambda array: array[key], self.arrays)
        if not isinstance(key, slice):
            return self.row(rows)
        leaves, _ = flatten(rows)
        return Rows(rows, leaves[0].shape[0], *self.inner) if leaves else list(self)[key]

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.length, Expr):
            raise self._unknown("a list")
        return iter([self[at] for at in range(self.length)])

    def __add__(self, other: Any) -> list[Any]:
        return [*self, *other]

    def __radd__(self, other: Any) -> list[Any]:
        return [*other, *self]

    def __getattr__(self, name: str) -> Any:
        if name not in dir(list):
            raise AttributeError(f"a list has no attribute {name!r}")
        raise self._fixed(f".{name}()")

    def __setitem__(self, key: Any, value: Any) -> None:
        raise self._fixed("an assignment to its elements")

    def __repr__(self) -> str:
        return f"<list of {self.length} traced rows>"

    def array(self) -> Any:
        """The array that NumPy makes of the list."""
        return _array(self.arrays)

    def _unknown(self, what: str) -> NoValueError:
        return NoValueError(
            f"{what} of {self.length} rows, whose number is known only when the graph runs",
            fix="make an array of the list: np.stack(rows)",
            loc=user_location(),
        )

    def _fixed(self, what: str) -> TraceError:
        return TraceError(
            f"{what} on a list of {self.length} rows, which a loop of the graph has made",
            fix="make an array of it: np.stack(rows)",
            loc=user_location(),
        )


def _array(arrays: Any) -> Any:
    if isinstance(arrays, list | tuple):
        return FUNCTIONS["stack"]([_array(part) for part in arrays], axis=1)
    return arrays


register(Rows, lambda rows: (list(rows), None), lambda _, children: list(children))
