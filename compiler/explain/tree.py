"""Launches as they stand in loops and branches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..kernel.phases import Kernel
from ..kernel.regions import lines
from .records import user_lines

__all__ = ["launch_lines"]


def launch_lines(tree: Sequence[Kernel]) -> Iterator[str]:
    """A line a launch, loops and branches with what they run indented below them; none of a
    program that has neither."""
    if not any(kernel.region for kernel in tree):
        return
    number, before = 0, None
    for depth, words, kernel in lines(tree):
        head = words
        if kernel.region is None:
            head, number = f"k{number} {words}", number + 1
        where = "" if kernel is before else ", ".join(user_lines(kernel.nodes))
        before = kernel
        yield f"{'  ' * (depth + 1)}{head}{f'  # {where}' if where else ''}"
