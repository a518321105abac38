"""How commands answer: tables for people, JSON for programs, an exit code for each outcome."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["EXIT_CODES", "FAILED", "MISSING", "OK", "USAGE", "print_json", "rows_of", "say"]

OK, FAILED, USAGE, MISSING = 0, 1, 2, 3

EXIT_CODES = """exit codes:
  0  it worked
  1  it ran, and what it checks does not hold, or symfuse reports an error
  2  wrong arguments
  3  an optional package is missing"""


def print_json(value: Any) -> None:
    """One JSON document on the standard output."""
    print(json.dumps(value, indent=2, default=str))


def say(*parts: object, quiet: bool = False) -> None:
    """A line for people, on the error stream, so that the output stays clean."""
    if not quiet:
        print(*parts, file=sys.stderr)


def rows_of(facts: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Two columns of text."""
    return [(name, str(value)) for name, value in facts.items()]
