"""Sparse Jacobians and Hessians: patterns, colors, values, and how they compose."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import symfuse as sf
import symfuse.numpy as snp
from symfuse.compiler.sparsity import regions

sparse = sf.sparse
pytest.importorskip("scipy")

BAND = np.tri(6, 6, 1) * np.tri(6, 6, 1).T
EYES = np.eye(6)
MASK = np.array([1.0, 0, 1, 0, 0, 1])


def brusselator(u):
    """Two reacting fields on a ring, f64[2, n]."""
    a, b = u

    def spread(w):
        return snp.roll(w, 1) + snp.roll(w, -1) - 2 * w

    return snp.stack([1 + a * a * b - 4.4 * a + spread(a), 3.4 * a - a * a * b + spread(b)])


def brusselator_2d(u):
    """The same on a torus, f64[2, n, n]: four neighbours each."""
    a, b = u

    def spread(w):
        return sum(snp.roll(w, shift, axis) for shift in (1, -1) for axis in (0, 1)) - 4 * w

    return snp.stack([1 + a * a * b - 4.4 * a + spread(a), 3.4 * a - a * a * b + spread(b)])


def rosenbrock(x):
    return snp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def arrow(x):
    return snp.sum(x[0] * snp.sin(x)) + snp.sum(x**3)


def laplacian(u):
    """Five points, zero beyond the border, f64[n, n]."""
    w = snp.pad(u, 1)
    return w[2:, 1:-1] + w[:-2, 1:-1] + w[1:-1, 2:] + w[1:-1, :-2] - 4 * u


@sf.custom_jvp
def cubed(x):
    return x**3


cubed.defjvp(lambda primals, tangents: (primals[0] ** 3, 3 * primals[0] ** 2 * tangents[0]))


@sf.custom_vjp
def doubled(x):
    return 2 * x


doubled.defvjp(lambda x: (2 * x, None), lambda residual, ct: (2 * ct,))

EXACT = {
    "elementwise": lambda x: snp.sin(x) * x,
    "differences": lambda x: x[1:] - x[:-1],
    "convolution": lambda x: snp.convolve(x, np.array([1.0, 0, 2.0])),
    "cumsum": lambda x: snp.cumsum(x * x),
    "cumsum backwards": lambda x: snp.flip(snp.cumsum(snp.flip(x))),
    "cumprod": lambda x: snp.cumprod(x),
    "sum": lambda x: snp.sum(x),
    "sum of rows": lambda x: snp.sum(snp.reshape(x, (2, 3)) ** 2, axis=1),
    "maximum of rows": lambda x: snp.max(snp.reshape(x, (2, 3)), axis=0)[1:] * 2,
    "constant gather": lambda x: x[np.array([4, 0, 0])],
    "reverse": lambda x: x[::-1] * x,
    "constant matrix": lambda x: BAND @ x,
    "matrix on the right": lambda x: snp.reshape(x, (2, 3)) @ BAND[:3, 3:],
    "diagonal matrix": lambda x: snp.diag(x) @ x,
    "identity": lambda x: EYES @ x,
    "blocks": lambda x: snp.einsum("bij,bj->bi", np.ones((2, 3, 3)), snp.reshape(x, (2, 3))),
    "outer": lambda x: snp.outer(x[:2], x[3:]),
    "mask": lambda x: x * MASK,
    "where": lambda x: snp.where(MASK > 0, x, x[::-1] ** 2),
    "scatter": lambda x: snp.zeros(6).at[np.array([1, 3])].add(x[:2] * x[2:4]),
    "set": lambda x: x.at[2:4].set(x[:2] ** 2),
    "triangle": lambda x: snp.tril(snp.outer(x, x)),
    "stack": lambda x: snp.stack([x, x[::-1]], axis=1),
    "no derivative": lambda x: x + snp.floor(x[0]) + sf.stop_gradient(snp.sum(x)),
    "constant": lambda x: snp.ones(3) + 0 * x[0],
    "recurrence": lambda x: sf.scan(lambda c, a: (c * a, c + a), 1.5, x)[1],
    "recurrence backwards": lambda x: sf.scan(lambda c, a: (c + a, c), x[0], x, reverse=True)[1],
    "turns": lambda x: sf.fori_loop(0, 2, lambda i, u: u + snp.roll(u, 1) * u, x),
    "own derivative forwards": lambda x: cubed(x),
    "own derivative backwards": lambda x: doubled(x),
    "checkpoint": lambda x: sf.checkpoint(lambda u: snp.sin(u[1:]) * u[:-1])(x),
    "map": lambda x: sf.map(lambda a: a * a, x),
    "switch of a number": lambda x: sf.switch(1, [lambda u: u * snp.sum(u), lambda u: u], x),
    "complex inside": lambda x: snp.abs(x + 1j * x[::-1]) ** 2,
}
COVERED = {
    "traced gather": lambda x: x[snp.argsort(x)],
    "sort": lambda x: snp.sort(x)[1:3],
    "piece at a traced place": lambda x: sf.dynamic_slice(x, (snp.argmax(x) // 3,), (3,)),
    "fft": lambda x: snp.abs(snp.fft.fft(x)) ** 2,
    "cholesky": lambda x: snp.linalg.cholesky(
        snp.reshape(x[:4], (1, 2, 2)) * np.eye(2) + 3 * np.eye(2)
    ),
    "branch": lambda x: sf.cond(x[0] > 0, lambda u: u, lambda u: u[::-1] * u, x),
    "while": lambda x: sf.while_loop(
        lambda c: c[1] < 2, lambda c: (snp.roll(c[0], 1) * c[0], c[1] + 1), (x, 0), bound=3
    )[0],
}


def truth(f, x, draws=20):
    """Where the Jacobian was nonzero at random places."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(draws):
        at = np.asarray(sf.jacfwd(f)(rng.uniform(0.5, 2, np.shape(x))))
        found = found | (at.reshape(-1, np.size(x)) != 0)
    return found


def point(shape=6):
    return np.random.default_rng(1).uniform(0.5, 2, shape)


@pytest.mark.parametrize("name", EXACT)
def test_patterns_of_structured_functions_are_exact(name):
    x = point()
    found = sparse.jacobian_sparsity(EXACT[name], x)
    np.testing.assert_array_equal(found.toarray(), truth(EXACT[name], x))


@pytest.mark.parametrize("name", [*EXACT, *COVERED])
def test_patterns_cover_the_derivative_and_values_are_equal(name):
    f, x = {**EXACT, **COVERED}[name], point()
    dense = np.asarray(sf.jacfwd(f)(x)).reshape(-1, x.size)
    assert not (truth(f, x) & ~sparse.jacobian_sparsity(f, x).toarray()).any()
    for derivative in (sparse.jacfwd, sparse.jacrev, sparse.jacobian):
        np.testing.assert_allclose(derivative(f)(x).toarray(), dense, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["differences", "turns", "recurrence", "cumsum", "triangle"])
def test_compiled_derivatives_are_equal(name):
    f, x = EXACT[name], point()
    dense = np.asarray(sf.jacfwd(f)(x)).reshape(-1, x.size)
    for derivative in (sparse.jacfwd, sparse.jacrev):
        for dtype, rtol in (("float64", 1e-12), ("float32", 1e-5)):
            found = sf.jit(derivative(f))(x.astype(dtype))
            assert isinstance(found, sparse.CSR)
            assert found.dtype == dtype
            np.testing.assert_allclose(found.to_scipy().toarray(), dense, rtol, rtol)


@pytest.mark.parametrize("name", ["recurrence", "recurrence backwards", "turns"])
def test_long_loops_are_covered_too(name, monkeypatch):
    monkeypatch.setattr(regions, "MOST_TURNS", 0)
    f, x = EXACT[name], point()
    assert not (truth(f, x) & ~sparse.jacobian_sparsity(f, x).toarray()).any()


def test_a_loop_that_does_not_settle_soon_depends_on_everything(monkeypatch):
    monkeypatch.setattr(regions, "PATIENCE", 1)
    f, x = COVERED["while"], point()
    assert sparse.jacobian_sparsity(f, x).toarray().all()


# colors


@pytest.mark.parametrize(
    ("f", "spec", "count"),
    [
        (EXACT["elementwise"], "f64[300]", 1),
        (EXACT["differences"], "f64[300]", 2),
        (lambda x: BAND @ x, "f64[6]", 3),
        (lambda x: snp.convolve(x, np.ones(5)), "f64[300]", 5),
        (lambda x: snp.sum(x), "f64[300]", 1),
        (brusselator, "f64[2,300]", 4),
    ],
)
def test_as_few_passes_as_there_are_entries_in_the_fullest_row(f, spec, count):
    report = sparse.jacobian(f).explain(spec)
    assert report.evaluations[0] == count


@pytest.mark.parametrize(
    ("f", "shapes", "most"),
    [(laplacian, "f64[{0},{0}]", 7), (brusselator_2d, "f64[2,{0},{0}]", 12)],
)
def test_colors_do_not_grow_with_the_grid(f, shapes, most):
    for n in (10, 20, 40):
        report = sparse.jacobian(f).explain(shapes.format(n))
        colored, dense = report.evaluations
        assert report.fewest <= colored <= most
        assert dense == report.pattern.shape[1]


@pytest.mark.parametrize(("f", "count"), [(arrow, 2), (rosenbrock, 3)])
def test_hessians_take_stars(f, count):
    x = point(50)
    found = sparse.hessian(f)
    assert found.explain(x).evaluations == (count, 50)
    np.testing.assert_allclose(found(x).toarray(), sf.hessian(f)(x), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(
        sf.jit(found)(x).to_scipy().toarray(), sf.hessian(f)(x), rtol=1e-9, atol=1e-9
    )


def test_hessian_patterns_are_exact():
    x = point()
    found = sparse.hessian_sparsity(rosenbrock, x).toarray()
    np.testing.assert_array_equal(found, truth(sf.grad(rosenbrock), x))
    np.testing.assert_array_equal(found, BAND.astype(bool))


def test_the_same_colors_every_time():
    pattern = sparse.jacobian_sparsity(brusselator_2d, "f64[2,9,9]")
    for kind in ("columns", "rows", "symmetric"):
        one, other = (sparse.coloring(pattern, kind) for _ in range(2))
        np.testing.assert_array_equal(one.colors, other.colors)


def test_the_mode_with_fewer_colors_is_taken():
    wide, tall = (lambda x: snp.sum(x)), (lambda x: x * snp.ones(6))
    assert sparse.jacobian(wide).explain("f64[6]").coloring.kind == "rows"
    assert sparse.jacobian(tall).explain("f64[]").coloring.kind == "columns"
    assert sparse.jacfwd(wide).explain("f64[6]").evaluations == (6, 6)


def test_work_follows_the_colors():
    def flops(f):
        return sf.compile(f, "f64[2,50]").cost_analysis().evaluate()["flops"]

    dense = flops(sf.jacfwd(brusselator))
    colored = flops(lambda u: sparse.jacfwd(brusselator)(u).data)
    assert colored * 10 < dense


# containers, arguments, transformations


def test_trees_of_arguments_and_results():
    def f(p, scale):
        return {"a": p["w"] * 2, "b": (snp.sum(p["w"], axis=0) * p["c"], scale * p["w"][0])}

    p, scale = {"w": point((3, 2)), "c": np.float64(3)}, np.float64(2)
    dense = sf.jacfwd(f, (0, 1))(p, scale)
    for derivative in (sparse.jacfwd, sparse.jacrev):
        found = derivative(f, (0, 1))(p, scale)
        for one, other in ((found["a"], dense["a"]), (found["b"][0], dense["b"][0])):
            for key in "wc":
                rows, columns = one[0][key].shape
                np.testing.assert_allclose(
                    one[0][key].toarray(), np.reshape(other[0][key], (rows, columns))
                )
            assert one[1].shape == (rows, 1)
        np.testing.assert_allclose(found["b"][1][1].toarray()[:, 0], dense["b"][1][1])


def test_hessians_of_several_arguments():
    def f(x, y):
        return snp.sum(x[1:] * y * x[:-1]) + snp.sum(y**3)

    x, y = point(5), point(4)
    found, dense = sparse.hessian(f, (0, 1))(x, y), sf.hessian(f, (0, 1))(x, y)
    for i in (0, 1):
        for j in (0, 1):
            np.testing.assert_allclose(found[i][j].toarray(), dense[i][j], rtol=1e-12)


def test_auxiliary_data_and_keywords():
    def f(x, *, scale):
        return scale * x[1:] * x[:-1], {"sum": snp.sum(x)}

    x = point()
    for derivative in (sparse.jacfwd, sparse.jacrev):
        found, aux = derivative(f, has_aux=True)(x, scale=2.0)
        assert found.shape == (5, 6)
        assert aux["sum"] == snp.sum(x)
    value, aux = sparse.hessian(lambda x: (rosenbrock(x), x[0]), has_aux=True)(x)
    assert value.nnz == 16
    assert aux == x[0]


def test_mixed_element_types():
    def f(x, y):
        return x[1:] * y, snp.astype(y, "float32")

    found = sparse.jacfwd(f, (0, 1))(point(5), point(4).astype("float32"))
    assert [[block.dtype for block in row] for row in found] == [["f8", "f8"], ["f4", "f4"]]


def test_nothing_that_changes():
    found = sparse.jacobian(lambda x: snp.floor(x))(point())
    assert (found.shape, found.nnz) == ((6, 6), 0)
    assert sparse.jacobian(lambda x: x * 2)(np.zeros(0)).shape == (0, 0)
    inside = sf.jit(sparse.jacobian(lambda x: snp.floor(x)))(point())
    assert (inside.shape, inside.nnz) == ((6, 6), 0)


def test_derivatives_of_entries():
    f = EXACT["differences"]

    def total(x):
        return snp.sum(sparse.jacfwd(lambda u: f(u) ** 3)(x).data ** 2)

    def dense(x):
        return snp.sum(sf.jacfwd(lambda u: f(u) ** 3)(x) ** 2)

    np.testing.assert_allclose(sf.grad(total)(point()), sf.grad(dense)(point()), rtol=1e-12)
    np.testing.assert_allclose(
        sf.jit(sf.hessian(total))(point()), sf.hessian(dense)(point()), rtol=1e-9, atol=1e-9
    )


def test_batches():
    x = point((3, 6))
    f = EXACT["turns"]
    found = sf.vmap(sparse.jacfwd(f))(x)
    assert found.data.shape == (3, found.nnz)
    for data, one in zip(found.data, x, strict=True):
        np.testing.assert_allclose(data, sparse.jacfwd(f)(one).data)
    along = sf.jit(sf.vmap(sparse.jacrev(f)))(x)
    np.testing.assert_allclose(along.data, found.data)


def test_matrices_in_traced_functions():
    f, x = EXACT["differences"], point()

    @sf.jit
    def inside(x):
        found = sparse.jacfwd(lambda u: f(u) ** 2)(x)
        return found @ x, found.todense(), found

    dense = sf.jacfwd(lambda u: f(u) ** 2)(x)
    product, filled, found = inside(x)
    np.testing.assert_allclose(product, dense @ x)
    np.testing.assert_allclose(filled, dense)
    assert sf.jit(lambda m: m.data.sum())(found) == pytest.approx(dense.sum())
    assert repr(found) == "<CSR float64 5 × 6, 10 entries>"
    with pytest.raises(sf.ShapeError, match=r"\(5, 6\).*\(5,\)"):
        found @ np.ones(5)


def test_new_shapes_in_a_compiled_function():
    compiled = sf.jit(sparse.jacobian(EXACT["differences"]))
    for size in (4, 7, 11):
        x = point(size)
        np.testing.assert_allclose(
            compiled(x).to_scipy().toarray(), sf.jacfwd(EXACT["differences"])(x)
        )


def test_patterns_are_found_once(monkeypatch):
    found = sparse.jacfwd(lambda x: MASK * x)
    found(point())
    calls = []
    monkeypatch.setattr("symfuse.sparse.patterns.jacobian_pattern", lambda *_: calls.append(_))
    found(point())
    assert not calls


def test_what_is_closed_over_is_looked_at_again():
    mask = np.array([1.0, 0, 1])
    found = sparse.jacfwd(lambda x: mask * x)
    assert found(point(3)).nnz == 2
    mask[1] = 1
    assert found(point(3)).nnz == 3


# what is given


def test_a_given_pattern_and_coloring_are_used():
    f, x = EXACT["differences"], point()
    wider = np.tri(5, 6, 2)
    found = sparse.jacfwd(f, sparsity=wider)
    assert found.explain(x).pattern.nnz == wider.sum()
    np.testing.assert_allclose(found(x).toarray(), sf.jacfwd(f)(x))
    plain = sparse.coloring(wider, order="natural")
    assert sparse.jacfwd(f, sparsity=wider, coloring=plain).explain(x).coloring is plain
    assert sparse.jacfwd(f, coloring="largest_first").explain(x).evaluations[0] == 2
    half = np.tri(6, 6, 1)
    np.testing.assert_allclose(
        sparse.hessian(rosenbrock, sparsity=half)(x).toarray(), sf.hessian(rosenbrock)(x)
    )


@pytest.mark.parametrize(
    ("settings", "kind", "what"),
    [
        ({"sparsity": np.ones((5, 5))}, sf.ShapeError, r"\(5, 5\).*5 outputs and 6 inputs"),
        ({"sparsity": np.ones(5)}, sf.ShapeError, "no matrix"),
        ({"coloring": "best"}, sf.ArgumentError, "'best'"),
        (
            {"coloring": sparse.Coloring(np.zeros(6, np.int32), "rows")},
            sf.ArgumentError,
            "kind 'rows'",
        ),
        (
            {"coloring": sparse.Coloring(np.zeros(4, np.int32), "columns")},
            sf.ShapeError,
            "4 columns are colored, but there are 6",
        ),
        (
            {"coloring": sparse.Coloring(np.zeros(6, np.int32), "columns")},
            sf.ArgumentError,
            r"does not fit the sparsity: entry \(0, 0\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(settings, kind, what):
    with pytest.raises(kind, match=what) as caught:
        sparse.jacfwd(EXACT["differences"], **settings)(point())
    assert "test_sparse.py" in str(caught.value)


@pytest.mark.parametrize(
    ("f", "specs", "kind", "what"),
    [
        (lambda x: x * 2, ("f64[N]",), sf.UnsupportedError, r"x is f64\[N\]"),
        (lambda x: x * 2, ("i64[3]",), sf.DTypeError, r"i64\[3\]"),
        (lambda x: x > 2, ("f64[3]",), sf.DTypeError, r"bool\[3\]"),
        (lambda x: x * 2, ("c128[3]",), sf.DTypeError, "has to be real"),
        (lambda x: x * 1j, ("f64[3]",), sf.DTypeError, "has to be real"),
    ],
)
def test_functions_without_such_a_derivative(f, specs, kind, what):
    for derivative in (sparse.jacobian_sparsity, lambda f, *s: sparse.jacobian(f).explain(*s)):
        with pytest.raises(kind, match=what) as caught:
            derivative(f, *specs)
        assert "test_sparse.py" in str(caught.value)


def test_hessians_are_of_one_number():
    with pytest.raises(sf.ShapeError, match=r"f64\[3\]"):
        sparse.hessian_sparsity(lambda x: x, "f64[3]")


def test_without_scipy_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(sf.UnsupportedError, match="need SciPy") as caught:
        sparse.jacobian(EXACT["differences"])(point())
    assert "symfuse[sparse]" in str(caught.value)


# reports


def test_the_report_tells_what_is_saved():
    report = sparse.jacobian(brusselator).explain("f64[2,60]")
    assert str(report) == (
        "sparse.jacobian of brusselator: 120 × 120, 480 entries (3.33 %), 4 in the fullest row\n"
        "4 colors, columns: 4 forward passes in place of 120"
    )
    assert report.as_dict()["evaluations"] == 4
    assert report.as_dict()["dense_evaluations"] == 120
    reverse = sparse.jacrev(brusselator).explain("f64[2,60]")
    assert "reverse passes" in reverse.text()


def test_the_picture_has_a_square_for_each_entry():
    report = sparse.jacobian(EXACT["differences"]).explain("f64[6]")
    svg = report._repr_mimebundle_()["image/svg+xml"]
    assert svg.count("<rect") == 2 + 10
    assert len({part.split(" ")[0] for part in svg.split("hsl(")[1:] if "62%" in part[:12]}) == 2
    large = sparse.jacobian(EXACT["differences"]).explain("f64[2000]").to_svg()
    assert large.count("<rect") < 400


def test_the_picture_of_the_documentation_is_drawn_by_the_report():
    page = Path(__file__).parents[2] / "docs" / "reference" / "sparse.svg"
    drawn = sparse.jacobian(brusselator).explain("f64[2,12]").to_svg()
    assert page.read_text(encoding="utf-8") == drawn + "\n"
