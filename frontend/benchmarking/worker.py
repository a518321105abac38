"""One contender in a process of its own, so that thread pools do not disturb each other.

`python -m symfuse.benchmarking.worker NAME TARGET` reads JSON commands line by line from its input
and answers each with a line: `prepare` a workload, `time` some calls. On a device every contender
finds its arguments there, and a call ends when the device has done it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from ..staging.jit import jit
from ..tracing.tree import flatten, map_leaves
from ..transforms import value_and_grad
from .measure import relative_error
from .timing import repetitions, sample
from .torch_workloads import torch_function
from .workloads import WORKLOADS

__all__ = ["main"]

SEED = 20240229
Prepared = tuple[Callable[..., Any], Any, Callable[[Any], Any]]  # function, arguments, finish


def main(name: str, target: str) -> None:
    """Answer commands until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what peers print is no answer
    contender = _Contender(name, target)
    for line in sys.stdin:
        try:
            answer = contender.answer(json.loads(line))
        except Exception as error:  # whatever a peer raises is the answer
            answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps(answer), file=answers, flush=True)


class _Contender:
    def __init__(self, name: str, target: str) -> None:
        self.name, self.target = name, target
        self.call: Callable[[], Any] | None = None
        self.count = 1

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        if command["do"] == "prepare":
            return self._prepare(command["workload"])
        assert self.call is not None
        return {"seconds": sample(self.call, self.count)}

    def _prepare(self, name: str) -> dict[str, Any]:
        """Compile, check against float64, and find out how many calls make a sample."""
        workload = WORKLOADS[name]
        args = workload.inputs(np.random.default_rng(SEED))
        function, given, finish = _PREPARE[self.name](name, args, self.target)
        start = time.perf_counter()
        found = finish(function(*given))
        took = time.perf_counter() - start
        exact = map_leaves(_widened, args)
        reference = flatten(workload.numpy(np, None, *exact))[0]
        error = relative_error(map_leaves(_on_host, found), reference)
        self.call = lambda: finish(function(*given))
        self.count = repetitions(self.call)
        return {"first": took, "error": error, "tolerance": workload.tolerance}


def _widened(leaf: Any) -> Any:
    return leaf.astype(np.float64) if leaf.dtype.kind == "f" else leaf


def _on_host(leaf: Any) -> Any:
    return np.asarray(leaf.cpu() if hasattr(leaf, "cpu") else leaf)


def _same(value: Any) -> Any:
    return value


def _numpy(name: str, args: Any, target: str) -> Prepared:
    return partial(WORKLOADS[name].numpy, np, None), args, _same


def _symfuse(name: str, args: Any, target: str) -> Prepared:
    xp = import_module("symfuse.numpy")
    function = WORKLOADS[name].function
    compiled = jit(lambda *args: function(xp, value_and_grad, *args), target=target)
    if target == "cpu":
        return compiled, args, _same
    place = import_module("symfuse.runtime.cuda.arrays").to_device
    given = map_leaves(place, args)
    device = flatten(given)[0][0].device
    return compiled, given, partial(_after, device.synchronize)


def _jax(name: str, args: Any, target: str) -> Prepared:
    jax = import_module("jax")
    xp, function = jax.numpy, WORKLOADS[name].function
    compiled = jax.jit(lambda *args: function(xp, jax.value_and_grad, *args))
    device = jax.devices("gpu" if target == "cuda" else "cpu")[0]
    return compiled, jax.device_put(args, device), jax.block_until_ready


def _torch(name: str, args: Any, target: str) -> Prepared:
    torch = import_module("torch")
    if target == "cpu":
        return torch_function(name), map_leaves(torch.from_numpy, args), _same
    given = map_leaves(lambda leaf: torch.from_numpy(leaf).cuda(), args)
    return torch_function(name), given, partial(_after, torch.cuda.synchronize)


def _inductor(name: str, args: Any, target: str) -> Prepared:
    torch = import_module("torch")
    function, tensors, finish = _torch(name, args, target)
    return torch.compile(function, dynamic=False), tensors, finish


def _after(wait: Callable[[], Any], value: Any) -> Any:
    """The value, once the device has done with it."""
    wait()
    return value


_PREPARE: dict[str, Callable[[str, Any, str], Prepared]] = {
    "symfuse": _symfuse,
    "numpy": _numpy,
    "jax": _jax,
    "torch": _torch,
    "torch.compile": _inductor,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
