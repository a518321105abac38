"""Numbers with the first coefficients of their Taylor series: steps become their own derivatives.

A. Griewank, A. Walther: Evaluating Derivatives, 2nd edition, SIAM 2008, chapter 13. Steps that are
written with operators are taken over series as over numbers; what chooses among values looks at the
first coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..kernel.number import Number, select

__all__ = ["Series"]

Slope = Callable[["Series", "Series"], Number]

_QUESTIONS = ("lt", "le", "gt", "ge", "eq", "ne", "isnan")  # whose answers have no derivative


class Series(Number, frozen=True, eq=False):
    """A number that varies: `rest` are the coefficients of h, h², ... of its Taylor series up to an
    order, the last ones left out where they are 0."""

    rest: tuple[Number, ...]
    order: int

    @classmethod
    def variable(cls, x: Number, order: int) -> Series:
        """x + h."""
        return cls(x.s, x.value, (x.of(1.0),), order)

    @property
    def plain(self) -> Number:
        """The first coefficient: the number itself."""
        return Number(self.s, self.value)

    @property
    def terms(self) -> tuple[Number, ...]:
        return (self.plain, *self.rest)

    @property
    def derivative(self) -> Number:
        """The derivative of the order up to which coefficients are known."""
        highest = self.rest[-1] if len(self.rest) == self.order else self.plain.of(0.0)
        return highest * float(math.factorial(self.order))

    def made(self, terms: Sequence[Number]) -> Series:
        """The series of these coefficients."""
        return Series(self.s, terms[0].value, tuple(terms[1:]), self.order)

    def up_to(self, order: int) -> Series:
        return Series(self.s, self.value, self.rest[:order], order)

    def of(self, other: Number | float) -> Series:
        return other if isinstance(other, Series) else self.made([self.plain.of(other)])

    def emit(self, name: str, *operands: Number | float) -> Number:
        given = [self.of(operand) for operand in operands]
        if name in _QUESTIONS:
            return self.plain.emit(name, *(x.plain for x in given))
        return _RULES[name](self, *given)

    def chosen(self, condition: Number, then: Number | float, otherwise: Number | float) -> Series:
        x, y = self.of(then).terms, self.of(otherwise).terms
        count = max(len(x), len(y))
        return self.made([select(condition, *(_at(t, n) for t in (x, y))) for n in range(count)])


def _at(terms: Sequence[Number], n: int) -> Number:
    return terms[n] if n < len(terms) else terms[0].of(0.0)


def _sum(x: Series, y: Series) -> Series:
    both = [p + q for p, q in zip(x.terms, y.terms, strict=False)]
    longer = max(x.terms, y.terms, key=len)
    return x.made([*both, *longer[len(both) :]])


def _negative(x: Series) -> Series:
    return x.made([-term for term in x.terms])


def _difference(x: Series, y: Series) -> Series:
    both = [p - q for p, q in zip(x.terms, y.terms, strict=False)]
    return x.made([*both, *x.terms[len(both) :], *(-term for term in y.terms[len(both) :])])


def _product(x: Series, y: Series) -> Series:
    count = min(len(x.rest) + len(y.rest), x.order) + 1
    return x.made([_coefficient(x.terms, y.terms, n) for n in range(count)])


def _coefficient(x: Sequence[Number], y: Sequence[Number], n: int) -> Number:
    """That of hⁿ in the product of two series."""
    pairs = [p * y[n - k] for k, p in enumerate(x[: n + 1]) if n - k < len(y)]
    return sum(pairs[1:], pairs[0])


def _quotient(x: Series, y: Series) -> Series:
    found = [x.plain / y.plain]
    for n in range(1, (x.order if y.rest else len(x.rest)) + 1):
        numerator = _at(x.terms, n)
        if y.rest:
            numerator = numerator - _coefficient(found, y.rest, n - 1)
        found.append(numerator / y.plain)
    return x.made(found)


def _size(x: Series) -> Series:
    return x.chosen(x < 0.0, -x, x)


def _power(x: Series, exponent: Series) -> Series:
    logarithm = x.of(exponent * x.emit("log"))
    return _solved(logarithm, x.plain.emit("pow", exponent.plain), lambda _, out: out)


def _composed(name: str, slope: Slope) -> Callable[[Series], Series]:
    """The rule of an instruction with the derivative slope(x, out)."""
    return lambda x: _solved(x, x.plain.emit(name), slope)


def _solved(x: Series, start: Number, slope: Slope) -> Series:
    """The solution of out' = slope(x, out) x', coefficient by coefficient."""
    moves = [term * float(n) for n, term in enumerate(x.rest, 1)]
    found = [start]
    for n in range(x.order if moves else 0):
        known = x.up_to(n)
        slopes = known.of(slope(known, known.made(found))).terms
        found.append(_coefficient(slopes, moves, n) * (1 / (n + 1)))
    return x.made(found)


_RULES: dict[str, Callable[..., Series]] = {
    "add": _sum,
    "sub": _difference,
    "mul": _product,
    "div": _quotient,
    "neg": _negative,
    "abs": _size,
    "exp": _composed("exp", lambda x, out: out),
    "expm1": _composed("expm1", lambda x, out: x.emit("exp")),
    "log": _composed("log", lambda x, out: 1.0 / x),
    "log1p": _composed("log1p", lambda x, out: 1.0 / (x + 1.0)),
    "sqrt": _composed("sqrt", lambda x, out: 0.5 / out),
    "pow": _power,
}
