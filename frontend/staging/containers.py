"""Containers of arrays as JSON: what a saved function needs to take and return the user's own."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from symfuse.runtime.errors import ArtifactError, UnsupportedError

__all__ = [
    "build",
    "described",
    "expect_arguments",
    "expect_results",
    "flat",
    "is_flat",
    "leaves_of",
    "shown",
]

_KEYS = (str, int, bool)


def described(tree: Any) -> Any:
    """A tree whose leaves are their own numbers, as JSON.

    A leaf is its number, None is null, and any other container is a list of its kind and parts.
    """
    if tree is None or type(tree) is int:
        return tree
    if type(tree) in (list, tuple):
        return [type(tree).__name__, *map(described, tree)]
    if type(tree) is dict and all(type(key) in _KEYS for key in tree):
        return ["dict", *([key, described(part)] for key, part in tree.items())]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        parts = zip(tree._fields, map(described, tree), strict=True)
        return ["namedtuple", type(tree).__name__, *map(list, parts)]
    if type(tree) is dict:
        raise UnsupportedError(
            f"a dict with the keys {', '.join(map(repr, tree))} cannot be saved",
            fix="use texts or whole numbers as keys",
        )
    raise UnsupportedError(
        f"a {type(tree).__name__} cannot be saved: the file holds no class to make it again",
        fix="take and return dicts, lists, tuples and namedtuples; of a dataclass, its fields",
    )


def flat(count: int, *, one: bool = False) -> Any:
    """The form of a tuple of leaves; with `one`, a single leaf stands by itself."""
    return 0 if one and count == 1 else ["tuple", *range(count)]


def is_flat(form: Any) -> bool:
    """Whether it is a tuple of leaves."""
    return (
        isinstance(form, list)
        and form[0] == "tuple"
        and all(type(part) is int for part in form[1:])
    )


def expect_arguments(form: Any, count: int) -> None:
    """Raise an ArtifactError unless this describes arguments that hold so many leaves."""
    match form:
        case ["tuple", ["tuple", *_], ["dict", *_]]:
            _expect(form, count, "arguments")
        case _:
            raise _undescribed("arguments", f"{form!r} is no tuple of a tuple and a dict")


def expect_results(form: Any, count: int) -> None:
    """Raise an ArtifactError unless this describes results that hold so many leaves."""
    _expect(form, count, "results")


def _expect(form: Any, count: int, what: str) -> None:
    try:
        numbers = sorted(_numbers(form))
    except (ValueError, RecursionError) as error:
        raise _undescribed(what, str(error)) from error
    if numbers != list(range(count)):
        raise _undescribed(what, f"{form!r} does not have the {count} leaves of the program")


def _undescribed(what: str, how: str) -> ArtifactError:
    return ArtifactError(
        f"the file does not describe the {what} of a function: {how}",
        fix="save the function again with this version",
    )


def _numbers(form: Any) -> Iterator[int]:
    """The numbers of the leaves; a ValueError says what is no form."""
    if form is None or type(form) is int:
        yield from () if form is None else (form,)
        return
    match form:
        case ["list" | "tuple", *parts]:
            pass
        case ["dict", *rows] if all(map(_is_row, rows)):
            parts = [part for _, part in rows]
        case ["namedtuple", str(name), *rows] if all(map(_is_row, rows)):
            _namedtuple(name, tuple(field for field, _ in rows))
            parts = [part for _, part in rows]
        case _:
            raise ValueError(f"{form!r} is no container of arrays")
    for part in parts:
        yield from _numbers(part)


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 2 and type(row[0]) in _KEYS


def build(form: Any, leaves: Sequence[Any]) -> Any:
    """The containers of this form around the leaves."""
    if not isinstance(form, list):
        return None if form is None else leaves[form]
    kind, *parts = form
    if kind == "dict":
        return {key: build(part, leaves) for key, part in parts}
    if kind == "namedtuple":
        name, *fields = parts
        cls = _namedtuple(name, tuple(field for field, _ in fields))
        return cls(*(build(part, leaves) for _, part in fields))
    found = [build(part, leaves) for part in parts]
    return found if kind == "list" else tuple(found)


def leaves_of(form: Any, value: Any) -> list[Any] | None:
    """The leaves in the order of their numbers; None if the value has another form."""
    found: dict[int, Any] = {}
    fits = _collect(form, value, found)
    return [found[number] for number in range(len(found))] if fits else None


def shown(form: Any) -> str:
    """The form as it is written in Python, with a star for each array."""
    if not isinstance(form, list):
        return "None" if form is None else "*"
    kind, *parts = form
    if kind == "dict":
        return "{" + ", ".join(f"{key!r}: {shown(part)}" for key, part in parts) + "}"
    if kind == "namedtuple":
        name, *fields = parts
        return f"{name}({', '.join(f'{field}={shown(part)}' for field, part in fields)})"
    inner = ", ".join(map(shown, parts))
    if kind == "list":
        return f"[{inner}]"
    return f"({inner},)" if len(parts) == 1 else f"({inner})"


def _collect(form: Any, value: Any, found: dict[int, Any]) -> bool:
    """Whether a value has the form; its leaves are put into `found` by number."""
    if not isinstance(form, list):
        if form is not None:
            found[form] = value
        is_leaf = value is not None and not isinstance(value, dict | list | tuple)
        return is_leaf if form is not None else value is None
    kind, *parts = form
    if kind == "dict":
        if type(value) is not dict or value.keys() != {key for key, _ in parts}:
            return False
        return all(_collect(part, value[key], found) for key, part in parts)
    if kind == "namedtuple":
        _, *fields = parts
        if getattr(value, "_fields", None) != tuple(field for field, _ in fields):
            return False
        parts = [part for _, part in fields]
    elif type(value) is not (list if kind == "list" else tuple) or len(value) != len(parts):
        return False
    return all(_collect(part, inner, found) for part, inner in zip(parts, value, strict=True))


@cache
def _namedtuple(name: str, fields: tuple[str, ...]) -> Any:
    return namedtuple(name, fields)
