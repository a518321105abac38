"""Benchmarks: what is compared, what is skipped and why, and the suite's workloads."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

import symfuse as sf
from symfuse.benchmarking.limits import Limits, machine_limits
from symfuse.benchmarking.measure import bench, relative_error
from symfuse.benchmarking.standing import Result, markdown, run_suite, save_results
from symfuse.benchmarking.timing import Times, interleaved
from symfuse.benchmarking.workloads import WORKLOADS


def gelu(x, b, xp=np):
    x = x + b
    return 0.5 * x * (1 + xp.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


@pytest.fixture
def arrays(rng):
    return rng.standard_normal((20, 30)).astype("f"), rng.standard_normal(30).astype("f")


def test_a_report_compares_with_eager_numpy(arrays):
    report = bench(gelu, *arrays, against="eager", rounds=3)
    assert [row.name for row in report.rows] == ["symfuse", "eager"]
    assert all(row.error < 1e-6 for row in report.rows)
    assert report.kernels == 1
    assert report.nbytes == 4 * (600 + 30 + 600)
    assert report.flops == 600 * 10
    assert report.speed_up("eager") > 0
    assert report.of_limit > 0


def test_a_report_is_json_a_table_and_a_drawing(arrays):
    report = bench(gelu, *arrays, against="eager", rounds=2, name="GELU")
    found = json.loads(report.to_json())
    assert found["name"] == "GELU"
    assert set(found["rows"][0]) == {"name", "median", "p10", "p90", "speed_up", "error"}
    assert "symfuse" in str(report) and "GELU" in str(report)
    ElementTree.fromstring(report.plot())
    assert set(report._repr_mimebundle_()) == {"text/plain", "image/svg+xml"}


def test_peers_that_cannot_run_are_shown_with_the_reason(arrays):
    def plain(x, b):
        return x + b

    report = bench(plain, *arrays, against=("eager", "torch", "abacus"), rounds=2)
    reasons = {row.name: row.reason for row in report.rows if not row.times}
    assert set(reasons) == {"torch", "abacus"}
    assert "give a callable" in reasons["abacus"]
    assert "abacus: skipped" in str(report)
    with pytest.raises(ValueError, match="did not take part"):
        report.speed_up("abacus")


def test_a_mapping_brings_callables(arrays):
    report = bench(gelu, *arrays, against={"again": gelu}, rounds=2)
    assert report.rows[1].name == "again"
    assert report.rows[1].error < 1e-6


@pytest.mark.peer("jax")
def test_jax_runs_the_same_function(arrays):
    report = bench(gelu, *arrays, against="jax", rounds=2)
    assert report.rows[1].error < 1e-5


def test_bench_is_public():
    assert sf.bench is bench


def test_rounds_are_interleaved():
    order = []
    calls = {name: (lambda name=name: order.append(name)) for name in "ab"}
    times = interleaved(calls, 3)
    assert {len(found.seconds) for found in times.values()} == {3}
    assert order[-1] == "b"


def test_times_have_a_spread():
    times = Times(tuple(float(n) for n in range(1, 12)))
    assert (times.median, times.p10, times.p90) == (6.0, 2.0, 10.0)


def test_errors_are_relative_to_the_largest_value():
    assert relative_error(np.array([1.0, 101.0]), [np.array([1.0, 100.0])]) == pytest.approx(0.01)


def test_errors_see_both_parts_and_what_is_not_finite():
    exact = [np.array([1 + 100j, 2.0])]
    assert relative_error(np.array([1 + 99j, 2.0]), exact) == pytest.approx(0.01, rel=1e-3)
    assert relative_error(np.array([np.nan, 1.0]), [np.array([1.0, 1.0])]) == np.inf
    assert relative_error(np.array([np.inf, 1.0]), [np.array([np.inf, 1.0])]) == 0.0
    assert relative_error(np.array([np.nan, 1.0]), [np.array([np.nan, 1.0])]) == 0.0


def test_a_wrong_result_is_valid_json():
    peers = {"wrong": lambda x: x * np.nan}
    report = bench(lambda x: x + 1, np.ones(3, "f"), against=peers, rounds=2)
    found = json.loads(report.to_json(), parse_constant=pytest.fail)
    assert found["rows"][1]["error"] is None
    assert "inf" in str(report)
    with pytest.raises(sf.ArgumentError, match="0 rounds"):
        bench(lambda x: x + 1, np.ones(3, "f"), rounds=0)


def test_limits_are_measured_once(environment, tmp_path):
    environment(SYMFUSE_CACHE_DIR=str(tmp_path))
    first = machine_limits()
    assert machine_limits() == first
    assert first.bytes_per_second > 1e8 and first.flops_per_second > 1e8


def test_the_binding_limit_counts():
    limits = Limits(bytes_per_second=100.0, flops_per_second=1000.0, cores=1)
    assert limits.fraction(50, 100, 1.0) == 0.5
    assert limits.fraction(5, 900, 1.0) == 0.9


def test_the_suite_runs_in_processes_of_its_own(tmp_path):
    (result,) = run_suite(("symfuse", "numpy"), only="two 4-vectors", rounds=2)
    assert set(result.times) == {"symfuse", "numpy"}
    assert not result.failed
    text = markdown([result], ("symfuse", "numpy"))
    assert "**" in text and "| call: add of two 4-vectors |" in text
    record = json.loads(save_results([result], tmp_path).read_text())
    assert record["results"][0]["workload"] == "call: add of two 4-vectors"


def test_failures_stand_in_the_table():
    result = Result("a workload", failed={"jax": "it is ill"})
    text = markdown([result], ("symfuse", "jax"))
    assert "- a workload, jax: it is ill" in text


SMALL = [name for name in WORKLOADS if not any(size in name for size in ("1e7", "1024³", "50257"))]


@pytest.mark.parametrize(
    "name",
    [n for n in SMALL if n.startswith(("GELU of x+b, 1e3", "10-op", "relu(xW+b) 1×", "train"))],
)
def test_workloads_agree_with_their_version_by_hand(name, rng):
    workload = WORKLOADS[name]
    args = workload.inputs(rng)
    compiled = sf.jit(lambda *args: workload.function(sf.numpy, sf.value_and_grad, *args))
    exact = _leaves(workload.numpy(np, None, *args))
    assert relative_error(compiled(*args), exact) <= workload.tolerance


def _leaves(tree):
    if isinstance(tree, tuple | list):
        return [leaf for part in tree for leaf in _leaves(part)]
    return [tree]
