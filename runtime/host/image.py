"""Position-independent machine code as bytes: made by the linker, cached, mapped by the loader.

Annotations are types, not their texts: files are checked against them, in every start.
"""

import json
import struct
from collections.abc import Mapping
from typing import NamedTuple

from ..convert import converted
from ..errors import ArtifactError

__all__ = ["POINTER_BYTES", "Image"]

POINTER_BYTES = 8
_MAGIC = b"SFIM"
_VERSION = 1
_PREFIX = struct.Struct("<4sHI")


class Image(NamedTuple):
    """Code that runs wherever it is mapped.

    It begins with a table of addresses, one for each name of `externals`, filled in by the loader.
    What lies before `data_offset` is executed and read, what follows is read and written; the
    last `size - len(code)` bytes are zeros and not stored.
    """

    architecture: str
    code: bytes
    symbols: Mapping[str, int]
    externals: tuple[str, ...]
    data_offset: int
    size: int

    def to_bytes(self) -> bytes:
        """The image as a short JSON header and the raw code."""
        facts = {
            "architecture": self.architecture,
            "symbols": dict(self.symbols),
            "externals": self.externals,
            "data_offset": self.data_offset,
            "size": self.size,
        }
        header = json.dumps(facts, separators=(",", ":"), sort_keys=True).encode()
        return _PREFIX.pack(_MAGIC, _VERSION, len(header)) + header + self.code

    @staticmethod
    def from_bytes(data: bytes) -> "Image":
        """The image that `to_bytes` wrote."""
        try:
            magic, version, length = _PREFIX.unpack_from(data)
            if (magic, version) != (_MAGIC, _VERSION):
                raise ValueError(f"it begins with {magic!r}, version {version}")
            start = _PREFIX.size + length
            facts = json.loads(data[_PREFIX.size : start])
            image: Image = converted({**dict(facts), "code": data[start:]}, Image)
            image._check()
            return image
        except (struct.error, ValueError, TypeError, RecursionError) as error:
            raise ArtifactError(
                f"these {len(data)} bytes are no code image of version {_VERSION}: {error}",
                fix="compile the program again with this version of symfuse",
            ) from error

    def _check(self) -> None:
        """Raise a ValueError if its parts do not lie one behind the other."""
        table, code = POINTER_BYTES * len(self.externals), len(self.code)
        if not table <= self.data_offset <= code <= self.size:
            parts = f"{table} bytes of addresses, data at {self.data_offset}, {code} bytes of code"
            raise ValueError(f"{parts} do not fit together in {self.size}")
        for name, place in self.symbols.items():
            if not 0 <= place < self.size:
                raise ValueError(f"{name!r} is at {place} of {self.size} bytes")
