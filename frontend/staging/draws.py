"""Random numbers that are drawn while a function is traced, and stay what they are in its code."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import string_at
from typing import Any

from ..tracing.record import function_name
from ..warn import warn

__all__ = ["warning_of_draws"]

_IS_CPYTHON = sys.implementation.name == "cpython"
_WORDS = 624  # of both generators, each 32 bits long
_NEW_IN_PYTHON = _WORDS.to_bytes(4, sys.byteorder)  # where one begins that has given no number
_NEW_IN_NUMPY = (_WORDS - 1).to_bytes(4, sys.byteorder)


@contextmanager
def warning_of_draws(function: Callable[..., Any]) -> Iterator[None]:
    """Warn if a generator that all share has been drawn from when the block ends.

    Generators of the function's own, such as `np.random.default_rng()`, cannot be seen.
    """
    before = _states()
    yield
    after = _states()
    drawn = [name for name, state in after.items() if state != before.get(name, state)]
    drawn += [name for name in after.keys() - before.keys() if not _is_new(name, after[name])]
    if drawn:
        _warn(function, " and ".join(sorted(drawn)))


def _states() -> dict[str, bytes]:
    """The memory of the shared generators whose modules are loaded, copied."""
    found = {}
    if _IS_CPYTHON and "random" in sys.modules:
        found["random"] = _state_in_python(sys.modules["random"])
    if "numpy.random" in sys.modules:
        found["np.random"] = _state_in_numpy(sys.modules["numpy.random"].get_bit_generator())
    return found


def _state_in_python(module: Any) -> bytes:
    """The place and the words; `random.getstate` takes longer, as it makes numbers of them."""
    start, end = object.__basicsize__, module.Random.__base__.__basicsize__
    return string_at(id(module._inst) + start, end - start)


def _state_in_numpy(generator: Any) -> bytes:
    """The words and the place; of generators that are not NumPy's first one, what they tell."""
    if type(generator).__name__ != "MT19937":
        return repr(generator.state).encode()
    return string_at(generator.ctypes.state_address, 4 * _WORDS + 4)


def _is_new(name: str, state: bytes) -> bool:
    """Whether a generator whose module has been loaded meanwhile has given no number yet."""
    return state[:4] == _NEW_IN_PYTHON if name == "random" else state[-4:] == _NEW_IN_NUMPY


def _warn(function: Callable[..., Any], drawn: str) -> None:
    """One warning for a function, at its first line."""
    text = (
        f"{function_name(function)} draws random numbers of {drawn} while it is traced: they are "
        "constants of its code, the same in every call; draw by symfuse.random from a key that "
        "is an argument, such as sf.random.normal(key, x.shape), or pass the numbers in"
    )
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None)
    if code is None:
        warn(text)
        return
    registry = inner.__globals__.setdefault("__warningregistry__", {})
    warnings.warn_explicit(
        text, UserWarning, code.co_filename, code.co_firstlineno, registry=registry
    )
