"""Functions of symfuse.numpy differentiate twice, take batches, and serve every size."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp

rng = np.random.default_rng(3)
X = rng.normal(size=(3, 4))
V = rng.normal(size=5)
RISING = np.array([0.0, 1.0, 1.5, 3.5, 4.0])

SMOOTH = {
    "gradient": (lambda v: np.gradient(v), V),
    "gradient over coordinates": (lambda v: np.gradient(v, RISING, edge_order=2), V),
    "trapezoid": (lambda v: np.trapezoid(v**2, RISING), V),
    "interp at places": (lambda v: np.interp(v, RISING, RISING**2), V + 2.03),
    "interp of values": (lambda v: np.interp([0.3, 1.2, 3.7], RISING, v), V),
    "diff": (lambda v: np.diff(v**3, n=2), V),
    "cov": (lambda x: np.cov(x), X),
    "weighted cov": (lambda x: np.cov(x, aweights=[1.0, 2.0, 0.5, 1.5]), X),
    "corrcoef": (lambda x: np.corrcoef(x), X),
    "quantile": (lambda x: np.quantile(x, [0.2, 0.7], axis=1), X),
    "nanquantile": (lambda x: np.nanquantile(np.where(x > 1, np.nan, x), 0.4, axis=1), X),
    "median": (lambda x: np.median(x, axis=0), X),
    "nanmean": (lambda x: np.nanmean(np.where(x > 0.5, np.nan, x), axis=0), X),
    "nanvar": (lambda x: np.nanvar(np.where(x > 1.5, np.nan, x), axis=1), X),
    "var where": (lambda x: np.var(x, axis=1, where=x > -1), X),
    "einsum": (lambda x: np.einsum("ij,kj,...->ik...", x, x, V), X),
    "einsum with ellipsis": (lambda x: np.einsum("...j,...j->...", x, np.sin(x)), X),
    "multi_dot": (lambda x: np.linalg.multi_dot([x, x.T, x]), X),
    "tensorsolve": (lambda x: np.linalg.tensorsolve(np.cov(x) + np.eye(3), x[:, 0]), X),
    "polyval": (lambda v: np.polyval(v, v), V),
    "polyfit": (lambda v: np.polyfit(RISING, v, 2), V),
    "polymul": (lambda v: np.polymul(v, v), V),
    "poly": (lambda v: snp.poly(v), V),
    "vander": (lambda v: np.vander(v, 3), V),
    "kaiser": (lambda v: snp.kaiser(6, v[0] ** 2), V),
    "linear_ramp": (lambda v: np.pad(v, 2, "linear_ramp", end_values=1.0), V),
    "reflect": (lambda v: np.pad(v**2, 3, "reflect"), V),
    "pad by means": (lambda v: np.pad(v**2, 2, "mean"), V),
    "logaddexp2": (lambda v: np.logaddexp2(v, 0.3), V),
    "float_power": (lambda v: np.float_power(np.abs(v), 1.7), V),
    "unwrap": (lambda v: np.unwrap(3 * v), V),
    "piecewise": (lambda v: np.piecewise(v, [v < 0], [np.sin, lambda t: t**3]), V),
    "choose": (lambda v: np.choose([1, 0, 1, 0, 1], [v**2, np.exp(v)]), V),
    "insert": (lambda v: np.insert(v**2, [1, 3], v[:2]), V),
    "resize": (lambda v: np.resize(v**2, (2, 4)), V),
    "block": (lambda x: np.block([[x, 2 * x], [x**2, x]]), X),
    "apply_along_axis": (lambda x: np.apply_along_axis(lambda r: r * r.sum(), 1, x), X),
    "vectorize": (lambda x: snp.vectorize(lambda a, b: a * np.sin(b))(x, V[:4]), X),
    "histogram by weights": (lambda v: np.histogram([0.1, 0.6, 0.7, 0.2, 0.9], 2, weights=v)[0], V),
    "linspace": (lambda v: np.linspace(v[0], v[1] ** 2, 4), V),
    "geomspace": (lambda v: np.geomspace(v[0] ** 2 + 1, 9.0, 4), V),
    "logaddexp.reduce": (lambda x: np.logaddexp.reduce(x, axis=1), X),
    "spectral trace": (lambda x: np.linalg.trace(x[None, :, :3] ** 2), X),
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_agree_with_differences_twice(name):
    function, x = SMOOTH[name]
    sf.check_grads(function, (x,), order=2)


@pytest.mark.parametrize("name", SMOOTH)
def test_a_batch_gives_what_a_loop_gives(name):
    function, x = SMOOTH[name]
    batch = np.stack([x, x + 0.01, x * 0.99])
    np.testing.assert_allclose(
        sf.vmap(function)(batch), [function(one) for one in batch], rtol=1e-10, atol=1e-12
    )


EVERY_SIZE = {
    "diff": lambda v: np.diff(v, n=2),
    "gradient": lambda v: np.gradient(v),
    "trapezoid": lambda v: np.trapezoid(v, dx=0.5),
    "unwrap": lambda v: np.unwrap(3 * v),
    "interp": lambda v: np.interp([0.1, 0.4], np.cumsum(v * v), v),
    "diagonal": lambda v: np.diagonal(np.outer(v, v[:-1]), 1),
    "trace": lambda v: np.linalg.trace(np.outer(v, v)),
    "delete": lambda v: np.delete(v, -2),
    "insert": lambda v: np.insert(v, 1, [8.0, 9.0]),
    "resize": lambda v: np.resize(v, 5),
    "nanquantile": lambda v: np.nanquantile(np.where(v > 1, np.nan, v), [0.3, 0.5]),
    "quantile": lambda v: np.quantile(v, 0.3, method="hazen"),
    "cov": lambda v: np.cov(v, v**2),
    "histogram": lambda v: np.histogram(v, 4, range=(-2, 2))[0],
    "digitize": lambda v: np.digitize(v, [-1.0, 0.0, 1.0]),
    "reflect": lambda v: np.pad(v, (5, 2), "reflect"),
    "symmetric": lambda v: np.pad(v, (1, 4), "symmetric"),
    "wrap": lambda v: np.pad(v, (3, 2), "wrap"),
    "edge": lambda v: np.pad(v, 2, "edge"),
    "linear_ramp": lambda v: np.pad(v, 2, "linear_ramp"),
    "polyint": lambda v: np.polyint(v),
    "polyder": lambda v: np.polyder(v),
    "vander": lambda v: np.vander(v, 3),
    "window": lambda v: v * snp.hanning(v.shape[0]),
    "kaiser": lambda v: v * snp.kaiser(v.shape[0], 5.0),
    "einsum": lambda v: np.einsum("i,j,i->j", v, v, v),
    "unravel_index": lambda v: np.unravel_index(np.argmax(np.outer(v, v)), (v.shape[0],) * 2),
    "packbits": lambda v: np.packbits(v > 0),
    "block": lambda v: np.block([v, -v]),
    "place": lambda v: _placed(v),
    "fill_diagonal": lambda v: _filled(np.outer(v, v)),
    "add.at": lambda v: _added(v),
    "add.reduceat": lambda v: np.add.reduceat(v, [0, 1]),
    "apply_along_axis": lambda v: np.apply_along_axis(np.cumsum, 0, np.outer(v, v)),
}


def _placed(v):
    y = v.copy()
    np.place(y, v > 0, [1.0, 2.0])
    return y


def _filled(x):
    y = x.copy()
    np.fill_diagonal(y, [1.0, 2.0])
    return y


def _added(v):
    y = v.copy()
    np.add.at(y, [0, 0, 1], 1.0)
    return y


@pytest.mark.parametrize("name", EVERY_SIZE)
def test_one_graph_serves_every_size(name):
    function = EVERY_SIZE[name]
    graph = sf.trace(function, "f64[N]")
    for size in (2, 3, 4, 9):
        v = rng.normal(size=size)
        with np.errstate(all="ignore"):
            found, expected = graph(v), function(v)
        for one, other in zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
