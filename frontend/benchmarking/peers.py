"""The same function by others: eager NumPy, JAX, PyTorch; each only where it is installed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from msgspec import Struct

from ..tracing.tree import map_leaves

__all__ = ["Against", "Peer", "find_peers", "takes_xp", "with_xp"]

Against = str | Iterable[str] | Mapping[str, Callable[..., Any]]


class Peer(Struct, frozen=True):
    """Something to compare with; without a call, the reason why there is none."""

    name: str
    call: Callable[[], Any] | None = None
    reason: str = ""


def find_peers(
    function: Callable[..., Any], args: tuple[Any, ...], against: Against, target: str = "cpu"
) -> list[Peer]:
    """A peer for each name; a mapping gives callables of its own, which get the same arrays.

    On a device JAX and PyTorch run there too, if they can.
    """
    if isinstance(against, Mapping):
        return [_given(name, call, args, target) for name, call in against.items()]
    names = (against,) if isinstance(against, str) else tuple(against)
    return [_named(name, function, args, target) for name in names]


def takes_xp(function: Callable[..., Any]) -> bool:
    """Whether the function asks for the array namespace by an argument `xp`."""
    try:
        return "xp" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def with_xp(function: Callable[..., Any], namespace: str) -> Callable[..., Any]:
    """The function on a namespace, where it asks for one."""
    if not takes_xp(function):
        return function
    return partial(function, xp=import_module(namespace))


def _named(name: str, function: Callable[..., Any], args: tuple[Any, ...], target: str) -> Peer:
    if name == "eager":
        eager = with_xp(function, "numpy")
        return Peer(name, lambda: eager(*args))
    if name not in ("jax", "torch"):
        return Peer(name, reason="unknown; give a callable: against={name: f}")
    if find_spec(name) is None:
        return Peer(name, reason="not installed")
    if not takes_xp(function):
        return Peer(name, reason="the function takes no argument xp (the array namespace)")
    if name == "jax":
        jitted = import_module("jax").jit(with_xp(function, "jax.numpy"))
        return _given(name, jitted, args, target)
    return _given(name, with_xp(function, "torch"), args, target)


def _given(name: str, call: Callable[..., Any], args: tuple[Any, ...], target: str) -> Peer:
    try:
        if name == "jax" and find_spec("jax") is not None:
            return Peer(name, _jax(call, args, target))
        if name == "torch" and find_spec("torch") is not None:
            return Peer(name, _torch(call, args, target))
    except (RuntimeError, AssertionError) as error:
        return Peer(name, reason=f"it has no device here: {error}".splitlines()[0][:100])
    return Peer(name, lambda: call(*args))


def _jax(call: Callable[..., Any], args: tuple[Any, ...], target: str) -> Callable[[], Any]:
    jax = import_module("jax")
    there = jax.device_put(args, jax.devices("gpu" if target == "cuda" else "cpu")[0])
    return lambda: jax.block_until_ready(call(*there))


def _torch(call: Callable[..., Any], args: tuple[Any, ...], target: str) -> Callable[[], Any]:
    torch = import_module("torch")
    tensors = map_leaves(lambda leaf: torch.from_numpy(np.array(leaf)), args)
    if target == "cpu":
        return lambda: call(*tensors)
    there = map_leaves(lambda leaf: leaf.cuda(), tensors)

    def run() -> Any:
        found = call(*there)
        torch.cuda.synchronize()
        return found

    return run
