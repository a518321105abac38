"""A kernel that breaks a rule is refused, and the interpreter of kernels trusts nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from handmade import make_graph
from msgspec.structs import replace
from rows import softmax

from symfuse.compiler.clock import Clock
from symfuse.compiler.ir.op import operations as op
from symfuse.compiler.kernel.interpret import interpret_kernels
from symfuse.compiler.kernel.phases import Instr, Kernel, Part, Phase
from symfuse.compiler.kernel.verify import verify_kernel
from symfuse.compiler.stages import run_stages
from symfuse.runtime import options
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import VerifyError


def _kernel(function: Callable[..., Any], *types: str) -> Kernel:
    (kernel,) = run_stages(make_graph(function, *types), "strict", Clock()).launches
    verify_kernel(kernel)
    return kernel


def _row() -> Kernel:
    return _kernel(lambda x: softmax(x, 1), "f32[9,40]")


def _with(kernel: Kernel, **changes: Any) -> Kernel:
    """The kernel with other fields in its only part."""
    return replace(kernel, parts=(replace(kernel.parts[0], **changes),))


def _changed(kernel: Kernel, change: Callable[[Phase], Phase]) -> Kernel:
    return _with(kernel, phases=tuple(map(change, kernel.parts[0].phases)))


def _without_loops(phase: Phase) -> Phase:
    return replace(phase, loops=())


def _reversed_body(phase: Phase) -> Phase:
    return replace(phase, body=phase.body[::-1])


def _of_other_type(phase: Phase) -> Phase:
    def other(instr: Instr) -> Instr:
        return replace(instr, dtype=DType.F64) if instr.op == "sub" else instr

    return replace(phase, body=tuple(map(other, phase.body)))


def _twice(phase: Phase) -> Phase:
    return replace(phase, loops=(*phase.loops, *phase.loops))


BROKEN: dict[str, tuple[Callable[[Kernel], Kernel], str]] = {
    "order": (lambda k: _with(k, phases=k.parts[0].phases[::-1]), "is read before it is kept"),
    "loops": (lambda k: _changed(k, _without_loops), "does not walk it"),
    "body": (lambda k: _changed(k, _reversed_body), "reads what comes after it"),
    "types": (lambda k: _changed(k, _of_other_type), "gives f32, not f64"),
    "axis twice": (lambda k: _changed(k, _twice), "walks an axis twice"),
    "kept twice": (lambda k: _with(k, phases=k.parts[0].phases * 2), "is kept twice"),
    "axes": (lambda k: _with(k, axes=k.parts[0].axes[:1]), "is no axis"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_kernel_is_refused(name: str) -> None:
    breaks, sentence = BROKEN[name]
    with pytest.raises(VerifyError, match=sentence):
        verify_kernel(breaks(_row()))


def test_tiles_must_not_write_the_same_element() -> None:
    kernel = _kernel(lambda x: op["reduce_sum"](x, axes=(1,)), "f32[9,40]")
    part: Part = kernel.parts[0]
    cut = tuple(replace(axis, tile=8) if axis.tile is None else axis for axis in part.axes)
    with pytest.raises(VerifyError, match="every tile of d1 writes"):
        verify_kernel(_with(kernel, axes=cut))


def test_the_option_verify_checks_what_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Kernel] = []
    monkeypatch.setattr("symfuse.compiler.kernel.lower.verify_kernel", seen.append)
    graph = make_graph(lambda x: op["exp"](x), "f32[9]")
    run_stages(graph, "strict", Clock())
    assert not seen
    with options.using(verify=True):
        run_stages(graph, "strict", Clock())
    assert len(seen) == 1


def test_the_interpreter_refuses_places_outside_of_a_buffer() -> None:
    kernel = _kernel(lambda x: op["exp"](x), "f32[9]")
    (buffer,) = kernel.reads
    with pytest.raises(VerifyError, match="has 5 elements and is touched at 0 to 8"):
        interpret_kernels([kernel], {buffer: np.zeros(5, np.float32)}, {})
