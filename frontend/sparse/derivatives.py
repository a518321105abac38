"""Jacobians and Hessians of which only entries that may be nonzero are computed.

Directions of one colour are added up to one, so that a pass over the graph finds all their columns
(or rows) together; passes for all colours are one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from hashlib import blake2b
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from symfuse.compiler.autodiff.forward import linear_graph
from symfuse.compiler.autodiff.reverse import vjp_graph
from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.compiler.sparsity.elements import sizes
from symfuse.compiler.sparsity.relations import scipy_sparse
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, ShapeError

from ..batching import vmap
from ..control.regions import expect_function
from ..differentiable import Argnums
from ..tracing.trace import call, call_graph, tells
from ..tracing.tracer import Tracer
from .coloring import Coloring, coloring, mirrored, pattern_of, places
from .matrices import Layout, matrix
from .patterns import Problem
from .report import Report

__all__ = ["Derivative", "hessian", "jacfwd", "jacobian", "jacrev"]

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]


def jacfwd(
    fun: Function,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    coloring: Coloring | str | None = None,
) -> Derivative:
    """The function that returns the Jacobian of `fun` as a sparse matrix, by forward mode.

    One pass for each colour of the columns. What comes back is a scipy.sparse.csr_array, and in
    traced functions a `CSR`, with a row for each element of the result and a column for each of the
    argument, in row-major order; for trees of arrays, a tree of such matrices as `sf.jacfwd` has.
    They hold every entry that may be nonzero, in the element type of the result.

    `sparsity` is what `jacobian_sparsity` gives, found if it is left out; `coloring` a `Coloring`,
    or the order in which one is made. Both are found once for functions and shapes that are equal.
    Raises what `jacobian_sparsity` does; ShapeError for a sparsity or coloring of another shape,
    ArgumentError for a coloring that does not fit.

    >>> import numpy as np, symfuse as sf
    >>> found = sf.sparse.jacfwd(lambda x: x[1:] * x[:-1])(np.arange(4.0))
    >>> found.toarray()
    array([[1., 0., 0., 0.],
           [0., 2., 1., 0.],
           [0., 0., 3., 2.]])
    """
    return Derivative("jacfwd", fun, argnums, has_aux, ("columns",), sparsity, coloring)


def jacrev(
    fun: Function,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    coloring: Coloring | str | None = None,
) -> Derivative:
    """As `jacfwd`, by reverse mode: one pass for each colour of the rows."""
    return Derivative("jacrev", fun, argnums, has_aux, ("rows",), sparsity, coloring)


def jacobian(
    fun: Function,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    coloring: Coloring | str | None = None,
) -> Derivative:
    """As `jacfwd` or `jacrev`, whichever has fewer colours; forward mode if both have as many."""
    kinds = ("columns", "rows")
    return Derivative("jacobian", fun, argnums, has_aux, kinds, sparsity, coloring)


def hessian(
    fun: Function,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    coloring: Coloring | str | None = None,
) -> Derivative:
    """The function that returns the second derivatives of `fun`, one number, as a sparse matrix.

    Forward over reverse mode, one pass for each colour of a star colouring: of two entries that
    are equal one is computed. Otherwise as `jacfwd`, with `hessian_sparsity`.

    >>> import numpy as np, symfuse as sf
    >>> sf.sparse.hessian(lambda x: (x[1:] * x[:-1]).sum())(np.ones(3)).toarray()
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    """
    return Derivative("hessian", fun, argnums, has_aux, ("symmetric",), sparsity, coloring)


class Derivative:
    """A function that returns sparse derivatives of another one."""

    def __init__(
        self,
        name: str,
        fun: Function,
        argnums: Argnums,
        has_aux: bool,
        kinds: tuple[str, ...],
        sparsity: Any,
        coloring: Coloring | str | None,
    ) -> None:
        expect_function(f"sparse.{name}", "fun", fun)
        update_wrapper(self, fun)
        self._what, self._fun, self._kinds = f"sparse.{name}", fun, kinds
        self._argnums, self._has_aux = argnums, has_aux
        self._sparsity, self._coloring = sparsity, coloring
        self._plans: dict[Any, Plan] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The matrix, or tree of matrices, and with `has_aux` the auxiliary data behind it."""
        problem = self._problem(args, kwargs)
        plan = self._plan(problem)
        values, aux = _products(problem, plan)
        return _assembled(problem, plan, values, aux, self._has_aux)

    def explain(self, *specs: Any, **named_specs: Any) -> Report:
        """The colours, and what they save, for arguments like these: arrays, specs or texts."""
        problem = self._problem(specs, named_specs)
        plan = self._plan(problem)
        return Report(problem.recorded.graph.name, self._what, plan.pattern, plan.coloring)

    def _problem(self, args: Any, kwargs: Any) -> Problem:
        is_symmetric = self._kinds == ("symmetric",)
        return Problem.of(
            self._what, self._fun, args, kwargs, self._argnums, self._has_aux, is_symmetric
        )

    def _plan(self, problem: Problem) -> Plan:
        key = _key(problem)
        if key not in self._plans:
            pattern = self._pattern(problem)
            self._plans[key] = Plan.of(problem, pattern, self._colored(pattern))
        return self._plans[key]

    def _pattern(self, problem: Problem) -> Any:
        if self._sparsity is None:
            return problem.pattern()
        found = pattern_of(self._sparsity, self._what)
        shape = tuple(sum(map(_size, side)) for side in (problem.graph.outputs, problem.inputs))
        if found.shape != shape:
            raise ShapeError(
                f"{self._what}: the sparsity has the shape {found.shape}, but there are {shape[0]} "
                f"outputs and {shape[1]} inputs",
                fix=f"give a matrix of shape {shape}, or leave it out to have it found",
                loc=user_location(),
            )
        return mirrored(found) if problem.is_symmetric else found

    def _colored(self, pattern: Any) -> Coloring:
        given = self._coloring
        if not isinstance(given, Coloring):
            each = [coloring(pattern, kind, given) for kind in self._kinds]
            return min(each, key=lambda one: one.count)
        if given.kind not in self._kinds:
            raise ArgumentError(
                f"{self._what}: a coloring of kind {given.kind!r}",
                fix=f"give one of kind {' or '.join(map(repr, self._kinds))}",
                loc=user_location(),
            )
        size = pattern.shape[given.kind != "rows"]
        if given.colors.shape != (size,):
            raise ShapeError(
                f"{self._what}: {given.colors.size} {given.kind} are colored, but there are {size}",
                fix="color the sparsity of this function for these shapes",
                loc=user_location(),
            )
        return given


class Plan(Struct, frozen=True, eq=False):
    """How a matrix is found: where it has entries, its colours, and for each pair of an output and
    an input the layout of that block and the places of its entries in the products."""

    pattern: Any
    coloring: Coloring
    blocks: list[list[tuple[Layout, Array]]]

    @classmethod
    def of(cls, problem: Problem, pattern: Any, coloring: Coloring) -> Plan:
        pattern.sort_indices()
        at = places(pattern, coloring)
        numbers = np.arange(1, at.size + 1)  # explicit zeros would be lost
        whole = scipy_sparse().csr_array((numbers, pattern.indices, pattern.indptr), pattern.shape)
        blocks = [
            [_block(whole[rows][:, columns].tocsr(), at) for columns in _ranges(problem.inputs)]
            for rows in _ranges(problem.graph.outputs)
        ]
        return cls(pattern, coloring, blocks)

    @property
    def is_forward(self) -> bool:
        return self.coloring.kind != "rows"


def _block(numbers: Any, at: Array) -> tuple[Layout, Array]:
    return Layout(numbers.indices, numbers.indptr, numbers.shape), at[numbers.data - 1]


def _ranges(nodes: Sequence[Node]) -> list[slice]:
    ends = list(accumulate(map(_size, nodes), initial=0))
    return [slice(a, b) for a, b in pairwise(ends)]


def _size(node: Node) -> int:
    return prod(sizes(node))


def _key(problem: Problem) -> Any:
    """What patterns and colours depend on: the function, what it closes over, and the shapes."""
    graph = problem.graph
    held = (np.asarray(x).tobytes() for x in graph.captured.values() if isinstance(x, np.ndarray))
    wrt = tuple(graph.parameters.index(node) for node in problem.inputs)
    return graph.structure, wrt, tuple(blake2b(one).digest() for one in held)


# evaluation


def _products(problem: Problem, plan: Plan) -> tuple[Any, list[Any]]:
    """The products with the sum of directions of each colour, one behind the other, and auxiliary
    data."""
    graph, known, aux = (_forward if plan.is_forward else _reverse)(problem)
    seeded, found = problem.inputs, problem.graph.outputs
    if not plan.is_forward:
        seeded, found = found, seeded
    colors = [
        plan.coloring.colors[part].reshape(sizes(node))
        for part, node in zip(_ranges(seeded), seeded, strict=True)
    ]

    def product(color: Any) -> Any:
        directions = [
            call("convert", call("equal", own, color), dtype=node.dtype)
            for own, node in zip(colors, seeded, strict=True)
        ]
        changes = zip(call_graph(graph, [*known, *directions]), found, strict=True)
        return _joined([call("reshape", one, shape=(_size(node),)) for one, node in changes])

    if not plan.pattern.nnz:
        return np.zeros(0), aux
    every = vmap(product)(np.arange(plan.coloring.count, dtype=np.int32))
    return call("reshape", every, shape=(prod(np.shape(every)),)), aux


def _forward(problem: Problem) -> tuple[ir.Graph, list[Any], list[Any]]:
    """The graph from tangents to changes of the outputs, behind values that it reads."""
    known, linear = linear_graph(problem.graph, problem.inputs)
    whole = replace(known, outputs=(*known.outputs, *problem.aux))
    results = call_graph(whole, problem.recorded.arguments.leaves)
    own, end = len(problem.graph.outputs), len(known.outputs)
    return linear, results[own:end], results[end:]


def _reverse(problem: Problem) -> tuple[ir.Graph, list[Any], list[Any]]:
    """The graph from cotangents to those of the inputs, behind the arguments."""
    graph, leaves = problem.graph, problem.recorded.arguments.leaves
    pulled = vjp_graph(graph, problem.inputs)
    back = pulled.with_outputs(pulled.outputs[len(graph.outputs) :])
    told = graph.outputs if tells(graph) else ()
    results = call_graph(graph.with_outputs((*problem.aux, *told)), leaves)
    return back, leaves, results[: len(problem.aux)]


def _joined(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else call("concatenate", *parts, axis=0)


def _assembled(problem: Problem, plan: Plan, values: Any, aux: list[Any], has_aux: bool) -> Any:
    """The matrices in the containers of the function's result and arguments."""
    leaves = (*problem.recorded.arguments.leaves, *problem.graph.captured.values())
    is_traced = any(isinstance(leaf, Tracer) for leaf in leaves)
    rows = []
    for output, row in zip(problem.graph.outputs, plan.blocks, strict=True):
        blocks = []
        for node, (layout, at) in zip(problem.inputs, row, strict=True):
            dtype = (output if plan.is_forward else node).dtype
            blocks.append(matrix(_entries(values, at, dtype), layout, is_traced))
        rows.append(problem.in_tree(blocks))
    tree = problem.recorded.out_tree
    if not has_aux:
        return problem.in_tree(rows) if problem.is_symmetric else tree.unflatten(rows)
    main, rest = tree.children()
    found = problem.in_tree(rows) if problem.is_symmetric else main.unflatten(rows)
    return found, rest.unflatten(aux)


def _entries(values: Any, at: Array, dtype: DType) -> Any:
    if not at.size:
        return np.zeros(0, dtype.numpy)
    return call("convert", call("take", values, at, axis=0), dtype=dtype)
