"""Which names a piece of code reads, assigns and changes, and which are still needed after it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

__all__ = [
    "FUNCTIONS",
    "HANDLE",
    "RETURNED",
    "appended",
    "assigned",
    "assigning",
    "broken_flag",
    "changed",
    "declared",
    "kept_by_functions",
    "live",
    "live_in_try",
    "reads",
    "reads_scope",
    "root",
    "shared",
    "shown",
    "targets",
]

HANDLE = "_sf"
"""The name by which rewritten code knows what stands in for Python's control flow."""

RETURNED = "_value"
"""How the variable ends that keeps what a loop, `with` or `try` returns."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
MUTATORS = frozenset(
    {
        "add", "append", "appendleft", "clear", "discard", "extend", "fill", "insert", "pop",
        "popitem", "popleft", "remove", "reverse", "setdefault", "sort", "update",
    }
)  # fmt: skip


_SCOPE = {"locals": 0, "vars": 0, "dir": 0, "eval": 1, "exec": 1}  # with so many arguments


def reads(node: ast.AST | None) -> set[str]:
    """The names from outside that a piece of code may read."""
    if node is None:
        return set()
    if isinstance(node, ast.Name):
        return set() if isinstance(node.ctx, ast.Store) else {node.id}
    if _hands_on(node):
        return set()
    found = {name for child in ast.iter_child_nodes(node) for name in reads(child)}
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        found.add(node.target.id)
    if isinstance(node, FUNCTIONS):
        return found - _own(node)
    if isinstance(node, COMPREHENSIONS):
        return found - {name for one in node.generators for name in targets(one.target)}
    return found


def _hands_on(node: ast.AST) -> bool:
    """Whether code hands on a variable, with a value or without, and does not use it."""
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Attribute) and (
        (getattr(function.value, "id", ""), function.attr) == (HANDLE, "anything")
    )


def assigned(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that code binds in its own scope."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            continue
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        if isinstance(node, COMPREHENSIONS):
            found |= _bound_outside(node)
        elif not isinstance(node, ast.Lambda):
            found |= assigned(ast.iter_child_nodes(node))
    return found


def _bound_outside(node: ast.AST) -> set[str]:
    """What a comprehension binds for the function around it, as `[last := x for x in rows]`."""
    if isinstance(node, ast.Lambda):
        return set()
    own = {node.target.id} if isinstance(node, ast.NamedExpr) else set()
    return own.union(*map(_bound_outside, ast.iter_child_nodes(node)))


def reads_scope(node: ast.AST) -> str | None:
    """The function that code calls to see the variables around it, as locals(); or None."""
    calls = (one for one in ast.walk(node) if isinstance(one, ast.Call))
    return next(
        (
            name
            for one in calls
            if (name := getattr(one.func, "id", "")) in _SCOPE and len(one.args) <= _SCOPE[name]
        ),
        None,
    )


def changed(nodes: Iterable[ast.AST]) -> list[tuple[ast.expr, ast.expr]]:
    """What code changes in place: the whole expression, and the object in it that changes."""
    found: list[tuple[ast.expr, ast.expr]] = []
    for node in nodes:
        if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            found.append((node, node.value))
        function = node.func if isinstance(node, ast.Call) else None
        if isinstance(function, ast.Attribute) and function.attr in MUTATORS:
            found.append((node, function.value))  # type: ignore[arg-type]
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            found += changed(ast.iter_child_nodes(node))
    return found


def appended(nodes: Iterable[ast.AST]) -> set[str]:
    """The variables whose lists code appends to."""
    nodes = list(nodes)
    calls = [whole.func for whole, _ in changed(nodes) if isinstance(whole, ast.Call)]
    updates = (one for node in nodes for one in _in_scope(node) if isinstance(one, ast.AugAssign))
    added = {one.target.id for one in updates if isinstance(one.target, ast.Name)}
    return added | {
        function.value.id
        for function in calls
        if isinstance(function, ast.Attribute)
        and function.attr in ("append", "extend")
        and isinstance(function.value, ast.Name)
    }


def shown(name: str) -> str:
    """A variable in an error message."""
    is_own = name.startswith(HANDLE) and name.endswith(RETURNED)
    return "what is returned" if is_own else name


def root(node: ast.expr) -> str | None:
    """The variable of `x[i][j]`; None for what is reached through an attribute or a call."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def broken_flag(node: ast.stmt) -> str | None:
    """The variable that tells that a `for` loop has been left."""
    return getattr(node, "broken", None)


def declared(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Names that code declares to belong to another scope, and the word that says so."""
    found: dict[str, str] = {}
    for child in (one for node in nodes for one in _in_scope(node)):
        if isinstance(child, ast.Nonlocal | ast.Global):
            found |= dict.fromkeys(child.names, type(child).__name__.lower())
    return found


def shared(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Names that functions inside assign as well, or that belong to another scope."""
    found: dict[str, str] = {}
    for child in (one for node in nodes for one in ast.walk(node)):
        if isinstance(child, ast.Nonlocal):
            found |= dict.fromkeys(child.names, "nonlocal")
    return found | declared(nodes)


def assigning(nodes: Iterable[ast.AST]) -> set[str]:
    """The functions inside that assign to variables of others, which they declare nonlocal."""
    return {
        child.name
        for node in nodes
        for child in _in_scope(node)
        if isinstance(child, ast.FunctionDef)
        and any(isinstance(one, ast.Nonlocal) for one in ast.walk(child))
    }


def kept_by_functions(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that functions inside read, whenever they are called."""
    return {
        name
        for node in nodes
        for child in ast.walk(node)
        if isinstance(child, (*FUNCTIONS, ast.GeneratorExp))
        for name in reads(child)
    }


def live(statements: Sequence[ast.stmt], after: set[str]) -> set[str]:
    """The names whose values before the statements may be read by them or, if in `after`, later."""
    for statement in reversed(statements):
        after = _live(statement, after)
    return after


def _live(node: ast.stmt, after: set[str]) -> set[str]:
    match node:
        case ast.Return() | ast.Raise():
            return reads(node)
        case ast.If():
            return reads(node.test) | live(node.body, after) | live(node.orelse, after)
        case ast.While() | ast.For():
            return _live_loop(node, after)
        case ast.With():
            outer = {name for item in node.items for name in reads(item.context_expr)}
            return outer | live(node.body, after)
        case ast.Try():
            caught, ended = live_in_try(node, after)
            return caught | live(node.body, caught | ended)
        case ast.Match():
            return after | reads(node)
    return (after - assigned([node])) | reads(node)


def live_in_try(node: ast.Try, after: set[str]) -> tuple[set[str], set[str]]:
    """The names that may be read after the body of a `try`: where it fails, and where it ends."""
    final = live(node.finalbody, after)
    caught = live(node.finalbody, set())
    for handler in node.handlers:
        bound = {handler.name} if handler.name else set()
        caught |= reads(handler.type) | (live(handler.body, final) - bound)
    return caught, live(node.orelse, final)


def _live_loop(node: ast.While | ast.For, after: set[str]) -> set[str]:
    body: list[ast.stmt] = node.body
    start = reads(node.test) if isinstance(node, ast.While) else set()
    flag = broken_flag(node)
    start |= {flag} if flag else set()
    bound = set() if isinstance(node, ast.While) else targets(node.target)
    head = after | start
    while True:
        more = head | (live(body, head) - bound)
        if more == head:
            break
        head = more
    return head | (reads(node.iter) if isinstance(node, ast.For) else set())


def _own(node: ast.AST) -> set[str]:
    """The arguments and local variables of a function."""
    assert isinstance(node, FUNCTIONS)
    args = node.args
    every = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
    names = {arg.arg for arg in every if arg is not None}
    if isinstance(node, ast.Lambda):
        return names
    return (names | assigned(node.body)) - set(declared(node.body))


def targets(node: ast.AST) -> set[str]:
    """The names that the target of an assignment binds."""
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and _stored(name)}


def _stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _in_scope(node: ast.AST) -> Iterable[ast.AST]:
    yield node
    if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        for child in ast.iter_child_nodes(node):
            yield from _in_scope(child)
