"""The rules of floor division and remainder on polynomials.

Each rule is an identity of integers for any positive divisor, or holds by the bounds of the atoms.
A rule never turns a dividend that is known not to be negative into one that may be: targets divide
without sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import gcd, prod

from msgspec import Struct

from .dims_terms import Terms, at_least, divided, interval, number, ordered, plus, times

__all__ = ["Division"]

Pair = tuple[Terms, Terms]
_ONE = number(1)


class Division(Struct, frozen=True):
    """x // k and x % k; `again` divides a simpler pair, `call` is what no rule simplifies."""

    x: Terms
    k: Terms
    again: Callable[[Terms, Terms], Pair]
    call: Callable[[str, Terms, Terms], Terms]

    def result(self) -> Pair:
        for rule in (self._decided, self._extracted, self._negated, self._exact, self._reduced):
            if (found := rule()) is not None:
                return found
        return self._quotient(), self._remainder()

    @property
    def _size(self) -> int:
        """The divisor if it is a number, or 0."""
        return self.k.get((), 0) if len(self.k) == 1 else 0

    def _decided(self) -> Pair | None:
        """The quotient is a number by the bounds of x."""
        if _within(self.x, self.k):
            return {}, self.x
        low, high = interval(self.x)
        k = self._size
        if k and abs(low + high) < 1 << 62 and low // k == high // k:
            whole = number(int(low // k))
            return whole, plus(self.x, times(whole, self.k), -1)
        return None

    def _extracted(self) -> Pair | None:
        """(a·k + b) // k = a + b // k, and (a·k + b) % k = b % k."""
        k = self._size
        whole, rest = _split(self.x, k) if k else divided(self.x, self.k)
        if not whole:
            return None
        if _within(rest, self.k):
            return whole, rest
        if _within(above := plus(rest, self.k), self.k):
            return plus(whole, _ONE, -1), above
        if len(self.k) > 1 or self._loses_sign(rest):
            return None
        return self._then(whole, rest)

    def _negated(self) -> Pair | None:
        """(-y) // k = -((y + k - 1) // k), and (-y) % k = k - 1 - (y + k - 1) % k."""
        signs = [c > 0 for monomial, c in self.x.items() if monomial] or [self.x[()] > 0]
        if any(signs):
            return None
        last = plus(self.k, _ONE, -1)
        quotient, rest = self.again(plus(last, self.x, -1), self.k)
        return times(quotient, number(-1)), plus(last, rest, -1)

    def _exact(self) -> Pair | None:
        """Terms that k divides by what is known of their symbols are divided on their own."""
        k = self._size
        whole: Terms = {}
        rest: Terms = {}
        for monomial, c in self.x.items():
            if k and monomial and c * prod(atom.multiple_of for atom in monomial) % k == 0:
                common = gcd(c, k)
                part = self.call("floordiv", {monomial: 1}, number(k // common))
                whole = plus(whole, part, c // common)
            else:
                rest[monomial] = c
        return self._then(whole, rest) if whole and not self._loses_sign(rest) else None

    def _reduced(self) -> Pair | None:
        """(a·g + b) // (c·g) = a // c and (a·g + b) % (c·g) = a % c · g + b, where 0 <= b < g."""
        for factor in self._factors():
            small: Terms
            if () in factor:
                large, small = _split_by(self.x, factor[()])
            else:
                large, small = divided(self.x, factor)
            if large and _within(small, factor):
                quotient, rest = self.again(large, divided(self.k, factor)[0])
                return quotient, plus(times(rest, factor), small)
        return None

    def _factors(self) -> Iterator[Terms]:
        """What divides k and a term of x, but not all of it."""
        content = gcd(*self.k.values())
        numbers = {gcd(c, content) for monomial, c in self.x.items() if monomial}
        yield from map(number, sorted(numbers - {1}, reverse=True))
        first, *others = (monomial for monomial, _ in ordered(self.k))
        for atom in dict.fromkeys(first):
            if all(atom in monomial for monomial in others):
                yield {(atom,): 1}

    def _quotient(self) -> Terms:
        """(y // a + z) // k = (y + z·a) // (a·k), and (y % (a·k)) // k = y // k % a."""
        for monomial, c in ordered(self.x):
            if c != 1 or len(monomial) != 1 or monomial[0].kind not in ("floordiv", "mod"):
                continue
            y, a = monomial[0].operands()
            if monomial[0].kind == "floordiv":
                z = plus(self.x, {monomial: 1}, -1)
                return self.again(plus(y, times(z, a)), times(a, self.k))[0]
            factor, left = divided(a, self.k)
            if len(self.x) == 1 and not left:
                return self.again(self.again(y, self.k)[0], factor)[1]
        return self.call("floordiv", self.x, self.k)

    def _remainder(self) -> Terms:
        """(y % (a·k) + z) % k = (y + z) % k."""
        for monomial, c in self.x.items():
            for at, atom in enumerate(monomial):
                if atom.kind == "mod" and c > 0:
                    y, m = atom.operands()
                    if not divided(m, self.k)[1] and at_least(y, 0):
                        others = {monomial[:at] + monomial[at + 1 :]: c}
                        x = plus(plus(self.x, {monomial: c}, -1), times(others, y))
                        return self.again(x, self.k)[1]
        return self.call("mod", self.x, self.k)

    def _then(self, whole: Terms, rest: Terms) -> Pair:
        quotient, rest = self.again(rest, self.k)
        return plus(whole, quotient), rest

    def _loses_sign(self, rest: Terms) -> bool:
        return not at_least(rest, 0) and at_least(self.x, 0)


def _within(x: Terms, k: Terms) -> bool:
    """Whether 0 <= x < k is known."""
    return at_least(x, 0) and at_least(plus(k, x, -1), 1)


def _split(terms: Terms, k: int) -> Pair:
    """Whole multiples of k in each coefficient, towards 0, and in the constant, downwards."""
    whole = {m: abs(c) // k * (1 if c > 0 else -1) for m, c in terms.items() if m}
    whole[()] = terms.get((), 0) // k
    whole = {m: c for m, c in whole.items() if c}
    return whole, plus(terms, whole, -k)


def _split_by(terms: Terms, k: int) -> Pair:
    """Quotient and rest of the terms that k divides, and of the constant."""
    whole = {m: c // k for m, c in terms.items() if (not m or c % k == 0) and c // k}
    return whole, plus(terms, whole, -k)
