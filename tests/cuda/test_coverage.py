"""Every operation runs on a device, or is refused at the user's line with what to do."""

from __future__ import annotations

import pytest
from contracts.cases import OPERATIONS, samples
from cuda.test_contracts import COMPUTED, graph_of

import symfuse as sf
from symfuse import numpy as snp
from symfuse.compiler.compile import compile_graph
from symfuse.compiler.ir.op import Op, operations
from symfuse.runtime import options

REFUSED = [op for op in OPERATIONS if op not in COMPUTED]
# What stands in graphs and has no kernel, and the tests of those that become others before.
ELSEWHERE = {
    "nothing to compute": {"parameter", "constant"},
    "test_complex": {"complex", "real", "imag", "conjugate", "as_real", "as_complex"},
    "test_loops": {"loop", "while_loop", "branch"},
    "derivatives": {"custom_jvp", "custom_vjp", "pullback"},
    "expand_transforms": {"fft", "rfft", "irfft"},
    "refused as complex": {"eig"},
}


def test_every_operation_is_somewhere() -> None:
    named = {op.name for op in (*COMPUTED, *REFUSED)}
    elsewhere = set().union(*ELSEWHERE.values())
    assert named | elsewhere == set(operations)
    assert not named & elsewhere


@pytest.mark.parametrize("op", REFUSED, ids=lambda op: op.name)
def test_what_a_device_cannot_do_is_refused(op: Op) -> None:
    dtype = op.dtypes[0]
    graph, _ = graph_of([(op, dtype, samples(op, dtype)[0])])
    told = rf"{op.name} is done by (LAPACK|Python), which runs on the processor only"
    with options.using(cache=False), pytest.raises(sf.UnsupportedError, match=told) as info:
        compile_graph(graph, target="cuda", arch="sm_90")
    assert 'target="cpu"' in str(info.value)


def test_the_line_of_a_refused_operation_is_told() -> None:
    def program(x):
        return snp.linalg.cholesky(x)

    with options.using(cache=False), pytest.raises(sf.UnsupportedError) as info:
        compile_graph(sf.make_graph(program)("f4[3,3]").ir, target="cuda", arch="sm_90")
    assert "test_coverage.py" in str(info.value)
