"""In which element types weights are kept, and in which layers compute."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ..names import by_name
from ..numpy.shared import convert, traced
from ..tracing.trace import dtype_of
from ..tracing.tree import map_leaves

__all__ = ["Policy", "policy"]


class Policy(Struct, frozen=True):
    """Weights of type `variable` are converted to `compute` where a layer uses them.

    Products, sums and statistics of 16-bit numbers are computed in float32 and rounded once.

    >>> import symfuse as sf
    >>> sf.nn.policy("mixed_bfloat16").compute.numpy
    dtype(bfloat16)
    """

    name: str
    variable: DType
    compute: DType

    def converted(self, tree: Any) -> Any:
        """The floating-point arrays of a tree in the type that layers compute in."""
        return map_leaves(self._converted, tree)

    def _converted(self, leaf: Any) -> Any:
        if type(leaf) in (bool, int, float):
            return leaf
        array = traced(leaf)
        return convert(array, self.compute) if dtype_of(array).is_float else leaf


_KNOWN = {
    "float16": Policy("float16", DType.F16, DType.F16),
    "bfloat16": Policy("bfloat16", DType.BF16, DType.BF16),
    "float32": Policy("float32", DType.F32, DType.F32),
    "float64": Policy("float64", DType.F64, DType.F64),
    "mixed_float16": Policy("mixed_float16", DType.F32, DType.F16),
    "mixed_bfloat16": Policy("mixed_bfloat16", DType.F32, DType.BF16),
}


def policy(identifier: Any) -> Policy:
    """The policy of a name such as "float32" or "mixed_bfloat16".

    >>> import symfuse as sf
    >>> sf.nn.policy("float64").name
    'float64'
    """
    return identifier if isinstance(identifier, Policy) else by_name("policy", identifier, _KNOWN)
