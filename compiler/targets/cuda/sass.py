"""The instructions of machine code, as the disassembler of CUDA lists them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from symfuse.runtime.errors import CompileError

__all__ = ["count_instructions", "disassemble", "disassembler", "instruction_counts"]

_INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]+)")
_INSTALL = "install it with: pip install nvidia-cuda-nvdisasm"

# What is worth counting: its name, and the pattern of the instructions that it counts.
_COUNTED = {
    "loads of 16 bytes": r"LDG(?!STS)\..*128",
    "loads": r"LDG(?!STS)",
    "stores of 16 bytes": r"STG\..*128",
    "stores": r"STG",
    "copies to shared memory": r"LDGSTS",
    "shared loads": r"LDS",
    "shared stores": r"STS",
    "local memory": r"LDL|STL",
    "matrix products": r"[HIDQ]?G?MMA\b",
    "shuffles": r"SHFL",
    "barriers": r"BAR",
    "atomics": r"ATOM|RED\b",
}


@cache
def disassembler() -> Path | None:
    """Where nvdisasm lies: in an installed package, in a CUDA of the system, or nowhere."""
    on_path = shutil.which("nvdisasm")
    return next(_packaged(), Path(on_path) if on_path else None)


def disassemble(code: bytes) -> str:
    """The listing of a cubin."""
    program = disassembler()
    if program is None:
        raise CompileError("nvdisasm, which lists machine code, is not found", fix=_INSTALL)
    with tempfile.TemporaryDirectory(prefix="symfuse-") as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(code)
        done = subprocess.run(
            [program, "--print-code", path], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise CompileError(f"nvdisasm refuses the code: {done.stderr.strip()}", fix=_INSTALL)
    return done.stdout


def count_instructions(listing: str) -> Counter[str]:
    """Instruction with its modifiers → how often it stands in a listing."""
    return Counter(_INSTRUCTION.findall(listing))


def instruction_counts(listing: str) -> dict[str, int]:
    """How many instructions there are of each kind that tells whether code is good."""
    found = count_instructions(listing)
    counts = {
        name: sum(count for op, count in found.items() if re.match(pattern, op))
        for name, pattern in _COUNTED.items()
    }
    return {**counts, "instructions": found.total()}


def _packaged() -> Iterator[Path]:
    for base in sys.path:
        yield from Path(base).glob("nvidia/cu1*/bin/nvdisasm")
