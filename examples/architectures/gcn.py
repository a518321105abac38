"""A graph network H′ = σ(D̂^−½ Â D̂^−½ H W), Â = A + I: the karate club from two labelled members."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import png
from symfuse.examples.record import Record, Subject, at_least, main, near
from symfuse.examples.training import accuracy, layers, train

F = sf.nn.functional
KNOWN = np.array([0, 33])  # the two leaders


def normalised(adjacency):
    """D̂^−½ Â D̂^−½."""
    with_loops = adjacency + np.eye(len(adjacency), dtype=adjacency.dtype)
    root = 1 / np.sqrt(with_loops.sum(1))
    return root[:, None] * with_loops * root


def gcn(params, propagate, h):
    """Two layers; the second gives the scores of the classes."""
    h = F.tanh(propagate(h @ params[0]["w"]) + params[0]["b"])
    return propagate(h @ params[1]["w"]) + params[1]["b"]


def sparse(matrix):
    """The product with a matrix from its edges alone: gather, weigh, add up at the targets."""
    targets, sources = np.nonzero(matrix)
    weights = matrix[targets, sources][:, None]

    def product(h):
        sums = snp.zeros(h.shape, dtype=h.dtype)
        np.add.at(sums, targets, weights * h[sources])
        return sums

    return product


def loss_of(propagate, features, labels):
    def loss(params):
        scores = gcn(params, propagate, features)[KNOWN]
        values = sf.losses.sparse_categorical_crossentropy(labels[KNOWN], scores, from_logits=True)
        return snp.mean(values) + 5e-3 * sum(snp.sum(layer["w"] ** 2) for layer in params)

    return loss


def drawing(adjacency, scores, size=240):
    """Members by how sure the network is (across) and their number of friends (up)."""
    picture = np.full((size, size, 3), 255, np.uint8)
    side = scores[:, 1] - scores[:, 0]
    degree = adjacency.sum(1)
    x = 20 + (size - 40) * (side - side.min()) / np.ptp(side)
    y = size - 20 - (size - 40) * (degree - 1) / (degree.max() - 1)
    for a, b in zip(*np.nonzero(np.triu(adjacency)), strict=True):
        along = np.linspace(0, 1, 200)
        rows, columns = (np.round(p[a] + along * (p[b] - p[a])).astype(int) for p in (y, x))
        picture[rows, columns] = 215
    for at in range(len(adjacency)):
        top, left = int(y[at]), int(x[at])
        colour = (232, 115, 12) if side[at] > 0 else (47, 111, 237)
        picture[top - 3 : top + 4, left - 3 : left + 4] = colour
    return png(picture)


def run(quick=False):
    club = sf.datasets.karate_club()
    matrix, features = normalised(club.adjacency), np.eye(34, dtype="f")
    propagate = sparse(matrix)
    loss = loss_of(propagate, features, club.labels)
    optimizer, steps = sf.optim.Adam(0.02), 60 if quick else 200
    params, _ = train(loss, layers(0, 34, 8, 2), optimizer, [()] * steps)
    scores = np.asarray(sf.jit(lambda p: gcn(p, propagate, features))(params))
    small = layers(0, 34, 3, 2)
    first = {"kernel": params[0]["w"], "bias": params[0]["b"]}
    layer, _ = sf.nn.GCNConv(8).apply(first, {}, features, matrix)
    return Record(
        (
            at_least("members in the right faction, of 34 from 2", accuracy(scores, club.labels),
                     0.95),
            near("nn.GCNConv and its definition", layer,
                 propagate(features @ params[0]["w"]) + params[0]["b"], 1e-5),
            near("sparse and dense product", gcn(params, lambda h: matrix @ h, features), scores,
                 1e-5),
        ),
        Subject(loss, (small,)),
        drawing(club.adjacency, scores),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
