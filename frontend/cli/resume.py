"""Continues the demo's training from a saved program, with the runtime alone.

`python -m symfuse.cli.resume step.sfz batches.npz result.npz`
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from symfuse.runtime.artifact import load
from symfuse.runtime.executable import load as load_program

__all__ = ["main", "run_epoch"]


def run_epoch(step: Any, leaves: list[Any], batches: list[tuple[Any, Any]]) -> list[Any]:
    """The parameters and the state after a step on each batch."""
    for x, y in batches:
        _, *leaves = step(*leaves, x, y)
    return leaves


def main(argv: list[str]) -> int:
    """Load, train, save; print which parts of symfuse that took."""
    program, given, result = argv
    data = np.load(given)
    count = sum(name.startswith("leaf") for name in data.files)
    leaves = [data[f"leaf{at}"] for at in range(count)]
    batches = list(zip(data["x"], data["y"], strict=True))
    executable = load_program(load(program).program)
    found = run_epoch(executable, leaves, batches)
    np.savez(result, *found)
    heavy = ("symfuse.compiler", "llvmlite", "sympy", "networkx", "optree")
    print(json.dumps({"loaded": [name for name in heavy if name in sys.modules]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
