"""No cell of the contract is left out: each operation in each element type meets each rule, or
stands here with the reason why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contracts import (
    test_cells,
    test_compiled,
    test_compiled_gradients,
    test_complex,
    test_derivatives,
    test_records,
    test_values,
)
from contracts.cases import EVERY, OPERATIONS

from symfuse.compiler.ir.op import Op, operations
from symfuse.runtime.dtypes import DType

F32, F64, C64, C128 = DType.F32, DType.F64, DType.C64, DType.C128
REAL, COMPLEX = (F32, F64), (C64, C128)
Cell = tuple[str, DType]
Test = Callable[..., Any]

ROOT = Path(__file__).resolve().parents[2]

# Operations that hold graphs, or stand for a place in one, have no samples.
ELSEWHERE = {
    "branch": "tests/frontend/test_control.py",
    "constant": "tests/compiler/test_text.py",
    "custom_jvp": "tests/frontend/test_custom_derivatives.py",
    "custom_vjp": "tests/frontend/test_custom_derivatives.py",
    "loop": "tests/frontend/test_control.py",
    "parameter": "tests/compiler/test_text.py",
    "pullback": "tests/frontend/test_custom_derivatives.py",
    "while_loop": "tests/frontend/test_control.py",
}

# Each rule with its tests and the types in which these take an operation that they name alone.
RULES: dict[str, list[tuple[Test, tuple[DType, ...]]]] = {
    "type": [
        (test_values.test_its_type_is_what_the_reference_returns, REAL),
        (test_complex.test_pairs_give_what_the_reference_gives, COMPLEX),
    ],
    "text": [
        (test_records.test_its_text_reads_back, REAL),
        (test_complex.test_the_text_reads_back, COMPLEX),
    ],
    "compiled": [
        (test_compiled.test_samples_and_special_values_give_what_the_reference_gives, REAL),
        (test_complex.test_compiled_code_gives_what_the_reference_gives, COMPLEX),
    ],
    "batch": [(test_cells.test_a_batch_is_a_loop, ())],
    "symbolic sizes": [(test_cells.test_symbols_as_sizes_change_nothing, ())],
    "both derivatives": [
        (test_cells.test_narrow_derivatives_are_wide_ones_rounded, ()),
        (test_derivatives.test_the_two_modes_are_adjoint, (F64,)),
        (test_complex.test_derivatives_equal_differences_and_both_modes_are_adjoint, (C128,)),
    ],
    "second derivative": [
        (test_cells.test_narrow_derivatives_are_wide_ones_rounded, ()),
        (test_derivatives.test_the_second_derivative_equals_differences_of_the_first, (F64,)),
        (test_complex.test_derivatives_equal_differences_and_both_modes_are_adjoint, (C128,)),
    ],
    "compiled gradients": [
        (test_compiled_gradients.test_both_orders_of_compiled_gradients_equal_differences, (F64,)),
        (test_cells.test_compiled_gradients_in_the_plane_equal_differences, (C128,)),
    ],
}
DERIVATIVES = ("both derivatives", "second derivative", "compiled gradients")
_ROUNDED = "compiled as in the wide type, and rounded: the derivatives are graphs of their own"

# Why an operation does not meet a rule, in any type or in those that are named.
REASONS: dict[str, dict[str, str]] = {
    "symbolic sizes": test_cells.SIZED,
    "compiled gradients": test_cells.TURNED,
}
TYPES_LEFT_OUT = {("compiled gradients", F32): _ROUNDED, ("compiled gradients", C64): _ROUNDED}


def _cells() -> Iterator[tuple[Op, DType]]:
    """Every operation in every type that means something for it."""
    for op in EVERY:
        if op in OPERATIONS:
            yield from ((op, d) for d in REAL if d in op.dtypes)
        if op.parts is not None:
            yield from ((op, d) for d in COMPLEX)


def _wanted(rule: str) -> set[Cell]:
    cells = set(_cells())
    if rule in DERIVATIVES:
        cells = {cell for cell in cells if cell in test_cells.SMOOTH}
    return {(op.name, d) for op, d in cells if (rule, d) not in TYPES_LEFT_OUT}


def _tested(test: Test, types: tuple[DType, ...]) -> Iterator[Cell]:
    """What a test is run on, by its own parameters."""
    given: dict[str, list[Any]] = {}
    for mark in (m for m in test.pytestmark if m.name == "parametrize"):  # type: ignore[attr-defined]
        names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
        rows = [getattr(row, "values", None) or (row,) for row in mark.args[1]]
        for at, name in enumerate(names):
            given[name] = [row[at] for row in rows]
    paired = len(given.get("dtype", ())) == len(given["op"]) > len(types or REAL)
    if paired:
        yield from ((op.name, d) for op, d in zip(given["op"], given["dtype"], strict=True))
    else:
        yield from ((op.name, d) for op in given["op"] for d in types)


@pytest.mark.parametrize("rule", RULES)
def test_every_cell_is_tested_or_has_its_reason(rule: str) -> None:
    tested = {cell for test, types in RULES[rule] for cell in _tested(test, types)}
    reasons = REASONS.get(rule, {})
    wanted = _wanted(rule)
    missing = {cell for cell in wanted - tested if cell[0] not in reasons}
    assert not missing, f"{rule}: neither tested nor with a reason: {sorted(missing)}"
    left_out = {name for name, _ in wanted - tested}
    assert set(reasons) <= left_out, f"{rule}: tested, in spite of {set(reasons) - left_out}"


def test_every_operation_has_cells_or_a_place_of_its_own() -> None:
    names = {op.name for op, _ in _cells()}
    others = {op.name for op in EVERY} - names
    whole = {name for name in others if not set(operations[name].dtypes) & {*REAL, *COMPLEX}}
    assert others == whole  # functions of integers and truth values
    assert set(operations) == {op.name for op in EVERY} | set(ELSEWHERE)


def test_what_is_tested_elsewhere_is_named_there() -> None:
    for name, place in ELSEWHERE.items():
        assert (ROOT / place).is_file(), f"{name}: {place}"
    for reasons in REASONS.values():
        for reason in reasons.values():
            places = [word for word in reason.split() if word.startswith("tests/")]
            assert all((ROOT / place).is_file() for place in places), reason


def test_a_rule_that_loses_an_operation_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    @pytest.mark.parametrize("op", [op for op in OPERATIONS if op.name != "tanh"])
    def narrowed(op: Op) -> None: ...

    monkeypatch.setitem(RULES, "compiled", [(narrowed, REAL), RULES["compiled"][1]])
    with pytest.raises(AssertionError, match="'tanh'"):
        test_every_cell_is_tested_or_has_its_reason("compiled")
