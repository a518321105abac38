"""What the manifest of a saved program says, as a record that is checked when it is read.

Annotations are types, not their texts: files are checked against them, in every start.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .program import Argument, Launch, Result

__all__ = ["Manifest", "Memory"]


class Memory(NamedTuple):
    """Bytes of a call, or their formulas: the arena, and what it takes in all."""

    arena: int | str
    peak: int | str | None = None


class Manifest(NamedTuple):
    """A program without its code and arrays.

    Until schema 3 the only formula of the memory was that of the arena.
    """

    target: str
    layout: str
    features: tuple[str, ...]
    inputs: tuple[Argument, ...]
    outputs: tuple[Result, ...]
    symbols: tuple[str, ...]
    memory: Memory | int | str
    guards: tuple[str, ...]
    launches: tuple[Launch, ...]
    work: int
    metadata: Mapping[str, Any]
    architecture: str | None = None
    device: Mapping[str, Any] | None = None
