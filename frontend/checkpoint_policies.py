"""What a derivative of a checkpointed function keeps instead of computing it again, as in JAX.

A policy is a function of the name of an operation, the types of its operands and its attributes.
"""

from __future__ import annotations

from typing import Any

from symfuse.compiler.ir.types import TensorType

__all__ = [
    "checkpoint_dots",
    "checkpoint_dots_with_no_batch_dims",
    "dots_saveable",
    "dots_with_no_batch_dims_saveable",
    "everything_saveable",
    "nothing_saveable",
]


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


checkpoint_dots = dots_saveable
checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable
