"""Pieces of arrays that begin at traced places: x[i:i + 3], x.at[i, 2:4].set(v)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ShapeError, TraceError

from ..tracing.tracer import Tracer
from .shared import call, convert, size_number, traced
from .subscripts import expanded

__all__ = ["Piece", "has_traced_slice", "piece_of", "read", "written"]


class Piece(Struct, frozen=True):
    """Where a piece begins along each axis, its sizes, and the axes that go away."""

    starts: tuple[Any, ...]
    sizes: tuple[Any, ...]
    dropped: tuple[int, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape of its elements, as the subscript gives them."""
        return tuple(n for axis, n in enumerate(self.sizes) if axis not in self.dropped)


def has_traced_slice(key: Any) -> bool:
    """Whether a slice of a subscript begins or ends at a traced value."""
    parts = key if isinstance(key, tuple) else (key,)
    slices = [part for part in parts if isinstance(part, slice)]
    return any(isinstance(bound, Tracer) for one in slices for bound in (one.start, one.stop))


def piece_of(key: Any, shape: Sequence[Any]) -> Piece | None:
    """The piece that a subscript names, if it is one that begins at a traced place."""
    parts = key if isinstance(key, tuple) else (key,)
    if not has_traced_slice(key) and not any(map(_is_place, parts)):
        return None
    starts: list[Any] = []
    sizes: list[Any] = []
    dropped: list[int] = []
    for part in expanded(key, len(shape)):
        if part is None or len(starts) == len(shape):
            return None
        n = shape[len(starts)]
        if isinstance(part, slice):
            found = _cut(part, n)
            if found is None:
                return None
            starts.append(found[0])
            sizes.append(found[1])
            continue
        if not isinstance(part, int) and not _is_place(part):
            return None
        dropped.append(len(starts))
        starts.append(_from_the_end(part, n))
        sizes.append(1)
    return Piece(tuple(starts), tuple(sizes), tuple(dropped))


def read(x: Any, piece: Piece) -> Any:
    """The elements of a piece; one that does not fit is moved until it does."""
    starts = [_fitted(s, n, m) for s, n, m in zip(piece.starts, x.shape, piece.sizes, strict=True)]
    found = call("dynamic_slice", x, *starts, sizes=piece.sizes)
    return call("reshape", found, shape=piece.shape) if piece.dropped else found


def written(x: Any, piece: Piece, values: Any, how: str, mode: str) -> Any:
    """The array with a piece replaced, or combined with values."""
    starts: Sequence[Any] = piece.starts
    if mode in ("clip", "wrap"):
        rows = zip(piece.starts, x.shape, piece.sizes, strict=True)
        starts = [_wrapped(s, n) if mode == "wrap" else _fitted(s, n, m) for s, n, m in rows]
    update = call("reshape", values, shape=piece.sizes)
    if how != "set":
        update = call(how, call("dynamic_slice", x, *starts, sizes=piece.sizes), update)
    return call("dynamic_update_slice", x, convert(update, DType.of(x.dtype)), *starts)


def _is_place(part: Any) -> bool:
    return isinstance(part, Tracer) and not part._node.shape and part._node.dtype.is_integer


def _from_the_end(part: Any, size: Any) -> Any:
    if not isinstance(part, Tracer):
        return part + size if part < 0 else part
    wide = convert(part, DType.I64)
    if part._node.dtype.is_unsigned:
        return wide
    return call("select", call("less", wide, 0), call("add", wide, size_number(size)), wide)


def _cut(part: slice, size: Any) -> tuple[Any, Any] | None:
    """Where a slice begins, and its size; None if that is more than a piece."""
    if part.step not in (None, 1):
        return None
    if not isinstance(part.start, Tracer) and not isinstance(part.stop, Tracer):
        if not isinstance(size, int):
            return (0, size) if part.start is None and part.stop is None else None
        start, stop, _ = slice(part.start, part.stop).indices(size)
        return start, max(stop - start, 0)
    length = _length(part.start, part.stop)
    if length is None:
        raise TraceError(
            "a slice between traced places has no size that is known",
            fix="write x[i:i + 3], or sf.dynamic_slice(x, (i,), (3,))",
            loc=user_location(),
        )
    return convert(traced(part.start), DType.I64), length


def _length(start: Any, stop: Any) -> int | None:
    """How far two places are apart: stop is start and a number."""
    if not isinstance(start, Tracer) or not isinstance(stop, Tracer):
        return None
    first, offset = _parted(start._node)
    last, end = _parted(stop._node)
    return end - offset if first is last and end >= offset else None


def _parted(node: Node) -> tuple[Node, int]:
    """A value as another one and a number that is added to it."""
    if node.op.name == "convert" and node.dtype.is_integer:
        return _parted(node.inputs[0])
    if node.op.name == "add":
        for one, other in (node.inputs, node.inputs[::-1]):
            if isinstance(other.number, int):
                inner, offset = _parted(one)
                return inner, offset + other.number
    return node, 0


def _fitted(start: Any, size: Any, part: Any) -> Any:
    """The place, moved so that the piece fits."""
    if isinstance(start, int) and isinstance(size, int):
        if part > size:
            raise ShapeError(
                f"dynamic_slice: a piece of {part} of an axis of size {size}",
                fix=f"cut at most {size}",
                loc=user_location(),
            )
        return min(max(start, 0), size - part)
    return call("maximum", call("minimum", start, size_number(size - part)), 0)


def _wrapped(start: Any, size: Any) -> Any:
    return call("remainder", start, size_number(size))
