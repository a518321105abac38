"""What the library can do to a product at once, as patterns over graph nodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from ...ir.evaluator import evaluating
from ...ir.graph import Graph
from ...ir.node import Node
from ...ops import add, multiply, relu, subtract
from ...ops import maximum as larger
from ...passes.group_kernels import Group
from ...rewrite.match import matches
from ...rewrite.pattern import PatternEvaluator, Wildcard, orders

__all__ = [
    "CUBIC",
    "FORMS",
    "NEAR",
    "ROOT",
    "Form",
    "Found",
    "Surroundings",
    "inside",
    "is_tanh_gelu",
    "steps_from",
    "summed_over_rows",
]

Found = dict[str, Any]


class Form(Struct, frozen=True):
    """One step behind a product: an equation over the value `z` so far and what else is read.

    `numerics` tells which programs may use it; `why` what keeps it out of strict ones.
    """

    name: str
    patterns: tuple[Any, ...]
    when: Callable[[Found], bool]
    numerics: str = "strict"
    why: str = ""

    def match(self, node: Node, z: Node) -> Found | None:
        """What the wildcards stand for, if the node is this step applied to z."""
        for pattern in self.patterns:
            found: Found = {"z": z}
            if matches(pattern, node, found) and self.when(found):
                return found
        return None


def _form(
    stated: Callable[..., Any],
    *names: str,
    when: Callable[[Found], bool] = lambda found: True,
    numerics: str = "strict",
    why: str = "",
) -> Form:
    with evaluating(PatternEvaluator()):
        pattern = stated(*(Wildcard(name) for name in ("z", *names)))
    return Form(stated.__name__, tuple(orders(pattern)), when, numerics, why)


def _is_number(found: Found) -> bool:
    number = found["factor"].number
    return isinstance(number, float | int) and math.isfinite(number) and number != 0


def scaled(z: Any, factor: Any) -> Any:
    return multiply(z, factor)


def shared(z: Any, factor: Any, term: Any) -> Any:
    return add(z, multiply(factor, term))


def shared_less(z: Any, factor: Any, term: Any) -> Any:
    return subtract(multiply(factor, term), z)


def added(z: Any, term: Any) -> Any:
    return add(z, term)


def taken(z: Any, term: Any) -> Any:
    return subtract(z, term)


def taken_from(z: Any, term: Any) -> Any:
    return subtract(term, z)


def rectified(z: Any) -> Any:
    return relu(z)


def at_least_zero(z: Any) -> Any:
    return larger(z, 0.0)


_NAN = "the library does not promise that its relu passes NaN on"

FORMS: tuple[Form, ...] = (
    _form(scaled, "factor", when=_is_number),
    _form(shared, "factor", "term", when=_is_number),
    _form(shared_less, "factor", "term", when=_is_number),
    _form(added, "term"),
    _form(taken, "term"),
    _form(taken_from, "term"),
    _form(rectified, numerics="fast", why=_NAN),
    _form(at_least_zero, numerics="fast", why=_NAN),
    Form(
        "gelu",
        (),
        lambda found: True,
        numerics="fast",
        why="the library does not say how exact the tanh of its gelu is",
    ),
)


def steps_from(z: Node, nodes: tuple[Node, ...]) -> Iterator[tuple[Form, Node, Found]]:
    """The nodes that are one step behind z, with the step; the longest step first."""
    last = [node for node in reversed(nodes) if is_tanh_gelu(node, z)]
    for node in last:
        yield FORMS[-1], node, {"z": z}
    for form in FORMS[:-1]:
        for node in nodes:
            found = form.match(node, z) if node is not z else None
            if found is not None:
                yield form, node, found


class Surroundings(Struct, frozen=True):
    """A group of nodes in its graph, of which a library may take some."""

    graph: Graph
    group: Group

    def taken(self, node: Node, found: Found) -> frozenset[Node] | None:
        """The nodes of a step, if all belong to the group and nothing else reads those inside."""
        stops = frozenset(x for name, x in found.items() if name != "factor")
        taken = inside(node, stops)
        if not taken <= set(self.group.nodes):
            return None
        inner = taken - {node}
        return None if any(self.is_read_elsewhere(x, taken) for x in inner) else taken

    def is_read_elsewhere(self, node: Node, members: Iterable[Node]) -> bool:
        """Whether anything but the members needs the node."""
        inside_ = set(members)
        readers = self.graph.users[node]
        return node in self.group.outputs or any(user not in inside_ for user in readers)


def inside(root: Node, stops: frozenset[Node]) -> frozenset[Node]:
    """The root and all that it is computed from, down to the given nodes and to numbers."""
    seen: set[Node] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if node not in seen and node not in stops and node.number is None:
            seen.add(node)
            stack.extend(node.inputs)
    return frozenset(seen)


def summed_over_rows(graph: Graph, node: Node) -> Node | None:
    """Its sum over all rows, which is the slope of a bias, if there is one."""
    rows = tuple(range(node.rank - 1))
    sums = (user for user in graph.users[node] if user.op.name == "reduce_sum")
    return next((user for user in sums if user.attr("axes") == rows), None)


# z · ½ · (1 + tanh(√(2/π) · (z + 0.044715 z³))), however it is written

ROOT, CUBIC, NEAR = math.sqrt(2 / math.pi), 0.044715, 1e-5


def is_tanh_gelu(node: Node, z: Node) -> bool:
    """Whether the node is the GELU of z, as the approximation by tanh has it.

    That of a half may be computed as a wider float, and rounded in the end.
    """
    if node.op.name == "convert" and node.dtype is z.dtype and z.dtype.is_half:
        within = inside(node.inputs[0], frozenset({z}))
        wide = [x for x in within if x.op.name == "convert" and x.inputs[0] is z]
        return len(wide) == 1 and is_tanh_gelu(node.inputs[0], wide[0])
    if node.op.name != "multiply":
        return False
    number, factors = _factors(node, z)
    gates = [_gate(factor, z) for factor in factors if factor is not z]
    if len(factors) != 2 or len(gates) != 1 or gates[0] is None:
        return False
    constant, slope, inner = gates[0]
    polynomial = _polynomial(inner, z)
    if polynomial is None or set(polynomial) != {1, 3}:
        return False
    found = (number * constant, number * slope, polynomial[1], polynomial[3])
    wanted = (0.5, 0.5, ROOT, ROOT * CUBIC)
    near = max(NEAR, float(z.dtype.limits.eps))  # numbers are rounded to the type of the rest
    return all(math.isclose(a, b, rel_tol=near) for a, b in zip(found, wanted, strict=True))


def _factors(node: Node, z: Node) -> tuple[float, list[Node]]:
    """A product as its number and its other factors."""
    if node is not z and node.number is not None:
        return float(node.number), []
    if node is z or node.op.name != "multiply":
        return 1.0, [node]
    (a, left), (b, right) = (_factors(x, z) for x in node.inputs)
    return a * b, left + right


def _gate(node: Node, z: Node) -> tuple[float, float, Node] | None:
    """The number, the factor of tanh and the argument of it in: number + factor · tanh(…)."""
    if node.op.name != "add":
        return None
    numbers = [x for x in node.inputs if x.number is not None]
    others = [x for x in node.inputs if x.number is None]
    if len(numbers) != 1 or len(others) != 1:
        return None
    factor, rest = _factors(others[0], z)
    if len(rest) != 1 or rest[0].op.name != "tanh":
        return None
    return float(numbers[0].number or 0), factor, rest[0].inputs[0]


Polynomial = dict[int, float]


def _polynomial(node: Node, z: Node) -> Polynomial | None:
    """The coefficients of a polynomial in z, by degree."""
    if node is z:
        return {1: 1.0}
    if node.number is not None:
        return {0: float(node.number)}
    if node.op.name not in ("add", "multiply", "square", "power"):
        return None
    parts = [_polynomial(x, z) for x in node.inputs]
    known = [part for part in parts if part is not None]
    if len(known) != len(parts):
        return None
    if node.op.name == "add":
        return _sum(known[0], known[1])
    if node.op.name == "power":
        return _times(known[0], _times(known[0], known[0])) if known[1] == {0: 3.0} else None
    return _times(known[0], known[-1])


def _sum(a: Polynomial, b: Polynomial) -> Polynomial:
    return {degree: a.get(degree, 0.0) + b.get(degree, 0.0) for degree in {*a, *b}}


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    found: Polynomial = {}
    for m, x in a.items():
        for n, y in b.items():
            found[m + n] = found.get(m + n, 0.0) + x * y
    return found
