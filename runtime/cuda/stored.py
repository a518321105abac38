"""Device code as text and numbers, for files, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from .code import (
    DeviceCode,
    DnnLaunch,
    DnnOperation,
    Extent,
    KernelLaunch,
    Place,
    Prepared,
    ProductLaunch,
    Tensor,
)
from .steps import Carried, Choice, Repeat, Row, While

__all__ = ["facts_of", "from_facts"]

_KINDS = {
    "kernel": KernelLaunch,
    "product": ProductLaunch,
    "dnn": DnnLaunch,
    "operation": DnnOperation,
    "tensor": Tensor,
    "extent": Extent,
    "repeat": Repeat,
    "while": While,
    "choice": Choice,
    "carried": Carried,
    "row": Row,
}
_NAMES = {type_: name for name, type_ in _KINDS.items()}


def facts_of(code: DeviceCode) -> dict[str, Any]:
    """All that JSON can hold: everything but the modules."""
    return {f.name: _facts(getattr(code, f.name)) for f in fields(code) if f.name != "modules"}


def from_facts(facts: Mapping[str, Any], modules: Sequence[bytes]) -> DeviceCode:
    """The device code that `facts_of` described, with its modules."""
    return DeviceCode(tuple(modules), **{name: _value(value) for name, value in facts.items()})


def _facts(value: Any) -> Any:
    """Objects as their fields, with a name for the kind of those that are of several."""
    if isinstance(value, tuple):
        return list(map(_facts, value))
    if not is_dataclass(value):
        return value
    found = {field.name: _facts(getattr(value, field.name)) for field in fields(value)}
    return {"kind": _NAMES[type(value)], **found} if type(value) in _NAMES else found


def _value(value: Any) -> Any:
    """Lists were tuples; an object without a kind was a prepared number or a place."""
    if isinstance(value, list):
        return tuple(map(_value, value))
    if not isinstance(value, dict):
        return value
    found = {name: _value(one) for name, one in value.items() if name != "kind"}
    kind = _KINDS[value["kind"]] if "kind" in value else Prepared if "index" in found else Place
    made: Any = kind(**found)
    return made
