"""Windows that slide along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_at_most
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from .. import numpy as snp
from ..tracing.dispatch import FUNCTIONS, numpy_like
from .shared import normal_axis, traced

__all__ = ["sliding_window_view"]


@numpy_like(
    np.lib.stride_tricks.sliding_window_view,
    idle={"subok": (False, True), "writeable": (False,)},
)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """All windows of a shape, along new last axes; traced, a copy, which what reads it may fuse."""
    x = traced(x)
    sizes = tuple(window_shape) if isinstance(window_shape, tuple | list) else (window_shape,)
    axes = _axes(x, sizes, axis)
    for at, size in zip(axes, sizes, strict=True):
        if is_at_most(size, x.shape[at]) is False:
            raise ShapeError(
                f"a window of {size} does not fit into axis {at} of {tuple(x.shape)}",
                fix="give a window that is not longer than the axis",
                loc=user_location(),
            )
        starts, steps = (FUNCTIONS["arange"](n) for n in (x.shape[at] - size + 1, size))
        places = snp.expand_dims(starts, 1) + steps
        x = snp.moveaxis(snp.take(x, places, axis=at), at + 1, -1)
    return x


def _axes(x: Any, sizes: tuple[Any, ...], axis: Any) -> tuple[int, ...]:
    if axis is None:
        found = tuple(range(x.ndim))
    else:
        given = axis if isinstance(axis, tuple | list) else (axis,)
        found = tuple(normal_axis(at, x.ndim) for at in given)
    if len(found) != len(sizes):
        raise ShapeError(
            f"{len(sizes)} sizes of windows for {len(found)} axes",
            fix="give one size for each axis",
            loc=user_location(),
        )
    return found
