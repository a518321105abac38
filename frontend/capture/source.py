"""The syntax tree of a function that runs, found again in its file."""

from __future__ import annotations
import __future__

import ast
import dis
import functools
import inspect
import linecache
import sysconfig
import textwrap
from collections.abc import Iterable, Iterator
from copy import deepcopy
from types import CodeType
from typing import Any

from msgspec import Struct

from symfuse.runtime.errors import TraceError

from .names import HANDLE

__all__ = ["Definition", "FunctionNode", "bare", "compiled", "definition", "is_installed"]

FunctionNode = ast.FunctionDef | ast.Lambda
_FUTURE = functools.reduce(
    int.__or__, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
_parsed: dict[str, tuple[list[str], ast.Module]] = {}


class Definition(Struct, frozen=True):
    """The node of a function, and the name of the class around it, which private names carry."""

    node: FunctionNode
    class_name: str = ""


def definition(code: CodeType) -> Definition:
    """Where a function is written; TraceError if its source is not there."""
    named = [one for one in _functions(_tree(code), "") if _fits(one.node, code)]
    fitting = [(one, made) for one in named if _is_same(made := _as_written(one, code), code)]
    if not fitting:
        raise TraceError(f"{code.co_filename} has changed since {code.co_name} was defined")
    places = list(code.co_positions())
    return next(
        (one for one, made in fitting if list(made.co_positions()) == places), fitting[0][0]
    )


def compiled(
    node: FunctionNode, code: CodeType, names: Iterable[str] = (), class_name: str = ""
) -> CodeType:
    """The code of a function that is written in the place of another, whose variables it closes
    over, and those that are named."""
    whole: Any = ast.Expr(node) if isinstance(node, ast.Lambda) else node
    args = [ast.arg(name) for name in (*names, *code.co_freevars)]
    if class_name:
        whole = ast.ClassDef(class_name, [], [], [whole], [])
    around = ast.FunctionDef(
        "_around", ast.arguments([], args, None, [], [], None, []), [whole], [], lineno=1
    )
    module = ast.fix_missing_locations(ast.Module([ast.copy_location(around, node)], []))
    made: CodeType = compile(module, code.co_filename, "exec", code.co_flags & _FUTURE, True)
    for _ in range(3 if class_name else 2):
        made = next(one for one in made.co_consts if isinstance(one, CodeType))
    return made


def bare(node: FunctionNode) -> FunctionNode:
    """A copy without what belongs to its place: name, decorators and defaults."""
    node = deepcopy(node)
    args = node.args
    args.defaults, args.kw_defaults = [], [None] * len(args.kwonlyargs)
    if not isinstance(node, ast.Lambda):
        node.name, node.decorator_list, node.returns = f"{HANDLE}_made", [], None
    return node


def is_installed(path: str) -> bool:
    """Whether a file belongs to Python or to an installed package."""
    return path.startswith(_INSTALLED)


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
    """Whether the code has the name and the line of this node."""
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and code.co_firstlineno == node.lineno
    first = min([node.lineno, *(line.lineno for line in node.decorator_list)])
    return code.co_name == node.name and code.co_firstlineno == first


def _as_written(found: Definition, code: CodeType) -> CodeType:
    return compiled(bare(found.node), code, class_name=found.class_name)


def _is_same(made: CodeType, code: CodeType) -> bool:
    """Whether two codes do the same; what pytest has put checks into is taken on trust."""
    if any(name.startswith("@py") for name in (*code.co_names, *code.co_varnames)):
        return True
    names = (made.co_names, made.co_varnames, made.co_freevars, len(made.co_consts))
    return (
        names == (code.co_names, code.co_varnames, code.co_freevars, len(code.co_consts))
        and _steps(made) == _steps(code)
        and all(map(_is_same_constant, made.co_consts, code.co_consts))
    )


def _steps(code: CodeType) -> list[Any]:
    """What a code does, but for how methods are found: that differs with the imports of a file,
    and with it how far jumps are, so that the long ones have prefixes."""
    return [
        ("LOAD_ATTR" if one.opname == "LOAD_METHOD" else one.opname, _argument(one))
        for one in dis.get_instructions(code)
        if one.opname not in ("PUSH_NULL", "EXTENDED_ARG")
    ]


def _argument(one: dis.Instruction) -> Any:
    if one.opcode in dis.hasjrel or one.opcode in dis.hasjabs:
        return None
    return one.argval if isinstance(one.argval, str) and one.opcode not in dis.hasconst else one.arg


def _is_same_constant(one: Any, other: Any) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return _is_same(one, other)
    if isinstance(one, str) and ".<locals>." in one:  # the name of a class inside
        return isinstance(other, str) and one.rpartition(".")[2] == other.rpartition(".")[2]
    return type(one) is type(other) and (one == other or repr(one) == repr(other))
