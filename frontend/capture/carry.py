"""The variables of a loop on their way from turn to turn; lists that every turn appends to."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

from symfuse.compiler.ir.dims import Expr
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import TraceError

from ..tracing.dispatch import ACTIVE, FUNCTIONS
from ..tracing.rows import Rows
from ..tracing.specs import describe
from ..tracing.trace import Trace
from ..tracing.tree import flatten, map_leaves
from .lending import Lent, Turn, lent, returned
from .names import shown
from .states import UNDEFINED, is_array, is_same, owned

__all__ = ["Carry"]

_TO_GROW = (
    "grow a list by .append in every turn of a `for` loop without `break`; else write to an array: "
    "found = snp.zeros(n), found[i] = value"
)

Words = Sequence[str]
State = tuple[Any, ...]


class Carry:
    """The variables of a loop: their arrays, which turns hand on, and what stays the same."""

    def __init__(self, what: str, names: Words, state: State) -> None:
        self._what, self._names = what, [shown(name) for name in names]
        self._state = state
        self._parts = [flatten(value) for value in state]
        self.start = [leaf for leaves, _ in self._parts for leaf in leaves if is_array(leaf)]
        self._given: list[Any] = []
        self.appended: dict[str, tuple[Any, ...]] = {}  # in one turn, by the name of the list
        self._rows: dict[str, Rows] = {}
        self._lent: tuple[Lent, ...] = ()
        self._turn: Turn | None = None
        self._tests: list[Trace] = []

    def tested(self, truth: Any) -> Any:
        """The truth that decides on a turn; what it reads, no turn may write by another name."""
        self._tests.append(ACTIVE.get())
        return truth

    def ended(self, leaves: Iterable[Any]) -> State:
        """The variables after the loop, with these arrays."""
        values = self._made(leaves)
        if self._turn is None:
            return values
        self._turn.expect_one_name(*self._tests)
        return returned([self._turn], range(len(values)), values)

    def values(self, leaves: Iterable[Any], *, grows: Container[str] = ()) -> State:
        """The variables of a turn for these arrays; lists that are named may grow in it."""
        found = self._made(leaves, grows)
        self._lent = tuple(map(lent, self._state, found))
        return found

    def _made(self, leaves: Iterable[Any], grows: Container[str] = ()) -> State:
        arrays = self._given = list(leaves)
        rest = iter(arrays)
        found = []
        for name, (known, tree) in zip(self._names, self._parts, strict=True):
            value = owned(tree.unflatten([next(rest) if is_array(x) else x for x in known]))
            if type(value) is list and name in grows:
                value = _Growing(value)
            elif (rows := self._rows.get(name)) is not None:
                value = _behind(value, rows) if value else rows
            found.append(value)
        return tuple(found)

    def grow(self, more: dict[str, tuple[Any, ...]], length: Any) -> None:
        """Put the rows that all turns have appended, which are stacked, behind the lists."""
        for name, parts in more.items():
            self._rows[name] = Rows(_interleaved(parts), length * len(parts))

    def after(self, state: State) -> list[Any]:
        """The arrays of the variables after a turn."""
        arrays: list[Any] = []
        given = iter(self._given)
        self.appended = {}
        self._turn = Turn(self._lent, state, ACTIVE.get(), repeats=True)
        self._turn.expect_one_name()
        self._turn.expect_steady()
        for name, value, (known, tree) in zip(self._names, state, self._parts, strict=True):
            if isinstance(value, _Growing):
                value = self._kept(name, value)
            leaves, found = flatten(value)
            if value is UNDEFINED or found != tree:
                fix = _TO_GROW if isinstance(value, list) else ""
                raise self._differs(name, f"is {tree} before it and {found} after a turn", fix)
            for path, old, new in zip(tree.paths(name), known, leaves, strict=True):
                if is_array(old) and is_array(new):
                    self._expect_type(path, next(given), new)
                    arrays.append(new)
                elif not is_same(old, new):
                    raise self._differs(path, f"is {old!r} before it and {new!r} after a turn")
        return arrays

    def _kept(self, name: str, value: _Growing) -> list[Any]:
        """The elements of a list from before the loop; what the turn has appended is set apart."""
        if value.new and value.is_read:
            raise TraceError(
                f"the list {name} is read, and grows, in a `{self._what}` loop of the graph",
                fix=f"keep what you read of {name} in a variable of its own",
                loc=user_location(),
            )
        if value.new:
            self.appended[name] = tuple(value.new)
        return value.known()

    def _expect_type(self, path: str, old: Any, new: Any) -> None:
        (was,), (now,) = describe([old]), describe([new])
        if was.type == now.type or (was.weak and was.type.shape == now.type.shape) or now.weak:
            return
        what = f"is {was.type} before it and {now.type} after a turn"
        same = was.type.shape == now.type.shape
        fix = f".astype({was.type.dtype.numpy.name!r})" if same else ""
        raise self._differs(path, what, f"keep its type: {fix}" if fix else "keep its shape")

    def _differs(self, name: str, what: str, fix: str = "") -> TraceError:
        return TraceError(
            f"the variable {name} of this `{self._what}` loop {what}",
            fix=fix or "begin with the containers and values that every turn leaves",
            loc=user_location(),
        )


def _behind(first: list[Any], rows: Rows) -> Any:
    """A list with rows behind its elements."""
    if not isinstance(rows.length, Expr):
        return [*first, *rows]

    def joined(array: Any, *parts: Any) -> Any:
        return FUNCTIONS["concatenate"]([FUNCTIONS["stack"](parts), array])

    return Rows(map_leaves(joined, rows.arrays, *first), len(first) + rows.length)


def _interleaved(parts: tuple[Any, ...]) -> Any:
    """The rows that turns have appended, turn after turn."""
    if len(parts) == 1:
        return parts[0]

    def joined(*rows: Any) -> Any:
        whole = FUNCTIONS["stack"](rows, axis=1)
        return FUNCTIONS["reshape"](whole, (-1, *whole.shape[2:]))

    return map_leaves(joined, *parts)


class _Growing(list[Any]):
    """A list in a turn of a loop: what is appended goes to the rows that the loop makes."""

    def __init__(self, values: Iterable[Any]) -> None:
        super().__init__(values)
        self.new: list[Any] = []
        self.is_read = False
        self._trace = ACTIVE.get()

    def append(self, value: Any) -> None:
        self._expect_own_turn()
        self.new.append(value)

    def _expect_own_turn(self) -> None:
        if ACTIVE.get() is not self._trace:
            raise TraceError(
                "a list grows in a branch or in a loop within a loop, so that its length is known "
                "only when the graph runs",
                fix="append in every turn of the outer loop: out.append(a if condition else b), or "
                "out.append(np.stack([f(x) for x in row]))",
                loc=user_location(),
            )

    def __setitem__(self, key: Any, value: Any) -> None:
        self._expect_own_turn()
        super().__setitem__(key, value)

    def extend(self, values: Iterable[Any]) -> None:
        for value in values:
            self.append(value)

    def __iadd__(self, values: Iterable[Any]) -> Any:  # type: ignore[misc]
        self.extend(values)
        return self

    def known(self) -> list[Any]:
        """The elements that were there before the loop."""
        return list.__getitem__(self, slice(None))


def _reading(name: str) -> Any:
    python = getattr(list, name)

    def read(self: _Growing, *args: Any) -> Any:
        self.is_read = True
        return python(self, *args)

    return read


for _name in ("__add__", "__contains__", "__getitem__", "__iter__", "__len__", "copy", "count",
              "index", "__reversed__"):  # fmt: skip
    setattr(_Growing, _name, _reading(_name))
