"""What a callback is, and all callbacks of a fit as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

__all__ = ["Callback", "Callbacks", "LambdaCallback"]

Logs = Mapping[str, Any]


class Callback:
    """Methods that a fit calls; `self.model` is the model.

    `logs` are the metrics so far. Setting `self.model.stop_training` ends the fit after the epoch.
    """

    model: Any = None

    def on_train_begin(self, logs: Logs) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Before an epoch, which is counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After an epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        """Before a step of training, counted from 0 in each epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """After a step of training."""


class LambdaCallback(Callback):
    """A callback of functions with the names of its methods.

    >>> import symfuse as sf
    >>> seen = []
    >>> callback = sf.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    >>> callback.on_epoch_end(3, {})
    >>> seen
    [3]
    """

    def __init__(self, **functions: Any) -> None:
        known = [name for name in vars(Callback) if name.startswith("on_")]
        if unknown := sorted(functions.keys() - set(known)):
            raise ArgumentError(
                f"callbacks have no method {unknown[0]!r}",
                fix=f"give functions for some of {', '.join(known)}",
                loc=user_location(),
            )
        self.__dict__.update(functions)


class Callbacks:
    """All callbacks of a fit, called one after the other."""

    def __init__(self, each: Sequence[Any], model: Any) -> None:
        if not isinstance(each, list | tuple) or not all(isinstance(o, Callback) for o in each):
            raise ArgumentError(
                f"callbacks={each!r}",
                fix="give a list of callbacks: records of sf.callbacks, or of classes made from"
                " sf.callbacks.Callback",
                loc=user_location(),
            )
        self.each = tuple(each)
        for one in self.each:
            one.model = model

    def call(self, name: str, *args: Any) -> None:
        """Call a method of each."""
        for one in self.each:
            getattr(one, name)(*args)

    def watches(self, name: str) -> bool:
        """Whether a callback has a method of its own of this name."""
        return any(
            name in vars(one) or getattr(type(one), name) is not getattr(Callback, name)
            for one in self.each
        )
