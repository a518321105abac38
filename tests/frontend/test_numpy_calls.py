"""Calls from NumPy's documentation give the same when they are traced, compiled and run."""

from __future__ import annotations

import ast

import numpy as np
import pytest

import symfuse as sf

from .numpy_calls import ARRAYS, LINES

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def evaluated(line, values):
    """What a line gives where its letters have these values."""
    *statements, expression = line.split("; ")
    scope = {"np": np, **values}
    exec("\n".join(statements), scope)
    return eval(expression, scope)


def letters(line):
    """The arrays that a line reads."""
    found = {node.id for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name)}
    return sorted(found & set(ARRAYS))


def leaves(result):
    return [leaf for part in result for leaf in leaves(part)] if isinstance(
        result, tuple | list) else [result]  # fmt: skip


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        if one.dtype.kind == "f":
            tolerance = 2e-6 if one.dtype == np.float32 else 1e-13
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
            np.testing.assert_array_equal(np.signbit(one), np.signbit(other))
        else:
            np.testing.assert_array_equal(one, other)


def test_there_are_two_hundred_calls():
    assert len(set(LINES)) >= 200


@pytest.mark.parametrize("line", LINES)
def test_compiled_calls_give_what_numpy_gives(line):
    names = letters(line)
    arrays = [ARRAYS[name] for name in names]

    def function(*values):
        return tuple(leaves(evaluated(line, dict(zip(names, values, strict=True)))))

    compiled = sf.compile(function, *arrays, mode="fast-compile")
    same(compiled(*arrays), leaves(evaluated(line, dict(zip(names, arrays, strict=True)))))
