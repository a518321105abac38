"""Models as they are used after training: without noise, batch normalisation folded away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from ..tracing.tree import flatten, map_leaves
from .containers import Model, Sequential
from .convolutional import Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D
from .core import Dense
from .layer import Layer, Variables
from .noise import Dropout, GaussianDropout, GaussianNoise, SpatialDropout2D
from .normalization import BatchNormalization
from .symbolic import Call, Symbolic

__all__ = ["for_inference"]

Array = Any
_NOISE = (Dropout, SpatialDropout2D, GaussianNoise, GaussianDropout)


class _Folding(Struct, frozen=True):
    """Which weight of a layer has its output channels where, as the channels' shape."""

    weight: str
    shape: Callable[[Array], tuple[int, ...]]


_FOLDINGS: dict[type[Layer], _Folding] = {
    Dense: _Folding("kernel", lambda kernel: (kernel.shape[-1],)),
    Conv2D: _Folding("kernel", lambda kernel: (kernel.shape[-1],)),
    Conv2DTranspose: _Folding("kernel", lambda kernel: (kernel.shape[-2], 1)),
    DepthwiseConv2D: _Folding("depthwise_kernel", lambda kernel: kernel.shape[-2:]),
    SeparableConv2D: _Folding("pointwise_kernel", lambda kernel: (kernel.shape[-1],)),
}


def for_inference(model: Any) -> Any:
    """A model that predicts the same, with fewer layers; the given one stays as it is.

    Dropout and noise are left out. A batch normalisation right behind a linear layer or a
    convolution becomes part of it: with s = γ / √(variance + ε), the kernel is multiplied by s,
    and the bias is s · (bias − mean) + β.

    >>> import symfuse as sf
    >>> model = sf.nn.Sequential([
    ...     sf.nn.Input(4), sf.nn.Dense(3), sf.nn.BatchNormalization(), sf.nn.Dropout(0.5),
    ... ])
    >>> [type(layer).__name__ for layer in sf.nn.for_inference(model).layers]
    ['Dense']
    """
    if not isinstance(model, Sequential | Model):
        raise ArgumentError(
            f"for_inference: {type(model).__name__} does not say which layers it has",
            fix="give a Sequential or a Model",
            loc=user_location(),
        )
    model.values()
    return _chain(model) if isinstance(model, Sequential) else _graph(model)


def _chain(model: Sequential) -> Sequential:
    kept: list[Layer] = []
    for layer in model.layers:
        if _is_noise(layer):
            continue
        if kept and _folds(kept[-1], layer):
            kept[-1] = _folded(kept[-1], layer)
        else:
            kept.append(_plain(layer))
    found = Sequential(kept, name=model.name, dtype=model.dtype)
    found.__dict__["built_for"] = model.__dict__.get("built_for")
    return found


def _graph(model: Model) -> Model:
    """The same calls, without those that have become part of the call before."""
    readers = _readers(model)
    layers: dict[int, Layer] = {}
    found: dict[tuple[int, int], Symbolic] = {}

    def new(tree: Any) -> Any:
        return map_leaves(
            lambda leaf: (
                found.get((id(leaf.call), leaf.index), leaf) if isinstance(leaf, Symbolic) else leaf
            ),
            tree,
        )

    for call in model.steps:
        before = _before(call, readers)
        if _is_noise(call.layer):
            found[id(call), 0] = new(call.inputs[0])
        elif before is not None and _folds(before.layer, call.layer):
            layer = _folded(layers[id(before.layer)], call.layer)
            found[id(call), 0] = layer(*new(before.inputs))
            layers[id(call.layer)] = layer
        else:
            layer = layers.setdefault(id(call.layer), _plain(call.layer))
            results = flatten(layer(*new(call.inputs), **new(call.options)))[0]
            found |= {(id(call), at): one for at, one in enumerate(results)}
    return Model(model.inputs, new(model.outputs), name=model.name, dtype=model.dtype)


def _readers(model: Model) -> dict[int, int]:
    """How often what a call gives is read, and how often its layer is called."""
    counts: dict[int, int] = {}
    trees = [model.outputs, *((call.inputs, call.options) for call in model.steps)]
    for leaf in (leaf for tree in trees for leaf in flatten(tree)[0]):
        if isinstance(leaf, Symbolic) and leaf.call is not None:
            counts[id(leaf.call)] = counts.get(id(leaf.call), 0) + 1
    for call in model.steps:
        counts[id(call.layer)] = counts.get(id(call.layer), 0) + 1
    return counts


def _before(call: Call, readers: Mapping[int, int]) -> Call | None:
    """The call whose result this one alone reads, by a layer that is called only there."""
    given = flatten(call.inputs)[0]
    before = given[0].call if len(given) == 1 and isinstance(given[0], Symbolic) else None
    if before is None or readers[id(before)] > 1:
        return None
    alone = readers[id(before.layer)] == readers[id(call.layer)] == 1
    return before if alone else None


def _plain(layer: Layer) -> Layer:
    """The layer with its own copy of what it holds; models inside as they are used."""
    if isinstance(layer, Sequential | Model):
        model: Layer = for_inference(layer)
        return model
    held = layer.held
    copy = replace(layer)
    if held is not None:
        copy.hold(map_leaves(np.copy, held))
    return copy


def _does_as(layer: Layer, kind: type[Layer]) -> bool:
    """Whether a layer is of a kind, and does what that does: a class of the user's may not."""
    return isinstance(layer, kind) and type(layer).call is kind.call


def _is_noise(layer: Layer) -> bool:
    return any(_does_as(layer, kind) for kind in _NOISE)


def _folding(layer: Layer) -> _Folding | None:
    return next((one for kind, one in _FOLDINGS.items() if _does_as(layer, kind)), None)


def _folds(layer: Layer, norm: Any) -> bool:
    """Whether a normalisation scales the channels that the layer gives, and nothing is between."""
    if not _does_as(norm, BatchNormalization) or _folding(layer) is None:
        return False
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return getattr(layer, "activation", None) in (None, "linear") and norm.axis == (
        1 if first else -1
    )


def _folded(layer: Any, norm: Any) -> Any:
    """The layer that gives what the normalisation makes of what it gave."""
    folding = _folding(layer)
    assert folding is not None
    old, own = layer.held, norm.held
    mean, variance = (own.state[name].astype("f8") for name in ("moving_mean", "moving_variance"))
    scale = own.params.get("gamma", 1.0) / np.sqrt(variance + norm.epsilon)
    shift = own.params.get("beta", 0.0) - mean * scale
    kernel = old.params[folding.weight]
    wide = kernel.astype("f8") * scale.reshape(folding.shape(kernel))
    bias = old.params.get("bias", 0.0) * scale + shift
    params = {**old.params, folding.weight: wide.astype(kernel.dtype)}
    found = replace(layer, use_bias=True)
    found.hold(Variables({**params, "bias": bias.astype(kernel.dtype)}, old.state))
    return found
