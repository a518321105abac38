"""Sequence to sequence with attention: dates are translated from one way of writing to another."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.architectures.lstm import cell_parameters, gru
from symfuse.examples.pictures import grid
from symfuse.examples.record import Record, Subject, at_least, main
from symfuse.examples.training import dense, train

F = sf.nn.functional
LETTERS = "-0123456789<>"
NUMBER = {letter: at for at, letter in enumerate(LETTERS)}


def dates(rng, count):
    """DD-MM-YYYY and YYYY-MM-DD as numbers of letters."""
    days, months = rng.integers(1, 29, count), rng.integers(1, 13, count)
    years = rng.integers(1900, 2100, count)
    rows = [(f"{d:02}-{m:02}-{y}", f"<{y}-{m:02}-{d:02}>")
            for d, m, y in zip(days, months, years, strict=True)]  # fmt: skip
    return tuple(np.array([[NUMBER[c] for c in row[side]] for row in rows]) for side in (0, 1))


def read(p, text):
    """The states of the encoder, [batch, time, hidden], in both directions."""
    x = snp.swapaxes(p["letters"][text], 0, 1)

    def one_way(cell, reverse):
        def turn(h, row):
            h, _ = gru(p[cell], row, h, None)
            return h, h

        return sf.scan(turn, start(p, text), x, reverse=reverse)[1]

    both = one_way("forward", False), one_way("backward", True)
    return snp.swapaxes(snp.concatenate(both, axis=-1), 0, 1)


def start(p, text):
    return snp.zeros((text.shape[0], p["forward"]["h"].shape[0]), dtype=p["letters"].dtype)


def write(p, memory, h, letter):
    """Scores of the next letter: the state asks the memory, and reads what answers."""
    h, _ = gru(p["decoder"], snp.take(p["letters"], letter, axis=0), h, None)
    keys = memory @ p["keys"]["w"] + p["keys"]["b"]
    weights = F.softmax(snp.einsum("nh,nth->nt", h, keys), axis=-1)
    found = snp.einsum("nt,nth->nh", weights, memory)
    return h, snp.concatenate([h, found], axis=-1) @ p["out"]["w"] + p["out"]["b"], weights


def loss(p, source, target):
    """Of the right letters before it, each letter is to be told."""
    memory = read(p, source)

    def turn(h, letter):
        h, scores, _ = write(p, memory, h, letter)
        return h, scores

    scores = sf.scan(turn, start(p, source), target.T[:-1])[1]
    values = sf.losses.sparse_categorical_crossentropy(target.T[1:], scores, from_logits=True)
    return snp.mean(values)


def translate(p, source, length):
    """The surest letter after each other, and where each looked."""
    memory = read(p, source)

    def turn(carry, _):
        h, letter = carry
        h, scores, weights = write(p, memory, h, letter)
        letter = snp.argmax(scores, axis=-1)
        return (h, letter), (letter, weights)

    begin = snp.full((source.shape[0],), NUMBER["<"], dtype="int64")
    letters, weights = sf.scan(turn, (start(p, source), begin), length=length)[1]
    return letters.T, weights


def first_parameters(letters, hidden):
    keys = sf.random.split(sf.random.key(0), 6)
    return {"letters": np.asarray(sf.random.normal(keys[0], (len(LETTERS), letters), "float32")),
            "forward": cell_parameters(keys[1], letters, hidden, 3),
            "backward": cell_parameters(keys[2], letters, hidden, 3),
            "decoder": cell_parameters(keys[3], letters, hidden, 3),
            "keys": dense(keys[4], 2 * hidden, hidden),
            "out": dense(keys[5], 3 * hidden, len(LETTERS))}  # fmt: skip


def run(quick=False):
    rng = np.random.default_rng(0)
    source, target = dates(rng, 3000)
    data = sf.data.Dataset(source[:-200], target[:-200], batch_size=50, shuffle=True)
    optimizer = sf.optim.Adam(8e-3, global_clipnorm=1.0)
    p = first_parameters(12, 24 if quick else 32)
    p, _ = train(loss, p, optimizer, data, 1 if quick else 6)
    go = translate if quick else sf.jit(translate, static_argnums=2)
    found, weights = go(p, source[-200:], target.shape[1] - 1)
    letters = np.mean(found == target[-200:, 1:])
    whole = np.mean((found == target[-200:, 1:]).all(1))
    return Record(
        (
            at_least("letters that are right", letters, 0.4 if quick else 0.99),
            at_least("whole dates that are right", whole, 0 if quick else 0.95),
        ),
        Subject(loss, (first_parameters(3, 2), source[:2, :4], target[:2, :4])),
        grid(np.moveaxis(weights, 1, 0)[:3], columns=3, scale=8),
    )


if __name__ == "__main__":
    main(run)
