"""Parameters that stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from ..tracing.tree import Structure, flatten, prefix_leaves, same
from .optimizer import Optimizer

__all__ = ["Frozen", "freeze"]

Tree = Any


class Frozen(Struct, frozen=True, eq=False):
    """An optimiser that moves some of the parameters; the others take no slots and no kernels."""

    optimizer: Optimizer
    trainable: Any

    def init(self, params: Tree) -> dict[str, Any]:
        """The state of the parameters that move, in a list."""
        leaves, tree = flatten(params)
        return self.optimizer.init(_chosen(leaves, self._moves(tree)))

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """The parameters after one more step of those that move, and the state."""
        leaves, tree = flatten(params)
        moves = self._moves(tree)
        slopes = _chosen(same(grads, tree, "grads"), moves)
        moved, state = self.optimizer.update(slopes, state, _chosen(leaves, moves))
        new = iter(moved)
        kept = [
            next(new) if is_moving else leaf for leaf, is_moving in zip(leaves, moves, strict=True)
        ]
        return tree.unflatten(kept), state

    def _moves(self, tree: Structure) -> list[bool]:
        if callable(self.trainable):
            return [bool(self.trainable(path)) for path in tree.paths("params")]
        return [bool(one) for one in prefix_leaves(self.trainable, tree, "trainable")]


def freeze(optimizer: Optimizer, trainable: Tree | Callable[[str], bool]) -> Frozen:
    """The optimiser for the parameters where `trainable` is true.

    `trainable` has the containers of the parameters, or stops earlier, with a bool for each part;
    or it is a function of how a parameter is written, such as `params['layer'][0]`.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> params = {"w": np.ones(2), "b": np.ones(2)}
    >>> optimizer = sf.optim.freeze(sf.optim.SGD(0.5), {"w": True, "b": False})
    >>> new, _ = optimizer.update(params, optimizer.init(params), params)
    >>> new["w"].tolist(), new["b"].tolist()
    ([0.5, 0.5], [1.0, 1.0])
    """
    return Frozen(optimizer, trainable)


def _chosen(leaves: list[Any], moves: list[bool]) -> list[Any]:
    return [leaf for leaf, is_moving in zip(leaves, moves, strict=True) if is_moving]
