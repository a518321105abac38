"""How numbers and tables are written in every explanation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..ir.dims import Dim

__all__ = [
    "as_bundle",
    "bytes_text",
    "count_text",
    "numbered",
    "seconds_text",
    "share_text",
    "table",
    "with_facts",
]

_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")
_COUNTS = ("", "k", "M", "G", "T", "P")


def bytes_text(size: Dim | float) -> str:
    """`1.5 MiB`; a formula keeps its symbols: `4*N B`."""
    if not isinstance(size, int | float):
        return f"{size} B"
    unit = 0
    value = float(size)
    while abs(value) >= 1024 and unit < len(_BYTES) - 1:
        value, unit = value / 1024, unit + 1
    return f"{_three(value) if unit else int(size)} {_BYTES[unit]}"


def count_text(count: Dim | float) -> str:
    """`1.5 M`; a formula is itself."""
    if not isinstance(count, int | float):
        return str(count)
    unit = 0
    value = float(count)
    while abs(value) >= 1000 and unit < len(_COUNTS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{_three(value)} {_COUNTS[unit]}" if unit else f"{count:g}"


def numbered(count: Dim, thing: str) -> str:
    """`1 kernel`, `1.5 M tiles`, `N turns`."""
    return f"{count_text(count)} {thing}{'' if count == 1 else 's'}"


def seconds_text(seconds: float) -> str:
    """`12.3 µs`, `4.56 ms`, `1.2 s`."""
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if abs(seconds) < limit:
            return f"{_three(seconds * factor)} {unit}"
    return f"{_three(seconds)} s"


def share_text(part: float, whole: float) -> str:
    """`12 %`."""
    return f"{100 * part / whole if whole else 0:.0f} %"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Aligned columns; the first `left` are text, the others stand to the right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    written = []
    for line in lines:
        cells = [
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        written.append("  ".join(cells).rstrip())
    rule = "  ".join("─" * width for width in widths)
    return "\n".join([written[0], rule, *written[1:]])


def with_facts(
    header: Sequence[str], rows: Sequence[Sequence[str]], facts: Iterable[str], left: int = 1
) -> str:
    """A table, and below it lines on the whole; these alone where there are no rows."""
    told = "\n".join(facts)
    return f"{table(header, rows, left)}\n\n{told}" if rows else told


def as_bundle(report: object, include: Any = None, exclude: Any = None) -> dict[str, str]:
    """A report as notebooks show it: its text, aligned as it is."""
    return {"text/plain": str(report)}


def _three(value: float) -> str:
    """Three digits, no exponent."""
    size = abs(value)
    return f"{value:.0f}" if size >= 99.95 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"
