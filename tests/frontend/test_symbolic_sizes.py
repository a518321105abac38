"""Every function of symfuse.numpy is one program for all sizes, or says why not."""

from __future__ import annotations

import ast
import math
import re

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp
from symfuse import special

from . import numpy_calls, symbolic_calls
from .numpy_calls import ARRAYS
from .symbolic_calls import GONE_THROUGH, OF_ONE_ELEMENT, REFUSED, WITHOUT_ARRAYS

pytestmark = pytest.mark.filterwarnings("ignore")

EVERY = dict.fromkeys([*numpy_calls.LINES, *symbolic_calls.LINES])
LINES = [line for line in EVERY if line not in REFUSED and line not in GONE_THROUGH]


def evaluated(line, values):
    """What a line gives where its letters have these values, one after the other."""
    *statements, expression = line.split("; ")
    scope = {"np": np, "snp": snp, "special": special, **values}
    exec("\n".join(statements), scope)
    return tuple(leaves(eval(expression, scope)))


def leaves(result):
    return [leaf for part in result for leaf in leaves(part)] if isinstance(
        result, tuple | list) else [result]  # fmt: skip


def letters(line):
    """The arrays that a line reads."""
    found = {node.id for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name)}
    return sorted(found & set(ARRAYS))


def traced(line):
    """The graph of a line: each size has a symbol, equal ones the same."""
    names = letters(line)
    specs = (
        sf.spec([n if n == 1 else f"N{n}" for n in x.shape], x.dtype)
        for x in map(ARRAYS.get, names)
    )
    return sf.trace(lambda *values: evaluated(line, dict(zip(names, values, strict=True))), *specs)


def longer(x, by):
    """An array with so many elements more along each axis; what is in order stays so, and what is
    square does not become singular."""
    shape = tuple(n if n == 1 else n + by for n in x.shape)
    if x.ndim == 1 and x.dtype.kind == "f" and (np.diff(x) > 0).all():
        return np.concatenate([x, x[-1] + 0.5 + np.arange(by)]).astype(x.dtype)
    found = np.resize(x, shape).astype(x.dtype)
    return found + 3 * np.eye(shape[0]) if by and x.ndim == 2 and len(set(shape)) == 1 else found


def of_one(x, _):
    return x[tuple(slice(0, 1) for _ in x.shape)]


SIZES = {
    "these": (longer, 0),
    "one more": (longer, 1),
    "three more": (longer, 3),
    "one": (of_one, 0),
}


def same(found, expected, size):
    assert len(found) == len(expected)
    for one, other in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype), size
        if one.dtype.kind not in "fc":
            np.testing.assert_array_equal(one, other, size)
            continue
        tolerance = 2e-6 if one.dtype.itemsize == 4 else 1e-10
        np.testing.assert_allclose(one, other, tolerance, tolerance, err_msg=size)


@pytest.mark.parametrize("line", LINES)
def test_one_graph_gives_what_numpy_gives_for_every_size(line):
    names, checked = letters(line), 0
    graph = traced(line)
    for size, (resized, by) in SIZES.items():
        if size == "one" and line in OF_ONE_ELEMENT:
            continue
        arrays = [resized(ARRAYS[name], by) for name in names]
        try:
            expected = evaluated(line, dict(zip(names, arrays, strict=True)))
        except (ValueError, IndexError, TypeError, np.linalg.LinAlgError, sf.SymfuseError):
            continue  # the numbers in the line are for other sizes
        same(leaves(graph(*arrays)), expected, size)
        checked += 1
    assert checked


@pytest.mark.parametrize("line", REFUSED)
def test_what_needs_a_number_says_so_and_names_the_line(line):
    with pytest.raises(sf.SymfuseError) as raised:
        traced(line)
    assert raised.value.loc is not None and raised.value.loc.filename == __file__
    assert raised.value.fix


def test_a_reason_is_recorded_for_nothing_that_is_not_called():
    assert set(REFUSED) <= set(EVERY) and set(OF_ONE_ELEMENT) <= set(LINES)


@pytest.mark.parametrize("module", ["numpy", "numpy.linalg", "numpy.fft", "special"])
def test_every_public_function_is_called(module):
    parts = module.split(".")
    space = special if module == "special" else getattr(snp, parts[-1]) if parts[1:] else snp
    functions = {
        name
        for name in space.__all__
        if callable(getattr(space, name)) and not isinstance(getattr(space, name), type)
    }  # fmt: skip
    prefix = "special" if module == "special" else ".".join(["np", *parts[1:]])
    text = "\n".join(EVERY).replace("snp.", "np.")
    called = set(re.findall(rf"{re.escape(prefix)}\.(\w+)", text))
    assert functions - called - set(WITHOUT_ARRAYS) == set()


NUMBERS = {
    "a share": lambda n: (n / 2, 0.5 * n, n * np.float32(2), 1 / n, (n - 1) / (n + 1)),
    "powers": lambda n: (n**2, n**0.5, 2.0**n),
    "functions": lambda n: (np.sqrt(n), np.log(n + 1), np.cbrt(n)),
    "sums": lambda n: (n + 0.5, 1.5 - n, n - 1.5, n // 2.0, n * 1j),
    "with numbers of NumPy's": lambda n: (np.float64(2) * n, np.ones(3) * n),
}


@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS)
def test_a_size_is_a_number_in_arithmetic(numbers):
    compiled = sf.compile(lambda x: [x * v for v in numbers(len(x))], "f32[N,3]")
    for n in (1, 4, 7):
        x = np.ones((n, 3), "float32")
        for found, wanted in zip(compiled(x), [x * v for v in numbers(n)], strict=True):
            assert found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


COUNTS = {
    "shape": lambda x: x.shape[0], "len": len, "size": lambda x: x.size, "np.size": np.size,
    "np.shape": lambda x: np.shape(x)[0], "sum": lambda x: x.shape[0] + 2,
}  # fmt: skip


@pytest.mark.parametrize("size", COUNTS.values(), ids=COUNTS)
def test_whether_a_size_is_even_is_never_guessed(size):
    def doubled_if_even(x):
        if size(x) % 2 == 0:
            return x * 2
        return x * 3

    fast = sf.jit(doubled_if_even)
    for n in (4, 6, 5, 8):
        np.testing.assert_array_equal(fast(np.ones(n)), doubled_if_even(np.ones(n)))
    with pytest.raises(sf.TraceError, match="is known only when the graph runs"):
        sf.trace(doubled_if_even, "f64[N]")


def test_functions_of_python_that_take_numbers_refuse_sizes_at_the_line():
    for use in (float, math.sqrt):
        with pytest.raises(sf.TraceError, match="a symbolic size stands where") as caught:
            sf.trace(lambda x, use=use: x * use(x.shape[0]), "f64[N]")
        assert "test_symbolic_sizes.py" in str(caught.value)
