"""Every stage of a compilation as text, and the reports on it."""

from __future__ import annotations

from msgspec.structs import replace

from symfuse.runtime.errors import OptionError

from ..targets import TARGETS, target_of_text
from .cost import Costs, costs
from .fusion import FusionReport, fusion_report
from .kernels import format_kernel, format_schedule
from .launches import KernelRecords, kernel_records
from .memory import MemoryReport, memory_report
from .records import Compiled
from .tree import launch_lines

__all__ = ["STAGES", "as_text", "cost_analysis", "explain", "kernels", "memory", "stages_of"]

_COMMON = ("graph", "optimized", "schedule", "kernels", "memory")
STAGES = (*_COMMON, *(text for row in TARGETS.values() for text in row.texts))


def as_text(compiled: Compiled, stage: str = "graph") -> str:
    """One of `STAGES`, from the traced graph to machine code."""
    if stage == "graph":
        return compiled.traced.text()
    if stage == "optimized":
        return compiled.graph.text()
    if stage == "schedule":
        return "\n\n".join([*_tree(compiled), *map(format_schedule, compiled.launches)])
    if stage == "kernels":
        return "\n\n".join([*_tree(compiled), *map(format_kernel, compiled.launches)])
    if stage == "memory":
        return memory(compiled).table()
    target = compiled.program.target
    if stage in TARGETS[target].texts:
        return compiled.written.as_text(stage)
    known = ", ".join(stages_of(target))
    if other := target_of_text(stage):
        raise OptionError(
            f"stage {stage!r} is one of programs for {other!r}, and this one is for {target!r}",
            fix=f"compile with target={other!r}, or use one of {known}",
        )
    raise OptionError(f"no stage is called {stage!r}", fix=f"use one of {known}")


def _tree(compiled: Compiled) -> list[str]:
    """The launches as they stand in loops and branches, if there are any."""
    found = list(launch_lines(compiled.tree, compiled.written.how_run))
    return ["\n".join(["launches", *found])] if found else []


def stages_of(target: str) -> tuple[str, ...]:
    """The stages of programs for a target."""
    return (*_COMMON, *TARGETS[target].texts)


def explain(compiled: Compiled) -> FusionReport:
    """The user's lines with their kernels, and why neighbours did not fuse."""
    found = fusion_report(compiled.graph, compiled.grouping, compiled.launches, compiled.inner)
    tree = tuple(launch_lines(compiled.tree, compiled.written.how_run))
    return replace(found, products=tuple(compiled.reasons), tree=tree)


def kernels(compiled: Compiled) -> KernelRecords:
    """The launches in order, with their text."""
    return kernel_records(compiled.tree, compiled.written.usage())


def memory(compiled: Compiled) -> MemoryReport:
    """The memory plan and what eager NumPy would take."""
    return memory_report(compiled.memory, compiled.launches, compiled.traced)


def cost_analysis(compiled: Compiled) -> Costs:
    """Operations and bytes, exact, as formulas in the sizes."""
    return costs(compiled.graph, compiled.tree)
