"""The colours of every drawing, light and dark, as CSS variables."""

from __future__ import annotations

__all__ = ["FAMILIES", "FRAME_HUES", "MONO", "SANS", "STYLE", "frame_hue", "variables"]

MONO = "ui-monospace,SFMono-Regular,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace"
SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','DejaVu Sans',sans-serif"

FAMILIES = {
    "parameter": ("#64748b", "#94a3b8", "parameter"),
    "constant": ("#94a3b8", "#64748b", "constant"),
    "elementwise": ("#2f6fed", "#6ea0ff", "elementwise"),
    "product": ("#e8730c", "#ff9d4d", "matrix product"),
    "reduction": ("#8b46e0", "#b98aff", "reduction"),
    "movement": ("#0f9488", "#3fc9bb", "view or movement"),
    "indexing": ("#d1347f", "#f472b6", "indexing"),
    "output": ("#16914a", "#4ade80", "output"),
    "other": ("#6b7280", "#9ca3af", "other"),
}
"""Kind of operation → its colour in light and in dark, and its name in legends."""

FRAME_HUES = (212, 28, 152, 276, 338, 184, 48, 242, 8, 118)


def frame_hue(number: int) -> int:
    """A hue for the kernel of this number; neighbours in number differ clearly."""
    return FRAME_HUES[number % len(FRAME_HUES)]


_LIGHT = {
    "paper": "#ffffff",
    "card": "#ffffff",
    "ink": "#16202e",
    "soft": "#5b6879",
    "line": "#9aa7b8",
    "edge": "#d6dde6",
    "wash": "96%",
    "tint": "62%",
    "sat": "70%",
    "rim": "55%",
}
_DARK = {
    "paper": "#10161f",
    "card": "#1a2330",
    "ink": "#e6edf5",
    "soft": "#93a1b3",
    "line": "#5c6c80",
    "edge": "#324155",
    "wash": "14%",
    "tint": "40%",
    "sat": "24%",
    "rim": "34%",
}


def variables(selector: str, *, dark: bool) -> str:
    """The CSS rule that sets all colours below a selector."""
    chosen = _DARK if dark else _LIGHT
    rules = [f"--sf-{name}:{value}" for name, value in chosen.items()]
    rules += [f"--sf-{name}:{colours[dark]}" for name, colours in FAMILIES.items()]
    return f"{selector}{{{';'.join(rules)}}}"


STYLE = "".join(
    (
        variables(".sf", dark=False),
        f"@media (prefers-color-scheme:dark){{{variables('.sf', dark=True)}}}",
        variables(":root[data-theme=light] .sf", dark=False),
        variables(":root[data-theme=dark] .sf", dark=True),
        f".sf text{{font-family:{MONO};fill:var(--sf-ink)}}",
        ".sf .t{font-size:12px;font-weight:600}.sf .d{font-size:10.5px;fill:var(--sf-soft)}",
        ".sf .l{font-size:9.5px;fill:var(--sf-soft);stroke:var(--sf-paper);stroke-width:3px;",
        "paint-order:stroke;stroke-linejoin:round}",
        ".sf .b{fill:var(--sf-card);stroke:var(--sf-edge);stroke-width:1}",
        ".sf .e{fill:none;stroke:var(--sf-line);stroke-width:1.3}.sf .a{fill:var(--sf-line)}",
        ".sf .h{font-size:13px;font-weight:650}.sf .grid{stroke:var(--sf-edge);stroke-width:1}",
        ".sf .f{stroke-width:1.2}.sf .ft{font-size:10.5px;font-weight:600;fill:var(--sf-soft);",
        "stroke-width:4px;paint-order:stroke;stroke-linejoin:round}",
        ".sf .bg{fill:var(--sf-paper)}",
        *(f".sf .{name}{{fill:var(--sf-{name})}}" for name in FAMILIES),
    )
)
"""What every drawing carries, so that it is readable alone and follows the page's theme."""
