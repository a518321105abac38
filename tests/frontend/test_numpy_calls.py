"""Calls from NumPy's documentation give the same when they are traced, compiled and run."""

from __future__ import annotations

import ast

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp

from .numpy_calls import ARRAYS, LINES, REFUSED

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
        if one.dtype.kind in "fc":
            tolerance = {"float16": 1e-3, "float32": 2e-6}.get(one.dtype.name, 1e-13)
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(one, other)
        if one.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(one), np.signbit(other))


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


ROW = np.array([3, 1, 3, 7, 0, 1])
OTHER = np.array([7, 3, 3, 9])
SIZED = {
    "nonzero": lambda f, x, y, n: f(x, **n)[0],
    "flatnonzero": lambda f, x, y, n: f(x, **n),
    "argwhere": lambda f, x, y, n: f(x, **n)[:, 0],
    "unique": lambda f, x, y, n: f(x, **n),
    "unique_values": lambda f, x, y, n: f(x, **n),
    "unique_inverse": lambda f, x, y, n: f(x, **n).values,
    "union1d": lambda f, x, y, n: f(x, y, **n),
    "intersect1d": lambda f, x, y, n: f(x, y, **n),
    "setdiff1d": lambda f, x, y, n: f(x, y, **n),
    "setxor1d": lambda f, x, y, n: f(x, y, **n),
    "extract": lambda f, x, y, n: f(x > 1, x, **n),
    "compress": lambda f, x, y, n: f(x > 1, x, **n),
}


@pytest.mark.parametrize("name", SIZED)
def test_functions_with_a_size_give_what_numpy_gives_and_then_the_fill_value(name):
    call = SIZED[name]
    expected = np.sort(call(getattr(np, name), ROW, OTHER, {}))
    named = {"size": 8, "fill_value": 99}

    def function(x, y):
        return call(getattr(snp, name), x, y, named)

    found = sf.compile(function, ROW, OTHER, mode="fast-compile")(ROW, OTHER)
    filled = np.concatenate([expected, np.full(8 - len(expected), 99)])
    np.testing.assert_array_equal(np.sort(found), np.sort(filled))
    np.testing.assert_array_equal(found, function(ROW, OTHER))
    few = call(getattr(snp, name), ROW, OTHER, {"size": 2})
    np.testing.assert_array_equal(few, found[:2])
    with pytest.raises(sf.UnsupportedError, match="size"):
        sf.trace(lambda x, y: call(getattr(snp, name), x, y, {}), ROW, OTHER)


def test_counting_leaves_out_what_is_above_the_length():
    def function(x, w):
        return snp.bincount(x, length=5), snp.bincount(x, w, length=5)

    weights = np.arange(6.0)
    found = sf.compile(function, ROW, weights, mode="fast-compile")(ROW, weights)
    np.testing.assert_array_equal(found[0], np.bincount(ROW)[:5])
    np.testing.assert_array_equal(found[1], np.bincount(ROW, weights)[:5])
    np.testing.assert_array_equal(snp.bincount(ROW, length=5), found[0])
    with pytest.raises(sf.UnsupportedError, match="length=n"):
        sf.trace(lambda x: np.bincount(x), ROW)


def test_repeating_by_traced_counts_takes_the_number_of_elements():
    x, counts = np.arange(6.0).reshape(2, 3), np.array([2, 0, 1])

    def function(x, counts):
        return snp.repeat(x, counts, 1, total_repeat_length=5)

    found = sf.compile(function, x, counts, mode="fast-compile")(x, counts)
    exact = np.repeat(x, counts, 1)
    np.testing.assert_array_equal(found, np.concatenate([exact, exact[:, -1:], exact[:, -1:]], 1))
    np.testing.assert_array_equal(function(x, counts), found)
    np.testing.assert_array_equal(snp.repeat(x, counts, 1, total_repeat_length=2), exact[:, :2])
    with pytest.raises(sf.UnsupportedError, match="total_repeat_length=n"):
        sf.trace(lambda x, n: np.repeat(x, n, 1), x, counts)


@pytest.mark.parametrize("line", REFUSED)
def test_what_numpy_refuses_is_refused_at_the_line(line):
    names = letters(line)
    arrays = [ARRAYS[name] for name in names]

    def function(*values):
        return evaluated(line, dict(zip(names, values, strict=True)))

    with pytest.raises((ValueError, TypeError, IndexError, OverflowError)):
        function(*arrays)
    with pytest.raises(sf.SymfuseError) as caught:
        sf.trace(function, *arrays)
    assert caught.value.user_frame[0] == __file__
    assert caught.value.fix
