"""Replaces pieces of arrays in place: who hands its memory on, and which copies are none then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from ..ir.graph import Graph
from ..ir.node import Node
from ..ir.walk import topological
from ..kernel.phases import Access, Buffer, Kernel, Part
from .separate_operands import in_memory

__all__ = ["drop_copies", "handed_on", "is_copied"]

Same = Callable[[Buffer, Buffer], bool]


def handed_on(graph: Graph, sees_through: Callable[[Node], bool]) -> dict[Node, Node]:
    """Values that lie where the result of a node will that replaces a piece of them.

    They are computed, and whatever else reads them is needed, in memory, by that node before.
    """
    found: dict[Node, Node] = {}
    for node in reversed(graph.nodes):
        if not node.op.overwrites:
            continue
        x = node.inputs[0]
        own = not (x.is_parameter or x.is_constant) and in_memory(x) is x
        if not own or x in graph.outputs or x in node.inputs[1:]:
            continue
        others = [user for user in graph.users[x] if user is not node]
        before = set(topological(node.inputs[1:])) if others else set()
        if all(user in before and not sees_through(user) for user in others):
            found[x] = found.get(node, node)
    return found


def drop_copies(launches: Iterable[Kernel], is_same: Same) -> tuple[Kernel, ...]:
    """The launches without parts that write what is there already; `is_same` tells of two buffers
    whether they lie in one place."""
    found = (_without_copies(kernel, is_same) for kernel in launches)
    return tuple(kernel for kernel in found if kernel is not None)


def is_copied(launches: Iterable[Kernel], source: Buffer, result: Buffer) -> bool:
    """Whether a launch copies one buffer to another, element by element."""
    parts = (part for kernel in launches for part in kernel.parts)
    return any(
        _is_idle(part, lambda one, other: (one, other) == (source, result)) for part in parts
    )


def _without_copies(kernel: Kernel, is_same: Same) -> Kernel | None:
    if kernel.region is not None:
        return _inside(kernel, is_same)
    parts = tuple(part for part in kernel.parts if not _is_idle(part, is_same))
    if len(parts) == len(kernel.parts):
        return kernel
    return replace(kernel, parts=parts) if parts else None


def _inside(kernel: Kernel, is_same: Same) -> Kernel:
    """The loop or branch without such copies in it."""
    region: Any = kernel.region
    changed = {
        name: tuple(drop_copies(one, is_same) for one in value)
        if name == "branches"
        else drop_copies(value, is_same)
        for name in ("launches", "condition", "branches")
        if (value := getattr(region, name, None)) is not None
    }
    same = all(_equal(getattr(region, name), value) for name, value in changed.items())
    return kernel if same else replace(kernel, region=replace(region, **changed))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one is other


def _is_idle(part: Part, is_same: Same) -> bool:
    """Whether each element is read at a place and written to the same place again."""
    touched = [i for i in part.instructions() if isinstance(i.detail, Access)]
    if [i.op for i in touched] != ["load", "store"] or touched[1].args[0] is not touched[0]:
        return False
    load, store = (i.detail for i in touched)
    plain = not (load.strides or store.strides or load.guarded or store.guarded)
    same = load.buffer is store.buffer or is_same(load.buffer, store.buffer)
    return plain and load.offset == store.offset and same
