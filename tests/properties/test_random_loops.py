"""Random programs of loops and branches inside each other: every way to run them agrees."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse.runtime import options
from symfuse.runtime.executable import Executable
from symfuse.tracing.tree import flatten

snp = sf.numpy
Block = Callable[[dict[str, Any]], list[Any]]

TERMS = (
    lambda a, b: snp.sin(a) + b,
    lambda a, b: snp.tanh(a * b),
    lambda a, b: a[::-1] - 0.5 * b,
    lambda a, b: a.sum() * 0.1 + b,
    lambda a, b: snp.cumsum(a) * 0.1 + b,
    lambda a, b: snp.where(a > 0, a, b),
)


def expressions(draw: random.Random, names: list[str]) -> Block:
    chosen = [(draw.choice(TERMS), draw.choice(names), draw.choice(names)) for _ in range(2)]
    return lambda env: [term(env[one], env[other]) for term, one, other in chosen]


def block(draw: random.Random, names: list[str], depth: int) -> Block:
    """A function from named arrays to two arrays, with loops `depth` deep."""
    if not depth:
        return expressions(draw, names)
    inner = block(draw, [*names, "c", "d", "v"], depth - 1)
    first, second = draw.choice(names), draw.choice(names)
    swaps, turns = draw.random() < 0.5, draw.choice([0, 1, 3])
    backwards, again = draw.random() < 0.5, draw.random() < 0.3

    def step(env: dict[str, Any], c: Any, d: Any, v: Any) -> tuple[Any, Any]:
        one, other = inner({**env, "c": c, "d": d, "v": v})
        one, other = snp.tanh(one), 0.5 * other + 0.3 * env[second]
        return (d, one) if swaps else (one, other)

    def scanned(env: dict[str, Any]) -> list[Any]:
        rows = snp.asarray(np.linspace(-1, 1, turns).reshape(-1, 1)) * env[first]
        (c, d), (ys, zs) = sf.scan(
            lambda s, v: (new := step(env, *s, v), (new[0], s[1])),
            (env[first], env[second]),
            rows,
            reverse=backwards,
            checkpoint=again,
        )
        return [c + ys.sum(0), d + (zs * zs).sum(0)]

    def counted(env: dict[str, Any]) -> list[Any]:
        start = (env[first], env[second])
        return list(sf.fori_loop(0, turns, lambda i, s: step(env, *s, s[0] * i), start))

    def bounded(env: dict[str, Any]) -> list[Any]:
        start = (env[first], env[second])
        go_on = lambda s: (s[0] * s[0]).sum() < 3  # noqa: E731
        return list(sf.while_loop(go_on, lambda s: step(env, *s, s[1]), start, bound=turns))

    def chosen(env: dict[str, Any]) -> list[Any]:
        one, other = env[first], env[second]
        return list(
            sf.cond(one.sum() > 0, lambda: step(env, one, other, one), lambda: (other, 2 * one))
        )

    return draw.choice([scanned, scanned, counted, bounded, chosen])


def close(found: Any, wanted: Any) -> None:
    for one, other in zip(flatten(found)[0], flatten(wanted)[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("seed", range(10))
def test_every_way_to_run_a_program_agrees(seed):
    run = block(random.Random(seed), ["a", "b"], 1 + seed % 3)
    a, b = np.random.default_rng(seed).normal(size=(2, 3))

    def program(a, b):
        return run({"a": a, "b": b})

    def loss(a, b):
        return sum((x * x).sum() for x in program(a, b))

    graph, slope = sf.trace(program, a, b), sf.grad(loss, (0, 1))
    wanted, slopes = graph(a, b), slope(a, b)
    assert sf.Graph.parse(str(graph)).ir.text(locations=False) == graph.ir.text(locations=False)
    with options.using(verify=True, cache=False):
        exe = sf.compile(program, "f64[N]", "f64[N]")
    close(exe(a, b), wanted)
    measured = Executable(exe.program, threads=1, verify=True)
    measured(a, b)
    assert measured.last_high_water <= exe.memory.peak_bytes(N=3)
    close(sf.compile(program, a, b, donate_argnums=(0, 1))(a.copy(), b.copy()), wanted)
    close([sf.jacfwd(loss, at)(a, b) for at in (0, 1)], slopes)
    close(sf.compile(slope, a, b)(a, b), slopes)
    both = sf.vmap(slope)(np.stack([a, b]), np.stack([b, -a]))
    close([x[0] for x in both], slopes)
    close([x[1] for x in both], slope(b, -a))
