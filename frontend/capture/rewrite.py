"""Rewrites statements: the two sides of an `if`, and the body of a loop, become functions.

They share the variables of the function around them. What stands in for Python's control flow
decides at run time whether one of them is called, as Python runs it, or both are traced; for that
it gets the variables that change, by a function that closes over them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from .expressions import Expressions, call_of, contains, located, thunk
from .jumps import Settler, is_plain, leaves
from .names import (
    HANDLE,
    appended,
    assigned,
    assigning,
    broken_flag,
    changed,
    declared,
    kept_by_functions,
    live,
    live_in_try,
    root,
    shared,
)

__all__ = ["rewritten"]


def rewritten(node: ast.FunctionDef | ast.Lambda, class_name: str = "") -> None:
    """Rewrite the control flow of a function, and of those inside it, in place."""
    _Function(node, class_name).rewrite()


class _Function:
    """One function: its local variables, and what of them other functions see."""

    def __init__(self, node: ast.FunctionDef | ast.Lambda, class_name: str) -> None:
        self._node, self._class_name = node, class_name
        args = node.args
        every = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
        self._parameters = [arg.arg for arg in every if arg is not None]
        first = self._parameters[0] if self._parameters else None
        self._expressions = Expressions(self._nested, class_name, first)
        self._count = 0
        self._shared: dict[str, str] = {}
        self._own: set[str] = set()
        self._locals: set[str] = set()
        self._kept: set[str] = set()
        self._assigning: set[str] = set()

    def rewrite(self) -> None:
        node = self._node
        if isinstance(node, ast.Lambda):
            node.body = self._expressions.visit(node.body)
            return
        self._shared = shared(node.body)
        self._kept = kept_by_functions(node.body)
        body = Settler().block(node.body)
        self._own = {*self._parameters, *assigned(body)} - set(declared(body))
        self._locals = self._own - set(self._shared)
        self._assigning = assigning(body)
        begins = [_local(node, name) for name in sorted(self._own - set(self._parameters))]
        node.body = [*begins, *self._block(body, set())]

    def _nested(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.decorator_list = [self._expressions.visit(one) for one in node.decorator_list]
        self._expressions.visit(node.args)
        if not contains(node, (ast.Yield, ast.YieldFrom)):
            rewritten(node, self._class_name)
        return node

    def _block(self, statements: Sequence[ast.stmt], after: set[str]) -> list[ast.stmt]:
        """The statements, `after` which some names are still needed."""
        done: list[ast.stmt] = []
        for at, node in enumerate(statements):
            later = live(statements[at + 1 :], after) | self._kept
            done += self._statement(node, later)
        return done

    def _statement(self, node: ast.stmt, later: set[str]) -> list[ast.stmt]:
        if is_plain(node):
            return [self._expressions.visit(node)]
        match node:
            case ast.If() if leaves(node):
                return self._returning(node, later)
            case ast.If() if not contains(node.test):
                return self._if(node, later)
            case ast.While() if not contains(node.test):
                return self._while(node, later)
            case ast.For() if not contains(node.iter):
                return self._for(node, later)
            case ast.With():
                node.items = [self._expressions.visit(item) for item in node.items]
                node.body = self._block(node.body, later)
                return [node]
            case ast.Try():
                self._try(node, later)
                return [node]
            case ast.Assert():
                message = node.msg or located(node.test, ast.Constant(""))
                test, told = map(self._expressions.visit, (node.test, message))
                return [located(node, ast.Expr(call_of("assert_", node, test, thunk(told))))]
        return [self._expressions.visit(node)]

    def _try(self, node: ast.Try, later: set[str]) -> None:
        """A `try`, whose body any statement may leave for what handles or ends it."""
        final, kept = live(node.finalbody, later), self._kept
        caught, ended = live_in_try(node, later)
        self._kept = kept | caught
        node.body = self._block(node.body, ended)
        self._kept = kept | live(node.finalbody, set())
        for handler in node.handlers:
            handler.type = handler.type and self._expressions.visit(handler.type)
            handler.body = self._block(handler.body, final)
        node.orelse = self._block(node.orelse, final)
        self._kept = kept
        node.finalbody = self._block(node.finalbody, later)

    # branches

    def _returning(self, node: ast.If, later: set[str]) -> list[ast.stmt]:
        """An `if` both sides of which end the function."""
        changes = self._effects(node), self._written(node)
        needed = self._changed(node) & live([node], later)
        sides = self._sides(node, later)
        test = self._expressions.visit(node.test)
        call = self._call("leave", [test], sides, needed, node, changes)
        return [*sides, located(node, ast.Return(call))]

    def _if(self, node: ast.If, later: set[str]) -> list[ast.stmt]:
        changes = self._effects(node), self._written(node)
        own = self._changed(node)
        results = own & later
        needed = results | (own & (live(node.body, later) | live(node.orelse, later)))
        sides = self._sides(node, later)
        test = self._expressions.visit(node.test)
        call = self._call("branch", [test], sides, needed, node, changes, [_words(results)])
        return [*sides, located(node, ast.Expr(call))]

    def _sides(self, node: ast.If, later: set[str]) -> list[ast.FunctionDef]:
        return [
            self._function(node, "side", [], self._block(part, later))
            for part in (node.body, node.orelse)
        ]

    # loops

    def _while(self, node: ast.While, later: set[str]) -> list[ast.stmt]:
        changes = self._effects(node), self._written(node)
        head = live([node], later)
        names = self._changed(node) & (head | later)
        body = self._function(node, "body", [], self._block(node.body, head))
        test = self._expressions.visit(node.test)
        asks = self._function(node, "test", [], [located(test, ast.Return(test))])
        call = self._call("while_loop", [], [asks, body], names, node, changes)
        return [asks, body, located(node, ast.Expr(call))]

    def _for(self, node: ast.For, later: set[str]) -> list[ast.stmt]:
        changes = self._effects(node), self._written(node)
        grows = self._locals & appended([node])
        head = live([node], later)
        broken = broken_flag(node)
        own = self._changed(node) & (head | later)
        names = own | ({broken} if broken else set())
        item = f"{HANDLE}_item"
        take = located(node.target, ast.Assign([node.target], ast.Name(item, ast.Load())))
        inner = [self._expressions.visit(take), *self._block(node.body, head)]
        body = self._function(node, "body", [item], inner)
        walked = self._expressions.visit(node.iter)
        more = [ast.Constant(broken), _words(grows)]
        call = self._call("for_loop", [walked], [body], names, node, changes, more)
        return [body, located(node, ast.Expr(call))]

    # parts

    def _changed(self, node: ast.stmt) -> set[str]:
        """The local variables that a statement assigns, or whose values it changes in place."""
        return (assigned([node]) & self._locals) | self._roots(t for _, t in changed([node]))

    def _written(self, node: ast.stmt) -> set[str]:
        """The local variables whose arrays are changed in place."""
        parts = [target for whole, target in changed([node]) if not isinstance(whole, ast.Call)]
        updates = (one.target for one in ast.walk(node) if isinstance(one, ast.AugAssign))
        return self._roots([*parts, *(one for one in updates if isinstance(one, ast.Name))])

    def _roots(self, targets: Iterable[ast.expr]) -> set[str]:
        return self._locals.intersection(name for name in map(root, targets) if name is not None)

    def _effects(self, node: ast.stmt) -> list[ast.expr]:
        """What must not happen where a traced value decides: pairs of words and the object."""
        found = []
        for whole, target in changed([node]):
            if root(target) not in self._locals:
                kind = "attribute" if isinstance(whole, ast.Attribute) else "object"
                found.append((kind, ast.unparse(whole), target))
        for child in ast.walk(node):
            if isinstance(child, ast.Raise) and not contains(node, (ast.Try,)):
                found.append(("raise", ast.unparse(child), located(child, ast.Constant(None))))
            if isinstance(child, ast.Call) and getattr(child.func, "id", "") in self._assigning:
                target = located(child, ast.Constant(None))
                found.append(("nonlocal", ast.unparse(child), target))
        for name in sorted(assigned([node]) & set(self._shared)):
            target = located(node, ast.Constant(None))
            found.append((self._shared[name], f"{name} = …", target))
        return [
            located(
                target,
                ast.Tuple([ast.Constant(kind), ast.Constant(text), thunk(target)], ast.Load()),
            )
            for kind, text, target in found
        ]

    def _function(
        self, node: ast.stmt, what: str, parameters: Sequence[str], body: list[ast.stmt]
    ) -> ast.FunctionDef:
        """A function over the variables of this one."""
        self._count += 1
        names = assigned(body)
        outer = self._own | {name for name, word in self._shared.items() if word == "nonlocal"}
        words: list[ast.stmt] = []
        for word, kept in ((ast.Nonlocal, names & outer), (ast.Global, names & self._globals())):
            words += [word(sorted(kept))] if kept else []
        args = ast.arguments([], [ast.arg(name) for name in parameters], None, [], [], None, [])
        name = f"{HANDLE}_{what}_{self._count}"
        lines = [*words, *body] or [ast.Pass()]
        made = ast.FunctionDef(name, args, lines, [], lineno=node.lineno)
        found: ast.FunctionDef = located(node, made)
        return found

    def _globals(self) -> set[str]:
        return {name for name, word in self._shared.items() if word == "global"}

    def _call(
        self,
        name: str,
        first: Sequence[ast.expr],
        functions: Sequence[ast.FunctionDef],
        state: set[str],
        node: ast.If | ast.While | ast.For,
        changes: tuple[Sequence[ast.expr], set[str]],
        more: Sequence[ast.expr] = (),
    ) -> ast.expr:
        """The call that decides: the functions, and the variables that they change."""
        place = node.iter if isinstance(node, ast.For) else node.test
        variables = ast.Tuple([_name(place, one) for one in sorted(state)], ast.Load())
        effects, written = changes
        return call_of(
            name,
            place,
            *first,
            *(_name(place, one.name) for one in functions),
            thunk(located(place, variables)),
            _words(written),
            ast.Tuple(list(effects), ast.Load()),
            *more,
        )


def _local(place: ast.AST, name: str) -> ast.stmt:
    """`name: None`, which makes it a variable of the function and gives it no value."""
    found: ast.stmt = located(
        place, ast.AnnAssign(ast.Name(name, ast.Store()), ast.Constant(None), None, 1)
    )
    return found


def _name(place: ast.AST, name: str) -> ast.expr:
    found: ast.expr = located(place, ast.Name(name, ast.Load()))
    return found


def _words(names: Iterable[str]) -> ast.expr:
    return ast.Tuple([ast.Constant(name) for name in sorted(names)], ast.Load())
