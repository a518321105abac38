"""Device code as text and numbers, for files, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .code import DeviceCode, KernelLaunch, Place, Prepared, ProductLaunch

__all__ = ["facts_of", "from_facts"]

_KINDS = {"kernel": KernelLaunch, "product": ProductLaunch}
_NAMES = {type_: name for name, type_ in _KINDS.items()}


def facts_of(code: DeviceCode) -> dict[str, Any]:
    """All that JSON can hold: everything but the modules."""
    return {
        "arch": code.arch,
        "prepared": code.prepared,
        "launches": [{"kind": _NAMES[type(x)], **asdict(x)} for x in code.launches],
    }


def from_facts(facts: Mapping[str, Any], modules: Sequence[bytes]) -> DeviceCode:
    """The device code that `facts_of` described, with its modules."""
    launches = tuple(map(_launch, facts["launches"]))
    return DeviceCode(tuple(modules), launches, facts["arch"], facts["prepared"])


def _launch(row: Mapping[str, Any]) -> KernelLaunch | ProductLaunch:
    kind = _KINDS[row["kind"]]
    fields = {name: _value(value) for name, value in row.items() if name != "kind"}
    made: KernelLaunch | ProductLaunch = kind(**fields)
    return made


def _value(value: Any) -> Any:
    """Lists were tuples; an object with an index was a prepared number, with a number a place."""
    if isinstance(value, list):
        return tuple(map(_value, value))
    if not isinstance(value, dict):
        return value
    if "index" in value:
        return Prepared(**value)
    return Place(value["number"], _value(value["offset"]))
