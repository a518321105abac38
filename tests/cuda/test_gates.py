"""What the compiler says of the golden kernels: registers, spills, and how memory is accessed."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any

import pytest
from cuda.golden import GOLDEN, Budget, traced

from symfuse.compiler.compile import compile_graph
from symfuse.compiler.targets.cuda import target
from symfuse.compiler.targets.cuda.sass import disassemble, disassembler, instruction_counts
from symfuse.runtime import options
from symfuse.runtime.cuda import libraries

pytestmark = pytest.mark.skipif(
    libraries.find("nvrtc") is None, reason="NVRTC is not on this machine"
)
needs_disassembler = pytest.mark.skipif(
    disassembler() is None, reason="nvdisasm is not on this machine"
)
LISTED = ("Adam", "transpose", "product with an epilogue")  # disassembling takes a second each
WIDE = r"\b{}\.global[.\w]*\.(?:v4\.\w32|v2\.\w64)\b"
EVERY_KERNEL = pytest.mark.parametrize("budget", GOLDEN, ids=lambda budget: budget.name)
EVERY_ARCH = pytest.mark.parametrize("arch", ["sm_80", "sm_90"])


@cache
def compiled(budget: Budget, arch: str) -> Any:
    """The program with kernels of our own for everything."""
    with pytest.MonkeyPatch.context() as patch, options.using(cache=False):
        patch.setattr(target, "has_products", lambda arch: False)
        return compile_graph(traced(budget), target="cuda", arch=arch)


@EVERY_ARCH
@EVERY_KERNEL
def test_kernels_keep_to_their_registers(budget: Budget, arch: str) -> None:
    for usage in compiled(budget, arch).written.usage():
        assert usage.spilled == 0, "registers are spilled"
        assert usage.stack == 0, "arrays lie in local memory"
        assert usage.registers <= budget.registers
        assert usage.shared <= 48 << 10


@EVERY_KERNEL
def test_kernels_access_16_bytes_at_a_time(budget: Budget) -> None:
    text = compiled(budget, "sm_90").written.as_text("ptx")
    copies = re.findall(r"\bcp\.async\.cg\.shared\.global\b", text)
    assert len(re.findall(WIDE.format("ld"), text)) + len(copies) >= budget.loads
    assert len(re.findall(WIDE.format("st"), text)) >= budget.stores


@pytest.mark.parametrize(
    "budget", [b for b in GOLDEN if b.name in LISTED], ids=lambda budget: budget.name
)
@needs_disassembler
def test_machine_code_has_wide_accesses_and_no_local_memory(budget: Budget) -> None:
    counts: Counter[str] = Counter()
    for module in compiled(budget, "sm_90").program.device.modules:
        counts.update(instruction_counts(disassemble(module)))
    assert counts["local memory"] == 0
    assert counts["loads of 16 bytes"] + counts["copies to shared memory"] >= budget.loads
    assert counts["stores of 16 bytes"] >= budget.stores
