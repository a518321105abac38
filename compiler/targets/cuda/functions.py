"""Kernels that differ in names alone are one function, which is compiled and loaded once.

Layers of a model repeat their kernels with other parameters. What such kernels have in common is
their text with every name replaced by its position; its hash names the function.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from .kernels import KernelSource

__all__ = ["Function", "functions_of"]

_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_COMMENT = re.compile(r"^ *//.*\n", re.MULTILINE)  # these name lines of the user, which move
_NUMBERED = re.compile(r"^(?:[bk]\d+_|test_)+")
_ENTRY = "sf_kernel"


class Function(Struct, frozen=True):
    """The text of one function without what stands in front of all."""

    entry: str
    body: str


def functions_of(sources: Iterable[KernelSource]) -> Mapping[KernelSource, Function]:
    """The function of every kernel, the same one for kernels of equal text."""
    made: dict[str, Function] = {}
    found: dict[KernelSource, Function] = {}
    for source in sources:
        text = _anonymous(source)
        if text not in made:
            entry = f"{_words(source.name)}_{hashlib.sha256(text.encode()).hexdigest()[:10]}"
            made[text] = Function(entry, text.replace(_ENTRY, entry))
        found[source] = made[text]
    return found


def _words(name: str) -> str:
    """The name of a kernel without its number in the program."""
    return _NUMBERED.sub("", name)


def _anonymous(source: KernelSource) -> str:
    """The body in which names tell their position only."""
    numbers: dict[str, str] = {source.name: _ENTRY}

    def position(match: re.Match[str]) -> str:
        name = match[0]
        if name not in source.names:
            return name
        return numbers.setdefault(name, f"sf_{len(numbers)}")

    return _NAME.sub(position, _COMMENT.sub("", source.body))
