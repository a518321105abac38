"""Every rule that is stated as an equation: it fires on its own left side, and both sides agree."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.types import TensorType
from symfuse.compiler.ops import multiply, reciprocal, subtract
from symfuse.compiler.passes.settle import RULES
from symfuse.compiler.rewrite.driver import PassContext, rewrite
from symfuse.compiler.rewrite.match import build
from symfuse.compiler.rewrite.rule import RuleSet
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import SymfuseError

DTYPES = (DType.F32, DType.F64, DType.I32, DType.I8, DType.U8, DType.BOOL)
NUMBERS = (2.0, 0.25, -3.0, 0.1, 5.0)  # what the wildcards c and d are, in turn
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, -2.75, 1e-8, 40.0, 1e30, -1e30, 1e-42)
FLOATS += (1e20, -1e-25, np.inf, -np.inf, np.nan)
SHAPE = (2, 3)
CHOSEN = np.array([[0.5, -np.inf, 3.0], [-2.0, 60.0, -20.0]])
ATTRIBUTES = {
    "reshape_twice": {"between": (6,), "shape": (3, 2)},
    "transpose_twice": {"first": (1, 0), "then": (1, 0)},
    "reverse_twice": {"axes": (1,)},
    "broadcast_twice": {"between": (2, 4, 3), "inner": (0, 2), "shape": (5, 4, 2, 3), "axes": None},
    "log_softmax": {"axes": (1,), "shape": SHAPE, "kept": (0,)},
}
ATTRIBUTES["broadcast_twice"]["axes"] = (2, 1, 3)

# Differences of great numbers may be small: these are measured by what they are made of.
CANCELLING = ("log_softmax",)
LONG = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "negative": lambda x: -x,
    "reciprocal": lambda x: 1 / x,
    "square": lambda x: x * x,
    "sqrt": mpmath.sqrt,
    "power": mpmath.power,
    "exp": mpmath.exp,
    "expm1": lambda x: mpmath.exp(x) - 1,
    "log": lambda x: mpmath.log(x) if x else -mpmath.inf,
    "log1p": lambda x: mpmath.log(1 + x) if x != -1 else -mpmath.inf,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
}

EQUATIONS = [one for one in RULES.rules if one.equation]
EVERY_EQUATION = pytest.mark.parametrize("rule", EQUATIONS, ids=lambda rule: rule.name)


def special(dtype: DType) -> np.ndarray:
    """The numbers at which identities break."""
    if dtype.is_float:
        return np.array(FLOATS, dtype.numpy)
    if dtype.is_bool:
        return np.array([False, True])
    limits = np.iinfo(dtype.numpy)
    return np.array([limits.min, limits.max, 0, 1, 2, 7, 100, limits.max - 1], dtype.numpy)


def left_side(rule, dtype, numbers=NUMBERS):
    """The left side on parameters of one type, as a graph; None where it has no meaning."""
    builder, found = Builder(), dict(ATTRIBUTES.get(rule.name, {}))
    names = [name for name in rule.equation.wildcards if name not in found]
    grid = [n for n in names if n not in ("c", "d")]
    size = len(special(dtype)) ** sum(n != "which" for n in grid) * 2 ** ("which" in grid)
    for at, name in enumerate(names):
        kind = DType.BOOL if name == "which" else dtype
        shape = SHAPE if rule.name in ATTRIBUTES else (size,)
        if name in ("c", "d"):
            found[name] = builder.constant(numbers[at], dtype)
        else:
            found[name] = builder.parameter(name, TensorType(shape, kind))
    parameters = tuple(found[name] for name in grid)
    with builder.active():
        try:
            left = build(rule.equation.left, found)
        except SymfuseError:
            return None
    return Graph("left", parameters, (left,), builder)


def applied(rule, dtype, numerics="fast"):
    """Both sides as graphs; None where the rule does not hold for the type."""
    for shift in range(len(NUMBERS)):
        left = left_side(rule, dtype, NUMBERS[shift:] + NUMBERS[:shift])
        if left is None:
            return None
        context = PassContext(numerics)
        right = rewrite(left, RuleSet((rule,)), context)
        if context.fired:
            return left, right
    return None


def inputs_for(graph):
    """Every combination of special values, or a few of them in the shape that is asked for."""
    values = [special(p.dtype) for p in graph.parameters]
    if graph.parameters[0].shape == SHAPE:
        with np.errstate(invalid="ignore"):
            return [CHOSEN.astype(p.dtype.numpy) for p in graph.parameters]
    return [grid.reshape(-1) for grid in np.meshgrid(*values, indexing="ij")]


def both(rule, dtype):
    left, right = applied(rule, dtype)
    arrays = inputs_for(left)
    return left(*arrays), right(*arrays), arrays


@EVERY_EQUATION
def test_a_rule_fires_on_its_own_left_side(rule):
    assert any(applied(rule, dtype) for dtype in DTYPES)


@EVERY_EQUATION
def test_a_rule_keeps_the_type(rule):
    for left, right in filter(None, (applied(rule, dtype) for dtype in DTYPES)):
        assert left.outputs[0].type == right.outputs[0].type


@pytest.mark.parametrize(
    "rule", [r for r in EQUATIONS if r.numerics == "exact"], ids=lambda rule: rule.name
)
def test_exact_rules_keep_every_bit(rule):
    for dtype in filter(lambda dtype: applied(rule, dtype), DTYPES):
        left, right, _ = both(rule, dtype)
        assert_same_bits(left, right, f"{rule} at {dtype}")


@pytest.mark.parametrize(
    "rule", [r for r in EQUATIONS if r.numerics == "accurate"], ids=lambda rule: rule.name
)
def test_accurate_rules_are_at_least_as_near_to_the_truth(rule):
    left, right, arrays = both(rule, DType.F32)
    truth = true_values(applied(rule, DType.F64)[0], [a.astype(np.float64) for a in arrays])
    size = np.max(np.abs(arrays[0][np.isfinite(arrays[0])])) if rule.name in CANCELLING else 0
    assert_no_worse(left, right, truth, arrays, size)


@pytest.mark.parametrize(
    "rule", [r for r in EQUATIONS if r.numerics == "accurate"], ids=lambda rule: rule.name
)
def test_accurate_rules_keep_integers(rule):
    for dtype in (DType.I32, DType.I8, DType.U8):
        found = applied(rule, dtype)
        if found and found[0].outputs[0].dtype.is_integer:
            left, right, _ = both(rule, dtype)
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(
    "rule", [r for r in EQUATIONS if r.numerics == "fast"], ids=lambda rule: rule.name
)
def test_fast_rules_change_last_digits_only(rule, rng):
    for dtype, rtol in ((DType.F32, 3e-6), (DType.F64, 1e-14)):
        left, right = applied(rule, dtype)
        arrays = [rng.uniform(0.5, 2, p.shape).astype(dtype.numpy) for p in left.parameters]
        np.testing.assert_allclose(right(*arrays), left(*arrays), rtol=rtol)


@pytest.mark.parametrize(
    "rule", [r for r in EQUATIONS if r.numerics == "fast"], ids=lambda rule: rule.name
)
def test_fast_rules_wait_for_permission(rule):
    assert rule not in RULES.worth_trying(applied(rule, DType.F32)[0].outputs[0], "strict")


def test_a_sole_rule_leaves_alone_what_is_used_twice():
    rule = next(one for one in EQUATIONS if one.name == "times_reciprocal")
    builder = Builder()
    x, y = (builder.parameter(name, TensorType(SHAPE, DType.F32)) for name in "xy")
    with builder.active():
        inverse = reciprocal(y)
        once = Graph("once", (x, y), (multiply(x, inverse),), builder)
        twice = Graph("twice", (x, y), (multiply(x, inverse), subtract(inverse, x)), builder)
    alone, shared = (rewrite(graph, RuleSet((rule,))) for graph in (once, twice))
    assert alone.outputs[0].op.name == "divide"
    assert shared.outputs == twice.outputs


def assert_same_bits(left, right, what):
    assert left.dtype == right.dtype
    same = left == right
    if left.dtype.kind == "f":
        same = (same & (np.signbit(left) == np.signbit(right))) | (np.isnan(left) & np.isnan(right))
    assert same.all(), f"{what}: {left[~same][:4]} became {right[~same][:4]}"


def true_values(graph, arrays):
    """A graph's output at 400 bits; in f64 where an input is NaN, or a zero with its sign."""
    values = np.array(graph(*arrays))
    if graph.parameters[0].shape == SHAPE:
        return values
    for at, given in enumerate(zip(*arrays, strict=True)):
        if all(x != 0 and not np.isnan(x) for x in given):
            values[at] = exactly(graph, given)
    return values


def exactly(graph, given):
    """One element of an elementwise graph in long numbers."""
    known = dict(zip(graph.parameters, map(mpmath.mpf, given), strict=True))
    with mpmath.workprec(400):
        for node in graph.nodes:
            if node.number is not None:
                known[node] = mpmath.mpf(node.number)
            elif node not in known:
                found = LONG[node.op.name](*(known[x] for x in node.inputs))
                known[node] = mpmath.nan if isinstance(found, mpmath.mpc) else found
    return float(known[graph.outputs[0]])


def assert_no_worse(left, right, truth, arrays, size):
    """Nearer to the truth, or within a few units in the last place, or a value for a NaN or ∞."""
    with np.errstate(all="ignore"):
        rounded = truth.astype(np.float32)
        unit = np.spacing(np.maximum(np.abs(rounded), np.float32(size)))
        near = np.abs(right - truth) <= np.maximum(np.abs(left - truth), 4 * unit)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    saved = ~np.isfinite(left) & ~np.isfinite(truth) & np.isfinite(right)
    saved |= np.isnan(left) & ~np.isnan(truth)
    fine = near | same | saved | (right == rounded)
    worse = [a[~fine][:4] for a in arrays]
    assert fine.all(), f"at {worse}: {left[~fine][:4]} became {right[~fine][:4]}"
