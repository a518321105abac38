"""Learning rates that change between epochs; nothing is compiled again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from .callback import Callback
from .stopping import Watch

__all__ = ["LearningRateScheduler", "ReduceLROnPlateau"]


class LearningRateScheduler(Callback):
    """The rate of an epoch is `schedule(epoch, rate)`, or `schedule(epoch)`."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose
        self._takes_rate = len(inspect.signature(schedule).parameters) > 1

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any]) -> None:
        given = (epoch, self.model.learning_rate) if self._takes_rate else (epoch,)
        rate = float(self.schedule(*given))
        self.model.learning_rate = rate
        if self.verbose:
            print(f"epoch {epoch + 1}: learning rate {rate:.4g}")


class ReduceLROnPlateau(Callback):
    """The rate times `factor` after `patience` epochs without a better value of a metric."""

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        self._watched = (monitor, mode, min_delta)
        self.watch = Watch(*self._watched)
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr

    def on_train_begin(self, logs: Mapping[str, Any]) -> None:
        self.watch, self.wait, self.resting = Watch(*self._watched), 0, 0

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any]) -> None:
        if self.resting:
            self.resting, self.wait = self.resting - 1, 0
        if self.watch.improves(logs):
            self.wait = 0
        elif not self.resting:
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        self.wait, self.resting = 0, self.cooldown
        rate = max(self.model.learning_rate * self.factor, self.min_lr)
        if rate < self.model.learning_rate:
            self.model.learning_rate = rate
            if self.verbose:
                print(f"epoch {epoch + 1}: learning rate {rate:.4g}")
