"""Steps of training by symfuse: one program a step, parameters donated and kept in place."""

from __future__ import annotations

from typing import Any

import numpy as np

import symfuse as sf
from symfuse.runtime.cuda.arrays import to_device

from .cases import Case
from .clock import Clock
from .lines import Teller
from .parameters import perceptron, sentences, transformer
from .works import Namespace, adam, mlp_loss, sgd, transformer_loss

__all__ = ["measure"]

EARLY = 5  # steps after which the loss is compared with that of the processor


def measure(teller: Teller, clock: Clock, n: Namespace, case: Case) -> None:
    """Tell the time of a step: with arrays on the device, and with data from the host."""
    step, state, data = _problem(n, case)
    numerics = "fast" if case.precision == "tf32" else "strict"
    donated = tuple(range(len(state)))
    run = sf.compile(step, *state, *data, target="cuda", donate_argnums=donated, numerics=numerics)
    error = _error(n, case, run, step, state, data)
    resident = [to_device(x, clock.device) for x in data]
    box = [_moved(state, clock)]

    def once(*batch: Any) -> None:
        _, *box[0] = run(*box[0], *batch)

    once(*resident)
    facts = {
        "error": error,
        "tolerance": 1e-3,
        "launches": len(run.program.launches),
        "in_place": sum(r.alias_of is not None for r in run.program.outputs),
        "outputs": len(run.program.outputs),
        "arena": run.memory.peak_bytes(),
    }
    teller.time(case.name, "symfuse", clock.sample(lambda: once(*resident)), **facts)
    teller.time(f"{case.name}, data from the host", "symfuse", clock.sample(lambda: once(*data)))
    teller.time(f"{case.name}, the call alone", "symfuse", clock.host(lambda: once(*resident)))


def _error(n: Namespace, case: Case, run: Any, step: Any, state: Any, data: Any) -> float:
    """How far losses are from those of the processor, of a transformer from NumPy's first one."""
    if case.work.startswith("MLP"):
        wanted = _losses(sf.compile(step, *state, *data), state, data, EARLY)
    else:
        wanted = [float(transformer_loss(Namespace(np), state[0], *data, case.shapes[0][2]))]
    found = _losses(run, state, data, len(wanted))
    return max(abs(a - b) / abs(b) for a, b in zip(found, wanted, strict=True))


def _problem(n: Namespace, case: Case) -> tuple[Any, list[Any], list[Any]]:
    """The step, what it changes and what it reads."""
    if case.work.startswith("MLP"):
        sizes, (batch,) = case.shapes
        params, x, y = perceptron(sizes, batch)

        def loss(params: Any, x: Any, y: Any) -> Any:
            return mlp_loss(n, params, x, y)

        return *_step(n, case, loss, params), [x, y]
    layers, width, heads, tokens, words, batch = case.shapes[0]
    params = transformer(layers, width, tokens, words)

    def sentence_loss(params: Any, words: Any, following: Any) -> Any:
        return transformer_loss(n, params, words, following, heads)

    return *_step(n, case, sentence_loss, params), list(sentences(batch, tokens, words))


def _step(n: Namespace, case: Case, loss: Any, params: Any) -> tuple[Any, list[Any]]:
    slopes_of = sf.value_and_grad(loss)

    def by_sgd(params: Any, *data: Any) -> Any:
        value, slopes = slopes_of(params, *data)
        return value, _map(sgd, params, slopes)

    def by_adam(params: Any, means: Any, squares: Any, *data: Any) -> Any:
        value, slopes = slopes_of(params, *data)
        new = _map(lambda *p: adam(n, *p), params, means, squares, slopes)
        return value, *(_map(lambda p, which=k: p[which], new, leaf=tuple) for k in range(3))

    if case.work.endswith("SGD"):
        return by_sgd, [params]
    return by_adam, [params, _map(np.zeros_like, params), _map(np.ones_like, params)]


def _map(function: Any, first: Any, *rest: Any, leaf: type | None = None) -> Any:
    """The function on the leaves of dictionaries and lists."""
    if isinstance(first, dict):
        return {k: _map(function, first[k], *(r[k] for r in rest), leaf=leaf) for k in first}
    if isinstance(first, list):
        return [_map(function, *each, leaf=leaf) for each in zip(first, *rest, strict=True)]
    return function(first, *rest)


def _moved(state: Any, clock: Clock) -> list[Any]:
    return [_map(lambda x: to_device(x, clock.device), each) for each in state]


def _losses(run: Any, state: Any, data: Any, steps: int) -> list[float]:
    """The losses of the first steps."""
    state, found = _map(np.array, state), []
    for _ in range(steps):
        value, *state = run(*state, *data)
        found.append(float(value))
    return found
