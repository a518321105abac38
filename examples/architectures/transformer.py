"""Scaled dot-product attention with heads and positions: a decoder-only model of letters."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import grid
from symfuse.examples.record import Record, Subject, at_most, main, near
from symfuse.examples.text import Letters
from symfuse.examples.training import dense, train

F = sf.nn.functional


def attention(q, k, v, mask=None):
    """softmax(QKᵀ/√d)V and the weights; where the mask is false nothing is read."""
    scores = q @ snp.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if mask is not None:
        scores = snp.where(mask, scores, -1e9)
    weights = F.softmax(scores, axis=-1)
    return weights @ v, weights


def positions(length, width):
    """sin and cos of the place at wavelengths from 2π to 20000π."""
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, width, 2) / width)
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(length, width).astype("f")


def norm(p, x):
    mean, variance = snp.mean(x, axis=-1, keepdims=True), snp.var(x, axis=-1, keepdims=True)
    return p["gain"] * (x - mean) / snp.sqrt(variance + 1e-5) + p["shift"]


def full(p, x):
    return x @ p["w"] + p["b"]


def heads(x, count):
    """[batch, time, width] as [batch, head, time, width / heads]."""
    batch, length, width = x.shape
    return snp.swapaxes(x.reshape(batch, length, count, width // count), 1, 2)


def block(p, x, count, mask):
    """Attention and two dense layers, each behind a norm and added to what came in."""
    q, k, v = (heads(part, count) for part in snp.split(full(p["qkv"], norm(p["n1"], x)), 3, -1))
    mixed, weights = attention(q, k, v, mask)
    x = x + full(p["out"], snp.swapaxes(mixed, 1, 2).reshape(x.shape))
    return x + full(p["down"], F.gelu(full(p["up"], norm(p["n2"], x)))), weights


def model(params, text, count=4):
    """Scores of the next letter [batch, time, letters], and the weights of the last block."""
    length, width = text.shape[1], params["letters"].shape[1]
    x, weights = params["letters"][text] + positions(length, width), None
    mask = np.tril(np.ones((length, length), bool))
    for p in params["blocks"]:
        x, weights = block(p, x, count, mask)
    return full(params["out"], norm(params["norm"], x)), weights


def loss(params, text, following):
    scores, _ = model(params, text)
    return snp.mean(sf.losses.sparse_categorical_crossentropy(following, scores, from_logits=True))


def first_parameters(letters, width, depth, seed=0):
    keys = iter(sf.random.split(sf.random.key(seed), 4 * depth + 2))

    def ones():
        return {"gain": np.ones(width, "f"), "shift": np.zeros(width, "f")}

    blocks = [
        {"qkv": dense(next(keys), width, 3 * width), "out": dense(next(keys), width, width),
         "up": dense(next(keys), width, 4 * width), "down": dense(next(keys), 4 * width, width),
         "n1": ones(), "n2": ones()}
        for _ in range(depth)
    ]  # fmt: skip
    embedded = 0.1 * np.asarray(sf.random.normal(next(keys), (letters, width), "float32"))
    return {"letters": embedded, "blocks": blocks, "norm": ones(),
            "out": dense(next(keys), width, letters)}  # fmt: skip


def by_layer(x):
    """What the layer gives, and what the definition does with the same weights."""
    layer = sf.nn.MultiHeadAttention(2, 4)
    p, _ = layer.init(sf.random.key(0), x, x)
    causal = np.tril(np.ones((x.shape[1], x.shape[1]), bool))
    q, k, v = (heads(x @ p[f"{name}_kernel"], 2) for name in ("query", "key", "value"))
    mixed = np.swapaxes(attention(q, k, v, causal)[0], 1, 2).reshape(x.shape)
    return layer.apply(p, {}, x, x, use_causal_mask=True)[0], mixed @ p["output_kernel"]


def batches(letters, size, length, steps):
    return ((x.T, y.T) for x, y in letters.batches(size, length, steps))


def run(quick=False):
    letters = Letters(sf.datasets.sentences(400 if quick else 1500))
    width, depth, steps = (32, 1, 100) if quick else (64, 2, 200)
    params = first_parameters(letters.count, width, depth)
    params, _ = train(
        loss,
        params,
        sf.optim.Adam(1e-2 if quick else 5e-3),
        batches(letters, 16 if quick else 32, 40, steps),
    )
    x, y = (part.T for part in letters.held_out(40))
    found, entropy = float(loss(params, x, y)), letters.bigram_entropy()
    text = x[:1].copy()
    scores, weights = model(params, text)
    text[0, 20:] = 0
    q, k, v = np.random.default_rng(0).normal(size=(3, 5, 4))
    e = np.exp(q @ k.T / 2)
    small = first_parameters(letters.count, 8, 1)
    values = np.asarray(sf.random.normal(sf.random.key(0), (2, 5, 8), "float32"))
    return Record(
        (
            at_most("loss ÷ bigram entropy", found / entropy, 1 if quick else 0.7),
            near("attention and its definition", attention(q, k, v)[0],
                 e / e.sum(1, keepdims=True) @ v, 1e-12),
            near("nn.MultiHeadAttention and its definition", *by_layer(values), 1e-5),
            near("the past does not see the future", model(params, text)[0][0, :20],
                 scores[0, :20], 1e-4),
        ),
        Subject(loss, (small, x[:2, :6], y[:2, :6])),
        grid(np.asarray(weights)[0], columns=2, scale=3),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
