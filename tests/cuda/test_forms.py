"""Kernels with several numbers of blocks on their way: the same bits, and the device takes one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cuda.on_device import needs_compiler, needs_nvrtc, simulated
from cuda.simulator.build import simulate_all
from rows import arrays_of
from scheduled import Scheduled

import symfuse as sf
from symfuse.compiler.compile import compile_graph
from symfuse.compiler.ir.dims import evaluate
from symfuse.compiler.kernel.processor import DEVICE
from symfuse.compiler.targets.cuda import target
from symfuse.compiler.targets.cuda.kernels import kernel_source
from symfuse.compiler.targets.cuda.report import read_log
from symfuse.compiler.targets.cuda.staged import STAGES, other_stages
from symfuse.runtime import options
from symfuse.runtime.cuda import trials

SPECS = {"f32": ("f32[70,200]", "f32[200,48]"), "f16": ("f16[64,256]", "f16[256,64]")}
EVERY_TYPE = pytest.mark.parametrize("dtype", SPECS)


@pytest.fixture(autouse=True)
def without_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    """Kernels of our own for everything, and nothing remembered."""
    monkeypatch.setattr(target, "has_products", lambda arch: False)
    with options.using(cache_dir=tmp_path):
        yield


def product(dtype: str) -> tuple[Scheduled, Any]:
    graph = sf.make_graph(np.matmul)(*SPECS[dtype]).ir
    found = Scheduled(graph)
    (kernel,) = found.kernels
    return found, kernel


@EVERY_TYPE
def test_copies_are_waited_for_as_many_blocks_later_as_there_are_stages(dtype: str) -> None:
    _, kernel = product(dtype)
    forms = [kernel_source(kernel, ()), *other_stages(kernel, (), DEVICE)]
    seen = []
    for form in forms:
        ((left,),) = [re.findall(r"sf_copy_wait<(\d+)>", form.body)]
        stages = int(left) + 2
        seen.append(stages)
        assert form.body.count("sf_copy_commit();") == 1
        ((block, early),) = re.findall(
            r"_start < (?:\d+); k0_start \+= (\d+)\).*?_ahead = k0_start \+ (\d+);", form.body, re.S
        )
        assert int(early) == (stages - 1) * int(block)
        assert f"% {stages};" in form.body
    assert sorted(seen) == list(STAGES)


@needs_compiler
@EVERY_TYPE
def test_all_forms_give_the_same_bits_in_every_order_of_threads(dtype: str) -> None:
    found, kernel = product(dtype)
    graph = found.graph
    given = found.given(arrays_of(graph, np.random.default_rng(1), {}))
    results = []
    for form in (kernel_source(kernel, ()), *other_stages(kernel, (), DEVICE)):
        memory = {buffer: np.array(array) for buffer, array in given.items()}
        arrays = []
        for buffer in form.pointers:
            shape = tuple(evaluate(n, {}) for n in buffer.shape)
            arrays.append(memory.setdefault(buffer, np.full(shape, 7, buffer.dtype.numpy)))
        simulate_all(form, evaluate(kernel.tiles, {}), arrays)
        results.append(b"".join(memory[buffer].tobytes() for buffer in kernel.writes))
    assert len(results) == len(STAGES)
    assert len(set(results)) == 1


def test_kernels_that_fetch_nothing_ahead_have_one_form() -> None:
    (kernel,) = Scheduled(sf.make_graph(np.exp)("f32[64,64]").ir).kernels
    assert list(other_stages(kernel, (), DEVICE)) == []


@needs_compiler
def test_the_fastest_form_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(70, 200)).astype("f4"), rng.normal(size=(200, 48)).astype("f4")
    times, timed = iter((4.0, 3.0, 1.0, 2.0)), []

    def seconds(device: Any, run: Any) -> float:
        run()
        timed.append(run)
        return next(times)

    monkeypatch.setattr(trials, "_seconds", seconds)
    with simulated():
        plain = np.asarray(sf.compile(np.matmul, x, w, target="cuda")(x, w))
        assert timed == []
        exe = sf.compile(np.matmul, x, w, target="cuda", mode="max")
        (launch,) = exe.program.device.launches
        assert len(launch.others) == len(STAGES) - 1
        found = np.asarray(exe(x, w))
        assert len(timed) == len(STAGES)
        again = sf.compile(lambda a, b: a @ b, x, w, target="cuda", mode="max")
        assert np.asarray(again(x, w)).tobytes() == found.tobytes()
        assert len(timed) == len(STAGES)
    assert found.tobytes() == plain.tobytes()


@needs_compiler
def test_forms_survive_in_files(tmp_path: Any) -> None:
    x = np.random.default_rng(3).normal(size=(40, 40)).astype("f4")
    path = tmp_path / "product.sfz"
    with simulated():
        exe = sf.compile(np.matmul, x, x, target="cuda", mode="max")
        exe.save(path)
        np.testing.assert_array_equal(np.asarray(sf.load(path)(x, x)), np.asarray(exe(x, x)))


@needs_nvrtc
@pytest.mark.parametrize("dtype", SPECS)
def test_no_form_spills(dtype: str) -> None:
    graph = sf.make_graph(np.matmul)(f"{dtype}[1024,1024]", f"{dtype}[1024,1024]").ir
    program = compile_graph(graph, target="cuda", arch="sm_90", level="max")
    distinct, launches = program.stages.written._with_forms()
    assert len(distinct) == 1 + sum(len(launch.others) for launch in launches)
    for one in program.stages.written._translated("max", distinct):
        assert all(found.spilled == found.stack == 0 for found in read_log(one.log).values())
