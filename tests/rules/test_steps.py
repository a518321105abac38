"""Every rule that no equation states, on graphs where it has to fire."""

from __future__ import annotations

import numpy as np
import pytest
from handmade import make_graph

from symfuse.compiler.ir.builder import constant
from symfuse.compiler.ir.op import operations as op
from symfuse.compiler.ir.verify import verify
from symfuse.compiler.passes import detach_shifts, settle
from symfuse.compiler.rewrite.driver import PassContext, rewrite
from symfuse.compiler.rewrite.rule import RuleSet
from symfuse.runtime.dtypes import DType

RULES = settle.RULES + detach_shifts.RULES
STEPS = [one for one in RULES.rules if not one.equation]
X = "f32[2,3,4]"


def spread(x, shape, *axes):
    return op["broadcast"](x, shape=shape, axes=axes)


def whole(x, **changes):
    """A slice with some entries of its attributes replaced: axis → (start, stop, step)."""
    ranges = [changes.get(f"axis{a}", (0, n, 1)) for a, n in enumerate(x.shape)]
    starts, stops, steps = zip(*ranges, strict=True)
    return op["slice"](x, starts=starts, stops=stops, steps=steps)


def padded(x, low, high, value=0.0):
    return op["pad"](x, low=low, high=high, interior=(0,) * x.rank, value=value)


def product(x, y, batch=((), ()), contracting=((1,), (0,))):
    return op["contract"](x, y, batch=batch, contracting=contracting)


def moved(x, axis, size, stride=1, dilation=1):
    return op["windows"](x, axis=axis, size=size, stride=stride, dilation=dilation)


def added(x, axis, length, dilation=1):
    return op["overlap_add"](x, axis=axis, stride=1, dilation=dilation, length=length)


def spread_images(x, kernel):
    """The transpose of a convolution of images: each pixel times the kernel, where they overlap."""
    found = product(x, kernel, contracting=((3,), (3,)))
    ordered = op["transpose"](found, axes=(0, 1, 3, 2, 4, 5))
    return added(added(ordered, 3, 7), 1, 5)


def convolved(x, kernel, low, high):
    """A convolution of a sequence with zeros around it."""
    return product(moved(padded(x, low, high), 0, 3), kernel, contracting=((1, 2), (0, 1)))


def softmax_part(c, x):
    e = op["exp"](x)
    total = op["reduce_sum"](e, axes=(1,))
    return spread(c / total, x.shape, 0) * e


def naive_softmax(x):
    e = op["exp"](x)
    return e / spread(op["reduce_sum"](e, axes=(1,)), x.shape, 0)


def shifted(x):
    """x less its maximum along the last axis, and that maximum."""
    greatest = op["reduce_max"](x, axes=(1,))
    return x - spread(greatest, x.shape, 0), greatest


def log_sums(x):
    return op["log"](op["reduce_sum"](op["exp"](x), axes=(1,)))


def log_softmax(x):
    z, _ = shifted(x)
    return z - spread(log_sums(z), x.shape, 0)


def log_sum_exp(x):
    z, greatest = shifted(x)
    return greatest + log_sums(z)


def ones(shape, dtype=DType.F32):
    return spread(constant(1, dtype), shape)


# Rule → graphs that it changes, as a function and the types of its parameters.
CASES = {
    "one_number": [(lambda: constant(np.full((2, 3), 1.5)),)],
    "of_numbers": [(lambda: op["exp"](ones((2, 3))),), (lambda: op["less"](ones(()), 2.0),)],
    "of_constants": [
        (lambda: op["exp"](constant(np.arange(3.0))),),
        (lambda: op["reduce_sum"](ones((2, 3)), axes=(1,)),),
        (lambda: op["concatenate"](constant(np.arange(3)), constant(np.arange(2)), axis=0),),
    ],
    "computed_before_copying": [
        (lambda x: op["exp"](spread(x, (3, 2), 1)), "f32[2]"),
        (lambda x, y: spread(x, (2, 3, 4), 0, 1) * spread(y, (2, 3, 4), 1), "f32[2,3]", "f32[3]"),
    ],
    "computed_before_reshape": [
        (lambda x: op["log"](op["reshape"](x, shape=(2, 1))), "f32[2]"),
        (lambda x: op["reshape"](x, shape=(2, 1)) + 1.0, "f32[2]"),
    ],
    "all_of_it": [
        (lambda x: op["reshape"](x, shape=(2, 3, 4)), X),
        (lambda x: whole(x), X),
    ],
    "transpose_in_order": [
        (lambda x: op["transpose"](x, axes=(0, 1, 2)), X),
        (lambda x: op["transpose"](x, axes=(1, 0, 2)), "f32[2,1,3]"),
    ],
    "view_of_number": [
        (lambda: op["transpose"](ones((2, 3)), axes=(1, 0)),),
        (lambda: whole(ones((2, 3)), axis1=(0, 2, 1)),),
    ],
    "pad_of_number": [(lambda: padded(ones((2,)), (1,), (0,), 1.0),)],
    "broadcast_without_copies": [
        (lambda x: spread(x, (2, 3, 4), 0, 1, 2), X),
        (lambda x: spread(x, (4, 2, 3), 1, 2, 0), X),
        (lambda x: spread(x, (1, 2, 3, 1, 4), 1, 2, 4), X),
    ],
    "broadcast_of_more_ones": [
        (lambda x: spread(op["reshape"](x, shape=(2, 1, 3)), (2, 1, 5, 3), 0, 1, 3), "f32[2,3]")
    ],
    "ones_of_broadcast": [
        (lambda x: op["reshape"](spread(x, (2, 5, 1), 0), shape=(2, 5)), "f32[2]"),
        (lambda x: op["reshape"](spread(x, (5, 1, 2), 1, 2), shape=(1, 5, 2)), "f32[1,2]"),
    ],
    "slice_of_broadcast": [
        (lambda x: whole(spread(x, (2, 5), 0), axis0=(1, 2, 1), axis1=(0, 5, 2)), "f32[2]")
    ],
    "transpose_of_broadcast": [
        (lambda x: op["transpose"](spread(x, (2, 5, 3), 0, 2), axes=(2, 0, 1)), "f32[2,3]")
    ],
    "slice_twice": [
        (lambda x: whole(whole(x, axis0=(1, 9, 2)), axis0=(1, 4, 2)), "f32[10]"),
        (lambda x: whole(whole(x, axis0=(2, 9, 1)), axis0=(1, 4, 3)), "f32[10]"),
    ],
    "slice_of_pad": [(lambda x: whole(padded(x, (2,), (3,)), axis0=(3, 6, 2)), "f32[5]")],
    "slice_of_concatenation": [
        (lambda x, y: whole(op["concatenate"](x, y, axis=0), axis0=(3, 5, 1)), "f32[2]", "f32[4]")
    ],
    "slice_of_interleaved": [
        (
            lambda x, y: whole(op["interleave"](x, y), axis0=(1, 5, 2), axis1=(1, 2, 1)),
            "f32[6]",
            "f32[6]",
        )
    ],
    "pad_with_nothing": [(lambda x: padded(x, (0, 0, 0), (0, 0, 0)), X)],
    "pad_twice": [(lambda x: padded(padded(x, (1,), (2,)), (0,), (3,)), "f32[2]")],
    "flat_concatenation": [
        (
            lambda x, y: op["concatenate"](op["concatenate"](x, y, axis=0), x, axis=0),
            "f32[2]",
            "f32[3]",
        ),
        (lambda x: op["concatenate"](x, axis=1), X),
        (lambda x, y: op["concatenate"](x, y, axis=0), "f32[2]", "f32[0]"),
    ],
    "concatenation_of_one_number": [(lambda: op["concatenate"](ones((2,)), ones((3,)), axis=0),)],
    "reverse_of_nothing": [
        (lambda x: op["reverse"](x, axes=(1,)), "f32[2,1]"),
        (lambda x: op["reverse"](x, axes=(0, 1)), "f32[2,1]"),
    ],
    "of_one_element": [
        *((lambda x, n=n: op[n](x, axes=(1,)), "f32[2,1]") for n in ("reduce_sum", "reduce_max")),
        (lambda x: op["reduce_prod"](x, axes=(0, 1)), "i8[1,1]"),
        (lambda x: op["reduce_any"](x, axes=()), "bool[2]"),
    ],
    "place_of_one_element": [
        (lambda x: op["argmax"](x, axis=0), "f32[1,7]"),
        (lambda x: op["argmin"](x, axis=1), "u8[3,1]"),
    ],
    "reduce_twice": [
        (lambda x: op["reduce_sum"](op["reduce_sum"](x, axes=(1,)), axes=(1,)), X),
        (lambda x: op["reduce_max"](op["reduce_max"](x, axes=(0, 2)), axes=(0,)), X),
        (lambda x: op["reduce_prod"](op["reduce_prod"](x, axes=(0,)), axes=(0,)), "u8[2,3]"),
    ],
    "of_copies": [
        (lambda x: op["reduce_sum"](spread(x, (2, 5, 3), 0, 2), axes=(1, 2)), "f32[2,3]"),
        (lambda x: op["reduce_sum"](spread(x, (200, 2), 1), axes=(0,)), "i8[2]"),
        (lambda x: op["reduce_max"](spread(x, (2, 5, 3), 2, 0), axes=(1,)), "f32[3,2]"),
    ],
    "of_transposed": [
        (lambda x: op["reduce_sum"](op["transpose"](x, axes=(2, 0, 1)), axes=(1,)), X),
        (lambda x: op["reduce_max"](op["transpose"](x, axes=(1, 2, 0)), axes=(2,)), X),
    ],
    "of_more_ones": [
        (lambda x: op["reduce_sum"](op["reshape"](x, shape=(2, 1, 3)), axes=(2,)), "f32[2,3]"),
        (lambda x: op["reduce_min"](op["reshape"](x, shape=(2, 1, 3)), axes=(1,)), "f32[2,3]"),
    ],
    "constant_factor": [(lambda x: op["reduce_sum"](x * 0.5, axes=(1,)), X)],
    "contract_transposed": [
        (lambda x, y: product(op["transpose"](x, axes=(1, 0)), y), "f32[3,2]", "f32[3,4]"),
        (
            lambda x, y: product(op["transpose"](x, axes=(2, 0, 1)), y, ((1,), (0,)), ((0,), (1,))),
            X,
            "f32[2,4,5]",
        ),
    ],
    "contract_of_copies": [
        (
            lambda x, y: product(x, spread(y, (2, 3, 4), 1, 2), ((0,), (0,)), ((1,), (1,))),
            "f32[2,3]",
            "f32[3,4]",
        ),
        (
            lambda x, y: product(spread(x, (5, 3, 2, 4), 3, 0), y, ((1, 2), (2, 0)), ((3,), (1,))),
            "f32[4,5]",
            "f32[2,4,3,6]",
        ),
        (
            lambda x, y: product(x, spread(y, (4, 3, 2), 0, 2), ((2, 0), (1, 2)), ((1,), (0,))),
            "f32[2,4,3,5]",
            "f32[4,2]",
        ),
    ],
    "transposed_contract": [
        (lambda x, y: op["transpose"](product(x, y), axes=(1, 0)), "f32[2,3]", "f32[3,4]"),
        (
            lambda x, y: op["transpose"](product(x, y, ((0,), (0,)), ((2,), (1,))), axes=(0, 2, 1)),
            X,
            "f32[2,4,5]",
        ),
    ],
    "contract_with_number": [
        (lambda x: product(x, ones((3, 4))), "f32[2,3]"),
        (lambda y: product(ones((2, 3)), y), "f32[3,4]"),
        (lambda x: product(x, ones((2, 4, 5)), ((0,), (0,)), ((2,), (1,))), X),
        (lambda y: product(ones((5, 4, 2)), y, ((2,), (0,)), ((1,), (2,))), X),
    ],
    "abs_of_nonnegative": [
        (lambda x: op["abs"](op["exp"](x)), X),
        (lambda x: op["abs"](op["square"](x)), X),
    ],
    "convert_to_own_type": [(lambda x: op["convert"](x, dtype=DType.F32), X)],
    "convert_of_convert": [
        (lambda x: op["convert"](op["convert"](x, dtype=DType.F64), dtype=DType.F32), X),
        (lambda x: op["convert"](op["convert"](x, dtype=DType.I64), dtype=DType.F32), "u8[3]"),
        (lambda x: op["convert"](op["convert"](x, dtype=DType.F32), dtype=DType.F64), "bool[3]"),
    ],
    "done_already": [
        (lambda x: op["floor"](op["round"](x)), X),
        (lambda x: op["abs"](op["abs"](x)), "i8[3]"),
        (lambda x: op["relu"](op["relu"](x)), X),
    ],
    "log_sum_exp": [
        (lambda x: op["log"](op["reduce_sum"](op["exp"](x), axes=(0, 2))), X),
        (lambda x: op["log"](op["reduce_sum"](op["exp"](x), axes=(1,))), "f64[2,3]"),
    ],
    "remarks_on_values": [
        (lambda x: op["named"](x, label="hidden") + 1.0, X),
        (lambda x: op["required"](x, low=2, high=x.shape[1]) + 1.0, X),
    ],
    "shift_in_softmax": [(lambda x: naive_softmax(shifted(x)[0]), "f32[2,3]")],
    "shift_in_log_softmax": [(log_softmax, "f32[2,3]")],
    "shift_in_log_sum_exp": [(log_sum_exp, "f32[2,3]")],
    "softmax": [(naive_softmax, "f32[2,3]")],
    "added_windows_of_products": [
        (lambda x, y: added(product(x, y), 0, 7), "f32[4,2]", "f32[2,3]"),
        (
            lambda x, y: added(op["transpose"](product(x, y), axes=(1, 0)), 0, 9, 2),
            "f32[3,2]",
            "f32[2,4]",
        ),
        (spread_images, "f32[2,4,5,3]", "f32[2,3,6,3]"),
    ],
    "slice_of_padded_windows": [
        (
            lambda x, y: whole(convolved(x, y, (1, 0), (2, 0)), axis0=(1, 4, 1)),
            "f32[5,2]",
            "f32[3,2,4]",
        ),
    ],
    "part_of_softmax": [
        (softmax_part, "f32[2]", "f32[2,3]"),
        (lambda x: softmax_part(1.0, x), "f32[2,3]"),
        (
            lambda x: (
                op["exp"](x)
                * spread(op["reciprocal"](op["reduce_sum"](op["exp"](x), axes=(0,))), x.shape, 1)
            ),
            "f32[2,3]",
        ),
    ],
}

EVERY_CASE = pytest.mark.parametrize(
    "case",
    [
        pytest.param((rule, *case), id=f"{rule.name}-{at}")
        for rule in STEPS
        for at, case in enumerate(CASES.get(rule.name, ()))
    ],
)


def values(type_, rng):
    """Random elements, with the special ones of the type among them."""
    shape = tuple(type_.shape)
    if type_.dtype.is_float:
        x = rng.normal(size=shape)
        flat = x.reshape(-1)
        flat[: min(flat.size, 2)] = (-0.0, 0.0)[: flat.size]
        return x.astype(type_.dtype.numpy)
    return rng.integers(0, 2 if type_.dtype.is_bool else 100, shape).astype(type_.dtype.numpy)


def test_every_step_has_cases():
    assert {rule.name for rule in STEPS} == set(CASES)


@EVERY_CASE
def test_a_step_fires_and_keeps_values(case, rng):
    rule, function, *types = case
    graph = make_graph(function, *types)
    context = PassContext("fast" if rule.numerics == "fast" else "strict")
    after = verify(rewrite(graph, RuleSet((rule,)), context))
    assert context.fired[rule.name]
    assert after.outputs[0].type == graph.outputs[0].type
    arrays = [values(p.type, rng) for p in graph.parameters]
    compare(after(*arrays), graph(*arrays), rule.numerics)


@pytest.mark.parametrize(
    ("function", "type_", "given"),
    [
        (lambda x: op["reduce_sum"](spread(x, (70000, 2), 1), axes=(0,)), "f16[2]", [0.5, 0]),
        (
            lambda x: product(x, spread(constant(3, DType.F16), (3, 4))),
            "f16[1,3]",
            [[30000, -30000, 1]],
        ),
    ],
    ids=["of_copies", "contract_with_number"],
)
def test_what_halves_hold_stays_in_their_range(function, type_, given):
    graph = make_graph(function, type_)
    x = np.array(given, np.float16)
    np.testing.assert_array_equal(rewrite(graph, RULES)(x), graph(x))


def compare(now, before, numerics):
    if before.dtype.kind != "f":
        np.testing.assert_array_equal(now, before)
    elif numerics == "exact":
        np.testing.assert_array_equal(now, before)
        np.testing.assert_array_equal(np.signbit(now), np.signbit(before))
    else:
        np.testing.assert_allclose(now, before, rtol=3e-6, atol=1e-6)
