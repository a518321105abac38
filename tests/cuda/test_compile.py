"""Compiling for a device that is not there: architectures, caches, stages and reports."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from cuda.on_device import needs_nvrtc

import symfuse as sf
from symfuse.compiler.compile import Compilation, compile_graph
from symfuse.compiler.explain.stages import as_text, explain, kernels, stages_of
from symfuse.compiler.targets.cuda import nvrtc
from symfuse.compiler.targets.cuda.report import architectures
from symfuse.compiler.targets.cuda.sass import disassembler
from symfuse.runtime import options
from symfuse.runtime.cuda.code import Prepared
from symfuse.runtime.errors import OptionError

needs_disassembler = pytest.mark.skipif(
    disassembler() is None, reason="nvdisasm, which lists machine code, is not installed"
)


def scaled_softmax(x, scale):
    x = x * scale
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.fixture
def fresh(tmp_path):
    """A cache with nothing in it."""
    with options.using(cache_dir=tmp_path):
        yield


def compiled(*specs: str, arch: str | None = "sm_90", **more: Any) -> Compilation:
    graph = sf.make_graph(scaled_softmax)(*(specs or ("f32[64,512]", "f32[512]"))).ir
    return compile_graph(graph, target="cuda", arch=arch, **more)


@needs_nvrtc
def test_a_static_program_has_nothing_for_the_processor(fresh):
    program = compiled().program
    assert program.target == "cuda"
    assert program.image is None
    assert program.device.arch == "sm_90"
    assert len(program.device.launches) == len(program.launches)
    assert all(isinstance(launch.blocks, int) for launch in program.device.launches)


@needs_nvrtc
def test_open_sizes_are_settled_on_the_processor(fresh):
    program = compiled("f32[N,512]", "f32[512]").program
    assert list(program.image.symbols) == ["prepare"]
    (launch,) = program.device.launches
    assert isinstance(launch.blocks, Prepared)
    assert launch.sizes == (0,)
    assert program.device.prepared == 2  # blocks, and the bytes of what is read and written


@needs_nvrtc
def test_a_program_is_kept_for_each_architecture(fresh):
    assert not compiled(arch="sm_90").from_cache
    assert not compiled(arch="sm_80").from_cache
    again = compiled(arch="sm_90")
    assert again.from_cache
    assert again.program.device.arch == "sm_90"


@needs_nvrtc
def test_kernels_of_another_program_come_from_the_cache(fresh):
    first = compiled(numerics="strict").written.usage()
    again = compiled(numerics="strict", level="max").written.usage()
    assert [usage.seconds for usage in first] == [usage.seconds for usage in again]


def layers(x, params):
    for weights, scale in params:
        x = sf.nn.functional.softmax(x * scale, axis=-1) @ weights
    return x


def layered(count: int) -> Compilation:
    params = [("f32[40,40]", "f32[40]")] * count
    return compile_graph(sf.make_graph(layers)("f32[8,40]", params).ir, target="cuda", arch="sm_90")


@needs_nvrtc
def test_equal_kernels_of_all_layers_are_compiled_once(fresh, monkeypatch):
    compiled_names = []
    monkeypatch.setattr(nvrtc, "_run", lambda r, run=nvrtc._run: compiled_names.append(r) or run(r))
    code = layered(6).program.device
    assert len(code.launches) == 12
    assert len(code.modules) == len(compiled_names) == 4
    assert len({(launch.module, launch.entry) for launch in code.launches}) == 4
    assert layered(3).program.device.modules == code.modules
    assert len(compiled_names) == 4  # other programs find them on disk


@needs_nvrtc
def test_names_of_the_user_and_lines_change_no_code(fresh):
    def renamed(data, factor):
        scaled = data * factor
        powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    specs = ("f32[64,512]", "f32[512]")
    other = compile_graph(sf.make_graph(renamed)(*specs).ir, target="cuda", arch="sm_90")
    one, two = (done.written.distinct for done in (compiled(), other))
    assert one == two
    assert compiled().written.text != other.written.text


@needs_nvrtc
def test_without_a_device_the_usual_architecture_is_compiled_for(fresh):
    with options.using(cuda_driver="/nowhere/libcuda.so.1"):
        assert compiled(arch=None).program.device.arch == "sm_90"


def test_an_unknown_architecture_is_refused(fresh):
    with pytest.raises(OptionError, match=r"no code for arch='sm_75'\n.*one of sm_80"):
        compiled(arch="sm_75")


@needs_nvrtc
def test_the_oldest_architecture_has_what_kernels_are_written_in(fresh):
    graph = sf.make_graph(lambda x, y: x @ y)("bf16[200,96]", "bf16[96,200]").ir
    with options.using(cublas="never"):
        code = compile_graph(graph, target="cuda", arch=architectures()[0]).program.device
    assert len(code.modules) == 1


def scaled(x):
    """Rows that are read three times."""
    return (x - np.mean(x, axis=-1, keepdims=True)) / np.std(x, axis=-1, keepdims=True)


@needs_nvrtc
@pytest.mark.parametrize(
    ("arch", "kilobytes", "kept"), [("sm_80", 163, 1), ("sm_86", 99, 0), ("sm_90", 227, 4)]
)
def test_rows_are_kept_in_shared_memory_as_far_as_an_architecture_has_room(
    fresh, arch, kilobytes, kept
):
    asked = []
    for length in (20_000, 36_000, 40_000, 50_000, 50_257, 57_000):
        graph = sf.make_graph(scaled)(f"f32[64,{length}]").ir
        done = compile_graph(graph, target="cuda", arch=arch)
        asked.append(max(launch.shared for launch in done.program.device.launches))
    assert max(asked) <= kilobytes << 10
    assert sum(shared > 48 << 10 for shared in asked) == kept


@needs_nvrtc
def test_forms_of_kernels_are_those_that_an_architecture_has_room_for(fresh):
    graph = sf.make_graph(lambda x, y: x @ y)("f16[4096,2048]", "f16[2048,4096]").ir
    with options.using(cublas="never"):
        done = compile_graph(graph, target="cuda", arch="sm_86", level="max")
    asked = [kernel.shared for kernel in done.program.device.kernels]
    assert len(asked) > 2 and max(asked) <= 99 << 10


def test_an_unknown_target_is_refused(fresh):
    graph = sf.make_graph(np.tanh)("f32[3]").ir
    with pytest.raises(OptionError, match="target='tpu' is not known"):
        compile_graph(graph, target="tpu")
    with pytest.raises(OptionError, match="leave out arch"):
        compile_graph(graph, target="cpu", arch="sm_90")


@needs_nvrtc
@needs_disassembler
def test_every_stage_has_a_text(fresh):
    done = compiled()
    texts = {stage: as_text(done, stage) for stage in stages_of("cuda")}
    assert "SF_KERNEL(" in texts["cuda"]
    assert ".visible .entry" in texts["ptx"]
    assert "EXIT" in texts["sass"]
    assert all(texts.values())
    with pytest.raises(OptionError, match="'llvm' is one of programs for 'cpu'"):
        as_text(done, "llvm")


@needs_nvrtc
def test_kernels_show_what_they_take_of_the_device(fresh):
    done = compiled()
    (record,) = kernels(done)
    usage = record.usage
    assert usage.threads % 32 == 0
    assert 0 < usage.registers <= 64
    assert 0 < usage.occupancy <= 1
    assert usage.seconds > 0
    assert record.as_dict()["device"]["registers"] == usage.registers
    table = str(kernels(done))
    assert "registers" in table and "occupancy" in table and f" {usage.registers} " in table
    assert "kernels" in str(explain(done))


@needs_nvrtc
def test_kernels_of_a_cached_program_show_the_same(fresh):
    first, again = compiled(), compiled()
    assert again.from_cache
    assert kernels(again)[0].usage == kernels(first)[0].usage


def test_nothing_of_cuda_is_loaded_to_compile_for_the_processor():
    script = (
        "import sys, numpy as np, symfuse as sf\n"
        "from symfuse.runtime import options\n"
        "with options.using(cache=False):\n"
        "    sf.jit(lambda x: np.tanh(x @ x) + 1)(np.ones((3, 3)))\n"
        "print(*(m for m in sys.modules if m.startswith('symfuse')))\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "symfuse.compiler.targets.llvm.target" in loaded
    plain = ("symfuse.runtime.cuda", "symfuse.runtime.cuda.code", "symfuse.runtime.cuda.stored")
    assert {m for m in loaded if ".cuda" in m or m.endswith("device.schedules")} <= set(plain)
