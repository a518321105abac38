"""Values of a functional model that is being put together: `Input`, and what layers make of it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from symfuse.compiler.ir.dims import Dim, dim
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import UnsupportedError

from ..tracing.specs import Spec, spec
from ..tracing.tree import Structure, flatten, map_leaves

__all__ = ["BATCH", "Call", "Input", "Symbolic", "batched", "called", "calls_of", "is_symbolic"]

BATCH = dim("N", min=1)
"""The number of examples, which a model does not depend on."""


class Call(Struct, frozen=True, eq=False):
    """One call of a layer: with what, and the containers of what came back."""

    layer: Any
    inputs: Any
    options: Any
    outputs: Structure


class Symbolic(Struct, frozen=True, eq=False):
    """A value of a model: its type, and the call it comes from; an `Input` has none."""

    spec: Spec
    call: Call | None = None
    index: int = 0
    name: str | None = None

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.spec.shape

    @property
    def dtype(self) -> Any:
        return self.spec.dtype

    @property
    def ndim(self) -> int:
        return self.spec.ndim

    def __repr__(self) -> str:
        return f"<{self.name or 'value'}: {self.spec.type}>"

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise UnsupportedError(
            "a value of a model has no elements yet",
            fix="use layers, or sf.nn.Lambda(function)(value)",
            loc=user_location(),
        )

    def __add__(self, other: Any) -> Any:
        return _merged("Add", self, other)

    def __sub__(self, other: Any) -> Any:
        return _merged("Subtract", self, other)

    def __mul__(self, other: Any) -> Any:
        return _merged("Multiply", self, other)


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = "float32",
    name: str | None = None,
) -> Symbolic:
    """An input of a model, without the axis of examples; None is a size known only later.

    >>> import symfuse as sf
    >>> sf.nn.Input((28, 28, 1), name="image")
    <image: f32[N,28,28,1]>
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape or ())
    return Symbolic(batched(sizes, dtype, batch_size), name=name)


def batched(sizes: Sequence[Any], dtype: Any, batch_size: int | None = None) -> Spec:
    """The spec of a batch of examples of these sizes; sizes that are None get names."""
    named = (dim(f"S{at}", min=1) if n is None else n for at, n in enumerate(sizes, 1))
    return spec((BATCH if batch_size is None else batch_size, *named), dtype)


def is_symbolic(tree: Any) -> bool:
    """Whether a value of a model is among the leaves."""
    return any(isinstance(leaf, Symbolic) for leaf in flatten(tree)[0])


def called(layer: Any, inputs: Any, options: dict[str, Any]) -> Any:
    """The symbolic outputs of a call, in their containers."""
    named = {key: _specs(value) for key, value in options.items()}
    _, found = layer.declared(*_specs(inputs), **named)
    specs, tree = flatten(found)
    call = Call(layer, inputs, options, tree)
    return tree.unflatten([Symbolic(one, call, at) for at, one in enumerate(specs)])


def calls_of(outputs: Any, inputs: Sequence[int] = ()) -> list[Call]:
    """The calls that outputs depend on, each after those that it needs.

    Values in the middle may be inputs, by their ids: what makes them is left out.
    """
    order: dict[int, Call] = {}
    waiting = [one.call for one in reversed(_symbols(outputs, inputs)) if one.call is not None]
    while waiting:
        call = waiting[-1]
        needed = [one.call for one in _symbols((call.inputs, call.options), inputs)]
        missing = [one for one in needed if one is not None and id(one) not in order]
        if missing and id(call) not in order:
            waiting.extend(reversed(missing))
            continue
        order.setdefault(id(waiting.pop()), call)
    return list(order.values())


def _symbols(tree: Any, without: Sequence[int]) -> list[Symbolic]:
    leaves = flatten(tree)[0]
    return [leaf for leaf in leaves if isinstance(leaf, Symbolic) and id(leaf) not in without]


def _specs(tree: Any) -> Any:
    return map_leaves(lambda leaf: leaf.spec if isinstance(leaf, Symbolic) else leaf, tree)


def _merged(title: str, first: Symbolic, second: Any) -> Any:
    if not isinstance(second, Symbolic):
        raise UnsupportedError(
            f"a value of a model with {second!r}, which is none",
            fix="use sf.nn.Rescaling, or sf.nn.Lambda(function)(value)",
            loc=user_location(),
        )
    layers = importlib.import_module(f"{__package__}.merging")
    return getattr(layers, title)()([first, second])
