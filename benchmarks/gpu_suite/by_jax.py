"""JAX: the same functions through jax.jit."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from .cases import Case, cases
from .lines import Sample, Teller, sampled
from .parameters import perceptron, sentences, transformer
from .works import WORKS, Namespace, adam, mlp_loss, sgd, transformer_loss

__all__ = ["main"]


def _conv(x: Any, kernel: Any) -> Any:
    names = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=names)


JAX = Namespace(jnp, jax.lax.stop_gradient, jax.lax.scan, jax.nn.gelu, _conv)
DTYPES = {"f32": jnp.float32, "f16": jnp.float16, "bf16": jnp.bfloat16}
# What matters most comes first, in case time runs out.
ORDER = ("elementwise", "small", "training", "rows", "products", "layers", "attention",
         "convolution", "sums", "transpose", "scan")  # fmt: skip


def main(teller: Teller, tiny: bool, device: str) -> int:
    """Measure every case."""
    try:
        place = jax.devices("gpu" if device == "cuda" else "cpu")[0]
    except RuntimeError as error:
        teller.tell(absent=f"JAX sees no device: {str(error).splitlines()[0]}")
        return 0
    teller.tell(versions={"jax": jax.__version__})
    for case in sorted(cases(tiny), key=lambda case: ORDER.index(case.section)):
        if not case.generated and teller.begin(case.name):
            run = partial(_train if case.section == "training" else _measure, teller, case, tiny)
            with jax.default_device(place), jax.default_matmul_precision(_precision(case)):
                teller.attempt(case.name, "jax", run)
    return 0


def _precision(case: Case) -> str:
    """As symfuse computes: in full, but where tf32 is asked for."""
    return "tensorfloat32" if case.precision == "tf32" else "highest"


def _measure(teller: Teller, case: Case, tiny: bool) -> None:
    keys = jax.random.split(jax.random.key(0), len(case.shapes))
    inputs = [
        jax.random.normal(key, shape, DTYPES[case.dtype])
        for key, shape in zip(keys, case.shapes, strict=True)
    ]
    run = jax.jit(partial(WORKS[case.work], JAX))
    _time(teller, case, "jax", lambda: run(*inputs), tiny)
    if case.section == "attention":
        run = jax.jit(partial(_library_attention, causal=case.work != "attention"))
        teller.attempt(
            case.name,
            "jax cuDNN",
            lambda: _time(teller, case, "jax cuDNN", lambda: run(*inputs), tiny),
        )


def _library_attention(q: Any, k: Any, v: Any, causal: bool) -> Any:
    """By cuDNN where JAX has it; the axes are batch, tokens, heads, width there."""
    q, k, v = (x[:, :, None] for x in (q, k, v))
    has_it = jax.default_backend() == "gpu" and q.dtype != jnp.float32
    implementation = "cudnn" if has_it else "xla"
    found = jax.nn.dot_product_attention(q, k, v, is_causal=causal, implementation=implementation)
    return found[:, :, 0]


def _train(teller: Teller, case: Case, tiny: bool) -> None:
    loss, params, data = _problem(case)
    slopes_of = jax.value_and_grad(loss)

    def by_sgd(params: Any, *data: Any) -> Any:
        value, slopes = slopes_of(params, *data)
        return value, jax.tree.map(sgd, params, slopes)

    def by_adam(params: Any, means: Any, squares: Any, *data: Any) -> Any:
        value, slopes = slopes_of(params, *data)
        new = jax.tree.map(partial(adam, JAX), params, means, squares, slopes)
        outer = jax.tree.structure(params)
        return value, *jax.tree.transpose(outer, jax.tree.structure((0, 0, 0)), new)

    if case.work.endswith("SGD"):
        step, state = by_sgd, [params]
    else:
        step = by_adam
        state = [params, jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.ones_like, params)]
    run = jax.jit(step, donate_argnums=tuple(range(len(state))))
    box = [state]

    def once() -> Any:
        value, *box[0] = run(*box[0], *data)
        return value, box[0]

    _time(teller, case, "jax", once, tiny)


def _problem(case: Case) -> tuple[Callable[..., Any], Any, list[Any]]:
    if case.work.startswith("MLP"):
        sizes, (batch,) = case.shapes
        params, x, y = perceptron(sizes, batch)
        return partial(mlp_loss, JAX), jax.tree.map(jnp.array, params), [jnp.array(x), jnp.array(y)]
    layers, width, heads, tokens, words, batch = case.shapes[0]
    params = jax.tree.map(jnp.array, transformer(layers, width, tokens, words))
    data = [jnp.array(x) for x in sentences(batch, tokens, words)]

    def loss(params: Any, words: Any, following: Any) -> Any:
        return transformer_loss(JAX, params, words, following, heads)

    return loss, params, data


def _time(teller: Teller, case: Case, contender: str, run: Callable[[], Any], tiny: bool) -> None:
    """Wall time of runs put behind one another, to the end of the last."""

    def some(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            found = run()
        jax.block_until_ready(found)
        return time.perf_counter() - start

    jax.block_until_ready(run())
    sample: Sample = sampled(some, quick=tiny)
    teller.time(case.name, contender, sample)
