"""Prints a folder from which symfuse can be imported without being installed.

    export PYTHONPATH=$(python tools/unpacked.py)

The folder has links to this checkout, because three of its folders make one package.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def unpacked() -> Path:
    """The folder, made anew where links are missing."""
    mark = hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    package = Path(tempfile.gettempdir()) / f"symfuse-links-{mark}" / "symfuse"
    package.mkdir(parents=True, exist_ok=True)
    parts = [*(ROOT / "frontend").iterdir(), ROOT / "compiler", ROOT / "runtime"]
    for link in package.iterdir():
        if not link.exists():
            link.unlink()
    for part in parts:
        link = package / part.name
        if not link.is_symlink():
            link.symlink_to(part)
    return package.parent


if __name__ == "__main__":
    sys.stdout.write(f"{unpacked()}\n")
