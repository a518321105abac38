"""What steps of training hand on, as a flat list: containers are made only where somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tracing.tree import flatten
from .batches import leaves_of

__all__ = ["Carried"]

Tree = Any


class Carried:
    """Weights, state, optimiser and metrics between steps."""

    def __init__(self, tree: Mapping[str, Tree]) -> None:
        self.leaves, self._structure = flatten(dict(tree))
        places = self._structure.unflatten(range(len(self.leaves)))
        self._loss = places["metrics"]["loss"]["total"]

    @property
    def tree(self) -> dict[str, Tree]:
        """All of it in its containers."""
        found: dict[str, Tree] = self._structure.unflatten(self.leaves)
        return found

    @property
    def loss(self) -> float:
        """The sum of the losses so far, which is no number once one of them is none."""
        return float(self.leaves[self._loss])

    def step(self, programs: Any, key: Any, batch: Mapping[str, Tree]) -> None:
        """One step of training; the arrays of before are overwritten."""
        program = programs.train(self, key, batch)
        self.leaves = program.flat(*self.leaves, key, *leaves_of(batch))
