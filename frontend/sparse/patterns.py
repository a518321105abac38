"""Where derivatives may be nonzero, and what is differentiated in what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from symfuse.compiler.autodiff.jacobian import expect_floats
from symfuse.compiler.autodiff.reverse import grad_graph
from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.node import Node
from symfuse.compiler.sparsity.detect import jacobian_pattern, symmetric_pattern

from ..differentiable import Argnums, expect_kind, expect_scalar, parted, selected, stable
from ..tracing.record import Recorded, record

__all__ = ["Problem", "hessian_sparsity", "jacobian_sparsity"]

Function = Callable[..., Any]


class Problem(Struct, frozen=True, eq=False):
    """What is differentiated: the outputs of `graph` in its parameters `inputs`.

    Where the matrix is symmetric, the outputs are the gradient of one number.
    """

    recorded: Recorded
    graph: ir.Graph
    inputs: tuple[Node, ...]
    aux: tuple[Node, ...]
    in_tree: Callable[[list[Any]], Any]
    is_symmetric: bool

    @classmethod
    def of(
        cls,
        what: str,
        fun: Function,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        argnums: Argnums = 0,
        has_aux: bool = False,
        is_symmetric: bool = False,
    ) -> Problem:
        """The derivatives of a function, traced, in the arguments that `argnums` names."""
        recorded = stable(record(fun, args, kwargs))
        wrt, in_tree = selected(recorded, argnums, what)
        if is_symmetric:
            expect_scalar(recorded, has_aux)
        graph, aux = parted(recorded, has_aux)
        expect_floats(graph)
        inputs = tuple(graph.parameters[at] for at in wrt)
        expect_kind(what, "input", inputs, False)
        expect_kind(what, "output", graph.outputs, False)
        if is_symmetric:
            graph = grad_graph(graph, inputs)
        return cls(recorded, graph, inputs, aux, in_tree, is_symmetric)

    def pattern(self) -> Any:
        """Where the matrix may be nonzero."""
        find = symmetric_pattern if self.is_symmetric else jacobian_pattern
        return find(self.graph, self.inputs)


def jacobian_sparsity(fun: Function, *specs: Any, argnums: Argnums = 0) -> Any:
    """Which elements of the result of `fun` depend on which elements of its arguments.

    `specs` are arrays, specs or texts such as "f64[100]", whose values do not matter: what comes
    back holds for all of them. It is a scipy.sparse.csr_array of bools with a row for each element
    of the result and a column for each of the arguments that `argnums` names, leaf by leaf, each in
    row-major order. Entries may be zero all the same, for all values; no others are nonzero.

    Raises UnsupportedError for symbolic sizes and without SciPy, DTypeError for arguments that
    are no floats.

    >>> import symfuse as sf
    >>> found = sf.sparse.jacobian_sparsity(lambda x: x[1:] - x[:-1], "f64[4]")
    >>> found.toarray().astype(int)
    array([[1, 1, 0, 0],
           [0, 1, 1, 0],
           [0, 0, 1, 1]])
    """
    return Problem.of("jacobian_sparsity", fun, specs, {}, argnums).pattern()


def hessian_sparsity(fun: Function, *specs: Any, argnums: Argnums = 0) -> Any:
    """Which pairs of elements of the arguments have a second derivative of `fun`, one number.

    As `jacobian_sparsity`; a symmetric csr_array of bools with a row and a column for each element.

    >>> import symfuse as sf
    >>> found = sf.sparse.hessian_sparsity(lambda x: (x[1:] * x[:-1]).sum(), "f64[3]")
    >>> found.toarray().astype(int)
    array([[0, 1, 0],
           [1, 0, 1],
           [0, 1, 0]])
    """
    return Problem.of("hessian_sparsity", fun, specs, {}, argnums, is_symmetric=True).pattern()
