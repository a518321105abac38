"""Prints a folder from which symfuse can be imported without being installed.

    export PYTHONPATH=$(python tools/unpacked.py)

In the folder is a package that points into this checkout, three folders of which make symfuse.
Modules keep their true paths, by which messages tell the user's lines from symfuse's own.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = """from pathlib import Path

__path__ = [{frontend!r}, {root!r}]
__file__ = {init!r}
exec(compile(Path(__file__).read_text(encoding="utf-8"), __file__, "exec"))
"""


def unpacked() -> Path:
    """The folder, with its package written anew."""
    mark = hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    package = Path(tempfile.gettempdir()) / f"symfuse-checkout-{mark}" / "symfuse"
    package.mkdir(parents=True, exist_ok=True)
    frontend = ROOT / "frontend"
    places = {"frontend": frontend, "root": ROOT, "init": frontend / "__init__.py"}
    text = TEXT.format(**{name: str(place) for name, place in places.items()})
    (package / "__init__.py").write_text(text, encoding="utf-8")
    return package.parent


if __name__ == "__main__":
    sys.stdout.write(f"{unpacked()}\n")
