"""Attention in one kernel: what it gives, what it stores, what the compiler says of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from cuda.emitted import Case, check_all
from cuda.on_device import Simulated, needs_compiler, needs_nvrtc
from msgspec.structs import replace
from running import assert_near

from symfuse import numpy as snp
from symfuse import trace
from symfuse.compiler.compile import Compilation, compile_graph
from symfuse.compiler.ir.interpret import interpret
from symfuse.compiler.kernel.interpret import interpret_kernels
from symfuse.compiler.kernel.phases import Buffer, Instr, Kernel, Local, Phase
from symfuse.compiler.kernel.verify import verify_kernel
from symfuse.compiler.targets.cuda import target
from symfuse.nn import functional as nn
from symfuse.runtime import options
from symfuse.runtime.errors import VerifyError

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]


def scores(q: Any, k: Any) -> Any:
    return q @ snp.swapaxes(k, -1, -2) / 4.0


def plain(q: Any, k: Any, v: Any) -> Any:
    return nn.softmax(scores(q, k), axis=-1) @ v


def causal(q: Any, k: Any, v: Any) -> Any:
    i, j = snp.arange(q.shape[-2])[:, None], snp.arange(k.shape[-2])[None, :]
    return nn.softmax(snp.where(j <= i, scores(q, k), -np.inf), axis=-1) @ v


def capped(q: Any, k: Any, v: Any, bias: Any) -> Any:
    return nn.softmax(5.0 * snp.tanh(scores(q, k) / 5.0) + bias, axis=-1) @ v


def masked(q: Any, k: Any, v: Any, seen: Any) -> Any:
    return nn.softmax(snp.where(seen[:, None, None, :], scores(q, k), -1e9), axis=-1) @ v


def of_lengths(q: Any, k: Any, v: Any, lengths: Any) -> Any:
    i, j = snp.arange(q.shape[-2])[:, None], snp.arange(k.shape[-2])[None, :]
    seen = (j <= i) & (j < lengths[:, None, None, None])
    return nn.softmax(snp.where(seen, scores(q, k), -np.inf), axis=-1) @ v


def nothing_seen(q: Any, k: Any, v: Any) -> Any:
    return nn.softmax(snp.where(q[..., :1] > 0.5, scores(q, k), -np.inf), axis=-1) @ v


def divided_last(q: Any, k: Any, v: Any) -> Any:
    s = scores(q, k)
    e = snp.exp(s - snp.max(s, axis=-1, keepdims=True))
    return (e @ v) / snp.sum(e, axis=-1, keepdims=True)


def turned(q: Any, k: Any, v: Any) -> Any:
    s = k @ snp.swapaxes(q, -1, -2) / 4.0
    return snp.swapaxes(snp.swapaxes(v, -1, -2) @ nn.softmax(s, axis=-2), -1, -2)


def by_rows(q: Any, k: Any, v: Any) -> Any:
    return snp.swapaxes(plain(*(snp.swapaxes(x, 1, 2) for x in (q, k, v))), 1, 2)


def grouped(q: Any, k: Any, v: Any) -> Any:
    s = snp.einsum("bhgqd,bhkd->bhgqk", q, k) / 4.0
    return snp.einsum("bhgqk,bhkd->bhgqd", nn.softmax(s, axis=-1), v)


def of_itself(x: Any) -> Any:
    return plain(x, x, x)


def heads(queries: Any, keys: Any, depth: int, width: int, dtype: str = "f32") -> tuple[str, ...]:
    sizes = ((queries, depth), (keys, depth), (keys, width))
    return tuple(f"{dtype}[2,3,{rows},{columns}]" for rows, columns in sizes)


CASES: dict[str, tuple[Function, tuple[str, ...]]] = {
    "plain": (plain, heads(37, 45, 16, 16)),
    "several blocks": (plain, heads(64, 130, 16, 24)),
    "long": (plain, heads(200, 200, 32, 32)),
    "deep": (plain, heads(40, 33, 64, 64)),
    "odd depth": (plain, heads(21, 50, 19, 9)),
    "causal": (causal, heads(100, 100, 16, 16)),
    "causal, more keys": (causal, heads(50, 70, 16, 16)),
    "capped, with a bias": (capped, (*heads(37, 45, 16, 16), "f32[3,37,45]")),
    "masked": (masked, (*heads(37, 45, 16, 16), "bool[2,45]")),
    "of lengths": (of_lengths, (*heads(37, 45, 16, 16), "i32[2]")),
    "nothing seen": (nothing_seen, heads(37, 45, 16, 16)),
    "divided last": (divided_last, heads(37, 45, 16, 16)),
    "turned": (turned, heads(37, 45, 16, 20)),
    "rows of heads": (by_rows, ("f32[2,37,3,16]", "f32[2,45,3,16]", "f32[2,45,3,16]")),
    "grouped queries": (grouped, ("f32[2,2,3,37,16]", "f32[2,2,45,16]", "f32[2,2,45,16]")),
    "of itself": (of_itself, ("f32[6,37,16]",)),
    "f64": (causal, heads(37, 45, 16, 16, "f64")),
    "f16": (causal, heads(37, 45, 16, 32, "f16")),
    "any number": (causal, heads("N", "N", 16, 16)),
}
SIZES = {"N": 77}


def compiled_alone(
    function: Function, types: tuple[str, ...], arch: str = "sm_00", numerics: str = "strict"
) -> Compilation:
    """Compiled where no library multiplies matrices."""
    with pytest.MonkeyPatch.context() as patch, options.using(cache=False):
        patch.setattr(target, "has_products", lambda arch: False)
        graph = trace(function, *types).ir
        return compile_graph(graph, target="cuda", arch=arch, numerics=numerics)


@cache
def compiled(name: str, numerics: str = "strict") -> Compilation:
    return compiled_alone(*CASES[name], numerics=numerics)


def drawn(name: str) -> list[Array]:
    rng = np.random.default_rng(7)
    found = []
    for parameter in compiled(name).stages.graph.parameters:
        shape = tuple(n if isinstance(n, int) else SIZES["N"] for n in parameter.shape)
        values = 2 * rng.standard_normal(shape)
        values = values if parameter.dtype.is_float else 20 + 10 * values
        if parameter.dtype.is_bool:
            values = values > 0
        found.append(values.astype(parameter.dtype.numpy))
    return found


def given(name: str, arrays: list[Array]) -> dict[Buffer, Array]:
    stages = compiled(name).stages
    named = {stages.buffers(p): x for p, x in zip(stages.graph.parameters, arrays, strict=True)}
    return named | {buffer: literal.array() for literal, buffer in stages.buffers.literals()}


def attention_of(name: str, numerics: str = "strict") -> Kernel:
    (kernel,) = [k for k in compiled(name, numerics).stages.launches if k.kind == "attention"]
    return kernel


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_gives_what_the_graph_gives(name: str) -> None:
    stages, arrays = compiled(name).stages, drawn(name)
    verify_kernel(attention_of(name))
    with np.errstate(all="ignore"):
        (wanted,) = interpret(stages.graph, arrays)
    memory = interpret_kernels(stages.launches, given(name, arrays), SIZES)
    (output,) = stages.graph.outputs
    tolerance = 2e-3 if output.dtype.is_half else 2e-5
    found = memory[stages.buffers(output)]
    assert_near([found.reshape(wanted.shape)], [wanted], tolerance)


@needs_compiler
@pytest.mark.parametrize("portion", range(3))
def test_the_text_gives_what_the_kernel_gives(portion: int) -> None:
    cases = []
    for name in list(CASES)[portion::3]:
        launches = compiled(name).stages.launches
        cases.append(Case(launches, given(name, drawn(name)), SIZES, rtol=2e-4))
    check_all(cases, orders=True)


def test_blocks_of_which_nothing_is_seen_are_left_out() -> None:
    """Where it may matter that a masked value is not finite, values there are added up."""
    (part,) = attention_of("causal").parts
    _, hidden = [item for item in part.phases if hasattr(item, "carried")]
    assert serial_of(attention_of("causal")).stop is not None
    assert hidden.start is not None
    kernel = attention_of("causal", "fast")
    assert serial_of(kernel).stop is not None
    verify_kernel(kernel)
    stages, arrays = compiled("causal", "fast").stages, drawn("causal")
    memory = {
        stages.buffers(p): x for p, x in zip(stages.graph.parameters, arrays, strict=True)
    } | {buffer: literal.array() for literal, buffer in stages.buffers.literals()}
    wanted = interpret(stages.graph, arrays)
    found = interpret_kernels(stages.launches, memory, {})
    assert_near([found[stages.buffers(stages.graph.outputs[0])]], list(wanted), 2e-5)


def serial_of(kernel: Kernel) -> Any:
    (part,) = kernel.parts
    return next(item for item in part.phases if hasattr(item, "carried"))


@needs_compiler
def test_it_runs_from_end_to_end() -> None:
    function, types = CASES["causal"]
    arrays = drawn("causal")
    graph = trace(function, *types).ir
    (found,) = Simulated(graph)(*arrays)
    (wanted,) = interpret(graph, arrays)
    assert_near([found], [wanted], 2e-5)


@pytest.mark.parametrize(
    "name", ["plain", "causal", "capped, with a bias", "of lengths", "any number"]
)
def test_no_scores_are_stored(name: str) -> None:
    compilation = compiled(name)
    assert compilation.memory.arena == 0
    (reason,) = compilation.stages.reasons
    assert "one kernel computes it block by block and stores no scores" in reason


def test_what_is_not_fused_says_why() -> None:
    def with_weights(q: Any, k: Any, v: Any) -> Any:
        weights = nn.softmax(scores(q, k), axis=-1)
        return weights @ v, weights

    reasons = {
        with_weights: (heads(37, 45, 16, 16), "divide (test_fused_attention.py:"),
        plain: (heads(2, 45, 16, 16), "there are only 2 queries"),
    }
    for function, (types, reason) in reasons.items():
        (*_, told) = compiled_alone(function, types).stages.reasons[:1]
        assert f"the scores are stored: {reason}" in told
    told = compiled_alone(plain, heads(64, 64, 512, 512)).stages.reasons[0]
    assert "leaves no room for a block of keys" in told


@needs_nvrtc
@pytest.mark.parametrize(
    ("depth", "told"), [(40, "only the library multiplies such halves"), (64, "stores no scores")]
)
def test_few_scores_in_odd_halves_are_left_to_the_library(depth: int, told: str) -> None:
    graph = trace(plain, *heads(256, 256, depth, depth, "bf16")).ir
    with pytest.MonkeyPatch.context() as patch, options.using(cache=False):
        patch.setattr(target, "has_products", lambda arch: True)
        reasons = compile_graph(graph, target="cuda", arch="sm_90").stages.reasons
    assert told in reasons[0]


def changed(kernel: Kernel, **fields: Any) -> Kernel:
    """The kernel with another serial loop."""
    serial, (part,) = serial_of(kernel), kernel.parts
    phases = tuple(replace(x, **fields) if x is serial else x for x in part.phases)
    return replace(kernel, parts=(replace(part, phases=phases),))


def test_what_is_carried_begins_before_the_loop_and_is_put_in_it() -> None:
    kernel = attention_of("plain")
    serial, (part,) = serial_of(kernel), kernel.parts
    query = part.phases[0].effects[0].detail
    with pytest.raises(VerifyError, match="kept twice"):
        verify_kernel(changed(kernel, carried=serial.carried[1:]))
    with pytest.raises(VerifyError, match="no block puts it"):
        verify_kernel(changed(kernel, carried=(*serial.carried, query)))
    with pytest.raises(VerifyError, match="begins with none"):
        block = serial.phases[2].effects[0].detail.local
        verify_kernel(changed(kernel, carried=(*serial.carried, block)))
    greatest = serial.carried[0]
    held = Instr("get", (), greatest.dtype, greatest, frozenset(greatest.axes))
    again = Instr("put", (held,), held.dtype, Local("again", held.dtype, greatest.axes), held.axes)
    phases = [
        replace(phase, body=(*phase.body, held, again)) if greatest in put_by(phase) else phase
        for phase in serial.phases
    ]
    with pytest.raises(VerifyError, match="also reads what it held"):
        verify_kernel(changed(kernel, phases=tuple(phases)))


def put_by(phase: Phase) -> list[Local]:
    return [instr.detail for instr in phase.body if instr.op == "put"]


@needs_nvrtc
@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
@pytest.mark.parametrize("dtype,depth", [("f32", 64), ("f32", 128), ("f64", 64), ("bf16", 64)])
def test_it_keeps_to_its_registers(dtype: str, depth: int, arch: str) -> None:
    types = heads(1024, 1024, depth, depth, dtype)
    compilation = compiled_alone(plain, types, arch)
    (usage,) = compilation.written.usage()
    assert (usage.spilled, usage.stack) == (0, 0)
    assert usage.registers <= 168
    text = compilation.written.as_text("ptx")
    assert len(re.findall(r"\bcp\.async\.cg\.shared\.global\b", text)) >= 4
    assert not re.search(r"\bcp\.async\.ca\b", text)
