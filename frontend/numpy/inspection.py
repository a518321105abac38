"""What the namespace says of itself: element types, devices, capabilities."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from symfuse.runtime.errors import ArgumentError

from ..tracing.dispatch import FUNCTIONS

__all__ = ["VERSION", "NamespaceInfo", "namespace"]

VERSION = "2025.12"

_SIGNED = ("int8", "int16", "int32", "int64")
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
_REAL = ("float32", "float64")
_COMPLEX = ("complex64", "complex128")
_KINDS: dict[str, tuple[str, ...]] = {
    "bool": ("bool",),
    "signed integer": _SIGNED,
    "unsigned integer": _UNSIGNED,
    "integral": (*_SIGNED, *_UNSIGNED),
    "real floating": _REAL,
    "complex floating": _COMPLEX,
    "numeric": (*_SIGNED, *_UNSIGNED, *_REAL, *_COMPLEX),
}


class NamespaceInfo:
    """What `symfuse.numpy.__array_namespace_info__()` returns.

    >>> import symfuse as sf
    >>> sf.numpy.__array_namespace_info__().default_device()
    'cpu'
    """

    def capabilities(self) -> dict[str, Any]:
        """Whether shapes may depend on data: where arrays are computed at once they may."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Where arrays are that no device was named for."""
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        """Where arrays can be."""
        return ("cpu",)

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype[Any]]:
        """The element types of arrays made from Python numbers."""
        _check(device)
        return {
            "real floating": np.dtype(np.float64),
            "complex floating": np.dtype(np.complex128),
            "integral": np.dtype(np.int64),
            "indexing": np.dtype(np.int64),
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, np.dtype[Any]]:
        """The element types of a kind, of several, or of all, by their names."""
        _check(device)
        kinds = ("bool", "numeric") if kind is None else kind if type(kind) is tuple else (kind,)
        for one in kinds:
            if one not in _KINDS:
                raise ArgumentError(
                    f"{one!r} is no kind of element type", fix=f"use one of {', '.join(_KINDS)}"
                )
        return {name: np.dtype(name) for one in kinds for name in _KINDS[one]}


def namespace(api_version: Any = None) -> Any:
    """The array namespace of tracers, of this version of the standard or an earlier one."""
    if api_version is not None and str(api_version) > VERSION:
        raise ArgumentError(f"there is no version {api_version} of the array API here", fix=VERSION)
    return import_module("symfuse.numpy")


FUNCTIONS["namespace"] = namespace


def _check(device: Any) -> None:
    if device not in (None, "cpu"):
        raise ArgumentError(f"there is no device {device!r}", fix='use "cpu"')
