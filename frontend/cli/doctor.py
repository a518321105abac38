"""`symfuse doctor`: what symfuse finds on this machine, and whether compiling works."""

from __future__ import annotations

import argparse
import platform
import time
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from symfuse.compiler.explain.text import bytes_text, seconds_text
from symfuse.compiler.targets.llvm.library import llvm_version
from symfuse.compiler.targets.llvm.machine import host_machine
from symfuse.runtime import options
from symfuse.runtime.cache import store
from symfuse.runtime.cuda.inspect import inspect_cuda
from symfuse.runtime.errors import SymfuseError
from symfuse.runtime.host.features import host_features
from symfuse.runtime.host.threads import default_threads

from ..benchmarking.limits import machine_limits
from ..staging.aot import compile
from ..view.text import print_table
from .output import FAILED, OK, print_json, rows_of

__all__ = ["add_doctor", "examine"]

_NEEDED = ("numpy", "ml_dtypes", "llvmlite", "sympy", "networkx", "optree", "msgspec", "rich")
_OPTIONAL = ("scikit-learn", "scipy", "jax", "torch")


def add_doctor(commands: Any, **common: Any) -> None:
    """The arguments of the command."""
    parser = commands.add_parser(
        "doctor",
        help="show versions, machine and options, and test compiling",
        description="Shows what symfuse finds on this machine, and compiles a small program.",
        **common,
    )
    parser.add_argument("--limits", action="store_true", help="measure the machine's limits anew")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, test, print."""
    found = examine(limits=args.limits)
    if args.json:
        print_json(found)
    else:
        _print(found)
    tests = (found["self_test"], found["cuda"].get("self_test", {"ok": True}))
    return OK if all(test["ok"] for test in tests) else FAILED


def examine(*, limits: bool = False) -> dict[str, Any]:
    """Everything that the command shows, as data."""
    found: dict[str, Any] = {
        "versions": _versions(),
        "machine": _machine(),
        "cuda": _cuda(),
        "cache": _cache(),
        "options": [
            {
                "name": setting.option.variable,
                "value": setting.value,
                "source": setting.source,
                "doc": setting.option.doc,
            }
            for setting in options.describe()
        ],
        "self_test": _self_test(),
    }
    if limits:
        measured = machine_limits(again=True)
        found["limits"] = {
            "bytes_per_second": measured.bytes_per_second,
            "flops_per_second": measured.flops_per_second,
        }
    return found


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "symfuse": metadata.version("symfuse")}
    for name in (*_NEEDED, *_OPTIONAL):
        module = {"scikit-learn": "sklearn"}.get(name, name)
        there = find_spec(module) is not None
        found[name] = metadata.version(name) if there else "not installed"
    return {**found, "LLVM": llvm_version()}


def _machine() -> dict[str, Any]:
    features = host_features()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": features.cpu,
        "code for": host_machine().cpu,
        "vector bits": 8 * features.vector_bytes,
        "cores": features.cores,
        "threads of a call": default_threads(),
        "L1 cache": bytes_text(features.l1_bytes),
        "L2 cache": bytes_text(features.l2_bytes),
        "L3 cache": bytes_text(features.l3_bytes),
    }


def _cuda() -> dict[str, Any]:
    """What there is of CUDA, and a small program on the first device if there is one."""
    found: dict[str, Any] = inspect_cuda()
    if found["devices"]:
        found["self_test"] = _self_test("cuda")
    return found


def _cache() -> dict[str, Any]:
    kept = store()
    files = [path for path in Path(kept.folder).rglob("*.entry") if path.is_file()]
    return {
        "folder": str(kept.folder),
        "on": kept.is_on,
        "programs": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "limit": kept.limit,
    }


def _self_test(target: str = "cpu") -> dict[str, Any]:
    """A small program, compiled anew, against NumPy."""
    x = np.linspace(-3, 3, 1000, dtype=np.float32)
    start = time.perf_counter()
    try:
        with options.using(cache=False):
            compiled = compile(lambda x: np.tanh(x) * 2 + x, x, target=target)
        took = time.perf_counter() - start
        error = float(np.abs(np.asarray(compiled(x)) - (np.tanh(x) * 2 + x)).max())
    except (SymfuseError, OSError, RuntimeError) as problem:
        return {"ok": False, "problem": str(problem)}
    return {
        "ok": error < 1e-5,
        "compile_seconds": took,
        "largest_error": error,
        "native_calls": compiled.executable.is_native,
    }


def _print(found: dict[str, Any]) -> None:
    print_table("versions", ("", "version"), rows_of(found["versions"]), left=2)
    print()
    print_table("machine", ("", "found"), rows_of(found["machine"]), left=2)
    print()
    print_table("CUDA", ("", "found"), rows_of(_cuda_rows(found["cuda"])), left=2)
    print()
    cache = found["cache"]
    used = f"{cache['programs']} programs, {bytes_text(cache['bytes'])} of "
    shown = {
        "folder": cache["folder"],
        "state": "on" if cache["on"] else "off",
        "holds": used + bytes_text(cache["limit"]),
    }
    print_table("cache of compiled code", ("", "found"), rows_of(shown), left=2)
    print()
    rows = [(row["name"], str(row["value"]), row["source"]) for row in found["options"]]
    print_table("options", ("variable", "value", "from"), rows, left=3)
    print()
    print("self-test:", _verdict(found["self_test"]))
    if "self_test" in found["cuda"]:
        print("self-test on cuda:0:", _verdict(found["cuda"]["self_test"]))
    if "limits" in found:
        moved, computed = found["limits"].values()
        print(f"limits: {moved / 1e9:.1f} GB/s, {computed / 1e9:.0f} GFLOP/s in float32")


def _cuda_rows(cuda: dict[str, Any]) -> dict[str, str]:
    """The driver, a row for each device, a row for each library."""
    rows = {"driver": cuda["driver"]}
    if cuda["fix"]:
        rows["fix"] = cuda["fix"]
    for one in cuda["devices"]:
        room = f"{bytes_text(one['free_bytes'])} of {bytes_text(one['bytes'])} free"
        rows[one["device"]] = f"{one['name']}, {one['code for']}, {room}"
    return {**rows, **cuda["libraries"]}


def _verdict(test: dict[str, Any]) -> str:
    if not test["ok"]:
        return f"FAILED: {test.get('problem', 'the result is wrong')}"
    native = "native" if test["native_calls"] else "through Python"
    took = seconds_text(test["compile_seconds"])
    return f"compiled in {took}, calls are {native}, result as NumPy's"
