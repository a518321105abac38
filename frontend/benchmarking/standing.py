"""The standing suite: every workload by every contender, interleaved, each in its own process."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from symfuse.runtime.errors import ArgumentError
from symfuse.runtime.host.features import host_features

from .timing import Times, orders
from .workloads import WORKLOADS

__all__ = ["CONTENDERS", "Result", "available", "markdown", "run_suite", "save_results"]

CONTENDERS = ("symfuse", "numpy", "torch", "torch.compile", "jax")
_PACKAGES = ("numpy", "symfuse", "jax", "torch", "llvmlite")
TIE = 1.25  # ratios within this are ties on a shared machine
REST = 0.05  # seconds before each sample, for threads of other contenders that watch for work and
# take a core while they do: they have gone to sleep by then


class Result(Struct):
    """One workload: per contender the times, the error and the first call, or what failed."""

    workload: str
    times: dict[str, Times] = field(default_factory=dict)
    error: dict[str, float] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def best(self) -> str:
        """The fastest contender."""
        return min(self.times, key=lambda name: self.times[name].median, default="")

    def ratio(self) -> float | None:
        """The time of the best peer over that of symfuse."""
        peers = [t.median for name, t in self.times.items() if name != "symfuse"]
        ours = self.times.get("symfuse")
        return min(peers) / ours.median if peers and ours else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "workload": self.workload,
            "seconds": {name: times.as_dict() for name, times in self.times.items()},
            "error": self.error,
            "first_call": self.first,
            "failed": self.failed,
        }


class _Process:
    """The pipe to one worker."""

    def __init__(self, name: str, target: str) -> None:
        self.name = name
        command = [sys.executable, "-m", "symfuse.benchmarking.worker", name, target]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return dict(json.loads(line)) if line else {"failed": "its process has ended"}

    def close(self) -> None:
        with self.process as process:  # closes the pipes, and waits
            if process.stdin:
                process.stdin.close()


def available(names: Iterable[str] = CONTENDERS) -> tuple[str, ...]:
    """Those contenders whose package is installed."""
    return tuple(n for n in names if find_spec(n.partition(".")[0]) is not None)


def run_suite(
    contenders: Sequence[str],
    *,
    only: str = "",
    rounds: int = 15,
    target: str = "cpu",
    tell: Callable[[str], None] = lambda text: None,
) -> list[Result]:
    """Measure the workloads whose name contains `only`, every contender on the same target."""
    chosen = [name for name in WORKLOADS if only.lower() in name.lower()]
    if not chosen:
        raise ArgumentError(
            f"no workload has {only!r} in its name", fix=f"use a part of {', '.join(WORKLOADS)}"
        )
    processes = [_Process(name, target) for name in contenders]
    try:
        results = []
        for name in chosen:
            tell(name)
            results.append(_measured(name, processes, rounds))
        return results
    finally:
        for process in processes:
            process.close()


def _measured(name: str, processes: Sequence[_Process], rounds: int) -> Result:
    result, ready = Result(name), []
    for process in processes:
        answer = process.ask(do="prepare", workload=name)
        if "failed" in answer:
            result.failed[process.name] = answer["failed"]
            continue
        result.error[process.name], result.first[process.name] = answer["error"], answer["first"]
        if not answer["error"] <= answer["tolerance"]:
            result.failed[process.name] = f"wrong result: error {answer['error']:.1e}"
            continue
        ready.append(process)
    seconds: dict[str, list[float]] = {process.name: [] for process in ready}
    for order in orders(ready, rounds):
        for process in order:
            time.sleep(REST)
            answer = process.ask(do="time")
            if "failed" in answer:
                result.failed[process.name] = answer["failed"]
            else:
                seconds[process.name].append(answer["seconds"])
    fit = (process.name for process in ready if process.name not in result.failed)
    result.times = {each: Times(tuple(seconds[each])) for each in fit}
    return result


def markdown(results: Sequence[Result], contenders: Sequence[str]) -> str:
    """Median microseconds; the best in bold; the last column says how symfuse stands."""
    lines = [f"| workload | {' | '.join(contenders)} | best peer / symfuse |"]
    lines.append("|---" * (len(contenders) + 2) + "|")
    for result in results:
        cells = [_cell(result, name) for name in contenders]
        ratio = result.ratio()
        standing = "–" if ratio is None else f"{ratio:.2f}{_verdict(ratio)}"
        lines.append(f"| {result.workload} | {' | '.join(cells)} | {standing} |")
    failures = [
        f"- {result.workload}, {name}: {why}"
        for result in results
        for name, why in result.failed.items()
    ]
    return "\n".join([*lines, *(["", "Not measured:", *failures] if failures else [])])


def save_results(results: Sequence[Result], folder: Path) -> Path:
    """Write the numbers with the machine and the versions into a JSON file."""
    features = host_features()
    record = {
        "machine": {"cpu": features.cpu, "cores": features.cores},
        "python": platform.python_version(),
        "versions": {n: metadata.version(n) for n in _PACKAGES if find_spec(n) is not None},
        "results": [result.as_dict() for result in results],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "standing.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def _cell(result: Result, name: str) -> str:
    times = result.times.get(name)
    if times is None:
        return "failed" if name in result.failed else ""
    micros = times.median * 1e6
    text = f"{micros:.0f}" if micros >= 100 else f"{micros:.1f}"
    return f"**{text}**" if result.best == name else text


def _verdict(ratio: float) -> str:
    return " tie" if 1 / TIE <= ratio <= TIE else ""
