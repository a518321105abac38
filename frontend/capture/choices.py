"""`if` in rewritten code: one side is called, or both are traced as branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.compiler.ops.kinds import zeros
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import TraceError

from ..control.branches import alike, chosen
from ..control.regions import Region, trace_region
from ..tracing.trace import call
from ..tracing.tree import Structure, flatten
from .effects import unchanged
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
    updated,
)

__all__ = ["branch", "choose", "joined", "leave"]

Function = Callable[..., Any]
Words = Sequence[str]


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
    sides = [variables.running(side, results) for side in (then, otherwise)]
    with unchanged("a branch", then, otherwise), variables.kept() as state:
        check_effects("a branch", effects)
        known = dict(zip(variables.names, state, strict=True))
        take = _taking(variables.names, written, state)
        found, stay = _chosen(test, sides, _some(results), take, variables.names)
    for name, value in zip(results, found, strict=True):
        variables.write([updated(known[name], value) if name in stay else value], [name])


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

    def returning(side: Function) -> Function:
        def run(*state: Any) -> tuple[Any]:
            variables.write(state)
            return (side(),)

        return run

    with unchanged("a branch", then, otherwise), variables.kept() as state:
        check_effects("a branch", effects)
        sides = (returning(then), returning(otherwise))
        take = _taking(variables.names, written, state)
        return _chosen(test, sides, ("what is returned",), take)[0][0]


def joined(
    test: Any,
    sides: Sequence[Function],
    names: Words,
    written: Words,
    state: Sequence[Any],
    results: Words,
) -> tuple[Any, ...]:
    """The values of the variables `results` after a branch, each side of which takes the state."""
    return _chosen(test, sides, _some(results), _taking(names, written, state))[0]


def _some(results: Words) -> Words:
    """The variables that a branch gives, of which there must be some."""
    if results:
        return results
    raise TraceError(
        "this branch assigns no variable that is used later, and can do nothing else, as a "
        "traced value decides on it",
        fix="give a value to a variable, and use it after the branch",
        loc=user_location(),
    )


def choose(test: Any, then: Function, otherwise: Function) -> Any:
    """`then() if test else otherwise()`."""
    truth = decided(test)
    if truth is not None:
        return (then if truth else otherwise)()
    sides = (lambda: (then(),), lambda: (otherwise(),))
    with unchanged("a branch", then, otherwise):
        return _chosen(test, sides, ("the value",), lambda: ())[0][0]


def _taking(names: Words, written: Words, state: Sequence[Any]) -> Callable[[], tuple[Any, ...]]:
    """What a side is called with, made inside of its trace."""
    check_writable(names, written, state)
    pairs = list(zip(names, state, strict=True))
    return lambda: tuple(
        owned(value) if name in written else copied(value) for name, value in pairs
    )


class _Side(Struct, frozen=True):
    """One side, traced: the value of each variable after it, and the nodes of the arrays."""

    region: Region
    given: tuple[Any, ...]
    values: tuple[Any, ...]

    def leaves(self) -> list[tuple[list[Any], Structure]]:
        return [flatten(value) for value in self.values]


class _Slot(Struct, frozen=True):
    """One leaf of a variable: the number of its array on each side, or what is no array."""

    arrays: tuple[int | None, int | None] | None
    value: Any = None
    path: str = ""


def _chosen(
    test: Any,
    functions: Sequence[Function],
    names: Words,
    take: Callable[[], Any],
    state: Words = (),
) -> tuple[tuple[Any, ...], set[str]]:
    """The values after a branch that a traced value decides on, and the names of those that are
    on both sides what was given for this name of the state: the same object, as it is now."""
    sides = tuple(_traced(function, take) for function in functions)
    slots: list[_Slot] = []
    trees: list[Structure] = []
    seen = [0, 0]
    for name, one, other in zip(names, *(side.values for side in sides), strict=True):
        tree, found = _joined(shown(name), one, other, seen)
        slots += found
        trees.append(tree)
    results = iter(_results(test, sides, [slot for slot in slots if slot.arrays]))
    leaves = iter([next(results) if slot.arrays else slot.value for slot in slots])
    values = tuple(tree.unflatten([next(leaves) for _ in range(tree.count)]) for tree in trees)
    return values, set.intersection(*(_kept(side, names, state) for side in sides))


def _kept(side: _Side, names: Words, state: Words) -> set[str]:
    given = dict(zip(state, side.given, strict=False))
    return {
        name
        for name, value in zip(names, side.values, strict=True)
        if name in given and value is given[name]
    }


def _traced(function: Function, take: Callable[[], Any]) -> _Side:
    kept: list[Any] = []
    given: list[Any] = []

    def inside(_: Any) -> list[Any]:
        given[:] = take()
        kept[:] = function(*given)
        return [leaf for leaf in flatten(tuple(kept))[0] if is_array(leaf)]

    region = trace_region(_named(function), (), lambda _, given: inside(given))
    return _Side(region, tuple(given), tuple(kept))


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
