"""Linear algebra, traced and compiled: NumPy's results, derivatives, batches, sizes, failures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import symfuse as sf
from symfuse import linalg
from symfuse import numpy as snp
from symfuse.linalg import cho_solve, lu, solve_triangular

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(3)
SQUARE = RNG.normal(size=(2, 4, 4)) + 3 * np.diag([1.0, -2.0, 3.0, 4.0])
POSITIVE = SQUARE @ np.swapaxes(SQUARE, -1, -2) + np.eye(4)
SYMMETRIC = SQUARE + np.swapaxes(SQUARE, -1, -2)
TALL = RNG.normal(size=(2, 5, 3))
WIDE = np.swapaxes(TALL, -1, -2).copy()
SIDES = RNG.normal(size=(2, 4, 3))

VALUES: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "cholesky": (np.linalg.cholesky, (POSITIVE,)),
    "cholesky, upper": (lambda x: np.linalg.cholesky(x, upper=True), (POSITIVE,)),
    "det": (np.linalg.det, (SQUARE,)),
    "slogdet": (np.linalg.slogdet, (SQUARE,)),
    "inv": (np.linalg.inv, (SQUARE,)),
    "solve": (np.linalg.solve, (SQUARE, SIDES)),
    "solve one matrix": (np.linalg.solve, (SQUARE[0], SIDES)),
    "solve a vector": (np.linalg.solve, (SQUARE[0], SIDES[0, :, 0])),
    "qr": (np.linalg.qr, (TALL,)),
    "qr, wide": (np.linalg.qr, (WIDE,)),
    "qr, complete": (lambda x: np.linalg.qr(x, mode="complete"), (TALL,)),
    "qr, r": (lambda x: np.linalg.qr(x, mode="r"), (TALL,)),
    "eigh": (np.linalg.eigh, (SYMMETRIC,)),
    "eigvalsh, U": (lambda x: np.linalg.eigvalsh(x, UPLO="U"), (SYMMETRIC,)),
    "svd": (np.linalg.svd, (SQUARE,)),
    "svd, tall": (lambda x: np.linalg.svd(x, full_matrices=False), (TALL,)),
    "svd, wide": (lambda x: np.linalg.svd(x, full_matrices=False), (WIDE,)),
    "svdvals": (np.linalg.svdvals, (TALL,)),
    "pinv": (np.linalg.pinv, (TALL,)),
    "pinv, rtol": (lambda x: np.linalg.pinv(x, rtol=0.5), (WIDE,)),
    "matrix_rank": (np.linalg.matrix_rank, (TALL[:, :, [0, 1, 0]],)),
    "matrix_power": (lambda x: np.linalg.matrix_power(x, -3), (SQUARE,)),
    "norm 2": (lambda x: np.linalg.norm(x, 2, axis=(0, 2), keepdims=True), (TALL,)),
    "norm nuc": (lambda x: np.linalg.matrix_norm(x, ord="nuc"), (TALL,)),
    "norm -2": (lambda x: np.linalg.matrix_norm(x, ord=-2, keepdims=True), (TALL,)),
    "cond": (np.linalg.cond, (TALL,)),
    "cond -2": (lambda x: np.linalg.cond(x, -2), (TALL,)),
    "cond 1": (lambda x: np.linalg.cond(x, 1), (SQUARE,)),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b), (TALL[0], RNG.normal(size=(5, 2)))),
    "lstsq, vector": (lambda a, b: np.linalg.lstsq(a, b)[0], (WIDE[0], RNG.normal(size=3))),
}
EMPTY = {
    "cholesky": np.linalg.cholesky,
    "det": np.linalg.det,
    "inv": np.linalg.inv,
    "qr": np.linalg.qr,
    "eigh": np.linalg.eigh,
    "svd": np.linalg.svd,
}


def _equal(found: Any, wanted: Any, rtol: float) -> None:
    if isinstance(wanted, tuple):
        for one, other in zip(found, wanted, strict=True):
            _equal(one, other, rtol)
        return
    assert np.shape(found) == np.shape(wanted)
    assert np.asarray(found).dtype == np.asarray(wanted).dtype
    scale = float(np.max(np.abs(wanted), initial=0))
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("name", VALUES)
def test_compiled_results_are_numpys(name: str) -> None:
    function, arrays = VALUES[name]
    _equal(sf.jit(function)(*arrays), function(*arrays), 1e-11)


@pytest.mark.parametrize("name", ["solve", "svdvals", "eigvalsh, U", "qr", "cholesky"])
def test_f32_stays_f32(name: str) -> None:
    function, arrays = VALUES[name]
    narrow = [x.astype(np.float32) for x in arrays]
    _equal(sf.jit(function)(*narrow), function(*narrow), 2e-5)


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3)])
def test_matrices_without_elements_are_numpys(name: str, shape: tuple[int, ...]) -> None:
    x = np.zeros(shape)
    _equal(sf.jit(EMPTY[name])(x), EMPTY[name](x), 0)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_a_full_svd_is_orthogonal_and_gives_the_matrix_back(shape: tuple[int, int]) -> None:
    x = RNG.normal(size=shape)
    u, s, vh = sf.jit(lambda x: np.linalg.svd(x))(x)
    assert u.shape == (shape[0],) * 2 and vh.shape == (shape[1],) * 2
    np.testing.assert_allclose(u @ u.T, np.eye(shape[0]), atol=1e-14)
    np.testing.assert_allclose(vh @ vh.T, np.eye(shape[1]), atol=1e-14)
    np.testing.assert_allclose(u[:, :3] * s @ vh[:3], x, atol=1e-14)


def test_triangles_are_solved_and_lu_gives_the_matrix_back() -> None:
    a, b = SQUARE, SIDES
    for lower in (False, True):
        part = np.tril(a) if lower else np.triu(a)
        found = sf.jit(lambda a, b, lower=lower: solve_triangular(a, b, lower=lower))(a, b)
        np.testing.assert_allclose(part @ found, b, rtol=1e-10, atol=1e-12)
        found = solve_triangular(a, b, trans="T", lower=lower)
        np.testing.assert_allclose(np.swapaxes(part, 1, 2) @ found, b, rtol=1e-10, atol=1e-12)
    p, low, up = sf.jit(lu)(a)
    np.testing.assert_allclose(p @ low @ up, a, atol=1e-14)
    assert np.abs(low).max() == 1


DERIVATIVES: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "cholesky": (lambda x: np.linalg.cholesky(x), (POSITIVE[0],)),
    "solve": (lambda a, b: np.linalg.solve(a, b), (SQUARE[0], SIDES[0])),
    "inv": (lambda x: np.linalg.inv(x), (SQUARE[0],)),
    "slogdet": (lambda x: np.linalg.slogdet(x)[1], (SQUARE[0],)),
    "det": (lambda x: np.linalg.det(x), (SQUARE[0] / 3,)),
    "eigh": (lambda x: np.linalg.eigh(x).eigenvalues, (SYMMETRIC[0],)),
    "eigenvectors": (lambda x: np.linalg.eigh(x)[1] ** 2, (SYMMETRIC[0],)),
    "svdvals": (lambda x: np.linalg.svd(x, compute_uv=False), (TALL[0],)),
    "svd": (lambda x: np.linalg.svd(x, full_matrices=False)[2] ** 2, (WIDE[0],)),
    "qr": (lambda x: np.linalg.qr(x).Q, (TALL[0],)),
    "pinv": (lambda x: np.linalg.pinv(x), (TALL[0],)),
    "nuclear norm": (lambda x: np.linalg.norm(x, "nuc"), (TALL[0],)),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_of_both_orders_and_modes_equal_differences(name: str) -> None:
    function, arrays = DERIVATIVES[name]
    sf.check_grads(function, arrays, order=2, modes=("fwd", "rev"))


def test_vmap_is_the_batch() -> None:
    _equal(sf.jit(sf.vmap(np.linalg.inv))(SQUARE), np.linalg.inv(SQUARE), 1e-12)
    found = sf.jit(sf.vmap(np.linalg.solve, in_axes=(None, 0)))(SQUARE[0], SIDES)
    _equal(found, np.linalg.solve(SQUARE[0], SIDES), 1e-12)


def test_one_program_solves_systems_of_a_thousand_sizes() -> None:
    rng = np.random.default_rng(0)

    def solve(a: Any, b: Any) -> Any:
        return cho_solve((np.linalg.cholesky(a), True), b)

    program = sf.compile(solve, "f64[N,N]", "f64[N]")
    for n in (0, 1, *rng.integers(0, 40, 998)):
        x, b = rng.normal(size=(n, n)), rng.normal(size=n)
        a = x @ x.T + np.eye(n)
        np.testing.assert_allclose(a @ program(a, b), b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["svd, tall", "qr", "lstsq"])
def test_oblong_matrices_of_symbolic_sizes_are_numpys(name: str) -> None:
    function = VALUES[name][0]
    specs = ["f64[M,N]", "f64[M,2]"][: len(VALUES[name][1])]
    program = sf.compile(lambda *xs: function(*xs)[0], *specs)
    for shape in ((4, 2), (2, 4), (3, 3), (1, 1)):
        arrays = (RNG.normal(size=shape), RNG.normal(size=(shape[0], 2)))[: len(specs)]
        _equal(program(*arrays), function(*arrays)[0], 1e-11)


def test_the_jit_compiles_once_more_for_all_other_sizes() -> None:
    solve = sf.jit(lambda a, b: np.linalg.solve(a, b))
    for n in (3, 4, 5, 1, 0):
        a, b = RNG.normal(size=(n, n)) + 4 * np.eye(n), RNG.normal(size=(n, 2))
        np.testing.assert_allclose(a @ solve(a, b), b, atol=1e-10)
    assert solve.cache_info().compiles == 2


def test_what_does_not_exist_is_an_error_of_numpy_and_nan_compiled() -> None:
    batch = np.stack([np.eye(3), -np.eye(3)])
    with pytest.raises(np.linalg.LinAlgError):
        linalg.cholesky(batch)
    found = sf.jit(lambda x: np.linalg.cholesky(x))(batch)
    assert np.array_equal(found[0], np.eye(3)) and np.isnan(found[1]).all()
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert sf.jit(lambda x: np.linalg.det(x))(singular) == 0
    assert not np.isfinite(sf.jit(lambda x: np.linalg.inv(x))(singular)).any()


def test_arguments_keep_their_values_and_may_be_donated() -> None:
    x = POSITIVE.copy()
    sf.jit(lambda x: np.linalg.cholesky(x) + 1)(x)
    assert np.array_equal(x, POSITIVE)
    found = sf.jit(lambda x: np.linalg.cholesky(x), donate_argnums=0)(x)
    np.testing.assert_allclose(found, np.linalg.cholesky(POSITIVE), rtol=1e-12)


def test_loops_and_branches_call_the_library_too() -> None:
    def newton(x: Any) -> Any:
        return sf.fori_loop(0, 3, lambda i, y: np.linalg.solve(x, y), x[:, :1])

    x = SQUARE[0]
    wanted = x[:, :1]
    for _ in range(3):
        wanted = np.linalg.solve(x, wanted)
    np.testing.assert_allclose(sf.jit(newton)(x), wanted, rtol=1e-10, atol=1e-14)


def test_a_saved_program_finds_the_library_again(tmp_path: Path) -> None:
    sf.export(lambda x: np.linalg.inv(x), "f64[N,N]", path=tmp_path / "inverse.sfz")
    found = sf.load(tmp_path / "inverse.sfz")(SQUARE[0])
    np.testing.assert_allclose(found, np.linalg.inv(SQUARE[0]), rtol=1e-11)


def test_halves_and_oblong_matrices_are_refused() -> None:
    with pytest.raises(sf.DTypeError, match="f16"):
        sf.trace(lambda x: np.linalg.inv(x), "f16[3,3]")
    with pytest.raises(sf.ShapeError, match="square"):
        sf.trace(lambda x: np.linalg.inv(x), "f64[3,4]")
    with pytest.raises(sf.UnsupportedError, match="complete Q"):
        sf.jit(sf.grad(lambda x: np.linalg.svd(x)[0].sum()))(TALL[0])


def test_a_device_is_refused_with_the_line() -> None:
    def factor(x: Any) -> Any:
        return np.linalg.cholesky(x)  # here

    with pytest.raises(sf.UnsupportedError, match="LAPACK") as raised:
        sf.compile(factor, "f64[3,3]", target="cuda")
    assert "# here" in str(raised.value)


def test_explanations_name_the_library_kernel() -> None:
    program = sf.compile(lambda x: np.linalg.cholesky(x * 2) + 1, "f64[N,N]")
    kinds = [kernel.kind for kernel in program.kernels]
    assert "library" in kinds
    assert program.as_text("kernels") and program.explain() and program.memory.table()
    assert program.cost_analysis() and "symfuse_lapack_dpotrf" in program.as_text("llvm")


EXPONENTS = {
    "one": SQUARE[0],
    "a batch of great and small": SQUARE * np.array([0.01, 9.0])[:, None, None],
    "complex": SQUARE[0] * 1j,
    "f32": SQUARE.astype(np.float32),
    "empty": np.zeros((2, 0, 0)),
}


@pytest.mark.parametrize("name", EXPONENTS)
def test_exponentials_of_matrices_are_those_of_scipy(name: str) -> None:
    x = EXPONENTS[name]
    wanted = scipy.linalg.expm(x) if x.size else x
    tolerance = 2e-5 if x.dtype == np.float32 else 1e-11
    _equal(sf.jit(linalg.expm)(x), wanted, tolerance)
    _equal(linalg.expm(x), wanted, tolerance)


def test_exponentials_of_matrices_have_derivatives_and_sizes() -> None:
    sf.check_grads(linalg.expm, (SQUARE[0],), order=2)
    program = sf.compile(linalg.expm, "f64[N,N]")
    for n in (0, 1, 3):
        _equal(program(SQUARE[0, :n, :n].copy()), scipy.linalg.expm(SQUARE[0, :n, :n]), 1e-12)
    assert np.isnan(linalg.expm(1e16 * np.eye(2))).all()


def test_blocks_and_diagonals_are_those_of_scipy() -> None:
    a, b, c = RNG.normal(size=(2, 3)), RNG.normal(size=4), RNG.normal(size=(1, 1))
    wanted = scipy.linalg.block_diag(a, b, c)
    _equal(sf.jit(linalg.block_diag)(a, b, c), wanted, 0)
    _equal(sf.compile(linalg.block_diag, "f64[M,N]", "f64[K]", "f64[1,1]")(a, b, c), wanted, 0)
    for arrays in ((b,), (b, a[0]), (b + 2j,)):
        _equal(sf.jit(linalg.toeplitz)(*arrays), scipy.linalg.toeplitz(*arrays), 0)
        _equal(linalg.toeplitz(*arrays), scipy.linalg.toeplitz(*arrays), 0)
    with pytest.raises(sf.ShapeError, match="block_diag"):
        linalg.block_diag(np.zeros((2, 2, 2)))


def test_zeros_of_polynomials_follow_from_a_companion_matrix() -> None:
    p = np.array([2.0, -3.0, 5.0, 1.0])
    program = sf.compile(lambda p: snp.roots(p), "f64[N]")
    for size in (1, 2, 4):
        wanted = np.sort_complex(np.roots(p[:size]))
        _equal(np.sort_complex(program(p[:size].copy())), wanted, 1e-12)
    sf.check_grads(lambda p: snp.sum(snp.abs(snp.roots(p)) ** 2), (p,), order=2)
    assert np.isnan(sf.jit(snp.roots)(np.array([0.0, 1.0, 2.0]))).all()
    assert snp.roots(np.array([1.0, 0.0, -1.0])).dtype == np.complex128
    with pytest.raises(sf.ShapeError, match="rank 2"):
        sf.trace(lambda p: snp.roots(p), "f64[2,2]")


@pytest.mark.parametrize(("size", "rank"), [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)])
def test_small_determinants_have_derivatives_where_they_are_zero(size: int, rank: int) -> None:
    x = RNG.normal(size=(size, rank)) @ RNG.normal(size=(rank, size))
    step, units = 1e-4, np.eye(size * size).reshape(-1, size, size)
    slopes = [np.linalg.det(x + step * e) - np.linalg.det(x - step * e) for e in units]
    found = sf.jit(sf.grad(np.linalg.det))(x)
    np.testing.assert_allclose(found.ravel(), np.array(slopes) / (2 * step), atol=1e-7)
    curve = sf.hessian(np.linalg.det)(x)
    np.testing.assert_allclose(curve, np.transpose(curve, (2, 3, 0, 1)), atol=1e-12)
