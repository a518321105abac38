"""The metrics of epochs in files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import UnsupportedError

from .callback import Callback

__all__ = ["CSVLogger", "TensorBoard"]


class CSVLogger(Callback):
    """A row for each epoch in a CSV file; `append` goes on in one that is there."""

    def __init__(
        self, filename: str | PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.path, self.separator, self.append = Path(filename), separator, append
        self._names: list[str] | None = None

    def on_train_begin(self, logs: Mapping[str, Any]) -> None:
        self._names = None
        if self.append and self.path.exists() and self.path.stat().st_size:
            with self.path.open(newline="") as file:
                self._names = next(csv.reader(file, delimiter=self.separator))[1:]
        else:
            self.path.write_text("")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any]) -> None:
        known = self._names or []
        if new := [name for name in logs if name not in known]:
            self._names = known = [*known, *new]
            before = [[*row, *[""] * len(new)] for row in self._rows()]
            self._write("w", [["epoch", *known], *before])
        self._write("a", [[epoch, *(logs.get(name, "") for name in known)]])

    def _rows(self) -> list[list[str]]:
        """What has been written, without the names: metrics may come later, as of validation."""
        with self.path.open(newline="") as file:
            return list(csv.reader(file, delimiter=self.separator))[1:]

    def _write(self, mode: str, rows: Sequence[Sequence[Any]]) -> None:
        with self.path.open(mode, newline="") as file:
            csv.writer(file, delimiter=self.separator).writerows(rows)


class TensorBoard(Callback):
    """Scalars of every epoch as event files, which `tensorboard --logdir` shows.

    Metrics of training are in the folder `train`, of validation in `validation`. It needs the
    package tensorboard: `pip install "symfuse[tensorboard]"`.
    """

    def __init__(self, log_dir: str | PathLike[str] = "logs") -> None:
        try:
            from tensorboard.summary import Writer
        except ImportError:
            raise UnsupportedError(
                "the package tensorboard is not installed",
                fix='pip install "symfuse[tensorboard]", or use CSVLogger',
                loc=user_location(),
            ) from None
        self._new, self.folder = Writer, Path(log_dir)
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any]) -> None:
        rates = {"learning_rate": self.model.learning_rate}
        for name, value in {**logs, **rates}.items():
            if isinstance(value, float):
                part = "validation" if name.startswith("val_") else "train"
                title = f"epoch_{name.removeprefix('val_')}"
                self._writer(part).add_scalar(title, value, step=epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Mapping[str, Any]) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            self._writers[part] = self._new(str(self.folder / part))
        return self._writers[part]
