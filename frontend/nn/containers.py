"""Models put together from layers: one after the other, or as a graph of calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import field

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, ShapeError

from ..names import unique
from ..tracing.tree import flatten, map_leaves
from ..training.module import Module
from ..warn import warn
from .core import Lambda
from .layer import Layer
from .scope import Scope, snake
from .symbolic import Call, Symbolic, calls_of

__all__ = ["Model", "Sequential"]


class Sequential(Module):
    """Layers and plain functions one after the other; the first entry may be an `Input`.

    >>> import symfuse as sf
    >>> model = sf.nn.Sequential([
    ...     sf.nn.Input(3),
    ...     sf.nn.Dense(4, activation="sigmoid"),
    ...     sf.nn.Dense(2, activation="softmax"),
    ... ])
    >>> model.summary().params
    26
    """

    layers: list[Any] = field(default_factory=list)

    autocast = False  # the layers do it, each for itself

    def __post_init__(self) -> None:
        given, self.layers = list(self.layers), []
        for layer in given:
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Put a layer, or first of all an `Input`, behind the others."""
        if isinstance(layer, Symbolic) and not self.layers:
            self.__dict__["built_for"] = (layer.spec,)
        elif isinstance(layer, Layer):
            if not self.layers:
                expect_kept(self, layer, self.__dict__.get("built_for", ()))
            self.layers.append(layer)
        elif callable(layer):
            self.layers.append(Lambda(layer))
        else:
            raise ArgumentError(
                f"{layer!r} cannot be layer {len(self.layers)} of a Sequential",
                fix="give layers, or functions of one value",
                loc=user_location(),
            )

    def call(self, scope: Scope, x: Any) -> Any:
        for name, layer in zip(named(self.layers), self.layers, strict=True):
            x = scope(layer, x, name=name)
        return x

    def children(self) -> dict[str, Layer]:
        """The layers by name."""
        return dict(zip(named(self.layers), self.layers, strict=True))

    def get_layer(self, name: str) -> Layer:
        """The layer of this name."""
        return _found(self.children(), name)


class Model(Module):
    """A graph of calls of layers, from `Input`s to outputs, in any containers.

    >>> import symfuse as sf
    >>> x = sf.nn.Input(4)
    >>> y = sf.nn.Dense(4, activation="relu")(x)
    >>> model = sf.nn.Model(x, sf.nn.Dense(1)(sf.nn.Add()([x, y])))
    >>> model.summary().params
    25
    """

    inputs: Any
    outputs: Any

    autocast = False  # the layers do it, each for itself

    def __post_init__(self) -> None:
        self.__dict__["steps"] = _checked(self.inputs, self.outputs)
        self.__dict__["built_for"] = (map_leaves(lambda one: one.spec, self.inputs),)
        given = {id(one) for one in flatten(self.inputs)[0]}
        for call in self.steps:
            read = [one for one in flatten(call.inputs)[0] if id(one) in given]
            expect_kept(self, call.layer, read)

    def call(self, scope: Scope, x: Any) -> Any:
        found = self._given(x)
        for name, call in zip(self._names(), self.steps, strict=True):
            inputs, options = _filled((call.inputs, call.options), found)
            result = scope(call.layer, *inputs, name=name, **options)
            for at, leaf in enumerate(flatten(result)[0]):
                found[id(call), at] = leaf
        return _filled(self.outputs, found)

    @property
    def layers(self) -> list[Layer]:
        """The layers in the order in which they compute, each once."""
        return list(self.children().values())

    @property
    def steps(self) -> list[Call]:
        """The calls in the order in which they compute."""
        steps: list[Call] = self.__dict__["steps"]
        return steps

    def children(self) -> dict[str, Layer]:
        """The layers by name."""
        return dict(zip(self._names(), (call.layer for call in self.steps), strict=True))

    def get_layer(self, name: str) -> Layer:
        """The layer of this name."""
        return _found(self.children(), name)

    @property
    def output_names(self) -> list[str]:
        """What the outputs are called: by their keys, or by the layers that they come from."""
        leaves = flatten(self.outputs)[0]
        if isinstance(self.outputs, dict) and len(self.outputs) == len(leaves):
            return [name for name, _ in sorted(self.outputs.items())]
        names = {id(c): n for n, c in zip(self._names(), self.steps, strict=True)}
        found = [names.get(id(leaf.call), leaf.name or "input") for leaf in leaves]
        return [n if found.count(n) == 1 else f"{n}_{at}" for at, n in enumerate(found)]

    def _names(self) -> list[str]:
        return named([call.layer for call in self.steps])

    def arranged(self, x: Any) -> Any:
        """The inputs in their order, where a dict gives them by name."""
        if not isinstance(x, dict):
            return x
        by_name = isinstance(self.inputs, dict)
        own = list(self.inputs) if by_name else [one.name for one in flatten(self.inputs)[0]]
        if x.keys() != set(own):
            raise ArgumentError(
                f"inputs are given for {', '.join(map(repr, x))}, and the model has"
                f" {', '.join(repr(name) if name else 'one without a name' for name in own)}",
                fix="give an array for each by its name, or all in a list in their order",
                loc=user_location(),
            )
        return x if by_name else [x[name] for name in own]

    def _given(self, x: Any) -> dict[Any, Any]:
        """The arrays of the inputs, which may come in a list or in a dict by name."""
        symbols = flatten(self.inputs)[0]
        arrays = flatten(self.arranged(x))[0]
        if len(arrays) != len(symbols):
            raise ArgumentError(
                f"the model has {len(symbols)} inputs, and {len(arrays)} arrays are given",
                fix=f"give one for each of {', '.join(map(repr, symbols))}",
                loc=user_location(),
            )
        for symbol, array in zip(symbols, arrays, strict=True):
            _expect_sizes(symbol, array)
        return {id(symbol): one for symbol, one in zip(symbols, arrays, strict=True)}


def _expect_sizes(symbol: Symbolic, array: Any) -> None:
    """Raise ShapeError where an array has other sizes behind the batch than its `Input`."""
    shape, wanted = tuple(array.shape), tuple(symbol.shape)
    pairs = zip(shape[1:], wanted[1:], strict=False)
    if len(shape) != len(wanted) or any(
        isinstance(own, int) and is_equal(n, own) is False for n, own in pairs
    ):
        raise ShapeError(
            f"{symbol!r} is given an array of shape {shape}",
            fix="give examples of the shape of the Input; a size that changes is None there",
            loc=user_location(),
        )


def expect_kept(model: Layer, layer: Layer, inputs: Sequence[Any]) -> None:
    """Warn where a layer computes with fewer digits than an `Input` of float64 asks for."""
    types = model.policy if layer.dtype is None else layer.policy
    if types.compute is DType.F64 or all(one.dtype != np.float64 for one in inputs):
        return
    warn(
        f"{layer.name or type(layer).__name__} computes in {types.compute} what an Input of float64"
        ' gives; make the model with dtype="float64" to keep all digits, or the Input with'
        ' dtype="float32"'
    )


def named(layers: Sequence[Layer]) -> list[str]:
    """A name for each layer: its own, or that of its kind with a number; the same for the same."""
    known: dict[int, str] = {}
    for layer in layers:
        if id(layer) not in known:
            base = layer.name or snake(type(layer).__name__)
            known[id(layer)] = unique(base, known.values())
    return [known[id(layer)] for layer in layers]


def _checked(inputs: Any, outputs: Any) -> list[Call]:
    """The calls between inputs and outputs, which need nothing else."""
    given = flatten(inputs)[0]
    for leaf in [*given, *flatten(outputs)[0]]:
        if not isinstance(leaf, Symbolic):
            raise ArgumentError(
                f"{leaf!r} is no value of a model",
                fix="begin with sf.nn.Input, and call layers with it",
                loc=user_location(),
            )
    calls = calls_of(outputs, [id(one) for one in given])
    known = {id(one) for one in given}
    for call in calls:
        for leaf in flatten((call.inputs, call.options))[0]:
            if isinstance(leaf, Symbolic) and leaf.call is None and id(leaf) not in known:
                raise ArgumentError(
                    f"the outputs need {leaf!r}, which is not among the inputs",
                    fix="add it to the inputs of the model",
                    loc=user_location(),
                )
    return calls


def _filled(tree: Any, found: dict[Any, Any]) -> Any:
    """The tree with the arrays of its symbolic values."""

    def of(leaf: Any) -> Any:
        if not isinstance(leaf, Symbolic):
            return leaf
        return found[id(leaf)] if id(leaf) in found else found[id(leaf.call), leaf.index]

    return map_leaves(of, tree)


def _found(layers: dict[str, Layer], name: str) -> Layer:
    if name not in layers:
        raise ArgumentError(
            f"there is no layer {name!r}",
            fix=f"the layers are {', '.join(layers)}",
            loc=user_location(),
        )
    return layers[name]
