"""`symfuse inspect module.py:f`: every stage of the compilation of a function."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

from symfuse.compiler.explain.stages import STAGES, as_text, explain
from symfuse.compiler.ir.location import is_ours
from symfuse.runtime.errors import ArgumentError, Loc, SymfuseError

from ..staging.aot import compile
from ..view.html import save_report
from ..view.summary import summary, summary_text
from .output import OK, new_file, print_json, say

__all__ = ["add_inspect", "in_order", "load_function", "read_specs", "users_code"]


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
    parser.add_argument(
        "--target", choices=("cpu", "cuda"), help="what to compile for; else SYMFUSE_TARGET"
    )
    parser.add_argument(
        "--html", type=new_file, metavar="FILE", help="write the report into a file"
    )
    parser.add_argument("--explain", action="store_true", help="print which lines were fused")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compile, then print what was asked for."""
    function = load_function(args.function)
    specs = in_order(function, read_specs(args.spec))
    with users_code(args.function):
        compiled = compile(function, *specs, target=args.target).compilation
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
    if not callable(found):
        raise ArgumentError(f"{place} is {found!r}, which is no function", fix="name a function")
    return found  # type: ignore[no-any-return]


@contextmanager
def users_code(what: str) -> Iterator[None]:
    """Tell what code that is not symfuse's raises as an error at its line."""
    try:
        yield
    except (SymfuseError, OSError):
        raise
    except Exception as error:
        *_, (frame, line) = traceback.walk_tb(error.__traceback__)
        place = (frame.f_code.co_filename, line)
        if isinstance(error, SyntaxError) and error.filename:
            place = (error.filename, error.lineno or 1)
        elif is_ours(frame.f_code):
            raise  # a defect of symfuse, which wants all of its traceback
        raise ArgumentError(
            f"{what} raises {type(error).__name__}: {error}",
            fix="run it by itself to see how it comes there",
            loc=Loc.of_line(*place),
        ) from error


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


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # it is there, and imports something that is not
        raise ArgumentError(
            f"there is no module {error.name}", fix="check the name, or name a file: model.py:f"
        ) from None


def _load_module(name: str) -> Any:
    path = Path(name)
    if path.suffix != ".py":
        sys.path.insert(0, str(Path.cwd()))
        with users_code(name):
            return _imported(name)
    if not path.is_file():
        raise ArgumentError(f"there is no file {name}", fix="check the path")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{name} is no Python file", fix="name a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    with users_code(name):
        spec.loader.exec_module(module)
    return module
