"""Plain data, as JSON holds it, as values of declared types: what a file says is checked here.

By no library of conversions, as programs load with NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import repeat
from types import NoneType, UnionType
from typing import Any, ForwardRef, Union, cast, get_args, get_origin, get_type_hints

__all__ = ["converted", "plain"]

Kinds = Mapping[type, str]
Convert = Callable[[Any, Kinds], Any]
_KIND = "kind"
_LONGEST = 60  # characters of a value that an error shows
_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    bytes: "bytes",
    NoneType: "null",
    tuple: "a list",
}


def converted(value: Any, type_: Any, kinds: Kinds | None = None) -> Any:
    """The value as one of the type; a ValueError says which part of it has another type.

    Lists become tuples, objects the NamedTuple or dataclass that is declared, texts the members
    of enums. Of records that `kinds` names, an object says by its `kind` which it is.
    """
    try:
        return _conversion(type_)(value, kinds or {})
    except _Unfit as unfit:
        raise ValueError(unfit.text) from None


def plain(value: Any, kinds: Kinds | None = None) -> Any:
    """The value as JSON holds it, of which `converted` makes it again: records are objects."""
    kinds, type_ = kinds or {}, cast(Any, type(value))
    if _is_record(value):
        rows = {name: plain(getattr(value, name), kinds) for name in _fields(type_)[0]}
        return rows | ({_KIND: kinds[type_]} if type_ in kinds else {})
    if isinstance(value, tuple):
        return [plain(one, kinds) for one in value]
    return value


class _Unfit(Exception):
    """What does not fit a type, and the way to it from the value that is converted."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how
        self.way: list[str | int] = []  # from the inside out

    @property
    def text(self) -> str:
        steps = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in reversed(self.way))
        return f"{''.join(steps).lstrip('.') or 'it'} {self.how}"


@cache
def _conversion(type_: Any) -> Convert:
    """What converts plain data to a type."""
    origin, parts = get_origin(type_), get_args(type_)
    if type_ is Any:
        return lambda value, kinds: value
    if origin in (Union, UnionType):
        return _to_one_of(type_, parts)
    if origin is tuple:
        return _to_tuple(parts)
    if origin is not None:
        return _to_mapping(_conversion(parts[1]))
    if _is_record(type_):
        return _to_record(type_)
    return _to_member(type_) if issubclass(type_, Enum) else _to_itself(type_)


def _to_itself(type_: Any) -> Convert:
    fits = (int, float) if type_ is float else (type_,)

    def convert(value: Any, kinds: Kinds) -> Any:
        if type(value) not in fits:
            raise _misfit(value, type_)
        return value

    return convert


def _to_member(type_: Any) -> Convert:
    members = {member.value: member for member in type_}

    def convert(value: Any, kinds: Kinds) -> Any:
        if type(value) is not str or value not in members:
            raise _misfit(value, type_)
        return members[value]

    return convert


def _to_one_of(type_: Any, options: tuple[Any, ...]) -> Convert:
    records = [one for one in options if _is_record(one)]
    others = [_conversion(one) for one in options if not _is_record(one)]

    def convert(value: Any, kinds: Kinds) -> Any:
        if isinstance(value, dict):
            for record in records:
                if kinds.get(record) == value.get(_KIND):
                    return _conversion(record)(value, kinds)
        for other in others:
            try:
                return other(value, kinds)
            except _Unfit:
                continue
        raise _misfit(value, type_)

    return convert


def _to_tuple(parts: tuple[Any, ...]) -> Convert:
    is_open = parts[-1:] == (...,)
    converts = repeat(_conversion(parts[0])) if is_open else [*map(_conversion, parts)]

    def convert(value: Any, kinds: Kinds) -> Any:
        if not isinstance(value, list | tuple):
            raise _misfit(value, tuple)
        if not is_open and len(value) != len(parts):
            raise _Unfit(f"has {len(value)} elements in place of {len(parts)}")
        rows = zip(range(len(value)), converts, value, strict=False)
        return tuple(_each(rows, kinds).values())

    return convert


def _to_mapping(each: Convert) -> Convert:
    def convert(value: Any, kinds: Kinds) -> Any:
        rows = _table(value)
        return _each(zip(rows, repeat(each), rows.values(), strict=False), kinds)

    return convert


def _to_record(type_: Any) -> Convert:
    def convert(value: Any, kinds: Kinds) -> Any:
        converts, needed = _fields(type_)
        rows = _table(value)
        if type_ in kinds:
            if rows.get(_KIND) != kinds[type_]:
                raise _Unfit(f"is no {_KIND} {kinds[type_]!r}")
            rows = {name: one for name, one in rows.items() if name != _KIND}
        if missing := needed - rows.keys():
            raise _Unfit(f"has no {min(missing)!r}")
        if unknown := rows.keys() - converts.keys():
            raise _Unfit(f"has {min(unknown)!r}, which nothing is known of")
        made = _each(((name, converts[name], one) for name, one in rows.items()), kinds)
        return type_(**made)

    return convert


@cache
def _fields(type_: Any) -> tuple[Mapping[str, Convert], frozenset[str]]:
    """What converts to each field of a record, and the names of those without a default."""
    types = type_.__annotations__
    if any(isinstance(one, str | ForwardRef) for one in types.values()):
        types = get_type_hints(type_)  # which takes a while: for records of devices alone
    if is_dataclass(type_):
        unset = {f.name for f in fields(type_) if f.default is f.default_factory is MISSING}
    else:
        unset = types.keys() - type_._field_defaults.keys()
    return {name: _conversion(one) for name, one in types.items()}, frozenset(unset)


def _is_record(type_: Any) -> bool:
    return hasattr(type_, "_fields") or is_dataclass(type_)


def _each(rows: Iterable[tuple[Any, Convert, Any]], kinds: Kinds) -> dict[Any, Any]:
    """The values under their keys, converted; an error knows under which its value stands."""
    made = {}
    for key, convert, value in rows:
        try:
            made[key] = convert(value, kinds)
        except _Unfit as unfit:
            unfit.way.append(key)
            raise
    return made


def _table(value: Any) -> Any:
    if not isinstance(value, dict):
        raise _misfit(value, Mapping)
    return value


def _misfit(value: Any, type_: Any) -> _Unfit:
    shown = repr(value)
    text = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
    return _Unfit(f"is {text}, where {_named(type_)} belongs")


def _named(type_: Any) -> str:
    """A type as an error calls it."""
    origin = get_origin(type_) or type_
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_named, get_args(type_))))
    if origin in _NAMES:
        return _NAMES[origin]
    return f"the name of a {origin.__name__}" if issubclass(origin, Enum) else "an object"
