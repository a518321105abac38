"""A rule is a Python function that states an equation: `return left, right`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from symfuse.runtime.errors import VerifyError

from ..ir.evaluator import evaluating
from ..ir.node import Node
from .match import build, matches
from .pattern import Pattern, PatternEvaluator, Wildcard, orders

__all__ = ["Equation", "Numerics", "Rule", "RuleSet", "Sides", "rule", "step"]

Sides = tuple[Any, Any]
"""Left and right of an equation, as a function of wildcards states them."""

Numerics = Literal["exact", "accurate", "fast"]
"""What a rule does to values: same bits; nothing worse than the last digits, and often better;
the last digits, for speed, and only on request."""


_SEEN = 4  # operands that the choice of rules looks at
_NUMBERS = frozenset({"constant", "broadcast", "reshape"})  # what a number may be seen through


class Equation(Struct, frozen=True, eq=False):
    """Two patterns over the same wildcards, and when they are equal."""

    left: Pattern
    right: Any
    wildcards: tuple[str, ...]
    when: Callable[..., bool] | None
    asked: tuple[str, ...]  # the wildcards that `when` wants to see
    sole: bool  # whether nothing else may use what the left side is made of

    def holds(self, found: dict[str, Any]) -> bool:
        return self.when is None or self.when(*(found[name] for name in self.asked))


class Rule(Struct, frozen=True, eq=False):
    """Replaces one node by another of the same value; `roots` are the operations it looks at."""

    name: str
    doc: str
    numerics: Numerics
    roots: tuple[str, ...]
    replace: Callable[[Node], Any]
    operands: tuple[frozenset[str] | None, ...] = ()  # what each may be; None for anything
    equation: Equation | None = None
    sole: tuple[int, ...] = ()  # operands that nothing else may use

    def __call__(self, node: Node) -> Any:
        """The replacement, perhaps a bare number; None where the rule does not apply."""
        return self.replace(node)

    def fits(self, operands: tuple[str, ...]) -> bool:
        """Whether the rule may apply to one of its operations on the results of others."""
        pairs = zip(self.operands, operands, strict=False)
        return all(allowed is None or name in allowed for allowed, name in pairs)

    def __repr__(self) -> str:
        return self.name


Stating = Callable[..., Sides]


def rule(
    *,
    numerics: Numerics = "exact",
    when: Callable[..., bool] | None = None,
    sole: bool = False,
) -> Callable[[Stating], tuple[Rule, ...]]:
    """The rules that an equation states: one for each order of commutative operands.

    `when` names the wildcards it wants to see, and decides by their types and numbers. `sole`
    leaves results of operations on the left alone that something else uses as well: they would
    be computed in any case.
    """

    def stated(equation: Stating) -> tuple[Rule, ...]:
        names = tuple(inspect.signature(equation).parameters)
        with evaluating(PatternEvaluator()):
            left, right = equation(*(Wildcard(name) for name in names))
        asked = tuple(inspect.signature(when).parameters) if when else ()
        doc = inspect.getdoc(equation) or ""
        equations = (Equation(one, right, names, when, asked, sole) for one in orders(left))
        return tuple(_stated(equation.__name__, doc, numerics, one) for one in equations)

    return stated


def step(
    *roots: str, numerics: Numerics = "exact"
) -> Callable[[Callable[[Node], Any]], tuple[Rule, ...]]:
    """A rule that no equation states: a function from a node to its replacement, or None."""

    def named(replace: Callable[[Node], Any]) -> tuple[Rule, ...]:
        doc = inspect.getdoc(replace) or ""
        return (Rule(replace.__name__, doc, numerics, roots, replace),)

    return named


class RuleSet:
    """Rules that are applied together until none applies; the first that fits is taken."""

    def __init__(self, *stated: Iterable[Rule]) -> None:
        self.rules = tuple(one for group in stated for one in group)
        self._found: dict[Any, tuple[Rule, ...]] = {}

    @classmethod
    def stated_in(cls, names: Mapping[str, Any]) -> RuleSet:
        """All rules of a module, in the order in which they stand there."""
        return cls(*(value for value in names.values() if _is_stated(value)))

    def worth_trying(self, node: Node, numerics: str) -> tuple[Rule, ...]:
        """The rules that the operations of a node and of its operands leave possible."""
        operands = tuple([source.op.name for source in node.inputs[:_SEEN]])
        key = (numerics, node.op.name, operands)
        found = self._found.get(key)
        if found is None:
            found = tuple(one for one in self._about(node.op.name, numerics) if one.fits(operands))
            self._found[key] = found
        return found

    def _about(self, root: str, numerics: str) -> tuple[Rule, ...]:
        """The rules that look at an operation at all."""
        key = (numerics, root)
        found = self._found.get(key)
        if found is None:
            allowed = (one for one in self.rules if one.numerics != "fast" or numerics == "fast")
            found = tuple(one for one in allowed if not one.roots or root in one.roots)
            self._found[key] = found
        return found

    def __add__(self, other: RuleSet) -> RuleSet:
        return RuleSet(self.rules, other.rules)


def _is_stated(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Rule)


def _stated(name: str, doc: str, numerics: Numerics, equation: Equation) -> Rule:
    """The rule that replaces instances of the left side by those of the right."""

    def replace(node: Node) -> Any:
        found: dict[str, Any] = {}
        if not matches(equation.left, node, found) or not equation.holds(found):
            return None
        return build(equation.right, found)

    left = equation.left
    if not isinstance(left, Pattern):
        raise VerifyError(f"the rule {name} has no operation on its left side")
    operands = tuple(_allowed(part) for part in left.inputs)
    inner = tuple(at for at, part in enumerate(left.inputs) if isinstance(part, Pattern))
    sole = inner if equation.sole else ()
    return Rule(name, doc, numerics, (left.op.name,), replace, operands, equation, sole)


def _allowed(part: Any) -> frozenset[str] | None:
    """The operations whose results a part of a pattern may match."""
    if isinstance(part, Wildcard):
        return None
    return frozenset({part.op.name}) if isinstance(part, Pattern) else _NUMBERS
