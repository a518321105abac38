"""A recurrent network h_t = tanh(W_hh h + W_hx x_t + b), y_t = W_yh h_t, as one compiled loop."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, at_most, main, near
from symfuse.examples.training import train


def first_parameters(rng, inputs, hidden, outputs):
    def drawn(*shape):
        return (rng.normal(size=shape) / np.sqrt(shape[0])).astype("f")

    return {"hh": np.asarray(sf.initializers.Orthogonal()(sf.random.key(0), (hidden, hidden))),
            "hx": drawn(inputs, hidden), "b": np.zeros(hidden, "f"),
            "yh": drawn(hidden, outputs)}  # fmt: skip


def rnn(params, x):
    """Outputs [time, batch, outputs] of inputs [time, batch, inputs]."""

    def turn(h, x):
        h = snp.tanh(h @ params["hh"] + x @ params["hx"] + params["b"])
        return h, h @ params["yh"]

    return sf.scan(turn, snp.zeros((x.shape[1], params["b"].shape[0]), dtype=x.dtype), x)[1]


def in_python(params, x):
    """The same, turn by turn."""
    h, outputs = np.zeros((x.shape[1], len(params["b"]))), []
    for row in x:
        h = np.tanh(h @ params["hh"] + row @ params["hx"] + params["b"])
        outputs.append(h @ params["yh"])
    return np.stack(outputs)


def loss(params, x, y):
    return snp.mean((rnn(params, x) - y) ** 2)


def waves(rng, count, length):
    """Sines of some frequency; the next value depends on more than the last one."""
    frequency, phase = rng.uniform(0.2, 0.8, (count, 1)), rng.uniform(0, 6, (count, 1))
    return np.sin(frequency * np.arange(length + 1) + phase).astype("f")


def run(quick=False):
    rng = np.random.default_rng(0)
    series = waves(rng, 256, 24)
    x, y = (part.T[..., None] for part in (series[:, :-1], series[:, 1:]))
    batches = [(x[:, at : at + 32], y[:, at : at + 32]) for at in range(0, 192, 32)]
    params = first_parameters(rng, 1, 24, 1)
    before = rnn(params, x[:, :4])
    optimizer = sf.optim.Adam(1e-2, global_clipnorm=1.0)
    trained, history = train(loss, params, optimizer, batches, 15 if quick else 80)
    naive = np.mean((x - y)[:, 192:] ** 2)
    found = float(loss(trained, x[:, 192:], y[:, 192:]))
    return Record(
        (
            near("compiled loop and Python's", sf.jit(rnn)(params, x[:, :4]),
                 in_python(params, x[:, :4]), 1e-5),
            at_most("error ÷ that of the last value", found / naive, 0.4 if quick else 0.05),
            at_most("largest first output", abs(before).max(), 10),
        ),
        Subject(loss, (first_parameters(rng, 1, 3, 1), x[:5, :2], y[:5, :2])),
        curves({"loss": history}, "mean squared error over epochs", x_label="epoch", log=True),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
