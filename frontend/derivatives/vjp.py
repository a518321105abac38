"""`sf.custom_vjp`: a function whose cotangents come from rules of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any

from msgspec import Struct

from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ops.custom import Rule
from symfuse.runtime.errors import TraceError

from ..control.regions import Region, trace_region
from ..tracing.record import function_name
from ..tracing.specs import Described, describe
from ..tracing.trace import call
from ..tracing.tracer import Tracer
from ..tracing.tree import Structure, flatten
from .calls import Call, expect_containers, expect_types, results_of, rule_graph, rule_of, zeros_of

__all__ = ["custom_vjp"]

Function = Callable[..., Any]


class custom_vjp:
    """A function with a gradient of its own, given by `defvjp`; used as a decorator, as in JAX.

    `fwd(*args)` gives `(value, residuals)`, `bwd(residuals, cotangent)` a tuple of one cotangent
    for each argument, None where it is zero. Arguments of `nondiff_argnums` keep their places in
    `fwd`, and come first in `bwd`. Forward mode works where `bwd` is linear in the cotangent.

    >>> import symfuse as sf
    >>> @sf.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (sf.numpy.clip(ct, -1, 1),))
    >>> float(sf.grad(lambda x: 5 * clipped(x))(2.0))
    1.0
    """

    def __init__(self, fun: Function, nondiff_argnums: int | Sequence[int] = ()) -> None:
        update_wrapper(self, fun)
        self._function = fun
        self._forward: Function | None = None
        self._back: Function | None = None
        numbers = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else nondiff_argnums
        self._fixed = tuple(numbers)

    def defvjp(self, fwd: Function, bwd: Function) -> None:
        """Set both rules."""
        self._forward, self._back = fwd, bwd

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The value; where it is traced, an operation that knows its derivative."""
        called = Call.of(self._what, self._function, self._fixed, args, kwargs)
        if not called.is_traced:
            return self._function(*args, **kwargs)
        forward, back = (
            rule_of(rule, self._what, "defvjp") for rule in (self._forward, self._back)
        )
        body = called.region(self._function)

        def make() -> tuple[Graph, ...]:
            there, residuals = self._way_forward(called, forward, body)
            here = self._way_back(called, back, body, residuals)
            return (
                rule_graph(self._what, there, body, len(called.types)),
                rule_graph(self._what, here, body, len(residuals.types)),
            )

        return results_of("custom_vjp", called, body, Rule(make))

    @property
    def _what(self) -> str:
        return f"custom_vjp {function_name(self._function)}"

    def _way_forward(self, called: Call, rule: Function, body: Region) -> tuple[Region, _Residuals]:
        """The graph to the results and what the way back needs of them."""
        kept: list[_Residuals] = []

        def run(fwd: Function, leaves: list[Any]) -> Any:
            found = fwd(*called.arguments(leaves))
            if not isinstance(found, tuple | list) or len(found) != 2:
                raise TraceError(
                    f"{self._what}: fwd returns no pair",
                    fix="return (value, residuals)",
                    loc=user_location(),
                )
            values, tree = flatten(found[0])
            expect_containers(
                self._what, ("the value of fwd", "that of the function"), tree, body.tree
            )
            pairs = zip(values, body.graph.outputs, strict=True)
            results = [call("convert", value, dtype=node.dtype) for value, node in pairs]
            types = [value._node.type for value in results]
            wanted = [node.type for node in body.graph.outputs]
            expect_types(self._what, ("value of fwd", "that of the function"), types, wanted)
            arrays, residuals = _Residuals.of(found[1])
            kept[:] = [residuals]
            return [*results, *arrays]

        region = trace_region(rule, called.types, run)
        return region, kept[0]

    def _way_back(
        self, called: Call, rule: Function, body: Region, residuals: _Residuals
    ) -> Region:
        """The graph from residuals and the cotangents of the results to those of the arguments."""
        outputs = body.graph.outputs
        cotangents = [Described(node.type) for node in outputs if node.dtype.is_inexact]
        count = len(residuals.types)

        def run(bwd: Function, leaves: list[Any]) -> Any:
            given = iter(leaves[count:])
            each = [
                next(given) if node.dtype.is_inexact else zeros_of(node.type) for node in outputs
            ]
            known = residuals.value(leaves[:count])
            found = bwd(*called.first(), known, body.tree.unflatten(each))
            return self._checked(called, found)

        return trace_region(rule, [*residuals.types, *cotangents], run)

    def _checked(self, called: Call, found: Any) -> list[Any]:
        """The cotangents of those leaves that can change, zeros where there are none."""
        parts = called.tree.children()
        if not isinstance(found, tuple | list) or len(found) != len(parts):
            size = len(found) if isinstance(found, tuple | list) else 1
            raise TraceError(
                f"{self._what}: bwd returns {size} cotangents for {len(parts)} arguments",
                fix="return a tuple of one for each argument; None stands for zero",
                loc=user_location(),
            )
        leaves: list[Any] = []
        for at, (one, part) in enumerate(zip(found, parts, strict=True)):
            values, tree = flatten(one)
            if one is None:
                values, tree = [None] * part.count, part
            names = (f"cotangent {at} of bwd", "the argument")
            expect_containers(self._what, names, tree, part)
            leaves += values
        return [self._share(leaves[at], called.types[at]) for at in called.inexact]

    def _share(self, cotangent: Any, one: Described) -> Any:
        if cotangent is None:
            return zeros_of(one.type)
        found = call("convert", cotangent, dtype=one.type.dtype)
        names = ("cotangent of bwd", "argument")
        expect_types(self._what, names, [found._node.type], [one.type])
        return found


class _Residuals(Struct, frozen=True):
    """What the way back needs: arrays by their types, and all else as it is."""

    tree: Structure
    leaves: tuple[Any, ...]  # None where an array stands
    types: tuple[Described, ...]

    @classmethod
    def of(cls, value: Any) -> tuple[list[Any], _Residuals]:
        leaves, tree = flatten(value)
        is_array = [hasattr(leaf, "dtype") and hasattr(leaf, "shape") for leaf in leaves]
        arrays = [leaf for leaf, one in zip(leaves, is_array, strict=True) if one]
        rest = tuple(None if one else leaf for leaf, one in zip(leaves, is_array, strict=True))
        types = tuple(
            Described(a._node.type, a._weak) if isinstance(a, Tracer) else describe([a])[0]
            for a in arrays
        )
        return arrays, cls(tree, rest, types)

    def value(self, arrays: Sequence[Any]) -> Any:
        """The residuals with these arrays."""
        given = iter(arrays)
        return self.tree.unflatten([next(given) if x is None else x for x in self.leaves])
