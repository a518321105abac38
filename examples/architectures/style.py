"""Pictures to pictures: style by Gram matrices of features, and a U-Net that separates shapes."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import grid
from symfuse.examples.record import Record, Subject, at_least, at_most, main
from symfuse.examples.training import train

F = sf.nn.functional


def features(kernels, x):
    """The maps of two layers with random filters, which are enough for texture."""
    one = F.tanh(F.conv2d(x, kernels[0], padding="same"))
    return one, F.tanh(F.conv2d(F.avg_pool(one, 2), kernels[1], padding="same"))


def gram(maps):
    """Which maps go together: their products, the mean over places."""
    flat = maps.reshape(-1, maps.shape[-1])
    return flat.T @ flat / flat.shape[0]


def style_loss(x, kernels, content, style, weight=10.0):
    """Far features as in the content, Gram matrices as in the style."""
    mine, theirs, wanted = (features(kernels, p) for p in (x, style, content))
    texture = sum(snp.sum((gram(a) - gram(b)) ** 2) for a, b in zip(mine, theirs, strict=True))
    return snp.mean((mine[1] - wanted[1]) ** 2) + weight * texture


def transferred(kernels, content, style, steps):
    """The content, changed by gradient descent in one compiled loop."""
    optimizer = sf.optim.Adam(0.03)

    def turn(_, carry):
        x, state = carry
        x, state = optimizer.update(sf.grad(style_loss)(x, kernels, content, style), state, x)
        return x, state

    return sf.fori_loop(0, steps, turn, (content, optimizer.init(content)))[0]


def u_net(p, x):
    """Down to half the size and up again; what was on the way down goes across."""
    one = F.relu(F.conv2d(x, p["in"], padding="same"))
    two = F.relu(F.conv2d(F.max_pool(one, 2), p["down"], padding="same"))
    up = F.relu(F.conv_transpose(two, p["up"], strides=2, padding="same"))
    joined = F.relu(F.conv2d(snp.concatenate([one, up], axis=-1), p["join"], padding="same"))
    return F.conv2d(joined, p["out"])


def mask_loss(p, x, mask):
    return snp.mean(sf.losses.binary_crossentropy(mask, u_net(p, x), from_logits=True))


def u_net_parameters(width):
    he, keys = sf.initializers.HeNormal(), sf.random.split(sf.random.key(0), 5)
    shapes = {"in": (3, 3, 1, width), "down": (3, 3, width, 2 * width),
              "up": (2, 2, width, 2 * width), "join": (3, 3, 2 * width, width),
              "out": (1, 1, width, 1)}  # fmt: skip
    return {name: he(key, shape) for key, (name, shape) in zip(keys, shapes.items(), strict=True)}


def separated(quick):
    """Shares of the pixels of shapes that are found, as intersection over union."""
    clean, _, _ = sf.datasets.shapes(400 if quick else 800, 16)
    mask = (clean > 0.5).astype("f")
    x = clean + 0.3 * np.random.default_rng(0).normal(size=clean.shape).astype("f")
    data = sf.data.Dataset(x[:-100], mask[:-100], batch_size=50, shuffle=True)
    p, _ = train(
        mask_loss,
        u_net_parameters(4 if quick else 8),
        sf.optim.Adam(1e-2),
        data,
        4 if quick else 10,
    )
    found = u_net(p, x[-100:]) > 0
    truth = mask[-100:] > 0
    return x[-5:], found[-5:], (found & truth).sum() / (found | truth).sum()


def run(quick=False):
    rng = np.random.default_rng(0)
    shapes = ((3, 3, 1, 6), (3, 3, 6, 8))
    kernels = [(rng.normal(size=s) / np.sqrt(s[2] * 4)).astype("f") for s in shapes]
    content = sf.datasets.shapes(1, 16, seed=4)[0]
    stripes = np.sin(np.arange(16) * np.pi / 2)[None, None, :, None] * np.ones((1, 16, 16, 1))
    style = stripes.astype("f")
    x = sf.jit(transferred, static_argnums=3)(kernels, content, style, 60 if quick else 300)
    before, after = (float(style_loss(p, kernels, content, style)) for p in (content, x))
    noisy, found, overlap = separated(quick)
    shown = [content, style, x, *noisy[:, None], *found[:, None]]
    pictures = [np.clip(p[0, ..., 0].astype(float), -1, 1.3) for p in shown]
    return Record(
        (
            at_most("loss of style and content ÷ at first", after / before, 0.25),
            at_least("U-Net: IoU of the shapes", overlap, 0.6 if quick else 0.85),
        ),
        Subject(style_loss, (x[:, :8, :8], kernels, content[:, :8, :8], style[:, :8, :8])),
        grid(np.stack([(p - p.min()) / np.ptp(p) for p in pictures]), columns=13, scale=3),
    )


if __name__ == "__main__":
    main(run)
