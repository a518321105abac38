"""Derivatives of attention in one kernel: what they are, what is stored, what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from cuda import transformer
from cuda.emitted import Case, check_all
from cuda.on_device import needs_compiler, needs_nvrtc, simulated
from cuda.simulator.build import SimulationError
from cuda.test_fused_attention import (
    CASES,
    SIZES,
    capped,
    causal,
    compiled_alone,
    grouped,
    heads,
    plain,
    scores,
)
from cuda.test_models import on_host
from models.test_models import near
from msgspec.structs import replace

import symfuse as sf
from symfuse import numpy as snp
from symfuse import trace
from symfuse.compiler.compile import Compilation
from symfuse.compiler.ir.dims import evaluate
from symfuse.compiler.ir.interpret import interpret
from symfuse.compiler.kernel.interpret import interpret_kernels
from symfuse.compiler.kernel.phases import Buffer, Kernel, Part, Serial
from symfuse.compiler.kernel.verify import verify_kernel
from symfuse.compiler.targets.cuda import choose_attention
from symfuse.compiler.targets.cuda.barriers import Barriers
from symfuse.nn import functional as nn
from symfuse.runtime import options
from symfuse.runtime.errors import VerifyError

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]
LEFT_OUT = {"several blocks", "long", "capped, with a bias", "divided last"}
TOLD = "one kernel computes it block by block and stores no scores, another does so with its"


def trained(attention: Function, by: tuple[int, ...] = (0, 1, 2)) -> Function:
    """A loss and its derivatives by some of the operands, of which the last is a factor."""

    def loss(*operands: Any) -> Any:
        found = attention(*operands[:-1]) * operands[-1]
        return snp.sum(snp.tanh(found).astype("float32"))

    return sf.value_and_grad(loss, argnums=by)


def divided_last(q: Any, k: Any, v: Any) -> Any:
    s = scores(q, k)
    e = snp.exp(s - sf.stop_gradient(snp.max(s, axis=-1, keepdims=True)))
    return (e @ v) / snp.sum(e, axis=-1, keepdims=True)


def grouped_causal(q: Any, k: Any, v: Any) -> Any:
    s = snp.einsum("hgqd,hkd->hgqk", q, k) / 4.0
    i, j = snp.arange(q.shape[-2])[:, None], snp.arange(k.shape[-2])[None, :]
    weights = nn.softmax(snp.where(j <= i, s, -np.inf), axis=-1)
    return snp.einsum("hgqk,hkd->hgqd", weights, v)


def by_logarithm(q: Any, k: Any, v: Any) -> Any:
    return snp.exp(nn.log_softmax(scores(q, k), axis=-1)) @ v


SLOPES = {name: case for name, case in CASES.items() if name not in LEFT_OUT} | {
    "capped": CASES["capped, with a bias"],
    "divided last": (divided_last, CASES["divided last"][1]),
    "by logarithm": (by_logarithm, CASES["plain"][1]),
    "bf16": (plain, heads(37, 45, 16, 16, "bf16")),
    "grouped, causal": (grouped_causal, ("f32[2,3,21,8]", "f32[2,25,8]", "f32[2,25,8]")),
    "odd": (plain, ("f32[2,21,19]", "f32[2,50,19]", "f32[2,50,9]")),
    "few": (causal, ("f32[70,8]", "f32[N,8]", "f32[N,8]")),
    "few in f16": (causal, ("f16[21,16]", "f16[37,16]", "f16[37,32]")),
    "of queries alone": CASES["plain"],
    "of keys alone": CASES["plain"],
}
BY = {"of queries alone": (0,), "of keys alone": (1,), "of itself": (0,)}


def types_of(attention: Function, types: tuple[str, ...]) -> tuple[str, ...]:
    (output,) = trace(attention, *types).ir.outputs
    return (*types, f"{output.dtype}[{','.join(map(str, output.shape))}]")


@cache
def compiled(name: str, numerics: str = "strict") -> Compilation:
    attention, types = SLOPES[name]
    step = trained(attention, BY.get(name, (0, 1, 2)))
    return compiled_alone(step, types_of(attention, types), numerics=numerics)


def drawn(name: str) -> list[Array]:
    rng = np.random.default_rng(3)
    found = []
    for parameter in compiled(name).stages.graph.parameters:
        values = rng.standard_normal([evaluate(n, SIZES) for n in parameter.shape])
        values = values if parameter.dtype.is_float else 20 + 10 * values
        values = values > 0 if parameter.dtype.is_bool else values
        found.append(values.astype(parameter.dtype.numpy))
    return found


def given(name: str, numerics: str = "strict") -> dict[Buffer, Array]:
    stages = compiled(name, numerics).stages
    pairs = zip(stages.graph.parameters, drawn(name), strict=True)
    named = {stages.buffers(parameter): array for parameter, array in pairs}
    return named | {buffer: literal.array() for literal, buffer in stages.buffers.literals()}


def the_kernels(name: str, numerics: str = "strict") -> tuple[Kernel, Kernel]:
    """That of the attention and that of its derivatives, where small others may run as well."""
    launches = compiled(name, numerics).stages.launches
    of_result, of_slopes = (k for k in launches if any(map(loops_of, k.parts)))
    return of_result, of_slopes


def loops_of(part: Part) -> list[Serial]:
    return [item for item in part.phases if isinstance(item, Serial)]


def interpreted(stages: Any, arrays: Sequence[Array]) -> list[Array]:
    """What the kernels make of arrays for the parameters."""
    pairs = zip(stages.graph.parameters, arrays, strict=True)
    given = {stages.buffers(parameter): array for parameter, array in pairs}
    given |= {buffer: literal.array() for literal, buffer in stages.buffers.literals()}
    memory = interpret_kernels(stages.launches, given, {})
    return [memory[stages.buffers(o)].reshape(o.shape) for o in stages.graph.outputs]


def check_values(name: str, numerics: str = "strict") -> None:
    """The kernels give what the traced graph gives."""
    attention, types = SLOPES[name]
    stages = compiled(name, numerics).stages
    step = trained(attention, BY.get(name, (0, 1, 2)))
    traced = trace(step, *types_of(attention, types)).ir
    with np.errstate(all="ignore"):
        wanted = interpret(traced, drawn(name))
    memory = interpret_kernels(stages.launches, given(name, numerics), SIZES)
    half = traced.parameters[0].dtype.is_half
    tolerance = (6e-2 if traced.parameters[0].dtype == "bf16" else 6e-3) if half else 3e-5
    for output, array in zip(stages.graph.outputs, wanted, strict=True):
        found = memory[stages.buffers(output)].reshape(array.shape).astype(np.float64)
        array = array.astype(np.float64)
        np.testing.assert_allclose(found, array, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", SLOPES)
def test_the_kernels_give_what_the_graph_gives(name: str) -> None:
    verify_kernel(the_kernels(name)[1])
    assert TOLD in compiled(name).stages.reasons[0]
    check_values(name)


@needs_compiler
def test_the_text_gives_what_the_kernels_give() -> None:
    """In f16 and f32, with sizes that divide nothing, with and without what masks hide."""
    names = [(name, "strict") for name in ("odd", "few in f16", "few", "grouped, causal")]
    names.append(("few", "fast"))
    check_all(
        [Case(compiled(*name).stages.launches, given(*name), SIZES, rtol=4e-3) for name in names],
        orders=True,
    )


@needs_compiler
def test_threads_that_do_not_wait_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Barriers, "find", lambda self: frozenset())
    case = Case(compiled("few").stages.launches, given("few"), SIZES, rtol=4e-3)
    with pytest.raises((SimulationError, AssertionError)):
        check_all([case], orders=True)


@pytest.mark.parametrize("name", ["f16", "bf16"])
def test_warps_multiply_matrices_of_halves(name: str) -> None:
    """All products of a block: scores, slopes of weights, and each of the sums."""
    of_result, of_slopes = the_kernels(name)
    for kernel, counts in ((of_result, [2]), (of_slopes, [3, 4])):
        parts = [part for part in kernel.parts if loops_of(part)]
        found = [sum(p.fragment is not None for p in part.every_phase()) for part in parts]
        assert found == counts


@pytest.mark.parametrize("name", SLOPES)
def test_nothing_of_the_size_of_the_scores_is_stored(name: str) -> None:
    stages = compiled(name).stages
    of_result, of_slopes = the_kernels(name)
    stored = {buffer for launch in stages.launches for buffer in launch.writes}
    for kernel in (of_result, of_slopes):
        scores = next(node for node in kernel.nodes if node.op.contraction)
        assert all(buffer.shape != scores.shape for buffer in stored)
        assert scores in of_result.nodes


def test_the_planned_peak_grows_with_the_rows_and_not_with_their_square() -> None:
    def peak(tokens: int) -> Any:
        types = types_of(causal, heads(tokens, tokens, 64, 64))
        return compiled_alone(trained(causal), types).memory.arena

    assert peak(2048) < 1.1 * 2 * peak(1024)
    assert peak(2048) < 6 * 2048 * 2048 * 4 / 8


@pytest.mark.parametrize("numerics", ["strict", "fast"])
def test_blocks_of_which_nothing_is_seen_are_left_out(numerics: str) -> None:
    """Where it may matter that what is masked is not finite, it is added up in another loop."""
    _, kernel = the_kernels("causal", numerics)
    loops = list(map(loops_of, kernel.parts))
    assert [len(found) for found in loops] == [1 if numerics == "fast" else 2] * 2
    (of_queries, *others), (of_keys, *_) = loops
    assert of_queries.stop is not None
    assert of_keys.start is not None
    for other in others:
        assert all(len(phase.loops) == 2 for phase in other.phases)
    verify_kernel(kernel)
    if numerics == "fast":  # the other one is among the cases above
        check_values("causal", numerics)


def of_mask(fill: float, offset: int) -> Function:
    def function(q: Any, k: Any, v: Any) -> Any:
        i, j = snp.arange(q.shape[-2])[:, None], snp.arange(k.shape[-2])[None, :]
        return nn.softmax(snp.where(j <= i + offset, scores(q, k), fill), axis=-1) @ v

    return function


MASKED = heads(50, 70, 16, 16)
HOSTILE = {
    "infinite value": (of_mask(-1e9, 0), (2, 60)),
    "infinite key": (of_mask(-np.inf, 0), (1, 60)),
    "rows that see nothing": (of_mask(-1e9, -40), None),
    "rows that see nothing, at all": (of_mask(-np.inf, -40), None),
    "scores below what masks": (of_mask(-3.0, 0), None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_masked_counts_as_in_numpy(name: str) -> None:
    """A mask replaces scores, no more: what is not finite behind it reaches the result, and rows
    that see nothing see everything alike."""
    attention, spoilt = HOSTILE[name]
    types = types_of(attention, MASKED)
    traced = trace(trained(attention), *types).ir
    stages = compiled_alone(trained(attention), types).stages
    assert any(getattr(x, "stop", None) is not None for x in stages.launches[0].parts[0].phases)
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal(p.shape).astype("f4") for p in traced.parameters]
    if spoilt is not None:
        arrays[spoilt[0]][1, 2, spoilt[1]] = np.inf
    with np.errstate(all="ignore"):
        wanted = interpret(traced, arrays)
    for found, array in zip(interpreted(stages, arrays), wanted, strict=True):
        np.testing.assert_allclose(found, array, rtol=1e-4, atol=1e-4)


def test_a_result_that_nothing_else_reads_is_computed_for_its_derivatives() -> None:
    """The derivative of a weighted sum does not read the attention, but its rows times that."""

    def loss(q: Any, k: Any, v: Any, w: Any) -> Any:
        return snp.sum(causal(q, k, v) * w)

    types = types_of(causal, heads(37, 45, 16, 20))
    graph = trace(sf.grad(loss, argnums=(0, 1, 2)), *types).ir
    stages = compiled_alone(sf.grad(loss, argnums=(0, 1, 2)), types).stages
    assert TOLD in stages.reasons[0]
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal(p.shape).astype("f4") for p in graph.parameters]
    for found, array in zip(interpreted(stages, arrays), interpret(graph, arrays), strict=True):
        np.testing.assert_allclose(found, array, rtol=3e-5, atol=3e-5)


def test_derivatives_in_a_loop_are_taken_as_well() -> None:
    def step(v: Any, q: Any) -> Any:
        slope = sf.grad(lambda x: snp.sum(plain(q, x, x) ** 2))(v)
        return v - 0.1 * slope, None

    def train(v: Any, queries: Any) -> Any:
        return sf.scan(step, v, queries)[0]

    stages = compiled_alone(train, ("f32[30,16]", "f32[N,21,16]")).stages
    kinds = [kernel.kind for kernel in stages.launches]
    assert kinds.count("attention") == 2


def refused(step: Function, *types: str) -> str:
    reason = compiled_alone(step, types).stages.reasons[0]
    assert "the scores are stored" in reason
    return reason


def test_what_is_not_fused_says_why() -> None:
    types = heads(37, 45, 16, 16)
    of_bias = types_of(capped, (*types, "f32[3,37,45]"))
    assert "reduce_sum" in (told := refused(trained(capped, (0, 3)), *of_bias))
    assert "also reads multiply" in told
    open_groups = ("f32[2,2,G,37,16]", *CASES["grouped queries"][1][1:])
    assert "share keys, of sizes" in refused(trained(grouped), *types_of(grouped, open_groups))
    told = refused(trained(plain, (2,)), *types_of(plain, types))
    assert "no product gives derivatives of the weights" in told
    twice = sf.grad(lambda *x: snp.sum(sf.grad(lambda *y: snp.sum(plain(*y) ** 2))(*x) ** 2))
    assert "also read" in refused(twice, *types)
    wide = types_of(plain, heads(64, 64, 384, 384))
    assert "leaves no room for its derivatives" in refused(trained(plain), *wide)


def test_numbers_of_each_row_may_be_results() -> None:
    def with_greatest(q: Any, k: Any, v: Any) -> Any:
        s = scores(q, k)
        return nn.softmax(s, axis=-1) @ v, snp.max(s, axis=-1)

    stages = compiled_alone(with_greatest, heads(37, 45, 16, 16)).stages
    (kernel,) = stages.launches
    assert len(kernel.writes) == 2


def test_a_local_that_a_loop_folds_onto_begins_before_it() -> None:
    _, kernel = the_kernels("plain")
    part = kernel.parts[0]
    begin = next(p for p in part.phases if getattr(p, "body", ())[:1] and p.body[0].op == "const")
    phases = tuple(item for item in part.phases if item is not begin)
    with pytest.raises(VerifyError, match="begins with none"):
        verify_kernel(_with_phases(kernel, phases))


def _with_phases(kernel: Kernel, phases: Any) -> Kernel:
    return replace(kernel, parts=(replace(kernel.parts[0], phases=phases), *kernel.parts[1:]))


@needs_compiler
def test_a_step_of_a_transformer_with_both_kernels_gives_what_the_processor_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choose_attention, "FEW", 2)
    args = transformer.arguments(3)
    with simulated(), options.using(cache=False):
        exe = sf.compile(transformer.step, *args, target="cuda")
        found = on_host(exe(*args))
    near(found, sf.compile(transformer.step, *args)(*args), "float32")


@needs_nvrtc
@pytest.mark.parametrize(("dtype", "depth", "arch"), [("f32", 64, "sm_90"), ("bf16", 128, "sm_80")])
def test_they_keep_to_their_registers(dtype: str, depth: int, arch: str) -> None:
    types = types_of(causal, heads(1024, 1024, depth, depth, dtype))
    compilation = compiled_alone(trained(causal), types, arch)
    for usage in compilation.written.usage():
        assert usage is not None
        assert (usage.spilled, usage.stack) == (0, 0)
        assert usage.registers <= (168 if dtype == "f32" else 255)
