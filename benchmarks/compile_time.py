"""How long compiling takes: fresh processes (and those of JAX), long chains, a training step.

    python benchmarks/compile_time.py [--json FILE] [--quick]

CPU time, because other work on the machine changes it less, and for fresh processes also the time
that passes, which is shorter where two threads work; the least of several runs, and the median.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

FRESH = 9  # processes of each kind
CHAINS = (10, 100, 1000, 10_000)
LINKS = ("exp(-x)", "x * 1.5", "tanh(x)", "x + y", "x / 3", "maximum(x, y)", "sqrt(abs(x))")


def loss(package: str) -> Callable[..., Any]:
    """Cross entropy of a perceptron with ReLU, for labels `y` as one-hot rows, in the functions of
    the `numpy` of a package."""
    snp = importlib.import_module(f"{package}.numpy")

    def of(params: Any, x: Any, y: Any) -> Any:
        for weights, bias in params[:-1]:
            x = snp.maximum(x @ weights + bias, 0)
        weights, bias = params[-1]
        logits = x @ weights + bias
        shifted = logits - snp.max(logits, axis=1, keepdims=True)
        log_sum = snp.log(snp.sum(snp.exp(shifted), axis=1, keepdims=True))
        return -snp.mean(snp.sum((shifted - log_sum) * y, axis=1))

    return of


def adam_step(params: Any, means: Any, squares: Any, count: Any, x: Any, y: Any) -> Any:
    """One step of Adam on `loss`, for every array of the parameters."""
    import symfuse as sf
    import symfuse.numpy as snp

    value, gradients = sf.value_and_grad(loss("symfuse"))(params, x, y)
    count = count + 1
    rate = np.float32(1e-3) * snp.sqrt(1 - np.float32(0.999) ** count)
    rate = rate / (1 - np.float32(0.9) ** count)
    layers = []
    for layer in zip(params, means, squares, gradients, strict=True):
        updated = []
        for p, m, v, g in zip(*layer, strict=True):
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            updated.append((p - rate * m / (snp.sqrt(v) + 1e-8), m, v))
        layers.append(tuple(zip(*updated, strict=True)))
    params, means, squares = ([layer[n] for layer in layers] for n in range(3))
    return params, means, squares, count, value


def perceptron(sizes: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """Random weights and zero biases."""
    rng = np.random.default_rng(0)
    pairs = pairwise(sizes)
    return [
        (rng.normal(size=(a, b)).astype("f4") / np.float32(a**0.5), np.zeros(b, "f4"))
        for a, b in pairs
    ]


def batch(rows: int, columns: int, classes: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, columns)).astype("f4")
    return x, np.eye(classes, dtype="f4")[rng.integers(0, classes, rows)]


# fresh processes


def first_call(name: str) -> dict[str, float]:
    """Of a package, in this process: the import and the first call of a compiled gradient, ms."""
    start, wall = time.process_time(), time.perf_counter()
    package, function = importlib.import_module(name), loss(name)
    imported, passed = time.process_time(), time.perf_counter() - wall
    params, (x, y) = perceptron((128, 256, 10)), batch(32, 128, 10)
    fast = package.jit(package.value_and_grad(function))
    ready, wall = time.process_time(), time.perf_counter()
    value, _ = fast(params, x, y)
    float(value)
    return {
        "import": 1e3 * (imported - start),
        "import, wall": 1e3 * passed,
        "first call": 1e3 * (time.process_time() - ready),
        "call, wall": 1e3 * (time.perf_counter() - wall),
        "llvmlite": float("llvmlite" in sys.modules),
        "sympy": float("sympy" in sys.modules),
    }


def fresh_processes(repeats: int) -> dict[str, dict[str, float]]:
    """The first call when the cache is empty, and when it has the program; and that of JAX, by
    turns."""
    peers = [name for name in ("jax",) if find_spec(name)]
    rows: dict[str, list[dict[str, float]]] = {"empty cache": [], "from the cache": []}
    rows |= {name: [] for name in peers}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("symfuse", *peers):
            _child(folder, "byte code only", name)
        for turn in range(repeats):
            for state in ("empty cache", "from the cache"):
                rows[state].append(_child(folder, f"cache{turn}"))
            for name in peers:
                rows[name].append(_child(folder, "none", name))
    medians = {name: median(row["call, wall"] for row in found) for name, found in rows.items()}
    return {name: _least(found) | {"median": medians[name]} for name, found in rows.items()}


def _child(folder: str, cache: str, package: str = "symfuse") -> dict[str, float]:
    kept = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    places = {
        "PYTHONPYCACHEPREFIX": f"{folder}/byte code",
        "SYMFUSE_CACHE_DIR": f"{folder}/{cache}",
    }
    command = [sys.executable, __file__, "--first-call", package]
    done = subprocess.run(command, env=kept | places, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def _least(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: min(row[name] for row in rows) for name in rows[0]}


# stages


def chain(length: int) -> Callable[[Any, Any], Any]:
    """A function of so many elementwise operations, one after the other."""
    import symfuse.numpy as snp

    links = [eval(f"lambda x, y: {link}", vars(snp) | {"abs": snp.abs}) for link in LINKS]

    def function(x: Any, y: Any) -> Any:
        for number in range(length):
            x = links[number % len(links)](x, y)
        return x

    return function


def stages(trace: Callable[[], Any], repeats: int) -> dict[str, float]:
    """CPU milliseconds of every stage from Python to machine code, the least of the repeats."""
    return _least([_stages_once(trace) for _ in range(repeats)])


def _stages_once(trace: Callable[[], Any]) -> dict[str, float]:
    from symfuse.compiler import stages as compiler
    from symfuse.compiler.clock import Clock
    from symfuse.compiler.targets.llvm.link import link
    from symfuse.compiler.targets.llvm.machine import host_machine

    class CpuClock(Clock):
        @contextmanager
        def time(self, stage: str) -> Any:
            start = time.process_time()
            yield
            self.seconds[stage] = time.process_time() - start

    clock, machine = CpuClock(), host_machine()
    with clock.time("trace"):
        graph = trace()
    done = compiler.run_stages(graph, "strict", clock)
    with clock.time("emit"):
        lines = done.written.text.count("\n")
    with clock.time("LLVM"):
        image = link(machine.emit_object(done.written.text))
    row = {stage: 1e3 * seconds for stage, seconds in clock.seconds.items()}
    sizes = {
        "kernels": len(done.launches),
        "lines": lines,
        "bytes": image.size,
    }
    return {"total": sum(row.values()), **row, **sizes}


def chains(lengths: tuple[int, ...]) -> dict[str, dict[str, float]]:
    import symfuse as sf

    x = np.ones((64, 64), "f4")
    return {
        f"chain of {length}": stages(
            lambda length=length: sf.trace(chain(length), x, x).ir, 1 if length > 1000 else 3
        )
        for length in lengths
    }


def training_step(repeats: int) -> dict[str, dict[str, float]]:
    import symfuse as sf

    params = perceptron((64, 128, 128, 10))
    state = [[(np.zeros_like(w), np.zeros_like(b)) for w, b in params] for _ in range(2)]
    step = sf.jit(adam_step, donate_argnums=(0, 1, 2))
    arguments = (params, *state, np.float32(0), *batch(64, 64, 10))
    return {"Adam, 64-128-128-10": stages(lambda: step.lower(*arguments).graph.ir, repeats)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--first-call", metavar="PACKAGE")
    chosen = parser.parse_args()
    if chosen.first_call:
        print(json.dumps(first_call(chosen.first_call)))
        return
    lengths = CHAINS[:-1] if chosen.quick else CHAINS
    tables = {
        "processes": fresh_processes(2 if chosen.quick else FRESH),
        "chains": chains(lengths),
        "step": training_step(2 if chosen.quick else 5),
    }
    for table in tables.values():
        _show(table)
    if chosen.json:
        chosen.json.write_text(json.dumps(tables, indent=1) + "\n")


def _show(table: dict[str, dict[str, float]]) -> None:
    names = list(next(iter(table.values())))
    print(f"{'':22}", *(f"{name:>12}" for name in names))
    for label, row in table.items():
        print(f"{label:22}", *(f"{row[name]:12.1f}" for name in names))
    print()


if __name__ == "__main__":
    main()
