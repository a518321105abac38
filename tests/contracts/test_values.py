"""Types and elements of every operation agree with its NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from contracts.cases import (
    EVERY_CASE,
    OPERATIONS,
    Application,
    assert_close,
    samples,
)
from contracts.elements import elements_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from symfuse.compiler.ir.op import Op, Sample
from symfuse.runtime.dtypes import DType

REFUSING = {"power", "convert", "select", "bitwise_left_shift", "bitwise_right_shift"}
MAPPED = [op for op in OPERATIONS if op.body is not None and op.name not in REFUSING]
"""Functions of elements that take operands of one type, whatever their values."""


@EVERY_CASE
def test_its_type_is_what_the_reference_returns(op: Op, dtype: DType) -> None:
    for sample in samples(op, dtype):
        type_ = Application.of(op, sample).node.type
        with np.errstate(all="ignore"):
            found = np.asarray(op.reference(*sample.inputs, **sample.attrs))
        assert (type_.shape, type_.dtype.numpy) == (found.shape, found.dtype)


@EVERY_CASE
def test_its_elements_are_those_of_the_reference(op: Op, dtype: DType) -> None:
    if op.element is None and op.reduction is None:
        pytest.skip("computed as a whole: a product, a scatter or a library call")
    for sample in samples(op, dtype):
        node = Application.of(op, sample).node
        with np.errstate(all="ignore"):
            wanted = op.reference(*sample.inputs, **sample.attrs)
            assert_close(elements_of(node, sample.inputs), wanted, ulp=op.ulp)


@settings(max_examples=300)
@given(st.sampled_from(MAPPED), st.data())
def test_any_numbers_at_all_give_what_the_reference_gives(op: Op, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(op.dtypes))
    drawn = np.dtype(np.uint16) if dtype.is_half else dtype.numpy  # any bits are a half
    elements = npst.from_dtype(drawn)
    shape = data.draw(npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    arity = len(samples(op, dtype)[0].inputs)
    inputs = tuple(
        data.draw(npst.arrays(drawn, shape, elements=elements)).view(dtype.numpy)
        for _ in range(arity)
    )
    node = Application.of(op, Sample(inputs)).node
    with np.errstate(all="ignore"):
        wanted = op.reference(*inputs)
        for found, expected in zip(
            elements_of(node, inputs).reshape(-1), np.asarray(wanted).reshape(-1), strict=True
        ):
            assert_close(found, expected, ulp=op.ulp)
