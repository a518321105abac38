"""Complex numbers as users meet them: types, values, derivatives, loops, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symfuse as sf
import symfuse.numpy as snp

Z = np.array([1 + 2j, -0.5 + 0.25j, 3 - 1j, -2 - 2j, 0.1j])
RNG = np.random.default_rng(11)
W = np.array([0.5 - 1j, 2j, -1 + 0j, 1 + 1j, -3 + 0.5j])
NAMES = ("bool", "int8", "int32", "uint16", "int64", "float32", "float64", "complex64")


def agree(f, *arrays, tolerance=1e-13):
    """Compiled, interpreted and computed at once, a function gives the same."""
    wanted = np.asarray(f(*arrays))
    for found in (sf.jit(f)(*arrays), sf.trace(f, *arrays)(*arrays)):
        assert found.dtype == wanted.dtype and found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


# types


@given(st.sampled_from(NAMES), st.sampled_from((*NAMES, "complex128")))
def test_element_types_meet_as_in_numpy(one, other):
    x, y = np.ones(2, one), np.ones(2, other)
    spec = sf.eval_shape(lambda x, y: x + y, x, y)
    assert spec.dtype == (x + y).dtype


@given(st.sampled_from(NAMES), st.sampled_from([1j, 1 - 0.5j, -0.0j, complex("nan+infj")]))
def test_a_python_number_is_weak(name, number):
    x = np.ones(2, name)
    if name == "bool":
        return  # NumPy makes a default complex number of it, as of all of Python's
    found = sf.eval_shape(lambda x: x * number, x).dtype
    assert found == np.result_type(x, number)
    read = sf.Graph.parse(str(sf.trace(lambda x: x * number, x)))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(read(x), x * number)


def test_a_branch_may_turn_a_number_into_a_complex_one():
    f = lambda z: sf.fori_loop(0, 3, lambda i, s: s * 2j, 1.0) * z  # noqa: E731
    agree(f, Z)


def test_parts_and_questions_are_numpys():
    agree(lambda z: z.real * z.imag, Z)
    agree(lambda z: np.angle(z) + np.angle(z, deg=True), Z)
    agree(lambda z: np.sign(z) + np.conj(z) + np.conjugate(z) + z.conj(), Z)
    agree(lambda z: np.where(np.iscomplex(z), np.abs(z), 0) + np.isreal(z), Z)
    agree(lambda x: np.real(x) + np.imag(x) + np.angle(x), np.array([-1.0, 2.0]))
    bad = np.array([1, complex("nan"), complex(1, np.inf), complex(np.inf, np.nan)])
    for question in (np.isnan, np.isinf, np.isfinite):
        np.testing.assert_array_equal(sf.jit(question)(bad), question(bad))


def test_every_zero_has_the_sign_zero():
    zeros = np.array([complex(x, y) for x in (0.0, -0.0) for y in (0.0, -0.0)])
    found = sf.jit(np.sign)(np.append(zeros, complex(-0.0, 2.0)))
    np.testing.assert_array_equal(found, [0, 0, 0, 0, 1j])
    assert not np.signbit(found[:4].view(float)).any()


def test_sums_means_and_products_are_numpys():
    x = np.stack([Z, W])
    for function in (np.sum, np.prod, np.mean, np.std, np.var, np.cumsum, np.cumprod):
        agree(lambda x, function=function: function(x, axis=1), x)
    agree(lambda x: np.linalg.norm(x) + np.linalg.norm(x, axis=0).sum(), x)
    agree(lambda x, y: np.vdot(x, y) + np.vecdot(x, y) + np.inner(x, y) + x @ y, Z, W)
    agree(lambda x, y: np.einsum("i,j->ij", x, y) + np.outer(x, y), Z, W)
    agree(lambda x: np.round(x * 1.25, 1), Z)


def test_a_real_operand_of_a_product_stays_real():
    exe = sf.compile(lambda x, w: x.astype(np.complex64) @ w, "f32[3,4]", "c64[4,2]")
    assert exe.as_text("optimized").count("contract(") == 2


def test_a_map_of_complex_numbers_is_one_kernel():
    exe = sf.compile(lambda z, w: (np.exp(z) * w + 1j) / np.sqrt(w), "c64[N]", "c64[N]")
    assert [kernel.kind for kernel in exe.kernels] == ["map"]


# memory


def test_complex_arguments_and_results_are_not_copied():
    exe = sf.compile(lambda z: z * 2, "c128[5]")
    out = np.empty_like(Z)
    assert exe(Z, out=out) is out
    np.testing.assert_array_equal(out, Z * 2)


def test_a_donated_argument_is_overwritten():
    step = sf.jit(lambda z: z * 1j + 1, donate_argnums=0)
    z = Z.copy()
    address = z.ctypes.data
    found = step(z)
    assert found.ctypes.data == address
    np.testing.assert_allclose(found, Z * 1j + 1)


def test_arguments_repeated_and_captured_arrays_come_back():
    f = sf.jit(lambda z: (z, z, W, z + W, z.real, snp.full((2,), 1j)))
    for found, wanted in zip(f(Z), (Z, Z, W, Z + W, Z.real, np.full(2, 1j)), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_one_program_serves_every_size():
    f = sf.compile(lambda z: (z * z.conj()).sum(1), "c64[N,4]")
    for n in (1, 0, 7, 100):
        z = np.full((n, 4), 1 + 2j, np.complex64)
        np.testing.assert_allclose(f(z), (z * z.conj()).sum(1))


def test_a_saved_program_keeps_its_types(tmp_path):
    path = tmp_path / "square.sfz"
    sf.compile(lambda z: z * z, "c64[5]").save(path)
    loaded = sf.load(path)
    np.testing.assert_allclose(loaded(Z.astype("c8")), (Z * Z).astype("c8"), rtol=1e-6)
    with pytest.raises(sf.DTypeError, match=r"c64\[5\]"):
        loaded(Z.real.copy())


def test_updates_and_indices_work_on_complex_arrays():
    def f(z):
        y = z.copy()
        y[1:3] = 1j
        y[0] += 2
        return y.at[4].add(1 - 1j)[[4, 0, 1]]

    wanted = Z.copy()
    wanted[1:3], wanted[0], wanted[4] = 1j, wanted[0] + 2, wanted[4] + 1 - 1j
    np.testing.assert_allclose(sf.jit(f)(Z), wanted[[4, 0, 1]])


# values


CUTS = [
    complex(x, y)
    for x in (-2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0)
    for y in (-2.0, -0.5, -0.0, 0.0, 0.5, 2.0)
]
FUNCTIONS = """
    sqrt exp log log1p expm1 sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh
    arctanh log2 log10 exp2 square reciprocal
"""


@pytest.mark.parametrize("name", FUNCTIONS.split())
def test_functions_take_numpys_side_of_every_cut(name):
    function, z = getattr(np, name), np.array(CUTS)
    with np.errstate(all="ignore"):
        wanted = function(z)
    found = sf.jit(function)(z)
    regular = np.isfinite(wanted)
    np.testing.assert_allclose(found[regular], wanted[regular], rtol=1e-14, atol=1e-15)
    assert not np.isfinite(found[~regular]).any()


def test_great_and_small_numbers_do_not_overflow_on_the_way():
    z = np.array([3e200 + 4e200j, 3e-200 + 4e-200j, 1e308 + 1e308j, 5e-324j])
    for function in (np.abs, np.sqrt, np.log, lambda z: z / z, lambda z: (1 + 1j) / z * z):
        with np.errstate(all="ignore"):
            wanted = function(z[:3])
        np.testing.assert_allclose(sf.jit(function)(z[:3]), wanted, rtol=1e-14)
    far = np.array([1000j, -2000 + 1j, 709.5 + 1.5j])
    np.testing.assert_allclose(sf.jit(np.exp)(far), np.exp(far), rtol=1e-12)


def test_infinities_have_their_limits():
    inf, nan = np.inf, np.nan
    cases = {
        np.exp: {complex(-inf, inf): 0, complex(-inf, nan): 0, complex(inf, 0): complex(inf, 0)},
        np.sqrt: {complex(-inf, 1): complex(0, inf), complex(nan, inf): complex(inf, inf)},
        np.tanh: {complex(inf, 1): 1, complex(-inf, 2): -1, complex(inf, inf): 1},
        np.arctan: {complex(inf, 1): np.pi / 2, complex(0, inf): np.pi / 2},
        np.sinh: {complex(0, 1): 1j * np.sin(1)},
        np.log: {complex(-inf, 0): complex(inf, np.pi), 0j: complex(-inf, 0)},
    }
    for function, points in cases.items():
        found = sf.jit(function)(np.array(list(points)))
        np.testing.assert_allclose(found, np.array(list(points.values()), complex), rtol=1e-15)


def test_whole_powers_are_multiplied_out():
    agree(lambda z: z**3 + z**-2 + z**0 + z**2 + z**0.5, Z)
    assert sf.jit(lambda z: z**4)(np.array([1j]))[0] == 1
    agree(lambda z, w: z**w, Z, W, tolerance=1e-12)


# derivatives


def gradient(f, z, step=1e-6):
    """∂f/∂x - i·∂f/∂y by central differences, one element after the other."""
    found = np.zeros_like(z)
    for k in range(z.size):
        for unit, factor in ((1, 1), (1j, -1j)):
            ahead, behind = z.copy(), z.copy()
            ahead[k] += step * unit
            behind[k] -= step * unit
            found[k] += factor * (f(ahead) - f(behind)) / (2 * step)
    return found


REAL_FUNCTIONS = (
    lambda z: snp.sum(snp.abs(snp.exp(z) * W) ** 2),
    lambda z: snp.sum(snp.angle(z * W) + snp.real(z / W)),
    lambda z: snp.real(snp.prod(z)) + snp.imag(snp.vdot(z, W)),
    lambda z: snp.sum(snp.real(snp.conj(snp.log(z)) * snp.sqrt(z))),
)


@pytest.mark.parametrize("f", REAL_FUNCTIONS)
def test_the_gradient_of_a_real_function(f):
    wanted = gradient(lambda z: float(f(z)), Z)
    for found in (sf.grad(f)(Z), sf.jit(sf.grad(f))(Z)):
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-7)


def test_holomorphic_derivatives_are_those_of_mathematics():
    assert sf.grad(lambda z: z**3, holomorphic=True)(1 + 1j) == pytest.approx(3 * (1 + 1j) ** 2)
    jacobian = sf.jacfwd(lambda z: z * z.sum(), holomorphic=True)(Z)
    np.testing.assert_allclose(jacobian, np.diag(np.full(5, Z.sum())) + Z[:, None])
    np.testing.assert_allclose(sf.jacrev(lambda z: z * z.sum(), holomorphic=True)(Z), jacobian)
    second = sf.hessian(lambda z: (z**3).sum(), holomorphic=True)(Z)
    np.testing.assert_allclose(second, np.diag(6 * Z), atol=1e-12)


def test_second_derivatives_go_through_complex_numbers():
    f = lambda x: snp.sum(snp.abs(snp.exp(1j * x) * W + x) ** 2)  # noqa: E731
    x = np.linspace(-1, 1, 5)
    first = sf.grad(f)
    wanted = np.stack([(first(x + 1e-6 * e) - first(x - 1e-6 * e)) / 2e-6 for e in np.eye(5)])
    np.testing.assert_allclose(sf.jit(sf.hessian(f))(x), wanted, rtol=1e-6, atol=1e-6)


def test_both_modes_and_batches_agree():
    f = lambda z: snp.sqrt(z) * snp.conj(z)  # noqa: E731
    _, change = sf.jvp(f, (Z,), (W,))
    np.testing.assert_allclose(change, (f(Z + 1e-6 * W) - f(Z - 1e-6 * W)) / 2e-6, rtol=1e-8)
    _, pull = sf.vjp(f, Z)
    np.testing.assert_allclose(np.sum(pull(W)[0] * W).real, np.sum(W * change).real)
    rows = np.stack([Z, W])
    np.testing.assert_allclose(sf.vmap(f)(rows), np.stack([f(row) for row in rows]))


@pytest.mark.parametrize(
    ("derive", "message"),
    [
        (lambda: sf.grad(lambda z: z * z)(1 + 1j), "holomorphic=True"),
        (lambda: sf.grad(lambda x: x * x, holomorphic=True)(1.0), "leave out holomorphic"),
        (lambda: sf.jacfwd(lambda z: snp.abs(z))(Z), "an input is"),
        (lambda: sf.jacrev(lambda z: z * z)(Z), "an output is"),
    ],
)
def test_derivatives_that_mean_nothing_are_refused(derive, message):
    with pytest.raises(sf.DTypeError, match=message):
        derive()


# loops and branches


def test_loops_carry_complex_numbers():
    def orbit(c):
        def turn(i, state):
            z, count = state
            z = z * z + c
            return snp.where(snp.abs(z) > 2, 2 + 0j, z), count + (snp.abs(z) <= 2)

        return sf.fori_loop(0, 20, turn, (c * 0, snp.zeros(c.shape, np.int64)))

    for found, wanted in zip(sf.jit(orbit)(Z), orbit(Z), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_scans_branches_and_searches_are_compiled():
    scan = lambda z: sf.scan(lambda c, x: (c * x, (c + x, c.real)), 1 + 0j, z)[1][0]  # noqa: E731
    agree(scan, Z)
    agree(lambda z: sf.scan(lambda c, x: (c * x, c.real), 1 + 0j, z)[1], Z)
    grow = lambda z: sf.while_loop(lambda s: snp.abs(s) < 50, lambda s: s * (1 + 1j), z)  # noqa: E731
    agree(grow, np.complex128(1 + 1j))
    for k in (1, -1):
        agree(lambda z, k=k: sf.cond(z[0].real > k, lambda z: z * 2j, snp.conj, z), Z)


def test_a_scan_is_differentiated_backwards():
    f = lambda z: snp.real(sf.scan(lambda c, x: (c * x + 1j, None), 1 + 0j, z)[0])  # noqa: E731
    wanted = gradient(lambda z: float(f(z)), Z)
    np.testing.assert_allclose(sf.jit(sf.grad(f))(Z), wanted, rtol=1e-7)


# linear algebra

MATRICES = RNG.normal(size=(2, 4, 3, 3))
SQUARE = MATRICES[0] + 1j * MATRICES[1]
HERMITIAN = SQUARE @ np.swapaxes(SQUARE.conj(), -1, -2) + np.eye(3)
TALL = SQUARE[0][:, :2]


def adjoint(x):
    return snp.conj(snp.matrix_transpose(x))


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_decompositions_are_lapacks(dtype):
    tolerance = 3e-4 if dtype == np.complex64 else 1e-11
    square, hermitian, tall = (x.astype(dtype) for x in (SQUARE, HERMITIAN, TALL))
    for name in ("inv", "det", "eigvalsh", "svdvals", "pinv", "cond", "matrix_rank"):
        agree(getattr(np.linalg, name), hermitian, tolerance=tolerance)
    agree(np.linalg.solve, square, square[:, :, :2], tolerance=tolerance)
    agree(np.linalg.cholesky, hermitian, tolerance=tolerance)
    agree(lambda x: np.linalg.cholesky(x, upper=True), hermitian, tolerance=tolerance)
    agree(lambda x: np.linalg.lstsq(x, x[:, :1], rcond=None)[0], tall, tolerance=tolerance)
    agree(lambda x: np.linalg.slogdet(x)[0] + np.linalg.slogdet(x)[1], square, tolerance=tolerance)
    agree(lambda x: snp.linalg.eigvals(x).sum(-1), square, tolerance=tolerance)


@pytest.mark.parametrize("uplo", ["L", "U"])
def test_vectors_give_the_matrix_back(uplo):
    def eigh(x):
        values, vectors = snp.linalg.eigh(x, uplo)
        return (vectors * values[..., None, :]) @ adjoint(vectors)

    def svd(x):
        u, s, vh = snp.linalg.svd(x, full_matrices=False)
        return (u * s) @ vh

    def eig(x):
        values, vectors = snp.linalg.eig(x)
        return x @ vectors - vectors * values[..., None, :]

    np.testing.assert_allclose(sf.jit(eigh)(HERMITIAN), HERMITIAN, atol=1e-12)
    np.testing.assert_allclose(sf.jit(svd)(TALL), TALL, atol=1e-12)
    np.testing.assert_allclose(sf.jit(lambda x: snp.matmul(*snp.linalg.qr(x)))(TALL), TALL)
    for x in (SQUARE, SQUARE.real.copy()):
        for residue in (sf.jit(eig)(x), eig(x)):
            assert residue.dtype == np.complex128
            np.testing.assert_allclose(residue, 0, atol=1e-12)


def test_triangles_are_solved_with_their_adjoints():
    triangle, right = np.tril(SQUARE[0]) + 2 * np.eye(3), SQUARE[1]
    solved = sf.jit(lambda a, b: sf.linalg.solve_triangular(a, b, "C", True))(triangle, right)
    np.testing.assert_allclose(triangle.conj().T @ solved, right)
    factor = np.linalg.cholesky(HERMITIAN[0])
    for c, lower in ((factor, True), (factor.conj().T.copy(), False)):
        found = sf.jit(lambda c, b, lower=lower: sf.linalg.cho_solve((c, lower), b))(c, right)
        np.testing.assert_allclose(HERMITIAN[0] @ found, right)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: snp.abs(snp.linalg.det(x)),
        lambda x: snp.sum(snp.abs(snp.linalg.inv(x)) ** 2),
        lambda x: snp.sum(snp.abs(snp.linalg.cholesky(x @ adjoint(x) + snp.eye(3))) ** 2),
    ],
)
def test_linear_algebra_has_gradients(f):
    x = SQUARE[2]
    wanted = gradient(lambda z: float(f(z.reshape(3, 3))), x.ravel()).reshape(3, 3)
    np.testing.assert_allclose(sf.jit(sf.grad(f))(x), wanted, rtol=1e-6, atol=1e-6)


# refusals


@pytest.mark.parametrize(
    "function",
    [
        lambda z: snp.sort(z),
        lambda z: z < 1,
        lambda z: snp.max(z),
        lambda z: z.astype("float64"),
        lambda z: snp.floor(z),
        lambda z: snp.arctan2(z, z),
    ],
)
def test_what_complex_numbers_have_not_is_refused_at_the_users_line(function):
    with pytest.raises(sf.DTypeError, match=r"c128\[5\]") as raised:
        sf.trace(function, Z)
    assert raised.value.fix
    assert raised.value.loc is not None and raised.value.loc.filename.endswith("test_complex.py")
