"""The tree holds no leftovers: unfinished marks, paths of some machine, notices in files."""

from __future__ import annotations

import os
import re

TEXT = {"", ".c", ".cfg", ".cu", ".err", ".h", ".html", ".in", ".ipynb", ".js", ".json", ".kernel"}
TEXT |= {".css", ".ll", ".md", ".py", ".sf", ".sh", ".toml", ".txt", ".yaml", ".yml"}
GENERATED = {"__pycache__", "build", "dist", "node_modules", "site"}

# Written in two parts, so that this file does not find itself.
LEFTOVERS = {
    "an unfinished mark": r"\bTO" r"DO\b|\bFIX" r"ME\b|\bXX" r"X\b",
    "a sign of an early draft": r"(?i)\bproto" r"types?\b",
    "the path of one machine": r"(?<![\w.~$}])/(?:home|root|work|Users|workspace|builds?)/\w",
    "a notice that belongs into LICENSE": r"(?i)\bcopy" r"right\b|\bSPDX-",
}


def test_the_tree_holds_no_leftovers(root):
    patterns = {what: re.compile(pattern) for what, pattern in LEFTOVERS.items()}
    found = [
        f"{path.relative_to(root)}:{number}: {what}: {line.strip()}"
        for path in _texts(root)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for what, pattern in patterns.items()
        if pattern.search(line)
    ]
    assert not found


def _texts(root):
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if _is_ours(root, folder, name)]
        for path in (root.__class__(folder, name) for name in names):
            if path.suffix in TEXT and path.name not in ("LICENSE", ".coverage", ".git"):
                yield path


def _is_ours(root, folder, name):
    if name in GENERATED or name.endswith(".egg-info"):
        return False
    return name == ".ci" or not name.startswith(".")
