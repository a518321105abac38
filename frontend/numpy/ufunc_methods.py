"""Methods of ufuncs: reduce, accumulate, reduceat, at."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import UnsupportedError

from .. import numpy as snp
from ..tracing.dispatch import HOMES, numpy_like
from ..tracing.tracer import Tracer
from .shared import convert, element_type, flag, folded_axes, normal_axis, traced

__all__: list[str] = []

_REDUCTIONS = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all",
    "logical_or": "any",
}  # fmt: skip
_SCANS = {"add": "cumsum", "multiply": "cumprod"}
_WRITES = {
    "add": "add", "subtract": "subtract", "multiply": "multiply", "divide": "divide",
    "maximum": "max", "minimum": "min",
}  # fmt: skip
_Method = Callable[..., Any]


def _converted(a: Any, dtype: Any) -> Any:
    return traced(a) if dtype is None else convert(traced(a), element_type(dtype))


def _reducing(name: str) -> _Method:
    def reduced(
        array: Any, axis: Any = 0, dtype: Any = None, out: None = None, keepdims: bool = False,
        **given: Any,
    ) -> Any:  # fmt: skip
        x = _converted(array, dtype)
        if name in _REDUCTIONS:
            return getattr(snp, _REDUCTIONS[name])(x, axis, keepdims=keepdims, **given)
        if given:
            raise UnsupportedError(
                f"np.{name}.reduce with {', '.join(sorted(given))} cannot be traced",
                fix="leave it out",
                loc=user_location(),
            )
        axes, is_kept = folded_axes(axis, x.ndim), flag("keepdims", keepdims)
        for at in sorted(axes, reverse=True):
            x = _running(name, x, at)[(*(slice(None),) * at, slice(-1, None))]
        return x if is_kept else snp.squeeze(x, axis=axes)

    return reduced


def _running(name: str, x: Any, axis: int) -> Any:
    """The results up to each element along an axis."""
    # Loops are loaded where a function needs one.
    scan = import_module("symfuse.control.associative").associative_scan
    return scan(getattr(snp, name), x, axis=axis)


def _accumulating(name: str) -> _Method:
    def accumulated(array: Any, axis: Any = 0, dtype: Any = None, out: None = None) -> Any:
        if name in _SCANS:
            return getattr(snp, _SCANS[name])(array, axis, dtype)
        x = _converted(array, dtype)
        return _running(name, x, normal_axis(axis, x.ndim))

    return accumulated


def _reducing_parts(name: str) -> _Method:
    def reduced(
        array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: None = None
    ) -> Any:
        if isinstance(indices, Tracer):
            raise UnsupportedError(
                f"np.{name}.reduceat at traced places cannot be traced",
                fix="give the places as numbers",
                loc=user_location(),
            )
        x = _converted(array, dtype)
        at = normal_axis(axis, x.ndim)
        starts = np.asarray(indices).tolist()
        parts = []
        for start, stop in zip(starts, [*starts[1:], None], strict=True):
            single = stop is not None and start >= stop
            part = x[(*(slice(None),) * at, slice(start, start + 1 if single else stop))]
            parts.append(_reducing(name)(part, at, keepdims=True))
        return snp.concatenate(parts, at)

    return reduced


def _writing(name: str) -> _Method:
    def written(a: Any, indices: Any, b: Any) -> None:
        if not isinstance(a, Tracer):
            raise UnsupportedError(
                f"np.{name}.at on an array that is not traced",
                fix="make the array in the traced function, by symfuse.numpy.array(x)",
                loc=user_location(),
            )
        a[...] = getattr(a.at[indices], _WRITES[name])(b)

    return written


_MAKERS = {
    "reduce": _reducing,
    "accumulate": _accumulating,
    "reduceat": _reducing_parts,
    "at": _writing,
}
for _key in [key for key, home in HOMES.items() if home == __name__]:
    _name, _, _method = _key.partition(".")
    numpy_like(name=_key)(_MAKERS[_method](_name))
