"""What a layer may ask for while it computes: weights, state, random keys, other layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import signature
from math import prod
from typing import Any

import numpy as np
from msgspec import Struct, field

from symfuse.compiler.ir.dims import Expr
from symfuse.compiler.ir.location import scope as provenance
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, ShapeError

from ..capture.attempt import inlined
from ..initializers import get as initializer_of
from ..limits import is_whole
from ..names import unique
from ..numpy.creation import full
from ..numpy.shared import call, convert, traced
from ..random import fold_in
from ..tracing.sizes import plain
from ..tracing.specs import Spec
from ..tracing.trace import dtype_of
from ..tracing.tree import flatten, map_leaves
from .masks import Masks
from .policies import Policy, policy
from .regularizers import regularizer as regularizer_of

__all__ = ["Declared", "Row", "Run", "Scope", "snake"]

Array = Any


class Declared(Struct, frozen=True, eq=False):
    """An array that a layer keeps: how large it is, what it begins with, if training moves it."""

    shape: tuple[int, ...]
    dtype: DType
    initializer: Any
    order: int
    moves: bool = True

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes."""
        return self.size * self.dtype.itemsize

    def drawn(self, key: Array) -> Array:
        """The first values, for the key of the whole model."""
        own = fold_in(key, self.order)
        return np.asarray(self.initializer(own, self.shape, self.dtype))


class Row(Struct, frozen=True, eq=False):
    """One call of a layer while its model is declared: with specs of what, and of what came.

    `calls` has the numbers of the calls around it and its own. `taken` and `given` are the values
    themselves, from which it can be told where they came from.
    """

    path: tuple[str, ...]
    calls: tuple[int, ...]
    layer: Any
    types: Policy
    params: dict[str, Any]
    state: dict[str, Any]
    inputs: Any
    options: Any
    outputs: Any
    taken: list[Any]
    given: list[Any]


class Run(Struct, eq=False):
    """What all scopes of one computation share."""

    training: bool = False
    key: Array = None
    declares: bool = False
    drawn: int = 0
    declared: int = 0
    losses: list[Array] = field(default_factory=list)
    seen: list[Row] | None = None
    calls: int = 0
    flags: Mapping[int, bool] = field(default_factory=dict)
    masks: Masks = field(default_factory=Masks)

    def moves(self, layer: Any) -> bool:
        """Whether a layer is trainable: as it was when its model was compiled, or as it is."""
        return bool(self.flags.get(id(layer), layer.trainable))


class Scope:
    """The surroundings of one layer in one computation.

    `params` and `state` are this layer's own, dicts by name; where the run declares, they are
    filled with what the layer asks for.
    """

    def __init__(
        self,
        run: Run,
        params: dict[str, Any],
        state: dict[str, Any],
        types: Policy,
        path: tuple[str, ...] = (),
        moves: bool = True,
    ) -> None:
        self._run, self._params, self._state = run, params, state
        self._types, self._path = types, path
        self._calls: tuple[int, ...] = ()
        self.moves = moves  # whether the layer and all around it are trainable
        self._names: dict[int, str] = {}
        self._layers: list[Any] = []

    @property
    def training(self) -> bool:
        """Whether the model is being trained: dropout drops, normalisation takes statistics."""
        return self._run.training

    @property
    def policy(self) -> Policy:
        """The element types of this layer."""
        return self._types

    def weight(
        self,
        name: str,
        shape: Any,
        initializer: Any = "glorot_uniform",
        *,
        regularizer: Any = None,
    ) -> Array:
        """An array that training moves; a regulariser adds its penalty to the loss."""
        value = self._kept(self._params, name, shape, initializer)
        penalty = regularizer_of(regularizer)
        if penalty is not None:
            self.add_loss(penalty(value))
        return convert(value, self._types.compute)

    def variable(self, name: str, shape: Any, initializer: Any = "zeros") -> Array:
        """An array that the layer itself moves, by `update`; it is no weight."""
        return self._kept(self._state, name, shape, initializer)

    def update(self, name: str, value: Array) -> None:
        """Give a variable the value that it has from the next run on."""
        if not self._run.declares:
            self._state[name] = convert(traced(value), self._types.variable.computed)

    def key(self) -> Array:
        """A random key that nothing else in this computation has."""
        run = self._run
        if run.declares:
            return np.zeros(2, np.uint32)
        if run.key is None:
            raise ArgumentError(
                f"{self._shown()} draws random numbers, and there is no key",
                fix="pass key=sf.random.key(seed) to apply, or training=False",
                loc=user_location(),
            )
        run.drawn += 1
        return fold_in(run.key, run.drawn)

    def add_loss(self, value: Array) -> None:
        """Add a term to the loss of the model, such as a penalty of activations."""
        self._run.losses.append(value)

    def trains(self, layer: Any) -> bool:
        """Whether a layer is trainable, in the view of the model that is trained."""
        return self._run.moves(layer)

    def __call__(self, layer: Any, *inputs: Any, name: str | None = None, **options: Any) -> Any:
        """What another layer makes of the inputs; the same layer again has the same weights."""
        title = self._name_of(layer, name)
        inner = Scope(
            self._run,
            self._part(self._params, title),
            self._part(self._state, title),
            self._types if layer.dtype is None else policy(layer.dtype),
            (*self._path, title),
            self.moves and self._run.moves(layer),
        )
        run = self._run
        run.calls += 1
        inner._calls = (*self._calls, run.calls)
        with provenance(title):
            taken = run.masks.taken(layer, inputs, options)
            result = inner.run(layer, inputs, taken)
            if run.seen is not None:
                result = inner._note(run.seen, layer, inputs, options, result)
            run.masks.given(layer, inputs, taken, result)
        return result

    def run(self, layer: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """What the layer whose scope this is makes of the inputs."""
        layer.expect_axes(inputs)
        if layer.autocast:
            inputs, options = self._converted((inputs, options))
        try:
            result = inlined(layer.call)(self, *inputs, **options)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                raise _uncallable(layer, error) from None  # it was not even begun
            raise
        # What other layers gave stays: one of float32 may stand at the end of a model of halves.
        return result if self._layers else self._converted(result)

    def _converted(self, tree: Any) -> Any:
        return self._run.masks.follow(tree, self._types.converted(tree))

    def _note(self, seen: list[Row], layer: Any, inputs: Any, options: Any, result: Any) -> Any:
        """Write a call down; what it gave is a value of its own even where nothing was done."""
        number = self._calls[-1]
        copied = map_leaves(lambda leaf: call("copy", traced(leaf), number=number), result)
        result = self._run.masks.follow(result, copied)
        specs = (map_leaves(_spec_of, tree) for tree in (inputs, options, result))
        ends = (flatten(tree)[0] for tree in ((inputs, options), result))
        seen.append(
            Row(self._path, self._calls, layer, self._types, self._params, self._state,
                *specs, *ends)
        )  # fmt: skip
        return result

    def _kept(self, kept: dict[str, Any], name: str, shape: Any, initializer: Any) -> Array:
        sizes = self._sizes(name, shape)
        if not self._run.declares:
            if name not in kept:
                raise self._missing(name)
            self._expect_shape(name, kept[name], sizes)
            return traced(kept[name])
        if name not in kept:
            self._run.declared += 1
            # Statistics of halves are kept in f32: they move by less than a half can tell apart.
            dtype = self._types.variable
            dtype = dtype.computed if kept is self._state else dtype
            maker = initializer_of(initializer)
            kept[name] = Declared(sizes, dtype, maker, self._run.declared, self.moves)
        self._expect_shape(name, kept[name], sizes)
        return traced(full(sizes, 0.0, dtype=kept[name].dtype.numpy))

    def _sizes(self, name: str, shape: Any) -> tuple[int, ...]:
        sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
        if not all(is_whole(size) and size >= 0 for size in sizes):
            is_open = any(isinstance(size, Expr) for size in sizes)
            raise ShapeError(
                f"{self._shown()}: {name} would have the shape {sizes}",
                fix="give this axis of the input a number; the batch alone may be symbolic"
                if is_open
                else "give the layer whole numbers as sizes",
                loc=user_location(),
            )
        return tuple(int(size) for size in sizes)

    def _expect_shape(self, name: str, found: Any, sizes: tuple[int, ...]) -> None:
        shape = tuple(np.shape(found))
        if shape != sizes:
            raise ShapeError(
                f"{self._shown()}: {name} of shape {sizes} is asked for, and it is {shape}",
                fix="give inputs of the sizes that params and state were made for; each array of"
                " a layer has a name of its own",
                loc=user_location(),
            )

    def _missing(self, name: str) -> ArgumentError:
        return ArgumentError(
            f"{self._shown()} has no {name!r} in what was passed",
            fix="pass params and state as init gives them for inputs of these shapes",
            loc=user_location(),
        )

    def _part(self, whole: dict[str, Any], name: str) -> dict[str, Any]:
        part: dict[str, Any] = whole.get(name, {})
        return whole.setdefault(name, part) if self._run.declares else part

    def _name_of(self, layer: Any, asked: str | None) -> str:
        """The name of a layer here; a second one of its kind is dense_1."""
        known = self._names.get(id(layer))
        if known is not None:
            return known
        base = asked or layer.name or snake(type(layer).__name__)
        found = unique(base, self._names.values())
        self._names[id(layer)] = found
        self._layers.append(layer)  # so that its id stays its own
        return found

    def _shown(self) -> str:
        return "/".join(self._path) or "the layer"


def _uncallable(layer: Any, error: TypeError) -> ArgumentError:
    """What is wrong where `call` of a layer does not take what the layer is called with."""
    taken = [one.replace(annotation=one.empty) for one in signature(layer.call).parameters.values()]
    names = ", ".join(map(str, taken[1:]))
    fix = "define call(self, scope, *inputs): what a layer needs it asks its scope for"
    if [one.name for one in taken[:1]] == ["scope"]:
        fix = f"its inputs are {names}"
    return ArgumentError(str(error), fix=fix, loc=user_location())


def _spec_of(leaf: Any) -> Any:
    return Spec(plain(leaf.shape), dtype_of(leaf).numpy) if hasattr(leaf, "shape") else leaf


def snake(title: str) -> str:
    """The name of a class as Keras writes it for a layer: Conv2D is conv2d, ReLU is re_lu."""
    parted = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", title)
    parted = re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()
    return re.sub(r"_(\d)_?d\b", r"\1d", parted)
