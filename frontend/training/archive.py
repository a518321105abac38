"""Models as files: archives of what describes them, and of arrays; nothing in them is code."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.archive import Kind
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArtifactError

__all__ = ["SCHEMA", "damaged", "read", "tensors_from", "tensors_to", "write"]

SCHEMA = 1
_AGAIN = "save the model again with this version, or use an earlier checkpoint"
_KIND = Kind("symfuse model", SCHEMA, "model", _AGAIN, "; programs are read by sf.load")
_DTYPES = {
    "BOOL": DType.BOOL, "BF16": DType.BF16, "F16": DType.F16, "F32": DType.F32, "F64": DType.F64,
    "I8": DType.I8, "I16": DType.I16, "I32": DType.I32, "I64": DType.I64,
    "U8": DType.U8, "U16": DType.U16, "U32": DType.U32, "U64": DType.U64,
}  # fmt: skip
Tensors = Mapping[str, np.ndarray[Any, Any]]


def write(
    path: str | PathLike[str], facts: Mapping[str, Any], tensors: Mapping[str, Tensors]
) -> Path:
    """Write what describes a model, and groups of arrays; the old file stays until it is done."""
    members = {f"{name}.safetensors": tensors_to(group) for name, group in tensors.items()}
    target = Path(path)
    partial = target.with_name(f"{target.name}.part")
    partial.write_bytes(_KIND.pack(facts, members))
    partial.replace(target)
    return target


def read(path: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What describes the model, and its groups of arrays; or an ArtifactError."""
    name = Path(path).name
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}", fix="check the path", loc=user_location()
        ) from error
    try:
        manifest, members = _KIND.unpack(data, name)
    except ArtifactError as error:
        raise error.at(user_location()) from error.__cause__
    groups = {
        member.removesuffix(".safetensors"): tensors_from(content, name)
        for member, content in members.items()
    }
    return manifest, groups


def tensors_to(tensors: Tensors) -> bytes:
    """Named arrays in the safetensors format."""
    from safetensors.numpy import save

    return bytes(save({name: np.array(array, order="C") for name, array in tensors.items()}))


def tensors_from(data: bytes, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of safetensors bytes, each its own memory; errors call the file `name`."""
    from safetensors import SafetensorError, deserialize

    parse: Any = deserialize
    try:
        found = parse(data)
    except SafetensorError as error:
        raise damaged(name, f"its arrays cannot be read ({error})") from error
    unknown = sorted({one["dtype"] for _, one in found} - _DTYPES.keys())
    if unknown:
        raise damaged(name, f"it has arrays of type {unknown[0]}")
    return {key: _array(one) for key, one in found}


def _array(stored: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    dtype = _DTYPES[stored["dtype"]].numpy
    return np.frombuffer(bytearray(stored["data"]), dtype).reshape(stored["shape"])


def damaged(name: str, how: str) -> ArtifactError:
    """The error that a file is not what it should be."""
    return _KIND.damaged(name, how).at(user_location())
