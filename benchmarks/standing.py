"""Measures the standing suite and prints a Markdown table.

    python benchmarks/standing.py [--only softmax] [--rounds 15] [--contenders symfuse,numpy,jax]

The same as `symfuse bench`; the numbers go to benchmarks/results/standing.json.
"""

from __future__ import annotations

import sys
from pathlib import Path

from symfuse.cli import main

if __name__ == "__main__":
    results = Path(__file__).parent / "results"
    sys.exit(main(["bench", "--results", str(results), *sys.argv[1:]]))
