"""What users ask for by name, such as a loss, and what is remembered of how they made it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterable, Mapping
from functools import wraps
from itertools import chain
from typing import Any, TypeVar, get_args, get_type_hints

from msgspec import Struct
from msgspec.structs import force_setattr

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

__all__ = ["Made", "Origin", "by_name", "expect_made", "remembered", "unique"]

T = TypeVar("T")
Maker = TypeVar("Maker", bound=Callable[..., Any])
_NONE: Mapping[str, str] = {}


def by_name(kind: str, name: Any, known: Mapping[str, T], short: Mapping[str, str] = _NONE) -> T:
    """What is known under a name, or under the one that is short for it."""
    found = known.get(short.get(name, name)) if isinstance(name, str) else None
    if found is None:
        raise ArgumentError(
            f"there is no {kind} {name!r}",
            fix=f"give one of {', '.join(sorted(known))}",
            loc=user_location(),
        )
    return found


def unique(base: str, taken: Container[str]) -> str:
    """A name that is not taken: the base, or the base with a number, as dense_1 behind dense."""
    name, at = base, 0
    while name in taken:
        at += 1
        name = f"{base}_{at}"
    return name


class Origin(Struct, frozen=True):
    """How something was made: the public name of the function, and its arguments by name."""

    maker: str
    settings: dict[str, Any]

    def __str__(self) -> str:
        given = ", ".join(f"{name}={_shown(value)}" for name, value in self.settings.items())
        return f"{self.maker.rpartition('.')[2]}({given})"


class Made(Struct, frozen=True, eq=False, kw_only=True):
    """A record that knows how it was made, and is shown as that."""

    origin: Origin | None = None

    def __repr__(self) -> str:
        return str(self.origin or f"<{type(self).__name__} {getattr(self, 'name', '')}>")


def _shown(value: Any) -> str:
    origin = getattr(value, "origin", None)
    return str(origin) if isinstance(origin, Origin) else repr(value)


def remembered(maker: Maker) -> Maker:
    """The maker of records or functions which then know their `origin`, so as to be saved."""
    signature = inspect.signature(maker)
    title = f"{maker.__module__.split('.')[1]}.{maker.__name__}"

    @wraps(maker)
    def made(*args: Any, **settings: Any) -> Any:
        origin = Origin(title, _arguments(maker, signature, args, settings))
        found = maker(*args, **settings)
        if isinstance(found, Struct):
            force_setattr(found, "origin", origin)
        else:
            found.origin, found.__qualname__ = origin, str(origin)
        return found

    made.makes = maker.__name__  # type: ignore[attr-defined]
    return made  # type: ignore[return-value]


def expect_made(kind: str, identifier: Any) -> None:
    """Raise ArgumentError where a maker is given and not what it makes, as Adam for Adam()."""
    name = getattr(identifier, "makes", None)
    if name is not None:
        raise ArgumentError(
            f"{kind}: {name} is given, not what it makes",
            fix=f"call it: {name}()",
            loc=user_location(),
        )


def _arguments(
    maker: Callable[..., Any],
    signature: inspect.Signature,
    args: tuple[Any, ...],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What a maker is given, by name; ArgumentError for what it does not take."""
    try:
        given = dict(signature.bind(*args, **settings).arguments)
    except TypeError as error:
        raise _unfitting(maker, signature, str(error)) from None
    rest = next((name for name in given if _takes_rest(signature, name)), None)
    more = {} if rest is None else given.pop(rest)
    unknown = [] if rest is None else sorted(more.keys() - _hinted(maker, rest, more))
    if unknown:
        what = f"got an unexpected keyword argument {unknown[0]!r}"
        raise _unfitting(maker, signature, what)
    return {**given, **more}


def _takes_rest(signature: inspect.Signature, name: str) -> bool:
    return signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD


def _hinted(maker: Callable[..., Any], rest: str, unknown: Iterable[str]) -> list[str]:
    """The names that `**rest: Unpack[TypedDict]` takes; any are taken where there is no such."""
    hint = get_args(get_type_hints(maker)[rest])
    return list(get_type_hints(hint[0]) if hint else unknown)


def _unfitting(maker: Callable[..., Any], signature: inspect.Signature, what: str) -> ArgumentError:
    own = [name for name in signature.parameters if not _takes_rest(signature, name)]
    more = [_hinted(maker, name, ()) for name in signature.parameters.keys() - own]
    return ArgumentError(
        f"{maker.__name__}() {what}" if what.startswith("got") else f"{maker.__name__}: {what}",
        fix=f"its arguments are {', '.join([*own, *chain(*more)])}",
        loc=user_location(),
    )
