"""Runs a linear graph backwards: from cotangents of its outputs to cotangents of its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symfuse.runtime.errors import UnsupportedError

from ..ir.builder import Builder
from ..ir.location import Source
from ..ir.node import Node
from ..ir.op import operations
from ..ir.regions import bundle_key, bundles
from ..ir.walk import topological
from .linearise import expect_type, regional

__all__ = ["pull", "reaching"]


def pull(
    outputs: Iterable[Node],
    cotangents: Iterable[Node],
    inputs: Iterable[Node],
    builder: Builder,
) -> tuple[Node | None, ...]:
    """The cotangent of each input, None where no output depends on it.

    Only nodes between `inputs` and `outputs` are visited; each has to be linear.
    """
    outputs, inputs = tuple(outputs), tuple(inputs)
    order = topological(outputs)
    linear = reaching(order, inputs)
    ends = set(inputs)
    collected: dict[Node, Node] = {}
    with builder.active():
        for output, cotangent in zip(outputs, cotangents, strict=True):
            if output in linear:
                _add(builder, collected, output, cotangent)
        together = bundles(order)
        for node in reversed(order):
            if node.op.regional is not None:
                members = together[bundle_key(node)]
                if node is members[0]:  # the cotangents of all are known
                    _transpose_regional(builder, members, linear, collected)
            elif node in collected and node not in ends:
                _transpose(builder, node, collected.pop(node), linear, collected)
    found = tuple(collected.get(node) for node in inputs)
    _expect_linear(order, linear, [node for node in found if node is not None], ends)
    return found


def reaching(order: Sequence[Node], inputs: Iterable[Node]) -> set[Node]:
    """The nodes of a topological order that depend on one of the inputs, these included."""
    found = set(inputs)
    for node in order:
        if any(source in found for source in node.inputs):
            found.add(node)
    return found


def _transpose(
    builder: Builder, node: Node, cotangent: Node, linear: set[Node], collected: dict[Node, Node]
) -> None:
    """Hand the cotangent of a node on to those of its inputs that are linear."""
    if node.op.transpose is None:
        raise _not_linear(node)
    for which, source in enumerate(node.inputs):
        if source not in linear:
            continue
        with builder.deriving(_cotangent_source(node, source)):
            share = node.op.transpose(cotangent, which, node.inputs, node.attrs)
        if share is not None:
            expect_type(node, share, source.type, "transpose")
            _add(builder, collected, source, share)


def _transpose_regional(
    builder: Builder, members: list[Node], linear: set[Node], collected: dict[Node, Node]
) -> None:
    """Hand the cotangents of all results of a loop or branch on to what it is given."""
    known = {node.attr("result"): collected.pop(node) for node in members if node in collected}
    if not known:
        return
    node = members[0]
    is_linear = [source in linear for source in node.inputs]
    found = regional("reverse").shares(builder, node, known, is_linear)
    for source, share in zip(node.inputs, found, strict=True):
        if share is not None:
            expect_type(node, share, source.type, "transpose")
            _add(builder, collected, source, share)


def _cotangent_source(node: Node, source: Node) -> Source:
    """The name of what is differentiated, at the line that it goes back through."""
    return Source(node.source.loc, source.source.variable() or "", node.source.scope)


def _add(builder: Builder, collected: dict[Node, Node], node: Node, cotangent: Node) -> None:
    before = collected.get(node)
    if before is not None:
        with builder.deriving(node.source):
            cotangent = operations["add"](before, cotangent)
    collected[node] = cotangent


def _expect_linear(
    order: Sequence[Node], linear: set[Node], found: list[Node], inputs: set[Node]
) -> None:
    """A cotangent that still depends on the tangents shows a product of two of them."""
    if not any(node in inputs for node in topological(found)):
        return
    for node in order:
        if sum(source in linear for source in node.inputs) > 1 and node.op.name != "add":
            raise _not_linear(node)
    raise _not_linear(found[0])


def _not_linear(node: Node) -> UnsupportedError:
    return UnsupportedError(
        f"{node.op} is not linear in what is transposed, so it cannot be run backwards",
        fix="transpose functions that are linear in their arguments; others have a vjp",
        loc=node.source.loc,
    )
