"""Updates by the gradients of several batches, for batches that do not fit into memory as one."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..control.branches import cond
from ..limits import SIZE
from ..names import Made, remembered
from ..numpy.shared import convert, traced
from ..tracing.trace import dtype_of
from ..tracing.tree import flatten, map_leaves, same
from .optimizer import Optimizer, Schedule

__all__ = ["Accumulated", "accumulate"]

Tree = Any


class Accumulated(Made, frozen=True, eq=False):
    """An optimiser that moves parameters once in several calls, by the mean of their gradients.

    The state counts calls as `step`; that of the optimiser inside, its `inner`, counts updates.
    """

    optimizer: Optimizer
    steps: int

    @property
    def name(self) -> str:
        """What the optimiser inside is called."""
        return self.optimizer.name

    @property
    def learning_rate(self) -> float | Schedule:
        """The rate of the optimiser inside, or its schedule."""
        return self.optimizer.learning_rate

    def init(self, params: Tree) -> dict[str, Any]:
        """The state before the first call: gradients that add up to zero."""
        inner = self.optimizer.init(params)
        return {
            "step": np.asarray(0, np.int64),
            "learning_rate": inner["learning_rate"],
            "sums": map_leaves(lambda leaf: np.zeros_like(traced(leaf), _kept(leaf)), params),
            "inner": inner,
        }

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """The parameters after one more gradient, and the state; every so many times they move."""
        sums, tree = flatten(state["sums"])
        pairs = zip(sums, same(grads, tree, "grads"), strict=True)
        sums = [one + convert(traced(slope), dtype_of(one)) for one, slope in pairs]
        step = traced(state["step"]) + 1
        inner = {**state["inner"], "learning_rate": state["learning_rate"]}

        def moved(sums: list[Any], inner: Tree, params: Tree) -> tuple[Any, ...]:
            means = tree.unflatten([one / self.steps for one in sums])
            new, after = self.optimizer.update(means, inner, params)
            return [np.zeros_like(one) for one in sums], after, new

        def kept(*unchanged: Any) -> tuple[Any, ...]:
            return unchanged

        sums, inner, params = cond(step % self.steps == 0, moved, kept, sums, inner, params)
        return params, {
            "step": step,
            "learning_rate": inner["learning_rate"],
            "sums": tree.unflatten(sums),
            "inner": inner,
        }


@remembered
def accumulate(optimizer: Optimizer, steps: int) -> Accumulated:
    """The optimiser, which moves parameters every `steps` calls by the mean of the gradients.

    So `steps` batches are like one that is as many times larger, in the memory of one. What was
    begun at the end of an epoch goes on in the next.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> optimizer = sf.optim.accumulate(sf.optim.SGD(0.5), 2)
    >>> params = np.ones(2)
    >>> state = optimizer.init(params)
    >>> params, state = optimizer.update(np.array([1.0, 2.0]), state, params)
    >>> params.tolist()
    [1.0, 1.0]
    >>> optimizer.update(np.array([3.0, 2.0]), state, params)[0].tolist()
    [0.0, 0.0]
    """
    SIZE.expect(steps, "accumulate", "steps")
    return Accumulated(optimizer, steps)


def _kept(leaf: Any) -> Any:
    kept: DType = dtype_of(traced(leaf)).computed
    return kept.numpy
