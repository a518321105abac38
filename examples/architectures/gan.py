"""min_G max_D E[log D(x)] + E[log(1 − D(G(z)))] in one dimension: D comes to ½ everywhere."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, at_most, main
from symfuse.examples.training import layers

F, optim, BATCH = sf.nn.functional, sf.optim, 256
MEAN, SPREAD = 4.0, 1.25


def generator(p, z):
    """A line: what turns N(0, 1) into a normal distribution."""
    return p["scale"] * z + p["shift"]


def discriminator(params, x):
    """The logit of being real, from x and x²: what tells two normal distributions apart."""
    x = (x - MEAN) / 4
    return (
        F.tanh(snp.concatenate([x, x**2], -1) @ params[0]["w"] + params[0]["b"]) @ params[1]["w"]
        + params[1]["b"]
    )


def value(d, g, x, z):
    """E[log D(x)] + E[log(1 − D(G(z)))]."""
    real, fake = discriminator(d, x), discriminator(d, generator(g, z))
    return snp.mean(F.log_sigmoid(real)) + snp.mean(F.log_sigmoid(-fake))


def generator_loss(g, d, z):
    """−E[log D(G(z))], which has a slope where D sees through G."""
    return -snp.mean(F.log_sigmoid(discriminator(d, generator(g, z))))


def game(d, g, key, steps):
    """Alternating updates as one compiled loop; the mean of D on both kinds after each."""
    rate = sf.optim.CosineDecay(1e-2, steps, alpha=0.01)
    of_d, of_g = optim.Adam(rate, beta_1=0.5), optim.Adam(rate, beta_1=0.5)

    def turn(carry, key):
        d, g, d_state, g_state = carry
        noise = sf.random.normal(key, (2, BATCH, 1), "float32")
        x, z = MEAN + SPREAD * noise[0], noise[1]
        slope = sf.grad(lambda d: -value(d, g, x, z) + 1e-3 * penalty(d))(d)
        d, d_state = of_d.update(slope, d_state, d)
        g, g_state = of_g.update(sf.grad(generator_loss)(g, d, z), g_state, g)
        judged = [snp.mean(F.sigmoid(discriminator(d, part))) for part in (x, generator(g, z))]
        return (d, g, d_state, g_state), tuple(judged)

    start = (d, g, of_d.init(d), of_g.init(g))
    (d, g, _, _), history = sf.scan(turn, start, sf.random.split(key, steps))
    return d, g, history


def penalty(d):
    """Keeps the discriminator from growing without end."""
    return sum(snp.sum(layer["w"] ** 2) for layer in d)


def run(quick=False):
    d = layers(0, 2, 16, 1)
    g = {"scale": np.ones(1, "f"), "shift": np.zeros(1, "f")}
    play = sf.jit(game, static_argnums=3)
    d, g, (real, fake) = play(d, g, sf.random.key(0), 1500 if quick else 6000)
    axis = np.linspace(MEAN - 2 * SPREAD, MEAN + 2 * SPREAD, 41, dtype="f")[:, None]
    judged = F.sigmoid(discriminator(d, axis))
    rng = np.random.default_rng(0)
    small = layers(0, 2, 3, 1)
    slack = 3 if quick else 1
    return Record(
        (
            at_most("|D − ½| at most, within 2σ", np.abs(judged - 0.5).max(), 0.05 * slack),
            at_most("|D(x) − ½|", abs(real[-100:].mean() - 0.5), 0.02 * slack),
            at_most("|D(G(z)) − ½|", abs(fake[-100:].mean() - 0.5), 0.02 * slack),
            at_most("error of the mean, 4", abs(g["shift"][0] - MEAN), 0.2 * slack),
            at_most("error of the spread, 1.25", abs(abs(g["scale"][0]) - SPREAD), 0.2 * slack),
        ),
        Subject(value, (small, g, rng.normal(size=(6, 1)), rng.normal(size=(6, 1))), wrt=(0, 1)),
        curves({"D(x)": real[::15], "D(G(z))": fake[::15]}, "judgement of the discriminator",
               x_label="step / 15"),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
