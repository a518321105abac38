"""Launches as they stand in loops and branches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..kernel.phases import Kernel
from ..kernel.regions import Region, lines
from .records import user_lines

__all__ = ["launch_lines"]


def launch_lines(tree: Sequence[Kernel], how_run: Callable[[Region], str]) -> Iterator[str]:
    """A line a launch, loops and branches with what they run indented below them; none of a
    program that has neither. `how_run` tells what a target does with a loop or a branch."""
    if not any(kernel.region for kernel in tree):
        return
    number, before = 0, None
    for depth, words, kernel in lines(tree):
        head = words
        if kernel.region is None:
            head, number = f"k{number} {words}", number + 1
        elif words == str(kernel.region) and (told := how_run(kernel.region)):
            head = f"{words} ({told})"
        where = "" if kernel is before else ", ".join(user_lines(kernel.nodes))
        before = kernel
        yield f"{'  ' * (depth + 1)}{head}{f'  # {where}' if where else ''}"
