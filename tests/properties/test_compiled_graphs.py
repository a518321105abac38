"""Random graphs: compiled they compute what the interpreter of graphs and that of kernels do."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from running import Compiled
from strategies import MAKERS, arrays_for, graphs

from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.interpret import interpret
from symfuse.compiler.ir.op import operations
from symfuse.runtime.dtypes import DType

# The sign of NaN is anyone's; functions with poles turn last digits into everything.
_UNSTABLE = """signbit copysign nextafter floor ceil trunc round floor_divide remainder fmod sign
tan asin acos acosh atanh power reciprocal divide rsqrt log log2 log10 log1p exp exp2 expm1 sinh
cosh reduce_prod cumprod beta betaln gamma gammaln digamma polygamma ndtri erfinv erfcinv i0 i1
erfcx gammainc gammaincc betainc betaincc betainc_derivative zeta"""
STABLE = frozenset({*MAKERS, *(n for n, o in operations.items() if o.body is not None)})
STABLE -= frozenset(_UNSTABLE.split())
KINDS = (DType.F32, DType.F64, DType.I32, DType.I64, DType.U8, DType.BOOL)


@settings(max_examples=40)
@given(graph=graphs(only=STABLE, dtypes=KINDS, most_nodes=12), seed=st.integers(0, 99))
def test_static_graphs(graph: Graph, seed: int) -> None:
    Compiled(graph).check(*arrays_for(graph, seed), tolerance=1e-3)


@settings(max_examples=15)
@given(graph=graphs(only=STABLE, dtypes=KINDS, symbolic=True), seed=st.integers(0, 99))
def test_symbolic_graphs(graph: Graph, seed: int) -> None:
    compiled = Compiled(graph)
    for size in (3, 1, 0, 17):
        sizes = {"N": size}
        arrays = arrays_for(graph, seed, sizes)
        if is_defined(graph, arrays):
            compiled.check(*arrays, sizes=sizes, tolerance=1e-3)


def is_defined(graph: Graph, arrays: list[np.ndarray]) -> bool:
    """NumPy has no greatest of no elements."""
    try:
        interpret(graph, arrays)
    except ValueError:
        return False
    return True
