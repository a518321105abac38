"""The device of the tests here is the simulated one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cuda.programs import KERNELS, Programs
from cuda.simulator.build import driver_path

from symfuse.runtime import options
from symfuse.runtime.cuda.device import Device, device

PREAMBLE = Path(__file__).parents[2] / "compiler" / "targets" / "cuda" / "preamble.cu"


@pytest.fixture
def place() -> Iterator[Device]:
    """The device that programs run on."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++, which compiles the simulated device")
    with options.using(cuda_driver=str(driver_path())):
        yield device()


@pytest.fixture
def programs(place: Device) -> Programs:
    """The programs written by hand, for that device."""
    text = PREAMBLE.read_text(encoding="utf-8") + KERNELS
    return Programs(text.encode(), place.facts.arch)
