"""Pages that a browser opens."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from pathlib import Path

__all__ = ["opened"]


def opened(name: str, page: str) -> Path:
    """The temporary file with a page, which a browser has been told to open."""
    handle, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".html")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(page)
    target = Path(path)
    webbrowser.open(target.as_uri())
    return target
