"""Layers that can be trained: `compile`, `fit`, `evaluate`, `predict`, as in Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from ..callbacks.callback import Callbacks
from ..nn.layer import Layer, Variables, drawn
from ..nn.plots import layer_picture
from ..nn.symbolic import batched, is_symbolic
from ..optim import get as optimizer_of
from ..optim import with_learning_rate
from ..random import fold_in, key
from ..tracing.graph import Graph, trace
from ..tracing.specs import Spec, spec
from ..tracing.tree import flatten, map_leaves
from .batches import Types, batches, split
from .carried import Carried
from .diverged import expect_finite
from .files import load_weights, restore, save_model, save_weights
from .history import History
from .loop import Progress, Validation, copied, evaluated, fitted, predicted
from .objectives import Goals, Objectives
from .programs import Programs, batch_specs, expect_declared, fixed_batch
from .progress import display
from .steps import changed
from .summary import Summary, summarised
from .timing import timed

__all__ = ["Module"]

Tree = Any
_INIT, _STEPS = 0, 1  # what keys of the seed are for


class Module(Layer):
    """A layer with the methods of Keras' models; `Model` and `Sequential` are modules.

    A class of one's own says in `call(scope, x)` what it computes, as every layer does.

    >>> import numpy as np, symfuse as sf
    >>> class Line(sf.nn.Module):
    ...     def call(self, scope, x):
    ...         return x * scope.weight("slope", (), "zeros")
    >>> line = Line()
    >>> line.compile(sf.optim.SGD(0.1), "mse")
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> history = line.fit(x, 3 * x, epochs=100, verbose=0)
    >>> line.params["slope"].round(2).item()
    3.0
    """

    is_model = True

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        *,
        seed: int = 0,
        dynamic_batch: bool = True,
        **options: Any,
    ) -> None:
        """Say what the model is trained for, and how.

        Losses, metrics and their weights are one, a list for each output, or a dict by output.
        All that is random (first weights, dropout, order of examples) follows from `seed`. With
        `dynamic_batch` each step is compiled once for batches of every size, without it once for
        each size. Layers that are not `trainable` now are frozen. Other options are those of
        `sf.compile`: target, threads, numerics, mode.
        """
        objectives = Objectives(loss, loss_weights, metrics, weighted_metrics)
        found = optimizer_of(optimizer)
        self.programs = Programs(self, found, objectives, options, dynamic_batch, self.flags())
        self.optimizer, self.seed = found, seed
        self.optimizer_state: Tree = None
        self.step_key = fold_in(key(seed), _STEPS)
        self.epoch, self.progress, self.resumes = 0, Progress(), False
        self.stop_training = False
        self.history = History()

    def build(self, *specs: Any, seed: int | None = None) -> None:
        """Draw the weights for inputs of these specs; layers that have theirs keep them."""
        given = seed if seed is not None else self.__dict__.get("seed", 0)
        programs = self.__dict__.get("programs")
        declared, _ = (self.declared if programs is None else programs.declare)(*specs)
        self.hold(drawn(declared, fold_in(key(given), _INIT)), keep=True)
        self.built_for = map_leaves(_as_spec, specs)

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[Any] = (),
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Train on arrays, a `Dataset`, or any iterable of (x, y) or (x, y, sample_weight).

        The order of the examples depends on the seed and on how many epochs the model has been
        trained. Raises ArithmeticError where the loss is no number any more; Ctrl-C stops after
        the step that runs, and the model keeps what it has learnt.
        """
        self._expect_compiled("fit")
        if validation_split:
            (x, y, sample_weight), validation_data = split(x, y, sample_weight, validation_split)
        validation = None
        if validation_data is not None:
            found = self._batches(
                *_parts(validation_data), batch_size=validation_batch_size, usual=batch_size
            )
            validation = Validation(found, validation_freq)
        given = self._batches(
            x, y, sample_weight, batch_size=batch_size, shuffle=shuffle, seed=self.seed,
            class_weight=class_weight,
        )  # fmt: skip
        each = Callbacks(callbacks, self)
        epoch_range = range(initial_epoch, epochs)
        return fitted(self, given, epoch_range, each, display(verbose), validation, steps_per_epoch)

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss, or a list of the loss and the metrics, or all by name with `return_dict`."""
        self._expect_compiled("evaluate")
        given = self._batches(x, y, sample_weight, batch_size=batch_size)
        logs = evaluated(self, given, display(verbose))
        values = list(logs.values())
        return logs if return_dict else values if len(values) > 1 else values[0]

    def predict(self, x: Any, batch_size: int | None = None) -> Tree:
        """The outputs for all examples, in inference mode."""
        if "programs" not in self.__dict__:
            self.compile(loss=None)
        return predicted(self, self._batches(x, batch_size=batch_size))

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """One step of training; the loss, and the metrics, of this batch before it."""
        self._expect_compiled("train_on_batch")
        batch = self._one(x, y, sample_weight)
        goals = self.ready(batch)
        carried = Carried({**self.carry(), "metrics": goals.init()})
        carried.step(self.programs, self.step_key, batch)
        carry = carried.tree
        self.take(carry)
        expect_finite(self, carry, batch, "this batch")
        logs = goals.logs(carry["metrics"])
        values = list(logs.values())
        return logs if return_dict else values if len(values) > 1 else values[0]

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Symbolic outputs for symbolic inputs; for arrays the outputs in inference mode."""
        if is_symbolic((inputs, options)):
            return super().__call__(*inputs, **options)
        values = self.values()
        y, state = self.apply(values["params"], values["state"], *inputs, **options)
        if moved := changed(state, values["state"]):
            self.move(moved)
        return y

    def summary(
        self, *specs: Any, depth: int = 1, profile: bool = False, batch_size: int = 32
    ) -> Summary:
        """Layers with their output shapes, parameters, operations and bytes; prints as a table.

        With `profile`, also the share of time that each takes of a prediction for `batch_size`
        examples, which is compiled and measured for it; without it nothing is run.
        """
        found = map_leaves(_as_spec, specs) or self.input_specs("summary")
        return summarised(self, found, depth, timed(self, found, batch_size) if profile else None)

    def graph(self, *specs: Any) -> Graph:
        """The graph of a prediction, to read and to draw: weights, state and inputs to outputs."""
        found = specs or self.input_specs("graph")
        declared, _ = self.declared(*found)
        weights, state = (
            map_leaves(lambda one: Spec(one.shape, one.dtype.numpy), part) for part in declared
        )
        return trace(self.predicting(), weights, state, *found)

    def predicting(self) -> Callable[..., Any]:
        """The outputs as a function of weights, state and inputs."""

        def predict(params: Tree, state: Tree, *inputs: Any) -> Any:
            return self.apply(params, state, *inputs)[0]

        return predict

    def count_params(self) -> int:
        """The number of weights, trainable or not."""
        return sum(leaf.size for leaf in flatten(self.params)[0])

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the model into a file for `sf.nn.load_model`, which goes on where this one is."""
        return save_model(self, path)

    def restore(self, path: str | PathLike[str]) -> None:
        """Go back to where this model was when it was saved: weights, optimiser, place in a fit."""
        self._expect_compiled("restore")
        restore(self, path)

    def save_weights(self, path: str | PathLike[str]) -> Path:
        """Write the arrays alone, in the safetensors format."""
        return save_weights(self, path)

    def load_weights(self, path: str | PathLike[str], *, skip_mismatch: bool = False) -> None:
        """Take the arrays of a safetensors file with the names and shapes of this model's.

        With `skip_mismatch` those that have both are taken, and the others stay as they are.
        """
        load_weights(self, path, skip_mismatch=skip_mismatch)

    # The arrays of the model -------------------------------------------------------------------

    @property
    def params(self) -> Tree:
        """The weights, by layer and name; training overwrites them, `get_weights` copies."""
        return self.values()["params"]

    @property
    def state(self) -> Tree:
        """What layers move themselves, such as running means, by layer and name."""
        return self.values()["state"]

    def values(self) -> dict[str, Tree]:
        """All arrays: `params` and `state`."""
        held = self.held
        if held is None:
            specs = self._known_specs()
            if specs is None:
                raise ArgumentError(
                    "the model has no weights yet",
                    fix='build it, as in model.build("f32[N,784]"), or fit it',
                    loc=user_location(),
                )
            self.build(*specs)
            return self.values()
        return {"params": held.params, "state": held.state}

    def arrays(self) -> Variables:
        """What the model holds; it is built where its inputs are known."""
        return Variables(**self.values())

    @property
    def learning_rate(self) -> float:
        """The rate of the next update; it may be set."""
        return float(self.carry()["optimizer"]["learning_rate"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if callable(getattr(self.optimizer, "learning_rate", None)):
            raise ArgumentError(
                "the learning rate of this optimiser follows a schedule",
                fix="compile the model with a number as learning rate, or leave it to the schedule",
                loc=user_location(),
            )
        self.optimizer_state = with_learning_rate(self.carry()["optimizer"], float(value))

    # What the loop asks for --------------------------------------------------------------------

    def ready(self, batch: Tree) -> Goals:
        """Build what is not built yet; what the model is trained for with such batches."""
        if self.held is None:
            specs = batch_specs(self, batch)["x"]
            expect_declared(specs, self._known_specs())
            self.build(specs)
        elif self._known_specs() is None:  # its layers have arrays from another model
            self.built_for = (batch_specs(self, batch)["x"],)
        return self.programs.goals_for(batch)

    def carry(self) -> dict[str, Tree]:
        """What a step of training takes and gives back, but for the metrics."""
        values = self.values()
        if self.optimizer_state is None:
            optimizer = self.programs.frozen()
            self.hold(copied(Variables(values["params"], values["state"])))
            values = self.values()
            self.optimizer_state = map_leaves(np.array, optimizer.init(values["params"]))
        return {**values, "optimizer": self.optimizer_state}

    def take(self, carry: Mapping[str, Tree]) -> None:
        """Keep what a step gave."""
        self.hold(Variables(carry["params"], carry["state"]))
        self.optimizer_state = carry["optimizer"]

    def move(self, state: Tree) -> dict[str, Tree]:
        """Keep the parts of the state that a prediction changed; all arrays of the model."""
        values = self.values()
        self.hold(Variables(values["params"], _merged(values["state"], state)))
        return self.values()

    def _known_specs(self) -> tuple[Any, ...] | None:
        """The specs of the inputs: as declared, as built for, or those of the first layer."""
        found: tuple[Any, ...] | None = self.__dict__.get("built_for")
        if found is None and (first := next(iter(self.children().values()), None)) is not None:
            found = first._known_specs() if isinstance(first, Module) else None
        return found

    def input_specs(self, method: str) -> tuple[Any, ...]:
        """The specs of the inputs; where they are not known, an error that names a method."""
        found = self._known_specs()
        if found is None:
            raise ArgumentError(
                "the shapes of the inputs are not known",
                fix=f'pass a spec, as in model.{method}("f32[N,784]"), or begin with sf.nn.Input',
                loc=user_location(),
            )
        return found

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        if self._known_specs() is None:
            return {"text/plain": repr(self)}
        picture = layer_picture(self, self.input_specs("build"))
        return {"text/plain": str(self.summary()), "image/svg+xml": picture.to_svg()}

    def _batches(
        self,
        x: Any,
        y: Any = None,
        weight: Any = None,
        *,
        usual: int | None = None,
        **more: Any,
    ) -> Any:
        usual = fixed_batch(self._known_specs()) if usual is None else usual
        return batches(x, y, weight, types=self._types(), usual=usual, **more)

    def _one(self, x: Any, y: Any, weight: Any) -> dict[str, Any]:
        parts = {"x": x, "y": y, "weight": weight}
        return self._types().prepared({k: one for k, one in parts.items() if one is not None})

    def _types(self) -> Types:
        return Types(self.policy.variable.computed, self._known_specs(), self.arranged)

    def arranged(self, x: Tree) -> Tree:
        """The inputs as the model takes them; models of several know them by name."""
        return x

    def _expect_compiled(self, what: str) -> None:
        if "programs" not in self.__dict__:
            raise ArgumentError(
                f"{what}: the model has no loss and no optimiser yet",
                fix='call model.compile(optimizer="adam", loss="mse") first',
                loc=user_location(),
            )


def _as_spec(one: Any) -> Spec:
    """A spec, or that of a batch like an array."""
    if isinstance(one, str):
        return spec(one)
    return one if isinstance(one, Spec) else batched(one.shape[1:], one.dtype)


def _merged(old: Tree, new: Tree) -> Tree:
    """Nested dicts with some leaves in the place of others."""
    if not isinstance(old, dict):
        return new
    return {name: _merged(part, new[name]) if name in new else part for name, part in old.items()}


def _parts(data: Any) -> tuple[Any, ...]:
    """Validation data: (x, y), (x, y, weight), or what gives batches."""
    return tuple(data) if isinstance(data, tuple | list) else (data,)
