"""Derivatives through vectors that are determined but for phases: those of what does not depend on
them, against differences and JAX, of all orders, in batches, and where values are equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(11)


def _drawn(*shape: int) -> Array:
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


SQUARE = _drawn(3, 3) + 3 * np.diag([1, 1j, -1])
TALL, WIDE = _drawn(4, 2), _drawn(2, 4)
ROTATION = np.array([[1.0, -2.0, 0.3], [2.0, 1.5, 0.1], [0.2, -0.4, 4.0]])  # one pair, one real
WEIGHTS = _drawn(4, 4)


def _adjoint(x: Any) -> Any:
    return snp.conj(snp.matrix_transpose(x))


def _weighed(x: Any) -> Any:
    """A real number that depends on all elements."""
    return snp.real(snp.sum(x * WEIGHTS[: x.shape[-2], : x.shape[-1]]))


def _projectors(vectors: Any, values: Any) -> Any:
    """A function of the projectors on single vectors, each weighed by its value."""
    return _weighed((vectors * (values + values**2)) @ _adjoint(vectors))


def eigh(x: Any) -> Any:
    values, vectors = snp.linalg.eigh(x + _adjoint(x))
    return _projectors(vectors, values)


def eig(x: Any) -> Any:
    values, vectors = snp.linalg.eig(x)
    return _projectors(vectors, values)


def svd(x: Any) -> Any:
    u, s, vh = snp.linalg.svd(x, full_matrices=False)
    return _weighed((u * s**2) @ vh) + _projectors(u, s) + _projectors(_adjoint(vh), s)


def qr(x: Any) -> Any:
    q, r = snp.linalg.qr(x)
    return _weighed(q**2) + _weighed(r**2)


def eigvals(x: Any) -> Any:
    values = snp.linalg.eigvals(x)
    return snp.sum(snp.abs(values)) + snp.imag(snp.sum(values**3))


CASES: dict[str, tuple[Callable[..., Any], Array]] = {
    "eigh": (eigh, SQUARE),
    "eig": (eig, SQUARE),
    "eig of a real matrix": (eig, ROTATION),
    "eigvals": (eigvals, SQUARE),
    "eigvals of a real matrix": (eigvals, ROTATION),
    "svd": (svd, SQUARE),
    "svd, tall": (svd, TALL),
    "svd, wide": (svd, WIDE),
    "qr": (qr, SQUARE),
    "qr, tall": (qr, TALL),
    "qr, wide": (qr, WIDE),
}


def _of_parts(function: Callable[..., Any], x: Array) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function of real and imaginary parts, which differences are taken of."""
    if not np.iscomplexobj(x):
        return function, (x,)
    return lambda re, im: function(re + 1j * im), (x.real.copy(), x.imag.copy())


@pytest.mark.parametrize("name", CASES)
def test_both_modes_equal_differences_to_the_second_order(name: str) -> None:
    function, arguments = _of_parts(*CASES[name])
    sf.check_grads(function, arguments, order=2, modes=("fwd", "rev"))


@pytest.mark.parametrize("name", ["eigh", "eig of a real matrix", "svd", "svd, tall", "qr, wide"])
def test_a_third_derivative_equals_differences_of_the_second(name: str) -> None:
    function, x = CASES[name]
    direction = np.asarray(RNG.normal(size=x.shape))

    def second(at: Any) -> Any:
        def line(t: Any) -> Any:
            return function(at + t * direction)

        return sf.grad(sf.grad(line))(0.0)

    third = sf.grad(lambda t: second(x + t * direction))(0.0)
    step = 1e-4
    ends = (second(x + step * direction), second(x - step * direction))
    np.testing.assert_allclose(third, (ends[0] - ends[1]) / (2 * step), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_compiled_batches_are_a_loop_over_matrices(name: str) -> None:
    function, x = CASES[name]
    batch = np.stack([x, x + 0.1 * RNG.normal(size=x.shape)])
    slopes = sf.jit(sf.vmap(sf.grad(function)))(batch)
    for slope, matrix in zip(slopes, batch, strict=True):
        np.testing.assert_allclose(slope, sf.grad(function)(matrix), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["eigh", "eig", "svd", "qr"])
def test_single_precision_is_near_double(name: str) -> None:
    function, x = CASES[name]
    found = sf.jit(sf.grad(function))(x.astype(np.complex64))
    assert found.dtype == np.complex64
    wanted = sf.grad(function)(x)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("shape", [(2, 3), (3, 3)])
def test_symbolic_sizes_give_the_same(shape: tuple[int, int]) -> None:
    def total(x: Any) -> Any:
        u, s, vh = snp.linalg.svd(x, full_matrices=False)
        return snp.sum(snp.real((u * s**3) @ vh))

    x = _drawn(*shape)
    program = sf.compile(sf.grad(total), "c128[M,N]")
    np.testing.assert_allclose(program(x), sf.grad(total)(x), rtol=1e-10, atol=1e-10)


def _jax_weighed(jnp: Any, x: Any) -> Any:
    return jnp.real(jnp.sum(x * WEIGHTS[: x.shape[-2], : x.shape[-1]]))


def _jax_projectors(jnp: Any, vectors: Any, values: Any) -> Any:
    return _jax_weighed(jnp, (vectors * (values + values**2)) @ vectors.conj().T)


def _jax_eigh(jnp: Any, x: Any) -> Any:
    values, vectors = jnp.linalg.eigh(x + x.conj().T)
    return _jax_projectors(jnp, vectors, values)


def _jax_svd(jnp: Any, x: Any) -> Any:
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    both = _jax_projectors(jnp, u, s) + _jax_projectors(jnp, vh.conj().T, s)
    return _jax_weighed(jnp, (u * s**2) @ vh) + both


def _jax_qr(jnp: Any, x: Any) -> Any:
    q, r = jnp.linalg.qr(x)
    return _jax_weighed(jnp, q**2) + _jax_weighed(jnp, r**2)


def _jax_eigvals(jnp: Any, x: Any) -> Any:
    values = jnp.linalg.eigvals(x)
    return jnp.sum(jnp.abs(values)) + jnp.imag(jnp.sum(values**3))


_JAX = {"eigh": _jax_eigh, "svd": _jax_svd, "qr": _jax_qr, "eigvals": _jax_eigvals}


@pytest.mark.peer("jax")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", _JAX)
def test_gradients_are_those_of_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    function, x = CASES[name]
    with jax.enable_x64(True):
        wanted = jax.grad(lambda x: _JAX[name](jax.numpy, x))(x)
    np.testing.assert_allclose(sf.grad(function)(x), wanted, rtol=1e-9, atol=1e-9)


# where values are equal


def test_values_have_derivatives_where_some_are_equal() -> None:
    x = np.diag([2.0, 2.0, 5.0])
    for function in (snp.linalg.eigvalsh, snp.linalg.svdvals):
        slope = sf.jit(sf.grad(lambda x, f=function: snp.sum(f(x) ** 2)))(x)
        np.testing.assert_allclose(slope, 2 * x, atol=1e-12)  # of the trace of x squared
    slope = sf.grad(lambda x: snp.real(snp.sum(snp.linalg.eigvals(x) ** 2)))(x)
    np.testing.assert_allclose(slope, 2 * x, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 2), (4, 2), (2, 4)])
def test_pseudo_inverses_have_derivatives_where_values_are_equal(shape: tuple[int, int]) -> None:
    sf.check_grads(lambda x: snp.linalg.pinv(x), (np.eye(*shape),), order=2)
    parts = _drawn(*shape)
    sf.check_grads(
        lambda re, im: snp.real(_weighed(snp.linalg.pinv(re + 1j * im))),
        (parts.real.copy(), parts.imag.copy()),
        order=2,
    )


def test_pseudo_inverses_have_derivatives_where_the_rank_stays_small() -> None:
    column = RNG.normal(size=(4, 1))
    sf.check_grads(lambda row: snp.linalg.pinv(column * row, rtol=1e-8), (RNG.normal(size=3),))


def test_vectors_have_none_where_values_are_equal() -> None:
    x = np.diag([2.0, 2.0, 5.0]).astype(complex)
    for function in (eigh, eig, svd):
        assert not np.isfinite(sf.jit(sf.grad(function))(x)).all()


def test_values_alone_cost_no_vectors() -> None:
    for name, routine in (("eigvalsh", "heevd"), ("svdvals", "gesdd"), ("eigvals", "geev")):
        graph = sf.trace(getattr(snp.linalg, name), "c128[3,3]")
        assert "vectors=False" in str(graph)
        assert f"symfuse_lapack_z{routine}" in sf.compile(
            getattr(snp.linalg, name), "c128[3,3]"
        ).as_text("llvm")


def test_a_full_set_of_vectors_of_an_oblong_matrix_has_no_derivative() -> None:
    with pytest.raises(sf.UnsupportedError, match="complete Q"):
        sf.grad(lambda x: snp.sum(snp.abs(snp.linalg.svd(x)[0])))(TALL)
