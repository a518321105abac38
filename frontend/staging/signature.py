"""What identifies a call for the cache, and the sentence that explains a retrace."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import TraceError

from ..tracing.record import Arguments
from ..tracing.specs import describe
from ..tracing.tree import Structure

__all__ = ["Kind", "Shapes", "changed", "difference", "exact", "is_array", "kind_of", "merged"]

Shapes = tuple[tuple[int, ...], ...]


class Kind(Struct, frozen=True):
    """Everything about a call but its sizes: calls of one kind share compiled code."""

    tree: Any
    dtypes: tuple[DType, ...]
    weak: tuple[bool, ...]
    ranks: tuple[int, ...]
    static: tuple[tuple[Any, ...], ...]
    orders: tuple[Any, ...] = ()  # of the keys of dicts, in which functions may walk over them


def kind_of(found: Arguments) -> tuple[Kind, Shapes]:
    """The kind of a call and its sizes."""
    types, shapes = [], []
    for leaf in found.leaves:
        if is_array(leaf) and leaf.dtype in _KNOWN:
            types.append((_KNOWN[leaf.dtype], False))
            shapes.append(leaf.shape)
        else:
            (one,) = describe([leaf])
            if type(leaf) is np.ndarray and leaf.dtype.isnative:
                _KNOWN[leaf.dtype] = one.type.dtype
            types.append((one.type.dtype, one.weak))
            shapes.append(tuple(int(n) for n in one.type.shape))  # type: ignore[arg-type]
    static = _hashable((*found.static, *found.static_names))
    kind = Kind(
        found.tree.spec,
        tuple(dtype for dtype, _ in types),
        tuple(weak for _, weak in types),
        tuple(len(shape) for shape in shapes),
        static,
    )
    return kind, tuple(shapes)


def is_array(leaf: Any) -> bool:
    """Whether a leaf is an array of NumPy's, or of symfuse's on a device."""
    return type(leaf) is np.ndarray or isinstance(getattr(leaf, "element", None), DType)


def exact(tree: Structure, orders: tuple[Any, ...], leaves: Sequence[Any]) -> Any:
    """What identifies a call down to its sizes, cheaply; None if there are leaves that are neither
    arrays nor numbers."""
    types = [_exact_type(leaf) for leaf in leaves]
    return None if None in types else (tree.spec, orders, *types)


def _exact_type(leaf: Any) -> Any:
    """Element type and shape of an array, the type of a number that tells its element type."""
    if is_array(leaf):
        return leaf.dtype, leaf.shape
    kind: Any = type(leaf)
    if kind is int:
        return kind if -(2**63) <= leaf < 2**63 else None
    return kind if kind in _NUMBERS or issubclass(kind, np.number) else None


_NUMBERS = (float, bool, complex)  # the types of Python numbers that have one element type each
_KNOWN: dict[Any, DType] = {}  # by NumPy's type: what arrays have come so far


def _hashable(static: tuple[tuple[Any, Any], ...]) -> tuple[tuple[Any, ...], ...]:
    """Static values with what tells them apart, since 1, 1.0 and True are equal."""
    for key, value in static:
        try:
            hash(value)
        except TypeError:
            raise TraceError(
                f"the static argument {key!r} is a {type(value).__name__}, which cannot be hashed",
                fix="pass a tuple or a frozen dataclass, or do not make it static",
                loc=user_location(),
            ) from None
    return tuple((key, _identity(value), Shown(value)) for key, value in static)


class Shown(Struct, frozen=True):
    """A value in an error message; it tells no two calls apart."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shown)

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return repr(self.value)


def _identity(value: Any) -> Any:
    """What is equal for static values that a function cannot tell apart, and for no others."""
    kind: Any = type(value)
    if kind in (float, complex):
        return kind, repr(value)  # 0.0 is equal to -0.0, and NaN to nothing
    if isinstance(value, np.generic):
        return kind, value.dtype, value.tobytes()
    if isinstance(value, tuple | frozenset):
        parts = map(_identity, value)
        return kind, tuple(parts) if isinstance(value, tuple) else frozenset(parts)
    if dataclasses.is_dataclass(value) and kind.__hash__ is not object.__hash__:
        fields = (
            getattr(value, field.name) for field in dataclasses.fields(value) if field.compare
        )
        return kind, value, tuple(map(_identity, fields))
    return kind, value


def changed(seen: Sequence[Shapes]) -> dict[tuple[int, int], tuple[int, ...]]:
    """The dimensions that differ between calls: (leaf, axis) → its size in each call."""
    columns: dict[tuple[int, int], tuple[int, ...]] = {}
    for leaf, shape in enumerate(seen[0]):
        for axis in range(len(shape)):
            sizes = tuple(shapes[leaf][axis] for shapes in seen)
            if len(set(sizes)) > 1:
                columns[leaf, axis] = sizes
    return columns


def merged(open_: dict[tuple[int, int], tuple[int, ...]]) -> dict[tuple[int, int], str]:
    """A name for each changing dimension; those that were equal in every call share one."""
    names: dict[tuple[int, ...], str] = {}
    return {place: names.setdefault(sizes, _letter(len(names))) for place, sizes in open_.items()}


def _letter(index: int) -> str:
    letters = "NMKLPQRSUVWXYZ"
    return letters[index] if index < len(letters) else f"N{index}"


def difference(new: Kind, known: Sequence[Kind], names: Sequence[str]) -> str:
    """Why a call needs code of its own although other kinds of call have some."""
    if not known:
        return "it is the first call"
    old = min(known, key=lambda kind: len(_differences(new, kind, names)))
    return _differences(new, old, names)[0]


def _restructured(new: Any, old: Any) -> str:
    """What is given that was not before, or the other way round."""
    now, before = (
        [f"argument{path[3:]}" for path in Structure(spec).paths("")]  # behind [0], or [1] by name
        for spec in (new, old)
    )
    parts = [f"{one} is new" for one in now if one not in before]
    parts += [f"{one} is not there" for one in before if one not in now]
    return ", ".join(parts[:2]) or "the arguments are in other containers than before"


def _differences(new: Kind, old: Kind, names: Sequence[str]) -> list[str]:
    if new.tree != old.tree:
        return [_restructured(new.tree, old.tree)] * 9
    found = []
    for at, name in enumerate(names):
        if new.ranks[at] != old.ranks[at]:
            found.append(f"{name} has rank {new.ranks[at]}, before {old.ranks[at]}")
        if new.dtypes[at] != old.dtypes[at]:
            found.append(f"{name} is {new.dtypes[at]}, before {old.dtypes[at]}")
        if new.weak[at] != old.weak[at]:
            now = "a Python number" if new.weak[at] else "an array"
            found.append(f"{name} is {now}, before it was not")
    before = {key: repr(value) for key, _, value in old.static}
    found += [
        f"static argument {key} is {value!r}, before {before.get(key, 'not given')}"
        for key, kind, value in new.static
        if (key, kind, value) not in old.static
    ]
    if new.orders != old.orders:
        found.append(f"the keys of dicts are in the order {new.orders}, before {old.orders}")
    return found or ["a static argument is not given"]
