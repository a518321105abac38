"""How expressions over sizes are written: the text of each part and how tightly it binds."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Written"]

_SUM, _PRODUCT, _QUOTIENT, _ATOM = range(4)


class Written(Struct, frozen=True):
    """A piece of text and the operator that binds least in it."""

    text: str
    level: int = _ATOM

    @classmethod
    def constant(cls, value: int) -> Written:
        return cls(str(value))

    def inside(self, level: int) -> str:
        """The text where at least `level` is needed."""
        return self.text if self.level >= level else f"({self.text})"

    def add(self, other: Written) -> Written:
        if other.text.startswith("-"):
            return Written(f"{self.text} - {other.text[1:]}", _SUM)
        return Written(f"{self.text} + {other.text}", _SUM)

    def mul(self, other: Written) -> Written:
        if self.text == "-1":
            return Written(f"-{other.inside(_ATOM)}", _PRODUCT)
        left = self.text if self.level == _PRODUCT else self.inside(_ATOM)
        return Written(f"{left}*{other.inside(_ATOM)}", _PRODUCT)

    def floordiv(self, other: Written) -> Written:
        return Written(f"{self.inside(_ATOM)}//{other.inside(_ATOM)}", _QUOTIENT)

    def mod(self, other: Written) -> Written:
        return Written(f"{self.inside(_ATOM)}%{other.inside(_ATOM)}", _QUOTIENT)

    def max(self, other: Written) -> Written:
        return self._called("max", other)

    def min(self, other: Written) -> Written:
        return self._called("min", other)

    def _called(self, name: str, other: Written) -> Written:
        """Calls of one name join: max(max(a, b), c) is max(a, b, c)."""
        joins = self.level == _ATOM and self.text.startswith(f"{name}(")
        inner = self.text[4:-1] if joins else self.text
        return Written(f"{name}({inner}, {other.text})")
