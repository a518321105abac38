"""Runs the array API's test suite on `symfuse.numpy` and compares with what is recorded.

    python tools/conformance.py eager        every function computed at once
    python tools/conformance.py interpret    every call traced, its simplified graph run by NumPy
    python tools/conformance.py compiled     every call traced and compiled for the processor

    --suite PATH        a checkout of data-apis/array-api-tests with its submodule
    --max-examples N    how many inputs are drawn for each test (default 5)
    --only WORDS        files of the suite, as `sorting set`; the others keep what is recorded
    --keyword WORDS     tests that pytest's -k chooses; the others keep what is recorded
    --record            write what was found into tests/conformance/manifest-MODE.json

Needs pytest-json-report and ndindex. The exit status is 1 if a test fails that is recorded to pass.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
MANIFESTS = ROOT / "tests" / "conformance"
MODULES = {"eager": "symfuse.numpy", "interpret": "traced_namespace",
           "compiled": "traced_namespace"}  # fmt: skip
VERSION = "2025.12"

# Why a test does not pass that is not meant to: the part of its name, the reason.
REASONS = (
    (r"floordiv|floor_divide", "symfuse keeps NumPy's and Python's division: inf // 2.0 is NaN, "
     "-1.0 // inf is -1.0"),
    (r"test_unary.*imag\(", "infinities, NaN and signed zeros of complex numbers: at once what "
     "NumPy gives, compiled what the formulas of the two parts give"),
    (r"test_remainder", "the suite leaves it out itself, as flaky"),
)  # fmt: skip


def main() -> int:
    """Run, report, compare; the exit status."""
    chosen = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        suite = _prepared(Path(chosen.suite), Path(folder) / "suite")
        report = _run(suite, Path(folder), chosen)
    found = _outcomes(report)
    path = MANIFESTS / f"manifest-{chosen.mode}.json"
    recorded = json.loads(path.read_text()) if path.exists() else {}
    if chosen.record:
        _write(path, _merged(recorded, found, chosen))
    return _compare(recorded, found)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description="Runs the array API's test suite on symfuse.")
    parser.add_argument("mode", choices=tuple(MODULES))
    parser.add_argument("--suite", default=str(ROOT.parent / "array-api-tests"))
    parser.add_argument("--max-examples", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--keyword", default="")
    parser.add_argument("--record", action="store_true")
    return parser.parse_args()


def _prepared(source: Path, copy: Path) -> Path:
    """A copy of the suite, so that its checkout stays as it is."""
    if not (source / "array_api_tests").is_dir():
        sys.exit(f"{source} is no checkout of data-apis/array-api-tests: give --suite PATH")
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".git", ".hypothesis"))
    return copy


def _run(suite: Path, folder: Path, chosen: Any) -> dict[str, Any]:
    report = folder / "report.json"
    tests = "array_api_tests"
    files = [str(p) for w in chosen.only for p in sorted((suite / tests).glob(f"test_*{w}*.py"))]
    command = [
        sys.executable, "-m", "pytest", *(files or [tests]),
        "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider",
        f"--max-examples={chosen.max_examples}", "--derandomize", "--disable-deadline",
        "--json-report", f"--json-report-file={report}",
        *(["-k", chosen.keyword] if chosen.keyword else []),
    ]  # fmt: skip
    settings = {
        "ARRAY_API_TESTS_MODULE": MODULES[chosen.mode],
        "ARRAY_API_TESTS_VERSION": VERSION,
        "PYTHONPATH": str(ROOT / "tools"),
        **({"TRACED_NAMESPACE_MODE": chosen.mode} if chosen.mode != "eager" else {}),
    }
    done = subprocess.run(
        command, cwd=suite, env={**os.environ, **settings}, capture_output=True, text=True
    )
    if not report.exists():
        sys.exit(f"the suite did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads(report.read_text())  # type: ignore[no-any-return]


def _outcomes(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The outcome of each test, and the reason where it did not pass."""
    found = {}
    for test in report["tests"]:
        name = test["nodeid"].removeprefix("array_api_tests/")
        outcome = "failed" if test["outcome"] == "error" else test["outcome"]
        found[name] = (outcome, "" if outcome == "passed" else _reason(name, test))
    for part in report.get("collectors", ()):
        if part["outcome"] == "failed":
            found[part["nodeid"]] = ("failed", str(part["longrepr"])[-200:])
    return found


def _reason(name: str, test: dict[str, Any]) -> str:
    """Why a test did not pass."""
    known = [reason for pattern, reason in REASONS if re.search(pattern, name)]
    if known:
        return known[0]
    for stage in ("setup", "call", "teardown"):
        part = test.get(stage, {})
        if part.get("outcome") == "skipped":
            return str(part["longrepr"]).rstrip(")'\"").split("Skipped: ")[-1]
        if "crash" in part:
            return _short(part["crash"]["message"])
    return ""


def _short(message: str) -> str:
    """The first line of a message, without what differs from run to run."""
    line = next((part for part in message.splitlines() if part.strip()), "")
    return re.sub(r"0x[0-9a-f]+", "0x…", line)[:200]


def _merged(recorded: dict[str, Any], found: dict[str, Any], chosen: Any) -> dict[str, Any]:
    """The record with the outcomes of this run in place of earlier ones, and the commands that,
    one after the other, make it anew."""
    old = _flat(recorded) if chosen.only or chosen.keyword else {}
    files = set() if chosen.keyword else {name.split("::")[0] for name in found}
    kept = {name: one for name, one in old.items() if name.split("::")[0] not in files}
    merged = dict(sorted({**kept, **found}.items()))
    parts = [_command(chosen)]
    if chosen.only or chosen.keyword:
        parts = [*(part for part in recorded.get("commands", ()) if part != parts[0]), *parts]
    return {
        "commands": parts,
        "version": VERSION,
        "counts": _counts(merged),
        "failed": {name: why for name, (outcome, why) in merged.items() if outcome == "failed"},
        "skipped": {name: why for name, (outcome, why) in merged.items() if outcome == "skipped"},
        "passed": [name for name, (outcome, _) in merged.items() if outcome == "passed"],
    }


def _command(chosen: Any) -> str:
    """The command that finds again what this run found."""
    words = ["python", "tools/conformance.py", chosen.mode]
    words += ["--max-examples", str(chosen.max_examples)]
    words += ["--only", *chosen.only] if chosen.only else []
    words += ["--keyword", chosen.keyword] if chosen.keyword else []
    return shlex.join(words)


def _flat(recorded: dict[str, Any]) -> dict[str, tuple[str, str]]:
    named = {
        name: (outcome, why)
        for outcome in ("failed", "skipped")
        for name, why in recorded.get(outcome, {}).items()
    }
    return {**named, **dict.fromkeys(recorded.get("passed", ()), ("passed", ""))}


def _counts(found: dict[str, tuple[str, str]]) -> dict[str, int]:
    outcomes = [outcome for outcome, _ in found.values()]
    return {kind: outcomes.count(kind) for kind in ("passed", "failed", "skipped")}


def _write(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _compare(recorded: dict[str, Any], found: dict[str, tuple[str, str]]) -> int:
    passed = set(recorded.get("passed", ()))
    lost = [name for name, (outcome, _) in found.items() if outcome == "failed" and name in passed]
    gained = [name for name, (outcome, _) in found.items()
              if outcome == "passed" and name not in passed]  # fmt: skip
    for name, (outcome, why) in found.items():
        if outcome == "failed":
            print(f"{'LOST ' if name in lost else '     '}{name}: {why}")
    print(f"{_counts(found)}; {len(lost)} lost, {len(gained)} gained")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
