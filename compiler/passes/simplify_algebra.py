"""Leaves out arithmetic that changes nothing, and takes the cheaper or more accurate form."""

from __future__ import annotations

from typing import Any

from ..ir.graph import Graph
from ..ops.arithmetic import multiply
from ..ops.exponential import exp, expm1, log, log1p
from ..rewrite.driver import PassContext, rewrite
from ..rewrite.rule import RuleSet, Sides, rule
from . import algebra_rules, logic_rules

__all__ = ["RULES", "simplify_algebra"]


def simplify_algebra(graph: Graph, context: PassContext | None = None) -> Graph:
    """The graph in which no identity of arithmetic or logic makes anything simpler."""
    return rewrite(graph, RULES, context)


# exponentials


@rule(numerics="accurate")
def log_of_one_plus(x: Any) -> Sides:
    """Keeps a small x, of which 1 + x loses every digit."""
    return log(1 + x), log1p(x)


@rule(numerics="accurate")
def log_of_one_minus(x: Any) -> Sides:
    return log(1 - x), log1p(-x)


@rule(numerics="accurate")
def exp_minus_one(x: Any) -> Sides:
    return exp(x) - 1, expm1(x)


@rule(numerics="accurate")
def exp_plus_minus_one(x: Any) -> Sides:
    return exp(x) + -1, expm1(x)


@rule(numerics="accurate")
def log_of_exp(x: Any) -> Sides:
    """Neither overflows nor rounds."""
    return log(exp(x)), x


@rule(numerics="accurate")
def log1p_of_expm1(x: Any) -> Sides:
    return log1p(expm1(x)), x


@rule(numerics="fast")
def product_of_exps(x: Any, y: Any) -> Sides:
    return multiply(exp(x), exp(y)), exp(x + y)


RULES = RuleSet.stated_in(globals()) + algebra_rules.RULES + logic_rules.RULES
