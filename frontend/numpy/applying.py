"""Functions of functions: apply_along_axis, apply_over_axes, vectorize, fromfunction."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import update_wrapper
from importlib import import_module
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from .. import numpy as snp
from ..tracing.dispatch import has_tracer, numpy_like
from .shared import broadcast_shapes, normal_axis, product, traced

__all__ = ["apply_along_axis", "apply_over_axes", "fromfunction", "vectorize"]

_Function = Callable[..., Any]


def _batched(function: _Function) -> _Function:
    """The function for a batch of arguments; transformations are loaded when they are needed."""
    return import_module("symfuse.batching").vmap(function)  # type: ignore[no-any-return]


@numpy_like(np.apply_along_axis)
def apply_along_axis(func1d: _Function, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """The function of each line along an axis, its results in place of the lines."""
    x = traced(arr)
    at = normal_axis(axis, x.ndim)
    lines = snp.moveaxis(x, at, -1)
    lead = lines.shape[:-1]
    flat = snp.reshape(lines, (product(lead), lines.shape[-1]))
    found = _batched(lambda line: traced(func1d(line, *args, **kwargs)))(flat)
    inner = tuple(found.shape[1:])
    whole = snp.reshape(found, (*lead, *inner))
    last = tuple(range(len(lead), len(lead) + len(inner)))
    return snp.moveaxis(whole, last, tuple(range(at, at + len(inner))))


@numpy_like(np.apply_over_axes)
def apply_over_axes(func: _Function, a: Any, axes: Any) -> Any:
    """The function of the array and one axis after the other; axes that it drops are kept."""
    x = traced(a)
    for axis in axes if isinstance(axes, tuple | list) else (axes,):
        at = normal_axis(axis, x.ndim)
        found = func(x, at)
        x = found if found.ndim == x.ndim else snp.expand_dims(found, at)
    return x


def fromfunction(function: _Function, shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    """The function of the index arrays of a shape, whose sizes may be symbolic."""
    return function(*snp.indices(shape, dtype), **kwargs)


class vectorize:
    """A function of single elements as one of whole arrays, as `numpy.vectorize`.

    On traced arrays the function is traced once, for one element, and becomes part of the kernels.
    `signature`, such as "(n),(n)->()", says which last axes it takes as they are.

    >>> import numpy as np, symfuse as sf
    >>> sf.numpy.vectorize(lambda a, b: a * b + 1)(np.arange(3), 2)
    array([1, 3, 5])
    """

    def __init__(
        self, pyfunc: _Function, otypes: Any = None, doc: str | None = None, excluded: Any = None,
        cache: bool = False, signature: str | None = None,
    ) -> None:  # fmt: skip
        self.pyfunc, self.otypes, self.signature = pyfunc, otypes, signature
        self.excluded = frozenset(excluded or ())
        self._plain = np.vectorize(pyfunc, otypes, doc, excluded, cache, signature)
        update_wrapper(self, pyfunc)
        self.__doc__ = doc or pyfunc.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function for each place of the arguments, which are broadcast."""
        if not has_tracer(args) and not has_tracer(kwargs.values()):
            return self._plain(*args, **kwargs)
        return self._traced(args, kwargs)

    def _traced(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = {at: traced(a) for at, a in enumerate(args) if at not in self.excluded}
        ranks = dict(zip(given, self._ranks(len(given)), strict=True))
        lead = broadcast_shapes(*(a.shape[: a.ndim - ranks[at]] for at, a in given.items()))
        size = product(lead)
        flat = []
        for at, a in given.items():
            inner = a.shape[a.ndim - ranks[at] :]
            flat.append(snp.reshape(snp.broadcast_to(a, (*lead, *inner)), (size, *inner)))

        def one(*parts: Any) -> Any:
            whole = list(args)
            for at, part in zip(given, parts, strict=True):
                whole[at] = part
            return self.pyfunc(*whole, **kwargs)

        found = _batched(one)(*flat)
        if not isinstance(found, tuple):
            return snp.reshape(found, (*lead, *found.shape[1:]))
        return tuple(snp.reshape(part, (*lead, *part.shape[1:])) for part in found)

    def _ranks(self, count: int) -> list[int]:
        """How many last axes of each argument the function takes as they are."""
        if self.signature is None:
            return [0] * count
        groups = re.findall(r"\(([^()]*)\)", self.signature.partition("->")[0])
        if len(groups) != count:
            raise ArgumentError(
                f"vectorize: {count} arguments for the signature {self.signature!r}",
                fix="give one group of names for each argument",
                loc=user_location(),
            )
        return [len([name for name in group.split(",") if name.strip()]) for group in groups]
