"""Where in the user's program an error came from, found in its traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import CodeType, TracebackType

from symfuse.compiler.ir.location import is_ours
from symfuse.runtime.errors import Loc

__all__ = ["raised_at"]

_LIBRARY = os.path.dirname(os.__file__)  # Python's own


def raised_at(error: BaseException) -> Loc | None:
    """The innermost line of the user's that an error came through."""
    frames = [(part.f_code, at.tb_lasti) for at in _frames(error) if (part := at.tb_frame)]
    user = [Loc(code, offset) for code, offset in frames if _is_users(code)]
    return user[-1] if user else None


def _is_users(code: CodeType) -> bool:
    file = code.co_filename
    return not is_ours(code) and (not file.startswith(_LIBRARY) or "site-packages" in file)


def _frames(error: BaseException) -> Iterator[TracebackType]:
    at = error.__traceback__
    while at is not None:
        yield at
        at = at.tb_next
