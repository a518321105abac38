"""`symfuse demo`: digits from scratch in seconds, and what the compiler did on the way."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from symfuse.compiler.explain.records import operation_count
from symfuse.compiler.explain.stages import as_text, explain, memory
from symfuse.compiler.explain.text import bytes_text, seconds_text
from symfuse.runtime.artifact import Artifact, save

from ..benchmarking.timing import interleaved
from ..staging.aot import CompiledFunction, compile
from ..tracing.tree import flatten, map_leaves
from ..view.html import frames_of, save_report
from ..view.svg import to_svg
from ..view.text import print_table
from . import digits
from .output import FAILED, MISSING, OK, at_least, print_json, rows_of, say
from .resume import run_epoch

__all__ = ["add_demo"]

BATCH, SEED, WANTED, TOLERANCE, ROUNDS = 64, 0, 0.97, 1e-3, 25
Batches = list[tuple[Any, Any]]


def add_demo(commands: Any, **common: Any) -> None:
    """The arguments of the command."""
    parser = commands.add_parser(
        "demo",
        help="train a digit classifier, show what was compiled",
        description="Trains an MLP on scikit-learn's digits as one compiled program, compares it "
        "with eager NumPy, writes drawings and a report, saves the program, and continues the "
        "training from the file in a second process.",
        **common,
    )
    parser.add_argument(
        "--epochs", type=at_least(1), default=30, help="passes over the training set"
    )
    parser.add_argument("--out", type=Path, default=Path("symfuse-demo"), help="folder for files")
    parser.add_argument(
        "--target", choices=("cpu", "cuda"), help="where to train; the default is SYMFUSE_TARGET"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, measure, save, resume, report."""
    if importlib.util.find_spec("sklearn") is None:
        say("scikit-learn, which brings the digits, is not installed")
        say('fix: pip install "symfuse[demo]"')
        return MISSING
    x, y, x_test, y_test = _digits()
    params = digits.new_parameters(SEED)
    state = digits.new_state(params)
    say("compiling one training step", quiet=args.json)
    start = time.perf_counter()
    given = (params, state, x[:BATCH], y[:BATCH])
    step = compile(digits.train_step, *given, donate_argnums=(0, 1), target=args.target)
    compiling = time.perf_counter() - start
    difference = _difference(step, params, state, x[:BATCH], y[:BATCH])
    params, state, training = _train(step, params, state, x, y, args)
    score = digits.accuracy(map_leaves(np.asarray, params), x_test, y_test)
    args.out.mkdir(parents=True, exist_ok=True)
    facts = (
        {"place": str(step.placement)}
        | _facts(step)
        | _times(step, params, state, x[:BATCH], y[:BATCH])
    )
    facts |= {
        "largest_difference": difference,
        "compile_seconds": compiling,
        "training_seconds": training,
        "test_accuracy": score,
    }
    facts |= _resumed(step, params, state, _batches(x, y, SEED + 1000), args.out)
    _write(step, args.out)
    good = score >= WANTED and facts["largest_difference"] < TOLERANCE
    good = good and facts["resumed_identically"] and not facts["resume_loaded"]
    _report(facts, args, good)
    return OK if good else FAILED


def _digits() -> tuple[Any, Any, Any, Any]:
    """1797 images of 8 × 8 in [0, 1], one in five kept for the test."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(SEED).permutation(len(data.target))
    x = (data.data[order] / 16).astype(np.float32)
    y = data.target[order].astype(np.int64)
    split = len(y) // 5
    return x[split:], y[split:], x[:split], y[:split]


def _batches(x: Any, y: Any, seed: int) -> Batches:
    order = np.random.default_rng(seed).permutation(len(y))
    starts = range(0, len(y) - BATCH + 1, BATCH)
    return [(x[order[a : a + BATCH]], y[order[a : a + BATCH]]) for a in starts]


def _train(
    step: CompiledFunction, params: Any, state: Any, x: Any, y: Any, args: argparse.Namespace
) -> tuple[Any, Any, float]:
    start = time.perf_counter()
    for epoch, show in _progress(args.epochs, args.json):
        values = []
        for images, labels in _batches(x, y, epoch):
            value, params, state = step(params, state, images, labels)
            values.append(value)  # a number only later: on a device, that would wait for it
        show(f"loss {sum(map(float, values)) / len(values):.4f}")
    return params, state, time.perf_counter() - start


def _progress(epochs: int, quiet: bool) -> Iterator[tuple[int, Callable[[str], None]]]:
    """The epochs, with a bar on terminals."""
    if quiet or not sys.stderr.isatty():
        for epoch in range(epochs):
            yield epoch, lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("training", total=epochs, loss="")
        for epoch in range(epochs):
            yield epoch, lambda text: progress.update(task, advance=1, loss=text)


# measuring


def _difference(step: CompiledFunction, *args: Any) -> float:
    """Between the compiled step and the one whose derivative is worked out by hand."""
    by_hand = flatten(digits.train_step_by_hand(*args))[0]
    compiled = map(np.asarray, flatten(step(*_copied(args)))[0])
    return max(float(np.abs(a - b).max()) for a, b in zip(by_hand, compiled, strict=True))


def _times(step: CompiledFunction, *args: Any) -> dict[str, float]:
    """Seconds a step: compiled, by hand in NumPy, and node by node.

    Of interleaved rounds the lowest tenth, so that other work on the machine counts for neither.
    """
    args = _copied(args)  # on the host, for those who compute there
    given = flatten(args)[0]
    *leaves, images, labels = flatten(_copied(args))[0]
    entry = step.executable.entry
    wait = getattr(step.executable, "wait", lambda value: None)

    def compiled() -> None:
        nonlocal leaves
        value, *leaves = entry(*leaves, images, labels)
        wait(value)

    calls: dict[str, Callable[[], Any]] = {
        "compiled": compiled,
        "eager": lambda: digits.train_step_by_hand(*args),
        "interpreted": lambda: step.graph.ir(*given),
    }
    found = interleaved(calls, ROUNDS)
    seconds = {f"{name}_step_seconds": times.p10 for name, times in found.items()}
    ratios = {
        "speed_up": found["interpreted"].p10 / found["compiled"].p10,
        "speed_up_by_hand": found["eager"].p10 / found["compiled"].p10,
    }
    return {**seconds, **ratios}


_STEPS = ("compiled", "interpreted", "eager")


def _copied(args: Any) -> Any:
    leaves, structure = flatten(args)
    return structure.unflatten([np.array(leaf) for leaf in leaves])


def _facts(step: CompiledFunction) -> dict[str, Any]:
    plan, found = memory(step.compilation), step.compilation
    return {
        "nodes": operation_count(found.traced),
        "kernels": len(found.launches),
        "planned_peak_bytes": plan.peak,
        "lower_bound_bytes": plan.lower_bound,
        "eager_peak_bytes": plan.eager.peak,
        "eager_total_bytes": plan.eager.total,
    }


# files


def _write(step: CompiledFunction, folder: Path) -> None:
    """The drawing, the report and the kernels."""
    found = step.compilation
    drawing = to_svg(found.graph, frames_of(found))
    (folder / "graph.svg").write_text(drawing, encoding="utf-8")
    (folder / "kernels.txt").write_text(as_text(found, "kernels") + "\n", encoding="utf-8")
    save_report(found, folder / "report.html")


def _resumed(
    step: CompiledFunction, params: Any, state: Any, batches: Batches, folder: Path
) -> dict[str, Any]:
    """One more epoch here and, from the saved program, in a new process: the same bits."""
    leaves = [np.array(leaf) for leaf in flatten((params, state))[0]]
    found = step.compilation
    records = json.dumps(explain(found).as_dict())
    save(folder / "train_step.sfz", Artifact(step.program, found.traced.text(), records))
    arrays: dict[str, Any] = {f"leaf{at}": leaf for at, leaf in enumerate(leaves)}
    arrays |= {"x": np.stack([x for x, _ in batches]), "y": np.stack([y for _, y in batches])}
    np.savez(folder / "resume.npz", **arrays)
    here = run_epoch(step.executable, leaves, batches)
    files = [str(folder / name) for name in ("train_step.sfz", "resume.npz", "resumed.npz")]
    command = [sys.executable, "-m", "symfuse.cli.resume", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        say(done.stderr)
        return {"resumed_identically": False, "resume_loaded": []}
    there = np.load(folder / "resumed.npz")
    same = all(np.array_equal(there[f"arr_{at}"], leaf) for at, leaf in enumerate(here))
    loaded = json.loads(done.stdout)["loaded"]
    return {"resumed_identically": same, "resume_loaded": loaded}


def _report(facts: dict[str, Any], args: argparse.Namespace, good: bool) -> None:
    if args.json:
        print_json({**facts, "files": str(args.out), "ok": good})
        return
    speed, by_hand = (f"{facts[name]:.1f}×" for name in ("speed_up", "speed_up_by_hand"))
    took = {name: seconds_text(facts[f"{name}_step_seconds"]) for name in _STEPS}
    plan = [bytes_text(facts[f"{name}_bytes"]) for name in ("planned_peak", "lower_bound")]
    shown = {
        "place": facts["place"],
        "test accuracy": f"{100 * facts['test_accuracy']:.2f} %",
        "training": f"{args.epochs} epochs in {seconds_text(facts['training_seconds'])}",
        "compiling": seconds_text(facts["compile_seconds"]),
        "a step compiled": took["compiled"],
        "… eager, op by op": f"{took['interpreted']}, {speed} slower",
        "… NumPy by hand": f"{took['eager']}, {by_hand} slower",
        "largest difference": f"{facts['largest_difference']:.1e} after one step",
        "operations → kernels": f"{facts['nodes']} → {facts['kernels']}",
        "intermediate memory": f"{plan[0]} planned, {plan[1]} lower bound",
        "… of eager NumPy": f"{bytes_text(facts['eager_peak_bytes'])} at once, "
        f"{bytes_text(facts['eager_total_bytes'])} in all",
        "resumed from the file": "same numbers, bit for bit"
        if facts["resumed_identically"]
        else "DIFFERENT numbers",
        "report": str(args.out / "report.html"),
    }
    print_table("symfuse demo", ("", "result"), rows_of(shown), left=2)
    if not good:
        say(f"the demo wants {100 * WANTED:.0f} % accuracy and identical numbers after resuming")
