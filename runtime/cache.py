"""Compiled code on disk, found again by its content: bounded, atomic, and explaining its misses."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from . import options
from .log import log, warn

__all__ = ["Key", "Record", "Store", "explain", "key", "store"]

_MAGIC = b"SFCACHE1"
_DIGEST_BYTES = hashlib.sha256().digest_size
_ENTRY, _LATEST, _PART = ".entry", ".latest", ".part"
_LIMIT = 512 << 20
_KEPT_AFTER_EVICTION = 0.75
_RECORDS = 1000


class Key(NamedTuple):
    """The name of an entry: what it is (`label`), the hash of each thing that it depends on, and
    that of them all."""

    label: str
    parts: Mapping[str, str]
    digest: str


class Record(NamedTuple):
    """What became of one look-up or store, and why."""

    label: str
    outcome: str
    reason: str

    def __str__(self) -> str:
        return f"{self.label}: {self.outcome}, {self.reason}"


_records: deque[Record] = deque(maxlen=_RECORDS)


def key(label: str, parts: Mapping[str, str | bytes]) -> Key:
    """The key of the thing called `label` that is made from `parts`."""
    contents = ((n, p.encode() if isinstance(p, str) else p) for n, p in sorted(parts.items()))
    hashes = {name: _digest(content) for name, content in contents}
    return Key(label, hashes, _digest(json.dumps([label, hashes], sort_keys=True).encode()))


def store() -> Store:
    """The store that the options ask for; it keeps nothing if they switch it off."""
    folder = options.get("cache_dir")
    return _store_in(Path(folder) if folder else _users_folder(), options.get("cache"))


def explain() -> tuple[Record, ...]:
    """What happened in the stores of this process, oldest first."""
    return tuple(_records)


class Store:
    """A folder of entries; the least recently used go when together they pass `limit` bytes."""

    def __init__(self, folder: Path, *, limit: int = _LIMIT, is_on: bool = True) -> None:
        self.folder = folder
        self.limit = limit
        self.is_on = is_on
        self._is_writable = True
        self._bytes: int | None = None

    def __contains__(self, key: Key) -> bool:
        """Whether there is an entry, which may yet turn out to be damaged."""
        return self.is_on and os.path.exists(self._path(key))

    def get(self, key: Key) -> bytes | None:
        """The stored bytes, or nothing; `explain()` tells which and why."""
        data, reason = self._read(key)
        _note(key.label, "miss" if data is None else "hit", reason)
        return data

    def put(self, key: Key, data: bytes) -> None:
        """Keep `data` for later processes; a folder that cannot be written only earns a warning."""
        if not (self.is_on and self._is_writable):
            return
        try:
            self._write(self._path(key), _sealed(data))
            self._write(self._latest(key), json.dumps(dict(key.parts)).encode())
        except OSError as error:
            self._is_writable = False
            warn("cache", "compiled code is not kept: %s: %s", self.folder, error.strerror)
            _note(key.label, "not stored", f"{self.folder} cannot be written: {error.strerror}")
            return
        _note(key.label, "stored", f"{len(data)} bytes")
        self._bound(len(data))

    def clear(self) -> None:
        """Remove all entries."""
        for suffix in (_ENTRY, _LATEST):
            for path in self._files(suffix):
                _drop(path)
        self._bytes = 0

    def _read(self, key: Key) -> tuple[bytes | None, str]:
        """The stored bytes and where they are from, or nothing and why."""
        if not self.is_on:
            return None, "the cache is switched off"
        path = self._path(key)
        try:
            stored = path.read_bytes()
        except FileNotFoundError:
            return None, self._novelty(key)
        except OSError as error:
            return None, f"{path} cannot be read: {error.strerror}"
        data = stored[len(_MAGIC) + _DIGEST_BYTES :]
        if stored != _sealed(data):
            _drop(path)
            return None, "the entry was damaged and has been dropped"
        with suppress(OSError):  # a store that may only be read serves as well
            os.utime(path)
        return data, f"{len(data)} bytes from {path}"

    def _path(self, key: Key) -> Path:
        return self.folder / key.digest[:2] / (key.digest + _ENTRY)

    def _latest(self, key: Key) -> Path:
        """The file that remembers the parts of the newest entry with the same label."""
        return self.folder / (_digest(key.label.encode()) + _LATEST)

    def _novelty(self, key: Key) -> str:
        """Why there is no entry: what differs from the newest one with the same label."""
        try:
            before = dict(json.loads(self._latest(key).read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError):  # there is none, or it is damaged
            return "it has not been compiled before"
        names = sorted(before.keys() | key.parts.keys())
        changed = [name for name in names if before.get(name) != key.parts.get(name)]
        return f"changed since: {', '.join(changed)}" if changed else "the entry has been evicted"

    def _write(self, path: Path, content: bytes) -> None:
        """Make the file appear whole or not at all, whatever other processes do."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=_PART)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except OSError:
            _drop(Path(name))
            raise

    def _bound(self, added: int) -> None:
        """Keep the sum of the entries below the limit, counting only when it may be passed."""
        self._bytes = self._size() if self._bytes is None else self._bytes + added
        if self._bytes > self.limit:
            self._evict()

    def _evict(self) -> None:
        self._bytes = self._size()
        for path in sorted(self._all(), key=_last_use)[:-1]:
            if self._bytes <= self.limit * _KEPT_AFTER_EVICTION:
                return
            self._bytes -= _bytes_of(path)
            _drop(path)

    def _size(self) -> int:
        return sum(map(_bytes_of, self._all()))

    def _all(self) -> Iterator[Path]:
        """The entries, and parts of such that processes which were ended have left."""
        return self._files(_ENTRY, _PART)

    def _files(self, *suffixes: str) -> Iterator[Path]:
        for folder, _, names in os.walk(self.folder):  # whatever other processes remove meanwhile
            yield from (Path(folder, name) for name in names if name.endswith(suffixes))


@cache
def _store_in(folder: Path | None, is_on: bool) -> Store:
    if folder is None and is_on:
        warn("cache", "compiled code is not kept: this user has no home; set SYMFUSE_CACHE_DIR")
    return Store(folder or Path(os.devnull), is_on=is_on and folder is not None)


def _users_folder() -> Path | None:
    """The folder for this user, whom the system need not know."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "symfuse"
    except RuntimeError:
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sealed(data: bytes) -> bytes:
    """The file of an entry: what it is, the hash that shows damage, the data."""
    return _MAGIC + hashlib.sha256(data).digest() + data


def _drop(path: Path) -> None:
    with suppress(OSError):  # another process was faster, or the folder may only be read
        path.unlink()


def _last_use(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _bytes_of(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _note(label: str, outcome: str, reason: str) -> None:
    record = Record(label, outcome, reason)
    _records.append(record)
    log("cache", "%s", record)
