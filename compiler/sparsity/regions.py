"""What the results of loops and branches depend on.

A loop of few turns is followed turn by turn, so that each row knows its own slices. A longer one,
and one that ends when a condition says so, is followed until a turn adds nothing to what is known
of the carries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from symfuse.runtime.dtypes import DType

from ..ir.dataflow import Dataflow
from ..ir.node import Node
from .elements import Elements
from .relations import chosen, folded, stacked, together

__all__ = ["MOST_TURNS", "results_of"]

MOST_TURNS = 1000  # of loops that are followed turn by turn
PATIENCE = 64  # turns after which all carries are taken to depend on what any of them does

Values = tuple[Elements, ...]
Run = Callable[[Dataflow, Sequence[Elements]], Values]


def results_of(node: Node, operands: Sequence[Elements], run: Run) -> Values:
    """All results of a loop or branch; `run` follows a region."""
    rule = _RULES.get(node.op.name)
    return run(node.attr("body"), operands) if rule is None else rule(node, operands, run)


def _loop(node: Node, operands: Sequence[Elements], run: Run) -> Values:
    attrs = node.attrs
    carries, length = attrs["carries"], int(attrs["length"])
    split = carries + attrs["scanned"]
    state, slices, rest = operands[:carries], operands[carries:split], operands[split:]
    if length > MOST_TURNS:
        return _any_turn(node, operands, run)
    rows: list[Values] = [()] * length
    turns = range(length)
    for turn in reversed(turns) if attrs["reverse"] else turns:
        given = [_row(x, turn, length) for x in slices]
        found = run(attrs["body"], (_number(turn), *state, *given, *rest))
        state, rows[turn] = found[:carries], found[carries:]
    outputs = attrs["body"].outputs[carries:]
    return (*state, *(_stacked(one, [row[k] for row in rows]) for k, one in enumerate(outputs)))


def _any_turn(node: Node, operands: Sequence[Elements], run: Run) -> Values:
    attrs = node.attrs
    carries, length, body = attrs["carries"], int(attrs["length"]), attrs["body"]
    split = carries + attrs["scanned"]
    slices = [_any_row(x, length) for x in operands[carries:split]]
    turn = Elements.unknown(DType.I64, 1)

    def step(state: Values) -> Values:
        return run(body, (turn, *state, *slices, *operands[split:]))

    state = _settled(lambda known: step(known)[:carries], tuple(operands[:carries]))
    every = [_repeated(row, length) for row in step(state)[carries:]]
    return (*state, *every)


def _while(node: Node, operands: Sequence[Elements], run: Run) -> Values:
    carries, body = node.attr("carries"), node.attr("body")
    rest = operands[carries:]
    return _settled(lambda state: run(body, (*state, *rest)), tuple(operands[:carries]))


def _settled(step: Callable[[Values], Values], state: Values) -> Values:
    """What is true of carries before every turn and after the last one."""
    turn = 0
    while True:
        after = _joined(state, step(state))
        if _same(after, state):
            return after
        turn += 1
        state = after if turn < PATIENCE else _mixed(after)


def _mixed(state: Values) -> Values:
    """Each element depends on whatever any does: a turn can add nothing to that but new inputs."""
    every = [folded(x.depends, (x.count,), (0,)) for x in state if x.count]
    whole = together(*every)
    return tuple(
        Elements.unknown(x.dtype, x.count, chosen(whole, np.zeros(x.count, np.intp)))
        if x.dtype.is_inexact
        else Elements.unknown(x.dtype, x.count)
        for x in state
    )


def _branch(node: Node, operands: Sequence[Elements], run: Run) -> Values:
    index, *given = operands
    branches = node.attr("branches")
    if index.is_known:
        number = min(max(int(index.value[0]), 0), len(branches) - 1)
        branches = branches[number : number + 1]
    first, *others = (run(one, given) for one in branches)
    for found in others:
        first = _joined(first, found)
    return first


def _joined(one: Values, other: Values) -> Values:
    return tuple(a.joined(b) for a, b in zip(one, other, strict=True))


def _same(one: Values, other: Values) -> bool:
    """Whether nothing has been added to what one knows by the other."""
    return all(
        _entries(a) == _entries(b) and np.array_equal(a.known, b.known)
        for a, b in zip(one, other, strict=True)
    )


def _entries(x: Elements) -> int:
    return 0 if x.depends is None else int(x.depends.nnz)


# slices and rows


def _number(turn: int) -> Elements:
    return Elements.of(np.asarray([turn]), DType.I64)


def _row(x: Elements, turn: int, length: int) -> Elements:
    size = x.count // length
    here = np.arange(turn * size, (turn + 1) * size)
    return Elements(x.dtype, x.value[here], x.known[here], chosen(x.depends, here))


def _any_row(x: Elements, length: int) -> Elements:
    """What is true of every slice."""
    rows, shape = x.value.reshape(length, -1), (length, x.count // length)
    known = x.known.reshape(shape).all(0) & (rows == rows[0]).all(0)
    return Elements(x.dtype, rows[0], known, folded(x.depends, shape, (0,)))


def _stacked(output: Node, rows: Sequence[Elements]) -> Elements:
    if not rows:
        return Elements.unknown(output.dtype, 0)
    value = np.concatenate([row.value for row in rows])
    known = np.concatenate([row.known for row in rows])
    return Elements(output.dtype, value, known, stacked([(r.depends, r.count) for r in rows]))


def _repeated(row: Elements, length: int) -> Elements:
    places = np.tile(np.arange(row.count), length)
    return Elements(row.dtype, row.value[places], row.known[places], chosen(row.depends, places))


_RULES = {"loop": _loop, "while_loop": _while, "branch": _branch}
