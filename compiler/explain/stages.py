"""Every stage of a compilation as text, and the reports on it."""

from __future__ import annotations

from symfuse.runtime.errors import OptionError

from ..targets.llvm.machine import host_machine
from .cost import Costs, costs
from .fusion import FusionReport, fusion_report
from .kernels import KernelRecords, format_kernel, format_schedule, kernel_records
from .memory import MemoryReport, memory_report
from .records import Compiled

__all__ = ["STAGES", "as_text", "cost_analysis", "explain", "kernels", "memory"]

STAGES = ("graph", "optimized", "schedule", "kernels", "llvm", "asm", "memory")


def as_text(compiled: Compiled, stage: str = "graph") -> str:
    """One of `STAGES`, from the traced graph to assembly."""
    if stage == "graph":
        return compiled.traced.text()
    if stage == "optimized":
        return compiled.graph.text()
    if stage == "schedule":
        return "\n\n".join(map(format_schedule, compiled.launches))
    if stage == "kernels":
        return "\n\n".join(map(format_kernel, compiled.launches))
    if stage == "llvm":
        return compiled.text
    if stage == "asm":
        machine = host_machine()
        return machine.assembly(f"{compiled.text}{machine.attributes}\n")
    if stage == "memory":
        return memory(compiled).table()
    raise OptionError(f"no stage is called {stage!r}", fix=f"use one of {', '.join(STAGES)}")


def explain(compiled: Compiled) -> FusionReport:
    """The user's lines with their kernels, and why neighbours did not fuse."""
    return fusion_report(compiled.graph, compiled.grouping, compiled.launches)


def kernels(compiled: Compiled) -> KernelRecords:
    """The launches in order, with their text."""
    return kernel_records(compiled.launches)


def memory(compiled: Compiled) -> MemoryReport:
    """The memory plan and what eager NumPy would take."""
    return memory_report(compiled.memory, compiled.launches, compiled.traced)


def cost_analysis(compiled: Compiled) -> Costs:
    """Operations and bytes, exact, as formulas in the sizes."""
    return costs(compiled.graph, compiled.launches)
