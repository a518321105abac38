"""Tables: laid out by rich for the width of a terminal, plain text where the output is none."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TextIO

from symfuse.compiler.explain.text import table

__all__ = ["console", "print_table"]


def console(stream: TextIO | None = None) -> Any:
    """A rich console on a stream; the error stream by default."""
    from rich.console import Console

    return Console(file=stream or sys.stderr, highlight=False)


def print_table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int = 1,
    stream: TextIO | None = None,
) -> None:
    """Print an aligned table: ruled on a terminal, plain where the output goes elsewhere."""
    target = stream or sys.stdout
    if not target.isatty():
        print(f"{title}\n{table(header, rows, left)}" if title else table(header, rows, left))
        return
    from rich import box
    from rich.table import Table

    drawn = Table(title=title or None, box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.title_justify, drawn.title_style, drawn.header_style = "left", "bold", "bold"
    for at, name in enumerate(header):
        drawn.add_column(name, justify="left" if at < left else "right")
    for row in rows:
        drawn.add_row(*map(_escaped, row))
    console(target).print(drawn)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
