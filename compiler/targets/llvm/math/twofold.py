"""Unevaluated sums of two floats: what a rounding loses, kept (Dekker, Knuth)."""

from __future__ import annotations

from ....kernel.number import Number, fma

__all__ = ["fast_two_sum", "two_product", "two_sum"]


def fast_two_sum(large: Number, small: Number) -> tuple[Number, Number]:
    """The sum and what it lost; needs |large| >= |small|, or large = 0."""
    total = large + small
    return total, small - (total - large)


def two_sum(x: Number, y: Number) -> tuple[Number, Number]:
    """The sum and what it lost, for any order."""
    total = x + y
    of_y = total - x
    return total, (x - (total - of_y)) + (y - of_y)


def two_product(x: Number, y: Number) -> tuple[Number, Number]:
    """The product and what it lost."""
    product = x * y
    return product, fma(x, y, -product)
