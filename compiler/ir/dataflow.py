"""What a graph consists of: parameters, outputs and the nodes between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Self

from msgspec import Struct, field
from msgspec.structs import replace

from .builder import Builder
from .dims import Symbol, symbols
from .node import Node, attribute_key
from .walk import rebuild, topological

__all__ = ["Dataflow", "Structure"]


class Structure:
    """What a graph computes, whatever its values are called: equal ones are the same function."""

    __slots__ = ("_hash", "_parts")

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self._parts, self._hash = parts, hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Structure) or self._hash != other._hash:
            return False
        return self._parts == other._parts


class Dataflow(Struct, frozen=True, eq=False, dict=True):
    """Parameters, outputs and nothing that no output needs.

    `captured` holds the values of hidden parameters: arrays that the traced function closed over.
    """

    name: str
    parameters: tuple[Node, ...]
    outputs: tuple[Node, ...]
    builder: Builder
    captured: Mapping[Node, Any] = field(default_factory=dict)
    donated: frozenset[Node] = field(default_factory=frozenset)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node that an output needs, inputs before users."""
        return topological(self.outputs)

    @cached_property
    def structure(self) -> Structure:
        """What identifies the function: operations, attributes, types and who reads whom."""
        number = {node: at for at, node in enumerate(self.parameters)}
        inner = [node for node in self.nodes if node not in number]
        number |= {node: at for at, node in enumerate(inner, len(number))}
        lines = tuple(
            (
                node.op,
                tuple(number[source] for source in node.inputs),
                tuple((k, attribute_key(v)) for k, v in node.attributes if not node.is_parameter),
                node.type,
            )
            for node in inner
        )
        types = tuple(node.type for node in self.parameters)
        return Structure((types, lines, tuple(number[output] for output in self.outputs)))

    @cached_property
    def users(self) -> Mapping[Node, tuple[Node, ...]]:
        """The nodes that read each node."""
        users: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for source in dict.fromkeys(node.inputs):
                users[source].append(node)
        return {node: tuple(readers) for node, readers in users.items()}

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """The symbolic sizes of the parameters, in order of appearance."""
        found: dict[Symbol, None] = {}
        for parameter in self.parameters:
            for dim in parameter.shape:
                found.update(dict.fromkeys(symbols(dim)))
        return tuple(found)

    def with_outputs(self, outputs: Iterable[Node]) -> Self:
        """The same function with other outputs."""
        chosen = tuple(outputs)
        same = len(chosen) == len(self.outputs) and all(
            new is old for new, old in zip(chosen, self.outputs, strict=True)
        )
        return self if same else replace(self, outputs=chosen)

    def with_each(self, change: Callable[[Node], Node]) -> Self:
        """The same function with what `change` makes of each node, of new inputs, in its place."""
        kept = {parameter: parameter for parameter in self.parameters}
        with self.builder.active():
            new = rebuild(self.nodes, self.builder, kept, change)
        return self.with_outputs(new[output] for output in self.outputs)

    def stats(self) -> dict[str, int]:
        """How often each operation occurs, the most frequent first."""
        return dict(Counter(node.op.name for node in self.nodes).most_common())
