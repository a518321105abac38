"""`symfuse zoo`: lists the examples of the catalogue and runs them."""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from symfuse.compiler.explain.text import seconds_text
from symfuse.runtime.errors import ArgumentError, SymfuseError

from ..view.text import print_table
from .output import FAILED, MISSING, OK, print_json, say

__all__ = ["add_zoo"]

_EXAMPLES = "symfuse.examples.catalogue"  # it uses symfuse as users do, and so stands above it


def add_zoo(commands: Any, **common: Any) -> None:
    """The arguments of the command."""
    parser = commands.add_parser(
        "zoo",
        help="list the catalogue of models, or run its examples",
        description="Without names: the catalogue. With names of examples or of sections, or with "
        "`all`: run them, and compare each measure with its bar.",
        **common,
    )
    parser.add_argument("names", nargs="*", help="such as perceptron, linear, architectures.gan")
    parser.add_argument("--quick", action="store_true", help="in a reduced size")
    parser.add_argument("--verify", action="store_true", help="compare with eager results, and "
                        "derivatives with differences, as well")  # fmt: skip
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write the pictures there")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List or run."""
    catalogue = import_module(_EXAMPLES)
    if not args.names:
        return _list(catalogue, args.json)
    rows = dict.fromkeys(row for name in args.names for row in _found(catalogue, name))
    results = [_result(catalogue, row, args) for row in rows]
    if args.json:
        print_json(results)
    else:
        _report(results)
    if any("missing" in result for result in results):
        return MISSING
    return OK if all(result["ok"] for result in results) else FAILED


def _found(catalogue: Any, name: str) -> list[Any]:
    found: list[Any] = catalogue.find(name)
    if not found:
        known = ", ".join([*catalogue.SECTIONS, *(row.name for row in catalogue.ROWS)])
        raise ArgumentError(f"the catalogue has no {name!r}", fix=f"give all, {known}")
    return found


def _list(catalogue: Any, as_json: bool) -> int:
    listed = [
        {"section": row.section, "name": row.name, "system": row.system} for row in catalogue.ROWS
    ]
    if as_json:
        print_json(listed)
        return OK
    titles = ("section", "example", "system")
    print_table("symfuse zoo", titles, [list(entry.values()) for entry in listed], left=3)
    say("run one: symfuse zoo NAME, a section, or all; --quick for a reduced size")
    return OK


def _result(catalogue: Any, row: Any, args: argparse.Namespace) -> dict[str, Any]:
    """What came of one example; of a missing package, its name."""
    say(f"{row.module} …", quiet=args.json)
    start, found = time.perf_counter(), {"section": row.section, "name": row.name}
    try:
        with _quietly():
            record = catalogue.example(row).run(args.quick)
            verified = _verified(record.subject) if args.verify else {}
    except ModuleNotFoundError as error:
        return {**found, "measures": [], "ok": False, "missing": error.name}
    except (SymfuseError, AssertionError) as error:
        return {**found, "measures": [], "ok": False, "error": str(error)}
    if args.pictures and record.picture:
        _write(args.pictures, row, record.picture)
    taken = {"seconds": time.perf_counter() - start}
    return {**found, **record.as_dict(), **verified, **taken}


def _verified(subject: Any) -> dict[str, Any]:
    subject.check_gradients()
    return {"compiled_difference": subject.difference()}


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """What an example prints is for people who run it by itself."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _write(folder: Path, row: Any, picture: str | bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = picture.encode() if isinstance(picture, str) else picture
    ending = "svg" if isinstance(picture, str) else "png"
    (folder / f"{row.name}.{ending}").write_bytes(data)


def _report(results: list[dict[str, Any]]) -> None:
    lines = [line for result in results for line in _lines(result)]
    print_table("symfuse zoo", ("example", "measure", "", "found", "bar"), lines, left=3)


def _lines(result: dict[str, Any]) -> Iterator[list[str]]:
    """A line for each measure, the first with the name and the time of the example."""
    name = result["name"]
    if "missing" in result:
        yield [name, f"needs {result['missing']}, which is not installed", "FAILED", "", ""]
    if "error" in result:
        yield [name, result["error"].splitlines()[0], "FAILED", "", ""]
    for at, measure in enumerate(result["measures"]):
        shown = f"{name} ({seconds_text(result['seconds'])})" if at == 0 else ""
        mark = "ok" if measure["ok"] else "FAILED"
        found, bar = f"{measure['value']:.6g}", f"{measure['relation']} {measure['bar']:.6g}"
        yield [shown, measure["name"], mark, found, bar]
