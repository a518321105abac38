"""What the explanations read of a finished compilation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.regions import every_node
from ..kernel.phases import Kernel
from ..passes.group_kernels import Grouping
from ..passes.plan_memory import MemoryPlan
from ..targets.target import Written

__all__ = ["Compiled", "homes", "operation_count", "user_lines"]


class Compiled(Protocol):
    """A program and how it came about, stage by stage."""

    @property
    def program(self) -> Any: ...
    @property
    def traced(self) -> Graph: ...
    @property
    def graph(self) -> Graph: ...
    @property
    def passes(self) -> Sequence[Any]: ...
    @property
    def grouping(self) -> Grouping: ...
    @property
    def inner(self) -> Sequence[tuple[Graph, Grouping]]: ...
    @property
    def reasons(self) -> Sequence[str]: ...
    @property
    def launches(self) -> Sequence[Kernel]: ...
    @property
    def tree(self) -> Sequence[Kernel]: ...
    @property
    def memory(self) -> MemoryPlan: ...
    @property
    def written(self) -> Written: ...
    @property
    def seconds(self) -> Mapping[str, float]: ...


def operation_count(graph: Graph) -> int:
    """The nodes that compute something, those inside of loops and branches as well."""
    return sum(not (node.is_parameter or node.is_constant) for node in every_node(graph))


def homes(launches: Sequence[Kernel]) -> dict[Node, tuple[int, ...]]:
    """The numbers of the launches that compute each node."""
    found: dict[Node, list[int]] = {}
    for number, launch in enumerate(launches):
        for node in launch.nodes:
            if number not in found.setdefault(node, []):
                found[node].append(number)
    return {node: tuple(numbers) for node, numbers in found.items()}


def user_lines(nodes: Sequence[Node]) -> Iterator[str]:
    """`model.py:12`, each line once, in the order of the nodes."""
    yield from dict.fromkeys(str(node.source.loc) for node in nodes if node.source.loc)
