"""Text as numbers of letters, cut into batches; the entropy that models of language must beat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["Letters"]


class Letters:
    """A text, of which the last tenth is held out."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.alphabet = sorted(set(source))
        self.number = {letter: at for at, letter in enumerate(self.alphabet)}
        self.numbers = np.array([self.number[letter] for letter in source])
        self.known = self.numbers[: len(source) * 9 // 10]

    @property
    def count(self) -> int:
        """How many different letters there are."""
        return len(self.alphabet)

    def text(self, numbers: Any) -> str:
        """The letters of these numbers."""
        return "".join(self.alphabet[int(number)] for number in numbers)

    def bigram_entropy(self) -> float:
        """The entropy of a letter given the one before, in nats: what knowing pairs can reach."""
        pairs = np.zeros((self.count, self.count))
        np.add.at(pairs, (self.numbers[:-1], self.numbers[1:]), 1)
        joint = pairs / pairs.sum()
        first = joint.sum(1, keepdims=True)
        share = np.divide(joint, first, where=joint > 0, out=np.ones_like(joint))
        return float(-(joint * np.log(share)).sum())

    def batches(self, size: int, length: int, steps: int, seed: int = 0) -> Iterator[Any]:
        """Pieces [length, size] and the letters that follow each of theirs."""
        rng = np.random.default_rng(seed)
        for _ in range(steps):
            starts = rng.integers(0, len(self.known) - length - 1, size)
            piece = self.known[starts + np.arange(length + 1)[:, None]]
            yield piece[:-1], piece[1:]

    def held_out(self, length: int) -> tuple[Any, Any]:
        """Pieces of the text that no batch has."""
        rest = self.numbers[len(self.known) :]
        count = (len(rest) - 1) // length
        starts = length * np.arange(count)
        piece = rest[starts + np.arange(length + 1)[:, None]]
        return piece[:-1], piece[1:]
