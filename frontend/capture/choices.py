"""`if` in rewritten code: one side is called, or both are traced as branches."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ops.kinds import zeros
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import TraceError

from ..control.branches import alike, chosen
from ..control.regions import Region, trace_region
from ..tracing.dispatch import ACTIVE
from ..tracing.trace import call
from ..tracing.tree import Structure, flatten
from .effects import unchanged
from .lending import Lent, Turn, expect_one_name, lent, returned, with_other_names
from .names import shown
from .states import (
    NOTHING,
    UNDEFINED,
    Variables,
    check_effects,
    check_writable,
    copied,
    decided,
    is_array,
    is_same,
    owned,
    scalar,
)

__all__ = ["branch", "choose", "joined", "leave"]

Function = Callable[..., Any]
Words = Sequence[str]
_RETURNED = "what is returned"


def branch(
    test: Any,
    then: Function,
    otherwise: Function,
    reader: Any,
    written: Words,
    effects: Sequence[Any],
    results: Words,
) -> None:
    """`if test: then()`, `else: otherwise()`, of which `results` are the variables used later."""
    truth = decided(test)
    if truth is not None:
        (then if truth else otherwise)()
        return
    variables = Variables.of(reader)
    used = {*results, *_known_elsewhere(variables, written)}
    sides = [variables.running(side) for side in (then, otherwise)]
    with variables.kept() as state:
        check_effects("a branch", effects)
        take = _taking(variables.names, written, state)
        found = _chosen(test, sides, used, take, variables.names)
    variables.write(found.values(), list(found))


def leave(
    test: Any,
    then: Function,
    otherwise: Function,
    reader: Any,
    written: Words,
    effects: Sequence[Any],
) -> Any:
    """What is returned after an `if` both sides of which end the function."""
    truth = decided(test)
    if truth is not None:
        return (then if truth else otherwise)()
    variables = Variables.of(reader)
    results = {_RETURNED, *_known_elsewhere(variables, written)}

    def returning(side: Function) -> Function:
        def run(*state: Any) -> tuple[Any, ...]:
            variables.write(state)
            value = side()
            return *variables.read(), value

        return run

    with variables.kept() as state:
        check_effects("a branch", effects)
        sides = (returning(then), returning(otherwise))
        take = _taking(variables.names, written, state)
        found = _chosen(test, sides, results, take, (*variables.names, _RETURNED))
    return found[_RETURNED]


def _known_elsewhere(variables: Variables, written: Words) -> set[str]:
    """The variables whose lists and dicts have other names, which see what a branch changes."""
    expect_one_name(variables, written, np.ndarray)
    return with_other_names(variables, list, dict)


def joined(
    test: Any, sides: Sequence[Function], names: Words, written: Words, state: Sequence[Any]
) -> tuple[Any, ...]:
    """The values of variables after a branch, each side of which takes and returns them."""
    found = _chosen(test, sides, names, _taking(names, written, state), names)
    return tuple(found[name] for name in names)


def choose(test: Any, then: Function, otherwise: Function) -> Any:
    """`then() if test else otherwise()`."""
    truth = decided(test)
    if truth is not None:
        return (then if truth else otherwise)()
    sides = (lambda: (then(),), lambda: (otherwise(),))
    return _chosen(test, sides, ["the value"], lambda: (), ["the value"])["the value"]


def _taking(names: Words, written: Words, state: Sequence[Any]) -> Callable[[], tuple[Lent, ...]]:
    """What a side is called with, made inside of its trace."""
    check_writable(names, written, state)
    pairs = list(zip(names, state, strict=True))

    def take() -> tuple[Lent, ...]:
        own: dict[int, Any] = {}
        return tuple(
            lent(value, owned(value, own) if name in written else copied(value))
            for name, value in pairs
        )

    return take


class _Side(Struct, frozen=True):
    """One side, traced: the nodes of its arrays, and the variables before and after it."""

    region: Region
    turn: Turn
    places: tuple[int, ...]  # of the variables whose arrays the nodes are


class _Slot(Struct, frozen=True):
    """One leaf of a variable: the number of its array on each side, or what is no array."""

    arrays: tuple[int | None, int | None] | None
    value: Any = None
    path: str = ""


def _chosen(
    test: Any,
    functions: Sequence[Function],
    results: Container[str],
    take: Callable[[], tuple[Lent, ...]],
    names: Words,
) -> dict[str, Any]:
    """Of the variables that both sides return, those that are used after a branch.

    With them come those whose arrays both sides keep, and may write to.
    """
    with unchanged("a branch", *functions):
        sides = tuple(_traced(function, take, results, names) for function in functions)
    common = set.intersection(*(set(side.places) for side in sides))
    slots: list[_Slot] = []
    trees: list[Structure] = []
    places = sorted(common)
    numbers = [_numbers(side) for side in sides]
    if not places:
        raise TraceError(
            "this branch assigns no variable that is used later, and can do nothing else, as a "
            "traced value decides on it",
            fix="give a value to a variable, and use it after the branch",
            loc=user_location(),
        )
    for at in places:
        seen = [known[at] for known in numbers]
        one, other = (side.turn.after[at] for side in sides)
        tree, found = _joined(shown(names[at]), one, other, seen)
        slots += found
        trees.append(tree)
    arrays = iter(_results(test, sides, [slot for slot in slots if slot.arrays]))
    leaves = iter([next(arrays) if slot.arrays else slot.value for slot in slots])
    values = [tree.unflatten([next(leaves) for _ in range(tree.count)]) for tree in trees]
    found_values = returned([side.turn for side in sides], places, values)
    return dict(zip([names[at] for at in places], found_values, strict=True))


def _numbers(side: _Side) -> dict[int, int]:
    """For each variable, how many arrays those before it have."""
    counts = (sum(map(is_array, flatten(value)[0])) for value in side.turn.at(side.places))
    return dict(zip(side.places, accumulate(counts, initial=0), strict=False))


def _traced(
    function: Function, take: Callable[[], tuple[Lent, ...]], results: Container[str], names: Words
) -> _Side:
    found: list[Any] = []

    def inside(_: Any) -> list[Any]:
        given = take()
        after = function(*(one.inside for one in given))
        more = (lent(None, NOTHING) for _ in after[len(given) :])  # a value that is made inside
        turn = Turn((*given, *more), after, ACTIVE.get())
        turn.expect_one_name()
        places = tuple(at for at, name in enumerate(names) if name in results or turn.keeps(at))
        found[:] = turn, places
        return [leaf for leaf in flatten(turn.at(places))[0] if is_array(leaf)]

    region = trace_region(_named(function), (), lambda _, given: inside(given))
    return _Side(region, *found)


def _named(function: Function) -> Function:
    """The function with the name that its graph will have."""

    def branch(*given: Any) -> Any:
        return function(*given)

    return branch


def _joined(name: str, one: Any, other: Any, seen: list[int]) -> tuple[Structure, list[_Slot]]:
    """How a variable goes on; `seen` counts the arrays of each side so far."""
    if one is NOTHING or other is NOTHING:
        leaves, tree = flatten(other if one is NOTHING else one)
        known = 1 if one is NOTHING else 0
        return tree, [_alone(leaf, known, seen) for leaf in leaves]
    _expect_defined(name, one, other)
    (left, tree), (right, tree2) = flatten(one), flatten(other)
    if tree != tree2:
        raise TraceError(
            f"{name} is {tree} on one side of this branch and {tree2} on the other",
            fix="make the same containers, with the same keys, on both sides",
            loc=user_location(),
        )
    paths = tree.paths(name)
    return tree, [_slot(*row, seen) for row in zip(paths, left, right, strict=True)]


def _alone(leaf: Any, side: int, seen: list[int]) -> _Slot:
    """A leaf that only one side has; the other gives zeros, which nothing reads."""
    if not is_array(leaf):
        return _Slot(None, leaf)
    seen[side] += 1
    number = seen[side] - 1
    return _Slot((number, None) if side == 0 else (None, number))


def _slot(name: str, one: Any, other: Any, seen: list[int]) -> _Slot:
    arrays = (is_array(one), is_array(other))
    numbers = (seen[0], seen[1])
    seen[0], seen[1] = seen[0] + arrays[0], seen[1] + arrays[1]
    if is_same(one, other):
        return _Slot(None, one)
    if all(arrays):
        return _Slot(numbers, path=name)
    raise TraceError(
        f"{name} is {one!r} on one side of this branch and {other!r} on the other; only arrays "
        "and numbers can differ where a traced value decides",
        fix="choose between arrays or numbers, or make the value that decides a static argument",
        loc=user_location(),
    )


def _expect_defined(name: str, one: Any, other: Any) -> None:
    if (one is UNDEFINED) != (other is UNDEFINED):
        side = "holds" if other is UNDEFINED else "does not hold"
        raise TraceError(
            f"{name} is assigned only if this condition {side}, but it is used later",
            fix=f"give {name} a value before the `if`, or on both sides of it",
            loc=user_location(),
        )


def _results(test: Any, sides: Sequence[_Side], slots: Sequence[_Slot]) -> list[Any]:
    """One branch that gives the arrays of both sides, number by number."""
    if not slots:
        return []
    columns = [_column(sides, slot.arrays) for slot in slots if slot.arrays]
    regions = [
        replace(
            side.region,
            graph=side.region.graph.with_outputs(outputs),
            weak=tuple(weak),
            tree=flatten(list(outputs))[1],
            labels=tuple(slot.path for slot in slots),
        )
        for side, outputs, weak in zip(
            sides,
            zip(*(column[0] for column in columns), strict=True),
            zip(*(column[1] for column in columns), strict=True),
            strict=True,
        )
    ]
    truth = scalar(test)
    if not truth._node.dtype.is_bool:
        truth = call("not_equal", truth, 0)
    index = call("convert", truth, dtype=DType.I32)
    return chosen(index, alike("if", [regions[1], regions[0]]), (), ())


def _column(
    sides: Sequence[_Side], pair: tuple[int | None, int | None]
) -> tuple[tuple[Node, Node], tuple[bool, bool]]:
    """The node of each side, and whether it is a bare number."""
    known = next(at for at, number in enumerate(pair) if number is not None)
    number = pair[known]
    model = sides[known].region.graph.outputs[number]  # type: ignore[index]
    nodes, weak = [], []
    for side, number in zip(sides, pair, strict=True):
        builder = side.region.graph.builder
        if number is None:
            with builder.deriving(model.source), builder.active():
                nodes.append(zeros(model.type))
            weak.append(False)
        else:
            nodes.append(side.region.graph.outputs[number])
            weak.append(side.region.weak[number])
    return tuple(nodes), tuple(weak)  # type: ignore[return-value]
