"""Gradients held to a size: each element, each array, or all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from ..numpy.shared import convert, traced
from ..tracing.trace import dtype_of
from ..tracing.tree import flatten

__all__ = [
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "clip_settings",
    "clipped",
    "global_norm",
]

Tree = Any
Array = Any


def clip_by_value(grads: Tree, clip_value: Any) -> Tree:
    """The gradients with each element held between -clip_value and clip_value.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> sf.optim.clip_by_value(np.array([-3.0, 0.5]), 1.0).tolist()
    [-1.0, 0.5]
    """
    return _mapped("value", grads, clip_value)


def clip_by_norm(grads: Tree, clip_norm: Any) -> Tree:
    """The gradients, each array shortened to an L2 norm of at most clip_norm.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> sf.optim.clip_by_norm([np.array([3.0, 4.0]), np.array([0.5])], 1.0)[0].tolist()
    [0.6000000000000001, 0.8]
    """
    return _mapped("norm", grads, clip_norm)


def clip_by_global_norm(grads: Tree, clip_norm: Any) -> Tree:
    """The gradients, all shortened alike to a common L2 norm of at most clip_norm.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> [g.tolist() for g in sf.optim.clip_by_global_norm([np.array([3.0]), np.array([4.0])], 2.5)]
    [[1.5], [2.0]]
    """
    return _mapped("global_norm", grads, clip_norm)


def global_norm(grads: Tree) -> Array:
    """The L2 norm of all elements of all arrays together.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> float(sf.optim.global_norm([np.array([3.0]), np.array([[4.0]])]))
    5.0
    """
    total: Any = None
    for grad in flatten(grads)[0]:
        total = _squares(grad) if total is None else total + _squares(grad)
    return np.sqrt(0.0 if total is None else total)


def clip_settings(
    clipvalue: float | None, clipnorm: float | None, global_clipnorm: float | None
) -> tuple[str, dict[str, float]]:
    """Which clipping is asked for, and its bound as a setting."""
    given = {"value": clipvalue, "norm": clipnorm, "global_norm": global_clipnorm}
    chosen = {kind: bound for kind, bound in given.items() if bound is not None}
    if len(chosen) > 1:
        raise ArgumentError(
            "only one of clipvalue, clipnorm and global_clipnorm can be given",
            fix="clip the gradients yourself, by sf.optim.clip_by_value and others",
            loc=user_location(),
        )
    return next(((kind, {"clip": bound}) for kind, bound in chosen.items()), ("", {}))


def clipped(kind: str, grads: Sequence[Array], bound: Any) -> Sequence[Array]:
    """The gradients held to the bound, in the way that `clip_settings` names."""
    if not kind:
        return grads
    norm = global_norm(list(grads)) if kind == "global_norm" else None
    return [_CLIPPED[kind](traced(grad), bound, norm) for grad in grads]


def _mapped(kind: str, grads: Tree, bound: Any) -> Tree:
    leaves, tree = flatten(grads)
    return tree.unflatten(clipped(kind, leaves, bound))


def _by_value(grad: Array, bound: Any, norm: Any) -> Array:
    limit = convert(traced(bound), dtype_of(grad))
    return np.minimum(np.maximum(grad, -limit), limit)


def _by_norm(grad: Array, bound: Any, norm: Any) -> Array:
    """Shortened where the norm, its own if none is given, is over the bound."""
    length = np.sqrt(_squares(grad)) if norm is None else norm
    limit = convert(traced(bound), dtype_of(length))
    scaled = convert(grad, dtype_of(grad).computed)
    factor = convert(limit / np.maximum(length, limit), dtype_of(scaled))
    return convert(scaled * factor, dtype_of(grad))


_CLIPPED: Mapping[str, Any] = {"value": _by_value, "norm": _by_norm, "global_norm": _by_norm}


def _squares(grad: Array) -> Array:
    """The sum of the squares; of halves in f32, where they do not overflow."""
    grad = traced(grad)
    grad = convert(grad, dtype_of(grad).computed)
    return np.sum(grad * grad)
