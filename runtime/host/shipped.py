"""Machine code that comes with symfuse, as what a compiler's own run-time library is."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

from .image import Image
from .layout import fingerprint
from .loader import architecture

__all__ = ["FOLDER", "file_name", "image", "packed"]

FOLDER = Path(__file__).parent / "shared"


def file_name(name: str) -> str:
    """The file for an architecture, of the operating system and the layout of Python's objects
    that this interpreter has."""
    return f"{sys.platform}-{name}-{fingerprint()}.bin"


def image() -> Image | None:
    """The helpers of all programs, if there are some for this machine."""
    path = FOLDER / file_name(architecture())
    return Image.from_bytes(zlib.decompress(path.read_bytes())) if path.exists() else None


def packed(image: Image) -> bytes:
    """What such a file holds."""
    return zlib.compress(image.to_bytes(), 9)
