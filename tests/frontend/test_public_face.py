"""What reports, graphs and inputs offer besides what their own tests say."""

from __future__ import annotations

import json
import webbrowser

import numpy as np
import pytest

import symfuse as sf


def layer(x, w):
    return np.tanh(x @ w).sum()


@pytest.fixture(scope="module")
def compiled():
    return sf.compile(layer, "f32[N,4]", "f32[4,2]")


def test_tensors_of_other_libraries_are_arrays():
    torch = pytest.importorskip("torch")
    x = torch.arange(6.0).reshape(2, 3)
    fast = sf.jit(lambda v: v * 2)
    np.testing.assert_array_equal(fast(x), x.numpy() * 2)
    np.testing.assert_array_equal(fast(x + 1), (x.numpy() + 1) * 2)
    np.testing.assert_array_equal(sf.grad(lambda v: (v * v).sum())(x), 2 * x.numpy())


def test_reports_have_a_text_for_notebooks(compiled):
    arrays = (np.ones((3, 4), np.float32), np.ones((4, 2), np.float32))
    reports = (
        compiled.memory,
        compiled.explain(),
        compiled.kernels,
        compiled.cost_analysis(),
        compiled.profile(*arrays),
    )
    pictures = []
    for report in reports:
        shown = report._repr_mimebundle_()
        assert shown.pop("text/plain") == str(report)
        pictures.append([*shown])
    assert pictures == [["image/svg+xml"], [], [], [], []]


def test_a_profile_is_a_trace_for_browsers(compiled):
    found = compiled.profile(np.ones((3, 4), np.float32), np.ones((4, 2), np.float32))
    events = json.loads(json.dumps(found.chrome_trace()))["traceEvents"]
    assert [event["name"] for event in events] == [row.name for row in found.rows]
    ends = [event["ts"] + event["dur"] for event in events]
    assert [event["ts"] for event in events] == [0.0, *ends[:-1]]
    assert ends[-1] == pytest.approx(found.total * 1e6)


def test_a_kernel_has_its_code_and_counts_its_phases(compiled):
    for kernel in compiled.kernels:
        assert kernel.code.startswith(f"kernel {kernel.name}")
    (softmax,) = sf.compile(sf.special.softmax, "f32[64]").kernels
    assert softmax.phases > 1


def test_a_graph_opens_in_a_browser(monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    graph = sf.trace(layer, "f32[3,4]", "f32[4,2]")
    path = graph.view()
    assert opened == [path.as_uri()]
    assert path.read_text(encoding="utf-8") == graph.to_html()
    path.unlink()
