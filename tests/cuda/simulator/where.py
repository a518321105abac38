"""Prints the path of the simulated driver, built if need be, for SYMFUSE_CUDA_DRIVER.

SYMFUSE_CUDA_DRIVER=$(python tests/cuda/simulator/where.py) symfuse demo --target cuda
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from cuda.simulator.build import driver_path
    from cuda.simulator.products import library_path

    driver = driver_path()
    library_path(driver.parent)
    print(driver)
