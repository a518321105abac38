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

_WORDS = 624  # of both generators, each 32 bits long
_NEW_IN_NUMPY = (_WORDS - 1).to_bytes(4, sys.byteorder)  # the place of one that gave no number


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


def _states() -> dict[str, Any]:
    """What the shared generators whose modules are loaded will go on from."""
    found = dict[str, Any]()
    if "random" in sys.modules:
        found["random"] = sys.modules["random"].getstate()
    if "numpy.random" in sys.modules:
        found["np.random"] = _state_in_numpy(sys.modules["numpy.random"].get_bit_generator())
    return found


def _state_in_numpy(generator: Any) -> bytes:
    """The words and the place, copied from memory, as `state` takes much longer; of generators
    that are not NumPy's first one, what they tell."""
    if type(generator).__name__ != "MT19937":
        return repr(generator.state).encode()
    return string_at(generator.ctypes.state_address, 4 * _WORDS + 4)


def _is_new(name: str, state: Any) -> bool:
    """Whether a generator whose module has been loaded meanwhile has given no number yet."""
    if name == "random":
        return bool(state[1][-1] == _WORDS)
    return bool(state[-4:] == _NEW_IN_NUMPY)


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
