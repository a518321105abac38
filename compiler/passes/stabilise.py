"""Takes the forms of exponentials and logarithms that neither overflow nor cancel."""

from __future__ import annotations

from typing import Any

from ..ir.graph import Graph
from ..ir.node import Node
from ..ops.arithmetic import add, divide, multiply, negative, reciprocal, subtract
from ..ops.compare import isfinite, select
from ..ops.conversion import stop_gradient
from ..ops.exponential import exp, expm1, log, log1p, logaddexp
from ..ops.reduce import reduce_max, reduce_sum
from ..ops.shape import broadcast
from ..ops.special import sigmoid, softplus
from ..rewrite.driver import PassContext, rewrite
from ..rewrite.rule import RuleSet, Sides, rule, step

__all__ = ["RULES", "stabilise"]


def stabilise(graph: Graph, context: PassContext | None = None) -> Graph:
    """The graph in which no exponential overflows where the result does not."""
    return rewrite(graph, RULES, context)


# sums of exponentials

_BOUNDED = ("tanh", "sigmoid", "sin", "cos", "erf")
_NOT_BELOW_ZERO = ("exp", "square", "abs", "softplus", "relu", "sqrt")


def _may_overflow(x: Node) -> bool:
    """Whether exp(x) could be infinite, as far as the operations in front tell."""
    if x.op is subtract:
        return not _is_greatest(x.inputs[1])
    if x.op is negative:
        return x.inputs[0].op.name not in _NOT_BELOW_ZERO
    return x.op.name not in _BOUNDED


def _is_greatest(x: Node) -> bool:
    """Whether a value is a maximum, perhaps made finite and copied."""
    while x.op.name in ("broadcast", "reshape", "stop_gradient"):
        x = x.inputs[0]
    return x.op is reduce_max or (x.op is select and _is_greatest(x.inputs[1]))


def _shifted(x: Node, axes: tuple[int, ...]) -> tuple[Node, Node]:
    """x less its maximum along some axes, and that maximum; 0 in place of an infinite one.

    The result does not depend on what is taken away, so that no derivative has to flow there.
    """
    kept = tuple(a for a in range(x.rank) if a not in axes)
    greatest = stop_gradient(reduce_max(x, axes=axes))
    finite = select(isfinite(greatest), greatest, 0.0)
    return subtract(x, broadcast(finite, shape=x.shape, axes=kept)), finite


def _has_elements(x: Node, axes: tuple[int, ...]) -> bool:
    return all(x.shape[a] != 0 for a in axes)


@step("log", numerics="accurate")
def log_sum_exp(node: Node) -> Any:
    """log Σ eˣ = log Σ eˣ⁻ᵐ + m with the maximum m."""
    (total,) = node.inputs
    if total.op is not reduce_sum or total.inputs[0].op is not exp:
        return None
    (x,), axes = total.inputs[0].inputs, total.attr("axes")
    if not axes or not _has_elements(x, axes) or not _may_overflow(x):
        return None
    shifted, greatest = _shifted(x, axes)
    return log(reduce_sum(exp(shifted), axes=axes)) + greatest


@step("divide", numerics="accurate")
def softmax(node: Node) -> Any:
    """eˣ / Σ eˣ does not change when the maximum is taken away from x."""
    exps, totals = node.inputs
    axes = _summed_axes(exps, totals)
    if axes is None:
        return None
    (x,) = exps.inputs
    shifted = exp(_shifted(x, axes)[0])
    total = reduce_sum(shifted, axes=axes)
    return shifted / broadcast(total, shape=x.shape, axes=totals.attr("axes"))


@step("multiply", numerics="accurate")
def part_of_softmax(node: Node) -> Any:
    """(c / Σ eˣ) · eˣ, as derivatives have it, is c times a softmax."""
    for exps, factors in (node.inputs, node.inputs[::-1]):
        if factors.op is not broadcast or factors.inputs[0].op not in (divide, reciprocal):
            continue
        (quotient,), axes = factors.inputs, factors.attr("axes")
        totals = broadcast(quotient.inputs[-1], shape=node.shape, axes=axes)
        if _summed_axes(exps, totals) is None:
            continue
        ratio = divide(exps, totals)
        if quotient.op is reciprocal:
            return ratio
        return multiply(broadcast(quotient.inputs[0], shape=node.shape, axes=axes), ratio)
    return None


def _summed_axes(exps: Node, totals: Node) -> tuple[int, ...] | None:
    """The axes of Σ eˣ, if the totals are these sums beside each eˣ, and eˣ may overflow."""
    if exps.op is not exp or totals.op is not broadcast or not _may_overflow(exps.inputs[0]):
        return None
    (total,) = totals.inputs
    if total.op is not reduce_sum or total.inputs[0] is not exps:
        return None
    axes: tuple[int, ...] = total.attr("axes")
    kept = tuple(a for a in range(exps.rank) if a not in axes)
    return axes if totals.attr("axes") == kept and _has_elements(exps, axes) else None


@rule(numerics="accurate")
def log_softmax(x: Any, axes: Any, shape: Any, kept: Any) -> Sides:
    """Where a part is too small for its type, its logarithm is not."""
    total = reduce_sum(exp(x), axes=axes)
    return (
        log(divide(exp(x), broadcast(total, shape=shape, axes=kept))),
        subtract(x, broadcast(log(total), shape=shape, axes=kept)),
    )


@rule(numerics="accurate")
def log_of_two_exps(x: Any, y: Any) -> Sides:
    return log(add(exp(x), exp(y))), logaddexp(x, y)


# the logistic function


@rule(numerics="accurate")
def logistic(x: Any) -> Sides:
    return reciprocal(1 + exp(negative(x))), sigmoid(x)


@rule(numerics="accurate")
def times_logistic(x: Any, y: Any) -> Sides:
    return divide(y, 1 + exp(negative(x))), multiply(y, sigmoid(x))


@rule(numerics="accurate")
def logistic_of_exps(x: Any) -> Sides:
    return divide(exp(x), 1 + exp(x)), sigmoid(x)


@rule(numerics="accurate")
def opposite_logistic(x: Any) -> Sides:
    """Keeps what is left where the logistic function is close to 1."""
    return subtract(1, sigmoid(x)), sigmoid(negative(x))


@rule(numerics="accurate")
def log_of_logistic(x: Any) -> Sides:
    return log(sigmoid(x)), negative(softplus(negative(x)))


@rule(numerics="accurate")
def log_of_opposite_logistic(x: Any) -> Sides:
    return log1p(negative(sigmoid(x))), negative(softplus(x))


@rule(numerics="accurate")
def log_of_one_plus_exp(x: Any) -> Sides:
    return log1p(exp(x)), softplus(x)


@rule(numerics="accurate")
def softplus_less_argument(x: Any) -> Sides:
    return subtract(softplus(x), x), softplus(negative(x))


@rule(numerics="accurate")
def argument_less_softplus(x: Any) -> Sides:
    return subtract(x, softplus(x)), negative(softplus(negative(x)))


@rule(numerics="accurate")
def one_minus_exp(x: Any) -> Sides:
    """Keeps a small x, of which 1 - eˣ loses the digits."""
    return subtract(1, exp(x)), negative(expm1(x))


RULES = RuleSet.stated_in(globals())
