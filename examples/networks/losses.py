"""Losses with their closed forms: square, cross-entropies, Kullback–Leibler, hinge, Huber."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, main, near

L = sf.losses
T, Z = np.array([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]]), np.array([[1.5, -0.4, 0.3], [0.1, 2.0, -1.0]])
P = np.exp(Z) / np.exp(Z).sum(-1, keepdims=True)
B, S = np.array([[1.0, 0.0, 1.0]]), 1 / (1 + np.exp(-Z[:1]))
MEAN, LOG_VARIANCE = Z, np.array([[0.2, -0.5, 0.0], [1.0, 0.3, -2.0]])

# name: the loss, and what it is by its definition
TABLE = {
    "½‖t − z‖²": (lambda: snp.sum((T - Z) ** 2) / 2, np.linalg.norm(T - Z) ** 2 / 2),
    "mean squared error": (lambda: L.mean_squared_error(T, Z), ((T - Z) ** 2).mean(-1)),
    "binary cross-entropy, probabilities": (
        lambda: L.binary_crossentropy(B, S),
        -(B * np.log(S) + (1 - B) * np.log(1 - S)).mean(-1),
    ),
    "binary cross-entropy, logits": (
        lambda: L.binary_crossentropy(B, Z[:1], from_logits=True),
        -(B * np.log(S) + (1 - B) * np.log(1 - S)).mean(-1),
    ),
    "categorical cross-entropy, probabilities": (
        lambda: L.categorical_crossentropy(T, P), -(T * np.log(P)).sum(-1),
    ),
    "categorical cross-entropy, logits": (
        lambda: L.categorical_crossentropy(T, Z, from_logits=True), -(T * np.log(P)).sum(-1),
    ),
    "KL of two distributions": (
        lambda: L.kl_divergence(P, P[::-1]), (P * np.log(P / P[::-1])).sum(-1),
    ),
    "−½ Σ(1 + log σ² − μ² − σ²)": (
        lambda: L.gaussian_kl_divergence(MEAN, LOG_VARIANCE),
        -0.5 * (1 + LOG_VARIANCE - MEAN**2 - np.exp(LOG_VARIANCE)).sum(-1),
    ),
    "hinge": (lambda: L.hinge(np.sign(Z), Z), np.maximum(0, 1 - np.abs(Z)).mean(-1)),
    "Huber": (
        lambda: L.huber(T, Z),
        np.where(np.abs(T - Z) <= 1, (T - Z) ** 2 / 2, np.abs(T - Z) - 0.5).mean(-1),
    ),
}  # fmt: skip


def losses_of(z):
    """All losses as functions of the prediction z."""
    p = sf.nn.functional.softmax(z, axis=-1)
    return [
        L.mean_squared_error(T, z),
        L.binary_crossentropy(T, z, from_logits=True),
        L.categorical_crossentropy(T, p),
        L.categorical_crossentropy(T, z, from_logits=True),
        L.kl_divergence(T + 0.1, p),
        L.gaussian_kl_divergence(z, LOG_VARIANCE),
        L.hinge(np.sign(Z), z),
        L.huber(T, z),
    ]


def run(quick=False):
    found = sf.jit(lambda: [loss() for loss, _ in TABLE.values()])()
    measures = [
        near(name, value, wanted, 1e-6)
        for value, (name, (_, wanted)) in zip(found, TABLE.items(), strict=True)
    ]
    return Record(tuple(measures), Subject(losses_of, (Z,)))


if __name__ == "__main__":
    main(run)
