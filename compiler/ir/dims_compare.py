"""What is known of expressions without their symbols' values: bounds, order, divisibility."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import gcd, isinf, prod

from .dims_expr import Call, Dim, Expr, division, expression, terms_of
from .dims_terms import Terms, at_least, interval, plus, replaced

__all__ = [
    "bounds",
    "is_at_most",
    "is_equal",
    "is_less",
    "is_multiple",
    "lower_bound",
    "maximum",
    "minimum",
    "upper_bound",
]


def bounds(e: Dim) -> tuple[int | None, int | None]:
    """Lowest and highest value, both inclusive; None where there is no bound."""
    low, high = interval(terms_of(e))
    return None if isinf(low) else int(low), None if isinf(high) else int(high)


def lower_bound(e: Dim) -> int | None:
    return bounds(e)[0]


def upper_bound(e: Dim) -> int | None:
    return bounds(e)[1]


def is_equal(a: Dim, b: Dim) -> bool | None:
    """Whether two sizes are equal, or None if that depends on their symbols."""
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if a == b:
        return True
    difference = terms_of(a - b)
    if _is_apart(difference) or _is_least(difference, 1) or _is_least(_negative(difference), 1):
        return False
    return True if not difference or expression(_opened(difference)) == 0 else None


def is_at_most(a: Dim, b: Dim) -> bool | None:
    """Whether a <= b, or None if that depends on their symbols."""
    if isinstance(a, int) and isinstance(b, int):
        return a <= b
    difference = terms_of(b - a)
    if _is_least(difference, 0):
        return True
    return False if _is_least(_negative(difference), 1) else None


def is_less(a: Dim, b: Dim) -> bool | None:
    """Whether a < b, or None if that depends on their symbols."""
    return is_at_most(a + 1, b)


def is_multiple(e: Dim, k: Dim) -> bool | None:
    """Whether k divides e, or None if that depends on their symbols."""
    rest = division(e, k)[1]
    return is_equal(rest, 0)


def maximum(*dims: Dim) -> Dim:
    """The largest, with those left out that never are."""
    return _extreme("max", dims, lambda a, b: is_at_most(a, b) is True)


def minimum(*dims: Dim) -> Dim:
    """The smallest, with those left out that never are."""
    return _extreme("min", dims, lambda a, b: is_at_most(b, a) is True)


def _extreme(kind: str, dims: tuple[Dim, ...], is_beaten: Callable[[Dim, Dim], bool]) -> Dim:
    left: list[Dim] = []
    for dim in dict.fromkeys(inner for given in dims for inner in _flat(kind, given)):
        if not any(is_beaten(dim, other) for other in left):
            left = [other for other in left if not is_beaten(other, dim)] + [dim]
    if len(left) == 1:
        return left[0]
    left.sort(key=lambda dim: (isinstance(dim, int), str(dim)))
    return Expr({(Call(kind, tuple(left)),): 1}, True)


def _flat(kind: str, dim: Dim) -> tuple[Dim, ...]:
    """The operands of a dim that is itself a call of this kind."""
    if isinstance(dim, Expr) and len(dim.terms) == 1:
        ((monomial, coefficient),) = dim.terms.items()
        if coefficient == 1 and len(monomial) == 1 and monomial[0].kind == kind:
            return tuple(map(expression, monomial[0].operands()))
    return (dim,)


def _negative(terms: Terms) -> Terms:
    return {monomial: -c for monomial, c in terms.items()}


def _is_least(terms: Terms, bound: int, depth: int = 2) -> bool:
    """Whether the value is known to be at least `bound`, perhaps with quotients opened, or where
    extremes are told apart by cases."""
    if at_least(terms, bound):
        return True
    opened = _opened(terms)
    if opened is not terms and at_least(opened, bound):
        return True
    if not depth or interval(terms)[1] < bound:
        return False
    return any(_is_least_by_cases(terms, call, bound, depth - 1) for call in _extremes(terms))


def _extremes(terms: Terms) -> Iterator[Call]:
    """Largest and smallest of some values, that stand in one term, and there alone."""
    calls = (m[0] for m in terms if len(m) == 1 and isinstance(m[0], Call))
    for call in calls:
        if call.kind in ("max", "min") and sum(call in monomial for monomial in terms) == 1:
            yield call


def _is_least_by_cases(terms: Terms, atom: Call, bound: int, depth: int) -> bool:
    """With each operand in the place of an extreme: the value is the least or the greatest of
    these, so that all of them have to be at least `bound`, or one of them."""
    cases = (_is_least(replaced(terms, atom, x), bound, depth) for x in atom.operands())
    is_least_of_all = (atom.kind == "min") == (terms[atom,] > 0)
    return all(cases) if is_least_of_all else any(cases)


def _is_apart(terms: Terms) -> bool:
    """Whether a number that divides every term but not the constant keeps the value from 0."""
    steps = [
        c * prod(atom.multiple_of for atom in monomial) for monomial, c in terms.items() if monomial
    ]
    return terms.get((), 0) % (gcd(*steps) or 1) != 0


def _opened(terms: Terms) -> Terms:
    """The same value with x // k · k written as x - x % k."""
    for monomial, coefficient in terms.items():
        for atom in monomial:
            if not isinstance(atom, Call) or atom.kind != "floordiv":
                continue
            x, k = atom.args
            if isinstance(k, int) and coefficient % k == 0:
                value = plus(terms_of(x), {(Call("mod", (x, k)),): 1}, -1)
                others = {m: c for m, c in terms.items() if m != monomial}
                term = replaced({monomial: coefficient // k}, atom, value)
                return _opened(plus(others, term))
    return terms
