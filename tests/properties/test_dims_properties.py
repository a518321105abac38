"""Random sizes: whatever is simplified, bounded, compared or printed agrees with the integers."""

from __future__ import annotations

import operator

from hypothesis import given, settings
from hypothesis import strategies as st

from symfuse.compiler.ir.dims import (
    Symbol,
    bounds,
    coefficient,
    dim,
    evaluate,
    is_at_most,
    is_equal,
    is_less,
    is_multiple,
    maximum,
    minimum,
    parse_dim,
    substitute,
    symbols,
    without,
)

ROWS, COLUMNS, TILES = dim("N", 1, 12), dim("C"), dim("T", 0, 64, 8)
ROW, COLUMN, K = Symbol("i", 0, ROWS - 1), Symbol("j", 0, COLUMNS - 1), Symbol("k", 0, 5)
NAMES = {s.name: s for e in (ROWS, COLUMNS, TILES, ROW + 0, COLUMN + 0, K + 0) for s in symbols(e)}
LEAVES = st.sampled_from([*NAMES.values()]).map(lambda s: (s + 0, lambda at: at[s.name]))
NUMBERS = st.integers(-9, 20).map(lambda n: (n, lambda at: n))
DIVISORS = st.sampled_from(
    [(n, lambda at, n=n: n) for n in (1, 2, 3, 4, 6, 8, 12)]
    + [(ROWS, lambda at: at["N"]), (COLUMNS, lambda at: at["C"])]
    + [(ROWS * COLUMNS, lambda at: at["N"] * at["C"]), (COLUMNS + 1, lambda at: at["C"] + 1)]
    + [(2 * COLUMNS, lambda at: 2 * at["C"])]
)


def _both(operation, python=None):
    python = python or operation

    def build(pair):
        (a, x), (b, y) = pair
        return operation(a, b), lambda at: python(x(at), y(at))

    return build


def _sums(inner):
    pairs = st.tuples(inner, inner)
    return st.one_of(pairs.map(_both(operator.add)), pairs.map(_both(operator.mul)))


def _larger(inner):
    pairs, divided = st.tuples(inner, inner), st.tuples(inner, DIVISORS)
    return st.one_of(
        pairs.map(_both(operator.add)),
        pairs.map(_both(operator.sub)),
        st.tuples(inner, st.one_of(LEAVES, NUMBERS)).map(_both(operator.mul)),
        divided.map(_both(operator.floordiv)),
        divided.map(_both(operator.mod)),
        pairs.map(_both(maximum, max)),
        pairs.map(_both(minimum, min)),
    )


EXPRESSIONS = st.recursive(st.one_of(LEAVES, NUMBERS), _larger, max_leaves=8)
POLYNOMIALS = st.recursive(st.one_of(LEAVES, NUMBERS), _sums, max_leaves=4)


@st.composite
def assignments(draw):
    """Values of all symbols within their bounds."""
    n, c = draw(st.integers(1, 12)), draw(st.integers(1, 30))
    return {
        "N": n,
        "C": c,
        "T": 8 * draw(st.integers(0, 8)),
        "i": draw(st.integers(0, n - 1)),
        "j": draw(st.integers(0, c - 1)),
        "k": draw(st.integers(0, 5)),
    }


PLACES = st.lists(assignments(), min_size=1, max_size=5)
MANY = settings(max_examples=60, deadline=None)


@MANY
@given(EXPRESSIONS, PLACES)
def test_simplified_expressions_have_the_values_of_python(pair, places):
    e, python = pair
    for at in places:
        assert evaluate(e, at) == python(at)


@MANY
@given(EXPRESSIONS, PLACES)
def test_bounds_are_never_crossed(pair, places):
    low, high = bounds(pair[0])
    for at in places:
        value = evaluate(pair[0], at)
        assert low is None or low <= value
        assert high is None or value <= high


@MANY
@given(EXPRESSIONS)
def test_text_reads_back(pair):
    assert parse_dim(str(pair[0]), NAMES) == pair[0]


@MANY
@given(EXPRESSIONS, EXPRESSIONS, PLACES)
def test_what_is_decided_is_true(left, right, places):
    a, b = left[0], right[0]
    verdicts = is_equal(a, b), is_less(a, b), is_at_most(a, b), is_multiple(a, 4)
    for at in places:
        x, y = evaluate(a, at), evaluate(b, at)
        for verdict, truth in zip(verdicts, (x == y, x < y, x <= y, x % 4 == 0), strict=True):
            assert verdict in (None, truth)


@MANY
@given(EXPRESSIONS, EXPRESSIONS, assignments())
def test_substitution_is_evaluation_of_the_replaced(left, right, at):
    e, value = left[0], right[0]
    replaced = substitute(e, {K: value})
    number = evaluate(value, at)
    if 0 <= number <= 5:  # a replacement keeps within the bounds of what it replaces
        assert evaluate(replaced, at) == evaluate(e, {**at, "k": number})


@MANY
@given(EXPRESSIONS, assignments())
def test_an_affine_expression_is_its_coefficient_and_the_rest(pair, at):
    slope = coefficient(pair[0], K)
    if slope is not None:
        rest = evaluate(without(pair[0], K), at)
        assert evaluate(pair[0], at) == evaluate(slope, at) * at["k"] + rest


@MANY
@given(EXPRESSIONS, EXPRESSIONS, EXPRESSIONS)
def test_order_never_makes_a_difference(left, middle, right):
    x, y, z = left[0], middle[0], right[0]
    assert is_equal((x + y) - y, x) is not False
    assert is_equal((x + y) + z, x + (y + z)) is not False


@MANY
@given(POLYNOMIALS, POLYNOMIALS, POLYNOMIALS)
def test_equal_polynomials_are_one_expression(left, middle, right):
    x, y, z = left[0], middle[0], right[0]
    assert (x + y) - y == x
    assert (x + y) * z == y * z + x * z
    assert hash((x + y) + z) == hash(z + (y + x))
