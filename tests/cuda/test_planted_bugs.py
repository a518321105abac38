"""Bugs planted into good kernels and good host code, each with what must catch it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from cuda.simulator.bugs import BUGS, CASES, HARMLESS, WRONG, Bug, Case, kernels
from cuda.simulator.build import SimulationError, needs_compiler, simulate_all
from cuda.simulator.kernels import Kernel, written
from cuda.simulator.session import Session
from cuda.simulator.tsan import races

from symfuse.runtime.cuda.driver import CallFailed

pytestmark = needs_compiler


def verdict(kernel: Kernel, case: Case) -> str:
    """What the gates say of a kernel: what catches it, or that it is right."""
    arrays = [array.copy() for array in case.arrays]
    try:
        simulate_all(kernel, case.blocks, arrays, case.sizes)
    except SimulationError as error:
        return error.fault
    return "right" if np.array_equal(arrays[0], case.expected) else WRONG


@pytest.mark.parametrize("name", CASES)
def test_the_good_kernels_are_right(name: str) -> None:
    assert verdict(kernels()[name], CASES[name]) == "right"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.what)
def test_a_bug_in_a_kernel_is_caught(bug: Bug) -> None:
    assert verdict(kernels()[bug.name], CASES[bug.kernel]) == bug.caught


def test_a_race_that_does_no_harm_is_seen_by_the_sanitizer() -> None:
    kernel, ones = written(HARMLESS)["harmless"], np.ones(64, "f4")
    assert verdict(kernel, Case(1, (0 * ones,), (), ones)) == "right"
    try:
        found = races(kernel, 1, [ones])
    except RuntimeError as error:
        pytest.skip(f"ThreadSanitizer does not run here: {error}")
    line = r"at line \d+ `one\[0\] = 1;`"
    assert len(found) == 1
    assert re.fullmatch(f"write by thread .* {line}; previous write by thread .* {line}", found[0])


# Host code


class Host(Session):
    """Host code that sums 300 numbers on the device, in steps that a test may spoil."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.found = np.arange(300, dtype="f4"), self.pinned(300)
        self.on_device, self.result = self.memory(1200), self.memory(1200)

    def start(self, *, threads: int = 128, shared: int = 0) -> None:
        """Copy the numbers to the device, sum them, and copy the sums back."""
        self.upload(self.on_device, self.x)
        parameters = (self.result, self.on_device, 300)
        function = self.function(kernels()["sums"])
        self.launch(function, parameters, blocks=3, threads=threads, shared=shared)
        self.download(self.found, self.result)


@pytest.fixture
def host() -> Iterator[Host]:
    found = Host()
    yield found
    found.close()


def expected(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.concatenate([part.cumsum(dtype="f4") for part in (x[:128], x[128:256], x[256:])])


def test_the_good_host_code_is_right(host: Host) -> None:
    host.start()
    host.synchronize()
    assert np.array_equal(host.found, expected(host.x))


def test_reading_before_synchronising_is_caught(host: Host) -> None:
    host.start()
    assert np.isnan(host.found).all()


@pytest.mark.parametrize(
    ("spoil", "status", "message"),
    [
        (lambda h: h.upload(h.on_device + 4, h.x), 1, "1200 bytes from byte 4 of allocation"),
        (lambda h: h.start(threads=2048), 1, "a block has 1 to 1024 threads"),
        (lambda h: h.start(threads=256), 1, "more threads than SF_KERNEL declares"),
        (lambda h: h.start(shared=64 << 10), 1, "more dynamic shared memory than the function"),
        (
            lambda h: h.function(Kernel("sums", "\x7fELF", 1)),
            200,
            "an image is the text of kernels",
        ),
        (lambda h: h.function(Kernel("sums", "SF_EXPORT() {", 1)), 200, "error: "),
    ],
    ids=["copy too long", "block too large", "beyond bounds", "no opt-in", "no text", "no C++"],
)
def test_a_bad_call_is_refused(
    host: Host, spoil: Callable[[Host], Any], status: int, message: str
) -> None:
    with pytest.raises(CallFailed, match=message) as caught:
        spoil(host)
    assert caught.value.status == status


def test_use_after_free_is_caught(host: Host) -> None:
    host.call("cuMemFree_v2", host.on_device)
    with pytest.raises(CallFailed, match="which was freed are not inside one allocation"):
        host.start()
    parameters = (host.result, host.on_device, 300)
    host.launch(host.function(kernels()["sums"]), parameters, blocks=3, threads=128)
    with pytest.raises(CallFailed, match=r"reads allocation .*, which was freed") as caught:
        host.synchronize()
    assert caught.value.status == 700
    with pytest.raises(CallFailed, match="illegal memory access"):
        host.download(host.found, host.result)
