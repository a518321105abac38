"""What users pass as data, brought into batches: dicts of "x", "y" and "weight"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from numbers import Number
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, DTypeError, ShapeError

from ..data.dataset import Dataset
from ..limits import is_whole
from ..tracing.tree import flatten, map_leaves

__all__ = [
    "Batches",
    "Types",
    "array_of",
    "batches",
    "example_count",
    "leaves_of",
    "split",
    "stacked",
]

Array = Any
Tree = Any
Batch = dict[str, Any]


class Types(Struct, frozen=True, eq=False):
    """In which types a model takes its data: what its inputs declare, or else its own."""

    dtype: DType
    inputs: Sequence[Any] | None = None
    arranged: Callable[[Tree], Tree] = lambda x: x

    def prepared(self, batch: Mapping[str, Tree]) -> Batch:
        """Arrays of numbers; those of float64 stay where an `Input` asks for them."""
        given = {key: stacked(part) for key, part in batch.items()}
        found = {
            key: map_leaves(lambda leaf: array_of(leaf, self.dtype), part)
            for key, part in given.items()
            if key != "x"
        }
        return {"x": self._inputs(given["x"]), **found} if "x" in given else found

    def _inputs(self, x: Tree) -> Tree:
        leaves, tree = flatten(self.arranged(x))
        specs = flatten(self.inputs)[0]
        if len(specs) != len(leaves):
            specs = [None] * len(leaves)
        kept = (spec is not None and spec.dtype == np.float64 for spec in specs)
        types = (DType.F64 if keeps else self.dtype for keeps in kept)
        return tree.unflatten([array_of(*pair) for pair in zip(leaves, types, strict=True)])


class Batches(Struct, frozen=True, eq=False):
    """Batches for every epoch, from arrays or from an iterable of the user's."""

    source: Any
    types: Types
    class_weight: Mapping[int, float] | None = None

    def of(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of the epoch of this number, from 0, without those before the first."""
        if isinstance(self.source, Dataset):
            made = self.source.batches(epoch, first)
        else:
            made = islice(self.source, first, None)
        return (self._batch(one) for one in made)

    @property
    def count(self) -> int | None:
        """How many batches an epoch has, where that is known."""
        return len(self.source) if hasattr(self.source, "__len__") else None

    def _batch(self, given: Any) -> Batch:
        if isinstance(given, tuple) and isinstance(given[0], _Whole):
            found = dict(given[0])
        else:
            parts = given if isinstance(given, tuple | list) else (given,)
            if not 1 <= len(parts) <= 3:
                raise ArgumentError(
                    f"a batch has {len(parts)} parts",
                    fix="give x, (x, y) or (x, y, sample_weight)",
                    loc=user_location(),
                )
            found = dict(zip(("x", "y", "weight"), parts, strict=False))
            found = self.types.prepared(found)
        return _weighed(_without_none(found), self.class_weight)


class _Whole(dict[str, Any]):
    """All arrays of a fit in one container; a data set of symfuse keeps its type."""


def batches(
    x: Any,
    y: Any = None,
    weight: Any = None,
    *,
    types: Types,
    batch_size: int | None = None,
    usual: int | None = None,
    shuffle: bool = False,
    seed: int = 0,
    class_weight: Mapping[int, float] | None = None,
) -> Batches:
    """Arrays as batches; a `Dataset`, or any iterable of (x, y, weight), as it is.

    Where no `batch_size` is given for arrays, it is the `usual` one, or 32.
    """
    if hasattr(x, "__iter__") and not _is_arrays(x):
        if batch_size is not None:
            raise ArgumentError(
                f"{type(x).__name__} gives batches, and batch_size={batch_size} is given as well",
                fix="let it give batches of this size",
                loc=user_location(),
            )
        if y is not None or weight is not None:
            raise ArgumentError(
                f"{type(x).__name__} gives batches, and y or sample_weight is given as well",
                fix="let it give tuples (x, y) or (x, y, sample_weight)",
                loc=user_location(),
            )
        return Batches(x, types, class_weight)
    whole = types.prepared(_without_none({"x": x, "y": y, "weight": weight}))
    size = next((n for n in (batch_size, usual) if n is not None), 32)
    data = Dataset(whole, None, batch_size=size, shuffle=shuffle, seed=seed)
    return Batches(_Arrays(data), types, class_weight)


class _Arrays(Dataset):
    """A data set whose batches have all parts in one container."""

    def __init__(self, data: Dataset) -> None:
        self.__dict__.update(vars(data))

    def batches(self, epoch: int, first: int = 0) -> Iterator[Any]:
        for chosen in self.chosen(epoch)[first:]:
            parts = {name: _rows(part, chosen) for name, part in self.x.items()}
            yield _Whole(parts), None


def _rows(part: Tree, chosen: Any) -> Tree:
    if type(part) is np.ndarray:
        return part[chosen]
    return map_leaves(lambda leaf: leaf[chosen], part)


def stacked(part: Tree) -> Tree:
    """Nested lists of numbers as the array that they are; other containers as they are."""
    first = part
    while isinstance(first, list) and first:
        first = first[0]
    if first is part or not isinstance(first, Number | np.generic):
        return part
    try:
        return np.asarray(part)
    except ValueError:
        raise ShapeError(
            "lists of numbers of different lengths are no array",
            fix="pad them to one length, or give a list of arrays for several inputs",
            loc=user_location(),
        ) from None


def array_of(value: Any, dtype: DType) -> Array:
    """One argument as an array that a program takes, one of float64 in the type of the model.

    It is rounded, as Keras does; a number that does not fit raises DTypeError.
    """
    array = np.asarray(value)
    if array.dtype.kind in "OUSV" and array.dtype.itemsize != 2:
        raise DTypeError(
            f"the data are of type {array.dtype}, which are no numbers",
            fix="give arrays of numbers, all examples of the same shape",
            loc=user_location(),
        )
    if array.dtype != np.float64 or dtype is DType.F64:
        return array
    try:
        with np.errstate(over="raise"):
            return array.astype(dtype.numpy)
    except FloatingPointError:
        raise DTypeError(
            f"the data have numbers up to {np.nanmax(np.abs(array)):.3g}, more than {dtype} holds",
            fix='scale them, or make the model and its inputs with dtype="float64"',
            loc=user_location(),
        ) from None


def split(x: Tree, y: Tree, weight: Tree, fraction: float) -> tuple[Any, Any]:
    """(x, y, weight) of the first examples, and of the last ones, a share of `fraction`."""
    if not 0 < fraction < 1:
        raise ArgumentError(
            f"validation_split={fraction}", fix="give a number between 0 and 1",
            loc=user_location(),
        )  # fmt: skip
    if not _is_arrays(x):
        raise ArgumentError(
            f"validation_split of {type(x).__name__}, which gives batches",
            fix="split it before, as in Dataset.split, and pass validation_data",
            loc=user_location(),
        )
    parts = tuple(map_leaves(np.asarray, stacked(part)) for part in (x, y, weight))
    count = example_count(parts)
    cut = count - round(count * fraction)
    if not 0 < cut < count:
        raise ArgumentError(
            f"validation_split={fraction} of {count} examples leaves one part empty",
            fix="give another share, or more examples",
            loc=user_location(),
        )
    return (
        map_leaves(lambda leaf: leaf[:cut], parts),
        map_leaves(lambda leaf: leaf[cut:], parts),
    )


def leaves_of(batch: Mapping[str, Tree]) -> list[Array]:
    """The arrays of a batch in the order in which programs take them."""
    if all(type(part) is np.ndarray for part in batch.values()):  # what nearly all batches are
        return [batch[name] for name in sorted(batch)]
    return flatten(batch)[0]


def example_count(tree: Tree) -> int:
    """The size of the first axis."""
    if isinstance(tree, dict) and type(tree.get("x")) is np.ndarray:
        return len(tree["x"])
    leaves = flatten(tree)[0]
    return int(leaves[0].shape[0]) if leaves and np.ndim(leaves[0]) else 0


def _is_arrays(x: Any) -> bool:
    """Whether these are arrays in containers, rather than an iterable of batches."""
    if isinstance(x, Dataset):
        return False
    if isinstance(x, Mapping):
        return True
    if isinstance(x, list | tuple):
        return not (x and isinstance(x[0], tuple))
    return hasattr(x, "__array__") or not isinstance(x, Iterable)


def _without_none(parts: Mapping[str, Any]) -> Batch:
    return {key: part for key, part in parts.items() if part is not None}


def _weighed(batch: Batch, class_weight: Mapping[int, float] | None) -> Batch:
    """The batch with the weights of classes times those of examples."""
    if class_weight is None:
        return batch
    leaves = flatten(batch.get("y"))[0]
    if len(leaves) != 1:
        raise ArgumentError(
            f"class_weight needs one array of classes, and y has {len(leaves)}",
            fix="pass sample_weight, or weights of outputs by loss_weights in compile",
            loc=user_location(),
        )
    labels = np.asarray(leaves[0])
    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(-1)
    labels = labels.astype(np.int64)
    if not all(is_whole(key) and key >= 0 for key in class_weight):
        raise ArgumentError(
            f"class_weight has the keys {list(class_weight)}",
            fix="give a weight for each of some numbers of classes, as in {0: 1.0, 1: 5.0}",
            loc=user_location(),
        )
    table = np.ones(max(int(labels.max(initial=0)), *class_weight, 0) + 1, np.float32)
    table[list(class_weight)] = list(class_weight.values())
    own = np.where(labels < 0, np.float32(1), table[labels])
    return {**batch, "weight": own * batch["weight"] if "weight" in batch else own}
