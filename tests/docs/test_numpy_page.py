"""The page about NumPy's functions says what is so."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import symfuse as sf

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("numpy_page", ROOT / "tools" / "numpy_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_tool_writes(tool):
    assert tool.PAGE.read_text() == tool.page(), "run python tools/numpy_page.py"


def test_a_function_without_a_reason_is_noticed(tool, monkeypatch):
    monkeypatch.setattr(tool, "REASONS", dict(list(tool.REASONS.items())[1:]))
    with pytest.raises(ValueError, match="array2string"):
        tool.page()


def test_a_reason_without_need_is_noticed(tool, monkeypatch):
    monkeypatch.setattr(tool, "REASONS", {**tool.REASONS, (tool.NOT, "It cannot be."): "cos"})
    with pytest.raises(ValueError, match="cos"):
        tool.page()


def test_every_function_that_is_said_to_trace_is_called_in_a_test(tool):
    text = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    called = set(re.findall(r"\b(?:np|snp)\.((?:linalg\.|fft\.|lib\.stride_tricks\.)?\w+)\b", text))
    called |= set(re.findall(r'"(\w+)"', text))
    traced = [one.name for one in tool.entries() if one.kind == tool.TRACED]
    assert not [name for name in traced if not name.startswith("fft.")
                and name not in called]  # fmt: skip


@pytest.mark.parametrize("call", ["np.trim_zeros(x)", "np.real_if_close(x)", "np.array_str(x)",
                                  "np.isnat(x)", "np.shares_memory(x, x)"])  # fmt: skip
def test_a_function_that_is_said_not_to_trace_names_the_line(call):
    def function(x):
        return eval(call, {"np": np, "x": x})

    with pytest.raises(sf.UnsupportedError, match="cannot be traced"):
        sf.trace(function, "f64[3]")
