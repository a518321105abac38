"""Parallel SGD: processes on MPI take shares of each batch and add up their gradients."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import optree

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, at_least, equal, main, near
from symfuse.examples.training import accuracy, layers

F, PROCESSES = sf.nn.functional, 2


def scores(params, x):
    return F.relu(x @ params[0]["w"] + params[0]["b"]) @ params[1]["w"] + params[1]["b"]


def loss(params, x, y):
    values = sf.losses.sparse_categorical_crossentropy(y, scores(params, x), from_logits=True)
    return snp.mean(values)


def gradient(params, x, y):
    """All derivatives in one vector, which is one message."""
    slopes = optree.tree_leaves(sf.grad(loss)(params, x, y))
    return snp.concatenate([slope.reshape(-1) for slope in slopes])


def updated(params, state, vector, optimizer):
    """The parameters after a step with the gradient in one vector."""
    leaves, tree = optree.tree_flatten(params)
    ends = np.cumsum([leaf.size for leaf in leaves])
    parts = [vector[end - leaf.size : end].reshape(leaf.shape)
             for end, leaf in zip(ends, leaves, strict=True)]  # fmt: skip
    return optimizer.update(optree.tree_unflatten(tree, parts), state, params)


def data():
    x, y = sf.datasets.digits()
    whole = sf.data.Dataset(x.reshape(-1, 64), y, batch_size=64, shuffle=True, drop_last=True)
    return whole.permuted(1).split(0.2)


def trained(epochs, rank=0, processes=1, summed=lambda vector: vector):
    """Parameters after training, where `summed` adds up a vector over all processes."""
    optimizer, params = sf.optim.SGD(0.1, momentum=0.9), layers(0, 64, 64, 10)
    state = optimizer.init(params)
    slope, update = sf.jit(gradient), sf.jit(updated, static_argnums=3)
    for _ in range(epochs):
        for x, y in data_of(rank, processes):
            vector = summed(slope(params, x, y)) / np.float32(processes)
            params, state = update(params, state, vector, optimizer)
    return params


def data_of(rank, processes):
    """The share of each batch of one process."""
    for x, y in TRAINING:
        yield x[rank::processes], y[rank::processes]


TRAINING, TEST = data()


def worker(epochs, path):
    """What every process does; the first one writes the parameters down."""
    from mpi4py import MPI

    def summed(vector):
        total = np.empty_like(vector)
        MPI.COMM_WORLD.Allreduce(vector, total)
        return total

    rank, size = MPI.COMM_WORLD.Get_rank(), MPI.COMM_WORLD.Get_size()
    params = trained(epochs, rank, size, summed)
    if rank == 0:
        leaves = [leaf.tolist() for leaf in optree.tree_leaves(params)]
        Path(path).write_text(json.dumps({"processes": size, "leaves": leaves}))


def launched(epochs):
    """What processes find that mpiexec starts."""
    import mpi4py  # noqa: F401, so that a missing package is named here

    here = Path(sys.executable).parent
    mpiexec = shutil.which("mpiexec", path=here) or shutil.which("mpiexec") or "mpiexec"
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "params.json")
        command = [mpiexec, "-n", str(PROCESSES), sys.executable, __file__, "worker", str(epochs)]
        subprocess.run([*command, path], check=True)
        return json.loads(Path(path).read_text())


def run(quick=False):
    epochs = 2 if quick else 15
    found = launched(epochs)
    alone = optree.tree_leaves(trained(epochs))
    differences = [
        np.abs(np.array(a) - b).max() for a, b in zip(found["leaves"], alone, strict=True)
    ]
    tree = optree.tree_structure(layers(0, 64, 64, 10))
    params = optree.tree_unflatten(tree, [np.array(leaf, "f") for leaf in found["leaves"]])
    return Record(
        (
            equal("processes", found["processes"], PROCESSES),
            near("parameters of 2 processes and of one", max(differences), 0, 1e-3),
            at_least("accuracy on digits", accuracy(scores(params, TEST.x), TEST.y),
                     0.85 if quick else 0.95),
        ),
        Subject(gradient, (layers(0, 64, 3, 10), TEST.x[:4], TEST.y[:4])),
    )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(int(sys.argv[2]), sys.argv[3])
    else:
        main(run)
