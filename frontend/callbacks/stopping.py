"""Ends of training that depend on a metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from .callback import Callback

__all__ = ["EarlyStopping", "Watch"]


class Watch:
    """The best value of a metric so far: the least, or the greatest with mode "max".

    "auto" takes the greatest of what is called accuracy, auc, precision, recall or f1.
    """

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(
                f"mode={mode!r} is not known", fix='give "auto", "min" or "max"',
                loc=user_location(),
            )  # fmt: skip
        grows = ("acc", "auc", "precision", "recall", "f1")
        high = mode == "max" or (mode == "auto" and any(word in monitor for word in grows))
        self.monitor, self._sign, self._delta = monitor, -1.0 if high else 1.0, abs(min_delta)
        self.best: float | None = None

    def value(self, logs: Mapping[str, Any]) -> float:
        """The metric in the logs."""
        if self.monitor not in logs:
            raise ArgumentError(
                f"there is no metric {self.monitor!r} in the logs",
                fix=f"monitor one of {', '.join(logs)}; val_* need validation_data",
                loc=user_location(),
            )
        return float(logs[self.monitor])

    def improves(self, logs: Mapping[str, Any]) -> bool:
        """Whether the metric is better than ever; it is then the best."""
        value = self.value(logs)
        if not self.is_better(value, self.best):
            return False
        self.best = value
        return True

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether a value is better than another, or than none; what is no number never is."""
        if best is None:
            return not math.isnan(value)
        return self._sign * (best - value) > self._delta


class EarlyStopping(Callback):
    """Ends the fit after `patience` epochs without a better value of a metric.

    Values that are no better than `baseline` do not count as better. With `restore_best_weights`
    the model then has the weights of the best epoch.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self._watched = (monitor, mode, min_delta)
        self.watch = Watch(*self._watched)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.stopped_epoch: int | None = None
        self.best_epoch = 0

    def on_train_begin(self, logs: Mapping[str, Any]) -> None:
        self.watch, self.wait, self.stopped_epoch = Watch(*self._watched), 0, None
        self._weights: list[np.ndarray[Any, Any]] | None = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any]) -> None:
        if epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.watch.improves(logs):
            self.best_epoch = epoch
            if self.restore_best_weights:
                self._weights = self.model.get_weights()
            if self.watch.is_better(self.watch.value(logs), self.baseline):
                self.wait = 0
        if self.wait >= max(self.patience, 1):
            self.model.stop_training, self.stopped_epoch = True, epoch

    def on_train_end(self, logs: Mapping[str, Any]) -> None:
        if self._weights is not None:
            self.model.set_weights(self._weights)
        if self.stopped_epoch is not None and self.verbose:
            print(f"epoch {self.stopped_epoch + 1}: no better {self.watch.monitor} any more")
