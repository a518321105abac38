"""Integer expressions over symbols: polynomials in symbols and in calls of //, %, max and min.

An expression takes its canonical form when it is made, so that equal ones have equal terms. What is
constant is a plain `int`; an `Expr` never is. Divisors count as positive: where a symbol that may
be 0 divides, the code that divides by it runs only when it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache, reduce
from math import inf
from numbers import Integral
from typing import ClassVar, TypeVar

from msgspec import Struct

from symfuse.runtime.errors import ShapeError

from .dims_divide import Division
from .dims_format import Written
from .dims_operators import Operators
from .dims_terms import (
    INTERVALS,
    Atom,
    Interval,
    Limits,
    Terms,
    interval,
    number,
    ordered,
    plus,
    step_interval,
    times,
)

__all__ = ["Call", "Dim", "Expr", "Symbol", "division", "expression", "fold", "terms_of"]

T = TypeVar("T")


class _Integer(Operators["Dim"]):
    """The arithmetic of everything that stands for an integer known later."""

    __slots__ = ()

    @property
    def terms(self) -> Terms:
        raise TypeError(f"{type(self).__name__} has no terms")

    def _plus(self, other: object, sign: int) -> Dim:
        right = _operand(other)
        if right is None:
            return NotImplemented  # type: ignore[no-any-return]
        return expression(plus(self.terms, terms_of(right), sign))

    def _times(self, other: object) -> Dim:
        right = _operand(other)
        if right is None:
            return NotImplemented  # type: ignore[no-any-return]
        return expression(times(self.terms, terms_of(right)))

    def _divided(self, other: object, *, swapped: bool, which: int) -> Dim:
        right = _operand(other)
        if right is None:
            return NotImplemented  # type: ignore[no-any-return]
        mine, given = expression(self.terms), expression(terms_of(right))
        return division(given, mine)[which] if swapped else division(mine, given)[which]


class Symbol(_Integer, Struct, frozen=True, cache_hash=True, dict=True):
    """A named integer with inclusive bounds, which may be expressions, and a divisor."""

    name: str
    lower: Dim = 0
    upper: Dim | None = None
    multiple_of: int = 1

    kind: ClassVar[str] = "symbol"
    is_call: ClassVar[bool] = False

    @cached_property
    def interval(self) -> Interval:
        low = self.lower if isinstance(self.lower, int) else self.lower.interval[0]
        high = self.upper if isinstance(self.upper, int) else inf
        if isinstance(self.upper, Expr):
            high = self.upper.interval[1]
        return step_interval(low, high, self.multiple_of)

    @property
    def terms(self) -> Terms:
        return {(self,): 1}

    @cached_property
    def key(self) -> str:
        return self.declaration()

    def operands(self) -> tuple[Terms, ...]:
        """None: a symbol is no call."""
        return ()

    def limits(self) -> Limits:
        if not isinstance(self.lower, Expr) and not isinstance(self.upper, Expr):
            return (), ()
        upper = () if self.upper is None else (terms_of(self.upper),)
        return (terms_of(self.lower),), upper

    def declaration(self) -> str:
        """`N in [1, 64] % 8`: the name and what is known of the number."""
        known = ""
        if (self.lower, self.upper) != (0, None):
            known = f" in [{self.lower}, {'inf' if self.upper is None else self.upper}]"
        step = f" % {self.multiple_of}" if self.multiple_of != 1 else ""
        return f"{self.name}{known}{step}"

    def __str__(self) -> str:
        return self.name


class Call(Struct, frozen=True, cache_hash=True, dict=True):
    """floordiv, mod, max or min of expressions, which does not come apart into a polynomial."""

    kind: str
    args: tuple[Dim, ...]

    is_call: ClassVar[bool] = True
    multiple_of: ClassVar[int] = 1

    @cached_property
    def interval(self) -> Interval:
        bounds: Interval = INTERVALS[self.kind](*(interval(terms_of(arg)) for arg in self.args))
        return bounds

    @cached_property
    def key(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.args))})"

    def operands(self) -> tuple[Terms, ...]:
        """The polynomials of the arguments."""
        return tuple(map(terms_of, self.args))

    def limits(self) -> Limits:
        args = self.operands()
        if self.kind == "max":
            return args, ()
        if self.kind == "min":
            return (), args
        uppers = (args[0],) if interval(args[0])[0] >= 0 else ()  # x // k and x % k are ≤ x
        if self.kind == "mod":
            return ({},), (*uppers, plus(args[1], {(): 1}, -1))
        return (({},), uppers) if uppers else ((), ())


class Expr(_Integer):
    """A polynomial with at least one symbol; equal expressions have equal terms."""

    __slots__ = ("_hash", "_interval", "has_calls", "terms")

    def __init__(self, terms: Terms, has_calls: bool = False) -> None:
        self.terms = terms  # type: ignore[misc]  # a field: it is read a million times
        self.has_calls = has_calls
        self._hash: int | None = None
        self._interval: Interval | None = None

    def __add__(self, other: object) -> Dim:
        if type(other) is Expr:
            total = plus(self.terms, other.terms)
            if len(total) > 1 and not self.has_calls and not other.has_calls:
                return Expr(total)
            return expression(total)
        if type(other) is not int:
            return self._plus(other, 1)
        terms = self.terms.copy()
        constant = terms.pop((), 0) + other
        if constant:
            terms[()] = constant
        return Expr(terms, self.has_calls)

    def __mul__(self, other: object) -> Dim:
        if type(other) is int and other and not self.has_calls:
            return Expr({monomial: c * other for monomial, c in self.terms.items()})
        return self._times(other)

    __radd__ = __add__
    __rmul__ = __mul__

    @property
    def interval(self) -> Interval:
        if self._interval is None:
            self._interval = interval(self.terms)
        return self._interval

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self.terms.items()))
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Expr and self.terms == other.terms)

    def __bool__(self) -> bool:
        low, high = self.interval
        if low <= 0 <= high:
            raise ShapeError(
                f"whether {self} is 0 is known only at run time",
                fix="compare sizes that are numbers, or give the symbol bounds by sf.dim",
            )
        return True

    def __reduce__(self) -> tuple[object, ...]:
        return Expr, (self.terms, self.has_calls)

    def __str__(self) -> str:
        return fold(
            self,
            constant=Written.constant,
            symbol=lambda symbol: Written(symbol.name),
            add=Written.add,
            mul=Written.mul,
            floordiv=Written.floordiv,
            mod=Written.mod,
            max=Written.max,
            min=Written.min,
        ).text

    __repr__ = __str__


Dim = int | Expr
Operand = int | Expr | Symbol


def fold(
    e: Dim,
    *,
    constant: Callable[[int], T],
    symbol: Callable[[Symbol], T],
    add: Callable[[T, T], T],
    mul: Callable[[T, T], T],
    floordiv: Callable[[T, T], T],
    mod: Callable[[T, T], T],
    max: Callable[[T, T], T],
    min: Callable[[T, T], T],
) -> T:
    """The expression computed bottom-up by the given functions, always in the same order."""
    calls = {"floordiv": floordiv, "mod": mod, "max": max, "min": min}
    done: dict[Atom, T] = {}

    def of(dim: Dim) -> T:
        if isinstance(dim, int):
            return constant(dim)
        return reduce(add, [reduce(mul, factors(*term)) for term in ordered(dim.terms)])

    def factors(monomial: tuple[Atom, ...], coefficient: int) -> Iterator[T]:
        if coefficient != 1 or not monomial:
            yield constant(coefficient)
        for atom in monomial:
            if atom not in done:
                done[atom] = of_atom(atom)
            yield done[atom]

    def of_atom(atom: Atom) -> T:
        if isinstance(atom, Call):
            return reduce(calls[atom.kind], map(of, atom.args))
        assert isinstance(atom, Symbol)
        return symbol(atom)

    return of(e)


def terms_of(x: Operand) -> Terms:
    """The polynomial of anything that stands for an integer."""
    if isinstance(x, int):
        return number(int(x))
    return x.terms


def expression(terms: Terms) -> Dim:
    """The canonical form of a polynomial."""
    has_calls = False
    for monomial in terms:
        for atom in monomial:
            has_calls = has_calls or atom.is_call
    if has_calls and (joined := _joined(terms)) is not None:
        return expression(joined)
    if not terms:
        return 0
    return terms[()] if len(terms) == 1 and () in terms else Expr(terms, has_calls)


def _operand(x: object) -> Operand | None:
    if isinstance(x, (int, Expr, Symbol)):
        return x
    return int(x) if isinstance(x, Integral) else None


def _joined(terms: Terms) -> Terms | None:
    """The polynomial with x // k · k + x % k made x again, where it holds such parts."""
    for monomial, coefficient in terms.items():
        for at, atom in enumerate(monomial):
            if isinstance(atom, Call):
                rest = {monomial[:at] + monomial[at + 1 :]: coefficient}
                others = {m: c for m, c in terms.items() if m != monomial}
                if (joined := _undone(atom, rest, others)) is not None:
                    return joined
    return None


def _undone(atom: Call, factor: Terms, others: Terms) -> Terms | None:
    """factor · atom + others without division, if that takes a quotient away."""
    if atom.kind == "mod" and (calls := _count_calls(others)):
        x, k = atom.args
        whole = times(terms_of(k), terms_of(division(x, k)[0]))
        base = plus(others, times(factor, whole), -1)
        return plus(base, times(factor, terms_of(x))) if _count_calls(base) < calls else None
    if atom.kind == "floordiv":
        x, k = atom.args
        ((monomial, coefficient),) = factor.items()
        if isinstance(k, int) and coefficient % k == 0 and division(x, k)[1] == 0:
            return plus(others, times({monomial: coefficient // k}, terms_of(x)))
    return None


def _count_calls(terms: Terms) -> int:
    return sum(atom.is_call for monomial in terms for atom in monomial)


@lru_cache(maxsize=1 << 14)
def division(x: Dim, k: Dim) -> tuple[Dim, Dim]:
    """x // k and x % k for a positive k."""
    if (k if isinstance(k, int) else k.interval[1]) <= 0:
        raise ShapeError(
            f"{x} is divided by {k}", fix="divide sizes and indices by positive numbers only"
        )
    if isinstance(x, int) and (x == 0 or isinstance(k, int)):
        return x and x // k, x and x % k
    if k == 1:
        return x, 0
    quotient, rest = Division(terms_of(x), terms_of(k), _again, _call).result()
    return expression(quotient), expression(rest)


def _again(x: Terms, k: Terms) -> tuple[Terms, Terms]:
    quotient, rest = division(expression(x), expression(k))
    return terms_of(quotient), terms_of(rest)


def _call(kind: str, *args: Terms) -> Terms:
    return {(Call(kind, tuple(map(expression, args))),): 1}
