"""How commands answer: tables for people, JSON for programs, an exit code for each outcome."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from symfuse.runtime.errors import SymfuseError

__all__ = [
    "CLOSED",
    "EXIT_CODES",
    "FAILED",
    "INTERRUPTED",
    "MISSING",
    "OK",
    "USAGE",
    "answering",
    "at_least",
    "new_file",
    "print_json",
    "rows_of",
    "say",
    "tell",
]

OK, FAILED, USAGE, MISSING = 0, 1, 2, 3
INTERRUPTED, CLOSED = 130, 141  # as shells count what a signal has ended

EXIT_CODES = """exit codes:
  0  it worked
  1  it ran, and what it checks does not hold, or symfuse reports an error
  2  wrong arguments
  3  an optional package is missing
  130, 141  it was interrupted, or nobody reads its output any more"""

_answer: ContextVar[TextIO | None] = ContextVar("answer", default=None)


@contextmanager
def answering(as_json: bool) -> Iterator[None]:
    """Keep the standard output for one JSON document: what users' code prints goes elsewhere."""
    if not as_json:
        yield
        return
    token = _answer.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _answer.reset(token)


def print_json(value: Any) -> None:
    """One JSON document on the standard output; numbers that JSON has not are null."""
    text = json.dumps(_plain(value), indent=2, allow_nan=False)
    print(text, file=_answer.get() or sys.stdout, flush=True)


def _plain(value: Any) -> Any:
    """The value as JSON knows it."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def tell(error: Exception, *, as_json: bool) -> None:
    """What went wrong, for people, and for programs as well."""
    what = getattr(error, "what", str(error))
    fix, loc = getattr(error, "fix", ""), getattr(error, "loc", None)
    if loc is not None and Path(loc.filename) == Path(sys.argv[0]):
        loc = None  # the script that starts the command line is nothing of the user's
    say(SymfuseError(what, fix=fix, loc=loc))
    if as_json:
        where = {"file": loc.filename, "line": loc.line} if loc else {}
        print_json({"error": {"kind": type(error).__name__, "what": what, "fix": fix, **where}})


def say(*parts: object, quiet: bool = False) -> None:
    """A line for people, on the error stream, so that the output stays clean."""
    if not quiet:
        print(*parts, file=sys.stderr)


def at_least(least: int) -> Callable[[str], int]:
    """Reads a whole number that is not less, for arguments."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from {least} on")
        return int(text)

    return number


def new_file(text: str) -> Path:
    """Reads the path of a file that is to be written: known to fail before anything is computed."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder: give the path of a file")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}: make it first")
    return path


def rows_of(facts: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Two columns of text."""
    return [(name, str(value)) for name, value in facts.items()]
