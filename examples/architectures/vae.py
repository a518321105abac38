"""A variational auto-encoder: reparameterisation, reconstruction and divergence; new digits."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import grid
from symfuse.examples.record import Record, Subject, at_least, at_most, main
from symfuse.examples.training import layers, train

F, LATENT = sf.nn.functional, 6


def full(p, x):
    return x @ p["w"] + p["b"]


def encode(params, x):
    """Mean and log variance of the code."""
    return snp.split(full(params[1], F.relu(full(params[0], x))), 2, axis=-1)


def decode(params, z):
    """Logits of the pixels."""
    return full(params[3], F.relu(full(params[2], z)))


def parts(params, x, noise):
    """Reconstruction by cross-entropy, and divergence from N(0, 1), of each example."""
    mean, log_variance = encode(params, x)
    z = mean + snp.exp(log_variance / 2) * noise
    pixels = F.softplus(decode(params, z)) - x * decode(params, z)
    return snp.sum(pixels, axis=-1), sf.losses.gaussian_kl_divergence(mean, log_variance)


def loss(params, x, noise):
    reconstruction, divergence = parts(params, x, noise)
    return snp.mean(reconstruction + divergence)


def first_parameters(hidden, pixels=64):
    down, up = layers(0, pixels, hidden, 2 * LATENT), layers(1, LATENT, hidden, pixels)
    return [*down, *up]


def run(quick=False):
    x, _ = sf.datasets.digits()
    x = x.reshape(-1, 64)
    x, x_test = x[:1500], x[1500:]
    epochs, rng = 12 if quick else 80, np.random.default_rng(0)
    data = sf.data.Dataset(x, x, batch_size=60, shuffle=True)

    def batches():
        for images, _ in data:
            yield images, rng.standard_normal((len(images), LATENT), np.float32)

    params, optimizer = first_parameters(64 if quick else 128), sf.optim.Adam(3e-3)
    params, _ = train(loss, params, optimizer, (b for _ in range(epochs) for b in batches()))
    noise = rng.standard_normal((len(x_test), LATENT), np.float32)
    reconstruction, divergence = (part.mean() for part in parts(params, x_test, noise))
    mean = np.clip(x.mean(0), 1e-3, 1 - 1e-3)
    plain = -(x_test * np.log(mean) + (1 - x_test) * np.log(1 - mean)).sum(1).mean()
    z = rng.standard_normal((40, LATENT), np.float32)
    samples = np.asarray(sf.jit(lambda p, z: F.sigmoid(decode(p, z)))(params, z))
    distance = np.sqrt(((samples[:, None] - x[None]) ** 2).sum(-1).min(1)).mean()
    apart = np.sqrt(((x_test[:, None] - x[None]) ** 2).sum(-1).min(1)).mean()
    return Record(
        (
            at_most("bound ÷ cross-entropy of the mean picture",
                    (reconstruction + divergence) / plain,
                    0.97 if quick else 0.93),
            at_least("divergence, used by the code", divergence, 1),
            at_most("samples: distance to the nearest digit ÷ of real ones", distance / apart,
                    1.8 if quick else 1.3),
        ),
        Subject(loss, (first_parameters(5), x[:4], z[:4])),
        grid(samples.reshape(-1, 8, 8), columns=10),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
