"""Python's operators, reduced to sum, product and division."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

__all__ = ["Operators"]

D = TypeVar("D")


class Operators(Generic[D]):
    """Gives a class + - * // % from either side, with `D` as result."""

    __slots__ = ()
    __array_ufunc__ = None  # NumPy's numbers leave the arithmetic to the expression

    def _plus(self, other: Any, sign: int) -> D:
        raise TypeError(f"{type(self).__name__} has no sum")

    def _times(self, other: Any) -> D:
        raise TypeError(f"{type(self).__name__} has no product")

    def _divided(self, other: Any, *, swapped: bool, which: int) -> D:
        raise TypeError(f"{type(self).__name__} has no division")

    def __add__(self, other: Any) -> D:
        return self._plus(other, 1)

    def __radd__(self, other: Any) -> D:
        return self._plus(other, 1)

    def __sub__(self, other: Any) -> D:
        return self._plus(other, -1)

    def __rsub__(self, other: Any) -> D:
        return -self._plus(other, -1)  # type: ignore[operator, no-any-return]

    def __mul__(self, other: Any) -> D:
        return self._times(other)

    def __rmul__(self, other: Any) -> D:
        return self._times(other)

    def __neg__(self) -> D:
        return self._times(-1)

    def __floordiv__(self, other: Any) -> D:
        return self._divided(other, swapped=False, which=0)

    def __rfloordiv__(self, other: Any) -> D:
        return self._divided(other, swapped=True, which=0)

    def __mod__(self, other: Any) -> D:
        return self._divided(other, swapped=False, which=1)

    def __rmod__(self, other: Any) -> D:
        return self._divided(other, swapped=True, which=1)
