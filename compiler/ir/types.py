"""The static type of a value: shape and element type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError

from .dims import Dim, Symbol, parse_dim, product

__all__ = ["Guard", "Shape", "TensorType", "parse_type"]

Shape = tuple[Dim, ...]
Guard = tuple[Dim, str, Dim]
"""Two sizes and the relation, "=" or "≤", that must hold when the program runs."""

_SPELLING = re.compile(r"(\w+)\[(.*)\]")


class TensorType(Struct, frozen=True):
    """Shape and element type of one value; sizes are integers or symbolic expressions."""

    shape: Shape
    dtype: DType

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dim:
        """The number of elements."""
        return product(self.shape)

    @property
    def nbytes(self) -> Dim:
        """Bytes of the values when stored contiguously."""
        return self.size * self.dtype.itemsize

    @property
    def is_static(self) -> bool:
        """Whether every size is a number."""
        return all(isinstance(n, int) for n in self.shape)

    def with_shape(self, shape: Iterable[Dim]) -> TensorType:
        return TensorType(tuple(shape), self.dtype)

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(self.shape, dtype)

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(str(n).replace(' ', '') for n in self.shape)}]"


def parse_type(text: str, symbols: Mapping[str, Symbol] | None = None) -> TensorType:
    """The type that `str` prints; unknown names become sizes of at least 0."""
    found = _SPELLING.fullmatch(text.strip())
    if not found:
        raise ShapeError(f"{text!r} is not a type", fix='write it as "f32[N,784]" or "i64[]"')
    known = dict(symbols or {})
    dims = [parse_dim(part, known) for part in _split(found[2])]
    return TensorType(tuple(dims), DType.of(found[1]))


def _split(text: str) -> list[str]:
    """The parts between the commas that stand outside parentheses."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [part for part in (*parts, text[start:]) if part.strip()]
