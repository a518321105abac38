"""One value of a graph."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.runtime.dtypes import DType

from .arithmetic import Arithmetic
from .dims import Dim
from .location import Source
from .op import Op
from .types import TensorType

__all__ = ["Attrs", "Literal", "Node", "attribute_key"]

Attrs = tuple[tuple[str, Any], ...]


class Literal(Struct, frozen=True):
    """An array that stands in the graph itself; equal bytes are equal literals."""

    data: bytes
    shape: tuple[int, ...]
    dtype: DType

    @classmethod
    def of(cls, array: np.ndarray[Any, Any]) -> Literal:
        contiguous = np.ascontiguousarray(array)
        return cls(contiguous.tobytes(), contiguous.shape, DType.of(contiguous.dtype))

    def array(self) -> np.ndarray[Any, Any]:
        """The values, read-only."""
        return np.frombuffer(self.data, self.dtype.numpy).reshape(self.shape)


class Node(Arithmetic, Struct, frozen=True, eq=False):
    """One value, interned by its builder: `is` means that it computes the same thing."""

    op: Op
    inputs: tuple[Node, ...]
    attributes: Attrs
    type: TensorType
    source: Source

    @property
    def attrs(self) -> dict[str, Any]:
        return dict(self.attributes)

    def attr(self, name: str) -> Any:
        for key, value in self.attributes:
            if key == name:
                return value
        raise KeyError(f"{self.op} has no attribute {name}")

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.type.shape

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    @property
    def rank(self) -> int:
        return len(self.type.shape)

    @property
    def is_parameter(self) -> bool:
        return self.op.name == "parameter"

    @property
    def is_constant(self) -> bool:
        return self.op.name == "constant"

    @property
    def number(self) -> float | int | bool | None:
        """The one real number that every element is, seen through broadcasts; None if computed."""
        node = self
        while node.op.name in ("broadcast", "reshape"):
            node = node.inputs[0]
        if not node.is_constant:
            return None
        value = node.attr("value")
        return None if isinstance(value, Literal | complex) else value

    def __repr__(self) -> str:
        return f"<{self.op} {self.type}>"


def attribute_key(value: Any) -> Any:
    """What identifies an attribute: equal keys are the same value, bit for bit."""
    if isinstance(value, tuple):
        return tuple(map(attribute_key, value))
    if isinstance(value, (int, str)):  # by a tuple: it runs for every attribute of every node
        return (type(value), value)
    if isinstance(value, float):
        return ("float", struct.pack("<d", value))
    if isinstance(value, complex):
        return ("complex", struct.pack("<dd", value.real, value.imag))
    structure = getattr(value, "structure", None)  # of a graph: what it computes
    return (type(value), value) if structure is None else structure
