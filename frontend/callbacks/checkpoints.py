"""Files of the model while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from .callback import Callback
from .stopping import Watch

__all__ = ["BackupAndRestore", "ModelCheckpoint"]

Save = Callable[[int, Mapping[str, Any]], None]


class ModelCheckpoint(Callback):
    """Saves the model after every epoch, or only where a metric is better than ever.

    With a number as `save_freq` it saves after so many batches instead, counted from the beginning
    of the fit. `filepath` may have places for the epoch, the metrics and then the batch:
    "model-{epoch:02d}.sfz". A model that is loaded goes on from there with the numbers that it
    would have had, bit for bit, inside an epoch too if it is fitted to the same data.
    """

    def __init__(
        self,
        filepath: str | PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
    ) -> None:
        self.filepath, self.verbose = str(filepath), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.watch = Watch(monitor, mode)
        _listen(self, save_freq, self._save_after_batch, self._save_after_epoch)

    def _save_after_batch(self, batch: int, logs: Mapping[str, Any]) -> None:
        self._save(self.model.progress.epoch, logs, batch=batch + 1)

    def _save_after_epoch(self, epoch: int, logs: Mapping[str, Any]) -> None:
        self._save(epoch, logs)

    def _save(self, epoch: int, logs: Mapping[str, Any], **place: int) -> None:
        if self.save_best_only and not self.watch.improves(logs):
            return
        path = Path(self.filepath.format(**{**logs, "epoch": epoch + 1, **place}))
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"epoch {epoch + 1}: saved {path}")


class BackupAndRestore(Callback):
    """Goes on with a fit that was cut off: with the same numbers as if it had never been.

    The model is saved into `backup_dir` after every epoch, or after `save_freq` batches. A fit
    that finds a file there begins where that one ended; one that comes to its end removes it. The
    model, the data, the seed and the arguments of `fit` must be the same. A file is complete or
    not there at all, so Keras' `double_checkpoint` is not needed.
    """

    def __init__(
        self,
        backup_dir: str | PathLike[str],
        save_freq: str | int = "epoch",
        delete_checkpoint: bool = True,
    ) -> None:
        self.path, self.delete_checkpoint = Path(backup_dir) / "backup.sfz", delete_checkpoint
        _listen(self, save_freq, self._back_up, self._back_up)

    def on_train_begin(self, logs: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self.model.restore(self.path)

    def on_train_end(self, logs: Mapping[str, Any]) -> None:
        if self.delete_checkpoint:
            self.path.unlink(missing_ok=True)

    def _back_up(self, at: int, logs: Mapping[str, Any]) -> None:
        self.model.save(self.path)


def _listen(callback: Any, save_freq: str | int, after_batch: Save, after_epoch: Save) -> None:
    """Have a method called after every epoch, or after every so many batches."""
    if save_freq == "epoch":
        callback.on_epoch_end = after_epoch
        return
    if not isinstance(save_freq, int) or save_freq < 1:
        raise ArgumentError(
            f"save_freq={save_freq!r} is not known",
            fix='give "epoch", or a number of batches',
            loc=user_location(),
        )
    numbers = count(1)

    def after(batch: int, logs: Mapping[str, Any]) -> None:
        if next(numbers) % save_freq == 0:
            after_batch(batch, logs)

    callback.on_train_batch_end = after
