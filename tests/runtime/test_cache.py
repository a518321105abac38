"""The store of compiled code: what is put in comes out, or a reason is given."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from symfuse.runtime.cache import Key, Store, _store_in, explain, key, store


def entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.entry"))


def named(number: int) -> Key:
    return key("a program", {"code": str(number)})


def test_what_is_put_in_comes_out(tmp_path: Path) -> None:
    Store(tmp_path).put(named(1), b"machine code")
    assert Store(tmp_path).get(named(1)) == b"machine code"
    assert explain()[-1].outcome == "hit"


def test_equal_parts_make_equal_keys_in_any_order() -> None:
    one, other = key("k", {"a": "x", "b": b"y"}), key("k", {"b": "y", "a": b"x"})
    assert one.digest == other.digest
    assert one.digest != key("k", {"a": "y", "b": "x"}).digest
    assert one.digest != key("l", {"a": "x", "b": "y"}).digest


def test_a_miss_names_the_part_that_changed(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    assert kept.get(key("softmax", {"code": "1", "cpu": "old"})) is None
    assert explain()[-1].reason == "it has not been compiled before"
    kept.put(key("softmax", {"code": "1", "cpu": "old"}), b"code")
    assert kept.get(key("softmax", {"code": "1", "cpu": "new"})) is None
    assert explain()[-1].reason == "changed since: cpu"


def test_a_damaged_entry_is_dropped(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.put(named(1), b"machine code")
    (path,) = entries(tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert kept.get(named(1)) is None
    assert "damaged" in explain()[-1].reason
    assert entries(tmp_path) == []


def test_a_truncated_entry_is_dropped(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.put(named(1), b"machine code")
    (path,) = entries(tmp_path)
    path.write_bytes(b"SF")
    assert kept.get(named(1)) is None
    assert entries(tmp_path) == []


def test_the_least_recently_used_entries_go_first(tmp_path: Path) -> None:
    kept = Store(tmp_path, limit=10_000)
    for number in range(4):
        kept.put(named(number), bytes(2_000))
    for age, number in enumerate([2, 0, 3, 1]):
        os.utime(kept._path(named(number)), (1_000 + age, 1_000 + age))
    assert kept.get(named(2)) is not None
    kept.put(named(4), bytes(2_000))
    left = [number for number in range(5) if kept.get(named(number)) is not None]
    assert left == [1, 2, 4]
    assert kept.get(named(0)) is None
    assert explain()[-1].reason == "changed since: code"


def test_the_newest_entry_stays_though_it_is_larger_than_the_limit(tmp_path: Path) -> None:
    kept = Store(tmp_path, limit=100)
    kept.put(named(1), bytes(50))
    kept.put(named(2), bytes(5_000))
    assert len(entries(tmp_path)) == 1


def test_parts_of_entries_that_nobody_goes_on_with_are_evicted(tmp_path: Path) -> None:
    left = tmp_path / "aa" / "tmp123.part"
    left.parent.mkdir()
    left.write_bytes(bytes(3_000))
    os.utime(left, (1, 1))
    kept = Store(tmp_path, limit=4_000)
    kept.put(named(1), bytes(2_000))
    assert not left.exists()
    assert kept.get(named(1)) == bytes(2_000)


def test_a_folder_that_cannot_be_made_only_earns_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    kept = Store(tmp_path / "file" / "cache")
    with caplog.at_level(logging.WARNING, logger="symfuse.cache"):
        kept.put(named(1), b"code")
        kept.put(named(2), b"code")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "compiled code is not kept" in caplog.text
    assert kept.get(named(1)) is None


def test_many_writers_leave_whole_entries_and_no_debris(tmp_path: Path) -> None:
    def write() -> None:
        mine = Store(tmp_path)
        for number in range(20):
            mine.put(named(number), bytes([number]) * 5_000)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert all(Store(tmp_path).get(named(n)) == bytes([n]) * 5_000 for n in range(20))
    assert list(tmp_path.rglob("*.part")) == []


def test_clear_removes_everything(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.put(named(1), b"code")
    kept.clear()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("content", ["3", "[]", "[1]", "[" * 100_000])
def test_damage_to_what_explains_misses_is_no_error(tmp_path: Path, content: str) -> None:
    kept = Store(tmp_path)
    kept.put(named(1), b"code")
    for path in tmp_path.rglob("*.latest"):
        path.write_text(content)
    assert kept.get(named(2)) is None
    assert explain()[-1].outcome == "miss"


def test_a_folder_that_goes_while_entries_are_counted_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanishing(folder: Path, pattern: str) -> Iterator[Path]:
        yield from folder.glob(f"*/{pattern}")
        raise FileNotFoundError(folder)

    monkeypatch.setattr(Path, "rglob", vanishing)
    kept = Store(tmp_path, limit=10)
    for number in range(5):
        kept.put(named(number), b"code")
    assert kept.get(named(4)) == b"code"


def test_a_path_that_the_system_refuses_holds_nothing(tmp_path: Path) -> None:
    assert named(1) not in Store(tmp_path / ("n" * 300))


def test_a_user_without_a_home_keeps_nothing_and_is_told_once(
    environment: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    environment(SYMFUSE_CACHE_DIR=None, XDG_CACHE_HOME=None)
    monkeypatch.setattr(Path, "home", nowhere)
    _store_in.cache_clear()
    with caplog.at_level("WARNING", logger="symfuse.cache"):
        store().put(named(1), b"code")
        assert store().get(named(1)) is None
    assert not store().folder.is_dir()
    assert [line.message for line in caplog.records] == [
        "compiled code is not kept: this user has no home; set SYMFUSE_CACHE_DIR"
    ]


def test_the_options_choose_the_folder(tmp_path: Path, environment: Callable[..., None]) -> None:
    environment(SYMFUSE_CACHE_DIR=str(tmp_path / "here"))
    assert store().folder == tmp_path / "here"
    environment(SYMFUSE_CACHE_DIR=None, XDG_CACHE_HOME=str(tmp_path))
    assert store().folder == tmp_path / "symfuse"


def test_the_cache_can_be_switched_off(tmp_path: Path, environment: Callable[..., None]) -> None:
    environment(SYMFUSE_CACHE="0", SYMFUSE_CACHE_DIR=str(tmp_path))
    store().put(named(1), b"code")
    assert store().get(named(1)) is None
    assert explain()[-1].reason == "the cache is switched off"
    assert entries(tmp_path) == []
