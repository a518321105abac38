"""The demo on the simulated device: it trains, and resumes in another process, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cuda.simulator.build import needs_compiler

WHERE = Path(__file__).parent / "simulator" / "where.py"


@needs_compiler
def test_the_demo_trains_and_resumes_on_the_simulated_device(tmp_path):
    pytest.importorskip("sklearn")
    path = subprocess.run(
        [sys.executable, str(WHERE)], capture_output=True, text=True, check=True
    ).stdout.strip()
    words = ("demo", "--target", "cuda", "--epochs", "1", "--json", "--out", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "symfuse", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYMFUSE_CUDA_DRIVER": path},
    )
    found = json.loads(done.stdout)
    assert "simulated" in found["place"]
    assert found["largest_difference"] < 1e-5
    assert found["test_accuracy"] > 0.8  # one pass over the data; thirty reach 98 %
    assert found["resumed_identically"]
    assert found["resume_loaded"] == []
    assert found["planned_peak_bytes"] < found["eager_peak_bytes"]
