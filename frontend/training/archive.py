"""Models as files: a zip archive whose every byte is accounted for; nothing in it is code.

No member is compressed and all carry the same date, so the same model gives the same bytes. The
comment of the archive holds the digest of the manifest, and the manifest those of all others.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArtifactError
from symfuse.runtime.version import VERSION

__all__ = ["SCHEMA", "damaged", "read", "tensors_from", "tensors_to", "write"]

SCHEMA = 1
_FORMAT = "symfuse model"
_MANIFEST = "manifest.json"
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_AGAIN = "save the model again, or use an earlier checkpoint"
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
    manifest = {
        "format": _FORMAT,
        "schema": SCHEMA,
        "symfuse": VERSION,
        **facts,
        "sha256": {name: _digest(data) for name, data in members.items()},
    }
    text = json.dumps(manifest, indent=1, sort_keys=True).encode()
    target = Path(path)
    partial = target.with_name(f"{target.name}.part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {_MANIFEST: text, **members}.items():
            archive.writestr(zipfile.ZipInfo(name, _EARLIEST), data)
        archive.comment = _digest(text).encode()
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
    comment, members = _members(data, name)
    manifest = _checked(members.pop(_MANIFEST, b""), comment, name)
    digests = manifest["sha256"]
    if digests.keys() != members.keys():
        raise damaged(name, "members are missing or unknown")
    for member, content in members.items():
        if _digest(content) != digests[member]:
            raise damaged(name, f"{member} has been changed")
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
    return ArtifactError(f"{name} is no intact model: {how}", fix=_AGAIN, loc=user_location())


def _members(data: bytes, name: str) -> tuple[bytes, dict[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise damaged(name, "it has compressed members, which symfuse never writes")
            found = {entry.filename: archive.read(entry) for entry in entries}
            if len(found) != len(entries):
                raise damaged(name, "a name occurs twice")
            return archive.comment, found
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise damaged(name, str(error)) from error


def _checked(text: bytes, comment: bytes, name: str) -> dict[str, Any]:
    """The manifest, if it is that of a model of a schema that is known."""
    try:
        manifest = json.loads(text)
        kind, schema = manifest["format"], manifest["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(name, "it has no manifest that can be read") from error
    if kind != _FORMAT or not isinstance(schema, int):
        raise damaged(name, f"it is of another kind ({kind!r}); programs are read by sf.load")
    if schema > SCHEMA:
        raise ArtifactError(
            f"{name} has schema {schema} of symfuse {manifest.get('symfuse')}, newer than the"
            f" schema {SCHEMA} that this symfuse reads",
            fix="update symfuse, or save the model again with this version",
            loc=user_location(),
        )
    if comment.decode("ascii", "replace") != _digest(text):
        raise damaged(name, "its manifest has been changed")
    return dict(manifest)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
