"""Bytes of a file, taken from front to back, with errors that name the file and the place."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import DataError

__all__ = ["Reading", "broken", "contents", "read"]

_GZIP = b"\x1f\x8b"


class Reading(Struct):
    """The contents of a file, and how far they have been read."""

    name: str
    data: bytes
    at: int = 0

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self.data) - self.at

    def take(self, count: int, what: str) -> bytes:
        """The next bytes; `what` says in an error what they would have been."""
        if self.left < count:
            self.fail(f"{count} bytes for {what}", f"{self.left}")
        self.at += count
        return self.data[self.at - count : self.at]

    def end(self, what: str) -> None:
        """Require that nothing is left behind `what`."""
        if self.left:
            self.fail(f"the end of the file after {what}", f"{self.left} more bytes")

    def fail(self, expected: str, found: str, fix: str = "get the file anew") -> None:
        """Raise for what is not as expected at this place."""
        raise broken(self.name, f"at byte {self.at}", expected, found, fix)


def read(path: str | Path) -> Reading:
    """A file, unpacked where it is packed by gzip."""
    return Reading(str(path), contents(path))


def contents(path: str | Path) -> bytes:
    """The bytes of a file, unpacked where they are packed by gzip."""
    data = Path(path).read_bytes()
    if not data.startswith(_GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise broken(
            str(path), f"in {len(data)} packed bytes", "a whole gzip file", str(error)
        ) from error


def broken(
    name: str, place: str, expected: str, found: str, fix: str = "get the file anew"
) -> DataError:
    """The error for a file that is not as its format says."""
    return DataError(
        f"{name}: {place}: expected {expected}, found {found}", fix=fix, loc=user_location()
    )
