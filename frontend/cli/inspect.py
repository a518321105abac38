"""`symfuse inspect module.py:f`: every stage of the compilation of a function."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from symfuse.compiler.explain.stages import STAGES, as_text, explain
from symfuse.runtime.errors import ArgumentError

from ..staging.aot import compile
from ..view.html import save_report
from ..view.summary import summary, summary_text
from .output import OK, print_json, say

__all__ = ["add_inspect", "in_order", "load_function", "read_specs"]


def add_inspect(commands: Any, **common: Any) -> None:
    """The arguments of the command."""
    parser = commands.add_parser(
        "inspect",
        help="show the stages of a function's compilation",
        description="Compiles a function and prints a summary, or one stage of the compilation.",
        **common,
    )
    parser.add_argument("function", help="model.py:f or package.module:f")
    parser.add_argument(
        "--spec",
        action="append",
        default=[],
        metavar="NAME=TYPE",
        help='the type of an argument, as in "x=f32[N,784]"; once for each, or separated by ";"',
    )
    parser.add_argument("--stage", choices=STAGES, help="print this stage")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report into a file")
    parser.add_argument("--explain", action="store_true", help="print which lines were fused")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compile, then print what was asked for."""
    function = load_function(args.function)
    compiled = compile(function, *in_order(function, read_specs(args.spec))).compilation
    if args.html:
        say("report:", save_report(compiled, args.html, assembly=True), quiet=args.json)
    if args.json:
        print_json({**summary(compiled), "fusion": explain(compiled).as_dict()})
    elif args.stage:
        print(as_text(compiled, args.stage))
    elif args.explain:
        print(explain(compiled))
    else:
        print(summary_text(compiled))
    return OK


def load_function(place: str) -> Callable[..., Any]:
    """The function that `file.py:name` or `module:name` names."""
    module_name, colon, name = place.rpartition(":")
    if not colon:
        raise ArgumentError(f"{place!r} names no function", fix="write model.py:f")
    module = _load_module(module_name)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = ", ".join(n for n in vars(module) if callable(vars(module)[n]))
            fix = f"use one of {known}" if known else "define it there"
            raise ArgumentError(f"{module_name} has no function {name!r}", fix=fix)
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


def read_specs(texts: list[str]) -> dict[str, str]:
    """Argument name → type, in the order given."""
    specs: dict[str, str] = {}
    for text in (part.strip() for whole in texts for part in whole.split(";") if part.strip()):
        name, equals, type_ = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ArgumentError(f"{text!r} is no spec", fix='write it as "x=f32[N,784]"')
        specs[name.strip()] = type_.strip()
    return specs


def in_order(function: Callable[..., Any], specs: dict[str, str]) -> list[str]:
    """The types in the order of the function's parameters."""
    try:
        return list(signature(function).bind(**specs).arguments.values())
    except TypeError as error:
        taken = ", ".join(signature(function).parameters)
        raise ArgumentError(f"the specs do not fit: {error}", fix=f"give {taken}") from None


def _load_module(name: str) -> Any:
    path = Path(name)
    if path.suffix != ".py":
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(name)
    if not path.is_file():
        raise ArgumentError(f"there is no file {name}", fix="check the path")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{name} is no Python file", fix="name a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
