"""C++ text, line by line, with names that are taken once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Writer"]

_INDENT = "    "
# What a name of a user must not be: words of the language, and what every kernel declares.
_TAKEN = """
    alignas asm auto bool break case catch char class const constexpr continue default delete do
    double else enum explicit export extern false float for friend goto if inline int long main
    mutable namespace new noexcept nullptr operator private protected public register return short
    signed sizeof static struct switch template this throw true try typedef typename union unsigned
    using
    virtual void volatile while i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 thread block scratch shared
"""
_RESERVED = frozenset(_TAKEN.split())


class Writer:
    """Collects the lines of one function."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 1
        self._used: set[str] = set(_RESERVED)
        self._numbers: dict[str, int] = {}

    def line(self, text: str) -> None:
        self.lines.append(f"{_INDENT * self._depth}{text}" if text else "")

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """`head { … }` around what is written inside."""
        self.line(f"{head} {{" if head else "{")
        self._depth += 1
        yield
        self._depth -= 1
        self.line("}")

    @contextmanager
    def unrolled(self, variable: str, count: int, first: int = 0) -> Iterator[None]:
        """A loop whose every turn becomes straight-line code."""
        self.line("SF_UNROLL")
        with self.block(f"for (i32 {variable} = {first}; {variable} < {count}; ++{variable})"):
            yield

    @property
    def names(self) -> frozenset[str]:
        """Every identifier that has been given out."""
        return frozenset(self._used - _RESERVED)

    def name(self, wanted: str, endings: tuple[str, ...] = ()) -> str:
        """An identifier like the one that is wanted, which nothing else has in this function, and
        which has not with any of these endings either."""
        plain = found = _identifier(wanted).rstrip("_")
        number = 1
        while not self._used.isdisjoint(names := [found, *(found + e for e in endings)]):
            found, number = f"{plain}_{number}", number + 1
        self._used.update(names)
        return found

    def fresh(self, prefix: str) -> str:
        """The next numbered name of a kind."""
        prefix = _identifier(prefix)
        while True:
            number = self._numbers.get(prefix, 0)
            self._numbers[prefix] = number + 1
            name = f"{prefix}{number}"
            if name not in self._used:
                self._used.add(name)
                return name


def _identifier(text: str) -> str:
    """The text with nothing in it that an identifier must not have."""
    plain = re.sub(r"\W", "_", text, flags=re.ASCII).lstrip("_") or "x"
    return f"x_{plain}" if plain[0].isdigit() or plain.startswith(("sf_", "SF_")) else plain
