"""Polynomials with integer coefficients as plain dictionaries, and the interval of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from math import isinf
from typing import Protocol

__all__ = [
    "INTERVALS",
    "Atom",
    "Interval",
    "Limits",
    "Monomial",
    "Terms",
    "at_least",
    "divided",
    "interval",
    "number",
    "ordered",
    "plus",
    "replaced",
    "step_interval",
    "times",
]

Interval = tuple[float, float]
"""Lowest and highest value, both inclusive; integers, or infinite."""


class Atom(Protocol):
    """What a polynomial is a polynomial in: a symbol, or a call such as `N // 4`."""

    @property
    def kind(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def is_call(self) -> bool: ...
    @property
    def interval(self) -> Interval: ...
    @property
    def multiple_of(self) -> int: ...
    def operands(self) -> tuple[Terms, ...]: ...
    def limits(self) -> Limits:
        """Polynomials that are never above, and never below, the atom."""


Monomial = tuple[Atom, ...]
Terms = dict[Monomial, int]  # no coefficient is 0; never changed once an expression holds it
Limits = tuple[tuple[Terms, ...], tuple[Terms, ...]]


def _key(atom: Atom) -> str:
    return atom.key


def ordered(terms: Mapping[Monomial, int]) -> list[tuple[Monomial, int]]:
    """The terms in the order they are printed and computed: high degrees first, then by name."""
    return sorted(terms.items(), key=lambda term: (-len(term[0]), [a.key for a in term[0]]))


def number(value: int) -> Terms:
    """The polynomial that is a number."""
    return {(): value} if value else {}


def plus(left: Terms, right: Terms, factor: int = 1) -> Terms:
    """left + factor · right"""
    total = left.copy()
    for monomial, coefficient in right.items():
        value = total.get(monomial, 0) + factor * coefficient
        if value:
            total[monomial] = value
        else:
            total.pop(monomial, None)
    return total


def times(left: Terms, right: Terms) -> Terms:
    """left · right"""
    if len(right) == 1 and () in right:
        factor = right[()]
        return {monomial: c * factor for monomial, c in left.items()}
    total: Terms = {}
    for mine, a in left.items():
        for other, b in right.items():
            monomial = tuple(sorted(mine + other, key=_key)) if mine and other else mine or other
            value = total.get(monomial, 0) + a * b
            if value:
                total[monomial] = value
            else:
                del total[monomial]
    return total


def replaced(terms: Terms, atom: Atom, value: Terms) -> Terms:
    """The polynomial with `value` in the place of `atom`, where that stands outside of calls."""
    total: Terms = {}
    for monomial, coefficient in terms.items():
        term: Terms = {tuple(a for a in monomial if a != atom): coefficient}
        for _ in range(monomial.count(atom)):
            term = times(term, value)
        total = plus(total, term)
    return total


def divided(terms: Terms, by: Terms) -> tuple[Terms, Terms]:
    """Quotient and rest of polynomials: terms = quotient · by + rest."""
    lead, scale = ordered(by)[0]
    quotient: Terms = {}
    rest: Terms = {}
    left = terms
    while left:
        monomial, coefficient = ordered(left)[0]
        remaining = _without(monomial, lead)
        if remaining is None or coefficient % scale:
            rest[monomial] = coefficient
            left = {m: c for m, c in left.items() if m != monomial}
        else:
            part = {remaining: coefficient // scale}
            quotient = plus(quotient, part)
            left = plus(left, times(part, by), -1)
    return quotient, rest


def _without(monomial: Monomial, factor: Monomial) -> Monomial | None:
    left = list(monomial)
    for atom in factor:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def interval(terms: Mapping[Monomial, int]) -> Interval:
    """Bounds of the value, each term on its own."""
    low: float = 0
    high: float = 0
    for monomial, coefficient in terms.items():
        if len(monomial) == 1:
            a, b = monomial[0].interval
        else:
            a, b = _monomial_interval(monomial)
        if coefficient < 0:
            a, b = b, a
        low += _scaled(a, coefficient)
        high += _scaled(b, coefficient)
    return low, high


def _monomial_interval(monomial: Monomial) -> Interval:
    low: float = 1
    high: float = 1
    for atom, copies in groupby(monomial):
        a, b = _power(atom.interval, len(list(copies)))
        ends = [_scaled(x, y) for x in (low, high) for y in (a, b)]
        low, high = min(ends), max(ends)
    return low, high


def _power(base: Interval, exponent: int) -> Interval:
    low, high = base[0] ** exponent, base[1] ** exponent
    if exponent % 2 or base[0] >= 0:
        return low, high
    return (0 if base[1] >= 0 else high), max(low, high)


def _scaled(bound: float, factor: float) -> float:
    return 0 if factor == 0 or bound == 0 else bound * factor


def step_interval(low: float, high: float, step: int) -> Interval:
    """The bounds of the multiples of `step` between two bounds."""
    if step == 1:
        return low, high
    return (
        low if isinf(low) else -(-low // step) * step,
        high if isinf(high) else high // step * step,
    )


def _floor_interval(x: Interval, by: Interval) -> Interval:
    """Bounds of x // by, where by is at least 1."""
    least, most = max(by[0], 1), max(by[1], 1)
    low = _quotient(x[0], most if x[0] >= 0 else least)
    return low, _quotient(x[1], least if x[1] >= 0 else most)


def _quotient(bound: float, by: float) -> float:
    if isinf(bound):
        return bound
    return (0 if bound >= 0 else -1) if isinf(by) else bound // by


def _mod_interval(x: Interval, by: Interval) -> Interval:
    """Bounds of x % by, where by is at least 1."""
    most = max(by[1] - 1, 0)
    return 0, (min(most, x[1]) if x[0] >= 0 else most)


INTERVALS: dict[str, Callable[..., Interval]] = {
    "floordiv": _floor_interval,
    "mod": _mod_interval,
    "max": lambda *args: (max(a for a, _ in args), max(b for _, b in args)),
    "min": lambda *args: (min(a for a, _ in args), min(b for _, b in args)),
}
"""The bounds of each kind of call from the bounds of its arguments."""


def at_least(terms: Terms, bound: int, depth: int = 6) -> bool:
    """Whether the value is known to be at least `bound`.

    Where the terms on their own do not tell, an atom in which the polynomial is monotone is
    replaced by its lowest or highest value, which may be an expression: i·C + j with j ≤ C - 1.
    """
    if interval(terms)[0] >= bound:
        return True
    if len(terms) < 2:
        return False
    return any(at_least(less, bound, depth - 1) for less in _below(terms)) if depth else False


def _below(terms: Terms) -> Iterable[Terms]:
    """Polynomials that are never above this one, with an atom less."""
    for atom, limits in _replaceable(terms):
        change = plus(replaced(terms, atom, {(atom,): 1, (): 1}), terms, -1)
        # The change is bounded by numbers alone: limits of other atoms need not hold on the way.
        low, high = interval(change)
        if low >= 0 and limits[0]:
            return [replaced(terms, atom, limit) for limit in limits[0]]
        if high <= 0 and limits[1]:
            return [replaced(terms, atom, limit) for limit in limits[1]]
    return []


def _replaceable(terms: Terms) -> Iterator[tuple[Atom, Limits]]:
    """Atoms that are worth replacing: first those with symbolic limits, then repeated ones."""
    count: dict[Atom, int] = {}
    for monomial in terms:
        for atom in dict.fromkeys(monomial):
            count[atom] = count.get(atom, 0) + 1
    limits = {atom: atom.limits() for atom in count}
    yield from ((atom, found) for atom, found in limits.items() if any(found))
    for atom, uses in count.items():
        if uses > 1:
            low, high = atom.interval
            yield atom, (_as_limits(low), _as_limits(high))


def _as_limits(bound: float) -> tuple[Terms, ...]:
    if isinf(bound):
        return ()
    return (number(int(bound)),)
