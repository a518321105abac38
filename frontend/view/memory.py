"""The memory plan of a program, with its drawing."""

from __future__ import annotations

from typing import Any

from symfuse.compiler.explain.memory import MemoryReport

from .charts import memory_chart
from .picture import Chart

__all__ = ["MemoryView"]


class MemoryView(MemoryReport, frozen=True):
    """A memory plan that can be drawn; `name` is that of the program."""

    name: str

    @classmethod
    def of(cls, report: MemoryReport, name: str) -> MemoryView:
        """The same plan."""
        fields = {field: getattr(report, field) for field in report.__struct_fields__}
        return cls(**fields, name=name)

    def plot(self, **sizes: int) -> Chart:
        """Offsets over launches: a rectangle for each buffer, from its first to its last launch.

        Sizes are given by name as to `peak_bytes`; without any, each is drawn as 64, or what is
        allowed next to it, and the caption says so. Notebooks show the chart, `save` writes it as
        .svg, .html or .png.
        Raises ShapeError where the plan depends on a size that is left out.

        >>> import symfuse as sf
        >>> exe = sf.compile(lambda x: (x @ x) @ x, "f32[64,64]")
        >>> exe.memory.plot()
        <memory plan of f>
        """
        return Chart(memory_chart(self, sizes), self.name, "memory plan", text=self.table())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self.plot()._repr_mimebundle_(include, exclude)
