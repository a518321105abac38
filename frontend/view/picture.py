"""Drawings and charts that can be shown, and written into files of several formats."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, UnsupportedError

from .drawing import Drawing
from .page import card, page
from .page import drawing as movable
from .svg import drawing_svg

__all__ = ["Chart", "Picture"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
_CSS_DPI = 96  # pixels of CSS in an inch


class _Image(Struct, frozen=True, kw_only=True):
    """What notebooks show and `save` writes; `text` says it in words."""

    text: str = ""
    dpi: int = 200

    @abstractmethod
    def to_svg(self) -> str:
        """One SVG document, made without other programs."""

    @abstractmethod
    def to_html(self) -> str:
        """One page that needs nothing else."""

    def to_png(self) -> bytes:
        """The image in pixels, `dpi` of them for an inch, made by a Chromium browser."""
        browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
        if browser is None:
            raise UnsupportedError(
                "PNG pictures are drawn by a browser, and there is no Chromium on the PATH",
                fix="save the picture as .svg or .html, or install chromium",
                loc=user_location(),
            )
        return _photographed(browser, self.to_svg(), self.dpi / _CSS_DPI)

    def writers(self) -> dict[str, Callable[[], str | bytes]]:
        """The endings of file names, each with what makes the contents."""
        return {".svg": self.to_svg, ".html": self.to_html, ".png": self.to_png}

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the image into a file, in the format that its name ends with."""
        target, writers = Path(path), self.writers()
        if target.suffix not in writers:
            raise ArgumentError(
                f"{target.name} does not end with the name of a format",
                fix=f"use one of {', '.join(writers)}",
                loc=user_location(),
            )
        found = writers[target.suffix]()
        target.write_bytes(found if isinstance(found, bytes) else found.encode())
        return target

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.text or repr(self), "image/svg+xml": self.to_svg()}


class Chart(_Image, frozen=True):
    """A finished SVG document; `kind` says what it shows of what `name` names."""

    svg: str
    name: str
    kind: str

    def to_svg(self) -> str:
        return self.svg

    def to_html(self) -> str:
        return page(self.name, self.kind, "", [], [(self.kind.capitalize(), card(self.svg))])

    def __repr__(self) -> str:
        return f"<{self.kind} of {self.name}>"


class Picture(_Image, frozen=True):
    """A drawing; notebooks show it, `save` writes it as .svg, .html, .dot or .png."""

    drawing: Drawing

    def to_svg(self) -> str:
        return drawing_svg(self.drawing)

    def to_html(self) -> str:
        name, facts = self.drawing.name, [("boxes", str(len(self.drawing.boxes)))]
        body = card(movable(self.to_svg()))
        return page(name, "layers", self.text.partition("\n")[0], facts, [("Layers", body)])

    def to_dot(self) -> str:
        """The drawing in the language of Graphviz; frames are clusters."""
        drawn = self.drawing
        ids = {box.key: f"n{at}" for at, box in enumerate(drawn.boxes)}
        ends = dict.fromkeys((ids[line.source], ids[line.target]) for line in drawn.lines)
        lines = [f"digraph {_quoted(drawn.name)} {{", f"  rankdir={drawn.rankdir};"]
        lines.append('  node [shape=box, fontname="monospace"];')
        lines += _cluster(drawn, None, ids, "  ")
        lines += [f"  {source} -> {target};" for source, target in ends]
        return "\n".join([*lines, "}", ""])

    def writers(self) -> dict[str, Callable[[], str | bytes]]:
        return {**_Image.writers(self), ".dot": self.to_dot}

    def __repr__(self) -> str:
        count = len(self.drawing.boxes)
        return f"<picture of {self.drawing.name}: {count} boxes>"


def _cluster(
    drawing: Drawing, frame: Hashable | None, ids: Mapping[Hashable, str], margin: str
) -> Iterator[str]:
    """The boxes that lie directly in a frame, and the frames in it."""
    for box in drawing.boxes:
        if box.frame == frame:
            label = _quoted("\n".join(part for part in (box.title, box.detail) if part))
            shape = ", shape=ellipse" if box.family in ("parameter", "output") else ""
            yield f"{margin}{ids[box.key]} [label={label}{shape}];"
    for at, one in enumerate(drawing.frames):
        if one.frame == frame:
            yield f"{margin}subgraph cluster_{at} {{"
            yield f"{margin}  label={_quoted(one.title)};"
            yield from _cluster(drawing, one.key, ids, f"{margin}  ")
            yield f"{margin}}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _photographed(browser: str, svg: str, scale: float) -> bytes:
    """What a browser without a window shows of an SVG document."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "picture.svg"), Path(folder, "picture.png")
        source.write_text(svg, encoding="utf-8")
        width, height = (svg.partition(f' {name}="')[2].partition('"')[0] for name in _SIDES)
        command = [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *(f"--user-data-dir={folder}", f"--force-device-scale-factor={scale:g}"),
            *(f"--window-size={width},{height}", f"--screenshot={target}", source.as_uri()),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode or not target.exists():
            raise UnsupportedError(
                f"{browser} could not draw the picture: {done.stderr.strip()[-300:]}",
                fix="save the picture as .svg or .html",
                loc=user_location(),
            )
        return target.read_bytes()


_SIDES = ("width", "height")
