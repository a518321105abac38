"""The command line: what it prints, its JSON, its exit codes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from symfuse.cli import main
from symfuse.cli.commands import parser
from symfuse.cli.output import print_json

ROOT = Path(__file__).parents[2]

MODEL = """
import numpy as np

def f(x, w):
    return np.tanh(x @ w)

def g(x, xp=np):
    return xp.exp(x) * 2

def talks(x):
    print("tracing")
    return x + 1

def fails(x):
    raise ValueError("mine")

def nan(x):
    return (x * float("nan")).astype("float32")

number = 3
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model_of_the_test.py"
    path.write_text(MODEL)
    return path


def run(capsys, *argv):
    code = main([str(part) for part in argv])
    return code, capsys.readouterr()


def test_inspect_prints_a_summary(capsys, model):
    code, said = run(capsys, "inspect", f"{model}:f", "--spec", "x=f32[N,4]; w=f32[4,8]")
    assert code == 0
    assert "f: 2 operations, 2 after the passes, 1 kernel," in said.out


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("graph", "graph f(%x: f32[N,4], %w: f32[4,8])"),
        ("optimized", "tanh("),
        ("schedule", "phase 0:"),
        ("kernels", "$product += "),
        ("llvm", "define "),
        ("asm", ".text"),
        ("memory", "planned peak"),
    ],
)
def test_inspect_prints_each_stage(capsys, model, stage, expected):
    specs = ("--spec", "x=f32[N,4]", "--spec", "w=f32[4,8]")
    code, said = run(capsys, "inspect", f"{model}:f", *specs, "--stage", stage)
    assert code == 0
    assert expected in said.out


def test_inspect_writes_json_and_a_page(capsys, model, tmp_path):
    page = tmp_path / "report.html"
    specs = ("--spec", "x=f32[2,4]; w=f32[4,8]")
    code, said = run(capsys, "inspect", f"{model}:f", *specs, "--json", "--html", page)
    found = json.loads(said.out)
    assert code == 0
    assert found["kernels"] == 1
    assert found["cost"]["flops"] == 2 * 2 * 4 * 8 + 2 * 8
    assert found["memory"]["peak"] == 0
    assert found["fusion"]["lines"][0]["text"] == "return np.tanh(x @ w)"
    assert page.read_text().startswith("<!doctype html>")


def test_inspect_explains_the_lines(capsys, model):
    code, said = run(
        capsys, "inspect", f"{model}:f", "--spec", "x=f32[2,4];w=f32[4,8]", "--explain"
    )
    assert code == 0
    assert "return np.tanh(x @ w)" in said.out


@pytest.mark.parametrize(
    ("place", "spec", "message"),
    [
        ("missing.py:f", "x=f32[2]", "there is no file missing.py"),
        ("{model}", "x=f32[2]", "fix: write model.py:f"),
        ("{model}:h", "x=f32[2]", "has no function 'h'"),
        ("{model}:f", "f32[2]", "is no spec"),
        ("{model}:f", "x=f32[2]; w=f32[3]", "fix:"),
        ("{model}:number", "x=f32[2]", "which is no function"),
        ("{model}:fails", "x=f32[2]", "raises ValueError: mine\nat {model}:15"),
        ("no_module_at_all:f", "x=f32[2]", "there is no module no_module_at_all"),
    ],
)
def test_mistakes_are_answered_with_a_fix(capsys, model, place, spec, message):
    code, said = run(capsys, "inspect", place.format(model=model), "--spec", spec)
    assert code == 1
    assert message.format(model=model) in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("code", ["import nothing_at_all", "def f(:"])
def test_a_module_that_does_not_load_is_answered_at_its_line(capsys, tmp_path, code):
    (tmp_path / "broken_of_the_test.py").write_text(f"\n{code}\n")
    code, said = run(capsys, "inspect", f"{tmp_path}/broken_of_the_test.py:f")
    assert code == 1
    assert "broken_of_the_test.py:2" in said.err and "Traceback" not in said.err


def test_json_is_the_only_thing_on_the_output(capsys, model):
    code, said = run(capsys, "inspect", f"{model}:talks", "--spec", "x=f32[2]", "--json")
    assert (code, json.loads(said.out)["name"]) == (0, "talks")
    assert "tracing" in said.err


def test_json_tells_errors_as_well(capsys, model):
    code, said = run(capsys, "inspect", f"{model}:fails", "--spec", "x=f32[2]", "--json")
    found = json.loads(said.out)["error"]
    assert code == 1
    assert (found["kind"], found["line"]) == ("ArgumentError", 15)
    assert found["file"] == str(model) and found["fix"]


def test_json_has_numbers_that_json_knows(capsys):
    values = {"a": float("nan"), "b": [np.float32(0.5), np.int64(2)], "c": (float("inf"), None)}
    print_json(values)
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found == {"a": None, "b": [0.5, 2], "c": [None, None]}


def test_a_reader_that_goes_is_no_error(model):
    command = [sys.executable, "-m", "symfuse", "inspect", f"{model}:f"]
    command += ["--spec", "x=f32[64,64]; w=f32[64,64]", "--stage", "asm"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as process:
        process.stdout.close()
        said = process.stderr.read()
        code = process.wait()
    assert (code, said) == (141, b"")


def test_inspect_compiles_for_other_targets(capsys, model):
    pytest.importorskip("nvidia.cu13", reason="needs NVRTC, which compiles kernels")
    specs = ("--spec", "x=f32[64,64]; w=f32[64,64]", "--target", "cuda")
    code, said = run(capsys, "inspect", f"{model}:f", *specs, "--stage", "cuda")
    assert code == 0 and "SF_KERNEL" in said.out


@pytest.mark.parametrize(
    "argv",
    [("bench", "--rounds", "0"), ("bench", "--rounds", "-1"), ("demo", "--epochs", "x")],
)
def test_counts_are_whole_and_positive(capsys, argv):
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    assert "give a whole number from 1 on" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [("inspect", "--html"), ("bench", "--plot"), ("play", "--export")])
def test_files_that_cannot_be_written_are_refused_at_once(capsys, tmp_path, argv):
    for path, message in ((tmp_path, "is a folder"), (tmp_path / "no" / "x", "there is no folder")):
        with pytest.raises(SystemExit) as stopped:
            main([*argv, str(path)])
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err


def test_a_port_in_use_is_named(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = run(capsys, "play", "--no-browser", "--port", taken.getsockname()[1])
    assert code == 1
    assert "cannot be used" in said.err and "choose another one" in said.err


def test_wrong_arguments_exit_with_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["inspect", "--stage", "nonsense", "f.py:f"])
    assert stopped.value.code == 2


@pytest.mark.parametrize("command", ["demo", "inspect", "bench", "doctor"])
def test_every_command_explains_itself_and_its_exit_codes(capsys, command):
    with pytest.raises(SystemExit) as stopped:
        parser().parse_args([command, "--help"])
    said = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "exit codes:" in said
    assert "--json" in said


def test_doctor_finds_the_machine_and_tests_itself(capsys):
    code, said = run(capsys, "doctor", "--json")
    found = json.loads(said.out)
    assert code == 0
    assert found["self_test"]["ok"]
    assert found["machine"]["cores"] >= 1
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {line.partition(">")[0] for line in project["dependencies"]}
    assert needed <= found["versions"].keys()
    assert {row["name"] for row in found["options"]} >= {"SYMFUSE_CACHE", "SYMFUSE_VERIFY"}
    assert found["versions"]["numpy"]


def test_doctor_prints_tables(capsys):
    code, said = run(capsys, "doctor")
    assert code == 0
    assert "self-test: compiled in" in said.out
    assert "SYMFUSE_NUM_THREADS" in said.out


def test_bench_measures_a_function(capsys, model, tmp_path):
    plot = tmp_path / "plot.svg"
    arguments = ("--spec", "x=f32[100]", "--rounds", "2", "--json", "--plot", plot)
    code, said = run(capsys, "bench", f"{model}:g", *arguments)
    found = json.loads(said.out)
    assert code == 0
    assert found["rows"][0]["name"] == "symfuse"
    assert found["rows"][1]["error"] < 1e-6
    assert plot.read_text().startswith("<svg")


def test_bench_needs_sizes(capsys, model):
    code, said = run(capsys, "bench", f"{model}:g", "--spec", "x=f32[N]")
    assert code == 1
    assert "give numbers" in said.err


def test_the_demo_trains_saves_and_resumes(capsys, tmp_path):
    pytest.importorskip("sklearn")
    code, said = run(capsys, "demo", "--epochs", "20", "--out", tmp_path / "out", "--json")
    found = json.loads(said.out)
    assert code == 0
    assert found["ok"]
    assert found["test_accuracy"] >= 0.97
    assert found["resumed_identically"]
    assert found["resume_loaded"] == []
    assert found["kernels"] < found["nodes"] / 5
    assert found["lower_bound_bytes"] <= found["planned_peak_bytes"] < found["eager_peak_bytes"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"graph.svg", "report.html", "train_step.sfz", "kernels.txt"} <= names
