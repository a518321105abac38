"""Steps over Taylor series give derivatives of every order."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from symfuse.compiler.kernel.number import Number, select
from symfuse.compiler.kernel.numpy_scalars import NumpyScalars
from symfuse.compiler.special.series import Series

S = NumpyScalars()
STEPS = {
    "sums": lambda x: 2.0 + x - 3.0 * x + (1.0 - x) + x,
    "products": lambda x: x * x * (x + 0.5) * x,
    "quotients": lambda x: (x + 1.0) / (x * x + 2.0) + 1.0 / x + x / 4.0,
    "negative": lambda x: -x * x,
    "abs": lambda x: abs(0.25 - x) * x,
    "exp": lambda x: (x * x).emit("exp") if hasattr(x, "emit") else mpmath.exp(x * x),
    "expm1": lambda x: (-x).emit("expm1") if hasattr(x, "emit") else mpmath.expm1(-x),
    "log": lambda x: (x + 1.0).emit("log") if hasattr(x, "emit") else mpmath.log(x + 1),
    "sqrt": lambda x: (x + 1.0).emit("sqrt") if hasattr(x, "emit") else mpmath.sqrt(x + 1),
    "pow": lambda x: x.emit("pow", x + 2.0) if hasattr(x, "emit") else x ** (x + 2),
    "pow of a constant": lambda x: x.of(3.0).emit("pow", x) if hasattr(x, "emit") else 3**x,
}


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("name", STEPS)
def test_derivatives_are_those_of_the_function(name, order):
    steps = STEPS[name]
    found = steps(Series.variable(Number(S, np.array([0.7, 1.9])), order)).derivative.value
    wanted = [float(mpmath.diff(steps, x, order)) for x in (0.7, 1.9)]
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_choices_look_at_the_number_and_take_what_belongs_to_it():
    x = Series.variable(Number(S, np.array([-2.0, 0.5])), 2)
    chosen = select(x < 0.0, x * x, 5.0)
    np.testing.assert_array_equal(chosen.value, [4.0, 5.0])
    np.testing.assert_array_equal(chosen.derivative.value, [2.0, 0.0])
    np.testing.assert_array_equal(x.of(3.0).derivative.value, 0.0)


def test_an_instruction_without_a_rule_is_no_step():
    x = Series.variable(Number(S, np.array([math.pi])), 1)
    with pytest.raises(KeyError, match="floor"):
        x.emit("floor")
