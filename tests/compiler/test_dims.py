"""Symbolic sizes: canonical form, bounds, comparisons, text, solving."""

from __future__ import annotations

import operator
import pickle
import subprocess
import sys

import numpy as np
import pytest

from symfuse.compiler.ir.dims import (
    Expr,
    Symbol,
    bounds,
    ceil_div,
    coefficient,
    dim,
    evaluate,
    fold,
    from_sympy,
    is_at_most,
    is_equal,
    is_less,
    is_multiple,
    maximum,
    minimum,
    parse_dim,
    parse_symbol,
    product,
    solve_plan,
    substitute,
    symbols,
    to_sympy,
    without,
)
from symfuse.runtime.errors import ShapeError

N, M, C, H, W = (dim(name) for name in "NMCHW")
EIGHTS = dim("E", min=8, max=64, multiple_of=8)


def index(name, extent):
    """A loop index below an extent."""
    return Symbol(name, 0, extent - 1) + 0


def symbol(e):
    return symbols(e)[0]


def test_what_is_constant_is_an_int():
    for e in (N - N, N * 0, N - N + 3, (N + 5) - N, 0 // N, 0 % N, N % 1, EIGHTS % 8):
        assert type(e) is int


def test_the_order_of_building_does_not_matter():
    assert (N + 1) * (M + 2) == M * N + M + 2 * N + 2 - N * 0 + N - N
    assert hash(N + M) == hash(M + N)
    assert N * M - M * N == 0
    assert 3 - N == -N + 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (N // 1, N),
        ((8 * N + M) // 8, N + M // 8),
        ((8 * N + 5) // 8, N),
        ((8 * N + 5) % 8, 5),
        ((8 * N - 3) // 8, N - 1),
        ((N + 9) // 8, (N + 1) // 8 + 1),
        ((N - 1) // 2 + 1, (N + 1) // 2),
        ((2 * N + 1) // 4, N // 2),
        ((N % 8) // 8, 0),
        ((N // 3) // 5, N // 15),
        ((N % 12) // 4, (N // 4) % 3),
        ((N % 12) % 4, N % 4),
        (-((-N) // 8), (N + 7) // 8),
        ((N // 4) * 4 + N % 4, N),
        (12 * (N // 12) + 4 * ((N % 12) // 4) + N % 4, N),
        (N - N // 4 * 4 - N % 4, 0),
        (EIGHTS // 8 * 8, EIGHTS),
        ((EIGHTS + 3) // 8, EIGHTS // 8),
        ((EIGHTS + 3) % 4, 3),
        (index("i", 64) % 64, index("i", 64)),
        ((64 * index("i", N) + index("j", 64)) // 128, index("i", N) // 2),
        ((64 * index("i", N) + index("j", 64)) % 64, index("j", 64)),
        ((N * C) // C, N),
        ((N * C * 4) % (2 * C), 0),
        (N // N, 1),
        (N % 6 + N // 6, N // 6 + N % 6),
    ],
)
def test_divisions_simplify(given, expected):
    assert given == expected


def test_a_reshape_is_undone_for_symbolic_sizes():
    i, j = index("i", N), index("j", C)
    assert (i * C + j) // C == i
    assert (i * C + j) % C == j
    n, h, w = index("n", N), index("h", H), index("w", W)
    flat = (n * H + h) * W + w
    assert (flat // (H * W), flat // W % H, flat % W) == (n, h, w)
    assert flat % (H * W) // W == h


def test_a_flat_index_taken_apart_comes_together_again():
    x = index("x", N * C)
    assert (x // C) * C + x % C == x
    y = index("y", 24)
    assert (y // 6) * 6 + (y // 2 % 3) * 2 + y % 2 == y


def test_a_reshape_across_symbolic_sizes_is_undone():
    flat = index("p", N * M) * (C * H) + index("q", C * H)
    parts = (flat // (M * C * H), flat // H % (M * C), flat % H)
    assert (parts[0] * (M * C) + parts[1]) * H + parts[2] == flat


def test_a_dividend_that_is_not_negative_stays_so():
    inner = []
    fold(
        ceil_div(N, C),
        constant=lambda number: number,
        symbol=lambda s: s + 0,
        add=operator.add,
        mul=operator.mul,
        floordiv=lambda x, k: inner.append(x) or x // k,
        mod=operator.mod,
        max=maximum,
        min=minimum,
    )
    one = dim("R", min=1)
    assert ceil_div(one, C) == (one - 1) // C + 1
    assert str(ceil_div(N, 8)) == "(N + 7)//8"
    assert bounds(inner[0])[0] is not None


def test_extremes_are_decided_by_bounds():
    assert maximum(N, 0) == N
    assert minimum(N, 0) == 0
    assert maximum(N, N + 1, 3) == maximum(3, N + 1)
    assert maximum(maximum(N, 2), M) == maximum(N, maximum(M, 2))
    assert maximum(EIGHTS, 8) == EIGHTS
    assert minimum(3, 4) == 3


def test_bounds():
    assert bounds(N) == (0, None)
    assert bounds(7) == (7, 7)
    assert bounds(dim("K", 1, 30, 8)) == (8, 24)
    assert bounds(3 - 2 * EIGHTS) == (-125, -13)
    assert bounds(EIGHTS // 16) == (0, 4)
    assert bounds(N % 5) == (0, 4)
    assert bounds(maximum(N, 1)) == (1, None)


def test_comparisons_are_decided_where_possible():
    i, j = index("i", N), index("j", C)
    assert is_equal(N + 1, 1 + N) is True
    assert is_equal(N, N + 1) is False
    assert is_equal(N, M) is None
    assert is_equal(2 * N, 5) is False
    assert is_equal(EIGHTS, 12) is False
    assert is_less(i * C + j, N * C) is True
    assert is_at_most(N, ceil_div(N, 4) * 4) is True
    assert is_less(ceil_div(N, 4) * 4, N + 4) is True
    assert is_at_most(N, N * N) is True
    assert is_less(N, 0) is False
    assert is_at_most(N, 5) is None
    assert is_at_most(N // 2, N) is True
    assert is_at_most(N, maximum(N, M)) is True
    assert is_multiple(4 * N + 8, 4) is True
    assert is_multiple(4 * N + 2, 4) is False
    assert is_multiple(N, 2) is None
    assert is_multiple(N * C, C) is True
    assert (is_equal(2, 3), is_less(2, 3), is_at_most(4, 3), is_multiple(6, 3)) == (
        False,
        True,
        False,
        True,
    )


def test_extremes_are_compared_by_cases():
    left = N - minimum(N, 1)
    for low, high in (
        (minimum(N, 1), minimum(N, 3)),
        (N - minimum(N, 3), N - minimum(N, 1)),
        (minimum(left, 1), left),
        (maximum(N, M), N + M),
        (maximum(N - 3, 0), maximum(N - 1, 0)),
    ):
        assert is_at_most(low, high) is True
        assert is_at_most(high, low) is None
    assert is_less(maximum(N, M), minimum(N, M)) is False
    assert maximum(minimum(N, 1), minimum(N, 3)) == minimum(N, 3)


def test_truth_is_refused_where_it_is_not_known():
    assert EIGHTS
    with pytest.raises(ShapeError, match="known only at run time"):
        bool(N)


def test_coefficients():
    i, j = Symbol("i"), Symbol("j")
    e = i * C + j * 3 + 5
    assert (coefficient(e, i), coefficient(e, j), coefficient(e, Symbol("k"))) == (C, 3, 0)
    assert without(e, i) == j * 3 + 5
    assert coefficient(i * i, i) is None
    assert coefficient(j + i // 2, i) is None
    assert coefficient(j + i // 2, j) == 1
    assert coefficient(7, i) == 0


def test_substitution_simplifies_again():
    e = (N + 7) // 8 + N * M
    assert substitute(e, {symbol(N): 8}) == 8 * M + 1
    assert substitute(e, {symbol(N): 8 * M}) == M + 8 * M * M
    assert substitute(N + M, {symbol(N): M, symbol(M): N}) == N + M
    assert symbols(M // 2 + N * C) == (symbol(C), symbol(N), symbol(M))
    assert symbols(3) == ()


def test_values():
    assert evaluate((N + 7) // 8 * M, {"N": 9, "M": 5}) == 10
    assert evaluate(4, {}) == 4
    with pytest.raises(ShapeError, match="the size M has no value"):
        evaluate(N + M, {"N": 1})


def test_text():
    texts = [
        "2*N + 3", "(N + 7)//8", "max(N, 1)", "-N + 5", "M*N - 2*N", "2*(N//8) + N%3",
        "(2*N)//7", "max(M, N, 2)//3", "-(N//2)", "N*(M//N)", "min(N, max(M, 2))",
    ]  # fmt: skip
    for text in texts:
        assert str(parse_dim(text, {})) == text
    assert f"{N!r}" == "N"


@pytest.mark.parametrize("text", ["", "N +", "N/2", "f(N)", "N.x", "2.5", "True", "max(N)", "N**2"])
def test_other_text_is_no_size(text):
    with pytest.raises(ShapeError, match="is no size"):
        parse_dim(text, {})


def test_names_in_text_are_the_given_symbols():
    assert parse_dim("E % 8", {"E": symbol(EIGHTS)}) == 0
    assert parse_dim("N + 1", {}) == N + 1


def test_declarations():
    for e, text in [
        (N, "N"),
        (EIGHTS, "E in [8, 64] % 8"),
        (dim("K", 1), "K in [1, inf]"),
        (dim("K", multiple_of=4), "K % 4"),
        (index("i", maximum(N, 4)), "i in [0, max(N, 4) - 1]"),
    ]:
        assert symbol(e).declaration() == text
        assert parse_symbol(text) == symbol(e)
    with pytest.raises(ShapeError, match="declares no size"):
        parse_symbol("N in 3")
    with pytest.raises(ShapeError, match="no two bounds"):
        parse_symbol("N in [3]")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("2x",), "cannot name a size"),
        (("N", -1), "cannot be from -1"),
        (("N", 3, 2), "cannot be from 3 to 2"),
        (("N", 0, None, 0), "cannot be a multiple of 0"),
        (("N", 1, 7, 8), "no multiple of 8"),
        (("N", 1.5), "min of the size N is 1.5"),
    ],
)
def test_impossible_sizes_are_refused(arguments, what):
    with pytest.raises(ShapeError, match=what) as caught:
        dim(*arguments)
    assert caught.value.fix


def test_divisors_are_positive():
    for divisor in (0, -2, -EIGHTS):
        with pytest.raises(ShapeError, match="is divided by"):
            N // divisor


def test_other_operands_are_refused():
    for operation in (operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod):
        for other in (1.5, "N", None):
            with pytest.raises(TypeError):
                operation(N, other)
            with pytest.raises(TypeError):
                operation(other, N) if other != "N" else operation(N, other)


def test_integers_of_numpy_are_integers():
    assert N + np.int64(3) == 3 + N == np.int64(3) + N
    assert type(np.int32(2) * N) is Expr


def test_products_and_ceilings():
    assert product([]) == 1
    assert product([N, 2, M]) == 2 * N * M
    assert ceil_div(7, 2) == 4


def test_symbols_are_equal_by_name_and_bounds():
    assert Symbol("N") == symbol(N)
    assert Symbol("N", 1) != Symbol("N")
    assert Symbol("N", 1) - Symbol("N") != 0


def test_expressions_survive_pickling():
    e = (N + 7) // 8 + index("i", N) % 3
    again = pickle.loads(pickle.dumps(e))
    assert again == e
    assert hash(again) == hash(e)


def test_sums_are_folded_in_one_order():
    def written(e):
        binary = {
            name: lambda a, b, n=name: f"{n}({a},{b})"
            for name in ("add", "mul", "floordiv", "mod", "max", "min")
        }
        return fold(e, constant=str, symbol=str, **binary)

    assert written(M + 2 * N + 3) == written(3 + N + M + N) == "add(add(M,mul(2,N)),3)"
    assert written(5) == "5"


def test_a_plan_solves_each_symbol_from_its_simplest_dimension():
    plan = solve_plan([2 * N, 4, N + 1, M, N * M])
    assert plan.assignments == ((symbol(N), 2, 1, 1), (symbol(M), 3, 0, 1))
    assert plan.checks == ((0, 2 * N), (4, N * M))
    plan = solve_plan([2 * N + 6])
    assert plan.assignments == ((symbol(N), 0, 6, 2),)
    assert plan.checks == ((0, 2 * N + 6),)


def test_a_symbol_that_no_dimension_determines_is_named():
    with pytest.raises(ShapeError, match="determines M: it appears only in M\\*N"):
        solve_plan([N, N * M])


def test_sympy_and_back():
    e = (N + 7) // 8 * 3 + N * N % 5 + maximum(N, M) - minimum(M, 4)
    assert from_sympy(to_sympy(e), {}) == e
    assert from_sympy(to_sympy(4), {}) == 4
    with pytest.raises(ShapeError, match="is no size"):
        from_sympy(to_sympy(N) / 2, {})


def test_sympy_is_loaded_only_when_asked_for():
    code = "import sys, symfuse.compiler.ir.dims; sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
