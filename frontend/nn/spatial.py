"""What functions of images share: arguments for each axis, layouts, padding, windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from symfuse.compiler.ir.dims import Expr, ceil_div, is_at_most, maximum
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ops.windows import reach
from symfuse.runtime.errors import ShapeError, SymfuseError, UnsupportedError

from ..limits import is_whole
from ..numpy.shared import call

__all__ = [
    "Sliding",
    "channels_last",
    "failing",
    "from_channels_last",
    "margins",
    "padded",
    "per_axis",
    "slid",
]

LAYOUTS = ("channels_last", "channels_first")
Pairs = tuple[tuple[Any, Any], ...]


class Sliding(Struct, frozen=True):
    """How windows move: their sizes, strides and dilations along the spatial axes."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]

    @classmethod
    def of(cls, sizes: Sequence[Any], strides: Any, dilation: Any) -> Sliding:
        """The arguments of a function, one number for all axes or one for each."""
        rank = len(sizes)
        if not all(isinstance(size, int) and size > 0 for size in sizes):
            raise failing(f"windows of sizes {tuple(sizes)}", "give numbers, at least 1")
        return cls(
            tuple(sizes),
            per_axis(strides, rank, "strides"),
            per_axis(dilation, rank, "dilation"),
        )

    @property
    def spans(self) -> tuple[int, ...]:
        """How many elements a window reaches over."""
        return tuple(map(reach, self.sizes, self.dilation))

    @property
    def places(self) -> tuple[int, ...]:
        """The axes of the places in windows, where windows of axes 1, 2, … have been taken."""
        return tuple(2 + 2 * at for at in range(len(self.sizes)))


def failing(what: str, fix: str, kind: type[SymfuseError] = ShapeError) -> SymfuseError:
    """An error that points to the user's line."""
    return kind(what, fix=fix, loc=user_location())


def per_axis(value: Any, rank: int, name: str, least: int = 1) -> tuple[int, ...]:
    """One number for each of the spatial axes."""
    numbers = value if isinstance(value, tuple | list) else (value,) * rank
    if len(numbers) != rank or not all(is_whole(n) and n >= least for n in numbers):
        raise failing(
            f"{name}={value!r} for {rank} spatial axes",
            f"give a whole number, at least {least}, or {rank} of them",
        )
    return tuple(map(int, numbers))


def margins(value: Any, rank: int, name: str) -> Pairs:
    """How many elements come before and behind each spatial axis: a number, or one or two each."""
    each = value if isinstance(value, tuple | list) else (value,) * rank
    pairs = tuple(tuple(n) if isinstance(n, tuple | list) else (n, n) for n in each)
    if len(pairs) != rank or not all(len(pair) == 2 and all(map(_counts, pair)) for pair in pairs):
        raise failing(
            f"{name}={value!r} for {rank} spatial axes",
            f"give a number that is not negative, or {rank} of them, or {rank} pairs",
        )
    return pairs


def _counts(number: Any) -> bool:
    """Whether so many elements can be added or taken off."""
    return (is_whole(number) or isinstance(number, Expr)) and is_at_most(0, number) is not False


def channels_last(x: Any, rank: int, data_format: str, name: str) -> Any:
    """The batch with its channels along the last axis."""
    if data_format not in LAYOUTS:
        raise failing(
            f"{name}: data_format={data_format!r}", f"use one of {LAYOUTS}", UnsupportedError
        )
    if x.ndim != rank + 2:
        raise failing(
            f"{name}: an array of shape {tuple(x.shape)} has {x.ndim} axes, not {rank + 2}",
            f"the axes are batch, {rank} of space and channels; x[None] makes a batch of one",
        )
    if data_format == "channels_last":
        return x
    return call("transpose", x, axes=(0, *range(2, x.ndim), 1))


def from_channels_last(y: Any, data_format: str) -> Any:
    """The result in the layout that was asked for."""
    if data_format == "channels_last":
        return y
    return call("transpose", y, axes=(0, y.ndim - 1, *range(1, y.ndim - 1)))


def padded(x: Any, padding: Any, sliding: Sliding, name: str, value: float | int = 0) -> Any:
    """The array with the elements around it that windows need; channels are last."""
    sizes = tuple(x.shape[1:-1])
    pairs = _pairs(padding, sizes, sliding, name)
    for size, span, (low, high) in zip(sizes, sliding.spans, pairs, strict=True):
        if is_at_most(span, size + low + high) is False:
            raise failing(
                f"{name}: a window that spans {span} elements does not fit {size + low + high}",
                'use padding="same", a smaller window, or a larger image',
            )
    if all(n == 0 for pair in pairs for n in pair):
        return x
    low, high = ((0, *(pair[side] for pair in pairs), 0) for side in (0, 1))
    return call("pad", x, low=low, high=high, interior=(0,) * x.ndim, value=value)


def _pairs(padding: Any, sizes: tuple[Any, ...], sliding: Sliding, name: str) -> Pairs:
    """How many elements come before and behind each spatial axis."""
    if isinstance(padding, str):
        named = padding.lower()
        if named == "valid":
            return ((0, 0),) * len(sizes)
        if named == "causal" and len(sizes) == 1:
            return ((sliding.spans[0] - 1, 0),)
        if named == "same":
            return tuple(map(_same, sizes, sliding.spans, sliding.strides))
        raise failing(
            f"{name}: padding={padding!r}",
            'use "same", "valid", a number, or a pair of numbers for each axis',
            UnsupportedError,
        )
    return margins(padding, len(sizes), f"{name}: padding")


def _same(size: Any, span: int, stride: int) -> tuple[Any, Any]:
    """As many elements as give ceil(size / stride) windows; the odd one comes behind."""
    total = ceil_div(size, stride) * stride - stride + span - size
    total = total if span >= stride else maximum(total, 0)
    return total // 2, total - total // 2


def slid(x: Any, sliding: Sliding) -> Any:
    """The array with two axes, of windows and of places in them, for each spatial axis."""
    axes = zip(sliding.sizes, sliding.strides, sliding.dilation, strict=True)
    for at, (size, stride, dilation) in enumerate(axes):
        x = call("windows", x, axis=1 + 2 * at, size=size, stride=stride, dilation=dilation)
    return x
