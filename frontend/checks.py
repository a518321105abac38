"""Checks derivatives against differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .tracing.tree import Structure, flatten
from .transforms import jvp, vjp

__all__ = ["check_grads"]

Function = Callable[..., Any]


def check_grads(
    f: Function,
    args: Sequence[Any],
    order: int = 1,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Raise AssertionError where derivatives of `f` differ from differences, up to an order."""
    leaves, tree = flatten(tuple(args))
    single = any(np.asarray(leaf).dtype == np.float32 for leaf in leaves)
    step = eps or (1e-2 if single else 1e-5)
    rough = rtol or (2e-2 if single else 1e-4), atol or (2e-2 if single else 1e-5)
    rng = np.random.default_rng(0)
    direction = [rng.standard_normal(np.shape(v)).astype(np.asarray(v).dtype) for v in leaves]
    ends = (
        tree.unflatten([v + s * step * d for v, d in zip(leaves, direction, strict=True)])
        for s in (1, -1)
    )
    after, before = (flatten(f(*end))[0] for end in ends)
    slopes = [(np.asarray(a) - b) / (2 * step) for a, b in zip(after, before, strict=True)]
    if "fwd" in modes:
        _, changes = jvp(f, tuple(args), tree.unflatten(direction))
        for change, slope in zip(flatten(changes)[0], slopes, strict=True):
            np.testing.assert_allclose(change, slope, *rough, err_msg="forward mode")
    if "rev" in modes:
        out, pull = vjp(f, *args)
        cts = [
            rng.standard_normal(np.shape(o)).astype(np.asarray(o).dtype) for o in flatten(out)[0]
        ]
        found = flatten(pull(flatten(out)[1].unflatten(cts)))[0]
        inside = sum(float(np.sum(g * d)) for g, d in zip(found, direction, strict=True))
        outside = sum(float(np.sum(c * s)) for c, s in zip(cts, slopes, strict=True))
        np.testing.assert_allclose(inside, outside, *rough, err_msg="reverse mode")
    if order > 1:
        check_grads(_derivative(f, tree, direction), args, order - 1, modes, atol, rtol, eps)


def _derivative(f: Function, tree: Structure, direction: list[Any]) -> Function:
    def derivative(*args: Any) -> Any:
        return jvp(f, args, tree.unflatten(direction))[1]

    return derivative
