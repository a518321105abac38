"""The measurements on a GPU are rehearsed on the simulated device, and their report is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cuda.on_device import needs_compiler

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# Of models there are tests enough; the one of a perceptron stays in.
LEFT_OUT = "transformer"


@pytest.fixture
def suite(monkeypatch):
    """The modules of the benchmark."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from gpu_suite import cases, report

    return cases, report


@needs_compiler
def test_every_section_runs_on_the_simulated_device(tmp_path, suite):
    cases, _ = suite
    command = [sys.executable, BENCHMARKS / "gpu.py", "--tiny", "--driver", "simulator"]
    command += ["--sides", "own", "--without", LEFT_OUT, "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170)
    assert not done.returncode, done.stdout + (tmp_path / "gpu-own.log").read_text()
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    rows = {row["case"]: row for row in found["cases"]}
    assert {name: row["failed"] for name, row in rows.items() if row["failed"]} == {}
    assert found["checks"] == {"passed": len(cases.checks(tiny=True)), "failed": {}}
    for case in cases.cases(tiny=True):
        if LEFT_OUT not in case.name and not case.generated:
            row = rows[case.name]
            assert row["skipped"] or row["ours"] > 0
    assert "generated:" in done.stdout
    rehearsal = (tmp_path / "gpu-rehearsal.json").read_text(encoding="utf-8")
    assert "seconds" not in rehearsal and '"rehearsal"' in rehearsal
    assert {row["case"] for row in json.loads(rehearsal)["cases"]} == set(rows)


def test_a_side_that_is_absent_is_reported(suite):
    _, report = suite
    found = report.result([{"side": "jax", "absent": "it is not installed"}], tiny=True)
    assert "jax did not take part: it is not installed" in report.table(found)


def test_results_are_compared_with_the_copy_and_with_the_best_right_peer(suite):
    cases, report = suite
    case = cases.cases(tiny=True)[0]

    def line(contender, seconds, name=case.name, **more):
        times = dict.fromkeys(("seconds", "least", "most"), seconds) | {"repetitions": 9}
        return {"side": "own", "case": name, "contender": contender, **times, **more}

    found = report.result(
        [
            line("symfuse", 1.0, "limits: copy on the device, 1 MiB", bytes=2 * case.nbytes),
            line("symfuse", 1.0, error=1e-7, tolerance=1e-5),
            line("torch", 4.0),
            line("torch.compile", 3.0),
            line("jax", 0.1, error=1.0, tolerance=1e-5),
        ],
        tiny=True,
    )
    row = found["cases"][-1]
    assert (row["of_copy"], row["best_peer"], row["ratio"]) == (0.5, "torch.compile", 3.0)
    assert row["failed"] == {"jax": "wrong: error 1.0e+00 above 1e-05"}


def test_a_wrong_result_has_no_speed(suite):
    cases, report = suite
    name = cases.cases(tiny=True)[0].name
    times = dict.fromkeys(("seconds", "least", "most"), 1.0) | {"repetitions": 9}
    line = {"side": "own", "case": name, "contender": "symfuse", **times}
    found = report.result([{**line, "error": 0.5, "tolerance": 1e-5}], tiny=True)
    assert "ours" not in found["cases"][0]


def test_a_line_that_was_cut_off_is_left_out(suite, tmp_path):
    _, report = suite
    file = tmp_path / "gpu-own.jsonl"
    file.write_text('{"side": "own", "begin": "a"}\n{"side": "ow', encoding="utf-8")
    assert report.read([file, tmp_path / "none"]) == [{"side": "own", "begin": "a"}]


def test_an_earlier_process_is_gone_on_from(suite, tmp_path):
    from gpu_suite.lines import Teller

    file = tmp_path / "gpu-own.jsonl"
    file.write_text('{"side": "own", "begin": "a"}\n', encoding="utf-8")
    teller = Teller("own", file, without="long")
    assert [teller.begin(case) for case in ("a", "b", "b", "a long one")] == [
        *(False, True, False, False)
    ]


def test_cases_of_full_size_have_names_of_their_own(suite):
    cases, _ = suite
    assert len(cases.cases(tiny=False)) > 60
    names = [case.name for case in (*cases.cases(tiny=False), *cases.checks(tiny=False))]
    assert len(set(names)) == len(names)


def test_a_checkout_works_without_being_installed(tmp_path):
    tool = BENCHMARKS.parent / "tools" / "unpacked.py"
    place = subprocess.run([sys.executable, tool], capture_output=True, text=True, check=True)
    script = tmp_path / "script.py"
    script.write_text(
        "import symfuse as sf\nprint(sf.__file__)\nprint(sf.trace(lambda x: x + 1, 'f32[3]'))\n",
        encoding="utf-8",
    )
    environment = os.environ | {"PYTHONPATH": place.stdout.strip()}
    words = [sys.executable, script]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == str(BENCHMARKS.parent / "frontend" / "__init__.py")
    assert "# script.py:3" in done.stdout
