"""What a `for` loop of the graph walks over: rows of traced arrays, and traced numbers of turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from symfuse.compiler.ir.dims import Expr, ceil_div, is_equal, maximum
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError, TraceError

from ..tracing.refusals import NoValueError
from ..tracing.rows import Rows
from ..tracing.sizes import plain
from ..tracing.trace import call
from ..tracing.tracer import Tracer
from ..tracing.tree import flatten

__all__ = [
    "Walk",
    "enumerate_",
    "expect_all_kept",
    "range_",
    "reversed_",
    "walk_over",
    "zip_",
]


class Walk(Struct, frozen=True):
    """A number of turns, the arrays that each turn sees a row of, and what it makes of that."""

    length: Any
    rows: tuple[Any, ...]
    item: Callable[[Any, Any], Any]
    kept: Callable[[Any, Any], Any] | None = None  # whether a turn takes place

    def at(self, place: Any) -> Any:
        """The item of one turn, read by its number."""
        return self.item(place, [row[place] for row in self.rows])

    def __iter__(self) -> Iterator[Any]:
        """The items, written out."""
        expect_all_kept(self, "a list")
        if not isinstance(self.length, int):
            raise _unknown(f"iteration over {self.length} rows", "write it as a `for` loop")
        return iter([self.at(place) for place in range(self.length)])

    def rest(self) -> Walk:
        """All but the first turn of one that every turn takes part in."""
        rows = tuple(row[1:] for row in self.rows)
        return Walk(self.length - 1, rows, lambda at, given: self.item(at + 1, given))

    def first(self) -> Any:
        """An item, to see what a turn is like."""
        return self.item(0, [row[0] for row in self.rows])


def walk_over(iterable: Any) -> Walk | None:
    """The walk over an iterable; None: Python can walk over it."""
    if isinstance(iterable, Walk):
        return iterable
    if isinstance(iterable, Rows):
        leaves, tree = flatten(iterable.arrays)
        item = iterable.row
        return Walk(iterable.length, tuple(leaves), lambda _, rows: item(tree.unflatten(rows)))
    if not isinstance(iterable, Tracer):
        return None
    shape = iterable._node.shape
    if not shape:
        raise TraceError(
            f"a loop over {iterable!r}, which has no axis to walk along",
            fix="use range(n) to count up to it",
            loc=user_location(),
        )
    return Walk(shape[0], (iterable,), lambda _, rows: rows[0])


def range_(*bounds: Any) -> Any:
    """`range`, of traced numbers and sizes too."""
    if not any(isinstance(bound, Tracer | Expr) for bound in bounds):
        return range(*bounds)
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    if not isinstance(step, int) or step == 0:
        raise TraceError(
            f"range with the step {step!r}", fix="use a whole number", loc=user_location()
        )
    start, stop = _bound(start), _bound(stop)
    length = _steps(start, stop, step)
    return Walk(length, (), lambda at, _: at * step + start if step != 1 or start != 0 else at)


def enumerate_(iterable: Any, start: int = 0) -> Any:
    """`enumerate`, over traced arrays too."""
    walked = walk_over(iterable)
    if walked is None:
        return enumerate(iterable, start)
    expect_all_kept(walked, "enumerate")
    return Walk(walked.length, walked.rows, lambda at, rows: (at + start, walked.item(at, rows)))


def zip_(*iterables: Any, strict: bool = False) -> Any:
    """`zip`, over traced arrays too; beside Python's own sequences they give row by row."""
    walks = [walk_over(one) for one in iterables]
    known = [one for one in walks if one is not None]
    if not known:
        return zip(*iterables, strict=strict)
    for one in known:
        expect_all_kept(one, "zip")
    if len(known) < len(walks):
        pairs = zip(iterables, walks, strict=True)
        return zip(*(one if w is None else _written_out(w) for one, w in pairs), strict=strict)
    if any(is_equal(one.length, known[0].length) is not True for one in known):
        lengths = ", ".join(str(one.length) for one in known)
        raise ShapeError(
            f"zip over {lengths} rows", fix="cut them to one length", loc=user_location()
        )
    rows = tuple(row for one in known for row in one.rows)
    return Walk(known[0].length, rows, lambda at, given: _items(known, at, given))


def reversed_(iterable: Any) -> Any:
    """`reversed`, of traced arrays and ranges too."""
    walked = walk_over(iterable)
    if walked is None:
        return reversed(iterable)
    expect_all_kept(walked, "reversed")
    last = walked.length - 1
    rows = tuple(row[::-1] for row in walked.rows)
    return Walk(walked.length, rows, lambda at, given: walked.item(last - at, given))


def _items(walks: list[Walk], at: Any, given: Any) -> tuple[Any, ...]:
    rest = iter(given)
    return tuple(one.item(at, [next(rest) for _ in one.rows]) for one in walks)


def expect_all_kept(walked: Walk, what: str) -> None:
    """Raise where a condition decides which rows there are, so that nobody knows their number."""
    if walked.kept is not None:
        raise _unknown(
            f"{what} of the rows that a condition keeps",
            "keep all of them: `value if condition else 0` instead of `for … if condition`, or "
            "snp.compress(conditions, x, axis=0, size=n)",
        )


def _written_out(walked: Walk) -> list[Any]:
    if not isinstance(walked.length, int):
        raise _unknown(f"a list beside {walked.length} rows", "make an array of the list")
    return [walked.at(place) for place in range(walked.length)]


def _unknown(what: str, fix: str) -> NoValueError:
    return NoValueError(
        f"{what}, whose number is known only when the graph runs", fix=fix, loc=user_location()
    )


def _bound(value: Any) -> Any:
    if isinstance(value, Tracer):
        if value._node.shape or not value._node.dtype.is_integer:
            raise NoValueError(
                f"range of {value!r}, which is no whole number",
                fix="convert it: n.astype('int64')",
                loc=user_location(),
            )
        return value
    return plain(value) if isinstance(value, Expr) else value.__index__()


def _steps(start: Any, stop: Any, step: int) -> Any:
    """How many numbers a range has."""
    count: Any = stop - start if step > 0 else start - stop
    size = abs(step)
    if isinstance(count, Tracer):
        whole: Any = count if size == 1 else call("add", count, size - 1) // size
        return call("maximum", whole, 0)
    return maximum(count if size == 1 else ceil_div(count, size), 0)
