"""Finds the line of user code that is running now, and the variable it assigns to."""

from __future__ import annotations

import dis
import os
import sys
from contextvars import ContextVar, Token
from pathlib import Path
from types import CodeType

import numpy as np
from msgspec import Struct

from symfuse.runtime.errors import Loc

__all__ = ["Source", "is_ours", "scope", "user_location"]

_ROOT = Path(__file__).resolve().parents[2]
_ROOMS = [_ROOT / room for room in ("frontend", "compiler", "runtime")]
_LIBRARIES = [Path(np.__file__).parents[1] / name for name in ("numpy", "scipy")]
# Installed, the frontend is the root itself; frames of libraries lie between it and the user's.
_PLACES = [*(_ROOMS if _ROOMS[0].is_dir() else [_ROOT]), *_LIBRARIES]
_OURS = tuple(f"{place}{os.sep}" for place in _PLACES)
# The models of the demo and of the playground stand for a user's.
_MODELS = ("cli/digits.py", "playground/network.py")
_USERS = tuple(str(place / model) for place in (_ROOMS[0], _ROOT) for model in _MODELS)
_WRAPPERS = ("<frozen", "<string>", "<__array_function__")
_is_ours: dict[CodeType, bool] = {}
_scope: ContextVar[str] = ContextVar("scope", default="")


class Source(Struct, frozen=True):
    """Where a node came from: beside the node, no part of what it computes."""

    loc: Loc | None = None
    name: str | None = None  # the user's name; None: found from the code; empty: it has none
    scope: str = ""  # such as encoder/layer3/attention

    def variable(self) -> str | None:
        """The name of the variable that the user's line assigns the value to, if it is one."""
        if self.name is not None or self.loc is None:
            return self.name
        return _assigned(self.loc.code).get(self.loc.offset)


class scope:
    """`with scope("layer3"):` — nodes made inside are shown as belonging to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._tokens: list[Token[str]] = []

    def __enter__(self) -> None:
        outer = _scope.get()
        self._tokens.append(_scope.set(f"{outer}/{self.name}" if outer else self.name))

    def __exit__(self, *_: object) -> None:
        _scope.reset(self._tokens.pop())


def user_location() -> Loc | None:
    """The nearest frame outside symfuse, NumPy and SciPy."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not is_ours(code):
            return Loc(code, frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def is_ours(code: CodeType) -> bool:
    """Whether code is part of symfuse, NumPy or SciPy, and not of the user's program."""
    ours = _is_ours.get(code)
    if ours is None:
        name = code.co_filename
        ours = name.startswith((*_OURS, *_WRAPPERS)) and not name.startswith(_USERS)
        _is_ours[code] = ours
    return ours


def here() -> Source:
    """The source of a node that is made now."""
    return Source(user_location(), None, _scope.get())


_assignments: dict[CodeType, dict[int, str]] = {}


def _assigned(code: CodeType) -> dict[int, str]:
    """Offset of each call or operator → the variable that the next instruction stores it in."""
    if code not in _assignments:
        found, last = {}, -1
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("CACHE", "NOP"):
                continue
            if instruction.opname.startswith("STORE_") and isinstance(instruction.argval, str):
                found[last] = instruction.argval
            last = instruction.offset
        _assignments[code] = found
    return _assignments[code]
