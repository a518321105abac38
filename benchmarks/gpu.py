"""Measures symfuse on a GPU beside PyTorch and JAX, within ten minutes.

    python benchmarks/gpu.py [--out FOLDER] [--only softmax] [--sides own,torch,jax]
    python benchmarks/gpu.py --tiny --driver simulator --device cpu    (a rehearsal without a GPU)

Each side runs in a process of its own with a deadline; what it finds is written line by line to
gpu-SIDE.jsonl, so that nothing is lost when time runs out. In the end all of it is in gpu.json.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gpu_suite.report import read, rehearsed, result, table

HERE = Path(__file__).resolve().parent
# Seconds for everything, and for a single case: a compiler may be silent for so long.
DEADLINES = {"own": (190, 60), "torch": (240, 120), "jax": (100, 60)}
LOST = 3  # the status of a process that has lost the device, after which another goes on


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    out: Path
    options: tuple[str, ...]
    only: str
    without: str
    environment: dict[str, str]


def main() -> int:
    """Run the sides one after the other, and print what they found."""
    chosen = _arguments()
    plan = _plan(chosen)
    print(f"results go to {plan.out}", flush=True)
    sides = chosen.sides.split(",")
    files = [plan.out / f"gpu-{side}.jsonl" for side in sides]
    for side, file in zip(sides, files, strict=True):
        file.unlink(missing_ok=True)
        file.with_suffix(".log").unlink(missing_ok=True)
        run(side, file, plan)
    found = result(read(files), chosen.tiny)
    (plan.out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if chosen.driver == "simulator":
        text = json.dumps(rehearsed(found), indent=1)
        (plan.out / "gpu-rehearsal.json").write_text(text + "\n", encoding="utf-8")
    print(table(found))
    return 1 if found["checks"]["failed"] or found["wrong"] or "own" in found["absent"] else 0


def run(side: str, file: Path, plan: Plan) -> None:
    """One side, whose processes follow one another until all is done or time is up."""
    if side != "own" and find_spec(side) is None:
        _write(file, {"side": side, "absent": "it is not installed"})
        return
    most, silent = DEADLINES[side]
    end = time.monotonic() + most
    while True:
        status, last = _process(side, file, plan, end, silent)
        if status == 0:
            return
        left = end - time.monotonic()
        what = {None: "it was silent for too long"}.get(status, f"its process ended with {status}")
        if left <= 0:
            what = f"time was up after {most} s"
        who = {"own": "symfuse"}.get(side, side)
        if last:
            _write(file, {"side": side, "case": last, "contender": who, "failed": what})
        if left <= 5 or not last:
            if not last:
                _write(file, {"side": side, "absent": f"{what}; see gpu-{side}.log"})
            return
        print(f"{side}: {what} in {last}; another process goes on", flush=True)


def _process(
    side: str, file: Path, plan: Plan, end: float, silent: float
) -> tuple[int | None, str]:
    """The status of one process (None if it was stopped), and what it had begun last."""
    command = [sys.executable, "-m", "gpu_suite.child", side, "--known", str(file), *plan.options]
    filters = ["--only", plan.only, "--without", plan.without]
    last = ""
    with (
        file.with_suffix(".log").open("a") as log,
        subprocess.Popen(
            [*command, *filters],
            env=plan.environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        lines = _lines(process)
        while True:
            wait = min(silent, end - time.monotonic())
            try:
                line = lines.get(timeout=max(wait, 0.01))
            except queue.Empty:
                process.kill()
                return None, last
            if line is None:
                return process.wait(), last
            if line.startswith("{"):
                told = json.loads(line)
                last = told.get("begin", last)
                _write(file, told)
                _show(told)


def _lines(process: subprocess.Popen[str]) -> queue.Queue[str | None]:
    """The lines of a process as they come, and None at their end."""
    found: queue.Queue[str | None] = queue.Queue()

    def follow() -> None:
        assert process.stdout
        for line in process.stdout:
            found.put(line)
        found.put(None)

    threading.Thread(target=follow, daemon=True).start()
    return found


def _write(file: Path, told: dict[str, Any]) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(told) + "\n")


def _show(told: dict[str, Any]) -> None:
    """What goes wrong is shown at once."""
    if "failed" in told:
        print(f"{told['contender']}, {told['case']}: {told['failed']}", flush=True)


def _plan(chosen: argparse.Namespace) -> Plan:
    default = os.environ.get("OUT") or HERE / "results"
    if chosen.tiny and chosen.out is None:
        default = tempfile.mkdtemp(prefix="symfuse-gpu-")
    out = Path(chosen.out or default).resolve()
    out.mkdir(parents=True, exist_ok=True)
    options = ["--driver", chosen.driver, "--device", chosen.device]
    options += ["--tiny"] if chosen.tiny else []
    places = [str(HERE), _symfuse(), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(place for place in places if place),
        "PYTHONUNBUFFERED": "1",
        "SYMFUSE_CACHE_DIR": tempfile.mkdtemp(prefix="symfuse-cache-"),
    }
    return Plan(out, tuple(options), chosen.only, chosen.without, environment)


def _symfuse() -> str:
    """Where symfuse can be imported from: this checkout."""
    script = HERE.parent / "tools" / "unpacked.py"
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _arguments() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--out", help="folder of the results; else $OUT or benchmarks/results")
    parser.add_argument("--sides", default="own,torch,jax")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--without", default="", help="leave out cases whose name contains this")
    parser.add_argument("--tiny", action="store_true", help="small sizes, each run once")
    parser.add_argument("--driver", choices=("real", "simulator"), default="real")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="of the peers")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
