"""What a derivative of a checkpointed function keeps instead of computing it again, as in JAX.

A policy is a function of the name of an operation, the types of its operands and its attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.types import TensorType
from symfuse.runtime.errors import ArgumentError

__all__ = [
    "checkpoint_dots",
    "checkpoint_dots_with_no_batch_dims",
    "dots_saveable",
    "dots_with_no_batch_dims_saveable",
    "everything_saveable",
    "nothing_saveable",
    "save_any_names_but_these",
    "save_anything_except_these_names",
    "save_from_both_policies",
    "save_only_these_names",
]

Policy = Callable[..., bool]


def everything_saveable(name: str, *types: TensorType, **attrs: Any) -> bool:
    """Keep every value: what happens without a checkpoint."""
    return True


def nothing_saveable(name: str, *types: TensorType, **attrs: Any) -> bool:
    """Keep the arguments alone: what happens without a policy."""
    return False


def dots_saveable(name: str, *types: TensorType, **attrs: Any) -> bool:
    """Keep products of matrices, which cost most to compute."""
    return name == "contract"


def dots_with_no_batch_dims_saveable(name: str, *types: TensorType, **attrs: Any) -> bool:
    """Keep products of matrices that are no batches, such as those with weights."""
    return name == "contract" and not any(attrs["batch"])


def save_only_these_names(*names: str) -> Policy:
    """Keep the values that `sf.checkpoint_name` has given one of these names."""
    known = _names(names)
    return lambda name, *types, **attrs: name == "named" and attrs["label"] in known


def save_any_names_but_these(*names: str) -> Policy:
    """Keep the values that have a name, but for these."""
    known = _names(names)
    return lambda name, *types, **attrs: name == "named" and attrs["label"] not in known


def save_anything_except_these_names(*names: str) -> Policy:
    """Keep every value but those of these names."""
    known = _names(names)
    return lambda name, *types, **attrs: name != "named" or attrs["label"] not in known


def save_from_both_policies(one: Policy, other: Policy) -> Policy:
    """Keep what one of two policies keeps."""
    return lambda name, *types, **attrs: one(name, *types, **attrs) or other(name, *types, **attrs)


def _names(names: tuple[str, ...]) -> frozenset[str]:
    for name in names:
        if not isinstance(name, str):
            raise ArgumentError(
                f"{name!r} is no name of a value",
                fix='give the texts that checkpoint_name was given, such as "hidden"',
                loc=user_location(),
            )
    return frozenset(names)


checkpoint_dots = dots_saveable
checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable
