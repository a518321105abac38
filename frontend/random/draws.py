"""Elements of draws from their words: of large draws outside of traces by a compiled program.

NumPy passes over memory once for each step of the generator and of what follows; a program does so
once, on all cores. It is compiled once for all sizes. Only what has the same bits computed by NumPy
is drawn so: no digit depends on how many elements there are.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import dim
from symfuse.runtime import options
from symfuse.runtime.dtypes import DType

from ..tracing.dispatch import ACTIVE
from ..tracing.specs import spec
from .threefry import Words, blocks

__all__ = ["LARGE", "drawn"]

LARGE = 1 << 19  # elements: NumPy takes longer for more than it takes to load a program
_MOST = (1 << 32) - 1

Elements = Callable[..., Any]


def drawn(of_words: Elements, key: Any, sizes: tuple[Any, ...], kind: DType, *params: Any) -> Any:
    """`of_words(words, kind, *params)`, with the words of each element of a shape.

    `of_words` is a function of a module, whose steps are rounded alike by NumPy and by programs.
    """
    if _is_large(key, sizes, params):
        program = _program(of_words, kind, tuple(DType.of(p.dtype) for p in params))
        flat = program(key, np.empty(math.prod(sizes), bool), *params)
        return flat.reshape(sizes)
    return of_words(blocks(key, sizes), kind, *params)


def _is_large(key: Any, sizes: tuple[Any, ...], params: tuple[Any, ...]) -> bool:
    """Whether a program draws; parameters that are arrays are left to NumPy."""
    if ACTIVE.get() is not None or options.get("target") == "interpret":
        return False
    numbers = all(isinstance(one, np.ndarray) and one.ndim == 0 for one in params)
    known = isinstance(key, np.ndarray) and all(isinstance(size, int) for size in sizes)
    return known and numbers and LARGE <= math.prod(sizes) <= _MOST


@cache
def _program(of_words: Elements, kind: DType, params: tuple[DType, ...]) -> Callable[..., Any]:
    """A function of a key, an array of as many elements as are drawn, and the parameters."""
    compile_ = importlib.import_module("symfuse.staging.aot").compile

    def draw(key: Any, like: Any, *given: Any) -> Any:
        words: Words = blocks(key, like.shape)
        return of_words(words, kind, *given)

    draw.__name__ = of_words.__name__.strip("_")
    many = spec((dim("N", max=_MOST),), "bool")
    numbers = (spec((), dtype.numpy) for dtype in params)
    made: Callable[..., Any] = compile_(draw, "u32[2]", many, *numbers, target="cpu")
    return made
