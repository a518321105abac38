"""Examples in batches: the same batches in every run, whoever asks for them and in which thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, ShapeError

from ..limits import is_whole
from ..tracing.tree import flatten, map_leaves
from .augment import Augmentation
from .prefetch import ahead

__all__ = ["Dataset"]

Tree = Any
Array = Any
Batch = tuple[Tree, Tree]
_ORDER, _DRAWS = 0, 1  # what a generator of an epoch is for


class Dataset:
    """Batches (x, y) of examples; each pass over it is an epoch.

    `x` and `y` are arrays, or containers of arrays, with the examples along the first axis. With
    `shuffle`, the order of an epoch depends on `seed` and the number of the epoch alone, and so
    does what the functions of `augment` draw: a run that goes on from epoch 5 (`at_epoch(5)`) sees
    the batches that it would have seen. `prefetch` batches are made ahead in a thread.

    >>> import numpy as np, symfuse as sf
    >>> data = sf.data.Dataset(np.arange(5.0), np.arange(5), batch_size=2)
    >>> len(data), [y.tolist() for x, y in data]
    (3, [[0, 1], [2, 3], [4]])
    """

    def __init__(
        self,
        x: Tree,
        y: Tree,
        *,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        augment: Sequence[Augmentation] | Augmentation = (),
        prefetch: int = 0,
    ) -> None:
        if not is_whole(batch_size) or batch_size < 1:
            raise ArgumentError(
                f"batch_size is {batch_size}",
                fix="give a whole number, at least 1",
                loc=user_location(),
            )
        self.x, self.y = (map_leaves(np.asarray, tree) for tree in (x, y))
        self.examples = _examples(self.x, self.y)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.shuffle, self.seed = shuffle, seed
        self.augment = (augment,) if callable(augment) else tuple(augment)
        self.prefetch = prefetch
        self.epoch = 0

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        whole, rest = divmod(self.examples, self.batch_size)
        return whole + bool(rest and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        self.epoch += 1
        return self.batches(self.epoch - 1)

    def at_epoch(self, epoch: int) -> Dataset:
        """This data set, so that the next pass is the one of this number, from 0."""
        self.epoch = epoch
        return self

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of the epoch of this number, from 0, without those before the first."""
        chosen = self.chosen(epoch)[first:]
        made = (self._batch(epoch, at, one) for at, one in enumerate(chosen, first))
        return ahead(made, self.prefetch) if self.prefetch else made

    def split(self, fraction: float) -> tuple[Dataset, Dataset]:
        """Two data sets with the other settings of this one: the first examples, and the last.

        The second has `fraction` of the examples, is not shuffled and not augmented. Examples that
        are sorted should be permuted before: see `permuted`.
        """
        count = self.examples - round(fraction * self.examples)
        if not 0 < count < self.examples:
            raise ArgumentError(
                f"{fraction} of {self.examples} examples leaves one part empty",
                fix="give a fraction between 0 and 1",
                loc=user_location(),
            )
        first, last = np.arange(count), np.arange(count, self.examples)
        return self._of(first), self._of(last, shuffle=False, augment=())

    def permuted(self, seed: int = 0) -> Dataset:
        """The same examples in a random order, which `split` then cuts."""
        return self._of(_generator(seed).permutation(self.examples))

    def map(self, function: Callable[[Tree, Tree], Batch]) -> Dataset:
        """The data set of what a function gives for all examples at once."""
        x, y = function(self.x, self.y)
        return self._of(slice(None), x=x, y=y)

    def __repr__(self) -> str:
        shown = [str(map_leaves(_type, tree)) for tree in (self.x, self.y)]
        batches = f"{len(self)} batches of {self.batch_size}"
        return f"Dataset({', '.join(shown)}: {self.examples} examples, {batches})"

    def _of(self, chosen: Any, **changes: Any) -> Dataset:
        names = ("batch_size", "shuffle", "seed", "drop_last", "augment", "prefetch")
        given = {name: getattr(self, name) for name in names} | changes
        x, y = (
            _rows(given.pop(name, tree), chosen) for name, tree in (("x", self.x), ("y", self.y))
        )
        return Dataset(x, y, **given)

    def chosen(self, epoch: int) -> list[Any]:
        """For each batch of the epoch of this number, which examples are in it."""
        order = np.arange(self.examples)
        if self.shuffle:
            order = _generator(self.seed, epoch, _ORDER).permutation(self.examples)
        size = self.batch_size
        return [order[at * size : (at + 1) * size] for at in range(len(self))]

    def _batch(self, epoch: int, at: int, chosen: Any) -> Batch:
        x, y = _rows(self.x, chosen), _rows(self.y, chosen)
        if self.augment:
            rng = _generator(self.seed, epoch, _DRAWS, at)
            for function in self.augment:
                x = map_leaves(lambda leaf, f=function: f(rng, leaf), x)
        return x, y


def _examples(x: Tree, y: Tree) -> int:
    """The size of the first axis, which all arrays share."""
    leaves = [*flatten(x)[0], *flatten(y)[0]]
    sizes = {leaf.shape[0] if leaf.ndim else 0 for leaf in leaves}
    if len(sizes) != 1 or sizes == {0}:
        shapes = ", ".join(str(leaf.shape) for leaf in leaves[:8]) or "no arrays"
        what = "differs" if len(sizes) > 1 else "is empty"
        raise ShapeError(
            f"the examples lie along the first axis, which {what}:"
            f" {shapes}{', …' if len(leaves) > 8 else ''}",
            fix="give arrays with the same first size" if sizes != {0} else "give some examples",
            loc=user_location(),
        )
    return int(sizes.pop())


def _rows(tree: Tree, chosen: Any) -> Tree:
    return map_leaves(lambda leaf: leaf[chosen], tree)


def _type(leaf: Array) -> str:
    return f"{leaf.dtype}{list(leaf.shape[1:])}"


def _generator(*numbers: int) -> np.random.Generator:
    return np.random.default_rng(numbers)
