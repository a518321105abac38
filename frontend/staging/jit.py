"""`sf.jit`: compiles a function for the calls that it meets."""

from __future__ import annotations

import functools
import inspect
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

from msgspec.structs import replace

from symfuse.compiler.interpreter import without_collection
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, CompileError, SymfuseError, unsent
from symfuse.runtime.log import log

from ..capture.attempt import inlined
from ..control.regions import expect_function
from ..tracing.dispatch import ACTIVE, has_tracer
from ..tracing.graph import Graph
from ..tracing.record import (
    Arguments,
    Recorded,
    arguments,
    describe_named,
    function_name,
    record_flat,
)
from ..tracing.tree import flatten, key_orders
from .aot import Lowered, lower
from .backend import Choices, load
from .draws import warning_of_draws
from .signature import Kind, Shapes, changed, difference, exact, kind_of, merged
from .variants import CacheInfo, Compilation, Family, Variant, described, first_line, is_plain

__all__ = ["CacheInfo", "Compilation", "Jit", "jit", "no_recompile", "unrouted"]

MOST_KNOWN = 256  # calls with containers that are found again without looking closely
_live: weakref.WeakSet[Jit] = weakref.WeakSet()
_forbidden: ContextVar[bool] = ContextVar("symfuse_no_recompile", default=False)


class Jit:
    """A function that is compiled when it is called, once for each kind of call.

    When a size changes, the next code has that dimension symbolic and serves every size.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        choices: Choices,
        *,
        static_argnums: tuple[int, ...],
        static_argnames: tuple[str, ...],
        donate_argnums: tuple[int, ...],
        static_dims: Mapping[int, Any],
    ) -> None:
        functools.update_wrapper(self, function)
        self._function, self._choices = function, choices
        self._static = _both_spellings(function, static_argnums, static_argnames)
        self._donated, self._fixed = donate_argnums, static_dims
        self._families: dict[Kind, Family] = {}
        self._exact: dict[Any, Variant] = {}
        self._log: list[Compilation] = []
        self._lock = threading.RLock()
        kinds = {parameter.kind for parameter in _parameters(function)}
        self._takes_any_name = inspect.Parameter.VAR_KEYWORD in kinds
        _live.add(self)

    def __new__(cls, *_: Any, **__: Any) -> Jit:
        """Each function has a class of its own, so that native code can be its `__call__`."""
        own: type[Jit] = type(cls.__name__, (cls,), {"__doc__": cls.__doc__})
        return object.__new__(own)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._slow(args, kwargs)

    def __reduce__(self) -> NoReturn:
        raise unsent(function_name(self._function))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<jit of {function_name(self._function)}>"

    def lower(self, *specs: Any, **named: Any) -> Lowered:
        """The traced function for arguments like these, to look at and to compile."""
        nums, names = self._static
        return lower(
            self._function,
            specs,
            named,
            self._choices,
            self._donated,
            static_argnums=nums,
            static_argnames=names,
        )

    def trace(self, *specs: Any, **named: Any) -> Graph:
        """The graph for arguments like these."""
        return self.lower(*specs, **named).graph

    def cache_info(self) -> CacheInfo:
        """How often this function was compiled."""
        seconds = sum(one.seconds for one in self._log)
        return CacheInfo(len(self._log), len(self._families), seconds)

    def explain_cache(self) -> str:
        """One line for each compilation: its types, why it was needed, what it cost."""
        return "\n".join(map(str, self._log)) or "nothing has been compiled yet"

    def compilations(self) -> tuple[Compilation, ...]:
        """Every compilation so far, in order."""
        return tuple(self._log)

    def clear_cache(self) -> None:
        """Forget all code."""
        self._families.clear()
        self._exact.clear()
        self._route(None)

    def _slow(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if ACTIVE.get() is not None:
            return inlined(self._function)(*args, **kwargs)
        nums, names = self._static
        key = None
        if not nums and not names:
            leaves, tree = flatten((args, kwargs))
            key = exact(tree, self._orders(args, kwargs), leaves)
            if key is not None and (known := self._exact.get(key)) is not None:
                with self._lock:
                    self._serve(known)
                return known.run(leaves)
        found = arguments(args, kwargs, [n for n in nums if n < len(args)], names)
        if has_tracer(found.leaves):
            return self._function(*args, **kwargs)
        with self._lock:  # threads that make the same first call compile once
            variant = self._variant(found, *self._kind(found, self._orders(args, kwargs)))
            if key is not None:
                self._remember(key, variant)
            self._serve(variant)
        try:
            return variant.run(found.leaves)
        except SymfuseError as error:
            raise error.at(user_location()) from None

    def _remember(self, key: Any, variant: Variant) -> None:
        if len(self._exact) >= MOST_KNOWN:
            self._exact.clear()
        self._exact[key] = variant

    def _orders(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The order of keys in which the function may see dicts; names of parameters have none."""
        given = kwargs if self._takes_any_name else list(kwargs.values())
        return key_orders((args, given))

    def _kind(self, found: Arguments, orders: tuple[Any, ...]) -> tuple[Kind, Shapes]:
        """The kind of a call, which the sizes that `static_dims` names are part of."""
        try:
            kind, shapes = kind_of(found)
        except SymfuseError:
            describe_named(self._function, found)
            raise
        fixed = [
            (f"size {axis} of leaf {leaf}", int, size)
            for leaf, shape in enumerate(shapes if self._fixed else ())
            for axis, size in enumerate(shape)
            if self._is_fixed(found, leaf, axis)
        ]
        return replace(kind, static=(*kind.static, *fixed), orders=orders), shapes

    def _variant(self, found: Arguments, kind: Kind, shapes: Shapes) -> Variant:
        family = self._families.get(kind)
        if family is not None and (known := family.find(shapes)) is not None:
            return known
        leaf_names = found.names(self._function)
        if family is None:
            reason = difference(kind, list(self._families), leaf_names)
            family = Family()
        else:
            reason = self._new_sizes(family, shapes, leaf_names)
        if _forbidden.get() and self._log:
            raise CompileError(
                f"{self!r} would be compiled again: {reason}",
                fix="call it with these arguments before sf.no_recompile()",
                loc=user_location(),
            )
        variant = self._compile(found, kind, family, shapes, reason)
        family.add(shapes, variant)
        self._families[kind] = family
        return variant

    def _new_sizes(self, family: Family, shapes: Shapes, names: Sequence[str]) -> str:
        if family.rigid:
            return family.rigid
        assert family.variant is not None
        for leaf, (old, new) in enumerate(zip(family.seen[0], shapes, strict=True)):
            for axis, (before, now) in enumerate(zip(old, new, strict=True)):
                if before != now and (leaf, axis) not in family.variant.open:
                    change = f"axis {axis} of {names[leaf]} has size {now}, before {before}"
                    return f"{change}: it is now symbolic"
        return "sizes that were equal in all calls so far differ now"

    def _compile(
        self, found: Arguments, kind: Kind, family: Family, shapes: Shapes, reason: str
    ) -> Variant:
        """Code for these sizes; for any that changed, unless the function needs them as numbers."""
        names = {} if family.rigid else merged(changed([*family.seen, shapes]))
        try:
            return self._compiled(found, kind, shapes, names, reason)
        except (SymfuseError, TypeError) as error:
            if not names:
                raise
            variant = self._compiled(found, kind, shapes, {}, f"{reason}, but {first_line(error)}")
            family.rigid = f"every size has its own code: {first_line(error)}"
            return variant

    def _compiled(
        self,
        found: Arguments,
        kind: Kind,
        shapes: Shapes,
        names: Mapping[tuple[int, int], str],
        reason: str,
    ) -> Variant:
        start = time.perf_counter()
        types = [described(kind, leaf, shape, names) for leaf, shape in enumerate(shapes)]
        with without_collection():
            with warning_of_draws(self._function):
                recorded = record_flat(self._function, found, types)
            graph = replace(recorded.graph, donated=self._donated_nodes(found, recorded))
            loaded = load(graph, self._choices)
        one = Compilation(
            f"{graph.name}({', '.join(str(t.type) for t in types)})",
            reason,
            time.perf_counter() - start,
        )
        self._log.append(one)
        log("recompiles", "%s", one)
        kept = replace(recorded, arguments=replace(recorded.arguments, leaves=[]))
        plain = not kind.static and is_plain(found.tree, found.leaves, recorded.out_tree)
        numbers = tuple(at for at, leaf in enumerate(found.leaves) if type(leaf) is float)
        return Variant(loaded, kept, shapes, names, plain, numbers)

    def _is_fixed(self, found: Arguments, leaf: int, axis: int) -> bool:
        """Whether `static_dims` keeps this dimension a number."""
        at = found.position_of(leaf)
        axes = self._fixed.get(at, ())
        return axis in ((axes,) if isinstance(axes, int) else tuple(axes))

    def _donated_nodes(self, found: Arguments, recorded: Recorded) -> frozenset[Any]:
        given = recorded.graph.parameters[: len(found.leaves)]
        return frozenset(
            node for at, node in enumerate(given) if found.position_of(at) in self._donated
        )

    def _serve(self, variant: Variant) -> None:
        """Have plain calls go straight to the code where nothing stands between."""
        executable = variant.loaded.executable
        if executable is None or not variant.is_plain or variant.loaded.is_wrapped:
            self._route(None)
            return
        if variant.direct is None:
            variant.direct = executable.entry_or(_weakly(self), variant.numbers)
        self._route(variant.direct)

    def _route(self, native: Callable[..., Any] | None) -> None:
        """Have calls reach native code with nothing in between, or the method of the class."""
        own: Any = type(self)
        now = vars(own).get("__call__")
        if native is None and now is not None:
            del own.__call__
        elif native is not now:
            own.__call__ = native


def jit(
    fun: Callable[..., Any] | None = None,
    /,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    static_dims: Mapping[int, Any] | None = None,
    target: str | None = None,
    numerics: str | None = None,
    threads: int | None = None,
    verify: bool | None = None,
    mode: str | None = None,
) -> Any:
    """The function, compiled when it is called; also usable as a decorator with arguments.

    It is compiled for the sizes of the first call. When a size changes, it is compiled once more
    with that dimension symbolic; `static_dims={0: 1}` keeps axis 1 of argument 0 a number.
    Static arguments are Python values that the function branches on: each value has its own code.

    >>> import symfuse as sf
    >>> fast = sf.jit(lambda x: x * 2, target="interpret")
    >>> float(fast(4.0))
    8.0
    >>> fast.cache_info().compiles
    1
    """
    if fun is None:
        given = {k: v for k, v in locals().items() if k != "fun"}
        return lambda function: jit(function, **given)
    expect_function("jit", "fun", fun)
    _expect_known(fun, "static_argnums", _tuple(static_argnums))
    _expect_known(fun, "donate_argnums", _tuple(donate_argnums))
    _expect_known(fun, "static_argnames", _tuple(static_argnames))
    return Jit(
        fun,
        Choices(target, numerics, threads, None, verify, mode),
        static_argnums=_tuple(static_argnums),
        static_argnames=_tuple(static_argnames),
        donate_argnums=_tuple(donate_argnums),
        static_dims=static_dims or {},
    )


@contextmanager
def no_recompile() -> Iterator[None]:
    """Raise CompileError in the block where a jit-ed function would be compiled again."""
    token = _forbidden.set(True)
    try:
        yield
    finally:
        _forbidden.reset(token)


def unrouted() -> None:
    """Have the next call of every jit-ed function choose its code anew."""
    for one in list(_live):
        one._route(None)


def _weakly(owner: Jit) -> Callable[..., Any]:
    """The slow path of a jit-ed function for native code, which cannot be part of a cycle."""
    known = weakref.ref(owner)

    def slow(*args: Any, **kwargs: Any) -> Any:
        found = known()
        assert found is not None
        return found._slow(args, kwargs)

    return slow


def _tuple(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, int | str) else tuple(value)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function; none where it does not tell."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def _both_spellings(
    function: Callable[..., Any], nums: tuple[int, ...], names: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Static arguments by position and by name, whichever way a call passes them."""
    if not (parameters := _parameters(function)):
        return nums, names
    by_position = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    more_names = [by_position[n] for n in nums if -len(by_position) <= n < len(by_position)]
    more_nums = [by_position.index(name) for name in names if name in by_position]
    nums = tuple(n % len(parameters) if n < 0 else n for n in nums)
    return tuple(sorted({*nums, *more_nums})), tuple(sorted({*names, *more_names}))


def _expect_known(function: Callable[..., Any], what: str, given: tuple[Any, ...]) -> None:
    """Raise where a function has no parameter of a number or name that is given."""
    parameters = _parameters(function)
    if not parameters:
        return
    kinds = {p.kind for p in parameters}
    by_position = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    count, names = len(by_position), [p.name for p in parameters]
    for one in given:
        is_number = isinstance(one, int)
        rest = inspect.Parameter.VAR_POSITIONAL if is_number else inspect.Parameter.VAR_KEYWORD
        if rest in kinds or (-count <= one < count if is_number else one in names):
            continue
        raise ArgumentError(
            f"jit: {what}={one!r}, but the parameters are ({', '.join(names)})",
            fix="name one of them",
            loc=user_location(),
        )
