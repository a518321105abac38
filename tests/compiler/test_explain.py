"""Explanations of kernels, fusion, memory and cost: their numbers and their text."""

from __future__ import annotations

import json

import numpy as np
import pytest
from loops import PROGRAMS

import symfuse as sf
from symfuse.compiler.compile import compile_graph
from symfuse.compiler.explain.cost import costs, node_cost
from symfuse.compiler.explain.memory import eager_memory
from symfuse.compiler.explain.stages import (
    as_text,
    cost_analysis,
    explain,
    kernels,
    memory,
    stages_of,
)
from symfuse.compiler.explain.text import bytes_text, count_text, seconds_text, table
from symfuse.compiler.ir.dims import evaluate
from symfuse.runtime.errors import ArgumentError, OptionError
from symfuse.tracing.graph import trace


def softmax_layer(x, w, b):
    h = np.tanh(x @ w + b)
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


TYPES = ("f32[N,32]", "f32[32,128]", "f32[128]")


@pytest.fixture(scope="module")
def graph():
    return trace(softmax_layer, *TYPES).ir


@pytest.fixture(scope="module")
def compiled(graph):
    return compile_graph(graph)


def test_a_contraction_costs_two_operations_a_product(graph):
    (contract,) = (node for node in graph.nodes if node.op.contraction)
    assert evaluate(node_cost(contract).flops, {"N": 64}) == 2 * 64 * 32 * 128


def test_a_sum_of_n_numbers_costs_n_minus_one_additions():
    graph = trace(lambda x: np.sum(x, axis=1), "f32[10,100]").ir
    assert costs(graph).flops == 10 * 99


def test_elementwise_costs_are_those_of_the_body():
    graph = trace(lambda x: np.exp(x) * x, "f32[100]").ir
    found = costs(graph)
    assert found.flops == 200
    assert found.total.transcendentals == 100
    assert found.unfused_bytes == (400 + 400) + (400 + 400 + 400)


def test_views_cost_nothing():
    graph = trace(lambda x: np.transpose(x)[1:], "f32[10,100]").ir
    assert costs(graph).flops == 0
    assert costs(graph).unfused_bytes == 0


def test_costs_are_formulas_in_the_sizes(compiled):
    found = cost_analysis(compiled)
    small, large = found.evaluate(N=1), found.evaluate(N=2)
    assert large["flops"] == 2 * small["flops"]
    assert found.evaluate(N=64)["bytes"] < found.evaluate(N=64)["unfused_bytes"]
    assert "N" in found.as_dict()["flops"]


def test_the_kernel_text_is_a_loop_nest_with_scalar_code(compiled):
    text = as_text(compiled, "kernels")
    assert "parallel for each tile of" in text
    assert "$product += " in text
    assert "= tanh($product + %b[" in text
    assert "max($" in text
    assert text.count("kernel ") == len(compiled.launches)


def test_kernels_name_the_users_lines(compiled):
    first, second = kernels(compiled)
    line = softmax_layer.__code__.co_firstlineno
    assert first.lines == (f"test_explain.py:{line + 1}",)
    assert second.lines == (f"test_explain.py:{line + 2}", f"test_explain.py:{line + 3}")
    assert first.operations == ("contract", "add", "tanh")
    assert "contract, add, tanh" in str(kernels(compiled))


def test_every_stage_has_a_text(compiled):
    texts = {stage: as_text(compiled, stage) for stage in stages_of("cpu")}
    assert texts["graph"].startswith("graph softmax_layer(")
    assert "phase 0:" in texts["schedule"]
    assert "define" in texts["llvm"]
    assert ".text" in texts["asm"]
    assert all(texts.values())


def test_an_unknown_stage_lists_the_known_ones(compiled):
    with pytest.raises(OptionError, match="use one of graph, optimized"):
        as_text(compiled, "assembler")


def test_a_stage_of_another_target_is_refused(compiled):
    with pytest.raises(OptionError, match=r"'ptx' is one of programs for 'cuda'.*\n.*llvm, asm"):
        as_text(compiled, "ptx")


def test_the_fusion_report_has_a_line_for_each_users_line(compiled):
    found = explain(compiled)
    line = softmax_layer.__code__.co_firstlineno
    assert [(one.number - line, one.kernels) for one in found.lines] == [
        (1, (0,)),
        (2, (1,)),
        (3, (1,)),
    ]
    assert found.lines[0].text == "h = np.tanh(x @ w + b)"


def test_what_stays_apart_has_a_reason_and_a_price(compiled):
    pair = explain(compiled).apart[0]
    assert pair.producer == "%h = tanh"
    assert "product" in pair.reason
    assert evaluate(pair.nbytes, {"N": 64}) == 64 * 128 * 4
    assert pair.reason in explain(compiled).text()
    json.dumps(explain(compiled).as_dict())


def test_the_memory_report_knows_the_peak_as_a_formula(compiled):
    found = memory(compiled)
    assert found.peak_bytes(N=64) == 64 * 128 * 4
    assert found.peak_bytes(N=64) >= evaluate(found.lower_bound, {"N": 64})
    assert evaluate(found.eager.peak, {"N": 64}) > found.peak_bytes(N=64)
    assert "planned peak" in found.table()
    json.dumps(found.as_dict())


def test_the_largest_size_within_a_limit_is_found(compiled):
    found = memory(compiled)
    most = found.fit("N", limit="1 MiB")
    assert found.peak_bytes(N=most) <= 1 << 20 < found.peak_bytes(N=most + 1)
    assert found.fit("N", limit=0) == 0
    with pytest.raises(ArgumentError, match="no number of bytes"):
        found.fit("N", limit="much")


def test_eager_memory_frees_arrays_after_their_last_reader():
    graph = trace(lambda x: np.exp(np.sin(np.cos(np.tan(x)))), "f32[256]").ir
    found = eager_memory(graph)
    assert found.arrays == 3  # the result is not an intermediate
    assert found.total == 3 * 1024
    assert found.peak == 2 * 1024


def test_eager_memory_counts_what_turns_make():
    def looped(x):
        return sf.fori_loop(0, 10, lambda i, c: np.tanh(c + x) * 3, x * 2).sum()

    found = eager_memory(trace(looped, "f32[256]").ir)
    assert found.arrays == 1 + 10 * 3  # the start, and three of every turn
    assert found.total == 31 * 1024
    assert found.peak == 4 * 1024  # the start, what the turn before has made, and two more


def test_eager_memory_of_a_choice_is_that_of_the_branch_with_most():
    def chosen(x):
        return sf.cond(x[0] > 0, lambda: np.sin(np.cos(np.tan(x))), lambda: x + 1).sum()

    found = eager_memory(trace(chosen, "f32[256]").ir)
    few = eager_memory(trace(lambda x: (x[0] > 0).astype("int32") + 0, "f32[256]").ir)
    assert found.arrays == few.arrays + 3
    assert found.peak == 2 * 1024 + 4


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_bytes_of_kernels_and_their_turns_are_all_that_is_moved(name):
    function, specs, _ = PROGRAMS[name]
    made = sf.compile(function, *specs)
    together = sum(kernel.nbytes * kernel.turns for kernel in made.kernels)
    assert together == made.cost_analysis().bytes
    assert ("turns" in str(made.kernels)) == any(k.turns != 1 for k in made.kernels)


def test_parts_of_complex_arrays_are_views_that_cost_nothing():
    found = sf.compile(lambda z: z * (2 - 1j), "c64[100]").cost_analysis()
    moved = {node.op.name for node, cost in found.nodes}
    assert "multiply" in moved and not moved & {"as_real", "as_complex"}


def test_what_stays_apart_inside_of_loops_is_told():
    def rows(x, w):
        def turn(c, v):
            h = np.tanh(c @ w + v)
            return h / h.sum(axis=1, keepdims=True), h.sum()

        return sf.scan(turn, x[0], x)

    found = sf.compile(rows, "f32[9,4,8]", "f32[8,8]").explain()
    inside = [pair for pair in found.apart if pair.producer == "%h = tanh"]
    assert inside and "product" in inside[0].reason and "test_explain.py" in inside[0].producer_line
    assert found.joined > 2


def test_operations_inside_of_loops_count():
    made = sf.compile(lambda x: sf.fori_loop(0, 9, lambda i, c: np.sin(c) * x, x), "f32[4]")
    assert made.explain().nodes == 3
    assert str(made.explain()).startswith("3 operations in 1 kernel, ")


def test_a_view_keeps_its_base_alive():
    def kept(x):
        base = np.exp(x)
        shown = np.transpose(base)
        return np.transpose(shown) + np.sin(np.cos(np.tan(x)))

    assert eager_memory(trace(kept, "f32[16,16]").ir).peak == 3 * 1024


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (bytes_text(0), "0 B"),
        (bytes_text(1536), "1.50 KiB"),
        (bytes_text(3 << 30), "3.00 GiB"),
        (count_text(12), "12"),
        (count_text(1_500_000), "1.50 M"),
        (seconds_text(2.5e-7), "250 ns"),
        (seconds_text(1.234e-4), "123 µs"),
        (seconds_text(0.0456), "45.6 ms"),
        (seconds_text(12.3), "12.3 s"),
    ],
)
def test_numbers_have_three_digits_and_a_unit(text, shown):
    assert text == shown


def test_tables_are_aligned():
    lines = table(("name", "n"), [("a", "1"), ("long", "100")]).splitlines()
    assert lines == ["name    n", "────  ───", "a       1", "long  100"]
