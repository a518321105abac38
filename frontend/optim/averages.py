"""Running averages of parameters, which often predict better than the parameters themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ..numpy.shared import convert, traced
from ..tracing.trace import dtype_of
from ..tracing.tree import map_leaves
from .numbers import Numbers, number

__all__ = ["ExponentialMovingAverage"]

Tree = Any


class ExponentialMovingAverage(Struct, frozen=True, eq=False):
    """average ← momentum · average + (1 − momentum) · parameter, for every parameter.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> average = sf.optim.ExponentialMovingAverage(0.75)
    >>> state = average.init({"w": np.zeros(2)})
    >>> state = average.update(state, {"w": np.ones(2)})
    >>> average.result(state)["w"].tolist()
    [0.25, 0.25]
    """

    momentum: float = 0.99

    def init(self, params: Tree) -> dict[str, Any]:
        """The state whose average is a copy of the parameters."""
        average = map_leaves(lambda leaf: np.copy(convert(traced(leaf), _kept(leaf))), params)
        return {"momentum": number(self.momentum), "average": average}

    def update(self, state: Tree, params: Tree) -> dict[str, Any]:
        """The state after parameters have moved."""

        def moved(average: Any, leaf: Any) -> Any:
            kind = _kept(leaf)
            numbers = Numbers({"momentum": state["momentum"]}, kind)
            return numbers.mixed("momentum", average, convert(traced(leaf), kind))

        average = map_leaves(moved, state["average"], params)
        return {"momentum": state["momentum"], "average": average}

    def result(self, state: Tree) -> Tree:
        """The average, in the containers of the parameters; of halves, in f32."""
        return state["average"]


def _kept(leaf: Any) -> DType:
    return dtype_of(traced(leaf)).computed
