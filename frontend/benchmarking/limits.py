"""What this machine can do at most, measured once and kept beside the compiled code."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from symfuse.runtime.cache import store
from symfuse.runtime.host.features import host_features

from ..staging.aot import compile
from .timing import sample

__all__ = ["Limits", "machine_limits"]

ELEMENTS = {"cpu": 1 << 24, "cuda": 1 << 28}  # of 4 bytes: beyond all caches
SIDE = {"cpu": 1024, "cuda": 8192}
ROUNDS = 7


class Limits(Struct, frozen=True):
    """Bytes and float32 operations a second, on all cores that this process may use.

    The cores of a device are its multiprocessors.
    """

    bytes_per_second: float
    flops_per_second: float
    cores: int

    def fraction(self, nbytes: float, flops: float, seconds: float) -> float:
        """How near a call comes to the limit that binds it; above 1 where caches hold the data."""
        needed = max(nbytes / self.bytes_per_second, flops / self.flops_per_second)
        return needed / seconds if seconds else 0.0


def machine_limits(*, again: bool = False, target: str = "cpu") -> Limits:
    """The limits of this machine, measured when processor or cores are new, or `again`.

    A limit is the most that was ever measured: other work on the machine only lowers what is seen.
    """
    name, cores = _processor(target)
    path = store().folder / ("limits.json" if target == "cpu" else f"limits-{target}.json")
    known = f"{name} {cores}"
    before: Limits | None = None
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        before = Limits(**kept) if kept.pop("machine") == known else None
    if before and not again:
        return before
    moved, computed = _bandwidth(target), _flops(target)
    if before:
        moved = max(moved, before.bytes_per_second)
        computed = max(computed, before.flops_per_second)
    found = Limits(moved, computed, cores)
    with suppress(OSError):  # a folder that may only be read costs one more measurement
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"machine": known, **asdict(found)})
        path.write_text(text, encoding="utf-8")
    return found


def _processor(target: str) -> tuple[str, int]:
    """What the limits belong to, and how many cores it has."""
    if target == "cpu":
        features = host_features()
        return features.cpu, features.cores
    facts = import_module("symfuse.runtime.cuda.device").device().facts
    return facts.name, facts.multiprocessors


def _bandwidth(target: str) -> float:
    """Of a compiled copy, bytes read and written; NumPy's own where that is faster."""
    x = np.ones(ELEMENTS[target], np.float32)
    if target != "cpu":
        return 2 * x.nbytes / _best(_on_device(lambda x: x * 1.5, x))
    out = np.empty_like(x)
    compiled = compile(lambda x: x * 1.5, x, target=target)
    bound = compiled.bind(x, out=out)
    best = min(_best(bound), _best(lambda: np.copyto(out, x)))
    return 2 * x.nbytes / best


def _flops(target: str) -> float:
    """Of a square float32 product: NumPy's BLAS, or a compiled one on a device; the fastest."""
    x = np.ones((SIDE[target], SIDE[target]), np.float32)
    if target != "cpu":
        return float(2 * len(x) ** 3 / _best(_on_device(lambda x: x @ x, x)))
    out = np.empty_like(x)
    return float(2 * len(x) ** 3 / _best(lambda: np.matmul(x, x, out=out)))


def _on_device(function: Callable[[Any], Any], x: Any) -> Callable[[], Any]:
    """A call whose arrays are on the device, to the end of its work there."""
    executable = compile(function, x, target="cuda").executable
    bound = executable.bind_copies([x])
    return lambda: executable.wait(bound())


def _best(call: Callable[[], Any]) -> float:
    call()
    return min(sample(call, 1) for _ in range(ROUNDS))
