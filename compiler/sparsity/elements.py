"""What is known of values without running anything: numbers, and what they depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.runtime.dtypes import DType

from ..ir.node import Node
from .relations import Relation, kept, together

__all__ = ["Elements", "sizes"]

Array = np.ndarray[Any, Any]


class Elements(Struct, frozen=True, eq=False):
    """Some elements in their order. `value` is meant where it is `known`, the same for all inputs;
    elsewhere it is any number. `depends` says which elements depend on which inputs."""

    dtype: DType
    value: Array
    known: Array
    depends: Relation = None

    @classmethod
    def unknown(cls, dtype: DType, count: int, depends: Relation = None) -> Elements:
        """So many elements of which no number is known."""
        value = np.broadcast_to(np.zeros((), dtype.numpy), count)
        return cls(dtype, value, np.broadcast_to(np.False_, count), depends)

    @classmethod
    def of(cls, values: Any, dtype: DType) -> Elements:
        """The elements of an array, which are known."""
        flat = np.asarray(values, dtype.numpy).ravel()
        return cls(dtype, flat, np.broadcast_to(np.True_, flat.shape))

    @property
    def count(self) -> int:
        return int(self.value.shape[0])

    @property
    def is_known(self) -> bool:
        """Whether every number is, and none depends on an input."""
        return self.depends is None and bool(self.known.all())

    @property
    def is_blank(self) -> bool:
        """Whether nothing is known, and nothing depends on an input."""
        return self.depends is None and not self.known.any()

    @property
    def may_be_nonzero(self) -> Array:
        """Where a product with it may depend on the other factor."""
        return np.asarray(~self.known | (self.value != 0))

    def where(self, condition: Array) -> Elements:
        """These where the condition holds; elsewhere the number that is known, or zero."""
        if condition.all():
            return self
        value = np.where(condition | self.known, self.value, self.dtype.numpy.type(0))
        return Elements(self.dtype, value, self.known | ~condition, kept(self.depends, condition))

    def joined(self, other: Elements) -> Elements:
        """What is true of both."""
        known = self.known & other.known & (self.value == other.value)
        return Elements(self.dtype, self.value, known, together(self.depends, other.depends))


def sizes(node: Node) -> tuple[int, ...]:
    """The shape of a node, which no symbol stands in."""
    return tuple(int(n) for n in node.shape)  # type: ignore[arg-type]
