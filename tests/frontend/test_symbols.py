"""Expressions of SymPy become functions and back; graphs become LaTeX; derivatives expressions."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import symfuse as sf
import symfuse.numpy as snp
from symfuse.runtime.errors import ArgumentError, ShapeError, UnsupportedError

x, y, z = sympy.symbols("x y z", real=True)
POINT = (0.3, 0.7, 1.9)

EXPRESSIONS = [
    4 * x**3 + x**2 + 3,
    sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi),
    (x - y) / (x + y * z),
    sympy.sin(x) * sympy.cos(y) + sympy.tan(z / 2),
    sympy.asin(x) + sympy.acos(y) + sympy.atan2(x, y),
    sympy.sinh(x) + sympy.cosh(y) + sympy.tanh(z),
    sympy.log(1 + sympy.exp(x)),
    x**y + y**x + 2**z,
    sympy.Max(x, y, z) - sympy.Min(x, y, z),
    sympy.Piecewise((x, x < y), (y**2, x < z), (z, True)),
    sympy.Piecewise((x, sympy.And(x > 0, sympy.Not(y > 1))), (z, True)),
    sympy.Abs(x - z) + sympy.sign(y) + sympy.floor(3 * z) + sympy.ceiling(y),
    sympy.gamma(z) * sympy.loggamma(y) + sympy.digamma(x) + sympy.polygamma(2, y),
    sympy.erf(x) + sympy.erfc(y) + sympy.erfinv(x),
    sympy.besseli(0, x) + sympy.besseli(1, z),
    sympy.Rational(1, 3) * x + sympy.sqrt(y) + y ** sympy.Rational(1, 3),
    sympy.Mod(z, y),
    1 / x**2 + 1 / sympy.sqrt(y),
    sympy.cot(x) + sympy.sec(y) + sympy.csc(z),
]
EVERY = pytest.mark.parametrize("e", EXPRESSIONS, ids=str)


@EVERY
def test_an_expression_is_a_function_with_its_values(e):
    function = sf.from_sympy(e, (x, y, z))
    wanted = float(e.subs(dict(zip((x, y, z), POINT, strict=True))).evalf(30))
    np.testing.assert_allclose(function(*POINT), wanted, rtol=1e-14)
    np.testing.assert_allclose(sf.lambdify((x, y, z), e)(*POINT), wanted, rtol=1e-13)


@EVERY
def test_a_function_is_the_expression_that_it_came_from(e):
    graph = sf.trace(sf.from_sympy(e, (x, y, z)), "f64[]", "f64[]", "f64[]")
    back = graph.to_sympy()
    at = {symbol: sympy.Rational(str(p)) for symbol, p in zip((x, y, z), POINT, strict=True)}
    assert abs(sympy.N((back - e).subs(at), 20)) < 1e-15


@EVERY
def test_its_derivative_is_the_one_that_sympy_finds(e):
    if e.has(sympy.floor, sympy.ceiling, sympy.sign, sympy.Mod, sympy.Max):
        pytest.skip("SymPy writes derivatives of steps by distributions")
    found = sf.grad(sf.from_sympy(e, (x, y, z)), argnums=(0, 1, 2))(*POINT)
    at = dict(zip((x, y, z), POINT, strict=True))
    wanted = [float(sympy.diff(e, symbol).subs(at).evalf(30)) for symbol in (x, y, z)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("e", [4 * x**3 + x**2 + 3, (x - y) / (x + z), sympy.exp(x) * sympy.sin(y)])
def test_simple_expressions_come_back_as_they_were(e):
    graph = sf.trace(sf.from_sympy(e, (x, y, z)), "f64[]", "f64[]", "f64[]")
    assert sympy.simplify(graph.to_sympy() - e) == 0


def test_common_parts_are_computed_once():
    e = sympy.cos(sympy.exp(x * y)) + sympy.sin(sympy.exp(x * y))
    graph = sf.trace(sf.from_sympy(e, (x, y)), "f64[]", "f64[]")
    assert graph.stats()["exp"] == 1


def test_arrays_go_element_by_element():
    found = sf.lambdify((x, y), x**2 + y)(np.arange(3.0), np.ones(3))
    np.testing.assert_array_equal(found, [1, 2, 5])


def test_arguments_and_results_may_be_containers():
    first, second = sf.lambdify([x, (y, z)], [x + y, y * z])(1.0, (2.0, 3.0))
    assert (float(first), float(second)) == (3.0, 6.0)
    matrix = sf.from_sympy(sympy.Matrix([[x, y], [x * y, 1]]), (x, y))(2.0, 3.0)
    np.testing.assert_array_equal(matrix, [[2, 3], [6, 1]])


def test_arguments_have_their_names():
    graph = sf.trace(sf.from_sympy(x - y, (x, y)), "f64[]", "f64[]")
    assert [node.source.name for node in graph.inputs] == ["x", "y"]


def test_matrices_are_multiplied_inverted_and_transposed(rng):
    a, b = sympy.MatrixSymbol("a", 3, 3), sympy.MatrixSymbol("b", 3, 1)
    e = a.I * b + 2 * a.T * b + sympy.Trace(a) * b
    A, B = rng.normal(size=(3, 3)), rng.normal(size=(3, 1))
    wanted = np.linalg.inv(A) @ B + 2 * A.T @ B + np.trace(A) * B
    np.testing.assert_allclose(sf.lambdify((a, b), e)(A, B), wanted, rtol=1e-11)


def test_arrays_come_and_go_by_their_elements(rng):
    graph = sf.trace(lambda A, v: snp.tanh(A @ v).sum(), "f64[2,3]", "f64[3]")
    bases = [sympy.IndexedBase(name, real=True) for name in "Av"]
    A, v = rng.normal(size=(2, 3)), rng.normal(size=3)
    found = sf.from_sympy(graph.to_sympy(), bases)(A, v)
    np.testing.assert_allclose(found, np.tanh(A @ v).sum(), rtol=1e-14)


def test_a_function_of_elements_is_one_expression_for_any_size():
    graph = sf.trace(lambda a, b: snp.where(a > 0, a * b, -b), "f64[N]", "f64[N]")
    a, b = sympy.symbols("a b", real=True)
    assert graph.to_sympy() == sympy.Piecewise((a * b, a > 0), (-b, True))


def test_several_results_are_a_tuple():
    assert sf.trace(lambda a: (a + 1, 2 * a), "f64[]").to_sympy() == (
        sympy.Symbol("a", real=True) + 1,
        2 * sympy.Symbol("a", real=True),
    )


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sf.from_sympy(x + y, x), ArgumentError, "the symbols y"),
        (lambda: sf.from_sympy(sympy.LambertW(x), x)(1.0), UnsupportedError, "LambertW"),
        (lambda: sf.from_sympy(sympy.besseli(2, x), x)(1.0), UnsupportedError, "orders 0 and 1"),
        (lambda: sf.from_sympy(x, x)(1.0, 2.0), ArgumentError, "takes 1 arguments, got 2"),
        (lambda: sf.lambdify(x, x, "numpy"), ArgumentError, "modules"),
        (lambda: sf.trace(snp.sort, "f64[3]").to_sympy(), UnsupportedError, "no expression"),
        (lambda: sf.trace(snp.sum, "f64[N]").to_sympy(), ShapeError, "elements"),
        (lambda: sf.derivative(lambda a: a, "b"), ArgumentError, "no argument 'b'"),
    ],
)
def test_what_cannot_be_done_says_why_at_the_users_line(call, error, words):
    with pytest.raises(error, match=words) as raised:
        call()
    assert raised.value.loc.filename == __file__


# --- derivatives as expressions


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda a: 4 * a**3 + a**2 + 3, "12*a**2 + 2*a"),
        (lambda a: a**5, "5*a**4"),
        (lambda a: snp.exp(a), "exp(a)"),
        (lambda a: snp.log(a), "1/a"),
        (lambda a: snp.sin(a), "cos(a)"),
        (lambda a: snp.sin(a**2), "2*a*cos(a**2)"),
        (lambda a: snp.tanh(a), "1 - tanh(a)**2"),
        (lambda a: sf.special.gammaln(a), "polygamma(0, a)"),
        (lambda a: snp.maximum(a, 0), "Piecewise((1, a > 0), (0, True))"),
        (lambda a: 7.0 + 0 * a, "0"),
    ],
)
def test_derivatives_of_one_number(function, wanted):
    assert str(sf.derivative(function)) == wanted


def test_derivatives_in_a_chosen_argument_and_of_higher_order():
    assert str(sf.derivative(lambda a, b: a**b, "b")) == "a**b*log(a)"
    assert str(sf.derivative(lambda a, b: a**2 * b, 0, order=2)) == "2*b"


def test_derivatives_of_vectors_have_numerator_layout():
    found = sf.derivative(lambda v: snp.sum(v**2) * v, specs=("f64[2]",))
    v = sympy.IndexedBase("v", real=True)
    outputs = [(v[0] ** 2 + v[1] ** 2) * v[k] for k in range(2)]
    wanted = [[sympy.diff(out, v[k]) for k in range(2)] for out in outputs]
    assert found.shape == (2, 2)
    for at in np.ndindex(2, 2):
        assert sympy.expand(found[at] - wanted[at[0]][at[1]]) == 0


# --- LaTeX


def squared_error(x, w, y):
    a = x @ w
    b = a - y
    return b**2


def test_named_values_are_equations():
    graph = sf.trace(squared_error, "f64[3]", "f64[3]", "f64[]")
    assert graph.to_latex().splitlines() == [
        r"\begin{aligned}",
        r"a &= \left\langle x, w \right\rangle \\",
        r"b &= a - y \\",
        r"\operatorname{squared\_error} &= b^{2} \\",
        r"&\text{where } x \in \mathbb{R}^{3}, w \in \mathbb{R}^{3}, y \in \mathbb{R}",
        r"\end{aligned}",
    ]


@pytest.mark.parametrize(
    ("function", "specs", "wanted"),
    [
        (lambda A, B: A @ B, ("f64[2,3]", "f64[3,4]"), r"A B"),
        (lambda A, B: A.T @ B, ("f64[3,2]", "f64[3,4]"), r"A^{\top} B"),
        (lambda v: snp.sum(v**2), ("f64[N]",), r"\sum_{i} {\left(v^{2}\right)}_{i}"),
        (lambda A: snp.max(A, axis=1), ("f64[2,3]",), r"\max_{j} {A}_{i j}"),
        (lambda v: v.mean(), ("f64[N]",), r"{N}"),
        (lambda A: (A + A.T) * 2, ("f64[2,2]",), r"2 A + 2 A^{\top}"),
        (lambda alpha_1: alpha_1 + 1, ("f64[]",), r"\alpha_{1} + 1"),
        (lambda v: snp.sort(v), ("f64[N]",), r"\operatorname{"),
    ],
)
def test_formulas_are_typeset(function, specs, wanted):
    assert wanted in sf.trace(function, *specs).to_latex()


def test_values_used_twice_are_written_once():
    latex = sf.trace(lambda v: snp.exp(v - 1) / snp.sum(snp.exp(v - 1)), "f64[3]").to_latex()
    assert latex.count("e^{") == 1


def test_every_operation_can_be_typeset():
    def model(v, A):
        parts = [v[None, :], snp.zeros((1, 3)), snp.flip(A, axis=0), snp.cumsum(A, axis=1)]
        joined = snp.concatenate(parts)
        return sf.vmap(lambda row: snp.linalg.norm(row) + row[::2].sum())(joined)

    latex = sf.trace(model, "f64[3]", "f64[3,3]").to_latex()
    assert latex.count("{") == latex.count("}")


def test_complex_values_have_symbols_that_are_not_real():
    u = sympy.Symbol("u", complex=True)
    graph = sf.trace(lambda u: snp.conj(u) * u + u.real - 1j * u.imag, "c128[]")
    found = graph.to_sympy()
    assert found == u * sympy.conjugate(u) + sympy.re(u) - sympy.I * sympy.im(u)
    assert sf.trace(lambda u: snp.exp(1j * u).real, "c128[]").to_sympy() != sympy.cos(u)
    value = 0.3 + 0.7j
    assert complex(found.subs(u, value)) == pytest.approx(complex(graph(value)))
    assert r"\overline{u}" in sf.trace(lambda u: snp.conj(u) * 2, "c64[]").to_latex()


@pytest.mark.parametrize("order", [-1, 1.5])
def test_orders_of_derivatives_are_whole(order):
    with pytest.raises(sf.ArgumentError, match="none of order"):
        sf.derivative(lambda x: x**2, order=order)
