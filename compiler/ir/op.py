"""The record of an operation: all that the system knows about it, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field

from symfuse.runtime.dtypes import DType

from .evaluator import CURRENT
from .library import Plan
from .types import TensorType

__all__ = ["Op", "Reduction", "Sample", "operations"]

_REGISTRY: dict[str, Op] = {}

operations: Mapping[str, Op] = MappingProxyType(_REGISTRY)
"""Every operation by its name."""


class Sample(Struct, frozen=True):
    """Inputs and attributes that the contract tests run an operation on."""

    inputs: tuple[Any, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    smooth: bool = True  # False: away from here no derivative is compared with differences


class Reduction(Struct, frozen=True, kw_only=True):
    """How many elements become one: a monoid over tuples of scalars.

    `identity(dtype)` is the state of no element, `inject(s, value, position)` the state of one,
    `combine(s, left, right)` of both, `result(s, state)` what is stored.
    """

    identity: Callable[[DType], tuple[Any, ...]]
    dtypes: Callable[[DType], tuple[DType, ...]]
    inject: Callable[..., tuple[Any, ...]]
    combine: Callable[..., tuple[Any, ...]]
    result: Callable[..., Any]
    instruction: str | None = None  # the scalar instruction that `combine` is, when it is one
    uses_position: bool = False
    is_scan: bool = False  # the state after every element is stored, not only the last


class Op(Struct, frozen=True, eq=False, kw_only=True):
    """One operation. What a field does not say is derived from what the others say.

    All functions of mathematics (`jvp`, `transpose`, `batch`) are compositions of operations.
    """

    name: str
    doc: str
    result_type: Callable[..., TensorType]  # input types and attributes → type, or an error
    reference: Callable[..., Any]  # NumPy: the oracle of the tests, and the eager mode
    guards: Callable[..., tuple[Any, ...]] | None = None  # → what sizes must satisfy
    align: Callable[..., tuple[Any, ...]] | None = None  # brings inputs to types it takes

    # mathematics
    formula: str | None = None  # over x, y, z; read by SymPy for LaTeX and the partials' check
    jvp: Callable[..., Any] | None = None  # (tangents, inputs, out, attrs) → tangent or None
    transpose: Callable[..., Any] | None = None  # (cotangent, which, inputs, attrs) → cotangent
    batch: Callable[..., Any] | None = None  # (inputs, batched, attrs) → out, batch axis first
    not_differentiable: str = ""  # the reason, where there is no derivative
    constant_in: Mapping[int, str] = field(default_factory=dict)  # operands that are refused a
    # tangent, each with the reason

    # computation: exactly one of these, or the operation needs a decomposition or library call
    element: Callable[..., Any] | None = None  # (s, index, readers, out, attrs) → one element
    reduction: Reduction | None = None
    contraction: bool = False
    scatter: bool = False
    overwrites: bool = False  # the first operand, a piece of which the second replaces
    sorts: bool = False  # where no library does, by comparisons: `passes/expand_sorts.py`
    regional: Any = None  # loops and branches (`ir/regions.py`): graphs among the attributes

    parts: Callable[..., Any] | None = None  # (node, operands) on complex numbers: `ops/pairs.py`
    library: Callable[..., Plan] | None = None  # (input types, out, attrs) → calls of routines

    body: Callable[..., Any] | None = None  # elementwise: the scalar program of one element
    moves: Callable[..., Any] | None = None  # views: (index, input type, attrs) → input index
    interleaves: bool = False  # one visit stores all operands, side by side along a new last axis
    is_view: bool = False  # of the memory of its operand, as another element type
    samples: Callable[..., list[Sample]] | None = None  # (rng, dtype) → samples
    dtypes: tuple[DType, ...] = (DType.F32, DType.F64)  # that the contract tests draw
    errors: tuple[tuple[Any, ...], ...] = ()  # (input types, attributes, error class)
    ulp: float = 0.0  # allowed distance of compiled from reference, in units in the last place

    def __post_init__(self) -> None:
        if self.name in _REGISTRY:
            raise AssertionError(f"operation {self.name} is defined twice")
        _REGISTRY[self.name] = self

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        return CURRENT.get().apply(self, args, attrs)

    def __repr__(self) -> str:
        return self.name
