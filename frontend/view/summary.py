"""What there is to say of a graph or a compilation in a few lines."""

from __future__ import annotations

from typing import Any

from symfuse.compiler.explain.records import Compiled, operation_count
from symfuse.compiler.explain.stages import cost_analysis, kernels, memory
from symfuse.compiler.explain.text import bytes_text, count_text, numbered, seconds_text
from symfuse.compiler.ir.graph import Graph

from .html import frames_of
from .svg import to_svg

__all__ = ["compilation_bundle", "graph_bundle", "summary", "summary_text"]


def summary(compiled: Compiled) -> dict[str, Any]:
    """The numbers of a compilation, for JSON; sizes that depend on symbols are formulas."""
    plan, cost = memory(compiled), cost_analysis(compiled)
    return {
        "name": compiled.traced.name,
        "nodes_traced": operation_count(compiled.traced),
        "nodes_optimized": operation_count(compiled.graph),
        "kernels": len(compiled.launches),
        "seconds": {name: round(took, 6) for name, took in compiled.seconds.items()},
        "memory": {k: v for k, v in plan.as_dict().items() if k != "buffers"},
        "cost": cost.as_dict(),
        "launches": [record.as_dict() for record in kernels(compiled)],
    }


def summary_text(compiled: Compiled) -> str:
    """Counts, time, memory and cost, a line each; then the kernels."""
    plan, cost = memory(compiled), cost_analysis(compiled)
    before, after = operation_count(compiled.traced), operation_count(compiled.graph)
    took = seconds_text(sum(compiled.seconds.values()))
    return "\n".join(
        (
            f"{compiled.traced.name}: {numbered(before, 'operation')}, {after} after the passes, "
            f"{numbered(len(compiled.launches), 'kernel')}, compiled in {took}",
            f"memory: planned peak {bytes_text(plan.peak)}, lower bound "
            f"{bytes_text(plan.lower_bound)}, eager NumPy {bytes_text(plan.eager.peak)}",
            f"cost: {count_text(cost.flops)} FLOPs, {bytes_text(cost.bytes)} moved, "
            f"{bytes_text(cost.unfused_bytes)} without fusion",
            "",
            str(kernels(compiled)),
        )
    )


def graph_bundle(graph: Graph, text: str = "") -> dict[str, str]:
    """What a notebook shows of a graph: its drawing, or its text."""
    return {"text/plain": text or graph.text(), "image/svg+xml": to_svg(graph)}


def compilation_bundle(compiled: Compiled) -> dict[str, str]:
    """What a notebook shows of a compilation: the kernels around the drawing, or the summary."""
    drawing = to_svg(compiled.graph, frames_of(compiled))
    return {"text/plain": summary_text(compiled), "image/svg+xml": drawing}
