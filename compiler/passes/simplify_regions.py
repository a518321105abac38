"""Makes loops and branches smaller: what nothing reads goes, what does not change moves out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symfuse.runtime.dtypes import DType

from ..ir.graph import Graph
from ..ir.inline import inlined, moved
from ..ir.node import Node
from ..ir.op import operations
from ..ir.regions import bundles
from ..ir.walk import rebuild, topological
from ..ops.kinds import filled, zeros

__all__ = ["simplify_regions"]

Results = Mapping[int, Node]


def simplify_regions(graph: Graph) -> Graph:
    """The graph whose loops compute and are given only what is used, and nothing every turn that
    is the same in all of them; loops of one turn and choices by a number are written out."""
    if not any(node.op.regional for node in graph.nodes):
        return graph
    builder, together = graph.builder, bundles(graph.nodes)
    new: dict[Node, Node] = {p: p for p in graph.parameters}
    members = {node: group for group in together.values() for node in group}
    for node in graph.nodes:
        if node in new:
            continue
        if node.op.regional is None:
            new[node] = builder.rebuilt(node, tuple(new[source] for source in node.inputs))
            continue
        with builder.deriving(node.source), builder.active():
            inputs = tuple(new[source] for source in node.inputs)
            used = {one.attr("result"): one for one in members[node]}
            found = _RULES[node.op.name](graph, node, inputs, set(used))
        new |= {one: found[result] for result, one in used.items()}
    return graph.with_outputs(new[output] for output in graph.outputs)


def _loop(graph: Graph, node: Node, inputs: tuple[Node, ...], used: set[int]) -> Results:
    attrs = node.attrs
    length, carries, split = attrs["length"], attrs["carries"], attrs["carries"] + attrs["scanned"]
    body = simplify_regions(attrs["body"])
    if length == 0:
        return {k: _none(body, inputs, carries, k) for k in used}
    if length == 1:
        return _one_turn(graph, body, inputs, carries, split)
    turn, *values = body.parameters
    work = _Body(graph, [body], values, inputs, carries, [turn, *values[carries:split]])
    work.keep(used, ())
    walked = [at for at in range(carries, split) if work.is_read(at)]
    rest = work.rest(split)
    (body,) = work.graphs([turn], [*work.state, *walked], rest)
    made = [k for k in sorted(work.needed) if k >= carries]
    operands = (*(inputs[at] for at in (*work.state, *walked)), *work.operands(rest))
    new = {**attrs, "body": body, "carries": len(work.state), "scanned": len(walked)}
    return work.results(operands, "loop", new, [*work.state, *made])


def _while(graph: Graph, node: Node, inputs: tuple[Node, ...], used: set[int]) -> Results:
    attrs = node.attrs
    carries, condition, body = attrs["carries"], attrs["condition"], attrs["body"]
    same = dict(zip(condition.parameters, body.parameters, strict=True))
    (holds,) = _in_builder(simplify_regions(condition), same, body)
    body = simplify_regions(body)
    test = body.with_outputs((holds,))
    work = _Body(graph, [test, body], body.parameters, inputs, carries, [])
    work.keep(used, test.outputs)
    rest = work.rest(carries)
    condition, body = work.graphs([], work.state, rest)
    operands = (*(inputs[at] for at in work.state), *work.operands(rest))
    new = {**attrs, "body": body, "condition": condition, "carries": len(work.state)}
    if not work.state:
        return dict(enumerate(inputs[:carries]))
    return work.results(operands, "while_loop", new, work.state)


def _branch(graph: Graph, node: Node, inputs: tuple[Node, ...], used: set[int]) -> Results:
    branches = [simplify_regions(one) for one in node.attr("branches")]
    number = inputs[0].number
    if number is not None and len(branches) > 1:
        chosen = branches[min(max(int(number), 0), len(branches) - 1)]
        return dict(enumerate(inlined(chosen, inputs[1:], graph.builder)))
    wanted = sorted(used)
    branches = [one.with_outputs(one.outputs[k] for k in wanted) for one in branches]
    read = [
        at
        for at in range(len(inputs) - 1)
        if any(one.parameters[at] in one.nodes for one in branches)
    ]
    small = tuple(
        Graph(one.name, tuple(one.parameters[at] for at in read), one.outputs, one.builder)
        for one in branches
    )
    operands = (inputs[0], *(inputs[1 + at] for at in read))
    apply, op = graph.builder.apply, operations["branch"]
    attrs = [{"branches": small, "result": place} for place in range(len(wanted))]
    return {k: apply(op, operands, each) for k, each in zip(wanted, attrs, strict=True)}


_RULES = {"loop": _loop, "while_loop": _while, "branch": _branch}


class _Body:
    """The graphs of one loop over the same values, while they are made smaller."""

    def __init__(
        self,
        graph: Graph,
        bodies: list[Graph],
        values: Sequence[Node],
        inputs: tuple[Node, ...],
        carries: int,
        changing: list[Node],
    ) -> None:
        self.builder, self.bodies, self.values, self.inputs = graph.builder, bodies, values, inputs
        self.carries, self.changing, self.inner = carries, changing, bodies[-1].builder
        outputs = bodies[-1].outputs
        self.fixed = {k for k in range(carries) if outputs[k] is values[k]}
        self.needed: set[int] = set()
        self.read: set[Node] = set()
        self.hoisted: dict[Node, Node] = {}  # parameter → the value outside

    @property
    def state(self) -> list[int]:
        """The carries that are left."""
        return [k for k in range(self.carries) if k in self.needed]

    def keep(self, used: Iterable[int], always: Iterable[Node]) -> None:
        """Find what the results in use need, turn by turn."""
        outputs = self.bodies[-1].outputs
        needed, always = {k for k in used if k not in self.fixed}, tuple(always)
        while True:
            read = set(topological((*always, *(outputs[k] for k in needed))))
            more = {k for k in range(self.carries) if self.values[k] in read} - self.fixed
            if more <= needed:
                break
            needed |= more
        self.needed, self.read = needed, read

    def is_read(self, at: int) -> bool:
        return self.values[at] in self.read

    def rest(self, split: int) -> list[int]:
        """What is the same in every turn and read there."""
        every = [*sorted(self.fixed), *range(split, len(self.inputs))]
        return [at for at in every if self.is_read(at)]

    def graphs(
        self, first: Sequence[Node], changing: Sequence[int], rest: list[int]
    ) -> list[Graph]:
        """The graphs of what is left; `rest` loses what became a number or the same as another."""
        given = self._given(rest)
        moving = [*self.changing, *(self.values[k] for k in self.state)]
        outputs = [self._outputs(number) for number in range(len(self.bodies))]
        flat = [node for some in outputs for node in some]
        new = rebuild(topological(flat), self.inner, given)
        flat = self._without_the_same([new[node] for node in flat], moving)
        read = set(topological(flat))
        rest[:] = [at for at in rest if self.values[at] in read]
        parameters = (
            *first,
            *(self.values[at] for at in (*changing, *rest)),
            *self.hoisted,
        )
        made, at = [], 0
        for one, some in zip(self.bodies, outputs, strict=True):
            ends = tuple(flat[at : at + len(some)])
            made.append(Graph(one.name, parameters, ends, self.inner))
            at += len(some)
        return made

    def operands(self, rest: Iterable[int]) -> tuple[Node, ...]:
        """What is given to every turn."""
        return (*(self.inputs[at] for at in rest), *self.hoisted.values())

    def results(
        self, operands: tuple[Node, ...], name: str, attrs: dict[str, Any], places: Sequence[int]
    ) -> Results:
        """The results by their numbers of before; carries that never change are their starts."""
        found = {k: self.inputs[k] for k in self.fixed}
        for result, k in enumerate(places):
            new = {**attrs, "result": result}
            found[k] = self.builder.apply(operations[name], operands, new)
        return found

    def _outputs(self, number: int) -> list[Node]:
        outputs = self.bodies[number].outputs
        if number < len(self.bodies) - 1:
            return list(outputs)
        return [outputs[k] for k in sorted(self.needed)]

    def _given(self, rest: list[int]) -> dict[Node, Node]:
        """What stands for parameters: numbers go inside, and the same value is given once."""
        stands: dict[Node, Node] = {}
        seen: dict[Node, Node] = {}
        for at in tuple(rest):
            value, inner = self.inputs[at], self.values[at]
            number = value.number
            if number is not None and _is_plain(value):
                with self.inner.active():
                    stands[inner] = filled(number, inner.type)
                rest.remove(at)
            elif value in seen:
                stands[inner] = seen[value]
                rest.remove(at)
            seen.setdefault(value, inner)
        return stands

    def _without_the_same(self, outputs: list[Node], moving: Sequence[Node]) -> list[Node]:
        """The outputs that read from outside what every turn would compute anew."""
        order = topological(outputs)
        varying = set(moving)
        for node in order:
            if any(source in varying for source in node.inputs):
                varying.add(node)
        stack = [x for node in order if node in varying for x in node.inputs]
        seen: set[Node] = set()
        new: dict[Node, Node] = {}
        known = dict(zip(self.values, self.inputs, strict=True))
        while stack:
            node = stack.pop()
            if node in seen or node in varying or node.is_parameter or node.is_constant:
                continue
            seen.add(node)
            if _is_worth_moving(node):
                outer = moved(topological((node,)), known, self.builder)[node]
                new[node] = self.inner.parameter("", node.type, node.source)
                self.hoisted[new[node]] = outer
            else:
                stack.extend(node.inputs)
        rebuilt = rebuild(order, self.inner, new) if new else {}
        return [rebuilt.get(output, output) for output in outputs]


def _is_worth_moving(node: Node) -> bool:
    """Whether reading the value costs no more than what it is computed from."""
    op = node.op
    if op.contraction or op.reduction or op.scatter or op.overwrites or op.regional or op.library:
        return True
    computed = [x for x in node.inputs if x.number is None]
    return op.body is not None and bool(computed) and all(_is_whole(x) for x in computed)


def _is_whole(node: Node) -> bool:
    return node.op.name != "broadcast"


def _is_plain(value: Node) -> bool:
    return all(isinstance(size, int) for size in value.shape)


def _in_builder(graph: Graph, same: Mapping[Node, Node], other: Graph) -> tuple[Node, ...]:
    found = moved(graph.nodes, same, other.builder)
    return tuple(found[output] for output in graph.outputs)


def _none(body: Graph, inputs: tuple[Node, ...], carries: int, result: int) -> Node:
    """A result of no turns."""
    if result < carries:
        return inputs[result]
    type_ = body.outputs[result].type
    found: Node = zeros(type_.with_shape((0, *type_.shape)))
    return found


def _one_turn(
    graph: Graph, body: Graph, inputs: tuple[Node, ...], carries: int, split: int
) -> Results:
    builder, reshape = graph.builder, operations["reshape"]
    slices = [reshape(x, shape=x.shape[1:]) for x in inputs[carries:split]]
    given = (builder.constant(0, DType.I64), *inputs[:carries], *slices, *inputs[split:])
    found = list(inlined(body, given, builder))
    for at in range(carries, len(found)):
        found[at] = reshape(found[at], shape=(1, *found[at].shape))
    return dict(enumerate(found))
