"""`while` and `for` in rewritten code: Python's loops, until a traced value decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import TraceError

from ..control.loops import walk
from ..control.regions import trace_region
from ..control.whiles import while_loop as native_while
from ..tracing.specs import describe
from ..tracing.trace import call
from ..tracing.tracer import Tracer
from ..tracing.tree import flatten
from .choices import branch
from .iterables import Walk, walk_over
from .logic import and_, not_, truth_of
from .states import (
    NOTHING,
    UNDEFINED,
    check_effects,
    check_writable,
    decided,
    is_array,
    is_same,
    owned,
)

__all__ = ["for_loop", "while_loop"]

Function = Callable[..., Any]
Words = Sequence[str]
State = tuple[Any, ...]


def while_loop(
    test: Function,
    body: Function,
    names: Words,
    written: Words,
    state: State,
    effects: Sequence[Any],
    bound: int | None = None,
    what: str = "while",
) -> State:
    """The variables after a `while`; turns are run by Python until a traced value decides."""
    while True:
        holds = decided(test(*state))
        if holds is None:
            break
        if not holds:
            return state
        state = body(*state)
    check_effects("a loop", effects)

    def run(carry: _Carry) -> list[Any]:
        found: list[Any] = native_while(
            lambda leaves: truth_of(test(*carry.values(leaves))),
            lambda leaves: carry.after(body(*carry.values(leaves))),
            carry.start,
            bound=bound,
        )
        return found

    return _looped(what, body, names, written, state, run)


def for_loop(
    iterable: Any,
    body: Function,
    names: Words,
    written: Words,
    state: State,
    effects: Sequence[Any],
    broken: int | None,
) -> State:
    """The variables after a `for`; turns are run by Python unless their number is traced."""
    walked = walk_over(iterable)
    if walked is None:
        items = iter(iterable)
        for item in items:
            state = body(item, *state)
            if broken is None:
                continue
            ended = decided(state[broken])
            if ended is None:
                rest = list(items)
                return _rest(rest, iterable, body, names, written, state, effects, broken)
            if ended:
                break
        return state
    check_effects("a loop", effects)
    if broken is None and not isinstance(walked.length, Tracer):
        return _counted(walked, body, names, written, state)
    return _until_broken(walked, body, names, written, state, broken)


def _counted(walked: Walk, body: Function, names: Words, written: Words, state: State) -> State:
    """All turns of a loop whose number is known before it begins."""

    def run(carry: _Carry) -> list[Any]:
        def turn(function: Function, at: Any, leaves: Any, rows: Any) -> Any:
            return carry.after(function(walked.item(at, rows), *carry.values(leaves))), ()

        last: list[Any] = walk("for", body, turn, carry.start, walked.rows, walked.length)[0]
        return last

    first = (lambda *given: body(walked.first(), *given)) if walked.length != 0 else None
    return _looped("for", body, names, written, state, run, first)


def _until_broken(
    walked: Walk, body: Function, names: Words, written: Words, state: State, broken: int | None
) -> State:
    """A loop that may end early, or whose number of turns is traced."""

    def goes_on(at: Any, *given: Any) -> Any:
        left = _is_less(at, walked.length)
        return left if broken is None else and_(lambda: left, lambda: not_(given[broken]))

    def turn(at: Any, *given: Any) -> Any:
        return at + 1, *body(walked.at(at), *given)

    bound = walked.length if isinstance(walked.length, int) else None
    every = ("the number of the turn", *names)
    return while_loop(goes_on, turn, every, written, (0, *state), (), bound, "for")[1:]


def _is_less(at: Any, length: Any) -> Any:
    """Whether there is a turn of this number, also where the number of turns is a size."""
    known = isinstance(at, int) and isinstance(length, int)
    return at < length if known else call("less", at, length)


def _rest(
    items: list[Any],
    iterable: Any,
    body: Function,
    names: Words,
    written: Words,
    state: State,
    effects: Sequence[Any],
    broken: int,
) -> State:
    """The turns after one in which a traced value has decided whether to go on."""
    if isinstance(iterable, range) and len(items) > 1:
        check_effects("a loop", effects)
        step = iterable.step
        walked = Walk(len(items), (), lambda at, _: items[0] + at * step)
        return _until_broken(walked, body, names, written, state, broken)
    for item in items:
        goes_on = not_(state[broken])
        turn = partial(body, item)
        state = branch(goes_on, turn, _unchanged, names, written, state, effects, names)
    return state


def _unchanged(*state: Any) -> State:
    return state


class _Carry:
    """The variables of a loop: their arrays, which turns hand on, and what stays the same."""

    def __init__(self, what: str, names: Words, state: State) -> None:
        self._what, self._names = what, names
        self._parts = [flatten(value) for value in state]
        self.start = [leaf for leaves, _ in self._parts for leaf in leaves if is_array(leaf)]
        self._given: list[Any] = []

    def values(self, leaves: Iterable[Any]) -> State:
        """The variables for these arrays."""
        arrays = self._given = list(leaves)
        rest = iter(arrays)
        found = []
        for known, tree in self._parts:
            found.append(tree.unflatten([next(rest) if is_array(x) else x for x in known]))
        return tuple(map(owned, found))

    def after(self, state: State) -> list[Any]:
        """The arrays of the variables after a turn."""
        arrays: list[Any] = []
        given = iter(self._given)
        for name, value, (known, tree) in zip(self._names, state, self._parts, strict=True):
            leaves, found = flatten(value)
            if value is UNDEFINED or found != tree:
                raise self._differs(name, f"is {tree} before it and {found} after a turn")
            for path, old, new in zip(tree.paths(name), known, leaves, strict=True):
                if is_array(old) and is_array(new):
                    self._expect_type(path, next(given), new)
                    arrays.append(new)
                elif not is_same(old, new):
                    raise self._differs(path, f"is {old!r} before it and {new!r} after a turn")
        return arrays

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


def _looped(
    what: str,
    body: Function,
    names: Words,
    written: Words,
    state: State,
    run: Callable[[_Carry], list[Any]],
    first: Function | None = None,
) -> State:
    """The variables after a loop of the graph."""
    for name, value in zip(names, state, strict=True):
        if value is UNDEFINED:
            raise TraceError(
                f"{name} is assigned in this `{what}` loop and used after it, but nobody knows "
                "yet whether the loop has a turn",
                fix=f"give {name} a value before the loop",
                loc=user_location(),
            )
    check_writable(names, written, state)
    if any(value is NOTHING for value in state):
        state = _filled(first or body, state)
    carry = _Carry(what, names, state)
    return carry.values(run(carry))


def _filled(body: Function, state: State) -> State:
    """The state with zeros where a turn gives the first value; a trial turn tells its type."""
    found: list[Any] = []

    def inside(_: Any, __: Any) -> list[Any]:
        found[:] = body(*map(owned, state))
        return []

    trace_region(body, (), inside)
    pairs = zip(state, found, strict=True)
    return tuple(
        _zeros(new) if old is NOTHING and new is not NOTHING else old for old, new in pairs
    )


def _zeros(value: Any) -> Any:
    leaves, tree = flatten(value)
    return tree.unflatten([_zero(leaf) if is_array(leaf) else leaf for leaf in leaves])


def _zero(leaf: Any) -> Any:
    (one,) = describe([leaf])
    kind: Any = one.type.dtype.numpy.type(0)
    if one.weak:
        return kind.item()
    return call("broadcast", kind, shape=one.type.shape, axes=())
