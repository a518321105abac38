"""Files of symfuse: zip archives whose every byte is accounted for before it is used.

No member is compressed and all carry the same date, so the same contents give the same bytes. The
comment of the archive holds the digest of the manifest, and the manifest those of all others.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

from .convert import converted
from .errors import ArtifactError
from .version import VERSION

__all__ = ["Kind", "digest"]

_EARLIEST = (1980, 1, 1, 0, 0, 0)
_MANIFEST = "manifest.json"
_COMMON = ("format", "schema", "symfuse", "sha256")


class Kind(NamedTuple):
    """One kind of file: what its manifest says it is, what errors call it, and what then to do.

    `facts` is the record of what else the manifest says, which is checked against it.
    """

    format: str
    schema: int
    title: str
    again: str
    facts: Any
    others: str = ""  # who reads files of other kinds

    def pack(self, facts: Mapping[str, Any], members: Mapping[str, bytes]) -> bytes:
        """The bytes of a file with these facts in its manifest, and these members."""
        manifest = {
            "format": self.format,
            "schema": self.schema,
            "symfuse": VERSION,
            **facts,
            "sha256": {name: digest(data) for name, data in members.items()},
        }
        text = json.dumps(manifest, indent=1, sort_keys=True).encode()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, data in {_MANIFEST: text, **members}.items():
                archive.writestr(zipfile.ZipInfo(name, _EARLIEST), data)
            archive.comment = digest(text).encode()
        return buffer.getvalue()

    def unpack(self, data: bytes, name: str) -> tuple[Any, dict[str, bytes]]:
        """The facts and the members of a file, which errors call `name`; all are checked."""
        comment, members = self._members(data, name)
        manifest = self._manifest(members.pop(_MANIFEST, None), comment, name)
        digests = manifest.get("sha256")
        if not isinstance(digests, dict):
            raise self.damaged(name, "its manifest has no digests of the members")
        if differing := sorted(digests.keys() ^ members.keys()):
            raise self.damaged(name, f"members are missing or unknown: {', '.join(differing)}")
        changed = [member for member, part in members.items() if digest(part) != digests[member]]
        if changed:
            raise self.damaged(name, f"these members have been changed: {', '.join(changed)}")
        try:
            return converted(_facts(manifest), self.facts), members
        except ValueError as error:
            raise self.damaged(name, f"in its manifest, {error}") from error

    def damaged(self, name: str, how: str) -> ArtifactError:
        """The error that a file is not what it should be."""
        return ArtifactError(f"{name} is no intact {self.title}: {how}", fix=self.again)

    def _members(self, data: bytes, name: str) -> tuple[bytes, dict[str, bytes]]:
        """The comment of the archive, and all members."""
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entries = archive.infolist()
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                    how = "it has compressed members, which symfuse never writes"
                    raise self.damaged(name, how)
                found = {entry.filename: archive.read(entry) for entry in entries}
                if len(found) != len(entries):
                    raise self.damaged(name, "a name occurs twice")
                return archive.comment, found
        except (zipfile.BadZipFile, EOFError, ValueError, RuntimeError) as error:
            if isinstance(error, ArtifactError):
                raise
            raise self.damaged(name, str(error)) from error

    def _manifest(self, text: bytes | None, comment: bytes, name: str) -> dict[str, Any]:
        """The manifest, after format, schema and digest have been compared."""
        if text is None:
            raise self.damaged(name, f"it has no {_MANIFEST}")
        try:
            manifest = json.loads(text)
            kind, schema = manifest["format"], manifest["schema"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self.damaged(name, f"its manifest cannot be read ({error})") from error
        if kind != self.format or not isinstance(schema, int):
            raise self.damaged(name, f"it is of another kind ({kind!r}){self.others}")
        if schema > self.schema:
            raise ArtifactError(
                f"{name} has schema {schema} of symfuse {manifest.get('symfuse')}, newer than the "
                f"schema {self.schema} that this symfuse reads",
                fix=f"update symfuse, or {self.again}",
            )
        if comment.decode("ascii", "replace") != digest(text):
            raise self.damaged(name, "its manifest has been changed")
        return dict(manifest)


def _facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says beyond that which all kinds of files have."""
    return {key: value for key, value in manifest.items() if key not in _COMMON}


def digest(data: bytes) -> str:
    """SHA-256, as hexadecimal text."""
    return hashlib.sha256(data).hexdigest()
