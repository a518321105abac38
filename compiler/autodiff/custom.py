"""Derivatives that a function brings along: their graphs are put where it is differentiated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symfuse.runtime.errors import SymfuseError, UnsupportedError

from ..ir.builder import Builder
from ..ir.dims import Dim
from ..ir.graph import Graph
from ..ir.inline import inlined
from ..ir.node import Node
from ..ir.op import operations
from ..ir.regions import bundle_key, every_node, with_inner
from ..ops.custom import Rule, inexact
from ..ops.kinds import stretch, zeros
from .transpose import pull

__all__ = ["RULES", "batched", "shares", "tangent", "written_out"]

RULES = ("custom_jvp", "custom_vjp", "pullback")
Directions = Sequence[Node | None]
Flags = tuple[bool, ...]


def tangent(builder: Builder, node: Node, incoming: Directions) -> Node | None:
    """The tangent of one result of a function that brings its derivative along."""
    if node.op.name == "pullback":
        raise UnsupportedError(
            "a custom_vjp function is differentiated forwards inside of a derivative",
            fix="give it a jvp (sf.custom_jvp), or take the reverse derivative first",
            loc=node.source.loc,
        )
    primals, body = node.attr("primals"), node.attr("body")
    _expect_rule(node, incoming[primals:])
    number = len(inexact([one.type for one in body.outputs[: node.attr("result")]]))
    given, rest = node.inputs[:primals], node.inputs[primals:]
    pairs = zip(given, incoming, strict=False)
    directions = [zeros(x.type) if t is None else t for x, t in pairs if x.dtype.is_inexact]
    if node.op.name == "custom_jvp":
        (rule,) = node.attr("rule").graphs()
        one = rule.with_outputs((rule.outputs[number],))
        return inlined(one, (*given, *directions, *rest), builder)[0]
    forward, back = node.attr("rule").graphs()
    kept = forward.with_outputs(forward.outputs[len(body.outputs) :])
    known = (*inlined(kept, node.inputs, builder), *rest)
    attrs = {"back": back, "known": len(known), "result": number}
    return builder.apply(operations["pullback"], (*known, *directions), attrs)


def shares(
    builder: Builder, node: Node, cotangents: Mapping[int, Node], is_linear: Sequence[bool]
) -> list[Node | None]:
    """The cotangents of the operands, from those of the results."""
    if node.op.name != "pullback":
        return _through(builder, node, cotangents, is_linear)
    back, known = node.attr("back"), node.attr("known")
    with builder.active():
        given = [
            cotangents[k] if k in cotangents else zeros(p.type)
            for k, p in enumerate(back.parameters[known:])
        ]
    found = inlined(back, (*node.inputs[:known], *given), builder)
    each = [*(None for _ in range(known)), *found]
    return [share if one else None for share, one in zip(each, is_linear, strict=True)]


def _through(
    builder: Builder, node: Node, cotangents: Mapping[int, Node], is_linear: Sequence[bool]
) -> list[Node | None]:
    """A function that is linear in its operands is run backwards itself."""
    outputs = inlined(node.attr("body"), node.inputs, builder)
    linear = [x for x, one in zip(node.inputs, is_linear, strict=True) if one]
    numbers = sorted(cotangents)
    ends = [outputs[k] for k in numbers]
    found = dict(
        zip(linear, pull(ends, [cotangents[k] for k in numbers], linear, builder), strict=True)
    )
    return [found.get(x) for x in node.inputs]


def _expect_rule(node: Node, incoming: Directions) -> None:
    """Raise where a rule is not there, or does not know of what is differentiated."""
    if node.attr("rule") is None:
        raise UnsupportedError(
            f"the text of a graph does not hold the derivative of a {node.op}",
            fix="differentiate before the graph is written as text",
            loc=node.source.loc,
        )
    for x, direction in zip(node.inputs[node.attr("primals") :], incoming, strict=True):
        if direction is not None:
            name = x.source.variable() or f"a value of type {x.type}"
            raise UnsupportedError(
                f"{node.op} closes over {name}, which is differentiated: its rule does not know it",
                fix=f"pass {name} as an argument",
                loc=node.source.loc,
            )


# forward mode through cotangents


def written_out(graph: Graph) -> Graph:
    """The graph without pullbacks: each is the transpose of its way back."""
    if not any(node.op.name == "pullback" for node in every_node(graph)):
        return graph
    together: dict[Any, tuple[Node, ...]] = {}

    def change(node: Node) -> Node:
        if node.op.name != "pullback":
            return with_inner(graph.builder, node, written_out)
        key = bundle_key(node)
        if key not in together:
            together[key] = _transposed(graph.builder, node)
        result: Node = together[key][node.attr("result")]
        return result

    return graph.with_each(change)


def _transposed(builder: Builder, node: Node) -> tuple[Node, ...]:
    """The tangents that a pullback gives."""
    back, known, inputs = node.attr("back"), node.attr("known"), node.inputs
    cotangents = [builder.parameter("", p.type) for p in back.parameters[known:]]
    outputs = inlined(back, (*inputs[:known], *cotangents), builder)
    try:
        found = pull(outputs, inputs[known:], cotangents, builder)
    except SymfuseError:
        raise UnsupportedError(
            "forward mode through a custom_vjp function, whose bwd is not linear in the cotangents",
            fix="use reverse mode (grad, vjp, jacrev), or give the function a jvp (sf.custom_jvp)",
            loc=node.source.loc,
        ) from None
    with builder.active():
        return tuple(
            zeros(p.type) if one is None else one for p, one in zip(cotangents, found, strict=True)
        )


# batches


def batched(
    builder: Builder,
    node: Node,
    inputs: tuple[Node, ...],
    is_batched: Flags,
    size: Dim,
    batch: Any,
) -> tuple[Node, bool]:
    """A result for the whole batch; `batch(graph, flags)` gives a graph and which outputs differ.

    Results and their derivatives differ between all members; the cotangent of a value that all
    share is the sum of those of the members.
    """
    attrs, primals = node.attrs, node.attr("primals")
    moving = tuple(
        one for x, one in zip(inputs[:primals], is_batched, strict=False) if x.dtype.is_inexact
    )
    rules = {"custom_jvp": _batched_jvp, "custom_vjp": _batched_vjp}[node.op.name]

    def make() -> tuple[Graph, ...]:
        return rules(node, is_batched, moving, size, batch)

    body = _all_differ(attrs["body"], is_batched, size, batch)
    new = {**attrs, "body": body, "rule": attrs["rule"] and Rule(make)}
    return builder.apply(node.op, inputs, new), True


def _batched_jvp(
    node: Node, is_batched: Flags, moving: Flags, size: Dim, batch: Any
) -> tuple[Graph, ...]:
    (rule,), primals = node.attr("rule").graphs(), node.attr("primals")
    flags = (*is_batched[:primals], *moving, *is_batched[primals:])
    return (_all_differ(rule, flags, size, batch),)


def _batched_vjp(
    node: Node, is_batched: Flags, moving: Flags, size: Dim, batch: Any
) -> tuple[Graph, ...]:
    forward, back = node.attr("rule").graphs()
    primals, results = node.attr("primals"), node.attr("body").outputs
    found, made = batch(forward, is_batched)
    outputs = _stretched(found, made, size, range(len(results)))
    cotangents = len(inexact([one.type for one in results]))
    flags = (*made[len(results) :], *is_batched[primals:], *(True,) * cotangents)
    return found.with_outputs(outputs), _summed(back, flags, moving, size, batch)


def _all_differ(graph: Graph, flags: Flags, size: Dim, batch: Any) -> Graph:
    found, made = batch(graph, flags)
    outputs = _stretched(found, made, size, range(len(made)))
    return found.with_outputs(outputs)  # type: ignore[no-any-return]


def _stretched(graph: Graph, made: Flags, size: Dim, which: Iterable[int]) -> list[Node]:
    outputs = list(graph.outputs)
    with graph.builder.active():
        for at in which:
            if not made[at]:
                outputs[at] = stretch(outputs[at], size)
    return outputs


def _summed(back: Graph, flags: Flags, moving: Flags, size: Dim, batch: Any) -> Graph:
    """The way back, its cotangents summed over the batch for operands that all members share."""
    found, made = batch(back, flags)
    outputs = _stretched(found, made, size, range(len(made)))
    with found.builder.active():
        outputs = [
            one if differs else operations["reduce_sum"](one, axes=(0,))
            for one, differs in zip(outputs, moving, strict=True)
        ]
    return found.with_outputs(outputs)  # type: ignore[no-any-return]
