"""THE order of the passes over graphs, each with the reason for its place."""

from __future__ import annotations

from ..ir.graph import Graph
from .detach_shifts import detach_shifts
from .expand_complex import expand_complex
from .fold_constants import fold_constants
from .manager import Pass, PassRecord, run_passes
from .regional import inline_rules, lift_sums, merge_loops, simplify_regions
from .settle import settle
from .simplify_algebra import simplify_algebra
from .simplify_shapes import simplify_shapes
from .stabilise import stabilise

__all__ = ["DERIVATIVE_PASSES", "GRAPH_PASSES", "run_pipeline"]

GRAPH_PASSES: tuple[Pass, ...] = (
    inline_rules,  # before anything else: derivatives have been taken
    expand_complex,  # before any rule: they are equations between real numbers
    merge_loops,  # early, while what came from one body looks the same
    fold_constants,  # early: numbers are what most rules look for
    simplify_shapes,  # so that algebra sees through views
    simplify_algebra,  # gives quotients and logarithms the one form that the next pass knows
    stabilise,  # needs log(sum(exp(x))) still whole
    lift_sums,  # while loops give all rows that derivatives need
    simplify_regions,  # once bodies are simple, so that what they need can be seen
    settle,  # last: a rule of one pass may have made work for another
)

# Before a graph is differentiated: derivatives of stable forms are stable. Nothing here looks
# through stop_gradient, which has meaning until then.
DERIVATIVE_PASSES: tuple[Pass, ...] = (
    simplify_shapes,  # so that sums with kept axes are found
    stabilise,
    detach_shifts,  # knows the forms that stabilise gives
)


def run_pipeline(
    graph: Graph, numerics: str = "strict", *, passes: tuple[Pass, ...] = GRAPH_PASSES
) -> tuple[Graph, tuple[PassRecord, ...]]:
    """The graph that kernels are made from, and what each pass did to it.

    `numerics="fast"` also admits rules that change the last digits for speed.
    """
    return run_passes(graph, passes, numerics=numerics)
