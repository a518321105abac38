"""`sf.custom_jvp`: a function whose tangents come from a rule of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any

from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ops.custom import Rule
from symfuse.runtime.errors import TraceError

from ..control.regions import Region, trace_region
from ..tracing.record import function_name
from ..tracing.specs import Described
from ..tracing.trace import call
from ..tracing.tree import flatten
from .calls import Call, expect_containers, expect_types, results_of, rule_graph, rule_of, zeros_of

__all__ = ["custom_jvp"]

Function = Callable[..., Any]


class custom_jvp:
    """A function with a derivative of its own, given by `defjvp`; used as a decorator, as in JAX.

    The rule `jvp(primals, tangents)` gives `(value, tangent)`, and is linear in the tangents:
    reverse mode runs it backwards. Arguments of `nondiff_argnums` come before both, and may be
    anything. It works under jit, vmap, in loops and branches, and to any order.

    >>> import symfuse as sf
    >>> @sf.custom_jvp
    ... def f(x):
    ...     return x**2
    >>> @f.defjvp
    ... def f_jvp(primals, tangents):
    ...     return f(*primals), 10 * tangents[0]
    >>> float(f(3.0)), float(sf.grad(f)(3.0))
    (9.0, 10.0)
    """

    def __init__(self, fun: Function, nondiff_argnums: int | Sequence[int] = ()) -> None:
        update_wrapper(self, fun)
        self._function = fun
        self._rule: Function | None = None
        numbers = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else nondiff_argnums
        self._fixed = tuple(numbers)

    def defjvp(self, jvp: Function) -> Function:
        """Set the rule; returns it, so that it can be used as a decorator."""
        self._rule = jvp
        return jvp

    def defjvps(self, *jvps: Function | None) -> None:
        """Set one rule for each argument, `jvp(tangent, value, *primals)`; None means no change."""
        if self._fixed:
            raise TraceError(
                f"{self._what}: defjvps with nondiff_argnums", fix="use defjvp", loc=user_location()
            )
        self._rule = partial(_sum_of, self, jvps)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The value; where it is traced, an operation that knows its derivative."""
        called = Call.of(self._what, self._function, self._fixed, args, kwargs)
        if not called.is_traced:
            return self._function(*args, **kwargs)
        rule = rule_of(self._rule, self._what, "defjvp")
        body = called.region(self._function)
        count = len(called.types) + len(called.inexact)

        def make() -> tuple[Graph, ...]:
            return (rule_graph(self._what, self._tangents(called, rule, body), body, count),)

        return results_of("custom_jvp", called, body, Rule(make))

    @property
    def _what(self) -> str:
        return f"custom_jvp {function_name(self._function)}"

    def _tangents(self, called: Call, rule: Function, body: Region) -> Region:
        """The graph from arguments and their tangents to those of the results."""
        directions = [Described(called.types[at].type) for at in called.inexact]
        count = len(called.types)

        def run(jvp: Function, leaves: list[Any]) -> Any:
            primals = tuple(called.tree.unflatten(leaves[:count]))
            given = iter(leaves[count:])
            changes = [
                next(given) if at in called.inexact else zeros_of(one.type)
                for at, one in enumerate(called.types)
            ]
            tangents = tuple(called.tree.unflatten(changes))
            return self._checked(jvp(*called.first(), primals, tangents), body)

        return trace_region(rule, [*called.types, *directions], run)

    def _checked(self, found: Any, body: Region) -> list[Any]:
        """The tangents of those results that can change."""
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise TraceError(
                f"{self._what}: the rule returns no pair",
                fix="return (value, tangent)",
                loc=user_location(),
            )
        tangents, tree = flatten(found[1])
        expect_containers(self._what, ("the tangent", "the value"), tree, body.tree)
        results = body.graph.outputs
        pairs = zip(tangents, results, strict=True)
        moving = [(t, node) for t, node in pairs if node.dtype.is_inexact]
        return [_of_type(self._what, t, node) for t, node in moving]


def _of_type(what: str, tangent: Any, node: Any) -> Any:
    found = call("convert", tangent, dtype=node.dtype)
    expect_types(what, ("tangent", "value"), [found._node.type], [node.type])
    return found


def _sum_of(
    function: Function, jvps: Sequence[Function | None], primals: Any, tangents: Any
) -> Any:
    """The rule that adds what each argument's rule gives."""
    value = function(*primals)
    pairs = zip(jvps, tangents, strict=True)
    parts = [flatten(jvp(t, value, *primals)) for jvp, t in pairs if jvp is not None]
    leaves, tree = flatten(value)
    rows = [found for found, _ in parts] or [[0 * leaf for leaf in leaves]]
    return value, tree.unflatten([sum(column) for column in zip(*rows, strict=True)])
