"""Medians and quantiles of traced arrays are NumPy's."""

import numpy as np
import pytest

import symfuse as sf

RNG = np.random.default_rng(1)
FUNCTIONS = {
    "median": lambda x, **named: np.median(x, **named),
    "a share": lambda x, **named: np.quantile(x, 0.3, **named),
    "shares": lambda x, **named: np.quantile(x, [0.0, 0.25, 1.0], **named),
    "percents": lambda x, **named: np.percentile(x, [10, 90], **named),
}


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_traced_as_numpy(name, dtype, axis, keepdims):
    x = (RNG.normal(size=(5, 6)) * 10).astype(dtype)
    function = FUNCTIONS[name]
    expected = np.asarray(function(x, axis=axis, keepdims=keepdims))
    found = sf.trace(lambda x: function(x, axis=axis, keepdims=keepdims), x)(x)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=2e-6 if dtype == "float32" else 1e-13)


def test_nan_is_handed_on():
    x = np.array([[1.0, np.nan, 2.0], [3.0, 4.0, 5.0]])
    for name, function in FUNCTIONS.items():
        if name != "shares":
            found = sf.jit(lambda x, f=function: f(x, axis=1))(x)
            np.testing.assert_allclose(found, function(x, axis=1))


def test_of_two_equal_elements_in_the_middle_both_have_a_share_in_the_derivative():
    for function in (np.median, np.nanmedian):
        np.testing.assert_array_equal(sf.grad(function)(np.array([2.0, 2.0])), [0.5, 0.5])
        slopes = sf.grad(function)(np.array([3.0, 1.0, 2.0, 2.0]))
        np.testing.assert_array_equal(slopes, [0.0, 0.0, 0.5, 0.5])
    great = np.array([1.5e308, -1.0, 1.7e308])
    assert sf.jit(np.median)(great) == 1.5e308


def test_symbolic_sizes():
    median = sf.compile(lambda x: np.median(x), "f64[N]")
    for size in (1, 2, 3, 8):
        x = RNG.normal(size=size)
        assert median(x) == np.median(x)


def test_other_methods_are_refused():
    with pytest.raises(sf.UnsupportedError, match="nearest"):
        sf.trace(lambda x: np.quantile(x, 0.5, method="best"), "f32[3]")
