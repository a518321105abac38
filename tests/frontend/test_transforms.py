"""Transformations agree with differences and with loops, and compose in any order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp

rng = np.random.default_rng(3)
X = rng.normal(size=(3, 4))
W = rng.normal(size=(4, 2))


@dataclasses.dataclass
class Layer:
    w: np.ndarray
    b: np.ndarray


def network(params, x):
    h = np.tanh(x @ params["first"].w + params["first"].b)
    return sf.special.log_softmax(h, axis=-1).sum(axis=0).max() + (params["scale"] * h).mean()


PARAMS = {"first": Layer(W, np.zeros(2)), "scale": 0.5}

SMOOTH = [
    lambda x: np.sum(np.sin(x) * x),
    lambda x: x @ W,
    lambda x: np.tanh(x).mean(0),
    lambda x: np.exp(-(x**2)).sum(1),
    lambda x: np.linalg.norm(x, axis=1),
    lambda x: sf.special.logsumexp(x, axis=1),
    lambda x: sf.special.softmax(x, axis=0),
    lambda x: np.cumsum(x, 1) ** 2,
    lambda x: np.prod(x, 0),
    lambda x: np.var(x),
    lambda x: x[1:, ::2] * x[:-1, 1::2],
    lambda x: np.concatenate([x, x**2]).std(0),
    lambda x: x[[0, 0, 2]] ** 2,
    lambda x: np.einsum("ij,kj->ik", x, x),
    lambda x: np.roll(x, 1) * x,
    lambda x: sf.nn.functional.gelu(x),
    lambda x: sf.nn.functional.silu(x).max(1),
    lambda x: np.take_along_axis(x, np.argsort(X, 1), 1) ** 3,
    lambda x: np.arctan2(x, 2.0),
    lambda x: x.at[1].set(x[0] * 2).at[:, 0].add(1.0) ** 2,
    lambda x: np.where(x > 0, x**2, -x),
    lambda x: snp.zeros((5, 4)).at[snp.asarray([0, 4, 0])].add(x) ** 2,
]


@pytest.mark.parametrize("function", SMOOTH)
def test_derivatives_agree_with_differences(function):
    sf.check_grads(sf.jit(function, target="interpret"), (X,), order=2)


def test_grad_takes_trees_and_argnums():
    value, (params, x) = sf.value_and_grad(network, argnums=(0, 1))(PARAMS, X)
    np.testing.assert_allclose(value, network(PARAMS, X))
    assert isinstance(params["first"], Layer)
    assert params["first"].w.shape == (4, 2)
    assert x.shape == X.shape
    moved = {**PARAMS, "scale": 0.5 + 1e-6}
    slope = (network(moved, X) - network(PARAMS, X)) / 1e-6
    np.testing.assert_allclose(params["scale"], slope, rtol=1e-5)


def test_auxiliary_data_passes_through():
    gradient, aux = sf.grad(lambda x: (x**2, {"double": x * 2}), has_aux=True)(3.0)
    assert (gradient, aux) == (6.0, {"double": 6.0})


def test_gradients_keep_the_element_type():
    gradient = sf.grad(lambda x, rate: (rate * x**2).sum())(X.astype("float32"), 0.1)
    assert gradient.dtype == np.float32


def test_jacobians_are_matrices_of_derivatives():
    function = lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) @ np.sin(x)  # noqa: E731
    x = np.array([0.3, 0.7])
    expected = np.array([[1.0, 2.0], [3.0, 4.0]]) * np.cos(x)
    np.testing.assert_allclose(sf.jacrev(function)(x), expected)
    np.testing.assert_allclose(sf.jacfwd(function)(x), expected)


def test_jacobians_have_the_trees_of_outputs_and_inputs():
    found = sf.jacfwd(lambda p: {"y": p["a"] * p["b"]})({"a": X[0], "b": X[1]})
    np.testing.assert_allclose(found["y"]["a"], np.diag(X[1]))


def test_hessian_is_the_second_derivative():
    x = np.array([1.0, 2.0])
    found = sf.hessian(lambda x: x[0] ** 2 * x[1])(x)
    np.testing.assert_allclose(found, [[4.0, 2.0], [2.0, 0.0]])


def test_gradients_nest():
    third = sf.grad(sf.grad(sf.grad(lambda x: x**4)))
    assert third(2.0) == pytest.approx(48.0)


def test_jvp_and_vjp_and_linearize_agree():
    f = lambda x, y: (x * y, np.sin(x))  # noqa: E731
    out, changes = sf.jvp(f, (2.0, 3.0), (1.0, 0.5))
    assert out[0] == 6.0
    np.testing.assert_allclose(changes, (3.0 + 1.0, np.cos(2.0)))
    _, linear = sf.linearize(f, 2.0, 3.0)
    np.testing.assert_allclose(linear(1.0, 0.5), changes)
    _, pull = sf.vjp(f, 2.0, 3.0)
    np.testing.assert_allclose(pull((1.0, 0.0)), (3.0, 2.0))


def test_integer_arguments_have_no_derivative():
    out, pull = sf.vjp(lambda x, i: x[i], X, 1)
    x, i = pull(np.ones(4))
    assert x.sum() == 4
    assert i == 0
    assert out.shape == (4,)


def test_stop_gradient_is_constant():
    assert sf.grad(lambda x: x * sf.stop_gradient(x))(3.0) == 3.0


VMAPPED = [
    (lambda x: np.tanh(x).sum(), (0,), (X,)),
    (lambda x: x @ W, (0,), (X,)),
    (lambda x, y: x * y, (0, None), (X, X[0])),
    (lambda x, y: np.dot(x, y), (1, 0), (X, X.T)),
    (lambda x: np.cumsum(x)[::-1], (0,), (X,)),
    (lambda x: x[[0, 2]], (0,), (X,)),
    (lambda x, i: x[i], (0, 0), (X, np.array([1, 0, 3]))),
    (lambda x: np.argmax(x), (0,), (X,)),
    (lambda x: np.where(x > 0, x, 0), (0,), (X,)),
    (lambda x: sf.special.softmax(x), (0,), (X,)),
    (lambda x: x.at[0].set(7.0), (0,), (X,)),
    (lambda x: np.concatenate([x, x]), (0,), (X,)),
    (lambda x: x.reshape(2, 2).T, (0,), (X,)),
    (lambda x: sf.grad(lambda z: (z**3).sum())(x), (0,), (X,)),
    (lambda x: np.outer(x, x), (0,), (X,)),
    (lambda x: np.pad(x, 1), (0,), (X,)),
]


@pytest.mark.parametrize(("function", "axes", "arrays"), VMAPPED)
def test_a_batch_is_a_loop(function, axes, arrays):
    count = next(a.shape[axis] for a, axis in zip(arrays, axes, strict=True) if axis is not None)
    members = [
        [a if axis is None else np.take(a, i, axis) for a, axis in zip(arrays, axes, strict=True)]
        for i in range(count)
    ]
    expected = np.stack([sf.trace(function, *m)(*m) for m in members])
    found = sf.vmap(function, in_axes=axes)(*arrays)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_vmap_takes_trees_and_places_outputs():
    data = {"a": X, "b": X.T}
    found = sf.vmap(lambda d: (d["a"], d["b"]), in_axes=({"a": 0, "b": 1},), out_axes=(1, 0))(data)
    np.testing.assert_allclose(found[0], X.T)
    np.testing.assert_allclose(found[1], X)


def test_vmap_nests_and_closes_over_traced_values():
    found = sf.vmap(lambda x: sf.vmap(lambda y: x * y)(X[0]))(X[1])
    np.testing.assert_allclose(found, np.outer(X[1], X[0]))


def test_transformations_compose_inside_a_trace():
    per_example = sf.vmap(sf.grad(lambda x, w: (x @ w).sum()), in_axes=(0, None))
    graph = sf.trace(per_example, "f64[N,4]", "f64[4,2]")
    np.testing.assert_allclose(graph(X, W), np.tile(W.sum(1), (3, 1)))


def test_gradient_of_a_function_that_differentiates_inside():
    inner = lambda x: sf.grad(lambda y: x * y**2)(x)  # noqa: E731  2x² with x fixed
    assert sf.grad(inner)(3.0) == pytest.approx(12.0)


def test_transforms_work_on_graphs():
    x = sf.placeholder("x", "f64[]")
    graph = sf.Graph(inputs=[x], outputs=[x**3])
    assert sf.grad(graph)(2.0) == 12.0


def test_eval_shape_computes_nothing():
    found = sf.eval_shape(lambda p, x: {"y": x @ p}, "f32[4,2]", "f32[N,4]")
    assert str(found["y"]) == "spec(f32[N,2])"


@pytest.mark.parametrize(
    "call",
    [
        lambda: sf.jvp(3, (1.0,), (1.0,)),
        lambda: sf.vjp(3, 1.0),
        lambda: sf.linearize(3, 1.0),
        lambda: sf.jacfwd(3)(1.0),
        lambda: sf.trace(3, 1.0),
        lambda: sf.sparse.jacobian(3),
    ],
)
def test_what_is_no_function_is_refused(call):
    with pytest.raises(sf.TraceError, match="of type int, which is no function") as caught:
        call()
    assert caught.value.user_frame[0] == __file__


@pytest.mark.parametrize("argnums", ["a", None, 1.5, (0, "x"), 2])
def test_argnums_are_numbers_of_arguments(argnums):
    for derivative in (sf.grad, sf.jacfwd, sf.hessian, sf.sparse.hessian):
        with pytest.raises(sf.TraceError, match="argnums is"):
            derivative(lambda x: x * x, argnums)(1.0)
