"""The syntax tree of a function that runs, found again in its file."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Iterator
from types import CodeType

from msgspec import Struct

from symfuse.runtime.errors import TraceError

__all__ = ["Definition", "FunctionNode", "definition"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_parsed: dict[str, tuple[list[str], ast.Module]] = {}


class Definition(Struct, frozen=True):
    """The node of a function, and the name of the class around it, which private names carry."""

    node: FunctionNode
    class_name: str = ""


def definition(code: CodeType) -> Definition:
    """Where a function is written; TraceError if its source is not there."""
    fitting = [one for one in _functions(_tree(code), "") if _fits(one.node, code)]
    if not fitting:
        raise TraceError(f"{code.co_filename} has changed since {code.co_name} was defined")
    return fitting[0]


def _tree(code: CodeType) -> ast.Module:
    lines = linecache.getlines(code.co_filename)
    if not lines:
        raise TraceError(f"the source of {code.co_name} ({code.co_filename}) is not there")
    known = _parsed.get(code.co_filename)
    if known is not None and known[0] == lines:
        return known[1]
    try:
        tree = ast.parse("".join(lines), code.co_filename)
    except SyntaxError:
        return _block(lines, code)
    _parsed[code.co_filename] = (lines, tree)
    return tree


def _block(lines: list[str], code: CodeType) -> ast.Module:
    """The function alone, out of a file that is more than Python."""
    block = inspect.getblock(lines[code.co_firstlineno - 1 :])
    text = "".join(block)
    try:
        tree = ast.parse(textwrap.dedent(text))
    except SyntaxError as error:
        raise TraceError(f"the source of {code.co_name} does not parse: {error}") from None
    ast.increment_lineno(tree, code.co_firstlineno - 1)
    indent = len(text) - len(text.lstrip())
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.stmt):
            node.col_offset += indent
            node.end_col_offset = (node.end_col_offset or 0) + indent
    return tree


def _functions(node: ast.AST, class_name: str) -> Iterator[Definition]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode):
            yield Definition(child, class_name)
        inner = child.name if isinstance(child, ast.ClassDef) else class_name
        yield from _functions(child, inner)


def _fits(node: FunctionNode, code: CodeType) -> bool:
    """Whether the code was made of this node; lambdas of one line differ by their columns."""
    if isinstance(node, ast.Lambda):
        body = node.body
        place = (body.lineno, body.end_lineno, body.col_offset, body.end_col_offset)
        return code.co_name == "<lambda>" and place in code.co_positions()
    first = min(line.lineno for line in (node, *node.decorator_list))
    return code.co_name == node.name and code.co_firstlineno == first
