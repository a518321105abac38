"""One contender in a process of its own, so that thread pools do not disturb each other.

`python -m symfuse.benchmarking.worker NAME` reads JSON commands line by line from its input and
answers each with a line: `prepare` a workload, `time` some calls.
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


def main(name: str) -> None:
    """Answer commands until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what peers print is no answer
    contender = _Contender(name)
    for line in sys.stdin:
        try:
            answer = contender.answer(json.loads(line))
        except Exception as error:  # whatever a peer raises is the answer
            answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps(answer), file=answers, flush=True)


class _Contender:
    def __init__(self, name: str) -> None:
        self.name = name
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
        function, given, finish = _PREPARE[self.name](name, args)
        start = time.perf_counter()
        found = finish(function(*given))
        took = time.perf_counter() - start
        exact = map_leaves(_widened, args)
        reference = flatten(workload.numpy(np, None, *exact))[0]
        error = relative_error(map_leaves(np.asarray, found), reference)
        self.call = lambda: finish(function(*given))
        self.count = repetitions(self.call)
        return {"first": took, "error": error, "tolerance": workload.tolerance}


def _widened(leaf: Any) -> Any:
    return leaf.astype(np.float64) if leaf.dtype.kind == "f" else leaf


def _same(value: Any) -> Any:
    return value


def _numpy(name: str, args: Any) -> Prepared:
    return partial(WORKLOADS[name].numpy, np, None), args, _same


def _symfuse(name: str, args: Any) -> Prepared:
    xp = import_module("symfuse.numpy")
    function = WORKLOADS[name].function
    return jit(lambda *args: function(xp, value_and_grad, *args)), args, _same


def _jax(name: str, args: Any) -> Prepared:
    jax = import_module("jax")
    xp, function = jax.numpy, WORKLOADS[name].function
    compiled = jax.jit(lambda *args: function(xp, jax.value_and_grad, *args))
    return compiled, jax.tree.map(xp.asarray, args), jax.block_until_ready


def _torch(name: str, args: Any) -> Prepared:
    torch = import_module("torch")
    return torch_function(name), map_leaves(torch.from_numpy, args), _same


def _inductor(name: str, args: Any) -> Prepared:
    torch = import_module("torch")
    function, tensors, finish = _torch(name, args)
    return torch.compile(function, dynamic=False), tensors, finish


_PREPARE: dict[str, Callable[[str, Any], Prepared]] = {
    "symfuse": _symfuse,
    "numpy": _numpy,
    "jax": _jax,
    "torch": _torch,
    "torch.compile": _inductor,
}


if __name__ == "__main__":
    main(sys.argv[1])
