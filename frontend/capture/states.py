"""The values of variables on their way through loops and branches: arrays, and all else."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import CellType, FunctionType
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.dims import Expr
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import Loc, ShapeError, TraceError

from ..tracing.dispatch import ACTIVE
from ..tracing.trace import call
from ..tracing.tracer import Tracer
from ..tracing.tree import flatten, map_leaves

__all__ = [
    "NOTHING",
    "UNDEFINED",
    "Variables",
    "anything",
    "check_effects",
    "check_writable",
    "copied",
    "decided",
    "is_array",
    "is_same",
    "owned",
    "scalar",
]

_CONTAINERS = (list, dict, set, bytearray, np.ndarray)


class _Missing:
    """A variable without a value."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


UNDEFINED = _Missing("undefined")
"""What a variable holds that has not been assigned yet."""

NOTHING = _Missing("nothing yet")
"""What a variable of symfuse's own holds before anything is known; any value will do."""


class Variables(Struct, frozen=True):
    """Some variables of the function that runs, which those inside it share."""

    names: tuple[str, ...]
    cells: tuple[CellType, ...]

    @classmethod
    def of(cls, reader: FunctionType) -> Variables:
        """The variables that a function closes over."""
        return cls(reader.__code__.co_freevars, reader.__closure__ or ())

    def read(self, names: Sequence[str] | None = None) -> tuple[Any, ...]:
        """Their values, or those of some of them."""
        wanted = self.names if names is None else names
        known = dict(zip(self.names, self.cells, strict=True))
        return tuple(_content(known[name]) for name in wanted)

    def write(self, values: Iterable[Any], names: Sequence[str] | None = None) -> None:
        """Give them values, or to some of them; UNDEFINED takes the value away."""
        wanted = self.names if names is None else names
        known = dict(zip(self.names, self.cells, strict=True))
        for name, value in zip(wanted, values, strict=True):
            if value is not UNDEFINED:
                known[name].cell_contents = value
            elif _content(known[name]) is not UNDEFINED:
                del known[name].cell_contents

    def running(
        self, function: Callable[..., Any], results: Sequence[str] | None = None
    ) -> Callable[..., tuple[Any, ...]]:
        """The function as one of values: those for itself, and behind them the variables'."""

        def run(*given: Any) -> tuple[Any, ...]:
            own = len(given) - len(self.names)
            self.write(given[own:])
            function(*given[:own])
            return self.read(results)

        return run

    @contextmanager
    def kept(self) -> Iterator[tuple[Any, ...]]:
        """Have the variables afterwards what they are now; the block may change them."""
        values = self.read()
        try:
            yield values
        finally:
            self.write(values)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # which an empty one raises
        return UNDEFINED


def anything(read: Callable[[], Any]) -> Any:
    """The value of a variable that nothing reads any more; NOTHING if it has none."""
    try:
        return read()
    except NameError:
        return NOTHING


def is_array(leaf: Any) -> bool:
    """Whether a value can differ from run to run: an array, a number or a size."""
    return isinstance(leaf, Tracer | np.ndarray | np.generic | bool | int | float | complex | Expr)


def is_same(one: Any, other: Any) -> bool:
    """Whether two values that are no arrays are the same to Python."""
    if one is other:
        return True
    if type(one) is not type(other) or isinstance(one, Tracer | np.ndarray):
        return False
    return bool(one == other)


def decided(test: Any) -> bool | None:
    """The truth of a value; None if it is known only when the graph runs."""
    if not isinstance(test, Tracer):
        return bool(test)
    number = scalar(test)._node.number
    return None if number is None else bool(number)


def scalar(test: Tracer) -> Tracer:
    """A traced value as one truth; arrays of several have none."""
    if not test.shape:
        return test
    if all(n == 1 for n in test._node.shape):
        return call("reshape", test, shape=())  # type: ignore[no-any-return]
    raise ShapeError(
        f"the truth of {test!r} is asked for, which has more than one element",
        fix="reduce it by .any() or .all(), or choose element by element by snp.where",
        loc=user_location(),
    )


def owned(value: Any, known: dict[int, Any] | None = None) -> Any:
    """The value for a region that may write to it: its arrays belong to the running trace.

    With `known` one array has one that stands in for it, however many names it has.
    """
    if known is None:
        return map_leaves(_own, value)
    return map_leaves(lambda leaf: known.setdefault(id(leaf), _own(leaf)), value)


def copied(value: Any) -> Any:
    """The value in containers of its own, which may change."""
    leaves, tree = flatten(value)
    return tree.unflatten(leaves)


def check_writable(names: Iterable[str], written: Container[str], state: Iterable[Any]) -> None:
    """Refuse writes to arrays that belong to the caller of the traced function."""
    for name, value in zip(names, state, strict=True):
        if name in written:
            for leaf in flatten(value)[0]:
                if isinstance(leaf, Tracer) and leaf._node.shape:
                    leaf._check_writable()


def _own(leaf: Any) -> Any:
    trace = ACTIVE.get()
    if not isinstance(leaf, Tracer | np.ndarray) or trace is None:
        return leaf
    weak, read = isinstance(leaf, Tracer) and leaf._weak, trace.read
    found = Tracer(trace, trace.lift(leaf), weak=weak, owned=True)
    trace.read = read  # what stands in for an array is no other name for it
    return found


def check_effects(what: str, effects: Sequence[tuple[str, str, Callable[[], Any]]]) -> None:
    """Refuse what a loop or branch of the graph cannot do: change things outside of it."""
    for kind, text, target in effects:
        if kind == "object" and not isinstance(_value(target), _CONTAINERS):
            continue
        if kind == "attribute" and isinstance(_value(target), _Missing):
            continue
        reason, fix = _EFFECTS[kind]
        raise TraceError(
            f"`{text}` {reason} {what} that a traced value decides on",
            fix=fix,
            loc=Loc(target.__code__, len(target.__code__.co_code) - 2),
        )


_EFFECTS = {
    "object": (
        "changes an object from outside in",
        "give the value to a variable in every branch, and change the object after it",
    ),
    "attribute": (
        "sets an attribute in",
        "give the value to a variable in every branch, and set the attribute after it",
    ),
    "raise": (
        "raises in",
        "write sf.debug.check(condition, message), or check the value that is returned",
    ),
    "global": ("assigns to a global variable in", "use a local variable, and return it"),
    "nonlocal": ("assigns to a variable of another function in", "use a local one, and return it"),
}


def _value(target: Callable[[], Any]) -> Any:
    try:
        return target()
    except (NameError, AttributeError, LookupError, TypeError):
        return UNDEFINED  # it is made inside
