"""On random graphs the passes keep values and types, and come to rest."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import arrays_for, graphs

from symfuse.compiler.ir.verify import verify
from symfuse.compiler.passes.pipeline import run_pipeline
from symfuse.compiler.passes.settle import RULES
from symfuse.compiler.rewrite.driver import rewrite
from symfuse.compiler.rewrite.rule import RuleSet
from symfuse.runtime import options

_TAME = """
    add subtract multiply negative positive abs square sigmoid softplus relu tanh sin cos maximum
    minimum select less equal isnan logical_and logical_not convert broadcast transpose reshape
    slice pad concatenate reverse reduce_sum reduce_max reduce_min reduce_any reduce_all contract
    floor stop_gradient clip
"""
TAME = frozenset(_TAME.split())
"""Operations after which rounding differences stay small."""


@given(graphs(only=TAME, most_nodes=14), st.integers(0, 9), st.sampled_from(["strict", "fast"]))
def test_the_pipeline_keeps_values(graph, seed, numerics):
    after, _ = run_pipeline(graph, numerics)
    arrays = arrays_for(graph, seed)
    for old, new in zip(outputs(graph, arrays), outputs(after, arrays), strict=True):
        assert old.dtype == new.dtype
        assert old.shape == new.shape
        if old.dtype.kind == "f" and not is_touchy(graph):
            close = 1e-3 * (1 + np.max(np.abs(old), initial=0, where=np.isfinite(old)))
            np.testing.assert_allclose(new, old, rtol=1e-3, atol=close)


@given(graphs(most_nodes=14), st.sampled_from(["strict", "fast"]))
def test_the_pipeline_comes_to_rest(graph, numerics):
    with options.using(verify=True):
        after, _ = run_pipeline(graph, numerics)
        again, records = run_pipeline(after, numerics)
    assert [r.name for r in records if r.has_changed] == []
    assert again is after


@given(graphs(symbolic=True, most_nodes=14))
def test_passes_keep_symbolic_sizes(graph):
    after, _ = run_pipeline(graph)
    verify(after)
    shapes = [o.type for o in graph.outputs]
    assert [str(o.type) for o in after.outputs] == [str(t) for t in shapes]
    arrays = arrays_for(graph, 0)
    for old, new in zip(outputs(graph, arrays), outputs(after, arrays), strict=True):
        assert old.shape == new.shape


@given(graphs(most_nodes=14), st.integers(0, 9))
def test_exact_rules_keep_every_bit(graph, seed):
    exact = RuleSet(one for one in RULES.rules if one.numerics == "exact")
    after = rewrite(graph, exact)
    arrays = [with_special(x, seed + at) for at, x in enumerate(arrays_for(graph, seed))]
    with np.errstate(all="ignore"):
        pairs = zip(outputs(graph, arrays), outputs(after, arrays), strict=True)
    for old, new in pairs:
        np.testing.assert_array_equal(new, old)
        if old.dtype.kind == "f":
            known = ~np.isnan(old)
            np.testing.assert_array_equal(np.signbit(new[known]), np.signbit(old[known]))


def with_special(x, seed):
    """The array with zeros, infinities and NaN in some places."""
    if x.dtype.kind != "f":
        return x
    rng = np.random.default_rng(seed)
    special = rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, 1e-42], x.shape)
    return np.where(rng.random(x.shape) < 0.5, special.astype(x.dtype), x)


def outputs(graph, arrays):
    found = graph(*arrays)
    return found if isinstance(found, tuple) else (found,)


def is_touchy(graph):
    """Whether a last digit may decide about a jump, or a float becomes an integer."""
    jumps = {"floor", "less", "equal", "convert", "select"}
    return any(node.op.name in jumps for node in graph.nodes)
