"""The driver and the libraries of CUDA: found, absent, too old, without a device."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import tomllib
from collections import deque
from contextlib import suppress
from pathlib import Path

import pytest
from cuda.simulator.build import driver_path, needs_compiler

from symfuse.runtime import options
from symfuse.runtime.cuda import device, driver, libraries, memory
from symfuse.runtime.cuda.device import runs_on
from symfuse.runtime.cuda.inspect import inspect_cuda
from symfuse.runtime.cuda.memory import Pool
from symfuse.runtime.errors import DeviceError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def simulated(tmp_path):
    """The simulated driver under a path of its own, so that it is looked at anew."""
    (tmp_path / "libcuda.so.1").symlink_to(driver_path())
    with options.using(cuda_driver=str(tmp_path)):
        yield tmp_path


def test_a_driver_that_is_not_there_is_told(tmp_path):
    with options.using(cuda_driver=str(tmp_path)), pytest.raises(DeviceError) as caught:
        driver.driver()
    assert "there is no CUDA driver" in caught.value.what
    assert "libcuda.so.1" in caught.value.what
    assert 'target="cpu"' in caught.value.fix
    with options.using(cuda_driver=str(tmp_path)):
        assert device.device_arch() is None
        assert "no CUDA driver" in (driver.why_no_driver() or "")


@needs_compiler
class TestSimulated:
    def test_facts_are_told(self, simulated):
        found = device.device()
        assert (found.label, found.facts.arch) == ("cuda:0", "sm_00")
        assert device.device_arch() == "sm_00"
        assert driver.why_no_driver() is None
        free, total = found.room()
        assert 0 < free <= total

    def test_an_old_driver_is_refused(self, simulated, monkeypatch):
        monkeypatch.setenv("SIM_VERSION", "12080")
        with pytest.raises(DeviceError, match=r"is for CUDA 12\.8, and symfuse needs .* 13\.0"):
            device.device()

    def test_no_device_is_told(self, simulated, monkeypatch):
        monkeypatch.setenv("SIM_DEVICES", "0")
        with pytest.raises(DeviceError, match=r"no CUDA.* device") as caught:
            device.device()
        assert "CUDA_VISIBLE_DEVICES" in caught.value.fix

    def test_a_device_beyond_the_last_is_told(self, simulated):
        with options.using(cuda_device=3), pytest.raises(DeviceError, match="no device cuda:3"):
            device.device()

    def test_several_devices_are_apart(self, simulated, monkeypatch):
        monkeypatch.setenv("SIM_DEVICES", "2")
        with options.using(cuda_device=1):
            second = device.device()
        assert second.label == "cuda:1"
        assert device.device(0) is not second
        assert device.device(1) is second
        before = second.driver.handle("cuCtxGetCurrent")
        with second:
            assert second.driver.handle("cuCtxGetCurrent") == second.context
        assert second.driver.handle("cuCtxGetCurrent") == before

    def test_the_context_of_another_library_is_put_back(self, simulated, monkeypatch):
        place, seen = device.device(), []
        current = place.driver._functions["cuCtxGetCurrent"]

        def foreign(where):
            ctypes.cast(where, ctypes.POINTER(ctypes.c_void_p))[0] = 12345
            return 0

        def look():
            found = ctypes.c_void_p()
            current(ctypes.byref(found))
            seen.append(found.value)

        def work():
            for _ in range(2):
                with place:
                    look()
                look()

        monkeypatch.setitem(place.driver._functions, "cuCtxGetCurrent", foreign)
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
        assert seen == [place.context, None, place.context, None]

    def test_a_context_that_is_gone_says_what_to_do(self, simulated):
        place = device.device()
        with place:
            place.driver.call("cuCtxSetCurrent", None)
            with pytest.raises(driver.CallFailed, match="INVALID_CONTEXT") as caught:
                place.driver.handle("cuEventCreate", 2)
            place.driver.call("cuCtxSetCurrent", place.context)
        assert "another library has put its own in its place" in caught.value.fix

    def test_threads_that_let_go_of_memory_leave_what_is_in_use(self, simulated, monkeypatch):
        place, meeting = device.device(), threading.Barrier(2)
        with place:
            first, second = (place.driver.handle("cuEventCreate", 2) for _ in range(2))

        def work():
            with place:
                place.release()

        def query(event):
            with suppress(threading.BrokenBarrierError):
                meeting.wait(timeout=0.5)
            return 0 if event == first else 600

        place._held.extend([(first, ()), (second, ())])
        monkeypatch.setitem(place.driver._functions, "cuEventQuery", query)
        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [event for event, _ in place._held] == [second]

    def test_what_is_discarded_during_a_sweep_waits_for_the_next(self, simulated, monkeypatch):
        place = device.device()
        wait = place.driver._functions["cuStreamSynchronize"]

        def discarding(stream):
            place.discard("cuEventDestroy_v2", later)
            return wait(stream)

        with place:
            now, later = (place.driver.handle("cuEventCreate", 2) for _ in range(2))
        place.discard("cuEventDestroy_v2", now)
        monkeypatch.setitem(place.driver._functions, "cuStreamSynchronize", discarding)
        place.sweep()
        assert list(place._discarded) == [("cuEventDestroy_v2", later)]

    def test_errors_name_the_call(self, simulated):
        with pytest.raises(driver.CallFailed, match=r"cuMemFree_v2 failed: .*CUDA_ERROR") as caught:
            driver.driver().call("cuMemFree_v2", 12345)
        assert caught.value.status == 1


def test_importing_symfuse_touches_no_cuda():
    program = (
        "import sys, symfuse, symfuse.numpy, symfuse.runtime.executable\n"
        "print(*[name for name in sys.modules if name.startswith('symfuse.runtime.cuda.')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    # Values only: a program may hold device code, and a file may.
    assert set(ran.stdout.split()) <= {"symfuse.runtime.cuda.code", "symfuse.runtime.cuda.stored"}


class TestLibraries:
    def test_wheels_are_found(self, tmp_path, monkeypatch):
        folder = tmp_path / "nvidia" / "cu13" / "lib"
        folder.mkdir(parents=True)
        (folder / "libnvrtc.so.13").touch()
        monkeypatch.syspath_prepend(str(tmp_path))
        found = libraries.find("nvrtc")
        assert found is not None
        assert found.path == str(folder / "libnvrtc.so.13")
        assert found.origin.startswith("nvidia-cuda-nvrtc")

    def test_absence_says_what_to_install(self, monkeypatch):
        monkeypatch.setattr(libraries, "_places", lambda library: ())
        libraries.load.cache_clear()
        assert libraries.find("cudnn") is None
        with pytest.raises(DeviceError, match=r"libcudnn.so.9 is absent; .* convolutions") as info:
            libraries.load("cudnn")
        assert 'pip install "nvidia-cudnn-cu13>=9.12,<10"' in info.value.fix
        told = inspect_cuda()["libraries"]["nvrtc"]
        assert told == 'not found; it compiles kernels: pip install "nvidia-cuda-nvrtc>=13.0,<14"'

    def test_what_is_to_be_installed_is_what_the_extras_bring(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        brought = {name for extra in project["optional-dependencies"].values() for name in extra}
        every = libraries.LIBRARIES.values()
        assert {library.package + library.versions for library in every} <= brought


@pytest.mark.parametrize(
    "arch, capability, fits",
    [
        ("sm_90", (9, 0), True),
        ("sm_80", (8, 6), True),
        ("sm_86", (8, 0), False),
        ("sm_80", (9, 0), False),
        ("sm_90a", (9, 0), True),
        ("sm_100a", (10, 3), False),
        ("sm_100", (10, 3), True),
        ("sm_00", (0, 0), True),
        ("x86_64", (9, 0), False),
    ],
)
def test_code_runs_on_devices_of_its_kind(arch, capability, fits):
    assert runs_on(arch, capability) is fits


class TestPool:
    @pytest.fixture
    def source(self):
        taken, given = [], []

        def allocate(size):
            if sum(taken) - sum(given) + size > 10_000:
                raise driver.OutOfMemory("full")
            taken.append(size)
            return 1 << 20

        def free(address):
            given.append(taken[len(given)])

        return Pool(allocate, free), taken, given

    def test_a_dropped_block_is_used_again(self, source):
        pool, taken, _ = source
        for _ in range(5):
            pool.take(700)
        assert len(taken) == 1
        assert (pool.usage.hits, pool.usage.misses, pool.usage.live) == (4, 1, 0)

    def test_a_block_that_the_collector_drops_while_another_goes_back_is_kept(self, monkeypatch):
        pending = []

        class Collecting(deque):
            def __init__(self):
                super().__init__()
                pending.clear()

        monkeypatch.setattr(memory, "deque", Collecting)
        pool = Pool(lambda nbytes: 4096, lambda address: None)
        one, other = pool.take(1000), pool.take(1000)
        pending.append(other)
        del other, one
        assert pool.usage.live == 0

    def test_free_blocks_go_back_before_memory_is_too_little(self, source):
        pool, _, given = source
        pool.take(6000)
        kept = pool.take(9000)
        assert len(given) == 1
        assert pool.usage.taken == kept.nbytes

    def test_what_is_too_much_is_told(self, source):
        pool, *_ = source
        with pytest.raises(driver.OutOfMemory):
            pool.take(20_000)

    def test_blocks_that_were_shared_are_not_used_again(self, source):
        pool, taken, given = source
        block = pool.take(100)
        block.is_shared = True
        del block
        pool.take(100)
        assert (len(taken), len(given)) == (2, 1)


@needs_compiler
class TestFailures:
    """Kernels that fail while they run, in a process of their own: the device does not recover."""

    SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import numpy as np
from cuda.conftest import PREAMBLE
from cuda.programs import KERNELS, Programs
from symfuse.runtime.cuda.device import device
from symfuse.runtime.errors import DeviceError
from symfuse.runtime.executable import load
text = PREAMBLE.read_text(encoding="utf-8") + KERNELS
run = load(Programs(text.encode(), device().facts.arch).addition(), verify={verify})
try:
    found = run(np.ones(4, np.float32), np.ones(4, np.float32))
    print("returned")
    np.asarray(found)
except DeviceError as error:
    print(error)
"""

    def output(self, *, verify: bool) -> str:
        script = self.SCRIPT.format(tests=str(Path(__file__).parents[1]), verify=verify)
        settings = {"SYMFUSE_CUDA_DRIVER": str(driver_path()), "SIM_FAULT": "combine4"}
        ran = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            env={**os.environ, **settings},
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def test_what_fails_later_is_told_by_who_waits(self):
        found = self.output(verify=False)
        assert found.startswith("returned")
        assert "failed: " in found
        assert "CUDA_ERROR_LAUNCH_FAILED" in found
        assert "SYMFUSE_VERIFY=1" in found

    def test_verified_runs_name_the_kernel_and_the_users_lines(self):
        found = self.output(verify=True)
        assert found.startswith("kernel combine4 (model.py:10): cuStreamSynchronize failed")
        assert "returned" not in found
