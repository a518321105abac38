"""Models as files: archives of what describes them, and of arrays; nothing in them is code."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime import safetensors
from symfuse.runtime.archive import Kind
from symfuse.runtime.errors import ArtifactError

__all__ = ["SCHEMA", "contents", "damaged", "read", "tensors_from", "write"]

SCHEMA = 1
_AGAIN = "save the model again with this version, or use an earlier checkpoint"
_KIND = Kind(
    "symfuse model", SCHEMA, "model", _AGAIN, Mapping[str, Any], "; programs are read by sf.load"
)
Tensors = Mapping[str, np.ndarray[Any, Any]]


def write(
    path: str | PathLike[str], facts: Mapping[str, Any], tensors: Mapping[str, Tensors]
) -> Path:
    """Write what describes a model, and groups of arrays; the old file stays until it is done."""
    members = {f"{name}.safetensors": safetensors.pack(group) for name, group in tensors.items()}
    target = Path(path)
    partial = target.with_name(f"{target.name}.part")
    partial.write_bytes(_KIND.pack(facts, members))
    partial.replace(target)
    return target


def read(path: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What describes the model, and its groups of arrays; or an ArtifactError."""
    name, data = Path(path).name, contents(path)
    try:
        manifest, members = _KIND.unpack(data, name)
    except ArtifactError as error:
        raise error.at(user_location()) from error.__cause__
    groups = {
        member.removesuffix(".safetensors"): tensors_from(content, name)
        for member, content in members.items()
    }
    return manifest, groups


def contents(path: str | PathLike[str]) -> bytes:
    """The bytes of a file, or an ArtifactError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}", fix="check the path", loc=user_location()
        ) from error


def tensors_from(data: bytes, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of safetensors bytes, each its own memory; errors call the file `name`."""
    try:
        return {key: array.copy() for key, array in safetensors.unpack(data).items()}
    except ValueError as error:
        raise damaged(name, f"its arrays cannot be read: {error}") from error


def damaged(name: str, how: str) -> ArtifactError:
    """The error that a file is not what it should be."""
    return _KIND.damaged(name, how).at(user_location())
