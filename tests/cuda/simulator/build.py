"""Builds the simulated device once, and runs texts of kernels on it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

__all__ = [
    "SCHEDULES",
    "SimulationError",
    "Source",
    "command",
    "cuda_header",
    "driver_path",
    "needs_compiler",
    "poisons_registers",
    "simulate",
    "simulate_all",
]

SOURCES = Path(__file__).parent
MACHINE = (
    "collectives",
    "faults",
    "fibers",
    "memory",
    "modules",
    "scheduler",
    "shared",
    "simulate",
)
DRIVER = ("driver_device", "driver_graphs", "driver_memory", "driver_modules", "driver_streams")
SCHEDULES = ("forward", "backward", "random")
FAULTS = ("none", "failed", "illegal address", "misaligned", "not launched")
LIBRARY_FLAGS = ("-std=c++17", "-O1", "-g1", "-fPIC", "-Wall", "-Wextra", "-Werror")
# No product is fused into a sum, so that results are the same on every processor.
KERNEL_FLAGS = (
    *("-std=c++17", "-O1", "-g1", "-fPIC", "-shared", "-fno-exceptions", "-fno-rtti"),
    *("-fno-strict-aliasing", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden"),
    *("-Wno-unknown-pragmas", "-DSF_SIMULATOR"),
)
# What an array of registers holds before it is set is a pattern, not zeros: from version 12 on.
POISONED_REGISTERS = "-ftrivial-auto-var-init=pattern"

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None or sys.platform != "linux",
    reason="needs Linux and g++, which compiles the simulated device",
)


class Source(Protocol):
    """The text of a kernel and what launching it needs."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def shared(self) -> int: ...


class SimulationError(AssertionError):
    """What a kernel does wrong; `fault` is the kind."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(f"{fault}: {message}")
        self.fault = fault


class _Job(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("text", "name")),
        *((name, ctypes.c_int32) for name in ("blocks", "threads", "order")),
        *((name, ctypes.c_uint64) for name in ("shared", "seed")),
        *((name, ctypes.c_int32) for name in ("arrays", "sizes")),
        *((name, ctypes.c_void_p) for name in ("data", "bytes", "values")),
        ("seconds", ctypes.c_int32),
    )


def simulate(
    source: Source,
    blocks: int,
    arrays: Sequence[np.ndarray[Any, Any]],
    sizes: Sequence[int] = (),
    schedule: str = "forward",
    *,
    seed: int = 1,
    seconds: int = 30,
) -> None:
    """Runs one kernel on `arrays`, in place; after an error they are as they were."""
    assert all(array.flags.c_contiguous for array in arrays), "arrays lie in memory as they are"
    data = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
    lengths = (ctypes.c_uint64 * len(arrays))(*(array.nbytes for array in arrays))
    values = (ctypes.c_int64 * len(sizes))(*sizes)
    job = _Job(
        text=source.text.encode(),
        name=source.name.encode(),
        blocks=blocks,
        threads=source.threads,
        order=SCHEDULES.index(schedule),
        shared=source.shared,
        seed=seed,
        arrays=len(arrays),
        sizes=len(sizes),
        data=ctypes.addressof(data),
        bytes=ctypes.addressof(lengths),
        values=ctypes.addressof(values),
        seconds=seconds,
    )
    message = ctypes.create_string_buffer(1 << 14)
    fault = _library().sf_simulate(ctypes.byref(job), message, ctypes.c_size_t(len(message)))
    if fault:
        raise SimulationError(FAULTS[fault], f"{source.name}: {message.value.decode()}")


def simulate_all(
    source: Source,
    blocks: int,
    arrays: Sequence[np.ndarray[Any, Any]],
    sizes: Sequence[int] = (),
    *,
    seeds: Sequence[int] = (1, 2),
) -> None:
    """Runs one kernel under every schedule; results that differ in a bit are an error."""
    runs = [("forward", 1), ("backward", 1), *(("random", seed) for seed in seeds)]
    starts = [array.copy() for array in arrays]
    for schedule, seed in runs:
        found = [array.copy() for array in starts]
        simulate(source, blocks, found, sizes, schedule, seed=seed)
        if schedule == "forward":
            for array, result in zip(arrays, found, strict=True):
                array[...] = result
        for number, (array, result) in enumerate(zip(arrays, found, strict=True)):
            if array.tobytes() != result.tobytes():
                message = f"{source.name}: argument {number} differs under {schedule} order"
                raise SimulationError("depends on the schedule", message)


def driver_path() -> Path:
    """The library with the names of libcuda; it is built when it is first asked for."""
    return _build()


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(driver_path()))


def command(*flags: str) -> list[str]:
    """How the text of a kernel is compiled, up to its file."""
    return ["g++", *_kernel_flags(), *flags, "-include", str(_folder() / "simulator.h")]


@cache
def poisons_registers() -> bool:
    """Whether the compiler can set what a kernel does not."""
    words = ["g++", POISONED_REGISTERS, "-fsyntax-only", "-x", "c++", os.devnull]
    return not subprocess.run(words, capture_output=True, check=False).returncode


def _kernel_flags() -> tuple[str, ...]:
    return (*KERNEL_FLAGS, POISONED_REGISTERS) if poisons_registers() else KERNEL_FLAGS


@cache
def _build() -> Path:
    folder = _folder()
    library = folder / "libcuda.so.1"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _forget_others(folder)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            _precompile("simulator.h", _kernel_flags(), Path(scratch), folder)
            built = _link(Path(scratch), (*LIBRARY_FLAGS, *_definitions(folder)))
            built.replace(library)  # last: where it is, everything is
    return library


def _precompile(name: str, flags: Sequence[str], scratch: Path, folder: Path) -> list[str]:
    """Read a header once for all that include it first, which is most of what they take."""
    header, made = folder / name, scratch / f"{name}.gch"
    header.write_text(f'#include "{SOURCES}/{name}"\n', encoding="utf-8")
    _run(["g++", *flags, "-x", "c++-header", str(header), "-o", str(made)])
    made.replace(folder / made.name)
    return ["-include", str(header)]


def _forget_others(folder: Path) -> None:
    """Remove what was built from earlier sources and not used for a week."""
    for other in folder.parent.iterdir():
        if other != folder and time.time() - other.stat().st_mtime > 7 * 86400:
            shutil.rmtree(other, ignore_errors=True)


def _definitions(folder: Path) -> tuple[str, ...]:
    quoted = " ".join(f"'{word}'" for word in command())
    return (f'-DSF_COMMAND="{quoted}"', f'-DSF_FOLDER="{folder}"', *cuda_header())


def _link(scratch: Path, flags: tuple[str, ...]) -> Path:
    def compile_one(source: Path, *more: str) -> Path:
        made = scratch / f"{source.stem}.o"
        _run(["g++", *flags, *more, "-c", str(source), "-o", str(made)])
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        machine = [pool.submit(compile_one, SOURCES / f"{name}.cpp") for name in MACHINE]
        first = _precompile("driver.h", flags, scratch, scratch)
        driver = [pool.submit(compile_one, SOURCES / f"{name}.cpp", *first) for name in DRIVER]
    objects = [str(each.result()) for each in (*machine, *driver)]
    library = scratch / "library.so"
    _run(["g++", "-shared", *objects, "-o", str(library), "-ldl"])
    return library


def _run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{' '.join(words)}\n{done.stderr}"


@cache
def cuda_header() -> tuple[str, ...]:
    """The folder of the real <cuda.h>, against which the driver's signatures are checked."""
    places = [Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")), Path("/usr/local/cuda")]
    places += sorted(Path("/usr/local").glob("cuda-*"))
    for include in (place / "include" for place in places):
        header = include / "cuda.h"
        if header.exists() and "define CUDA_VERSION 13" in header.read_text(encoding="utf-8"):
            return (f"-I{include}", "-DSF_CUDA_HEADER")
    return ()


@cache
def _folder() -> Path:
    """Where things are kept, by the content of everything that they are built from."""
    flags = (LIBRARY_FLAGS, _kernel_flags(), cuda_header(), SOURCES)
    contents = hashlib.sha256(repr(flags).encode())
    sources = [SOURCES / f"{name}.cpp" for name in (*MACHINE, *DRIVER)]
    for file in (*sources, *sorted(SOURCES.glob("*.h"))):
        contents.update(file.read_bytes())
    user = f"symfuse-simulator-{os.getuid()}"
    return Path(tempfile.gettempdir()) / user / contents.hexdigest()[:16]
