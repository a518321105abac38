"""What a colouring saves, as text and as a picture of the pattern."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.sparsity.coloring import fewest_possible

from ..view.palette import frame_hue
from ..view.svg import document
from .coloring import Coloring

__all__ = ["Report"]

SIDE = 420.0  # of the longer side of the picture
MOST = 120  # cells along a side; more rows or columns share one


class Report(Struct, frozen=True, eq=False):
    """How a sparse derivative is computed: `pattern`, a csr_array of bools, and its `coloring`."""

    function: str
    derivative: str
    pattern: Any
    coloring: Coloring

    @property
    def evaluations(self) -> tuple[int, int]:
        """The number of passes over the graph: with colours, and for every direction."""
        return self.coloring.count, int(self.coloring.colors.size)

    @property
    def fewest(self) -> int:
        """A number that no colouring of columns or rows falls below: the fullest row or column."""
        is_rows = self.coloring.kind == "rows"
        return fewest_possible(self.pattern.T.tocsr() if is_rows else self.pattern)

    def as_dict(self) -> dict[str, Any]:
        """The figures by name."""
        colored, dense = self.evaluations
        return {
            "function": self.function,
            "derivative": self.derivative,
            "kind": self.coloring.kind,
            "shape": tuple(self.pattern.shape),
            "nnz": int(self.pattern.nnz),
            "colors": colored,
            "evaluations": colored,
            "dense_evaluations": dense,
            "fullest": self.fewest,
        }

    def text(self) -> str:
        """Two lines: the matrix, and the passes that find it."""
        rows, columns = self.pattern.shape
        colored, dense = self.evaluations
        share = 100 * self.pattern.nnz / max(rows * columns, 1)
        mode = "reverse" if self.coloring.kind == "rows" else "forward"
        full = "column" if self.coloring.kind == "rows" else "row"
        return (
            f"{self.derivative} of {self.function}: {rows} × {columns}, {self.pattern.nnz} entries "
            f"({share:.3g} %), {self.fewest} in the fullest {full}\n"
            f"{colored} colors, {self.coloring.kind}: {colored} {mode} passes in place of {dense}"
        )

    def __str__(self) -> str:
        return self.text()

    def to_svg(self) -> str:
        """The pattern, each entry in the colour of the pass that finds it."""
        rows, columns = self.pattern.shape
        cells = _cells(self)
        cell = SIDE / max(cells.shape)
        height, width = (cell * n for n in cells.shape)
        box = f'<rect class="b" x="0" y="26" width="{width:.1f}" height="{height:.1f}"/>'
        title = f"{rows} × {columns}, {self.coloring.count} colors"
        head = f'<text class="h" x="0" y="12">{title}</text>'
        return document([head, box, *_squares(cells, cell)], width, height + 26, "sparsity")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"image/svg+xml": self.to_svg(), "text/plain": self.text()}


def _cells(report: Report) -> Any:
    """The colour of an entry in each cell of the picture, -1 where there is none."""
    pattern, kind = report.pattern, report.coloring.kind
    at = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr)), pattern.indices
    colors = report.coloring.colors[at[0] if kind == "rows" else at[1]]
    shape = tuple(max(1, min(n, MOST)) for n in pattern.shape)
    found = np.full(shape, -1)
    places = (i * m // n for i, m, n in zip(at, shape, pattern.shape, strict=True))
    found[tuple(places)] = colors
    return found


def _squares(cells: Any, cell: float) -> Iterator[str]:
    for i, j in np.argwhere(cells >= 0):
        place = f'x="{j * cell:.1f}" y="{26 + i * cell:.1f}" width="{cell:.1f}"'
        fill = f"hsl({frame_hue(int(cells[i, j]))} 62% 52%)"
        yield f'<rect {place} height="{cell:.1f}" style="fill:{fill}"/>'
