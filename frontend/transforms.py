"""Functions of functions: gradients, directional derivatives, Jacobians, batches.

Each traces its function to a graph, transforms the graph, and records the result in the trace
that is running. On arrays, outside of any trace, the transformed graph is run by NumPy at once:
use `sf.jit(sf.grad(f))` for speed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from msgspec.structs import replace

from symfuse.compiler.autodiff.forward import jvp_graph, linear_graph
from symfuse.compiler.autodiff.jacobian import jacfwd_graph, jacrev_graph
from symfuse.compiler.autodiff.reverse import grad_graph, vjp_graph
from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from .control.regions import expect_function
from .differentiable import Argnums, expect_kind, expect_scalar, parted, selected, stable
from .tracing.record import Recorded, record
from .tracing.specs import Spec
from .tracing.trace import call, call_graph, tells
from .tracing.tracer import Tracer
from .tracing.tree import flatten, map_leaves, same

__all__ = [
    "eval_shape", "grad", "hessian", "jacfwd", "jacobian", "jacrev", "jvp",
    "linearize", "stop_gradient", "value_and_grad", "vjp",
]  # fmt: skip

Function = Callable[..., Any]


def grad(
    fun: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Function:
    """The function that returns the gradient of `fun`, which returns one number.

    In a complex argument x + iy the gradient of a real function is ∂f/∂x - i·∂f/∂y, as in JAX;
    `holomorphic` promises a complex function of complex arguments, whose derivative comes back.

    >>> import symfuse as sf
    >>> float(sf.grad(lambda x: x**3)(2.0))
    12.0
    """
    differentiated = value_and_grad(fun, argnums, has_aux, holomorphic)

    @wraps(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = differentiated(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def value_and_grad(
    fun: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Function:
    """The function that returns the value of `fun` and its gradient.

    >>> import symfuse as sf
    >>> value, slope = sf.value_and_grad(lambda x: x**3)(2.0)
    >>> float(value), float(slope)
    (8.0, 12.0)
    """

    expect_function("grad", "fun", fun)

    @wraps(fun)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        recorded = stable(record(fun, args, kwargs))
        wrt, rebuild_tree = selected(recorded, argnums, "grad")
        expect_scalar(recorded, has_aux)
        graph = recorded.graph
        expect_kind("grad", "output", graph.outputs[:1], holomorphic)
        if holomorphic:
            expect_kind("grad", "input", [graph.parameters[at] for at in wrt], holomorphic)
        found = grad_graph(graph, [graph.parameters[at] for at in wrt])
        both = replace(found, outputs=(*graph.outputs, *found.outputs))
        results = call_graph(both, recorded.arguments.leaves)
        count = len(graph.outputs)
        return recorded.out_tree.unflatten(results[:count]), rebuild_tree(results[count:])

    return value_and_gradient


def jvp(fun: Function, primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The value of `fun` and its change in the direction `tangents`.

    >>> import symfuse as sf
    >>> value, change = sf.jvp(lambda x: x**2, (3.0,), (1.0,))
    >>> float(change)
    6.0
    """
    recorded = stable(record(fun, tuple(primals)))
    main, aux = parted(recorded, has_aux)
    leaves = recorded.arguments.leaves
    directions = same(tuple(tangents), flatten(tuple(primals))[1], "tangents")
    wrt = _float_leaves(recorded)
    _check_tangents(recorded, wrt, directions)
    pushed = jvp_graph(main, [main.parameters[at] for at in wrt])
    full = replace(pushed, outputs=(*pushed.outputs, *aux))
    results = call_graph(full, [*leaves, *(_as_type(recorded, at, directions[at]) for at in wrt)])
    return _with_tangents(recorded, main, results, has_aux)


def linearize(fun: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The value of `fun`, and the linear function from changes of its arguments to its change.

    What both need is computed once, whatever number of changes is asked for.

    >>> import symfuse as sf
    >>> value, linear = sf.linearize(lambda x: x**3, 2.0)
    >>> float(value), float(linear(1.0)), float(linear(2.0))
    (8.0, 12.0, 24.0)
    """
    recorded = stable(record(fun, primals))
    main, _ = parted(recorded, has_aux)
    wrt = _float_leaves(recorded)
    known, derivative = linear_graph(main, [main.parameters[at] for at in wrt])
    count = len(recorded.graph.outputs)
    whole = replace(known, outputs=(*recorded.graph.outputs, *known.outputs[len(main.outputs) :]))
    results = call_graph(whole, recorded.arguments.leaves)
    out, own = recorded.out_tree.unflatten(results[:count]), len(main.outputs)

    def linear(*tangents: Any) -> Any:
        directions = same(tuple(tangents), flatten(tuple(primals))[1], "tangents")
        _check_tangents(recorded, wrt, directions)
        given = [_as_type(recorded, at, directions[at]) for at in wrt]
        changes = call_graph(derivative, [*results[count:], *given])
        every = [*results[:own], *changes, *results[own:count]]
        return _with_tangents(recorded, main, every, has_aux)[1]

    return (out[0], linear, out[1]) if has_aux else (out, linear)


def vjp(fun: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The value of `fun`, and the function from a cotangent of it to those of its arguments.

    >>> import symfuse as sf
    >>> value, pull = sf.vjp(lambda x, y: x * y, 3.0, 4.0)
    >>> [float(ct) for ct in pull(1.0)]
    [4.0, 3.0]
    """
    recorded = stable(record(fun, primals))
    main, _ = parted(recorded, has_aux)
    results = recorded.out_tree.unflatten(call_graph(recorded.graph, recorded.arguments.leaves))
    out_tree = recorded.out_tree.children()[0] if has_aux else recorded.out_tree
    wrt = _float_leaves(recorded)
    pulled = vjp_graph(main, [main.parameters[at] for at in wrt])
    backward = replace(pulled, outputs=pulled.outputs[len(main.outputs) :])

    def pull(cotangent: Any) -> Any:
        given = same(cotangent, out_tree, "the cotangent")
        for ct, node, path in zip(given, main.outputs, out_tree.paths("cotangent"), strict=True):
            if (
                all(isinstance(n, int) for n in node.type.shape)
                and tuple(np.shape(ct)) != node.type.shape
            ):
                raise ShapeError(
                    f"vjp: {path} has the shape {tuple(np.shape(ct))}, the result is {node.type}",
                    fix="pass a cotangent of the shape of the result",
                    loc=user_location(),
                )
        floats = [
            _cast(ct, node.dtype.numpy)
            for ct, node in zip(given, main.outputs, strict=True)
            if node.dtype.is_inexact
        ]
        found = iter(call_graph(backward, [*recorded.arguments.leaves, *floats]))
        leaves = [
            next(found) if at in wrt else _zeros(leaf)
            for at, leaf in enumerate(recorded.arguments.leaves)
        ]
        return recorded.arguments.tree.unflatten(leaves)[0]

    return (results[0], pull, results[1]) if has_aux else (results, pull)


def jacfwd(
    fun: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Function:
    """The function that returns the derivative of every output in every input, by forward mode.

    Inputs are real, or complex where `holomorphic` promises a complex function of these.
    """
    return _jacobian(fun, argnums, has_aux, jacfwd_graph, holomorphic)


def jacrev(
    fun: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Function:
    """The function that returns the derivative of every output in every input, by reverse mode.

    Outputs are real, or complex where `holomorphic` promises a complex function of complex inputs.

    >>> import numpy as np, symfuse as sf
    >>> sf.jacrev(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _jacobian(fun, argnums, has_aux, jacrev_graph, holomorphic)


jacobian = jacrev


def hessian(
    fun: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Function:
    """The function that returns the second derivatives of `fun`."""
    first = jacrev(fun, argnums, has_aux, holomorphic)
    return jacfwd(first, argnums, has_aux, holomorphic)


def stop_gradient(x: Any) -> Any:
    """The same values, constant for every derivative."""
    return map_leaves(lambda leaf: call("stop_gradient", leaf), x)


def eval_shape(fun: Function, *args: Any, **kwargs: Any) -> Any:
    """The specs of what `fun` returns for these arguments or specs; nothing is computed.

    >>> import symfuse as sf
    >>> sf.eval_shape(lambda x: x.T, "f32[2,N]")
    spec(f32[N,2])
    """
    recorded = record(fun, args, kwargs)
    specs = [Spec(node.shape, node.dtype.numpy) for node in recorded.graph.outputs]
    return recorded.out_tree.unflatten(specs)


def _jacobian(
    fun: Function,
    argnums: Argnums,
    has_aux: bool,
    transform: Callable[..., ir.Graph],
    holomorphic: bool,
) -> Function:
    @wraps(fun)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        recorded = stable(record(fun, args, kwargs))
        main, aux = parted(recorded, has_aux)
        wrt, rebuild_tree = selected(recorded, argnums, "the Jacobian")
        inputs = [main.parameters[at] for at in wrt]
        if holomorphic or transform is jacfwd_graph:
            expect_kind("jacfwd", "input", inputs, holomorphic)
        if holomorphic or transform is jacrev_graph:
            expect_kind("jacrev", "output", main.outputs, holomorphic)
        blocks = transform(main, inputs)
        kept = main.outputs if tells(main) else ()  # for what it tells of values
        full = replace(blocks, outputs=(*blocks.outputs, *aux, *kept))
        results = call_graph(full, recorded.arguments.leaves)
        rows = [
            rebuild_tree(results[at * len(wrt) : (at + 1) * len(wrt)])
            for at in range(len(main.outputs))
        ]
        if not has_aux:
            return recorded.out_tree.unflatten(rows)
        trees = recorded.out_tree.children()
        end = len(blocks.outputs) + len(aux)
        rest = trees[1].unflatten(results[len(blocks.outputs) : end])
        return trees[0].unflatten(rows), rest

    return derivative


def _float_leaves(recorded: Recorded) -> list[int]:
    graph = recorded.graph
    visible = graph.parameters[: len(recorded.arguments.leaves)]
    return [at for at, node in enumerate(visible) if node.dtype.is_inexact]


def _check_tangents(recorded: Recorded, wrt: list[int], directions: list[Any]) -> None:
    for at, node in enumerate(recorded.graph.parameters[: len(directions)]):
        given = directions[at]
        if not node.dtype.is_inexact and not isinstance(given, Tracer) and np.any(given):
            raise DTypeError(
                f"jvp in {recorded.names[at]}, which is {node.type}: only floating-point values "
                "can change",
                fix="convert it: x.astype('float64'), or pass zeros as its tangent",
                loc=user_location(),
            )
    for at in wrt:
        type_, shape = recorded.graph.parameters[at].type, np.shape(directions[at])
        if tuple(type_.shape) != tuple(shape):
            raise ShapeError(
                f"jvp: the tangent of {recorded.names[at]} has the shape {shape}, it needs {type_}",
                fix="pass one tangent of the same shape for each argument",
                loc=user_location(),
            )


def _as_type(recorded: Recorded, at: int, value: Any) -> Any:
    return _cast(value, recorded.graph.parameters[at].dtype.numpy)


def _cast(value: Any, dtype: Any) -> Any:
    if hasattr(value, "dtype") and value.dtype == dtype:
        return value
    return call("convert", value, dtype=DType.of(dtype))


def _with_tangents(recorded: Recorded, main: ir.Graph, results: list[Any], has_aux: bool) -> Any:
    count = len(main.outputs)
    values, rest = results[:count], iter(results[count:])
    changes = [
        next(rest) if node.dtype.is_inexact else _zeros(value)
        for node, value in zip(main.outputs, values, strict=True)
    ]
    if not has_aux:
        return recorded.out_tree.unflatten(values), recorded.out_tree.unflatten(changes)
    trees = recorded.out_tree.children()
    aux = trees[1].unflatten(list(rest))
    return trees[0].unflatten(values), trees[0].unflatten(changes), aux


def _zeros(value: Any) -> Any:
    return np.zeros_like(value)
