"""Every error a user can see: what failed, where in their code, and what to do about it."""

from __future__ import annotations

import linecache
from collections.abc import Iterable
from itertools import islice
from types import CodeType
from typing import NamedTuple, Self

__all__ = [
    "ArgumentError",
    "ArtifactError",
    "CheckError",
    "CompileError",
    "DTypeError",
    "DataError",
    "DeviceError",
    "GraphSyntaxError",
    "GuardError",
    "Loc",
    "OptionError",
    "ShapeError",
    "SymfuseError",
    "TraceError",
    "UnsupportedError",
    "VerifyError",
    "nearest",
    "unsent",
]


class Loc(NamedTuple):
    """A place in the user's source, kept as code and offset and looked up only when shown."""

    code: CodeType
    offset: int

    @classmethod
    def of_line(cls, filename: str, line: int) -> Loc:
        """A line of a file of which nothing more is known."""
        code = cls.of_line.__func__.__code__  # type: ignore[attr-defined]
        places = {"co_filename": filename, "co_firstlineno": line, "co_linetable": b""}
        return cls(code.replace(co_name="", **places), 0)

    @property
    def filename(self) -> str:
        return self.code.co_filename

    @property
    def function(self) -> str:
        return self.code.co_name

    @property
    def line(self) -> int:
        return self._position()[0] or self.code.co_firstlineno

    def __str__(self) -> str:
        return f"{self.filename.rsplit('/', 1)[-1]}:{self.line}"

    def source(self) -> str:
        """The text of the line, without indentation; empty when the file is gone."""
        return linecache.getline(self.filename, self.line).strip()

    def excerpt(self) -> str:
        """The user's line with carets under the expression."""
        line, last, start, stop = self._position()
        text = linecache.getline(self.filename, line or 0).rstrip()
        if not text:
            return ""
        if start is None or stop is None or last != line:
            return f"  {text}"
        return f"  {text}\n  {' ' * start}{'^' * max(1, stop - start)}"

    def _position(self) -> tuple[int | None, int | None, int | None, int | None]:
        nothing = (self.code.co_firstlineno, None, None, None)
        return next(islice(self.code.co_positions(), self.offset // 2, None), nothing)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The known name that is most like this one, for what to do about it; empty if none is."""
    from difflib import get_close_matches  # loaded for errors alone

    return next(iter(get_close_matches(name, list(known), 1, cutoff)), "")


class SymfuseError(Exception):
    """The base of all errors raised by symfuse: what, where (`loc`) and `fix`."""

    def __init__(self, what: str, *, fix: str = "", loc: Loc | None = None) -> None:
        self.what, self.fix, self.loc = what, fix, loc
        super().__init__(self._text())

    def _text(self) -> str:
        loc = self.loc
        where = [f"at {loc.filename}:{loc.line}", loc.excerpt()] if loc else []
        advice = [f"fix: {self.fix}"] if self.fix else []
        return "\n".join(part for part in [self.what, *where, *advice] if part)

    def restate(self, what: str) -> None:
        """Say what failed in other words, once it is known what the user has called."""
        self.what = what
        self.args = (self._text(),)

    @property
    def user_frame(self) -> tuple[str, int] | None:
        """File and line of the user's code that caused the error."""
        return (self.loc.filename, self.loc.line) if self.loc else None

    def at(self, loc: Loc | None, *, prefix: str = "") -> Self:
        """Return the same error once it is known which of the user's lines caused it."""
        what = f"{prefix}: {self.what}" if prefix else self.what
        return type(self)(what, fix=self.fix, loc=self.loc or loc)


class TraceError(SymfuseError, TypeError):
    """A function that cannot be turned into a graph, or a tracer used where it has no value."""


class ShapeError(SymfuseError, ValueError):
    """Shapes, ranks or axes that an operation cannot take."""


class DTypeError(SymfuseError, TypeError):
    """Element types that an operation cannot take."""


class ArgumentError(SymfuseError, TypeError):
    """A call with too few, too many or unknown arguments."""


class GuardError(SymfuseError, ValueError):
    """Arguments outside the sizes or types that an executable was compiled for."""


class UnsupportedError(SymfuseError, TypeError):
    """A function or feature that symfuse does not have."""


class GraphSyntaxError(SymfuseError, ValueError):
    """Graph text that does not parse."""


class VerifyError(SymfuseError, AssertionError):
    """A graph, kernel or program that breaks an invariant: a defect in a pass."""


class CheckError(SymfuseError, AssertionError):
    """A condition of the user's that does not hold, or a result that is no finite number."""


class CompileError(SymfuseError, RuntimeError):
    """Code generation that failed."""


class ArtifactError(SymfuseError, ValueError):
    """A saved program that is damaged, foreign, or from a newer symfuse."""


class DataError(SymfuseError, ValueError):
    """A file of data that is missing, cut off, or not as its format says."""


class DeviceError(SymfuseError, RuntimeError):
    """A device that is missing, too old, or out of memory."""


class OptionError(SymfuseError, ValueError):
    """An option with an unknown name or value."""


def unsent(name: str) -> UnsupportedError:
    """Why code is not pickled, and how it comes to another process."""
    return UnsupportedError(
        f"{name} is code in the memory of this process, which cannot be pickled",
        fix="write it to a file by sf.export or save(path), and sf.load that in the other process",
    )
