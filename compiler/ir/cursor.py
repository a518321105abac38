"""Reads text from left to right, and says where it stopped making sense."""

from __future__ import annotations

import re

from symfuse.runtime.errors import GraphSyntaxError, nearest

__all__ = ["Cursor", "did_you_mean"]

_SPACE = re.compile(r"(?:\s|#[^\n]*)*")
_COMMENT = re.compile(r"[ \t]*#[ \t]*([^\n]*)")
_OPEN, _CLOSE = "([{", ")]}"


class Cursor:
    """A place in a text. Blanks and `# comments` are skipped before whatever is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.start = 0  # where the piece that was read last begins

    def skip(self) -> int:
        """Go to the next piece and tell where it begins."""
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def peek(self, word: str) -> bool:
        """Whether the next piece is `word`."""
        return self.text.startswith(word, self.skip())

    def accept(self, word: str) -> bool:
        """Read `word` if it comes next."""
        if not self.peek(word):
            return False
        self.start, self.at = self.at, self.at + len(word)
        return True

    def expect(self, word: str) -> None:
        """Read `word`, which has to come next."""
        if not self.accept(word):
            self.skip()
            raise self.error(f"expected {word!r}", start=self.at)

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """Read what a pattern matches, if it does."""
        found = pattern.match(self.text, self.skip())
        if not found:
            return None
        self.start, self.at = self.at, found.end()
        return found[0]

    def need(self, pattern: re.Pattern[str], what: str) -> str:
        """Read what a pattern matches; `what` says what it is for."""
        found = self.match(pattern)
        if found is None:
            raise self.error(f"expected {what}", start=self.at)
        return found

    def until(self, stops: str) -> str:
        """Read up to one of the letters `stops` that stands outside brackets, or the line's end."""
        self.start, depth = self.skip(), 0
        while self.at < len(self.text) and self.text[self.at] != "\n":
            letter = self.text[self.at]
            if depth == 0 and letter in stops:
                break
            depth += (letter in _OPEN) - (letter in _CLOSE)
            self.at += 1
        return self.text[self.start : self.at].rstrip()

    def comment(self) -> str:
        """The comment behind the piece read last, on its line, which stays to be skipped."""
        found = _COMMENT.match(self.text, self.at)
        return found[1].rstrip() if found else ""

    def error(
        self, what: str, *, fix: str = "", start: int | None = None, stop: int | None = None
    ) -> GraphSyntaxError:
        """An error that shows the line with carets under the piece read last, or under a range."""
        start = self.start if start is None else start
        stop = stop if stop is not None else max(self.at, start + 1)
        begin = self.text.rfind("\n", 0, start) + 1
        end = self.text.find("\n", start)
        line = self.text[begin : end if end >= 0 else len(self.text)]
        carets = "^" * max(1, min(stop, begin + len(line)) - start)
        number = self.text.count("\n", 0, start) + 1
        shown = f"line {number}: {what}\n  {line}\n  {' ' * (start - begin)}{carets}"
        return GraphSyntaxError(shown, fix=fix)


def did_you_mean(word: str, known: list[str]) -> str:
    """Advice that names the nearest known word; empty when none is near."""
    near = nearest(word, known)
    return f"did you mean {near}?" if near else ""
