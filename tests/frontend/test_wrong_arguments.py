"""Wrong arguments of the functions of NumPy, on traced values: errors at the user's line."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
import symfuse.numpy as snp

X = np.arange(12.0).reshape(3, 4)

WRONG = [
    ("roll", lambda x: np.roll(x, (1, 2), axis=(0, 1, 0)), ValueError),
    ("diag", lambda x: np.diag(x[0, 0]), ValueError),
    ("array_split", lambda x: np.array_split(x, 0), ValueError),
    ("array_split", lambda x: np.array_split(x, -5), ValueError),
    ("split", lambda x: np.split(x, 0), ValueError),
    ("hsplit", lambda x: np.hsplit(x[0, 0], 2), ValueError),
    ("vsplit", lambda x: np.vsplit(x[0], 2), ValueError),
    ("dsplit", lambda x: np.dsplit(x, 2), ValueError),
    ("unstack", lambda x: np.unstack(x[0, 0]), ValueError),
    ("transpose", lambda x: np.transpose(x, 1.5), TypeError),
    ("full_like", lambda x: np.full_like(x, 0, dtype=5), TypeError),
    ("moveaxis", lambda x: np.moveaxis(x, [0, 1], [0]), ValueError),
    ("rot90", lambda x: np.rot90(x, axes=(0,)), ValueError),
    ("add", lambda x: snp.add(x), TypeError),
    ("delete", lambda x: np.delete(x[0], x[0] > 1), TypeError),
    ("ravel", lambda x: np.ravel(x, order="X"), TypeError),
    ("select", lambda x: np.select([x], [x]), TypeError),
    ("matvec", lambda x: snp.matvec(x[0], x[0]), ValueError),
    ("vecmat", lambda x: snp.vecmat(x[0], x[0]), ValueError),
    ("sum", lambda x: x.sum(0, wrong=1), TypeError),
]


@pytest.mark.parametrize(("name", "function", "kind"), WRONG)
def test_wrong_arguments_are_refused_with_the_name_at_the_users_line(name, function, kind):
    with pytest.raises(kind) as caught:
        sf.trace(function, X)
    assert isinstance(caught.value, sf.SymfuseError)
    assert caught.value.user_frame == (__file__, function.__code__.co_firstlineno)
    assert caught.value.what.startswith(f"{name}: ")
    assert caught.value.fix


def test_what_nothing_else_explains_shows_the_call_and_what_the_function_takes():
    with pytest.raises(sf.ArgumentError) as caught:
        sf.trace(lambda x: np.transpose(x, 1.5), X)
    assert caught.value.what.endswith("in transpose(f64[3,4], 1.5)")
    assert caught.value.fix == "it takes (a, axes=None)"
    assert isinstance(caught.value.__cause__, TypeError)


def test_an_index_error_stays_one():
    with pytest.raises(IndexError) as caught:
        sf.trace(lambda x: np.delete(x, (0, 5), axis=0), X)
    assert isinstance(caught.value, sf.ShapeError)


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError])
def test_errors_of_the_users_own_functions_are_left_as_they_are(error):
    def fails(_):
        raise error("mine")

    with pytest.raises(error, match="mine") as caught:
        sf.trace(lambda x: np.apply_over_axes(lambda v, _: fails(v), x, 0), X)
    assert type(caught.value) is error


@pytest.mark.parametrize("value", [np, np.ndarray, np.float32, pytest, len, type, X.dtype])
@pytest.mark.parametrize("start", [sf.trace, lambda f, x: sf.jit(f)(x), lambda f, x: sf.vmap(f)(x)])
def test_what_is_no_array_is_refused_as_a_result_and_as_an_argument(value, start):
    for call in (lambda: start(lambda x: (x, value), X), lambda: start(lambda x: X, value)):
        with pytest.raises(sf.SymfuseError) as caught:
            call()
        assert caught.value.user_frame[0] == __file__
        assert caught.value.fix


NUMBER = np.array(2.5)
OF_A_NUMBER = {
    "sum": lambda x, axis: np.sum(x, axis=axis),
    "max": lambda x, axis: np.max(x, axis=axis),
    "any": lambda x, axis: np.any(x, axis=axis),
    "argmax": lambda x, axis: np.argmax(x, axis=axis),
    "argmin": lambda x, axis: np.argmin(x, axis=axis),
    "cumsum": lambda x, axis: np.cumsum(x, axis=axis),
    "cumprod": lambda x, axis: np.cumprod(x, axis=axis),
    "nancumsum": lambda x, axis: np.nancumsum(x, axis=axis),
    "squeeze": lambda x, axis: np.squeeze(x, axis=axis),
    "take": lambda x, axis: np.take(x, [0, 0], axis=axis),
    "repeat": lambda x, axis: np.repeat(x, 2, axis=axis),
}


@pytest.mark.parametrize("name", OF_A_NUMBER)
@pytest.mark.parametrize("axis", [0, -1])
def test_a_number_has_the_axis_that_numpy_gives_it(name, axis):
    function = OF_A_NUMBER[name]
    found = np.asarray(sf.trace(lambda x: function(x, axis), NUMBER)(NUMBER))
    wanted = np.asarray(function(NUMBER, axis))
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_array_equal(found, wanted)
    with pytest.raises(sf.ShapeError, match=f"{name}: axis 1 is out of range"):
        sf.trace(lambda x: function(x, 1), NUMBER)


@pytest.mark.parametrize("name", ["swapaxes", "moveaxis"])
def test_a_number_has_no_axis_to_move(name):
    with pytest.raises(sf.ShapeError, match="axis 0 is out of range for an array of rank 0"):
        sf.trace(lambda x: getattr(np, name)(x, 0, 0), NUMBER)


@pytest.mark.parametrize(
    "make",
    [
        lambda: snp.zeros(2.5),
        lambda: snp.ones((2, 1.5)),
        lambda: snp.full(None, 1.0),
        lambda: snp.zeros(-1),
        lambda: snp.eye(2.5),
        lambda: snp.eye((2, 3)),
        lambda: snp.identity(-1),
    ],
)
def test_what_is_no_size_is_refused_where_an_array_is_made(make):
    with pytest.raises((TypeError, ValueError)):
        make()
    with pytest.raises(sf.SymfuseError, match=r"whole number|a size is -1") as caught:
        sf.trace(lambda x: x + make(), NUMBER)
    assert caught.value.user_frame[0] == __file__
    assert caught.value.fix


def test_a_traced_mask_is_no_row_of_indices():
    with pytest.raises(sf.ArgumentError, match="argument 0 is a traced mask") as caught:
        sf.trace(lambda x: np.ix_(x > 1, [0]), X[0])
    assert "nonzero" in caught.value.fix
