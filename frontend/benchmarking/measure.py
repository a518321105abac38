"""`sf.bench`: one function, compiled and by others, on the same arrays."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from symfuse.compiler.explain.stages import cost_analysis
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from ..staging.aot import CompiledFunction, compile
from ..tracing.tree import flatten, map_leaves
from .limits import machine_limits
from .peers import Against, find_peers, with_xp
from .report import Report, Row
from .timing import interleaved

__all__ = ["bench", "relative_error"]


def bench(
    function: Callable[..., Any],
    /,
    *args: Any,
    against: Against = ("eager", "jax", "torch"),
    rounds: int = 30,
    name: str | None = None,
    **options: Any,
) -> Report:
    """Times of a compiled function and of its peers in interleaved rounds, on the same arrays.

    `against` names peers ("eager", "jax", "torch") or maps names to callables. JAX and PyTorch run
    the function itself where it takes the array namespace as an argument `xp`. Errors are relative
    to the function in float64. Other options are those of `sf.compile`. Raises what compiling or
    calling the function raises.

    >>> import numpy as np, symfuse as sf
    >>> report = sf.bench(lambda x: np.exp(x) + 1, np.ones(8, "float32"), against=(), rounds=2)
    >>> report.kernels
    1
    """
    if rounds < 1:
        raise ArgumentError(f"bench: {rounds} rounds", fix="give at least 1", loc=user_location())
    start = time.perf_counter()
    compiled = compile(with_xp(function, "symfuse.numpy"), *args, **options)
    took = time.perf_counter() - start
    target = compiled.placement.target if compiled.program.device else "cpu"
    peers = find_peers(function, args, against, target)
    entry = _entry(compiled, args, target)
    calls: dict[str, Callable[[], Any]] = {"symfuse": entry}
    calls.update({peer.name: peer.call for peer in peers if peer.call})
    reference = _reference(function, args)
    errors = {each: relative_error(call(), reference) for each, call in calls.items()}
    times = interleaved(calls, rounds)
    rows = [Row(each, times[each], errors[each]) for each in calls]
    cost = cost_analysis(compiled.compilation).evaluate()
    return Report(
        str(name or getattr(function, "__name__", "function")),
        (*rows, *(Row(peer.name, reason=peer.reason) for peer in peers if not peer.call)),
        cost["bytes"],
        cost["flops"],
        len(compiled.compilation.launches),
        took,
        machine_limits(target=target),
    )


def relative_error(found: Any, reference: Any) -> float | None:
    """The largest difference over the largest value, over all leaves; None without a reference."""
    if reference is None:
        return None
    pairs = zip(flatten(found)[0], reference, strict=True)
    return max((_distance(one, exact) for one, exact in pairs), default=0.0)


def _distance(one: Any, exact: Any) -> float:
    """Of two arrays; the same numbers that are not finite are at no distance, others beyond all."""
    one = np.asarray(one.cpu() if hasattr(one, "cpu") else one)
    exact = np.asarray(exact)
    wide = np.result_type(exact, np.float64)
    one, exact = one.astype(wide), exact.astype(wide)
    finite = np.isfinite(one) & np.isfinite(exact)
    same = (one == exact) | (np.isnan(one) & np.isnan(exact))
    if not (finite | same).all():
        return math.inf
    scale = float(np.max(np.abs(exact[finite]), initial=0.0)) or 1.0
    return float(np.max(np.abs(one[finite] - exact[finite]), initial=0.0)) / scale


def _entry(compiled: CompiledFunction, args: tuple[Any, ...], target: str) -> Callable[[], Any]:
    """A call with these arguments; donated ones are copied each time, and that is measured too.

    On a device the arguments are there, and a call ends when the device has done it.
    """
    copied: Callable[[Any], Any] = np.array
    wait: Callable[[Any], Any] = _same
    if target == "cuda":
        args = map_leaves(import_module("symfuse.runtime.cuda.arrays").to_device, args)
        copied, wait = type(flatten(args)[0][0]).copy, partial(_finished, compiled.executable)
    if not any(argument.donated for argument in compiled.program.inputs):
        return lambda: wait(compiled(*args))
    return lambda: wait(compiled(*map_leaves(copied, args)))


def _finished(executable: Any, value: Any) -> Any:
    executable.wait()
    return value


def _same(value: Any) -> Any:
    return value


def _reference(function: Callable[..., Any], args: tuple[Any, ...]) -> list[Any]:
    """The leaves of the result in float64, by NumPy."""
    exact = map_leaves(_widened, args)
    return flatten(with_xp(function, "numpy")(*exact))[0]


def _widened(leaf: Any) -> Any:
    array = np.asarray(leaf)
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    is_float = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    return array.astype(np.float64) if is_float else leaf
