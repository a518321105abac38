"""What happened in the epochs of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from ..view.curves import curves

__all__ = ["History"]


class History(Struct, eq=False):
    """`epoch`, their numbers, and `history`, what each metric was at their ends.

    >>> import symfuse as sf
    >>> history = sf.nn.History()
    >>> history.add(0, {"loss": 1.0})
    >>> history.history
    {'loss': [1.0]}
    """

    epoch: list[int] = field(default_factory=list)
    history: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Write down the metrics at the end of an epoch."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def plot(self, path: str | Path | None = None) -> str:
        """The curves of all metrics as SVG; also written into a file, where a path is given."""
        series = {
            name: [
                (epoch + 1, float(value)) for epoch, value in zip(self.epoch, values, strict=False)
            ]
            for name, values in self.history.items()
            if all(isinstance(value, float) for value in values)
        }
        svg = curves(series, "epoch")
        if path is not None:
            Path(path).write_text(svg, encoding="utf-8")
        return svg

    def _repr_svg_(self) -> str:
        return self.plot()

    def __repr__(self) -> str:
        last = {name: values[-1] for name, values in self.history.items() if values}
        return f"<history of {len(self.epoch)} epochs: {last}>"
