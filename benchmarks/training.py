"""Whole training steps beside JAX and PyTorch, in one run:

    python benchmarks/training.py [--only NAME] [--rounds 11] [--without torch] [--json FILE]

A step is forward, backward and gradient descent. Rounds of all sides are interleaved; the times are
medians of the rounds. Losses of all sides are compared before anything is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from training_suite.models import MODELS, Model, Namespace

import symfuse as sf
from symfuse import numpy as snp
from symfuse.benchmarking.timing import Times, interleaved
from symfuse.nn import functional as nn

SIDES = ("symfuse", "jax", "torch", "torch.compile")
Runs = dict[str, Callable[[], Any]]


def own_step(model: Model, params: Any, data: Any) -> Callable[[], Any]:
    """Parameters stay where they are: each step overwrites them."""
    names = Namespace(
        snp, sf.scan, lambda x, k: nn.conv(x, k, 1, "valid"), lambda x: nn.max_pool(x, 2),
        sf.value_and_grad,
    )  # fmt: skip
    step = sf.jit(names.step(model.loss), donate_argnums=0)
    state = {name: value.copy() for name, value in params.items()}

    def run() -> Any:
        nonlocal state
        state, value = step(state, *data)
        return value

    return run


def jax_step(model: Model, params: Any, data: Any) -> Callable[[], Any]:
    import jax

    axes = ("NHWC", "HWIO", "NHWC")
    pool = {"window_dimensions": (1, 2, 2, 1), "window_strides": (1, 2, 2, 1), "padding": "VALID"}
    names = Namespace(
        jax.numpy,
        jax.lax.scan,
        lambda x, k: jax.lax.conv_general_dilated(x, k, (1, 1), "VALID", dimension_numbers=axes),
        lambda x: jax.lax.reduce_window(x, -np.inf, jax.lax.max, **pool),
        jax.value_and_grad,
    )
    step = jax.jit(names.step(model.loss), donate_argnums=0)
    state = {name: jax.numpy.array(value) for name, value in params.items()}
    given = tuple(map(jax.numpy.asarray, data))

    def run() -> Any:
        nonlocal state
        state, value = step(state, *given)
        return value.block_until_ready()

    return run


def torch_step(
    model: Model, params: Any, data: Any, *, compiled: bool = False
) -> Callable[[], Any]:
    import torch
    from training_suite import torch_models

    given = tuple(torch.from_numpy(value) for value in data)
    step = torch_models.step(torch_models.LOSSES[model.loss.__name__], params)
    fast = torch.compile(step) if compiled else step
    return lambda: fast(*given).detach()


def sides(model: Model, wanted: Iterable[str]) -> Runs:
    """What to run, after the first losses were compared."""
    rng = np.random.default_rng(0)
    params, data = model.params(rng), model.data(rng)
    makers: dict[str, Callable[[], Callable[[], Any]]] = {
        "symfuse": lambda: own_step(model, params, data),
        "jax": lambda: jax_step(model, params, data),
        "torch": lambda: torch_step(model, params, data),
        "torch.compile": lambda: torch_step(model, params, data, compiled=True),
    }
    runs: Runs = {}
    known: list[float] = []
    for name in wanted:
        run = makers[name]()
        try:
            found = [float(run()) for _ in range(3)]
        except Exception as error:  # what a peer cannot run has no time; the others go on
            if name == "symfuse":
                raise
            print(f"{model.name}: {name} fails: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        known = found if name == "symfuse" else known
        np.testing.assert_allclose(found, known, rtol=2e-3, err_msg=name)
        runs[name] = run
    return runs


def row(model: Model, times: dict[str, Times]) -> dict[str, Any]:
    """The medians in microseconds, and how much longer the best of the others takes."""
    medians = {name: 1e6 * one.median for name, one in times.items()}
    others = [value for name, value in medians.items() if name != "symfuse"]
    ratio = min(others) / medians["symfuse"] if others else None
    return {"model": model.name, "microseconds": medians, "best of the others": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="models whose name contains this")
    parser.add_argument("--without", nargs="*", default=[], choices=SIDES[1:])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    wanted = [name for name in SIDES if name not in chosen.without]  # symfuse first
    print(f"{'µs a step':38}", *(f"{name:>14}" for name in wanted), f"{'ratio':>8}")
    rows = []
    for model in MODELS:
        if chosen.only not in model.name:
            continue
        found = row(model, interleaved(sides(model, wanted), chosen.rounds))
        rows.append(found)
        times = (f"{found['microseconds'].get(name, np.nan):14.0f}" for name in wanted)
        print(f"{model.name:38}", *times, f"{found['best of the others'] or 0:8.2f}", flush=True)
    if chosen.json:
        record = {"command": " ".join(["python", *sys.argv]), "rows": rows}
        chosen.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
