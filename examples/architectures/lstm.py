"""LSTM and GRU as compiled loops: text letter by letter, and sequences read in both directions."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, at_least, at_most, main, near
from symfuse.examples.text import Letters
from symfuse.examples.training import accuracy, dense, layers, train

F = sf.nn.functional


def lstm(p, x, h, c):
    """Forget, input and output gate, candidate, and the update of the cell."""
    forget, enter, leave, candidate = snp.split(x @ p["x"] + h @ p["h"] + p["b"], 4, axis=-1)
    c = F.sigmoid(forget + 1.0) * c + F.sigmoid(enter) * F.tanh(candidate)
    return F.sigmoid(leave) * F.tanh(c), c


def gru(p, x, h, c):
    """Reset gate, update gate and candidate; there is no cell."""
    of_x, of_h = x @ p["x"] + p["b"], h @ p["h"]
    reset, update, candidate = snp.split(of_x, 3, axis=-1)
    reset_h, update_h, candidate_h = snp.split(of_h, 3, axis=-1)
    gate = F.sigmoid(update + update_h)
    return gate * h + (1 - gate) * F.tanh(candidate + F.sigmoid(reset + reset_h) * candidate_h), c


CELLS = {"LSTM": (lstm, 4), "GRU": (gru, 3)}


def cell_parameters(key, inputs, hidden, gates):
    keys = sf.random.split(key, 2)
    glorot, square = sf.initializers.GlorotUniform(), sf.initializers.Orthogonal()
    return {"x": glorot(keys[0], (inputs, gates * hidden)),
            "h": square(keys[1], (hidden, gates * hidden)),
            "b": np.zeros(gates * hidden, "f")}  # fmt: skip


def states(cell, p, x, reverse=False):
    """The state after each turn, [time, batch, hidden], of inputs [time, batch, inputs]."""

    def turn(carry, row):
        h, c = cell(p, row, *carry)
        return (h, c), h

    zero = snp.zeros((x.shape[1], p["h"].shape[0]), dtype=x.dtype)
    return sf.scan(turn, (zero, zero), x, reverse=reverse)[1]


def letter_scores(cell, params, text):
    """Scores of the next letter, for text [time, batch] of numbers of letters."""
    h = states(cell, params["cell"], params["letters"][text])
    return h @ params["out"]["w"] + params["out"]["b"]


def letter_loss(cell, params, text, following):
    scores = letter_scores(cell, params, text)
    return snp.mean(sf.losses.sparse_categorical_crossentropy(following, scores, from_logits=True))


def letter_model(name, letters, hidden, steps):
    """A trained model of letters, and its loss on text that it has not seen."""
    cell, gates = CELLS[name]
    keys = sf.random.split(sf.random.key(0), 3)
    params = {"letters": np.asarray(sf.random.normal(keys[0], (letters.count, 16), "float32")),
              "cell": cell_parameters(keys[1], 16, hidden, gates),
              "out": dense(keys[2], hidden, letters.count)}  # fmt: skip
    loss = lambda params, x, y: letter_loss(cell, params, x, y)  # noqa: E731
    optimizer = sf.optim.Adam(1e-2, global_clipnorm=1.0)
    params, _ = train(loss, params, optimizer, letters.batches(32, 40, steps))
    return params, float(loss(params, *letters.held_out(40)))


def drawn(params, start, keys):
    """Letters that the LSTM draws, one after the other, in one loop."""

    def turn(carry, key):
        h, c, letter = carry
        h, c = lstm(params["cell"], snp.take(params["letters"], letter, axis=0), h, c)
        scores = h @ params["out"]["w"] + params["out"]["b"]
        letter = sf.random.categorical(key, 1.5 * scores)
        return (h, c, letter), letter

    zero = snp.zeros((1, params["cell"]["h"].shape[0]), dtype="float32")
    return sf.scan(turn, (zero, zero, start), keys)[1]


def written(params, letters, count):
    keys = sf.random.split(sf.random.key(5), count)
    found = sf.jit(drawn)(params, np.array([letters.number[" "]]), keys)
    return letters.text(np.asarray(found)[:, 0])


def both_directions(params, x):
    """Whether the first and the last of a sequence agree: scores of two classes."""
    forward = states(gru, params["forward"], x)[-1]
    backward = states(gru, params["backward"], x, reverse=True)[0]
    h = snp.concatenate([forward, backward], axis=-1)
    return h @ params["out"]["w"] + params["out"]["b"]


def by_layer(name, x):
    """What a layer of `nn` gives for x [batch, time, inputs], and what the equations do."""
    cell, _ = CELLS[name]
    layer = getattr(sf.nn, name)(4, return_sequences=True)
    p, _ = layer.init(sf.random.key(0), x)
    order = [1, 0, 3, 2] if name == "LSTM" else [1, 0, 2]  # where Keras has its gates
    kernel, recurrent = (
        np.concatenate([np.split(p[key], len(order), axis=1)[at] for at in order], axis=1)
        for key in ("kernel", "recurrent_kernel")
    )
    mine = {"x": kernel, "h": recurrent, "b": np.zeros(kernel.shape[1], "f")}
    found = states(cell, mine, np.swapaxes(x, 0, 1))
    return layer.apply(p, {}, x)[0], np.swapaxes(found, 0, 1)


def sequence_loss(params, x, y):
    scores = both_directions(params, x)
    return snp.mean(sf.losses.sparse_categorical_crossentropy(y, scores, from_logits=True))


def classified(steps):
    """Accuracy on sequences of 10 bits whose class is bit 0 xor bit 9."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (10, 1280))
    x, y = bits[..., None].astype("f"), bits[0] ^ bits[-1]
    keys = sf.random.split(sf.random.key(2), 3)
    params = {"forward": cell_parameters(keys[0], 1, 12, 3),
              "backward": cell_parameters(keys[1], 1, 12, 3),
              "out": dense(keys[2], 24, 2)}  # fmt: skip
    chosen = (rng.integers(0, 1024, 64) for _ in range(steps))
    batches = ((x[:, at], y[at]) for at in chosen)
    params, _ = train(sequence_loss, params, sf.optim.Adam(2e-2), batches)
    return accuracy(both_directions(params, x[:, 1024:]), y[1024:]), params


def run(quick=False):
    letters = Letters(sf.datasets.sentences(400 if quick else 1500))
    entropy = letters.bigram_entropy()
    size, steps = (32, 120) if quick else (96, 300)
    params, found = letter_model("LSTM", letters, size, steps)
    sample = written(params, letters, 200)
    words = set(letters.source.replace(".", " ").split())
    good = [word in words for word in sample.replace(".", " ").split()[1:-1]]
    measures = [
        at_most("LSTM: loss ÷ bigram entropy", found / entropy, 1 if quick else 0.7),
        at_least("words it writes that exist", np.mean(good), 0.3 if quick else 0.9),
    ]
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("f")
    measures += [near(f"nn.{n} and its equations", *by_layer(n, x), 1e-5) for n in CELLS]
    if not quick:
        _, other = letter_model("GRU", letters, size, steps)
        measures.append(at_most("GRU: loss ÷ bigram entropy", other / entropy, 0.7))
        measures.append(at_least("GRU in both directions: accuracy", classified(400)[0], 0.95))
    print(sample)
    small = {
        "letters": np.eye(letters.count, 3).astype("f"),
        "cell": cell_parameters(sf.random.key(0), 3, 4, 4),
        "out": layers(0, 4, letters.count)[0],
    }
    text = letters.numbers[:12].reshape(6, 2)
    subject = Subject(lambda p: letter_loss(lstm, p, text[:-1], text[1:]), (small,))
    return Record(tuple(measures), subject)


if __name__ == "__main__":
    main(run)
