"""Device code as text and numbers, for files, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..convert import converted, plain
from .code import (
    DeviceCode,
    DnnLaunch,
    DnnOperation,
    Extent,
    KernelLaunch,
    ProductLaunch,
    Tensor,
)
from .steps import Carried, Choice, Repeat, Row, While

__all__ = ["facts_of", "from_facts"]

_KINDS = {
    KernelLaunch: "kernel",
    ProductLaunch: "product",
    DnnLaunch: "dnn",
    DnnOperation: "operation",
    Tensor: "tensor",
    Extent: "extent",
    Repeat: "repeat",
    While: "while",
    Choice: "choice",
    Carried: "carried",
    Row: "row",
}  # A prepared number and a place have none.


def facts_of(code: DeviceCode) -> dict[str, Any]:
    """All that JSON can hold: everything but the modules."""
    return {name: one for name, one in plain(code, _KINDS).items() if name != "modules"}


def from_facts(facts: Mapping[str, Any], modules: Sequence[bytes]) -> DeviceCode:
    """The device code that `facts_of` described, with its modules; or a ValueError."""
    found: DeviceCode = converted({**facts, "modules": tuple(modules)}, DeviceCode, _KINDS)
    return found
