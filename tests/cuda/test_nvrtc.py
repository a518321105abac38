"""The compiler of CUDA C++: code, reports, errors, and the cache of what it has made."""

from __future__ import annotations

import pytest

from symfuse.compiler.targets.cuda.nvrtc import Request, nvrtc_version, translate, translate_all
from symfuse.compiler.targets.cuda.report import Resources, occupancy, read_log
from symfuse.compiler.targets.cuda.sass import (
    count_instructions,
    disassemble,
    disassembler,
    instruction_counts,
)
from symfuse.runtime import options
from symfuse.runtime.cuda import libraries
from symfuse.runtime.errors import CompileError

needs_nvrtc = pytest.mark.skipif(
    libraries.find("nvrtc") is None, reason="NVRTC is not on this machine"
)
needs_disassembler = pytest.mark.skipif(
    disassembler() is None, reason="nvdisasm is not on this machine"
)

TEXT = """
extern "C" __global__ void __launch_bounds__(256) twice(float4* x) {
    __shared__ float kept[256];
    float4 v = x[threadIdx.x];
    kept[threadIdx.x] = v.x;
    __syncthreads();
    v.x = 2.0f * kept[255 - threadIdx.x];
    x[threadIdx.x] = v;
}
"""
LOG = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'second' for 'sm_90a'
ptxas info    : Function properties for second
ptxas         .     16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 168 registers, used 3 barriers, 4096 bytes smem, 384 bytes cmem[0]
ptxas info    : Compiling entry function 'first' for 'sm_90a'
ptxas info    : Function properties for first
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers
"""


@pytest.fixture
def fresh(tmp_path):
    """A cache with nothing in it."""
    with options.using(cache_dir=tmp_path):
        yield


def test_the_log_tells_what_each_kernel_takes():
    assert read_log(LOG) == {
        "second": Resources("sm_90a", 168, stack=16, spilled=12, shared=4096, barriers=3),
        "first": Resources("sm_90a", 8),
    }


@pytest.mark.parametrize(
    ("registers", "threads", "shared", "blocks", "limit"),
    [
        (32, 256, 0, 8, "threads"),
        (46, 256, 0, 5, "registers"),
        (32, 256, 40 << 10, 5, "shared memory"),
        (16, 32, 0, 32, "blocks"),
        (255, 1024, 0, 0, "registers"),
    ],
)
def test_occupancy_is_what_the_scarcest_resource_leaves(registers, threads, shared, blocks, limit):
    found = occupancy("sm_90", Resources("sm_90", registers), threads, shared)
    assert found is not None
    assert (found.blocks, found.limit) == (blocks, limit)
    assert found.fraction == pytest.approx(blocks * threads / 2048)


def test_occupancy_is_unknown_where_the_limits_are():
    assert occupancy("sm_00", Resources("sm_00", 8), 32) is None


def test_instructions_are_counted_with_and_without_predicates():
    listing = """
        /*0050*/                   LDG.E.128.CONSTANT R4, desc[UR4][R2.64] ;
        /*0060*/              @!P0 LDG.E R8, desc[UR4][R2.64+0x10] ;
        /*0070*/                   LDGSTS.E.BYPASS.128 [R9], desc[UR4][R2.64] ;
        /*0080*/              @UP0 HMMA.16816.F32.BF16 R4, R4, R6, RZ ;
        /*0090*/                   STG.E.128 desc[UR4][R10.64], R4 ;
        /*00a0*/                   STL [R1], R4 ;
    """
    assert count_instructions(listing)["STL"] == 1
    counts = instruction_counts(listing)
    assert counts["loads of 16 bytes"] == 1
    assert counts["loads"] == 2
    assert counts["stores of 16 bytes"] == counts["stores"] == 1
    assert counts["copies to shared memory"] == 1
    assert counts["matrix products"] == counts["local memory"] == 1
    assert counts["instructions"] == 6


@needs_nvrtc
@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_90a"])
def test_a_kernel_becomes_code_and_a_report(arch, fresh):
    made = translate(Request("twice", TEXT, arch))
    assert made.code.startswith(b"\x7fELF")
    found = read_log(made.log)["twice"]
    assert found.arch == arch
    assert 0 < found.registers <= 32
    assert (found.spilled, found.stack, found.shared) == (0, 0, 1024)


@needs_nvrtc
def test_a_kernel_becomes_ptx(fresh):
    text = translate(Request("twice", TEXT, "sm_90", "ptx")).code.decode()
    assert ".visible .entry twice" in text


@needs_nvrtc
@needs_disassembler
def test_the_listing_shows_accesses_of_16_bytes(fresh):
    counts = instruction_counts(disassemble(translate(Request("twice", TEXT, "sm_90")).code))
    assert counts["loads of 16 bytes"] == counts["stores of 16 bytes"] == 1
    assert counts["barriers"] >= 1
    assert counts["local memory"] == 0


@needs_nvrtc
def test_what_was_translated_once_comes_from_the_cache(fresh, tmp_path):
    requests = [Request("twice", TEXT, arch) for arch in ("sm_80", "sm_90")]
    heard = []

    def told(request, made, number, total):
        heard.append((request.arch, made.from_cache, number, total))

    first, second = translate_all(requests, told), translate_all(requests, told)
    assert heard == [
        ("sm_80", False, 1, 2),
        ("sm_90", False, 2, 2),
        ("sm_80", True, 1, 2),
        ("sm_90", True, 2, 2),
    ]
    assert len(list(tmp_path.rglob("*.entry"))) == 2  # of this context, not of all threads
    for one, again in zip(first, second, strict=True):
        assert (one.code, one.log, one.seconds) == (again.code, again.log, again.seconds)


@needs_nvrtc
def test_a_flag_makes_other_code(fresh):
    translate(Request("twice", TEXT, "sm_90"))
    assert not translate(Request("twice", TEXT, "sm_90", flags=("-fmad=false",))).from_cache


@needs_nvrtc
def test_an_error_shows_the_line(fresh):
    text = TEXT.replace("kept[threadIdx.x] = v.x;", "kept[threadIdx.x] = w.x;")
    with pytest.raises(
        CompileError, match=r">    5 |     kept\[threadIdx.x\] = w.x;(.|\n)*undefined"
    ):
        translate(Request("twice", text, "sm_90"))


@needs_nvrtc
def test_an_unknown_architecture_is_named(fresh):
    with pytest.raises(CompileError, match="twice for sm_12"):
        translate(Request("twice", TEXT, "sm_12"))


@needs_nvrtc
def test_the_version_is_known():
    assert nvrtc_version() >= (13, 0)
