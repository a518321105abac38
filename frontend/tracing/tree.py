"""Pytrees: dicts, lists, tuples, dataclasses and registered classes, taken apart and put back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import optree
from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import TraceError

__all__ = [
    "Structure",
    "containers",
    "flatten",
    "key_orders",
    "leaf_paths",
    "map_leaves",
    "prefix_leaves",
    "register",
    "same",
]

_NAMESPACE = "symfuse"
_registered: set[type] = set()


class Structure(Struct, frozen=True):
    """The shape of a pytree without its leaves; equal structures take the same leaves."""

    spec: Any

    @property
    def count(self) -> int:
        """The number of leaves."""
        return int(self.spec.num_leaves)

    @property
    def is_leaf(self) -> bool:
        return bool(self.spec.is_leaf())

    @property
    def is_flat_tuple(self) -> bool:
        """Whether it is a plain tuple of leaves."""
        return self.spec.type is tuple and self.spec.num_nodes == self.spec.num_leaves + 1

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The pytree of this structure that holds `leaves`."""
        return optree.tree_unflatten(self.spec, leaves)

    def paths(self, root: str) -> list[str]:
        """How the user writes each leaf: `params['w1']`."""
        return [accessor.codify(root) for accessor in optree.treespec_accessors(self.spec)]

    def children(self) -> list[Structure]:
        """The structures of the direct parts."""
        return [Structure(child) for child in optree.treespec_children(self.spec)]

    def __str__(self) -> str:
        shown = str(optree.tree_unflatten(self.spec, [_Star()] * self.count))
        return shown.replace("'", '"') if '"' in shown else shown


class _Star:
    def __repr__(self) -> str:
        return "*"


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves from left to right, and what puts them together again."""
    leaves, spec = optree.tree_flatten(tree, namespace=_NAMESPACE)
    unknown = [cls for cls in set(map(type, leaves)) if _is_new_dataclass(cls)]
    if not unknown:
        return leaves, Structure(spec)
    for cls in unknown:
        _register_dataclass(cls)
    return flatten(tree)


def containers(tree: Any) -> Iterator[tuple[Any, list[Any]]]:
    """The containers in a tree with what they hold, outer ones first; of dicts keys as well."""
    kind = type(tree)
    if isinstance(tree, dict):
        parts = list(tree.values())
        yield tree, [*tree, *parts]
    elif isinstance(tree, list | tuple):
        parts = list(tree)
        yield tree, parts
    elif kind in _registered:
        parts = list(optree.tree_flatten_one_level(tree, namespace=_NAMESPACE)[0])
        yield tree, parts
    else:
        return
    for part in parts:
        yield from containers(part)


def key_orders(tree: Any) -> tuple[tuple[Any, ...], ...]:
    """The keys of the dicts in a tree as they stand; structures are equal in any order."""
    found: list[tuple[Any, ...]] = []
    _add_orders(tree, found)
    return tuple(found)


def _add_orders(tree: Any, found: list[tuple[Any, ...]]) -> None:
    """Written for speed: every call of a function passes here."""
    parts: Iterable[Any]
    if isinstance(tree, dict):
        if len(tree) > 1:
            found.append(tuple(tree))
        parts = tree.values()
    elif isinstance(tree, list | tuple):
        parts = tree
    elif type(tree) in _registered:
        parts = optree.tree_flatten_one_level(tree, namespace=_NAMESPACE)[0]
    else:
        return
    for part in parts:
        if type(part) is not np.ndarray:
            _add_orders(part, found)


def map_leaves(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The tree of `function(leaf, ...)`; the other trees have the structure of the first."""
    leaves, structure = flatten(tree)
    columns = [leaves, *(same(other, structure, "argument") for other in others)]
    return structure.unflatten([function(*row) for row in zip(*columns, strict=True)])


def leaf_paths(tree: Any, root: str) -> list[str]:
    """How the user writes each leaf of a pytree."""
    return flatten(tree)[1].paths(root)


def same(tree: Any, structure: Structure, what: str) -> list[Any]:
    """The leaves of a tree that must have the given structure."""
    leaves, found = flatten(tree)
    if found != structure:
        raise TraceError(
            f"{what} has the structure {found} where {structure} is needed",
            fix="pass a tree with the same containers and keys",
            loc=user_location(),
        )
    return leaves


def prefix_leaves(prefix: Any, structure: Structure, what: str) -> list[Any]:
    """One entry for each leaf of `structure`, from a tree that may stop earlier; None is a leaf."""
    if prefix is None or not isinstance(prefix, tuple | list | dict):
        return [prefix] * structure.count
    children = structure.children()
    if structure.spec.type not in (tuple, list, dict):
        raise TraceError(
            f"{what} {prefix!r} does not fit the structure {structure}", loc=user_location()
        )
    entries = structure.spec.entries()
    parts = prefix if isinstance(prefix, dict) else dict(enumerate(prefix))
    if len(parts) != len(children) or set(parts) != set(entries):
        raise TraceError(
            f"{what} {prefix!r} has {len(parts)} entries where {structure} has {len(children)}",
            fix=f"give one entry for each of {structure}, or one for all",
            loc=user_location(),
        )
    pairs = zip(entries, children, strict=True)
    return [leaf for key, child in pairs for leaf in prefix_leaves(parts[key], child, what)]


def register(
    cls: type,
    flatten_function: Callable[[Any], tuple[Sequence[Any], Any]],
    unflatten_function: Callable[[Any, Any], Any],
) -> type:
    """Make a class a pytree: `flatten(object)` gives (children, rest); `unflatten` takes them."""
    optree.register_pytree_node(
        cls,
        flatten_function,
        unflatten_function,
        namespace=_NAMESPACE,
    )
    _registered.add(cls)
    return cls


def _is_new_dataclass(cls: type) -> bool:
    return (
        hasattr(cls, "__dataclass_fields__")
        and cls not in _registered
        and not getattr(cls, "__symfuse_leaf__", False)
    )


def _register_dataclass(cls: type) -> None:
    """Fields are children, except those with `metadata={"static": True}`."""
    fields = dataclasses.fields(cls)
    dynamic = tuple(f.name for f in fields if not f.metadata.get("static"))
    static = tuple(f.name for f in fields if f.metadata.get("static"))

    def take_apart(value: Any) -> tuple[Any, Any, Any]:
        rest = tuple(getattr(value, name) for name in static)
        return tuple(getattr(value, name) for name in dynamic), rest, dynamic

    def put_together(rest: Any, children: Any) -> Any:
        value: Any = object.__new__(cls)
        for name, part in (*zip(dynamic, children, strict=True), *zip(static, rest, strict=True)):
            object.__setattr__(value, name, part)
        return value

    optree.register_pytree_node(
        cls,
        take_apart,
        put_together,
        path_entry_type=optree.GetAttrEntry,
        namespace=_NAMESPACE,
    )
    _registered.add(cls)
