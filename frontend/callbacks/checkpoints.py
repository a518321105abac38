"""Files of the model while it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from .callback import Callback
from .stopping import Watch

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Callback):
    """Saves the model after every epoch, or only where a metric is better than ever.

    `filepath` may have places for the epoch and the metrics: "model-{epoch:02d}.sfz". A model that
    is loaded goes on from there with the numbers that it would have had.
    """

    def __init__(
        self,
        filepath: str | PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
    ) -> None:
        self.filepath, self.verbose = str(filepath), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.watch = Watch(monitor, mode)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any]) -> None:
        if self.save_best_only and not self.watch.improves(logs):
            return
        path = self.filepath.format(**{**logs, "epoch": epoch + 1})
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"epoch {epoch + 1}: saved {path}")
