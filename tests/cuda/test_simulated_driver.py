"""The simulated driver does what a real one may do at worst: late, strictly, and with a memory."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref, c_float, c_int, c_size_t, c_void_p
from typing import Any

import numpy as np
import pytest
from cuda.simulator import build
from cuda.simulator.build import SOURCES, driver_path, needs_compiler
from cuda.simulator.kernels import written
from cuda.simulator.session import Session, Words

from symfuse.runtime.cuda.driver import SIGNATURES, CallFailed, OutOfMemory
from symfuse.runtime.cuda.launches import NodeParameters

pytestmark = needs_compiler

KERNELS = written("""
SF_KERNEL(scaled, 64)(f32* y, const f32* x, i64 factor) {
    y[sf_thread()] = x[sf_thread()] * factor;
}
SF_KERNEL(roomy, 64)(f32* y) {
    SF_DYNAMIC_SHARED(memory);
    ((f32*)memory)[sf_thread() * 256] = 3;
    y[sf_thread()] = ((f32*)memory)[sf_thread() * 256];
}
SF_KERNEL(skewed, 32)(f32* y) {
    sf_store((f32*)((char*)y + 4), sf_vector<f32, 4>{});
}
""")
NOT_READY, CAPTURING = 600, 900


@pytest.fixture
def device() -> Iterator[Session]:
    session = Session()
    yield session
    session.close()


@pytest.fixture
def x() -> Any:
    return np.arange(64, dtype="f4")


@contextmanager
def fails(status: int, message: str = "CUDA_ERROR") -> Iterator[None]:
    with pytest.raises(CallFailed, match=message) as caught:
        yield
    assert caught.value.status == status


def test_every_entry_point_of_the_runtime_is_there() -> None:
    library = ctypes.CDLL(str(driver_path()))
    assert [name for name in SIGNATURES if not hasattr(library, name)] == []


@pytest.mark.skipif(not build.cuda_header(), reason="needs <cuda.h> to compare with")
def test_own_declarations_are_those_of_the_real_header(tmp_path: Any) -> None:
    text = (SOURCES / "cuda_declarations.h").read_text(encoding="utf-8")
    numbers = re.findall(r"\b(CU(?:DA)?_[A-Z_0-9]+) = (\d+)", text)
    names = re.findall(r"#define (cu\w+) (\w+)", text)
    check = tmp_path / "check.cpp"
    lines = ["#include <cuda.h>", "#include <string_view>", "#define TEXT(x) #x"]
    lines += ["#define SAME(x, y) static_assert(std::string_view(TEXT(x)) == y, y)"]
    lines += [f"static_assert((int){name} == {value});" for name, value in numbers]
    lines += [f'SAME({name}, "{exported}");' for name, exported in names]
    check.write_text("\n".join(lines), encoding="utf-8")
    words = ["g++", "-std=c++17", "-fsyntax-only", *build.cuda_header(), str(check)]
    subprocess.run(words, check=True)
    assert len(numbers) > 40
    assert len(names) > 15


def test_a_kernel_runs_when_it_is_waited_for(device: Session, x: Any) -> None:
    on_device, y, found = device.memory(256), device.memory(256), device.pinned(64)
    before = device.launches
    device.upload(on_device, x)
    device.launch(device.function(KERNELS["scaled"]), [y, on_device, 3], threads=64)
    device.download(found, y)
    assert device.launches == before
    assert np.isnan(found).all()
    device.synchronize()
    assert device.launches == before + 1
    assert np.array_equal(found, 3 * x)


def test_memory_that_is_not_pinned_is_read_at_once(device: Session, x: Any) -> None:
    on_device, pinned, found = device.memory(512), device.pinned(64), np.zeros(64, "f4")
    pinned[:] = mine = x.copy()
    device.upload(on_device, mine)
    device.upload(on_device + 256, pinned)
    mine[:] = pinned[:] = 0
    device.download(found, on_device)
    assert np.array_equal(found, x)
    device.download(found, on_device + 256)
    assert not found.any()


def test_new_memory_is_poisoned_and_accounted_for(device: Session, monkeypatch: Any) -> None:
    free, total = c_size_t(), c_size_t()
    device.call("cuMemGetInfo_v2", byref(free), byref(total))
    monkeypatch.setenv("SIM_MEMORY", str(total.value - free.value + 1000))
    address = device.memory(800)
    found = np.zeros(200, "f4")
    device.download(found, address)
    assert np.isnan(found).all()
    with pytest.raises(OutOfMemory):
        device.memory(400)
    device.call("cuMemFree_v2", address)
    device.memory(1000)
    with fails(1, "which was freed"):
        device.call("cuMemFree_v2", address)
    with fails(1):
        device.memory(0)


def test_fills_and_copies_stay_inside_their_memory(device: Session, x: Any) -> None:
    a, b, found = device.memory(256), device.memory(256), np.zeros(64, "f4")
    device.upload(a, x)
    device.call("cuMemsetD8Async", a + 128, 0, 128, 0)
    device.call("cuMemcpyDtoDAsync_v2", b, a, 256, 0)
    device.download(found, b)
    assert np.array_equal(found, np.where(x < 32, x, 0))
    for name, *arguments in (
        ("cuMemsetD8Async", a + 1, 0, 256, 0),
        ("cuMemcpyDtoDAsync_v2", b, a + 4, 256, 0),
        ("cuMemcpyHtoDAsync_v2", a - 4, x.ctypes.data, 8, 0),
        ("cuMemcpyDtoHAsync_v2", found.ctypes.data, a, 257, 0),
    ):
        with fails(1, "are not inside one allocation"):
            device.call(name, *arguments)


def test_events_tell_the_order_and_the_time(device: Session, x: Any) -> None:
    start, end = device.handle("cuEventCreate", 0), device.handle("cuEventCreate", 0)
    query, passed = device.driver.function("cuEventQuery"), c_float()
    assert query(start) == 0
    device.call("cuEventRecord", start, 0)
    device.upload(device.memory(256), x)
    device.call("cuEventRecord", end, 0)
    with fails(NOT_READY):
        device.call("cuEventElapsedTime_v2", byref(passed), start, end)
    assert query(end) == NOT_READY
    assert query(start) == 0
    device.call("cuEventSynchronize", end)
    device.call("cuEventElapsedTime_v2", byref(passed), start, end)
    assert 0 <= passed.value < 1000
    device.call("cuEventDestroy_v2", end)
    with fails(400):
        device.call("cuEventSynchronize", end)


def test_a_stream_waits_for_the_event_of_another(device: Session, x: Any) -> None:
    on_device, found, event = (
        device.memory(256),
        device.pinned(64),
        device.handle("cuEventCreate", 2),
    )
    device.upload(on_device, x)
    device.call("cuEventRecord", event, 0)
    device.call("cuStreamWaitEvent", device.stream, event, 0)
    device.download(found, on_device, device.stream)
    device.synchronize(device.stream)
    assert np.array_equal(found, x)


def test_without_the_event_a_stream_goes_ahead(device: Session, x: Any) -> None:
    on_device, found = device.memory(256), device.pinned(64)
    device.upload(on_device, x)
    device.download(found, on_device, device.stream)
    device.synchronize(device.stream)
    assert np.isnan(found).all()


def test_host_functions_run_in_their_turn(device: Session) -> None:
    told: list[int | None] = []
    function = ctypes.CFUNCTYPE(None, c_void_p)(told.append)
    launch = ctypes.CDLL(str(driver_path())).cuLaunchHostFunc
    assert launch(c_void_p(device.stream), function, c_void_p(7)) == 0
    assert told == []
    device.synchronize(device.stream)
    assert told == [7]


class Recorded:
    """A captured launch of `scaled`, instantiated."""

    def __init__(self, device: Session, x: Any) -> None:
        self.device, self.x, self.y = device, device.memory(256), device.memory(256)
        device.upload(self.x, x)
        self.function = device.function(KERNELS["scaled"])
        device.call("cuStreamBeginCapture_v2", device.stream, 2)
        device.launch(self.function, [self.y, self.x, 2], threads=64, stream=device.stream)
        self.node = self.newest()
        graph = device.end_capture()
        self.executable = device.handle("cuGraphInstantiateWithFlags", graph, 0)
        device.call("cuGraphDestroy", graph)

    def newest(self) -> int:
        status, nodes, count = c_int(), c_void_p(), c_size_t()
        out = (byref(status), None, None, byref(nodes), None, byref(count))
        self.device.call("cuStreamGetCaptureInfo_v3", self.device.stream, *out)
        assert (status.value, count.value) == (1, 1)
        return c_void_p.from_address(nodes.value or 0).value or 0

    def change(self, factor: int, *, threads: int = 64) -> None:
        words = Words(self.y, self.x, factor)
        grid, block = (ctypes.c_uint * 3)(1, 1, 1), (ctypes.c_uint * 3)(threads, 1, 1)
        where = ctypes.addressof(words.addresses)
        node = NodeParameters(self.function, grid, block, 0, where, None, None, None)
        name = "cuGraphExecKernelNodeSetParams_v2"
        self.device.call(name, self.executable, self.node, byref(node))

    def launch(self) -> Any:
        found = self.device.pinned(64)
        self.device.call("cuGraphLaunch", self.executable, 0)
        self.device.download(found, self.y)
        return found


def test_a_capture_records_and_a_replay_runs(device: Session, x: Any) -> None:
    before = device.launches
    recorded = Recorded(device, x)
    device.synchronize()
    assert device.launches == before
    first, second = recorded.launch(), recorded.launch()
    device.synchronize()
    assert device.launches == before + 2
    assert np.array_equal(first, 2 * x)
    assert np.array_equal(second, 2 * x)


def test_a_changed_node_serves_later_launches(device: Session, x: Any) -> None:
    recorded = Recorded(device, x)
    before = recorded.launch()
    recorded.change(5)
    after = recorded.launch()
    with fails(1, "a block has 1 to 1024 threads"):
        recorded.change(6, threads=1056)
    device.synchronize()
    assert np.array_equal(before, 2 * x)
    assert np.array_equal(after, 5 * x)
    device.call("cuGraphExecDestroy", recorded.executable)
    with fails(400):
        recorded.launch()


@pytest.mark.parametrize("mode", [0, 2])
def test_what_waits_spoils_a_capture(device: Session, mode: int) -> None:
    device.call("cuStreamBeginCapture_v2", device.stream, mode)
    with fails(CAPTURING):
        device.synchronize(device.stream)
    with fails(901):
        device.end_capture()
    device.synchronize(device.stream)


def test_memory_is_taken_during_relaxed_captures_only(device: Session) -> None:
    device.call("cuStreamBeginCapture_v2", device.stream, 2)
    device.memory(256)
    device.end_capture()
    device.call("cuStreamBeginCapture_v2", device.stream, 0)
    with fails(CAPTURING):
        device.memory(256)
    with fails(901):
        device.end_capture()


def test_the_default_stream_cannot_be_captured(device: Session) -> None:
    with fails(CAPTURING):
        device.call("cuStreamBeginCapture_v2", 0, 2)
    with fails(401):
        device.end_capture()


def test_launches_have_to_fit_the_device(device: Session) -> None:
    y, scaled = device.memory(256), device.function(KERNELS["scaled"])
    roomy = device.function(KERNELS["roomy"])
    for sizes, message in (
        ({"threads": 1025}, "a block has 1 to 1024 threads"),
        ({"threads": 0}, "a block has 1 to 1024 threads"),
        ({"blocks": 0}, "a grid has 1"),
        ({"threads": 96}, "more threads than SF_KERNEL declares"),
    ):
        with fails(1, message):
            device.launch(scaled, [y, y, 1], **sizes)
    with fails(1, "more dynamic shared memory than the function was allowed"):
        device.launch(roomy, [y], threads=64, shared=64 << 10)
    with fails(1):
        device.call("cuFuncSetAttribute", roomy, 8, 228 << 10)
    device.call("cuFuncSetAttribute", roomy, 8, 64 << 10)
    device.launch(roomy, [y], threads=64, shared=64 << 10)
    found = np.zeros(64, "f4")
    device.download(found, y)
    assert np.all(found == 3)


@pytest.mark.parametrize("schedule", ["0", "1", "7"])
def test_every_schedule_can_be_chosen(
    device: Session, x: Any, schedule: str, monkeypatch: Any
) -> None:
    monkeypatch.setenv("SIM_SCHEDULE", schedule)
    recorded = Recorded(device, x)
    found = recorded.launch()
    device.synchronize()
    assert np.array_equal(found, 2 * x)


def test_a_broken_context_stays_broken(device: Session) -> None:
    y = device.memory(256)
    device.launch(device.function(KERNELS["skewed"]), [y])
    with fails(716, r"misaligned address: skewed: sf_store of 16 bytes at line .*: byte 4 of"):
        device.synchronize()
    with fails(716):
        device.memory(256)
    device.library.sf_driver_reset()
    device.memory(256)


def test_a_kernel_can_be_made_to_fail(device: Session, x: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("SIM_FAULT", "scaled")
    recorded = Recorded(device, x)
    recorded.launch()
    with fails(719, "unspecified launch failure"):
        device.synchronize()


def test_a_module_that_was_unloaded_serves_no_longer(device: Session) -> None:
    module = device.handle("cuModuleLoadData", KERNELS["scaled"].text.encode())
    function = device.handle("cuModuleGetFunction", module, b"scaled")
    with fails(500, "missing"):
        device.handle("cuModuleGetFunction", module, b"missing")
    device.call("cuModuleUnload", module)
    with fails(400):
        device.launch(function, [0, 0, 0], threads=64)
    with fails(400):
        device.call("cuModuleUnload", module)
