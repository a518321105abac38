"""A restricted Boltzmann machine by contrastive divergence CD-k; two as a belief network."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import grid
from symfuse.examples.record import Record, Subject, at_least, at_most, main, near

F = sf.nn.functional


def hidden(p, v):
    return F.sigmoid(v @ p["w"] + p["c"])


def visible(p, h):
    return F.sigmoid(h @ p["w"].T + p["b"])


def drawn(key, probability):
    return snp.where(sf.random.bernoulli(key, probability), 1.0, 0.0).astype("float32")


def gibbs(p, v, key, k):
    """k turns to and fro: what the machine would see instead of v."""

    def turn(v, key):
        keys = sf.random.split(key)
        return drawn(keys[1], visible(p, drawn(keys[0], hidden(p, v)))), None

    return sf.scan(turn, v, sf.random.split(key, k))[0]


def free_energy(p, v):
    """F(v) = −bᵀv − Σ log(1 + exp(c + Wᵀv)), the mean over examples."""
    return -snp.mean(v @ p["b"] + snp.sum(F.softplus(v @ p["w"] + p["c"]), axis=-1))


def divergence(p, v, seen):
    """Its gradient is that of contrastive divergence."""
    return free_energy(p, v) - free_energy(p, seen)


def step(p, v, key, k, rate):
    seen = sf.stop_gradient(gibbs(p, v, key, k))
    slopes = sf.grad(divergence)(p, v, seen)
    return {name: p[name] - rate * slopes[name] for name in p}


def by_hand(p, v, seen):
    """⟨v hᵀ⟩ of the data less that of what is seen, negated."""
    return (seen.T @ hidden(p, seen) - v.T @ hidden(p, v)) / len(v)


def machine(visible_units, hidden_units):
    w = 0.05 * sf.random.normal(sf.random.key(0), (visible_units, hidden_units), "float32")
    return {"w": np.asarray(w), "b": np.zeros(visible_units, "f"), "c": np.zeros(hidden_units, "f")}


def batches(x):
    return sf.data.Dataset(x, x, batch_size=50, shuffle=True, drop_last=True)


def learnt(x, units, epochs, k):
    fast, p, at = sf.jit(step, static_argnums=3), machine(x.shape[1], units), 0
    for v, _ in (b for _ in range(epochs) for b in batches(x)):
        p, at = fast(p, v, sf.random.key(at), k, np.float32(0.3)), at + 1
    return p


def error(p, x):
    return float(np.mean((visible(p, hidden(p, x)) - x) ** 2))


def run(quick=False):
    x, _ = sf.datasets.digits()
    x = (x.reshape(-1, 64) > 0.4).astype("f")
    x, x_test = x[:1500], x[1500:]
    p = learnt(x, 32 if quick else 64, 6 if quick else 40, 1)
    spread = float(np.mean((x_test - x.mean(0)) ** 2))
    noise = np.random.default_rng(0).integers(0, 2, x_test.shape).astype("f")
    seen = gibbs(p, x_test[:20], sf.random.key(1), 1)
    slope = sf.grad(divergence)(p, x_test[:20], seen)["w"]
    measures = [
        at_most("error of reconstruction ÷ of the mean", error(p, x_test) / spread,
                0.7 if quick else 0.4),
        at_least("free energy of noise − of digits",
                 free_energy(p, noise) - free_energy(p, x_test), 5),
        near("gradient of CD and ⟨vh⟩ − ⟨vh⟩", slope, by_hand(p, x_test[:20], seen), 1e-5),
    ]  # fmt: skip
    dreams = visible(p, hidden(p, x_test[:20]))
    if not quick:
        dream = sf.jit(gibbs, static_argnums=3)
        dreams = visible(p, hidden(p, dream(p, x_test[:20], sf.random.key(3), 50)))
        codes = np.asarray(hidden(p, x))
        upper = learnt(codes, 32, 20, 2)
        spread = float(np.mean((codes - codes.mean(0)) ** 2))
        measures.append(
            at_most("belief network, upper machine: error", error(upper, codes) / spread, 0.5)
        )
    small = machine(5, 3)
    return Record(
        tuple(measures),
        Subject(divergence, (small, x[:6, 20:25], x[6:12, 20:25])),
        grid(np.concatenate([x_test[:20], dreams]).reshape(-1, 8, 8), columns=10),
    )


if __name__ == "__main__":
    main(run)
