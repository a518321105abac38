"""Arrays of 0 to 5 axes: made from shape, type and values; elements, rows, columns."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, at_most, equal, main, near

SHAPES = [(), (3,), (3, 4), (2, 3, 4), (2, 2, 3, 4), (2, 1, 2, 3, 4)]
KEY = 0


def made():
    """Every way to make an array, for every number of axes."""
    key = sf.random.key(KEY)
    return [
        (
            snp.zeros(shape), snp.ones(shape, dtype="int32"), snp.full(shape, 7.0, dtype="float32"),
            sf.random.normal(key, shape), sf.random.uniform(key, shape),
        )
        for shape in SHAPES
    ]  # fmt: skip


def parts(x):
    """An element, a row, a column, a block, every second row; and a changed copy."""
    return x[1, 2], x[1], x[:, 1], x[0:2, 1:3], x[::2], x.at[0, 0].set(9.0)


def parts_of(x):
    return parts(snp.asarray(x) + 0.0)


def run(quick=False):
    arrays = sf.jit(made)()
    right = sum(a.shape == shape for s, shape in zip(arrays, SHAPES, strict=True) for a in s)
    x = np.arange(12.0).reshape(3, 4)
    element, row, column, block, rows, _ = sf.jit(parts)(x)
    sample = np.asarray(sf.random.normal(sf.random.key(1), (10000,)))
    return Record(
        (
            equal("shapes that are right, of 30", right, 30),
            equal("element (1, 2)", element, 6),
            near("row 1", row, x[1], 0),
            near("column 1", column, x[:, 1], 0),
            near("block and rows", np.append(block, rows), np.append(x[:2, 1:3], x[::2]), 0),
            at_most("mean of 10000 normal numbers", abs(sample.mean()), 0.03),
        ),
        Subject(lambda x: [y * 2 for y in (x[1, 2], x[1], x[:, 1], x[0:2, 1:3])], (x,)),
    )


if __name__ == "__main__":
    main(run)
