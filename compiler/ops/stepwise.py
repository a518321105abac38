"""Functions of elements that are written as steps: `compiler/special/`.

The steps are the body on every target and, in NumPy, the reference. They are loaded when they are
first taken: importing the operations costs none of their tables.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType

from ..ir.op import Op
from ..kernel.numpy_scalars import NumpyScalars
from .kinds import mapped

__all__ = ["by_steps"]

_NUMPY = NumpyScalars()


def by_steps(name: str, where: str, *, operands: int = 1, **facts: Any) -> Op:
    """The elementwise operation whose steps are the function of its name in a module."""

    def unary(s: Any, x: Any, **attrs: Any) -> Any:
        return _steps(where, name)(s, x, **attrs)

    def binary(s: Any, x: Any, y: Any, **attrs: Any) -> Any:
        return _steps(where, name)(s, x, y, **attrs)

    def ternary(s: Any, x: Any, y: Any, z: Any, **attrs: Any) -> Any:
        return _steps(where, name)(s, x, y, z, **attrs)

    def reference(*arrays: Any, **attrs: Any) -> Any:
        found = _steps(where, name)(_NUMPY, *map(np.asarray, arrays), **attrs)
        return np.asarray(found, arrays[0].dtype)

    body = (unary, binary, ternary)[operands - 1]
    facts.setdefault("dtypes", (DType.F32, DType.F64))  # halves are f32 before steps are taken
    return mapped(name, body=body, reference=reference, **facts)


@cache
def _steps(where: str, name: str) -> Callable[..., Any]:
    module = import_module(f"symfuse.compiler.special.{where}")
    found: Callable[..., Any] = getattr(module, name)
    return found
