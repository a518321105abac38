"""Python's operators, defined once: for graph nodes, tracers and rule wildcards alike."""

from __future__ import annotations

from typing import Any

from .op import operations

__all__ = ["Arithmetic"]


class Arithmetic:
    """Gives a class the operators that mean operations."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return operations["add"](self, other)

    def __radd__(self, other: Any) -> Any:
        return operations["add"](other, self)

    def __sub__(self, other: Any) -> Any:
        return operations["subtract"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return operations["subtract"](other, self)

    def __mul__(self, other: Any) -> Any:
        return operations["multiply"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return operations["multiply"](other, self)

    def __truediv__(self, other: Any) -> Any:
        return operations["divide"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return operations["divide"](other, self)

    def __neg__(self) -> Any:
        return operations["negative"](self)
