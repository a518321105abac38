"""Programs of a model: each step compiled once for all sizes of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from msgspec import UNSET, Struct, field

from symfuse.compiler.ir.dims import Expr, is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

from ..nn.layer import Layer, Variables
from ..nn.symbolic import BATCH
from ..optim.freezing import freeze
from ..staging.aot import CompiledFunction, compile
from ..tracing.specs import Spec, describe
from ..tracing.tree import flatten, map_leaves
from .batches import example_count
from .objectives import Goals, Objectives, in_order
from .steps import predict_step, test_step, train_step

__all__ = ["Programs", "batch_specs", "expect_declared", "fixed_batch", "output_names"]

Tree = Any


class Programs(Struct, eq=False):
    """The steps of a model as compiled functions, by what they do and the types of a batch."""

    model: Any
    optimizer: Any
    objectives: Objectives
    options: Mapping[str, Any] = field(default_factory=dict)
    dynamic_batch: bool = True
    flags: Mapping[int, bool] = field(default_factory=dict)
    known: dict[Any, CompiledFunction] = field(default_factory=dict)
    routes: dict[Any, CompiledFunction] = field(default_factory=dict)
    goals: dict[Any, Goals] = field(default_factory=dict)
    declarations: dict[Any, tuple[Variables, Tree]] = field(default_factory=dict)
    _fixed: Any = UNSET
    _moving: Any = UNSET

    def train(self, carried: Any, key: Any, batch: Tree) -> CompiledFunction:
        """The program of one training step; its first argument is overwritten."""

        def make(specs: Tree) -> CompiledFunction:
            goals = self.goals_for(batch)
            step = train_step(self.model, goals, self.frozen(), self.flags)
            return compile(step, carried.tree, key, specs, donate_argnums=0, **self.options)

        return self._found("train", batch, make)

    def test(self, carry: Tree, values: Tree, batch: Tree) -> CompiledFunction:
        """The program that brings metrics up to date."""

        def make(specs: Tree) -> CompiledFunction:
            step = test_step(self.model, self.goals_for(batch))
            return compile(step, carry, values, specs, donate_argnums=0, **self.options)

        return self._found("test", batch, make)

    def predict(self, values: Tree, batch: Tree) -> CompiledFunction:
        """The program that computes the outputs."""

        def make(specs: Tree) -> CompiledFunction:
            return compile(predict_step(self.model), values, specs, **self.options)

        return self._found("predict", batch, make)

    def goals_for(self, batch: Tree) -> Goals:
        """Losses and metrics for targets of these types."""
        key = _types(batch)
        if key not in self.goals:
            specs = batch_specs(self.model, batch)
            outputs = self._outputs(specs["x"])
            names = output_names(self.model, outputs)
            self.goals[key] = self.objectives.goals(names, specs.get("y"), outputs)
        return self.goals[key]

    def specs(self, batch: Tree) -> Tree:
        """The types of a batch with open sizes; targets and weights are as long as the outputs."""
        found = batch_specs(self.model, batch)
        if "y" not in found:
            return found
        outputs = self._outputs(found["x"])
        preds, names = flatten(outputs)[0], output_names(self.model, outputs)
        pairs = zip(in_order(found["y"], names, len(preds)), preds, strict=False)
        own = {id(true): _as_long(true, pred) for true, pred in pairs if true is not None}
        found["y"] = map_leaves(lambda leaf: own.get(id(leaf), leaf), found["y"])
        weight = found.get("weight")
        if isinstance(weight, Spec) and preds and 1 not in weight.shape:  # a 1 is for every step
            found["weight"] = _as_long(weight, preds[0])
        return found

    def _outputs(self, x: Tree) -> Tree:
        """The specs of what the model gives for inputs of these specs."""
        _, outputs = self.declarations.get(_signature((x,))) or self.declare(x)
        return outputs

    def frozen(self) -> Any:
        """The optimiser of the weights that move: of layers that were trainable when compiled."""
        if self._moving is UNSET:
            self.declare(*self.model.input_specs("build"))
        moves = flatten(self._moving)[0]
        return self.optimizer if all(moves) else freeze(self.optimizer, self._moving)

    def declare(self, *specs: Any) -> tuple[Variables, Tree]:
        """What the model asks for with inputs of these specs, and the specs of what it gives; both
        are kept, as a deep model takes long to be traced."""
        declared, outputs = self.model.declared(*specs, flags=self.flags)
        self._moving = map_leaves(lambda one: one.moves, declared.params)
        self.declarations[_signature(specs)] = declared, outputs
        return declared, outputs

    @property
    def fixed(self) -> int | None:
        """The one size of batches, where the inputs of the model say so."""
        if self._fixed is UNSET:
            self._fixed = fixed_batch(self.model.__dict__.get("built_for"))
        found: int | None = self._fixed
        return found

    def _found(
        self, what: str, batch: Tree, make: Callable[[Tree], CompiledFunction]
    ) -> CompiledFunction:
        """The program for such a batch, which others with the same open sizes may have made."""
        is_open = self.dynamic_batch and self.fixed is None
        route = (what, _types(batch), None if is_open else example_count(batch))
        if route not in self.routes:
            specs = self.specs(batch) if self.dynamic_batch else batch
            key = (what, _signature(specs))
            if key not in self.known:
                self.known[key] = make(specs)
            self.routes[route] = self.known[key]
        return self.routes[route]


def batch_specs(model: Layer, batch: Tree) -> Tree:
    """The types of a batch with its size symbolic, and what else the model's inputs leave open."""
    declared = flatten(model.__dict__.get("built_for"))[0]
    size = fixed_batch(declared)
    if size is not None and example_count(batch) != size:
        raise ShapeError(
            f"the model is for batches of {size} examples, and there is one of"
            f" {example_count(batch)}",
            fix=f"pass batch_size={size} and a multiple of {size} examples",
            loc=user_location(),
        )
    opened = partial(_opened, size or BATCH)
    given = {key: map_leaves(opened, part) for key, part in batch.items()}
    leaves, tree = flatten(given["x"])
    if len(declared) == len(leaves):
        pairs = zip(leaves, declared, strict=True)
        given["x"] = tree.unflatten([_as_declared(leaf, spec) for leaf, spec in pairs])
    return given


def expect_declared(given: Tree, declared: Tree) -> None:
    """Raise ShapeError where inputs have other sizes than those that the model was made for."""
    pairs = zip(flatten(given)[0], flatten(declared)[0], strict=False)
    for one, own in pairs:
        sizes = list(zip(one.shape[1:], own.shape[1:], strict=False))
        if one.ndim != own.ndim or any(is_equal(n, wanted) is False for n, wanted in sizes):
            raise ShapeError(
                f"an input of shape {tuple(one.shape)} for a model of {tuple(own.shape)}",
                fix="give examples of the shape of the Input, or make the Input for these",
                loc=user_location(),
            )


def output_names(model: Layer, outputs: Tree) -> list[str]:
    """What the outputs are called: by the model, by keys, or by numbers."""
    count = len(flatten(outputs)[0])
    named: Sequence[str] | None = getattr(model, "output_names", None)
    if named is not None and len(named) == count:
        return list(named)
    if isinstance(outputs, dict) and len(outputs) == count:
        return list(outputs)
    return ["output"] if count == 1 else [f"output_{at}" for at in range(count)]


def fixed_batch(specs: Any) -> int | None:
    """The number of examples that all batches have by the specs of inputs; None: any number."""
    sizes = [one.shape[0] for one in flatten(specs)[0] if one.shape]
    return next((size for size in sizes if isinstance(size, int)), None)


def _opened(batch: Any, array: Any) -> Spec:
    return Spec((batch, *array.shape[1:]), array.dtype)


def _as_declared(given: Spec, declared: Spec) -> Spec:
    """Sizes that the input leaves open stay open; all others are those of the data."""
    if given.ndim != declared.ndim:
        return given
    pairs = zip(given.shape[1:], declared.shape[1:], strict=True)
    tail = (n if isinstance(own, int) else own for n, own in pairs)
    return Spec((given.shape[0], *tail), given.dtype)


def _as_long(given: Spec, output: Any) -> Spec:
    """Sizes that are open in an output are the same ones in what belongs to it."""
    pairs = zip(given.shape[1:], output.shape[1:], strict=False)
    tail = [own if isinstance(own, Expr) else n for n, own in pairs]
    return Spec((given.shape[0], *tail, *given.shape[1 + len(tail) :]), given.dtype)


def _signature(specs: Tree) -> Any:
    """What tells specs apart: containers and types, with the bounds of sizes that are open."""
    leaves, tree = flatten(specs)
    return tree, tuple(one.type for one in describe(leaves))


def _types(batch: Tree) -> Any:
    """What tells programs apart: containers, element types and all sizes but the first."""
    if all(type(part) is np.ndarray for part in batch.values()):  # what nearly all batches are
        return tuple((name, part.dtype, part.shape[1:]) for name, part in batch.items())
    leaves, tree = flatten(batch)
    return tree, tuple((leaf.dtype, *leaf.shape[1:]) for leaf in leaves)
