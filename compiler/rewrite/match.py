"""Holds a pattern against a node, and builds the other side from what was found."""

from __future__ import annotations

import math
from typing import Any

from ..ir.node import Node
from .pattern import Later, Pattern, Wildcard

__all__ = ["build", "is_number", "matches"]

Found = dict[str, Any]


def matches(side: Any, node: Node, found: Found) -> bool:
    """Whether the node is an instance of the pattern; `found` then holds its wildcards."""
    if isinstance(side, Wildcard):
        return found.setdefault(side.name, node) is node
    if not isinstance(side, Pattern):
        return is_number(node, side)
    if side.op is not node.op or len(side.inputs) != len(node.inputs):
        return False
    if side.attrs and not _attributes_match(side.attrs, node, found):
        return False
    return all(matches(part, x, found) for part, x in zip(side.inputs, node.inputs, strict=True))


def is_number(node: Node, expected: float | int | bool) -> bool:
    """Whether every element is this number: 0.0 is not -0.0, and True is not 1."""
    number = node.number
    if number is None or isinstance(number, bool) is not isinstance(expected, bool):
        return False
    return number == expected and math.copysign(1, number) == math.copysign(1, expected)


def build(side: Any, found: Found) -> Any:
    """The nodes of a pattern, made by the builder that is active, for the things found."""
    if isinstance(side, Wildcard):
        return found[side.name]
    if isinstance(side, Later):
        return side.function(*(build(argument, found) for argument in side.arguments))
    if not isinstance(side, Pattern):
        return side
    inputs = [build(part, found) for part in side.inputs]
    return side.op(*inputs, **{name: build(value, found) for name, value in side.attrs.items()})


def _attributes_match(attrs: Any, node: Node, found: Found) -> bool:
    for name, expected in attrs.items():
        value = node.attr(name)
        if isinstance(expected, Wildcard):
            expected = found.setdefault(expected.name, value)
        if expected != value:
            return False
    return True
