"""Traced NumPy code gives what NumPy gives: values, shapes and element types."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp

rng = np.random.default_rng(7)
X = rng.normal(size=(3, 4))
Y = rng.normal(size=(3, 4))
V = rng.normal(size=4)
M = rng.normal(size=(4, 5))
B = rng.normal(size=(2, 3, 4))
P = rng.uniform(0.1, 0.9, size=(3, 4))
COUNTS = np.array([[3, -1, 0, 2], [1, 1, 2, -2], [0, 3, 3, 1]])
T = X > 0

ONE = [
    "abs", "absolute", "sign", "square", "exp", "exp2", "expm1", "sin", "cos", "tan", "arctan",
    "sinh", "cosh", "tanh", "arcsinh", "cbrt", "negative", "positive", "floor", "ceil", "trunc",
    "rint", "isnan", "isinf", "isfinite", "signbit", "logical_not", "reciprocal", "deg2rad",
    "rad2deg", "nan_to_num", "sinc", "sum", "prod", "max", "min", "mean", "var", "std", "ptp",
    "all", "any", "argmax", "argmin", "cumsum", "cumprod", "count_nonzero", "ravel", "transpose",
    "flip", "fliplr", "flipud", "squeeze", "atleast_1d", "atleast_2d", "atleast_3d", "tril",
    "triu", "zeros_like", "ones_like", "diff", "nansum", "nanmean", "nanmax",
    "nanmin", "copy", "real", "conj", "rot90", "trace", "diagonal",
    "average", "round", "isposinf", "isneginf", "matrix_transpose", "amax", "amin",
]  # fmt: skip
POSITIVE = ["sqrt", "log", "log2", "log10", "log1p", "arcsin", "arccos", "arctanh"]
TWO = [
    "add", "subtract", "multiply", "divide", "true_divide", "maximum", "minimum", "arctan2",
    "hypot", "logaddexp", "copysign", "floor_divide", "remainder", "mod", "fmod", "equal",
    "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or",
    "logical_xor", "fmax", "fmin", "isclose", "allclose", "array_equal", "inner", "outer", "vdot",
    "vecdot", "kron", "heaviside", "nextafter", "stack", "append",
]  # fmt: skip
CALLS = [
    ("sum of axis", lambda x: np.sum(x, axis=0)),
    ("sum of axes, kept", lambda x: np.sum(x, axis=(0, 1), keepdims=True)),
    ("sum in float64", lambda x: np.sum(x, dtype="float64")),
    ("sum with initial", lambda x: np.sum(x, initial=2.0)),
    ("sum where", lambda x: np.sum(x, where=x > 0)),
    ("mean of last axis", lambda x: x.mean(-1)),
    ("variance with ddof", lambda x: np.var(x, axis=1, ddof=1, keepdims=True)),
    ("std method", lambda x: x.std(axis=0)),
    ("max of axis", lambda x: np.max(x, axis=1)),
    ("min kept", lambda x: x.min(axis=0, keepdims=True)),
    ("argmax of axis", lambda x: np.argmax(x, axis=1)),
    ("argmin kept", lambda x: np.argmin(x, axis=0, keepdims=True)),
    ("cumsum of axis", lambda x: np.cumsum(x, axis=1)),
    ("weighted average", lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 3.0, 4.0])),
    ("clip", lambda x: np.clip(x, -0.5, 0.5)),
    ("clip below", lambda x: x.clip(0)),
    ("where", lambda x: np.where(x > 0, x, 0.1 * x)),
    ("where with numbers", lambda x: np.where(x > 0, 1, -1)),
    ("select", lambda x: np.select([x > 1, x > 0], [x, 2 * x], -1)),
    ("power two", lambda x: x**2),
    ("power of three", lambda x: x**3),
    ("power half", lambda x: np.abs(x) ** 0.5),
    ("power of number", lambda x: 2.0**x),
    ("reflected operators", lambda x: 1 - x + 3 * x - (2 / (x + 10))),
    ("floor division", lambda x: x // 0.3 + x % 0.3),
    ("divmod", lambda x: divmod(x, 0.3)[1]),
    ("comparison chain", lambda x: (x > 0) & (x < 1) | ~(x > -1)),
    ("unary operators", lambda x: -x + +x + abs(x)),
    ("round to digits", lambda x: np.round(x, 2)),
    ("reshape", lambda x: np.reshape(x, (2, 6))),
    ("reshape with -1", lambda x: x.reshape(2, -1, 3)),
    ("transpose by axes", lambda x: np.transpose(x[None], (2, 0, 1))),
    ("T", lambda x: x.T @ x),
    ("swapaxes", lambda x: np.swapaxes(x[None], 0, 2)),
    ("moveaxis", lambda x: np.moveaxis(x[None, :, :, None], (0, 2), (3, 0))),
    ("rollaxis", lambda x: np.rollaxis(x[None], 2)),
    ("expand_dims", lambda x: np.expand_dims(x, (0, 2))),
    ("squeeze axis", lambda x: np.squeeze(x[None], axis=0)),
    ("broadcast_to", lambda x: np.broadcast_to(x[:, :1], (2, 3, 5))),
    ("broadcast_arrays", lambda x: np.broadcast_arrays(x, x[0])[1]),
    ("concatenate", lambda x: np.concatenate([x, x * 2], axis=1)),
    ("concatenate all", lambda x: np.concatenate([x, x], axis=None)),
    ("stack", lambda x: np.stack([x, x + 1], axis=1)),
    ("stack last", lambda x: np.stack([x, x + 1], axis=-1)),
    ("vstack", lambda x: np.vstack([x, x[0]])),
    ("hstack", lambda x: np.hstack([x, x])),
    ("dstack", lambda x: np.dstack([x, x])),
    ("column_stack", lambda x: np.column_stack([x[:, 0], x])),
    ("split", lambda x: np.split(x, 2, axis=1)[1]),
    ("split at places", lambda x: np.split(x, [1, 3], axis=1)[1]),
    ("array_split", lambda x: np.array_split(x, 3, axis=1)[0]),
    ("hsplit", lambda x: np.hsplit(x, 2)[0]),
    ("vsplit", lambda x: np.vsplit(x, 3)[2]),
    ("flip axis", lambda x: np.flip(x, axis=0)),
    ("roll", lambda x: np.roll(x, 5)),
    ("roll axis", lambda x: np.roll(x, -1, axis=1)),
    ("roll axes", lambda x: np.roll(x, (1, 2), axis=(0, 1))),
    ("tile", lambda x: np.tile(x, (2, 1, 3))),
    ("tile once", lambda x: np.tile(x, 2)),
    ("repeat", lambda x: np.repeat(x, 2)),
    ("repeat axis", lambda x: np.repeat(x, 3, axis=1)),
    ("repeat by counts", lambda x: np.repeat(x, [1, 0, 2], axis=0)),
    ("pad", lambda x: np.pad(x, ((1, 0), (2, 3)))),
    ("pad with number", lambda x: np.pad(x, 1, constant_values=7)),
    ("pad edge", lambda x: np.pad(x, 2, mode="edge")),
    ("pad reflect", lambda x: np.pad(x, 2, mode="reflect")),
    ("pad wrap", lambda x: np.pad(x, 1, mode="wrap")),
    ("tril below", lambda x: np.tril(x, -1)),
    ("triu above", lambda x: np.triu(x, 1)),
    ("diag of matrix", lambda x: np.diag(x, 1)),
    ("diag of vector", lambda x: np.diag(x[0], -1)),
    ("full_like", lambda x: np.full_like(x, 3)),
    ("astype", lambda x: x.astype("int32") + 1),
    ("astype bool", lambda x: (x * 0.9).astype(bool)),
    ("take", lambda x: np.take(x, [2, 0, -1], axis=1)),
    ("take flat", lambda x: np.take(x, np.array([[0, 5], [11, 3]]))),
    ("take clip", lambda x: np.take(x, [0, 99], axis=0, mode="clip")),
    ("take wrap", lambda x: np.take(x, [0, 7], axis=0, mode="wrap")),
    ("take_along_axis", lambda x: np.take_along_axis(x, np.argmax(x, 1)[:, None], 1)),
    ("matmul with array", lambda x: x @ M),
    ("matmul from array", lambda x: M.T @ x.T),
    ("matmul vector", lambda x: x @ V),
    ("dot", lambda x: np.dot(x, x.T)),
    ("dot of vectors", lambda x: np.dot(x[0], x[1])),
    ("dot of rank 3", lambda x: np.dot(x[None], x.T)),
    ("batched matmul", lambda x: np.matmul(B, x.T[None])),
    ("vector matmul batch", lambda x: np.matmul(x[0], np.swapaxes(B, 1, 2))),
    ("tensordot", lambda x: np.tensordot(x, B, axes=([0, 1], [1, 2]))),
    ("tensordot by count", lambda x: np.tensordot(x, M, axes=1)),
    ("einsum matmul", lambda x: np.einsum("ij,jk->ik", x, M)),
    ("einsum batch", lambda x: np.einsum("bij,ij->bi", B, x)),
    ("einsum chain", lambda x: np.einsum("ij,jk,bij->bk", x, M, B)),
    ("einsum trace", lambda x: np.einsum("ii", x[:, :3])),
    ("einsum diagonal", lambda x: np.einsum("ii->i", x[:, :3])),
    ("einsum transpose", lambda x: np.einsum("ij->ji", x)),
    ("einsum implicit", lambda x: np.einsum("ij,kj", x, x)),
    ("cross", lambda x: np.cross(x[:, :3], x[:, 1:])),
    ("norm", lambda x: np.linalg.norm(x)),
    ("norm of rows", lambda x: np.linalg.norm(x, axis=1, keepdims=True)),
    ("norm one", lambda x: np.linalg.norm(x[0], ord=1)),
    ("norm inf", lambda x: np.linalg.norm(x[0], ord=np.inf)),
    ("outer by ufunc", lambda x: np.multiply.outer(x[0], x[1])),
    ("add.reduce", lambda x: np.add.reduce(x)),
    ("maximum.reduce", lambda x: np.maximum.reduce(x, axis=1)),
    ("add.accumulate", lambda x: np.add.accumulate(x, axis=1)),
    ("polyval", lambda x: np.polyval([2.0, 0.0, 1.0], x)),
    ("meshgrid", lambda x: np.meshgrid(x[0], x[:, 0])[1]),
    ("integer index", lambda x: x[1]),
    ("negative index", lambda x: x[-1, -2]),
    ("slices", lambda x: x[1:, ::2]),
    ("negative step", lambda x: x[::-1, 3:0:-2]),
    ("empty slice", lambda x: x[2:1]),
    ("new axis", lambda x: x[:, None, ..., None]),
    ("ellipsis", lambda x: x[..., 1]),
    ("index array", lambda x: x[[0, 2, -1]]),
    ("index array on axis 1", lambda x: x[:, np.array([[0, 1], [2, 3]])]),
    ("two index arrays", lambda x: x[np.arange(3), [0, 1, 2]]),
    ("apart index arrays", lambda x: x[None][[0, 0], :, [1, 2]]),
    ("number and index array", lambda x: x[0, [1, 2]]),
    ("static mask", lambda x: x[np.array([True, False, True])]),
    ("traced index", lambda x: x[np.argmax(x[:, 0])]),
    ("traced index array", lambda x: x[np.argmax(x, axis=0)]),
    ("method chain", lambda x: x.ravel().cumsum().reshape(3, 4).sum(1)),
    ("size and shape", lambda x: x.sum() / x.size + x.shape[0] + len(x)),
    ("numpy scalar", lambda x: x * np.float32(2) + np.float64(1)),
    ("numpy array on the left", lambda x: Y[0] * x + Y),
    ("list operand", lambda x: x * [1, 2, 3, 4]),
    ("count_nonzero of axis", lambda x: np.count_nonzero(x > 0, axis=0)),
    ("any of comparison", lambda x: np.any(x > 10, axis=1)),
    ("linspace", lambda x: np.linspace(x[0, 0], x[0, 1], 5)),
    ("diff twice", lambda x: np.diff(x, 2, axis=1)),
    ("nansum with nan", lambda x: np.nansum(np.where(x > 0, x, np.nan), axis=1)),
]  # fmt: skip


def same(found, expected, dtype):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    tolerance = 3e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def run(function, *arrays):
    return sf.trace(function, *arrays)(*arrays)


def cases():
    square = lambda name: X[:, :3] if name in ("squeeze",) else X  # noqa: E731
    for name in ONE:
        yield name, lambda x, n=name: getattr(np, n)(x), (square(name),)
    for name in POSITIVE:
        yield name, lambda x, n=name: getattr(np, n)(x), (P,)
    for name in TWO:
        if name in ("stack", "append"):
            yield (
                name,
                lambda x, y, n=name: getattr(np, n)(
                    (x, y) if n == "stack" else x, 0 if n == "stack" else y
                ),
                (X, Y),
            )
        else:
            yield name, lambda x, y, n=name: getattr(np, n)(x, y), (X, Y)
    for name, function in CALLS:
        yield name, function, (X,)


ALL = list(cases())


def test_the_table_is_large():
    assert len(ALL) >= 120


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "function", "arrays"), ALL, ids=[c[0] for c in ALL])
@pytest.mark.filterwarnings("ignore")
def test_traced_numpy_equals_numpy(name, function, arrays, dtype):
    arrays = [a.astype(dtype) for a in arrays]
    same(run(function, *arrays), function(*arrays), dtype)


INTEGERS = [
    ("sum", lambda i: np.sum(i)),
    ("prod", lambda i: np.prod(i, axis=0)),
    ("mean", lambda i: np.mean(i)),
    ("var", lambda i: np.var(i, axis=1)),
    ("divide", lambda i: i / 2),
    ("divide arrays", lambda i: i / (i + 5)),
    ("exp", lambda i: np.exp(i)),
    ("sqrt", lambda i: np.sqrt(np.abs(i))),
    ("float number", lambda i: i * 2.5),
    ("int number", lambda i: i * 2),
    ("float32 array", lambda i: i * np.float32(1.5)),
    ("power", lambda i: i**2),
    ("shift", lambda i: (i << 2) >> 1),
    ("bits", lambda i: (i & 3) | 4 ^ i),
    ("invert", lambda i: ~i),
    ("floor_divide", lambda i: i // 2),
    ("remainder", lambda i: i % 3),
    ("floor", lambda i: np.floor(i)),
    ("max", lambda i: i.max(axis=0)),
    ("cumsum", lambda i: np.cumsum(i)),
    ("clip", lambda i: np.clip(i, 0, 2)),
    ("abs", lambda i: np.abs(i)),
    ("round", lambda i: np.round(i)),
    ("isnan", lambda i: np.isnan(i)),
    ("where", lambda i: np.where(i > 0, i, 0)),
    ("isfinite", lambda i: np.isfinite(i)),
    ("arctan2", lambda i: np.arctan2(i, 2)),
    ("mixed", lambda i: i + np.arange(4.0, dtype="float32")),
]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
@pytest.mark.parametrize(("name", "function"), INTEGERS, ids=[c[0] for c in INTEGERS])
@pytest.mark.filterwarnings("ignore")
def test_integers_follow_numpys_promotion(name, function, dtype):
    i = np.abs(COUNTS).astype(dtype)
    same(run(function, i), function(i), "float32")


@pytest.mark.parametrize(
    "function",
    [
        lambda t: t + t, lambda t: t * t, lambda t: t.sum(), lambda t: t.mean(), lambda t: t & ~t,
        lambda t: t ^ True, lambda t: np.max(t, axis=0), lambda t: t + 1, lambda t: t * 0.5,
        lambda t: np.maximum(t, False), lambda t: np.any(t, 0), lambda t: np.cumsum(t),
        lambda t: np.argmax(t, 1), lambda t: np.where(t, 1.0, 2.0),
    ],
)  # fmt: skip
def test_truth_values_follow_numpy(function):
    same(run(function, T), function(T), "float64")


@pytest.mark.parametrize(
    "name", [n for n in snp.__all__ if n not in ("linalg", "one_hot", "unstack")]
)
def test_every_public_function_has_a_docstring_and_a_numpy_twin(name):
    assert getattr(snp, name).__doc__
    theirs = hasattr(np, name) or hasattr(np.lib.stride_tricks, name)
    assert theirs or name in ("from_dlpack", "vector_norm", "norm", "top_k")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: snp.zeros((2, 3)), np.zeros((2, 3))),
        (lambda: snp.ones(3, "float32"), np.ones(3, "float32")),
        (lambda: snp.full((2,), 7), np.full((2,), 7)),
        (lambda: snp.arange(5), np.arange(5)),
        (lambda: snp.arange(1, 10, 3, dtype="f32"), np.arange(1, 10, 3, dtype="float32")),
        (lambda: snp.linspace(0, 1, 5), np.linspace(0, 1, 5)),
        (lambda: snp.eye(3, k=1), np.eye(3, k=1)),
        (lambda: snp.tri(3, 4), np.tri(3, 4)),
        (lambda: snp.identity(2), np.identity(2)),
        (lambda: snp.indices((2, 2)), np.indices((2, 2))),
        (lambda: snp.asarray([1.0, 2.0]), np.asarray([1.0, 2.0])),
        (lambda: snp.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 4]])),
        (lambda: snp.one_hot([0, 2], 3), np.eye(3, dtype="float32")[[0, 2]]),
    ],
)
def test_creation_is_the_same_eager_and_traced(made, expected):
    same(made(), expected, "float64")
    same(
        sf.trace(lambda x: made() + 0 * x.sum().astype(expected.dtype), "f64[2]")(V[:2]),
        expected,
        "float64",
    )
    assert isinstance(made(), np.ndarray)


def test_arrays_of_traced_elements_are_stacked():
    same(run(lambda x: snp.array([x[0], x[1] * 2]), V), [V[0], V[1] * 2], "float64")


def test_sizes_take_part_in_arithmetic():
    graph = sf.trace(lambda x: (x.mean(), x.sum() / x.shape[0], x.var(ddof=1)), "f32[N,4]")
    for n in (2, 7):
        x = rng.normal(size=(n, 4)).astype("float32")
        mean, share, var = graph(x)
        same(mean, x.mean(), "float32")
        same(share, x.sum() / np.float32(n), "float32")
        same(var, x.var(ddof=1), "float32")


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x[1:],
        lambda x: x[:-1] + x[1:],
        lambda x: x[::-1],
        lambda x: x[-1],
        lambda x: x.reshape(-1),
        lambda x: x.reshape(x.shape[0], 2, 2),
        lambda x: x - x.mean(0),
        lambda x: snp.arange(x.shape[0])[:, None] * x,
        lambda x: np.concatenate([x, x]),
        lambda x: x[:2],
        lambda x: np.roll(x, 1, axis=0),
        lambda x: x @ x.T,
        lambda x: np.tile(x, (2, 1)),
        lambda x: x[snp.arange(x.shape[0]), np.argmax(x, 1)],
        lambda x: np.cumsum(x, 0),
        lambda x: x[::2],
        lambda x: snp.zeros((x.shape[0], 2)) + x[:, :2],
        lambda x: np.repeat(x, 2, axis=0),
    ],
)
def test_symbolic_sizes_serve_every_size(function):
    graph = sf.trace(function, "f64[N,4]")
    for n in (1, 2, 5):
        x = rng.normal(size=(n, 4))
        same(graph(x), function(x), "float64")


def test_sinc_has_all_derivatives_at_zero():
    f, found = np.sinc, []
    for _ in range(5):
        f = sf.grad(f)
        found.append(float(sf.jit(f)(0.0)))
    np.testing.assert_allclose(found, [0, -(np.pi**2) / 3, 0, np.pi**4 / 5, 0], rtol=1e-12)
