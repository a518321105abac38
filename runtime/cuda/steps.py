"""In which order a device program launches its kernels: one by one, in turns, and by choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .places import Count, Place

__all__ = [
    "MOST_CAPTURED",
    "Carried",
    "Choice",
    "Repeat",
    "Row",
    "Step",
    "Steps",
    "While",
    "bodies",
    "is_fixed",
    "regions",
]


@dataclass(frozen=True, slots=True)
class Carried:
    """A value of `nbytes` that turns hand on, from `start` to `last`.

    A turn reads it at the slot `read` and writes the next one at the slot `write`, which is `last`
    and `spare` in turn; without a spare each turn overwrites what the one before has left. One
    that `is_row` lies where the turn before has put the row at `write`, and is copied to `last` in
    the end, if there is one.
    """

    start: Place
    read: int
    write: int
    last: Place | None
    spare: Place | None
    is_row: bool
    nbytes: Count


@dataclass(frozen=True, slots=True)
class Row:
    """Memory of which each turn sees the next `nbytes`, at a slot."""

    whole: Place
    slot: int
    nbytes: Count


@dataclass(frozen=True, slots=True)
class Repeat:
    """`length` turns, whose number, which is that of their rows, is written to `counter`."""

    steps: Steps
    length: Count
    reverse: bool
    carries: tuple[Carried, ...]
    rows: tuple[Row, ...]
    counter: Place | None


@dataclass(frozen=True, slots=True)
class While:
    """Turns as long as `condition` leaves a truth in `test`, at most `bound`."""

    condition: Steps
    steps: Steps
    test: Place
    carries: tuple[Carried, ...]
    bound: int | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The steps of one branch, by the number in `index`; a single branch always runs."""

    index: Place
    branches: tuple[Steps, ...]


MOST_CAPTURED = 4096  # launches of one captured graph, beyond which the host launches turn by turn

# A number is that of a launch.
Step = int | Repeat | While | Choice
Steps = tuple[Step, ...]


def regions(steps: Steps) -> Iterator[Repeat | While | Choice]:
    """The loops and choices, each before those inside it."""
    for step in steps:
        if not isinstance(step, int):
            yield step
            for inner in bodies(step):
                yield from regions(inner)


def bodies(step: Repeat | While | Choice) -> tuple[Steps, ...]:
    """The steps inside."""
    if isinstance(step, Choice):
        return step.branches
    return (step.steps,) if isinstance(step, Repeat) else (step.condition, step.steps)


def is_fixed(step: Step) -> bool:
    """Whether what is launched depends on sizes alone, and not on values."""
    if isinstance(step, int):
        return True
    known = isinstance(step, Repeat) or (isinstance(step, Choice) and len(step.branches) == 1)
    return known and all(map(is_fixed, bodies(step)[0]))
