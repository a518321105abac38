"""Ends derivatives where they are zero as a whole: in what softmax takes away from its argument."""

from __future__ import annotations

from typing import Any

from ..ir.graph import Graph
from ..ir.node import Node
from ..ops.conversion import stop_gradient
from ..ops.exponential import exp, log
from ..ops.reduce import reduce_sum
from ..ops.shape import broadcast
from ..rewrite.driver import PassContext, rewrite
from ..rewrite.rule import RuleSet, step

__all__ = ["RULES", "detach_shifts"]


def detach_shifts(graph: Graph, context: PassContext | None = None) -> Graph:
    """The graph in which no derivative flows into the shift of a softmax or log Σ eˣ.

    Both give the same for x and for x - m if m is one number along the summed axes, so that the
    parts of the derivative in m add up to zero: there is no need to compute them.
    """
    return rewrite(graph, RULES, context)


@step("divide")
def shift_in_softmax(node: Node) -> Any:
    """eˣ⁻ᵐ / Σ eˣ⁻ᵐ"""
    exps, totals = node.inputs
    if exps.op is not exp or totals.op is not broadcast:
        return None
    (total,) = totals.inputs
    if total.op is not reduce_sum or total.inputs[0] is not exps or not _beside(totals, total):
        return None
    detached = _detached(exps.inputs[0], total.attr("axes"))
    if detached is None:
        return None
    again = exp(detached)
    return again / broadcast(reduce_sum(again, axes=total.attr("axes")), **totals.attrs)


@step("subtract")
def shift_in_log_softmax(node: Node) -> Any:
    """(x - m) - log Σ eˣ⁻ᵐ"""
    shifted, totals = node.inputs
    if totals.op is not broadcast:
        return None
    axes = _summed_axes(totals.inputs[0], shifted)
    if axes is None or not _beside(totals, totals.inputs[0].inputs[0]):
        return None
    detached = _detached(shifted, axes)
    if detached is None:
        return None
    return detached - broadcast(log(reduce_sum(exp(detached), axes=axes)), **totals.attrs)


@step("add")
def shift_in_log_sum_exp(node: Node) -> Any:
    """log Σ eˣ⁻ᵐ + m"""
    for logs, shift in (node.inputs, node.inputs[::-1]):
        shifted = _argument(logs)
        axes = None if shifted is None else _summed_axes(logs, shifted)
        if shifted is None or axes is None or _shift(shifted) is not shift:
            continue
        detached = _detached(shifted, axes)
        if detached is not None and _beside(shifted.inputs[1], logs.inputs[0]):
            return log(reduce_sum(exp(detached), axes=axes)) + stop_gradient(shift)
    return None


def _argument(logs: Node) -> Node | None:
    """The x of log Σ eˣ."""
    if logs.op is not log or logs.inputs[0].op is not reduce_sum:
        return None
    (exps,) = logs.inputs[0].inputs
    return exps.inputs[0] if exps.op is exp else None


def _summed_axes(logs: Node, x: Node) -> tuple[int, ...] | None:
    """The axes of the sum, if a node is log Σ eˣ of this x."""
    if _argument(logs) is not x:
        return None
    axes: tuple[int, ...] = logs.inputs[0].attr("axes")
    return axes


def _beside(copies: Node, total: Node) -> bool:
    """Whether copies of a sum stand next to the elements that were added up."""
    rest = (a for a in range(copies.rank) if a not in total.attr("axes"))
    return bool(copies.attr("axes") == tuple(rest))


def _shift(shifted: Node) -> Node | None:
    """The m of x - m, where it is copied along some axes."""
    if shifted.op.name != "subtract" or shifted.inputs[1].op is not broadcast:
        return None
    return shifted.inputs[1].inputs[0]


def _detached(shifted: Node, axes: tuple[int, ...]) -> Node | None:
    """x - m with no derivative in m, if m is one number along the axes and has a derivative."""
    shift = _shift(shifted)
    if shift is None or _is_detached(shift) or shift.is_constant:
        return None
    x, copies = shifted.inputs
    if set(axes) & set(copies.attr("axes")):
        return None
    found: Node = x - broadcast(stop_gradient(shift), **copies.attrs)
    return found


def _is_detached(shift: Node) -> bool:
    """Whether a value has no derivative, as that of a maximum made finite."""
    if shift.op.name == "select":
        return all(_is_detached(x) or x.number is not None for x in shift.inputs[1:])
    return shift.op is stop_gradient


RULES = RuleSet.stated_in(globals())
