"""The driver of rules, and the manager that runs and records passes."""

from __future__ import annotations

import cProfile
import logging
from itertools import pairwise

import numpy as np
import pytest
from handmade import make_graph

from symfuse.compiler.autodiff.reverse import grad_graph
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.op import operations as op
from symfuse.compiler.ir.verify import verify
from symfuse.compiler.passes.manager import run_passes
from symfuse.compiler.passes.pipeline import DERIVATIVE_PASSES, GRAPH_PASSES, run_pipeline
from symfuse.compiler.passes.simplify_algebra import simplify_algebra
from symfuse.compiler.rewrite.driver import PassContext, rewrite
from symfuse.compiler.rewrite.rule import RuleSet, rule
from symfuse.runtime import options
from symfuse.runtime.errors import VerifyError

sin, cos, exp, log = (op[name] for name in ("sin", "cos", "exp", "log"))


@rule()
def cosine_for_sine(x):
    return sin(x), cos(x)


@rule()
def sine_for_cosine(x):
    return cos(x), sin(x)


@rule()
def growing(x):
    return sin(x), sin(x * 2.0)


@rule()
def around_itself(x):
    return sin(x), exp(sin(x))


@rule()
def of_another_type(x):
    return sin(x), x < 1.0 if isinstance(x, float) else op["less"](x, 1.0)


def names(graph):
    return [node.op.name for node in graph.nodes if not node.is_parameter]


# the driver


@pytest.mark.parametrize(
    "rules", [cosine_for_sine + sine_for_cosine, growing, around_itself], ids=len
)
def test_rules_that_chase_each_other_are_named(rules):
    with pytest.raises(VerifyError, match="do not come to rest") as caught:
        rewrite(make_graph(lambda x: sin(x), "f32[2]"), RuleSet(rules))
    assert rules[0].name in str(caught.value)


def test_a_rule_that_changes_the_type_is_named():
    with pytest.raises(VerifyError, match="of_another_type replaces sin"):
        rewrite(make_graph(lambda x: sin(x), "f32[2]"), RuleSet(of_another_type))


def test_a_rule_is_tried_on_what_others_have_made():
    graph = make_graph(lambda x: exp(sin(sin(x))), "f32[2]")
    context = PassContext()
    after = rewrite(graph, RuleSet(cosine_for_sine), context)
    assert names(after) == ["cos", "cos", "exp"]
    assert context.fired == {"cosine_for_sine": 2}


def test_a_graph_at_rest_is_returned_itself():
    graph = make_graph(lambda x: exp(x), "f32[2]")
    assert rewrite(graph, RuleSet(cosine_for_sine)) is graph


def test_shared_nodes_are_replaced_once():
    graph = make_graph(lambda x: (sin(x) + 1.0, sin(x) * 2.0), "f32[2]")
    context = PassContext()
    rewrite(graph, RuleSet(cosine_for_sine), context)
    assert context.fired["cosine_for_sine"] == 1


def test_provenance_survives():
    def f(x):
        shifted = x * 1.0 + 1.0
        return log(shifted)

    graph = make_graph(f, "f32[2]")
    after, _ = run_pipeline(graph)
    (result,) = after.outputs
    assert result.op.name == "log1p"
    assert result.source is graph.outputs[0].source
    assert result.source.loc.function == "f"


@pytest.mark.parametrize("numerics", ["strict", "fast"])
def test_a_number_matches_with_its_sign_only(numerics):
    after, _ = run_pipeline(make_graph(lambda x: (x + 0.0, x + -0.0), "f32[2]"), numerics)
    assert (after.outputs[0] is after.parameters[0]) == (numerics == "fast")
    assert after.outputs[1] is after.parameters[0]


def test_true_is_not_one():
    after, _ = run_pipeline(make_graph(lambda x: op["multiply"](x, True), "bool[2]"))
    assert names(after)[-1] == "multiply"


# the manager


def test_every_step_is_recorded():
    graph = make_graph(lambda x: exp(x * 1.0) - 1.0, "f32[2]")
    after, records = run_passes(graph, GRAPH_PASSES)
    assert [r.name for r in records] == [one.__name__ for one in GRAPH_PASSES]
    assert records[0].before is graph
    assert records[-1].after is after
    assert all(b.before is a.after for a, b in pairwise(records))
    algebra = next(r for r in records if r.name == "simplify_algebra")
    assert algebra.has_changed
    assert algebra.fired == {"times_one": 1, "exp_minus_one": 1}
    assert algebra.counts == (6, 2)
    assert "simplify_algebra: 6 → 2 nodes" in str(algebra)


def test_graphs_are_dumped_step_by_step(tmp_path):
    graph = make_graph(lambda x: exp(x) - 1.0, "f32[2]", name="step")
    with options.using(dump=str(tmp_path)):
        after, _ = run_pipeline(graph)
        run_pipeline(graph)
    found = sorted(path.name for path in (tmp_path / "step").iterdir())
    steps = ["graph", *(one.__name__ for one in GRAPH_PASSES)]
    assert found == [f"{number:02}_{step}.sf" for number, step in enumerate(steps)]
    last = Graph.parse((tmp_path / "step" / found[-1]).read_text())
    assert last.text() == after.text()
    assert (tmp_path / "step_2").is_dir()


def test_passes_tell_what_they_did(caplog):
    with caplog.at_level(logging.INFO, "symfuse.passes"):
        run_pipeline(make_graph(lambda x: x * 1.0, "f32[2]"))
    assert any("times_one 1×" in message for message in caplog.messages)


def test_a_pass_that_breaks_the_graph_is_named():
    def forget_the_parameters(graph, context):
        return Graph(graph.name, (), graph.outputs, graph.builder)

    with options.using(verify=True), pytest.raises(VerifyError, match="forget_the_parameters"):
        run_passes(make_graph(lambda x: exp(x), "f32[2]"), (forget_the_parameters,))


# what comes out


def test_mean_squared_error_gradient_has_no_needless_work():
    def loss(x, w):
        d = op["contract"](x, w, batch=((), ()), contracting=((1,), (0,))) - 1.0
        return op["reduce_sum"](op["power"](d, 2.0), axes=(0,)) / 8.0

    graph = make_graph(loss, "f32[8,3]", "f32[3]")
    after, _ = run_pipeline(grad_graph(graph, graph.parameters[1:]))
    wanted = {"parameter", "constant", "broadcast", "contract", "subtract", "multiply"}
    assert set(after.stats()) <= wanted
    assert after.stats()["contract"] == 2


def test_derivatives_of_stable_forms_are_stable():
    def loss(x):
        e = exp(x)
        total = op["broadcast"](op["reduce_sum"](e, axes=(1,)), shape=(2, 3), axes=(0,))
        return op["reduce_sum"](log(e / total), axes=(0, 1))

    graph = make_graph(loss, "f32[2,3]")
    stable, _ = run_pipeline(graph, passes=DERIVATIVE_PASSES)
    after, _ = run_pipeline(grad_graph(stable, stable.parameters))
    x = np.array([[1000, 0, -1000], [1, 2, 3]], np.float32)
    z = np.exp(x.astype(float) - x.max(1, keepdims=True))
    expected = 1 - 3 * z / z.sum(1, keepdims=True)
    np.testing.assert_allclose(after(x), expected, rtol=1e-5, atol=1e-6)


def test_no_derivative_is_computed_where_all_of_it_is_zero():
    def loss(x):
        z = x - op["broadcast"](op["reduce_max"](x, axes=(1,)), shape=(2, 3), axes=(0,))
        e = exp(z)
        p = e / op["broadcast"](op["reduce_sum"](e, axes=(1,)), shape=(2, 3), axes=(0,))
        return op["reduce_sum"](log(p) * x, axes=(0, 1))

    graph = make_graph(loss, "f64[2,3]")
    stable, _ = run_pipeline(graph, passes=DERIVATIVE_PASSES)
    after, _ = run_pipeline(grad_graph(stable, stable.parameters))
    plain, _ = run_pipeline(grad_graph(graph, graph.parameters))
    assert "select" not in after.stats()
    assert len(after.nodes) < len(plain.nodes)
    x = np.array([[0.5, -1, 2], [1, 2, 3.5]])
    np.testing.assert_allclose(after(x), plain(x), rtol=1e-12)


def test_sums_beside_other_rows_make_no_softmax():
    def f(x):
        e = exp(x - op["broadcast"](op["reduce_max"](x, axes=(1,)), shape=(3, 3), axes=(0,)))
        return e / op["broadcast"](op["reduce_sum"](e, axes=(1,)), shape=(3, 3), axes=(1,))

    graph = make_graph(f, "f32[3,3]")
    assert run_pipeline(graph, passes=DERIVATIVE_PASSES)[0] is graph


def test_softmax_of_great_numbers_is_finite():
    def softmax(x):
        e = exp(x)
        return e / op["broadcast"](op["reduce_sum"](e, axes=(0,)), shape=(3,), axes=())

    after, _ = run_pipeline(make_graph(softmax, "f32[3]"))
    with np.errstate(all="raise"):
        np.testing.assert_allclose(after(np.array([1e4, 1e4, -1e4], np.float32)), [0.5, 0.5, 0])


def test_infinities_keep_their_meaning_in_log_sum_exp():
    def f(x):
        return log(op["reduce_sum"](exp(x), axes=(1,)))

    after, _ = run_pipeline(make_graph(f, "f32[4,2]"))
    inf = np.inf
    rows = np.array([[-inf, -inf], [inf, 1], [np.nan, 1], [-inf, 2]], np.float32)
    np.testing.assert_allclose(after(rows), [-inf, inf, np.nan, 2])


def test_work_grows_with_the_number_of_nodes_only():
    def calls(count):
        """How many calls of functions simplifying and verifying a chain takes."""

        def chain(x):
            for at in range(count):
                x = sin(x) * 1.0 if at % 2 else x + 0.5
            return x

        graph = make_graph(chain, "f32[4]")
        profile = cProfile.Profile()
        after = profile.runcall(lambda: verify(simplify_algebra(graph)))
        assert len(after.nodes) < 2.2 * count
        return sum(entry.callcount for entry in profile.getstats())

    calls(100)
    assert calls(4000) < 4.4 * calls(1000)
