"""Files and functions stay short enough to be read in one go; exceptions carry their reason."""

from __future__ import annotations

import ast

FILE_LINES = 400
FUNCTION_LINES = 60

# Path, or path and function ("compiler/ir/graph.py:parse"), to the reason why it may be longer.
ALLOWED: dict[str, str] = {}


def test_files_are_short(modules):
    lengths = {_file(module): _lines(module) for module in modules.values()}
    _compare(lengths, FILE_LINES, lambda place: ":" not in place)


def test_functions_are_short(modules):
    lengths = {
        f"{_file(module)}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for module in modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    _compare(lengths, FUNCTION_LINES, lambda place: ":" in place)


def test_exceptions_have_a_reason():
    assert all(reason.strip() for reason in ALLOWED.values())


def _compare(lengths, limit, concerns):
    long = {place: length for place, length in lengths.items() if length > limit}
    assert not {place: length for place, length in long.items() if place not in ALLOWED}
    stale = {place for place in ALLOWED if concerns(place)} - set(long)
    assert not stale, "no longer too long: take them out of ALLOWED"


def _file(module):
    return module.at(0).removesuffix(":0")


def _lines(module):
    return len(module.path.read_text(encoding="utf-8").splitlines())
