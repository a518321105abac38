"""Small charts as SVG: memory over time, and bars with their spread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from symfuse.compiler.explain.memory import MemoryReport, MemoryRow
from symfuse.compiler.explain.text import bytes_text
from symfuse.compiler.ir.dims import Dim, Expr, Symbol, evaluate, lower_bound, symbols, upper_bound

from .palette import frame_hue
from .svg import document

__all__ = ["bars", "memory_chart"]

WIDTH, HEIGHT, LEFT = 860.0, 360.0, 76.0
BAR, LABEL = 24.0, 190.0
_USUAL = 64  # of a size that is left open


def memory_chart(report: MemoryReport, sizes: Mapping[str, int] | None = None) -> str:
    """Offset over launches, a rectangle for each buffer; without sizes, symbols are taken as 64, or
    as what is allowed next to it."""
    known = sizes or {symbol.name: _allowed(symbol) for symbol in _symbols(report)}
    launches = max(len(report.launches), 1)
    peak = max(evaluate(report.peak, known), 1)
    step = (WIDTH - LEFT) / launches
    parts = [*_memory_grid(report, peak, step)]
    for number, row in enumerate(report.rows):
        parts.append(_life(row, number, known, peak, step))
    parts.append(_bound(evaluate(report.lower_bound, known), peak))
    shown = ", ".join(f"{name} = {size}" for name, size in known.items())
    caption = f"planned peak {bytes_text(peak)}, unshared "
    caption += bytes_text(evaluate(report.unshared, known)) + (f" at {shown}" if shown else "")
    parts.append(f'<text class="d" x="{LEFT}" y="{HEIGHT + 44}">{escape(caption)}</text>')
    return document(parts, WIDTH, HEIGHT + 50, "memory plan")


def _allowed(symbol: Symbol) -> int:
    """A size near to 64 that a symbol may have."""
    upper, step = upper_bound(symbol + 0), symbol.multiple_of
    most = _USUAL if upper is None else min(upper, _USUAL)
    least = lower_bound(symbol + 0) or 0
    return max(most // step * step, -(-least // step) * step)


def _symbols(report: MemoryReport) -> Iterator[Symbol]:
    """The sizes that the plan depends on."""
    dims: list[Dim] = [report.peak, report.lower_bound, report.unshared]
    for row in report.rows:
        dims += [row.nbytes, row.offset]
    return (s for d in dims if isinstance(d, Expr) for s in symbols(d))


def _memory_grid(report: MemoryReport, peak: int, step: float) -> Iterator[str]:
    for quarter in range(5):
        y = HEIGHT * (1 - quarter / 4)
        label = bytes_text(peak * quarter // 4)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="d" text-anchor="end" x="{LEFT - 8}" y="{y + 4:.1f}">{label}</text>'
    every = max(1, len(report.launches) // 24)
    for at, name in enumerate(report.launches):
        if at % every == 0:
            x = LEFT + (at + 0.5) * step
            place = f'text-anchor="middle" x="{x:.1f}" y="{HEIGHT + 18}"'
            yield f'<text class="d" {place}><title>{escape(name)}</title>k{at}</text>'


def _life(row: MemoryRow, number: int, known: Mapping[str, int], peak: int, step: float) -> str:
    nbytes, offset = evaluate(row.nbytes, known), evaluate(row.offset, known)
    height = max(1.5, HEIGHT * nbytes / peak)
    y = HEIGHT * (1 - offset / peak) - height
    x, width = LEFT + row.first * step + 1.5, (row.last - row.first + 1) * step - 3
    hue = frame_hue(number)
    hint = f"{row.name}: {row.type}\n{bytes_text(nbytes)} at {offset}, k{row.first} to k{row.last}"
    style = f"fill:hsl({hue} 62% 58% / .55);stroke:hsl({hue} var(--sf-rim) var(--sf-tint))"
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3"'
    rect = f'<g><title>{escape(hint)}</title><rect {place} style="{style}"/>'
    if height < 14 or width < 6.6 * len(row.name) + 8:
        return f"{rect}</g>"
    at = f'text-anchor="middle" x="{x + width / 2:.1f}" y="{y + height / 2 + 4:.1f}"'
    return f'{rect}<text class="d" style="fill:var(--sf-ink)" {at}>{escape(row.name)}</text></g>'


def _bound(bound: int, peak: int) -> str:
    y = HEIGHT * (1 - bound / peak)
    style = 'stroke="#d13438" stroke-dasharray="5 4" stroke-width="1.4"'
    line = f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" {style}/>'
    text = f'<text class="l" text-anchor="end" x="{WIDTH}" y="{y - 5:.1f}">lower bound</text>'
    return line + text


def bars(
    rows: Sequence[tuple[str, float, float, float, str]], title: str, *, unit: str = ""
) -> str:
    """Horizontal bars: name, value, low and high end of the spread, what is written behind."""
    most = max((row[3] for row in rows), default=1.0) or 1.0
    scale = (WIDTH - LABEL - 170) / most
    parts = [f'<text class="h" x="0" y="8">{escape(title)}</text>']
    for at, (name, value, low, high, text) in enumerate(rows):
        y = 30 + at * (BAR + 10)
        end, middle = LABEL + value * scale, y + BAR / 2
        style = f"fill:hsl({frame_hue(at)} 62% 58% / .8)"
        label = f'text-anchor="end" x="{LABEL - 10}" y="{middle + 4:.1f}"'
        parts.append(f'<text class="t" {label}>{escape(name)}</text>')
        width = max(1.0, value * scale)
        place = f'x="{LABEL}" y="{y:.1f}" width="{width:.1f}" height="{BAR}" rx="4"'
        parts.append(f'<rect {place} style="{style}"/>')
        x0, x1 = LABEL + low * scale, LABEL + high * scale
        whisker = f"M{x0:.1f} {middle - 5:.1f}v10M{x0:.1f} {middle:.1f}H{x1:.1f}m0 -5v10"
        parts.append(f'<path class="e" style="stroke:var(--sf-ink)" d="{whisker}"/>')
        place = f'x="{max(end, x1) + 8:.1f}" y="{middle + 4:.1f}"'
        parts.append(f'<text class="d" {place}>{escape(f"{text}{unit}")}</text>')
    return document(parts, WIDTH, 30 + len(rows) * (BAR + 10), title)
