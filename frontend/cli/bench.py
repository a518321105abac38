"""`symfuse bench`: the standing suite, or one function against its peers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from symfuse.runtime import options
from symfuse.runtime.errors import ArgumentError

from ..benchmarking.measure import bench
from ..benchmarking.standing import CONTENDERS, available, markdown, run_suite, save_results
from ..tracing.specs import Spec, spec
from .inspect import in_order, load_function, read_specs, users_code
from .output import FAILED, OK, at_least, new_file, print_json, say

__all__ = ["add_bench"]


def add_bench(commands: Any, **common: Any) -> None:
    """The arguments of the command."""
    parser = commands.add_parser(
        "bench",
        help="measure the standing suite, or a function",
        description="Without a function: the standing suite, every contender in its own process, "
        "in interleaved rounds. With one: that function on random arrays of the given types.",
        **common,
    )
    parser.add_argument("function", nargs="?", help="model.py:f or package.module:f")
    parser.add_argument("--spec", action="append", default=[], metavar="NAME=TYPE")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--rounds", type=at_least(1), default=15, help="samples of each contender")
    parser.add_argument(
        "--contenders",
        default=",".join(CONTENDERS),
        help="of the suite, separated by commas; those not installed are left out",
    )
    parser.add_argument(
        "--target",
        choices=("cpu", "cuda"),
        help="where to measure; the default is SYMFUSE_TARGET",
    )
    parser.add_argument("--results", type=Path, metavar="DIR", help="keep the numbers there")
    parser.add_argument("--plot", type=new_file, metavar="FILE", help="of a function, as SVG")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    return _run_function(args) if args.function else _run_suite(args)


def _run_suite(args: argparse.Namespace) -> int:
    wanted = [name for name in args.contenders.split(",") if name]
    unknown = [name for name in wanted if name not in CONTENDERS]
    if not wanted or unknown:
        unknown = unknown or [args.contenders]
        raise ArgumentError(f"no contender {unknown[0]!r}", fix=f"use {', '.join(CONTENDERS)}")
    contenders = available(wanted)
    for name in (name for name in wanted if name not in contenders):
        say(f"{name}: skipped, not installed")
    target = args.target or options.get("target")
    results = run_suite(contenders, only=args.only, rounds=args.rounds, target=target, tell=say)
    if args.results:
        say("results:", save_results(results, args.results))
    if args.json:
        print_json([result.as_dict() for result in results])
    else:
        print(markdown(results, contenders))
    return FAILED if any("symfuse" in result.failed for result in results) else OK


def _run_function(args: argparse.Namespace) -> int:
    function = load_function(args.function)
    types = [spec(text) for text in in_order(function, read_specs(args.spec))]
    with users_code(args.function):
        report = bench(function, *map(_random, types), rounds=args.rounds, target=args.target)
    if args.plot:
        args.plot.write_text(report.plot(), encoding="utf-8")
    if args.json:
        print_json(report.as_dict())
    else:
        print(report)
    return OK


def _random(type_: Spec) -> Any:
    """An array of a type whose sizes are numbers: normal floats, small whole numbers."""
    if not all(isinstance(size, int) for size in type_.shape):
        raise ArgumentError(f"{type_} has open sizes", fix="give numbers, as in x=f32[64,784]")
    rng = np.random.default_rng(0)
    shape = tuple(int(size) for size in type_.shape)  # type: ignore[arg-type]
    if type_.type.dtype.is_float:
        return rng.standard_normal(shape).astype(type_.dtype)
    return rng.integers(0, 2, shape).astype(type_.dtype)
