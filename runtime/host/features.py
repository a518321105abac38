"""What this machine is: its name, vector width, cache sizes, and the cores this process may use."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["HostFeatures", "available_cores", "host_features", "read_features"]

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_TYPICAL_CACHES = {1: 32 << 10, 2: 1 << 20, 3: 8 << 20}


class HostFeatures(NamedTuple):
    """The facts that schedules and messages depend on; sizes are in bytes."""

    cpu: str
    vector_bytes: int
    l1_bytes: int
    l2_bytes: int
    l3_bytes: int
    cores: int


@cache
def host_features() -> HostFeatures:
    """The facts of this machine, read once."""
    return read_features(Path("/"))


def read_features(root: Path) -> HostFeatures:
    """The facts as the files under `root` tell them; typical values where they are silent."""
    cpuinfo = _cpuinfo(root)
    caches = _TYPICAL_CACHES | _caches(root)
    return HostFeatures(
        cpu=cpuinfo.get("model name") or platform.machine(),
        vector_bytes=_vector_bytes(cpuinfo.get("flags", "").split()),
        l1_bytes=caches[1],
        l2_bytes=caches[2],
        l3_bytes=caches[3],
        cores=available_cores(root),
    )


def available_cores(root: Path = Path("/")) -> int:
    """How many cores this process may keep busy: its affinity, cut by the quota of its cgroups."""
    return max(1, min([_allowed_cores(), *_cgroup_quotas(root)]))


def _allowed_cores() -> int:
    """The cores of the affinity, or all where the system has none or a sandbox does not tell."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count() or 1


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first processor's fields."""
    lines = _read(root / "proc/cpuinfo").split("\n\n", 1)[0].splitlines()
    fields = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in fields}


def _vector_bytes(flags: list[str]) -> int:
    if "avx512f" in flags:
        return 64
    return 32 if "avx2" in flags else 16


def _caches(root: Path) -> dict[int, int]:
    """Level to size of the data and unified caches of the first core."""
    found: dict[int, int] = {}
    for entry in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_read(entry / name).strip() for name in ("level", "type", "size"))
        if kind != "Instruction" and level.isdigit() and size[:-1].isdigit():
            found[int(level)] = int(size[:-1]) * _UNITS.get(size[-1], 1)
    return found


def _cgroup_quotas(root: Path) -> list[int]:
    """The whole cores granted by each quota that binds this process, rounded up."""
    quotas = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, read = root / "sys/fs/cgroup", _quota_v2
        elif "cpu" in controllers.split(","):
            top, read = root / "sys/fs/cgroup/cpu", _quota_v1
        else:
            continue
        group = top / path.lstrip("/")
        quotas += [read(folder) for folder in (group, *group.parents) if folder.is_relative_to(top)]
    return [-(-quota // period) for quota, period in quotas if quota > 0 and period > 0]


def _quota_v2(group: Path) -> tuple[int, int]:
    quota, _, period = _read(group / "cpu.max").partition(" ")
    return _integer(quota), _integer(period)


def _quota_v1(group: Path) -> tuple[int, int]:
    return _integer(_read(group / "cpu.cfs_quota_us")), _integer(_read(group / "cpu.cfs_period_us"))


def _integer(text: str) -> int:
    """The number, or -1 for `max`, no limit and no file."""
    return int(text) if text.strip().isdigit() else -1


def _read(path: Path) -> str:
    """The text of the file; empty when there is none."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
