"""Layers beside those of PyTorch: the same outputs and gradients, in f32 to 1e-5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import nn

pytestmark = pytest.mark.peer("torch")
Array = Any
BATCH = 3


def first(x: Array) -> Array:
    """Channels after the batch."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def last(x: Array) -> Array:
    return np.moveaxis(x, 1, -1)


def kernel(weight: Array) -> Array:
    """torch's (out, in, …) as (…, in, out)."""
    return np.transpose(weight, (*range(2, weight.ndim), 1, 0))


def gates(order: str, mine: str, weight: Array) -> Array:
    """Blocks along the first axis in another order; then transposed."""
    size = weight.shape[0] // len(order)
    blocks = [weight[order.index(g) * size : (order.index(g) + 1) * size] for g in mine]
    return np.concatenate(blocks).T


def plain(w: dict[str, Array]) -> Any:
    return {"kernel": kernel(w["weight"]), "bias": w["bias"]}


def scaled(w: dict[str, Array]) -> Any:
    return {"gamma": w["weight"], "beta": w["bias"]}


def recurrent(order: str, mine: str, w: dict[str, Array], end: str = "") -> Any:
    biases = [gates(order, mine, w[f"bias_{part}_l0{end}"]) for part in ("ih", "hh")]
    return {
        "kernel": gates(order, mine, w[f"weight_ih_l0{end}"]),
        "recurrent_kernel": gates(order, mine, w[f"weight_hh_l0{end}"]),
        "bias": np.stack(biases) if order == "rzn" else biases[0] + biases[1],
    }


def heads(w: dict[str, Array]) -> Any:
    names = ("query", "key", "value")
    parts = zip(
        names, np.split(w["in_proj_weight"], 3), np.split(w["in_proj_bias"], 3), strict=True
    )
    found = {}
    for name, weight, bias in parts:
        found |= {f"{name}_kernel": weight.T, f"{name}_bias": bias}
    return {
        **found,
        "output_kernel": w["out_proj.weight"].T,
        "output_bias": w["out_proj.bias"],
    }


def make(torch: Any, name: str) -> tuple[Any, Any, tuple[int, ...], Callable[..., Any], Any, Any]:
    """Mine, PyTorch's, the shape of an example, my weights of theirs, and both ways of data."""
    t, same = torch.nn, (lambda x: x, lambda y: y)
    image, sequence = (7, 7, 4), (6, 5)
    return {
        "dense": (nn.Dense(3), t.Linear(8, 3), (8,), plain, *same),
        "conv1d": (
            nn.Conv1D(6, 3, strides=2), t.Conv1d(5, 6, 3, 2), sequence, plain, first, last,
        ),
        "conv2d": (
            nn.Conv2D(6, 3, padding=1, groups=2), t.Conv2d(4, 6, 3, padding=1, groups=2), image,
            plain, first, last,
        ),
        "conv3d": (
            nn.Conv3D(3, 2, dilation_rate=2), t.Conv3d(2, 3, 2, dilation=2), (4, 4, 4, 2), plain,
            first, last,
        ),
        "conv_transpose": (
            nn.Conv2DTranspose(3, 3, strides=2, padding=1, output_padding=1),
            t.ConvTranspose2d(4, 3, 3, 2, 1, 1), image,
            lambda w: {"kernel": np.transpose(w["weight"], (2, 3, 1, 0)), "bias": w["bias"]},
            first, last,
        ),
        "max_pool": (nn.MaxPooling2D(3, 2), t.MaxPool2d(3, 2), image, lambda w: {}, first, last),
        "batch_norm": (
            nn.BatchNormalization(epsilon=1e-5), t.BatchNorm2d(4), image, scaled, first, last,
        ),
        "layer_norm": (
            nn.LayerNormalization(epsilon=1e-5), t.LayerNorm(5), sequence, scaled, *same,
        ),
        "group_norm": (
            nn.GroupNormalization(2, epsilon=1e-5), t.GroupNorm(2, 4), image, scaled, first, last,
        ),
        "rms_norm": (
            nn.RMSNormalization(epsilon=1e-6), t.RMSNorm(5, eps=1e-6), sequence,
            lambda w: {"gamma": w["weight"]}, *same,
        ),
        "rnn": (
            nn.SimpleRNN(4, return_sequences=True), t.RNN(5, 4, batch_first=True), sequence,
            lambda w: recurrent("h", "h", w), *same,
        ),
        "lstm": (
            nn.LSTM(4, return_sequences=True), t.LSTM(5, 4, batch_first=True), sequence,
            lambda w: recurrent("ifgo", "ifgo", w), *same,
        ),
        "gru": (
            nn.GRU(4, return_sequences=True), t.GRU(5, 4, batch_first=True), sequence,
            lambda w: recurrent("rzn", "zrn", w), *same,
        ),
        "bidirectional": (
            nn.Bidirectional(nn.LSTM(4, return_sequences=True)),
            t.LSTM(5, 4, batch_first=True, bidirectional=True), sequence,
            lambda w: {
                "forward": recurrent("ifgo", "ifgo", w),
                "backward": recurrent("ifgo", "ifgo", w, "_reverse"),
            },
            *same,
        ),
        "prelu": (
            nn.PReLU(shared_axes=(1, 2)), t.PReLU(4), image,
            lambda w: {"alpha": w["weight"].reshape(1, 1, 4)}, first, last,
        ),
        "gelu": (nn.GELU(), t.GELU(), (8,), lambda w: {}, *same),
        "silu": (nn.SiLU(), t.SiLU(), (8,), lambda w: {}, *same),
        "selu": (nn.SELU(), t.SELU(), (8,), lambda w: {}, *same),
        "mish": (nn.Mish(), t.Mish(), (8,), lambda w: {}, *same),
        "bilinear": (
            nn.UpSampling2D(2, interpolation="bilinear"),
            t.Upsample(scale_factor=2, mode="bilinear"), image, lambda w: {}, first, last,
        ),
    }[name]  # fmt: skip


NAMES = (
    "dense", "conv1d", "conv2d", "conv3d", "conv_transpose", "max_pool", "batch_norm",
    "layer_norm", "group_norm", "rms_norm", "rnn", "lstm", "gru", "bidirectional", "prelu",
    "gelu", "silu", "selu", "mish", "bilinear",
)  # fmt: skip


def randomised(torch: Any, theirs: Any, rng: np.random.Generator) -> dict[str, Array]:
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(0, 0.5, parameter.shape).astype("f")))
    return {name: p.detach().numpy() for name, p in theirs.named_parameters()}


def gradients(theirs: Any) -> dict[str, Array]:
    """Their gradients; of two biases that are added, those of the one count for the sum."""
    found = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
    if type(theirs).__name__ in ("RNN", "LSTM"):
        found |= {n: np.zeros_like(g) for n, g in found.items() if n.startswith("bias_hh")}
    return found


def near(mine: Array, other: Array) -> None:
    scale = max(1.0, float(np.abs(other).max()))
    np.testing.assert_allclose(mine / scale, other / scale, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_gradients_are_those_of_pytorch(name: str, rng: np.random.Generator) -> None:
    import torch

    layer, theirs, shape, weights, there, back = make(torch, name)
    params = weights(randomised(torch, theirs, rng))
    x = rng.normal(size=(BATCH, *shape)).astype("f")
    _, state = layer.init(sf.random.key(0), x)
    given = torch.from_numpy(there(x)).requires_grad_()
    found = theirs(given)
    found = found[0] if isinstance(found, tuple) else found
    expected = back(found.detach().numpy())
    slope = rng.normal(size=expected.shape).astype("f")
    found.backward(torch.from_numpy(np.ascontiguousarray(there(slope))))

    def weighed(params: Any, x: Array) -> Any:
        y, moved = layer.apply(params, state, x, training=True)
        return np.sum(y * slope), (y, moved)

    fast = sf.jit(sf.value_and_grad(weighed, argnums=(0, 1), has_aux=True))
    (_, (y, moved)), (by_params, by_x) = fast(params, x)
    near(y, expected)
    near(by_x, back(given.grad.numpy()))
    _near_trees(by_params, weights(gradients(theirs)))
    if name == "batch_norm":
        _evaluates_as(theirs, layer, params, moved, x, torch)


def _near_trees(mine: Any, other: Any) -> None:
    assert mine.keys() == other.keys()
    for name, part in mine.items():
        if isinstance(part, dict):
            _near_trees(part, other[name])
        else:
            near(part, other[name])


def _evaluates_as(theirs: Any, layer: Any, params: Any, moved: Any, x: Array, torch: Any) -> None:
    """Running averages in inference; torch's variance is that of a sample."""
    count = x[..., 0].size
    momentum = 0.1
    mean, variance = moved["moving_mean"], moved["moving_variance"]
    near(mean / 0.01 * momentum, theirs.running_mean.numpy())
    sample = (variance - 0.99) / 0.01 * count / (count - 1)
    near(0.9 + momentum * sample, theirs.running_var.numpy())
    own = {
        "moving_mean": theirs.running_mean.numpy(),
        "moving_variance": theirs.running_var.numpy(),
    }
    expected = last(theirs.eval()(torch.from_numpy(first(x))).detach().numpy())
    near(layer.apply(params, own, x)[0], expected)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_that_of_pytorch(causal: bool, rng: np.random.Generator) -> None:
    import torch

    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    layer = nn.MultiHeadAttention(2, 4)
    params = heads(randomised(torch, theirs, rng))
    q, v = (rng.normal(size=(BATCH, 5, 8)).astype("f") for _ in range(2))
    slope = rng.normal(size=q.shape).astype("f")
    given = [torch.from_numpy(one).requires_grad_() for one in (q, v)]
    hidden = torch.from_numpy(~np.tri(5, dtype=bool)) if causal else None
    found, weights = theirs(
        given[0], given[1], given[1], attn_mask=hidden, average_attn_weights=False
    )
    found.backward(torch.from_numpy(slope))

    def weighed(params: Any, q: Array, v: Array) -> Any:
        y, scores = layer.apply(
            params, {}, q, v, use_causal_mask=causal, return_attention_scores=True
        )[0]
        return np.sum(y * slope), (y, scores)

    fast = sf.jit(sf.value_and_grad(weighed, argnums=(0, 1, 2), has_aux=True))
    (_, (y, scores)), (by_params, by_q, by_v) = fast(params, q, v)
    near(y, found.detach().numpy())
    near(scores, weights.detach().numpy())
    near(by_q, given[0].grad.numpy())
    near(by_v, given[1].grad.numpy())
    _near_trees(by_params, heads(gradients(theirs)))
