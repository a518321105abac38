"""Hand-chosen partials and references agree with the formulas, by SymPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy
from contracts.cases import OPERATIONS, samples

from symfuse.compiler.ir.evaluator import evaluating
from symfuse.compiler.ir.op import Op
from symfuse.compiler.ops.derive import attributes, derivatives, formula, main, variables
from symfuse.runtime.dtypes import DType

POINTS = 5
DIGITS = 30

WRITTEN = [op for op in OPERATIONS if op.formula and op.dtypes != (DType.BOOL,)]
MAPPED = [op for op in WRITTEN if op.jvp is not None and op.name != "select"]


class Unit:
    """A tangent of 1: what a partial is multiplied by becomes the partial itself."""

    def __rmul__(self, partial: Any) -> Any:
        if isinstance(partial, sympy.logic.boolalg.Boolean) and not isinstance(partial, sympy.Expr):
            return sympy.Piecewise((1, partial), (0, True))
        return partial


class InFormulas:
    """Gives a call of an operation its formula as the meaning."""

    def apply(self, op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        given = (sympy.Integer(1) if isinstance(arg, Unit) else arg for arg in args)
        names = {**attributes(op), **attrs, **dict(zip("xyz", given, strict=False))}
        return sympy.sympify(op.formula, locals=names)


@pytest.mark.parametrize("op", MAPPED, ids=lambda op: op.name)
def test_partials_are_the_derivatives_of_the_formula(op: Op) -> None:
    for which, derived in enumerate(derivatives(op)):
        if which in op.constant_in:
            continue
        chosen = _partial(op, which)
        if not _has_numbers(chosen):
            continue
        for point in _points(op):
            at = dict(zip(variables(op), point, strict=True))
            found, wanted = (sympy.N(e.subs(at), DIGITS) for e in (chosen, derived))
            assert abs(found - wanted) <= 1e-14 * max(1, abs(wanted)), f"{chosen} is not {derived}"


@pytest.mark.parametrize("op", WRITTEN, ids=lambda op: op.name)
def test_the_reference_computes_the_formula(op: Op) -> None:
    if not _has_numbers(formula(op)):
        pytest.skip("SymPy has no numbers of a derivative that it does not know")
    for point in _points(op):
        at = dict(zip(variables(op), point, strict=True))
        if op.name == "select":
            at[variables(op)[0]] = sympy.true
        found = op.reference(*(np.float64(x) for x in point))
        value = formula(op).subs(at)
        if value in (sympy.true, sympy.false):
            assert bool(found) == bool(value)
        else:
            wanted = sympy.N(value, DIGITS)
            assert abs(float(found) - wanted) <= 1e-14 * max(1, abs(wanted))


def test_the_tool_prints_partials(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tanh", "sigmoid", "relu"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "partials=lambda x, out: (1 - square(out),),",
        "partials=lambda x, out: (out * (1 - out),),",
        "partials=lambda x, out: (greater(x, 0),),",
    ]
    assert main(["no_such_operation"]) == 2


def _has_numbers(expression: Any) -> bool:
    """Whether SymPy knows all derivatives in it; of betainc it knows none in the parameters, which
    the tests of derivatives compare with differences."""
    return not expression.has(sympy.Derivative, sympy.Subs)


def _partial(op: Op, which: int) -> Any:
    """What the operation's jvp gives for a tangent of 1 in one input, as an expression."""
    inputs = variables(op)
    tangents = tuple(Unit() if k == which else None for k in range(len(inputs)))
    assert op.jvp is not None
    with evaluating(InFormulas()):
        found = op.jvp(tangents, inputs, formula(op), {})
    if found is None:
        return sympy.Integer(0)
    return sympy.Integer(1) if isinstance(found, Unit) else sympy.sympify(found)


def _points(op: Op) -> list[tuple[Any, ...]]:
    """Some of the random operands that the operation is tested on, as exact numbers."""
    sample = samples(op, DType.F64)[0]
    columns = (np.asarray(x, np.float64).reshape(-1)[:POINTS] for x in sample.inputs)
    return [tuple(sympy.Rational(float(x)) for x in row) for row in zip(*columns, strict=True)]
