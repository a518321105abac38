"""Looks for data races in kernels with ThreadSanitizer: also for those that do no harm today.

`python tests/cuda/simulator/tsan.py` checks the kernels of `bugs.py`: the good ones have no race,
and those without a barrier have one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from cuda.simulator.bugs import checked_for_races
from cuda.simulator.build import SCHEDULES, SOURCES, Source, command, driver_path

__all__ = ["races"]

_FLAGS = ("-fsanitize=thread", "-fPIE", "-pie")
_ACCESS = re.compile(
    r"(Write|Read|Previous write|Previous read) of size \d+ at \S+ by (?:thread )?(T\d+|main.*):"
    r"\n((?: +#.*\n| +\[.*\n)*)",
    re.IGNORECASE,
)
_NAME = re.compile(r"Thread (T\d+) '([^']+)'")


def races(
    source: Source,
    blocks: int,
    arrays: Sequence[np.ndarray[Any, Any]],
    sizes: Sequence[int] = (),
    schedule: str = "forward",
    *,
    seed: int = 1,
) -> list[str]:
    """The data races of a launch, a sentence each; lines are those of the text."""
    with tempfile.TemporaryDirectory() as folder:
        program = _build(source, Path(folder))
        files = [Path(folder, f"{number}.bin") for number in range(len(arrays))]
        for file, array in zip(files, arrays, strict=True):
            file.write_bytes(array.tobytes())
        order = SCHEDULES.index(schedule)
        launch = (blocks, source.threads, source.shared, order, seed, len(arrays))
        words = [*map(str, launch), *map(str, files), *map(str, sizes)]
        done = _run([*_without_random_addresses(), str(program), *words])
    if done.returncode not in (0, 66):
        raise RuntimeError(done.stdout + done.stderr)
    return _told(done.stderr, source.text.splitlines())


def _build(source: Source, folder: Path) -> Path:
    text, program = folder / "kernel.cpp", folder / "program"
    text.write_text(source.text, encoding="utf-8")
    flags = [word for word in command(*_FLAGS) if word not in ("-shared", "-fPIC")]
    entry = f"-DSF_ENTRY=sf_entry_{source.name}"
    parts = (
        (flags, text),
        (["g++", "-std=c++17", "-O1", entry, *_FLAGS], SOURCES / "tsan_main.cc"),
    )
    objects = []
    for words, file in parts:
        objects.append(str(folder / f"{file.stem}.o"))
        _checked([*words, "-x", "c++", "-c", str(file), "-o", objects[-1]])
    _checked(["g++", *_FLAGS, *objects, str(driver_path()), "-o", str(program)])
    return program


def _without_random_addresses() -> list[str]:
    """The sanitizer knows where memory may lie, and cannot do with all that Linux may choose."""
    return ["setarch", "-R"] if shutil.which("setarch") else []


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def _checked(words: list[str]) -> None:
    done = _run(words)
    if done.returncode:
        raise RuntimeError(done.stderr)


def _told(report: str, lines: Sequence[str]) -> list[str]:
    found = {}
    for part in report.split("WARNING: ThreadSanitizer: data race")[1:]:
        names = dict(_NAME.findall(part))
        sides = _ACCESS.findall(part)
        places = tuple(_place(frames, lines) for _, _, frames in sides)
        told = (
            f"{what.lower()} by {names.get(who, who)} {place}"
            for (what, who, _), place in zip(sides, places, strict=True)
        )
        found.setdefault(places, "; ".join(told))
    return list(found.values())


def _place(frames: str, lines: Sequence[str]) -> str:
    """Where in the text; what the machine does for a thread is in no line of it."""
    match = re.search(r"/kernel\.cpp:(\d+)", frames)
    if match is None:
        return "in sf_copy_wait" if "carry_out" in frames else "in a meeting of its warp"
    return f"at line {match[1]} `{lines[int(match[1]) - 1].strip()}`"


def _main() -> int:
    """Whether every kernel has the races that are known, and no others."""
    wrong = 0
    for name, kernel, case, has_race in checked_for_races():
        for schedule in ("forward", "backward"):
            if found := races(kernel, case.blocks, case.arrays, case.sizes, schedule):
                break
        wrong += bool(found) != has_race
        print(f"{name}: {found[0] if found else 'no race'}")
    return wrong


if __name__ == "__main__":
    sys.exit(_main())
