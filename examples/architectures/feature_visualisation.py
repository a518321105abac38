"""What a trained network sees: activations, filters, saliency, the best input, a deconvnet."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.architectures.cnn import cnn, trained
from symfuse.examples.pictures import grid
from symfuse.examples.record import Record, Subject, at_least, main, near

F = sf.nn.functional


def activations(params, x):
    """The maps of the first layer."""
    return F.relu(F.conv2d(x, params["k1"], padding="same") + params["b1"])


def score(x, params, label):
    return cnn(params, x)[0, label]


def saliency(x, params, label):
    """How much each pixel changes the score."""
    return snp.abs(sf.grad(score)(x, params, label))


def most_active(params, label, steps, rate=0.1, weight=0.05):
    """The picture with the highest score, less a share of its square, by gradient ascent."""

    def step(_, x):
        gradient = sf.grad(lambda x: score(x, params, label) - weight * snp.sum(x**2))(x)
        return snp.clip(x + rate * gradient, 0.0, 1.0)

    return sf.fori_loop(0, steps, step, snp.full((1, 8, 8, 1), 0.5, dtype="float32"))


def projection(params, x, channel):
    """One map of the first layer put back into the picture by the transposed convolution."""
    maps = activations(params, x)
    kept = maps * F.one_hot(channel, maps.shape[-1], dtype=maps.dtype)
    return F.conv_transpose(F.relu(kept), params["k1"], padding="same")


def run(quick=False):
    params, test = trained(quick)
    x, label = test.x[:1], int(test.y[0])
    ascend = sf.jit(most_active, static_argnums=2)
    best = [ascend(params, digit, 20 if quick else 60) for digit in range(3 if quick else 10)]
    scores = np.concatenate([cnn(params, picture) for picture in best])
    typical = cnn(params, test.x)[test.y == 0, 0].mean()
    shown = sf.jit(saliency, static_argnums=2)(x, params, label)
    maps = activations(params, x)
    back = projection(params, x, 0)
    pulled = sf.vjp(lambda x: F.conv2d(x, params["k1"], padding="same"), x)[1](
        maps * np.eye(maps.shape[-1], dtype="f")[0]
    )[0]
    filters = np.pad(np.moveaxis(params["k1"][:, :, 0], -1, 0)[:8], ((0, 0), (2, 3), (2, 3)))
    rows = [x, shown, *np.moveaxis(maps, -1, 0)[:6, ..., None], back, *best]
    pictures = [np.asarray(r)[0, ..., 0] for r in rows] + list(filters)
    normal = [(p - p.min()) / max(np.ptp(p), 1e-9) for p in pictures]
    return Record(
        (
            at_least("best picture of 0: score ÷ of real ones", scores[0, 0] / typical, 1),
            at_least("best pictures that their class wins",
                     np.mean(scores.argmax(-1) == np.arange(len(best))), 1),
            near("deconvnet and adjoint of the convolution", back, pulled, 1e-5),
            at_least("pixels that matter", np.count_nonzero(shown), 16),
        ),
        Subject(score, (x, params, label)),
        grid(np.stack(normal), columns=9),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
