"""`and`, `or`, `not`, chains of comparisons and `assert` in rewritten code."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import TraceError

from ..debug.reports import check
from ..tracing.trace import call
from ..tracing.tracer import Tracer
from .choices import choose
from .effects import unchanged
from .states import decided, scalar

__all__ = ["and_", "assert_", "chain", "is_", "is_left", "is_sequence", "not_", "or_", "truth_of"]

Thunk = Callable[[], Any]
_COMPARE = {
    "Lt": operator.lt, "LtE": operator.le, "Gt": operator.gt,
    "GtE": operator.ge, "Eq": operator.eq, "NotEq": operator.ne,
}  # fmt: skip


def truth_of(value: Any) -> Any:
    """The truth of a value: a bool, or a traced one."""
    if not isinstance(value, Tracer):
        return bool(value)
    one = scalar(value)
    return one if one._node.dtype.is_bool else call("not_equal", one, 0)


def not_(value: Any) -> Any:
    """`not value`."""
    known = decided(value)
    return call("logical_not", truth_of(value)) if known is None else not known


def and_(*operands: Thunk) -> Any:
    """`a and b and c`: where a traced value decides, the truth of all, or a branch."""
    return _either(operands, ends=False)


def or_(*operands: Thunk) -> Any:
    """`a or b or c`."""
    return _either(operands, ends=True)


def chain(first: Any, *links: tuple[str, Thunk]) -> Any:
    """`a < b < c`: every comparison holds."""
    left, found = first, None
    for sign, thunk in links:
        right = thunk()
        one = _COMPARE[sign](left, right)
        found = one if found is None else and_(lambda f=found: f, lambda o=one: o)  # type: ignore[misc]
        left = right
        if not isinstance(found, Tracer) and not decided(found):
            return found
    return found


def is_(value: Any, constant: Any) -> Any:
    """Whether a value is True, False or None, as `match` asks; of `bool(x)`, which it is."""
    if constant is None or not isinstance(value, Tracer) or not _is_truth(value):
        return value is constant
    if not value._weak:
        raise TraceError(
            f"`case {constant}` never matches {value!r}: NumPy's truths are not {constant} itself",
            fix="match bool(condition), or write it as `if`",
            loc=user_location(),
        )
    return value if constant else not_(value)


def is_left(value: Any, constant: bool) -> bool:
    """Whether a value that is not the other of True and False is this one."""
    return value is constant or isinstance(value, Tracer)


def is_sequence(value: Any, count: int) -> bool:
    """Whether a value is a tuple or list of so many parts."""
    return (
        isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) == count
    )


def assert_(test: Any, message: Thunk) -> None:
    """`assert test, message`: where the test is traced, a check when the program runs."""
    known = decided(test)
    if known is None:
        told = str(message()).replace("{", "{{").replace("}", "}}")
        check(test, told or "the assertion does not hold")
    elif not known:
        told = message()
        raise AssertionError(told) if told != "" else AssertionError


def _either(operands: tuple[Thunk, ...], *, ends: bool) -> Any:
    """The first operand whose truth is `ends`, or the last one."""
    value = operands[0]()
    for thunk in operands[1:]:
        known = decided(value)
        if known is None:
            value = _met(value, thunk, ends)
        elif known is ends:
            return value
        else:
            value = thunk()
    return value


def _met(value: Tracer, thunk: Thunk, ends: bool) -> Any:
    """A traced operand with the next one: of two truths one, else the value that Python gives."""
    with unchanged("a branch", thunk):
        other = thunk()
    if value._node.dtype.is_bool and _is_truth(other):
        return call("logical_or" if ends else "logical_and", value, other)
    sides = (lambda: value, lambda: other) if ends else (lambda: other, lambda: value)
    return choose(value, *sides)


def _is_truth(value: Any) -> bool:
    if isinstance(value, Tracer):
        return value._node.dtype.is_bool and not value._node.shape
    return type(value).__name__ in ("bool", "bool_")
