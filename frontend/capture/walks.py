"""`while` and `for` in rewritten code: Python's loops, until a traced value decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from msgspec.structs import replace

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import TraceError

from ..control.loops import walk
from ..control.regions import trace_region
from ..control.whiles import while_loop as native_while
from ..tracing.specs import describe
from ..tracing.trace import call
from ..tracing.tracer import Tracer
from ..tracing.tree import flatten
from .carry import Carry
from .choices import branch, joined
from .effects import unchanged
from .iterables import Walk, walk_over
from .lending import expect_one_name
from .logic import and_, not_, truth_of
from .names import shown
from .states import (
    NOTHING,
    UNDEFINED,
    Variables,
    check_effects,
    check_writable,
    decided,
    is_array,
    owned,
)

__all__ = ["for_loop", "turns", "while_loop"]

Function = Callable[..., Any]
Words = Sequence[str]
State = tuple[Any, ...]


def while_loop(
    test: Function, body: Function, reader: Any, written: Words, effects: Sequence[Any]
) -> None:
    """`while test(): body()`; turns are run by Python until a traced value decides."""
    while (holds := decided(test())) is not None:
        if not holds:
            return
        body()
    variables = Variables.of(reader)

    def asks(*state: Any) -> Any:
        variables.write(state)
        return test()

    expect_one_name(variables, written, np.ndarray)
    with variables.kept() as state:
        check_effects("a loop", effects)
        turn = variables.running(body)
        found = _while("while", asks, turn, variables.names, written, state, None)
    variables.write(found)


def for_loop(
    iterable: Any,
    body: Function,
    reader: Any,
    written: Words,
    effects: Sequence[Any],
    broken: str | None,
    grows: Words = (),
) -> None:
    """`for item in iterable: body(item)`; turns are run by Python unless their number is traced.

    The loop ends when the variable `broken` is true.
    """
    walked, variables = walk_over(iterable), Variables.of(reader)
    if walked is None:
        items = iter(iterable)
        for item in items:
            body(item)
            ended = broken is not None and decided(variables.read((broken,))[0])
            if ended is None:
                _rest(list(items), iterable, body, reader, written, effects, str(broken))
            if ended is not False:
                return
        return
    flag = None if broken is None else variables.names.index(broken)
    expect_one_name(variables, written, np.ndarray)
    expect_one_name(variables, grows, np.ndarray, list)
    with variables.kept() as state:
        check_effects("a loop", effects)
        turn = variables.running(body)
        found = turns(walked, turn, variables.names, written, state, flag, grows)
    variables.write(found)


def turns(
    walked: Walk,
    body: Function,
    names: Words,
    written: Words,
    state: State,
    broken: int | None = None,
    grows: Words = (),
) -> State:
    """The variables after a loop over rows, the body of which takes and returns them."""
    if walked.kept is not None:
        walked, body = _filtered(walked, body, names, written)
    if broken is None and not isinstance(walked.length, Tracer):
        return _counted(walked, body, names, written, state, grows)
    return _until_broken(walked, body, names, written, state, broken)


def _while(
    what: str,
    test: Function,
    body: Function,
    names: Words,
    written: Words,
    state: State,
    bound: int | None,
) -> State:
    """The variables after turns of the graph, the test and body of which take them."""

    def run(carry: Carry) -> list[Any]:
        found: list[Any] = native_while(
            lambda leaves: carry.tested(truth_of(test(*carry.values(leaves)))),
            lambda leaves: carry.after(body(*carry.values(leaves))),
            carry.start,
            bound=bound,
        )
        return found

    return _looped(what, (body, test), names, written, state, run)


def _filtered(walked: Walk, body: Function, names: Words, written: Words) -> tuple[Walk, Function]:
    """The loop as one over all rows, the body of which asks whether to do anything."""
    item, kept = walked.item, walked.kept
    assert kept is not None

    def asks(rows: tuple[Any, Any], *state: Any) -> State:
        def inside(*given: Any) -> State:
            return body(item(*rows), *given)  # type: ignore[no-any-return]

        test = kept(*rows)
        known = decided(test)
        if known is not None:
            return inside(*state) if known else state
        return joined(test, (inside, _unchanged), names, written, state)

    return replace(walked, item=lambda *rows: rows, kept=None), asks


def _counted(
    walked: Walk, body: Function, names: Words, written: Words, state: State, grows: Words
) -> State:
    """All turns of a loop whose number is known before it begins.

    Where a variable begins as None, the first turn is written out, which gives it its value.
    """
    if any(value is None for value in state) and isinstance(walked.length, int) and walked.length:
        state, walked = body(walked.first(), *state), walked.rest()

    def run(carry: Carry) -> list[Any]:
        def turn(function: Function, at: Any, leaves: Any, rows: Any) -> Any:
            given = carry.values(leaves, grows=grows)
            last = carry.after(function(walked.item(at, rows), *given))
            return last, carry.appended

        last, more = walk("for", body, turn, carry.start, walked.rows, walked.length)
        carry.grow(more, walked.length)
        return last  # type: ignore[no-any-return]

    first = (lambda *given: body(walked.first(), *given)) if walked.length != 0 else body
    return _looped("for", (first, body), names, written, state, run)


def _until_broken(
    walked: Walk, body: Function, names: Words, written: Words, state: State, broken: int | None
) -> State:
    """A loop that may end early, or whose number of turns is traced."""

    def goes_on(at: Any, *given: Any) -> Any:
        left = _is_less(at, walked.length)
        return left if broken is None else and_(lambda: left, lambda: not_(given[broken]))

    def turn(at: Any, *given: Any) -> Any:
        return at + 1, *body(walked.at(at), *given)

    at: Any = 0
    while (known := decided(goes_on(at, *state))) is not None:
        if not known:
            return state
        at, *rest = turn(at, *state)
        state = tuple(rest)
    bound = walked.length if isinstance(walked.length, int) else None
    every = ("the number of the turn", *names)
    return _while("for", goes_on, turn, every, written, (at, *state), bound)[1:]


def _is_less(at: Any, length: Any) -> Any:
    """Whether there is a turn of this number, also where the number of turns is a size."""
    known = isinstance(at, int) and isinstance(length, int)
    return at < length if known else call("less", at, length)


def _rest(
    items: list[Any],
    iterable: Any,
    body: Function,
    reader: Any,
    written: Words,
    effects: Sequence[Any],
    broken: str,
) -> None:
    """The turns after one in which a traced value has decided whether to go on."""
    variables = Variables.of(reader)
    if isinstance(iterable, range) and len(items) > 1:
        step = iterable.step
        walked = Walk(len(items), (), lambda at, _: items[0] + at * step)
        flag = variables.names.index(broken)
        expect_one_name(variables, written, np.ndarray)
        with variables.kept() as state:
            check_effects("a loop", effects)
            turn = variables.running(body)
            found = _until_broken(walked, turn, variables.names, written, state, flag)
        variables.write(found)
        return
    for item in items:
        goes_on = not_(variables.read((broken,))[0])
        branch(goes_on, partial(body, item), _nothing, reader, written, effects, variables.names)


def _nothing() -> None:
    pass


def _unchanged(*state: Any) -> State:
    return state


def _looped(
    what: str,
    functions: Sequence[Function],
    names: Words,
    written: Words,
    state: State,
    run: Callable[[Carry], list[Any]],
) -> State:
    """The variables after a loop of the graph; the first function tells what a turn is like."""
    for name, value in zip(names, state, strict=True):
        if value is UNDEFINED:
            raise TraceError(
                f"{shown(name)} is assigned in this `{what}` loop and used after it, but nobody "
                "knows yet whether the loop has a turn",
                fix=f"give {name} a value before the loop",
                loc=user_location(),
            )
    check_writable(names, written, state)
    if any(value is NOTHING for value in state):
        state = _filled(functions[0], state)
    carry = Carry(what, names, state)
    with unchanged("a loop", *functions):
        leaves = run(carry)
    return carry.ended(leaves)


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
