"""cuDNN's attention: which it gets, in which form, and that its values are the graph's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda.on_device import needs_compiler, simulated
from cuda.real_cudnn import needs_library, told_by_the_real
from cuda.test_convolutions_by_library import alone, check, compiled, draw, plans
from ml_dtypes import bfloat16

import symfuse as sf
import symfuse.numpy as snp
from symfuse.nn import functional as nn
from symfuse.runtime import options
from symfuse.runtime.cuda.code import DnnLaunch
from symfuse.runtime.cuda.networks import Plan

pytestmark = needs_compiler
__all__ = ["alone", "plans"]

TIMED = "on the device plans of cuDNN are timed beside it"
ALWAYS = 'cuDNN computes it instead: the option cudnn is "always"'


def plain(q: Any, k: Any, v: Any) -> Any:
    return nn.softmax(q @ snp.swapaxes(k, -1, -2) * q.shape[-1] ** -0.5, axis=-1) @ v


def bare(q: Any, k: Any, v: Any) -> Any:
    return nn.softmax(q @ snp.swapaxes(k, -1, -2), axis=-1) @ v


def tokens_first(q: Any, k: Any, v: Any) -> Any:
    """Batches, tokens, heads, width, as they lie in memory."""
    return plain(*(snp.transpose(x, (0, 2, 1, 3)) for x in (q, k, v)))


def divided_last(q: Any, k: Any, v: Any) -> Any:
    scores = q @ snp.swapaxes(k, -1, -2) * 0.25
    powers = snp.exp(scores - snp.max(scores, axis=-1, keepdims=True))
    return (powers @ v) / snp.sum(powers, axis=-1, keepdims=True)


def causal(q: Any, k: Any, v: Any) -> Any:
    scores = q @ snp.swapaxes(k, -1, -2) * 0.25
    seen = snp.tri(scores.shape[-2], scores.shape[-1], dtype=bool)
    return nn.softmax(snp.where(seen, scores, -np.inf), axis=-1) @ v


def heads(*shape: int, keys: int = 0, width: int = 0) -> tuple[tuple[int, ...], ...]:
    """The shapes of q, k and v."""
    *outer, rows, depth = shape
    keys, width = keys or rows, width or depth
    return (*outer, rows, depth), (*outer, keys, depth), (*outer, keys, width)


CASES: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...], str]] = {
    "heads of batches": (plain, heads(2, 3, 12, 16), "strict"),
    "heads": (plain, heads(3, 12, 8), "strict"),
    "one head": (plain, heads(12, 16), "strict"),
    "batches of batches": (plain, heads(2, 2, 2, 10, 8), "strict"),
    "other keys": (plain, heads(2, 2, 11, 16, keys=19), "strict"),
    "other values": (plain, heads(2, 2, 11, 16, width=24), "strict"),
    "without a scale": (bare, heads(2, 2, 12, 8), "strict"),
    "divided last": (divided_last, heads(2, 2, 12, 16), "strict"),
    "tokens first": (tokens_first, ((2, 12, 3, 16),) * 3, "strict"),
    "causal": (causal, heads(2, 2, 13, 16), "fast"),
    "causal, other keys": (causal, heads(2, 2, 10, 16, keys=17), "fast"),
}


@pytest.mark.parametrize("dtype", [np.float16, bfloat16])
@pytest.mark.parametrize("case", CASES)
def test_an_attention_is_computed_by_the_library(case: str, dtype: Any, plans: list[Plan]) -> None:
    function, shapes, numerics = CASES[case]
    told = check(function, *draw(*shapes, dtype=dtype), near=2e-2, numerics=numerics)
    assert ALWAYS in told
    (plan,) = plans
    assert plan.network is not None and plan.recipe is not None
    names = [one.name for one in plan.network.launch.operations]
    assert names[0] == names[-1] == "matmul"
    assert ("select" in names) == case.startswith("causal")


def test_open_sizes_are_settled_at_the_call(plans: list[Plan]) -> None:
    q, k, v = draw(*heads(2, 3, 12, 16, keys=20), dtype=np.float16)
    with simulated():
        types = ("f16[B,H,S,16]", "f16[B,H,T,16]", "f16[B,H,T,16]")
        found = np.asarray(sf.compile(plain, *types, target="cuda")(q, k, v))
    wanted = plain(*(x.astype(np.float32) for x in (q, k, v)))
    np.testing.assert_allclose(found.astype(np.float32), wanted, atol=2e-3)
    assert plans[0].note == "the first of the library's recommendations"


@pytest.mark.parametrize(
    ("function", "shapes", "dtype", "reason"),
    [
        (plain, heads(2, 2, 12, 16), np.float32, "cuDNN has attention of halves alone"),
        (plain, heads(2, 2, 12, 12), np.float16, "heads of widths that 8 divides"),
        (causal, heads(2, 2, 12, 16), np.float16, 'which takes numerics="fast"'),
        (
            lambda q, k, v: nn.softmax(snp.tanh(q @ snp.swapaxes(k, -1, -2)), axis=-1) @ v,
            heads(2, 2, 12, 16),
            np.float16,
            "scaled scores alone",
        ),
    ],
)
def test_others_are_generated_for_a_reason(
    function: Any, shapes: Any, dtype: Any, reason: str, plans: list[Plan]
) -> None:
    told = check(function, *draw(*shapes, dtype=dtype), near=2e-2)
    assert reason in told or "only the library multiplies such halves" in told
    assert plans == []


def test_small_ones_are_generated_unless_the_library_is_asked_for(plans: list[Plan]) -> None:
    with options.using(cudnn="auto"):
        told = check(plain, *draw(*heads(2, 2, 12, 16), dtype=np.float16), near=2e-2)
    assert "it is small for cuDNN" in told
    assert plans == []


def test_large_ones_are_timed_beside_the_kernel(plans: list[Plan]) -> None:
    arrays = draw(*heads(2, 4, 72, 32), dtype=np.float16)
    with options.using(cudnn="auto"):
        assert TIMED in check(plain, *arrays, near=2e-2)
    assert plans[0].note == "the fastest of 6 that were timed"


def test_derivatives_keep_the_kernels_that_know_of_each_other(plans: list[Plan]) -> None:
    def slopes(q: Any, k: Any, v: Any) -> Any:
        total = lambda q, k, v: snp.sum(plain(q, k, v).astype("float32") ** 2)  # noqa: E731
        return sf.grad(total, argnums=(0, 1, 2))(q, k, v)

    told = check(slopes, *draw(*heads(2, 2, 24, 16), dtype=np.float16), near=3e-2)
    assert "what the first keeps of each row is read by the second" in told
    assert plans == []


def test_a_step_of_a_transformer_is_that_of_the_processor(plans: list[Plan]) -> None:
    """Attention by cuDNN between products by cuBLASLt and generated kernels."""

    def block(x: Any, w: Any, onward: Any) -> Any:
        q, k, v = (
            snp.transpose(part.reshape(*x.shape[:2], 2, 16), (0, 2, 1, 3))
            for part in snp.split((x - snp.mean(x, axis=-1, keepdims=True)) @ w, 3, axis=-1)
        )
        mixed = snp.transpose(plain(q, k, v), (0, 2, 1, 3)).reshape(x.shape)
        return x + mixed @ onward

    arrays = draw((2, 14, 32), (32, 96), (32, 32), dtype=np.float16)
    arrays[1:] = [x * np.float16(0.2) for x in arrays[1:]]
    assert ALWAYS in check(block, *arrays, near=2e-2)
    assert len(plans) == 1 and plans[0].recipe is not None


def test_where_the_library_lacks_it_the_kernel_does_it(
    monkeypatch: pytest.MonkeyPatch, plans: list[Plan]
) -> None:
    q, k, v = draw(*heads(2, 2, 20, 16), dtype=np.float16)
    with simulated(), options.using(cudnn="always"):
        run = compiled(plain, q, k, v)
        monkeypatch.setattr("symfuse.runtime.cuda.networks.find", lambda name: None)
        with options.using(cudnn="auto"):
            found = np.asarray(run(q, k, v)).astype(np.float32)
    wanted = plain(*(x.astype(np.float32) for x in (q, k, v)))
    np.testing.assert_allclose(found, wanted, atol=3e-3)
    assert plans[0].note == "generated kernels: cuDNN is not installed"


@needs_library
def test_the_real_library_takes_every_form(tmp_path: Path) -> None:
    launches = []
    for function, shapes, numerics in CASES.values():
        with simulated():
            run = compiled(function, *draw(*shapes, dtype=bfloat16), numerics=numerics)
        code = run.program.device
        launches += [one.settled(()) for one in code.launches if isinstance(one, DnnLaunch)]
    assert told_by_the_real(launches, tmp_path) == [""] * len(CASES)
