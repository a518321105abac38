"""CSV files of numbers and names."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from .reading import broken, contents

__all__ = ["Table", "read_csv"]

Rows = list[list[str]]


class Table(dict[str, Any]):
    """Columns by name: float64 where every entry is a number, else text."""

    def split(self, target: str, dtype: Any = np.float32) -> tuple[Any, Any]:
        """Features [rows, columns] and the target; a target of text becomes the number of its name.

        Names are numbered in alphabetical order.
        """
        if target not in self:
            raise ArgumentError(
                f"the table has no column {target!r}",
                fix=f"it has {', '.join(self)}",
                loc=user_location(),
            )
        others = [column for name, column in self.items() if name != target]
        texts = [name for name, c in self.items() if name != target and c.dtype.kind == "U"]
        if texts:
            raise ArgumentError(
                f"the column {texts[0]!r} is text",
                fix=f"take it out, or turn it into numbers: np.unique(table[{texts[0]!r}], "
                "return_inverse=True)",
                loc=user_location(),
            )
        y = self[target]
        if y.dtype.kind == "U":
            y = np.unique(y, return_inverse=True)[1]
        return np.stack(others, axis=1).astype(dtype), y


def read_csv(
    path: str | Path, *, delimiter: str = ",", header: bool | Sequence[str] = True
) -> Table:
    """The columns of a CSV file in UTF-8, plain or packed by gzip; an empty number is NaN.

    `header` says whether the first line names the columns, or gives the names. Raises `DataError`
    with the line where rows differ in length, and for a file without rows.
    """
    name = str(path)
    rows = _rows(name, contents(path), delimiter)
    named = header is True
    first = rows[0] if named else ["" for _ in rows[0]]
    names = [text.strip() or f"column_{at}" for at, text in enumerate(first)]
    if not isinstance(header, bool):
        names = list(header)
    body = rows[1:] if named else rows
    if not body:
        raise broken(name, "at line 2", "a row of numbers", "the end of the file")
    _same_length(name, body, names, 1 + named)
    _once(name, names)
    columns = zip(*body, strict=True)
    return Table({label: _column(column) for label, column in zip(names, columns, strict=True)})


def _rows(name: str, data: bytes, delimiter: str) -> Rows:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"the byte {data[error.start]:02x}"
        raise broken(name, f"at byte {error.start}", "text in UTF-8", found) from error
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    while rows and not rows[-1]:
        rows.pop()
    if not rows:
        raise broken(name, "at line 1", "rows", "an empty file")
    return rows


def _same_length(name: str, rows: Rows, names: list[str], line: int) -> None:
    for at, row in enumerate(rows):
        if len(row) != len(names):
            expected = f"{len(names)} entries ({', '.join(names)})"
            raise broken(name, f"at row {at + line}", expected, str(len(row)), "repair the row")


def _once(name: str, names: list[str]) -> None:
    twice = [label for label in names if names.count(label) > 1]
    if twice:
        raise broken(
            name,
            "at line 1",
            "a name for each column",
            f"{twice[0]!r} more than once",
            "give the names: header=[…]",
        )


def _column(entries: Sequence[str]) -> Any:
    try:
        return np.array([float(text) if text.strip() else np.nan for text in entries])
    except ValueError:
        return np.array([text.strip() for text in entries])
