"""What the runtime finds out about the machine, read from folders made up like /proc and /sys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from symfuse.runtime.host.features import available_cores, host_features, read_features

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="cores are counted by affinity and cgroups"
)


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    host_features()  # which is kept, for other tests as well
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def write(root: Path, **files: str) -> Path:
    """Make files under `root`; `__` in a name stands for a slash, `_DOT_` for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_this_machine_has_sensible_features() -> None:
    host = host_features()
    assert host.cpu
    assert host.vector_bytes in (16, 32, 64)
    assert host.l1_bytes < host.l2_bytes < host.l3_bytes
    assert host.cores >= 1


def test_a_machine_that_tells_nothing_gets_typical_features(tmp_path: Path) -> None:
    silent = read_features(tmp_path)
    assert (silent.vector_bytes, silent.l1_bytes, silent.cores) == (16, 32 << 10, 8)


def test_vector_width_follows_the_flags(tmp_path: Path) -> None:
    for flags, width in [("sse2", 16), ("avx avx2 fma", 32), ("avx2 avx512f", 64)]:
        root = write(tmp_path, proc__cpuinfo=f"model name\t: A Chip\nflags\t: {flags}\n\nflags:\n")
        found = read_features(root)
        assert (found.cpu, found.vector_bytes) == ("A Chip", width)


def test_cache_sizes_leave_out_instruction_caches(tmp_path: Path) -> None:
    top = tmp_path / "sys/devices/system/cpu/cpu0/cache"
    caches = [("1", "Data", "48K"), ("1", "Instruction", "64K"), ("2", "Unified", "2M")]
    for index, (level, kind, size) in enumerate(caches):
        write(top / f"index{index}", level=f"{level}\n", type=f"{kind}\n", size=f"{size}\n")
    found = read_features(tmp_path)
    assert (found.l1_bytes, found.l2_bytes, found.l3_bytes) == (48 << 10, 2 << 20, 8 << 20)


def test_affinity_limits_the_cores(tmp_path: Path) -> None:
    assert available_cores(tmp_path) == 8


def test_a_sandbox_that_hides_the_affinity_leaves_all_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: int) -> set[int]:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_getaffinity", forbidden)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert available_cores(tmp_path) == 5


def test_the_quota_of_a_version_2_cgroup_limits_the_cores(tmp_path: Path) -> None:
    write(tmp_path, proc__self__cgroup="0::/jobs/one\n")
    write(tmp_path, sys__fs__cgroup__jobs__one__cpu_DOT_max="250000 100000\n")
    assert available_cores(tmp_path) == 3


def test_the_quota_of_an_outer_cgroup_counts_too(tmp_path: Path) -> None:
    write(tmp_path, proc__self__cgroup="0::/jobs/one\n")
    write(tmp_path, sys__fs__cgroup__jobs__one__cpu_DOT_max="max 100000\n")
    write(tmp_path, sys__fs__cgroup__jobs__cpu_DOT_max="100000 100000\n")
    assert available_cores(tmp_path) == 1


def test_the_quota_of_a_version_1_cgroup_limits_the_cores(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup/cpu"
    write(tmp_path, proc__self__cgroup="4:cpu,cpuacct:/box\n2:memory:/box\n")
    write(group, cpu_DOT_cfs_quota_us="200000\n", cpu_DOT_cfs_period_us="100000\n")
    assert available_cores(tmp_path) == 2


def test_a_quota_below_one_core_leaves_one(tmp_path: Path) -> None:
    write(tmp_path, proc__self__cgroup="0::/\n", sys__fs__cgroup__cpu_DOT_max="1000 100000\n")
    assert available_cores(tmp_path) == 1
