"""The commands of `symfuse`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; its parts are loaded only now."""
    return int(import_module("symfuse.cli.commands").main(argv))
