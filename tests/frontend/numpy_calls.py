"""Calls in the manner of the examples of NumPy's documentation, one a line.

A line is an expression, or statements and an expression behind semicolons. The letters are the
arrays below; in a test they are traced.
"""

from __future__ import annotations

import numpy as np

ARRAYS = {
    "a": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "b": np.array([[5.0, 6.0], [7.0, 9.0]]),
    "c": np.arange(24.0).reshape(2, 3, 4),
    "d": np.array([1.0, 2.0, 4.0, 7.0, 11.0, 16.0]),
    "e": np.array([[1.0, np.nan, 3.0], [np.nan, 5.0, 6.0]]),
    "f": np.array([[10.0, 7.0, 4.0], [3.0, 2.0, 1.0]]),
    "g": np.array([0.5, 0.7, 1.0, 1.2, 1.3, 2.1], "float32"),
    "h": np.array([-1.7, -1.5, -0.2, 0.2, 1.5, 1.7, 2.0]),
    "i": np.array([[1, 2, 3], [4, 5, 6]]),
    "j": np.array([0, 1, 1, 3, 2, 1, 7]),
    "k": np.array([2, 0, 1]),
    "l": np.array([[0, 2, 1], [1, 0, 2]]),
    "m": np.array([True, False, True, True]),
    "n": np.array([[True, False, True], [False, True, False]]),
    "o": np.array([[4, 6, 1, 3], [7, 0, 9, 8]], "int32"),
    "p": np.array([2, 7, 23], "uint8"),
    "q": np.array([0.0, 0.25, 0.5, 0.75, 1.0]),
    "r": np.array([3.0, -1.0, 2.0]),
    "s": np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]]),
    "t": np.array([0.0, 0.78, 5.49, 6.28, -3.0]),
    "u": np.array([12, 20, -8, 0]),
    "v": np.array([18, 30, 12, 5]),
    "w": np.array([1.5, -0.0, np.inf, -np.inf, np.nan, 0.1, -6.0, 1e-310]),
    "x": np.arange(12.0).reshape(3, 4),
    "y": np.array([0.0, 0.8, 0.9, 0.1, -0.8, -1.0]),
    "z": np.array(5.0),
}

CALLS = """
# parts and places
x[[0, 2]]
x[[0, 1, 2], [3, 0, 1]]
x[np.ix_([0, 2], [1, 3])]
x[::2, ::-1]
x[..., np.newaxis, 1]
x[..., [True, False, True, False]]
c[np.arange(6).reshape(2, 3) % 2 == 0]
c[..., np.ones((3, 4), bool)]
x[l[0], :, np.newaxis][:, k]
c[:, [0, 2], [[1], [3]]]
c[k[1:], k[:2], ::-2]
np.take(d, [0, 1, 4])
np.take(d, [[0, 1], [2, 3]])
np.take(x, k, axis=0, mode="clip")
np.take_along_axis(f, np.argsort(f, axis=1), axis=1)
np.take_along_axis(i, l, axis=1)
np.choose([2, 3, 1, 0], [j[:4], j[1:5], j[2:6], j[3:]])
np.choose(l, [10, 20, 30])
np.choose([1, 4, 7], [r, -r, 2 * r], mode="wrap")
np.compress([False, True, True], x, axis=0)
np.compress([True, False, True], x, axis=1)
np.extract(np.array([1, 0, 1, 1, 0, 1]), d)
np.delete(x, 1, 0)
np.delete(x, np.s_[::2], 1)
np.delete(x, [1, 3, 5], None)
np.insert(i, 1, 6)
np.insert(i, 1, 6, axis=1)
np.insert(i, 1, [9, 8], axis=1)
np.insert(i, [1], [[9], [8]], axis=1)
np.insert(d, [2, 2], [5, 6])
np.insert(d, -1, [5, 6])
np.delete(d, -1)
np.delete(x, -2, axis=1)
np.insert(d, slice(2, 4), [7, 8])
np.append(i, [[7, 8, 9]], axis=0)
np.resize(i, (2, 5))
np.resize(d, 9)
np.diagonal(c, 0, 0, 1)
np.diag(s)
np.diag(np.diag(s), k=1)
np.diagflat(a, 1)
np.diag_indices_from(s)
s[np.triu_indices_from(s)]
s[np.tril_indices_from(s, -1)]
np.unravel_index(j, (2, 4))
np.unravel_index(j, (2, 4), order="F")
np.ravel_multi_index((k, k[::-1]), (3, 4))
np.ravel_multi_index((j, j), (3, 4), mode=("clip", "wrap"))
np.ravel_multi_index((k, k), (3, 4), order="F")
np.where(x < 5, x, 10 * x)
np.where([[True, False], [True, True]], a, b)
np.select([d < 3, d > 6], [d, d**2], default=42)
np.piecewise(h, [h < 0, h >= 0], [-1, 1])
np.piecewise(h, [h < 0, h >= 0], [lambda v: -v, lambda v: v])
np.piecewise(h, [h < -1], [lambda v: v * v, 7.0])
np.searchsorted(d, [0.0, 4.0, 12.0])
np.searchsorted(d, h, side="right")
np.argwhere(np.array([[0, 1], [1, 0]])) + k[0]

# written in place
y2 = y.copy(); y2[2:4] = 7.0; y2
y2 = y.copy(); y2[1::2] *= 3; y2 += 1; y2
x2 = x.copy(); x2[[0, 2]] = x2[[2, 0]]; x2
x2 = x.copy(); x2[x2 > 5] = 0.5; x2
x2 = x.copy(); x2[1, 1:] -= r; x2
x2 = x.copy(); x2[x2 % 2 == 0] *= -1; x2
x2 = x.copy(); x2[x2 > 5] = 2 * np.sqrt(x[x2 > 5]) + 1; x2
x2 = x.copy(); x2[r < 0] -= x2[r < 0] * 3; x2
i2 = i.copy(); i2[i2 > 2] //= 2; i2
j2 = j.copy(); j2[(j2 > 1) & (j2 < 7)] += 100; j2
x[x > 5].sum()
x[x > 5].mean() - np.mean(x[x < 3])
np.max(h[h < 0]) + h[h > 0].min()
(d[d > 2] ** 2).std()
np.any(x[x > 2] > 11)
i[i > 4].prod()
d[d > 3].size
x[r > 0].sum()
y2 = y.copy(); np.add(y, 1, out=y2)
y2 = y.copy(); np.negative(y, out=y2, where=y > 0); y2
r2 = r.copy(); np.sum(s, axis=1, out=r2); r2
x2 = x.copy(); np.clip(x, 2, 5, out=x2); x2
x2, y2 = np.meshgrid(r, k); x2[0] = 7; x2
y2 = y.copy(); np.put(y2, [0, 2], [-44, -55]); y2
y2 = y.copy(); np.put(y2, 22, -5, mode="clip"); y2
y2 = y.copy(); np.put(y2, [7, 1, 9], [1, 2], mode="wrap"); y2
f2 = f.copy(); np.put_along_axis(f2, np.argmax(f2, axis=1)[:, None], 99, axis=1); f2
f2 = f.copy(); np.put_along_axis(f2, np.array([[0], [2]]), [[-1.0], [-2.0]], axis=1); f2
x2 = x.copy(); np.putmask(x2, x2 > 2, x2**2); x2
j2 = j.copy(); np.putmask(j2, j2 > 1, [-33, -44]); j2
i2 = i.copy(); np.place(i2, i2 > 2, [44, 55]); i2
i2 = i.copy(); np.copyto(i2, [[4, 5, 6], [7, 8, 9]]); i2
x2 = x.copy(); np.copyto(x2, -1, where=x2 > 6); x2
s2 = s.copy(); np.fill_diagonal(s2, 5); s2
x2 = x.copy(); np.fill_diagonal(x2, [1.0, 2.0]); x2
c2 = np.zeros_like(x[:, :3].T[:, None] + s); np.fill_diagonal(c2, 4); c2
x2 = np.zeros_like(np.repeat(s, 2, axis=0)); np.fill_diagonal(x2, 4, wrap=True); x2
d2 = -d; d2.sort(); d2
d2 = d.copy(); d2.fill(3); d2
d2 = d.copy(); d2.put([1, 3], -1); d2
o2 = o.copy(); o2.partition(2, axis=1); np.sort(o2[:, :2], axis=1)

# shapes, joined and cut
np.block([[a, np.zeros((2, 3))], [np.ones((3, 2)), s]])
np.block([d, 10])
np.stack((r, 2 * r), axis=-1)
np.vstack((r, -r))
np.hstack((a, b))
np.dstack((a, b))
np.column_stack((r, 2 * r))
np.concatenate((a, b.T), axis=1)
np.concatenate((i, p), axis=None)
np.split(d, [2, 5])
np.array_split(d, 4)
np.dsplit(c, 2)
np.hsplit(x, [1, 3])
np.vsplit(x, 3)
np.unstack(c, axis=1)
np.moveaxis(c, [0, 1], [-1, -2])
np.rollaxis(c, 2, 1)
np.swapaxes(c, 0, 2)
np.rot90(i, 3)
np.rot90(c, 1, (1, 2))
np.flip(c, (0, 2))
np.roll(x, (1, 1), axis=(1, 0))
np.roll(d, k[0])
np.roll(x, [1, 1], axis=1)
np.roll(x, -k[0], axis=(0, 1))
np.tile(i, (2, 1, 2))
np.repeat(a, [1, 2], axis=0)
np.broadcast_to(r, (2, 3))
np.broadcast_arrays(r, i)
np.expand_dims(r, axis=(0, 2))
np.squeeze(c[:1])
np.atleast_3d(r)
np.ravel(c[::-1])
np.ravel(c, order="F")
c.flatten("F")
np.reshape(c, (4, -1), order="F")
x.reshape(2, 6, order="F").flat[3]
np.tril(r)
np.triu(r, 1)
np.reshape(c, (4, -1))
np.permute_dims(c, (1, 2, 0))
np.meshgrid(r, d[:2])
np.meshgrid(r, d[:2], k, indexing="ij", sparse=True)
np.tril(x, 1)
np.triu(c, -1)
np.pad(r, (2, 3), "constant", constant_values=(4, 6))
np.pad(r, (2, 3), "edge")
np.pad(i, (2, 3), "linear_ramp", end_values=(5, -4))
np.pad(r, (2, 3), "linear_ramp", end_values=(5, -4))
np.pad(r, 2, "maximum")
np.pad(i, ((3, 2), (2, 3)), "minimum")
np.pad(r, 2, "mean", stat_length=2)
np.pad(i, 1, "median")
np.pad(r, (2, 1), "reflect")
np.pad(r, (2, 3), "symmetric")
np.pad(r, (2, 3), "wrap")
np.pad(r, (7, 8), "reflect")
np.pad(r[:1], 2, "reflect")
np.pad(r, (7, 8), "symmetric")
np.pad(i, {0: (0, 2), -1: 1})
np.full_like(i, 0.1, dtype=np.double)

# sums and statistics
np.sum(x, where=x > 2)
np.sum([[0, 1], [0, 5]] * i[:, :2], axis=0, initial=10)
np.prod(r, where=[True, False, True])
np.prod(a, axis=1, initial=5)
np.max(x, axis=1, initial=5)
np.max(r, where=[False, True, True], initial=-1)
np.min(x, axis=0, where=x > 1, initial=99)
np.mean(x, where=x > 2)
np.mean(c, axis=(0, 2), keepdims=True)
np.std(x, axis=1, ddof=1, where=[True, True, False, True])
np.var(i, axis=0)
np.var(x, mean=np.mean(x, axis=1, keepdims=True), axis=1)
np.any(n, axis=1, where=[True, True, False])
np.all(n, axis=0, where=[[True], [False]])
np.average(x, axis=1, weights=[1.0, 2.0, 3.0, 4.0])
np.average(i, axis=0, weights=[3.0, 1.0], returned=True)
np.ptp(f, axis=1)
np.cumsum(i, axis=0)
np.cumprod(i)
np.cumulative_sum(j, include_initial=True)
np.cumulative_prod(a, axis=1, include_initial=True)
np.nansum(e, axis=0)
np.nanprod(e)
np.nanmean(e, axis=1)
np.nanvar(e, ddof=1)
np.nanstd(e, axis=0)
np.nanmax(e, axis=0)
np.nanmin(e, axis=1, keepdims=True)
np.nanargmax(e, axis=1)
np.nanargmin(e)
np.nancumsum(e, axis=1)
np.nancumprod(e)
np.nanmedian(e, axis=1)
np.nanmedian(e)
np.nanpercentile(e, [10, 50, 75], axis=1)
np.nanquantile(e, 0.4, axis=0, keepdims=True)
np.median(f, axis=(0, 1), keepdims=True)
np.median(c, axis=(0, 2))
np.percentile(f, 50, axis=0)
np.percentile(f, q=[25, 75])
np.quantile(f, 0.5, axis=1, keepdims=True)
np.quantile(d, q)
np.quantile(d, q, method="lower")
np.quantile(d, q, method="higher")
np.quantile(d, q, method="nearest")
np.quantile(d, q, method="midpoint")
np.quantile(d, q, method="inverted_cdf")
np.quantile(d, q, method="averaged_inverted_cdf")
np.quantile(d, q, method="closest_observation")
np.quantile(d, q, method="hazen")
np.quantile(d, q, method="weibull")
np.quantile(d, q, method="median_unbiased")
np.quantile(d, q, method="normal_unbiased")
np.quantile(d, q, method="interpolated_inverted_cdf")
np.quantile(g, 0.3)
np.quantile(i, 0.3, method="lower")
np.quantile(i, [0.3, 0.9], method="nearest", axis=1)
np.histogram(h, range=(-1, 1))
np.average(c, axis=(2, 0), weights=np.arange(8.0).reshape(4, 2))
np.cov(x)
np.cov(r, r**2)
np.cov(x, rowvar=False, bias=True)
np.cov(x[:, :3], fweights=[1, 2, 1], aweights=[0.5, 1.0, 2.0])
np.corrcoef(x + np.sin(x))
np.corrcoef(r, [1.0, 2.0, 4.0])
np.histogram([1, 2, 1] + 0 * k, bins=[0, 1, 2, 3])
np.histogram(d, bins=4, range=(0, 20))
np.histogram(h, bins=5, density=True)
np.histogram(h, bins=3, weights=np.abs(h))
np.histogram_bin_edges(d, bins=5)
np.histogram2d(h, h**2, bins=(3, 2))
np.histogramdd([h, h**2], bins=[2, [0.0, 1.0, 5.0]], density=True)
np.digitize(h, [-1.0, 0.0, 1.5])
np.digitize(d, [10.0, 5.0, 2.0], right=True)
np.count_nonzero(n, axis=1)

# order
np.sort(x[:, ::-1], axis=0)
np.sort(o, axis=None)
np.argsort(f, axis=0)
np.lexsort((j, j % 3))
np.partition(d[::-1], 3)[3]
np.sort(np.argpartition(d[::-1], 2)[:3])
np.isin(j, [1, 3])
np.isin(i, p, invert=True)

# differences
np.diff(d, n=2)
np.diff(x, axis=0, prepend=0, append=x[:1])
np.diff(m)
np.ediff1d(d, to_begin=-99, to_end=np.array([88, 99]))
np.gradient(d)
np.gradient(d, 2.0, edge_order=2)
np.gradient(d, np.array([0.0, 1.0, 1.5, 3.5, 4.0, 6.0]))
np.gradient(d, np.array([0.0, 1.0, 1.5, 3.5, 4.0, 6.0]), edge_order=2)
np.gradient(x, 2.0, np.array([1.0, 1.5, 3.5, 4.0]))
np.gradient(i.T, axis=0)
np.trapezoid([1, 2, 3] * k)
np.trapezoid(d, x=[4, 6, 8, 9, 12, 13])
np.trapezoid(i, axis=0, dx=0.5)
np.interp(2.5, d, d**2)
np.interp(h, d, d**2, left=-1, right=-2)
np.interp(t, [190.0, -190.0, 350.0, -350.0], [5.0, 10.0, 3.0, 4.0], period=360)
np.unwrap(t)
np.unwrap(np.array([0, 1, 2, -1, 0]) + 0 * j[:5], period=4)
np.convolve(r, [0, 1, 0.5])
np.correlate(r, [0, 1, 0.5], "same")

# products
np.linspace(r, 5, 4, endpoint=False)
np.linspace(0, r, 3, axis=1)
np.linspace(r[0], 2, 5, retstep=True)
np.linspace(r[0], 9, 4, dtype=int)
np.logspace(r, 3.0, 4)
np.logspace(r[0], 2, 5, base=2)
np.geomspace(z, 1000, num=4)
np.geomspace(-d, -1000.0, num=3, endpoint=False)
np.einsum("ii", s)
np.einsum("...ii->...i", s[None])
np.einsum("ij,j", i, k)
np.einsum(s, [0, 1], r, [1])
np.einsum(c, [Ellipsis, 0], [Ellipsis])
np.einsum("...j,...j->...", x, x)
np.einsum("k...,jk", a, b)
np.einsum("ijk,ilm,njm,nlk,abc->", c, c, c, c, c)
np.einsum("ij,jk,kl->il", a, b, a, optimize="optimal")
np.einsum("ij,jk,kl->il", a, b, a, optimize=np.einsum_path("ij,jk,kl->il", a, b, a)[0])
np.tensordot(c, x, axes=([1], [0]))
np.inner(a, r[:2])
np.outer(r, d)
np.kron(a, [[1, 1], [0, 1]])
np.vdot(a, b)
np.vecdot(x, x)
np.matvec(s, r)
np.vecmat(r, s)
np.cross(r, [4, 5, 6])
np.cross(s, s[::-1], axis=0)
np.cross(i.T, i[:, ::-1].T, axisa=0, axisb=0, axisc=0)
np.trace(c, axis1=1, axis2=2)
np.linalg.trace(c)
np.linalg.diagonal(c, offset=1)
np.linalg.outer(r, r)
np.linalg.cross(s, r)
np.linalg.multi_dot([a, b, a, b[:, :1]])
np.linalg.multi_dot([r, s, r])
np.linalg.tensorsolve(np.eye(6).reshape(6, 2, 3) + 0 * r[0], d)
np.linalg.tensorinv((np.eye(6) * 2).reshape(2, 3, 6) + 0 * r[0], ind=2)
np.linalg.matrix_norm(c, ord=1)
np.linalg.vector_norm(x, axis=1, ord=3)
np.linalg.vector_norm(c - 7, axis=(0, 1), ord=1)
np.linalg.vector_norm(c - 7, axis=(0, 2), ord=3, keepdims=True)
np.linalg.vector_norm(c - 7, keepdims=True, ord=-np.inf)
np.linalg.vector_norm(x, axis=0, ord=0)
np.linalg.norm(x - 5, axis=(1, 0), ord=1)
np.linalg.norm(c - 7, axis=(2, 0), ord=np.inf, keepdims=True)
np.linalg.norm(r, ord=0)
np.linalg.norm(i, ord=-1, axis=1)
np.linalg.vecdot(x, x)
np.linalg.pinv(s * np.ones((2, 1, 1)), rtol=[0.01, 0.6])
np.linalg.matrix_rank(s * np.ones((2, 1, 1)), rtol=[0.01, 0.6])
np.linalg.matrix_rank(s * np.ones((2, 1, 1)), tol=[3.0, 1.0])
np.linalg.matmul(a, b)
np.linalg.tensordot(a, b)
np.linalg.matrix_transpose(c)

# polynomials
np.polyval([3, 0, 1], z)
np.polyval(r, x)
np.poly([r[0], r[1], 0.5])
np.poly(s)
np.polydiv(d, r)
np.polydiv(r, d)
np.sort(np.abs(np.roots(d)))
np.sort_complex(k + 1j * r)
np.sort_complex(l)
np.sort_complex(j - 1j * d[[0, 1, 2, 3, 4, 5, 0]])
np.lib.stride_tricks.sliding_window_view(d, 3)
np.lib.stride_tricks.sliding_window_view(x, (2, 2))
np.lib.stride_tricks.sliding_window_view(x, 2, axis=-1).mean(-1)
x.astype(np.common_type(i, g))
np.polyadd([1, 2], r)
np.polysub([2, 10, -2], r)
np.polymul([1, 2, 3], r)
np.polyder([1, 1, 1, 1] * d[:4], 2)
np.polyint(r, 2, k=[6.0, 5.0])
np.polyfit(d, d**2 + d, 2)
np.polyfit(q, np.stack([2 * q**2 + q + 1, 3 - q], 1)[:, :1], 2)
np.vander(r, 3)
np.vander(k, 4, increasing=True)

# single elements
np.fabs(i)
np.float_power(i, 2)
np.logaddexp2(r, [0.0, 1.0, -np.inf])
np.logaddexp(d, -d)
np.fix(h)
np.around(h, 1)
np.divmod(j, 3)
np.divmod(h, 0.7)
np.modf(h)
np.modf(w)
np.frexp(w)
np.frexp(g)
np.ldexp(r, [4, -3, 1000])
np.ldexp(g[:3], k)
np.spacing(g)
np.spacing(h)
np.gcd(u, v)
np.lcm(u, v)
np.bitwise_count(u)
np.bitwise_count(p)
np.packbits(n, axis=1)
np.packbits(j > 1, bitorder="little")
np.unpackbits(p)
np.unpackbits(p[:, None], axis=1, count=-3, bitorder="little")
np.heaviside(h, 0.5)
np.sinc(h)
np.i0(np.concatenate([h, 10 * d]))
np.deg2rad(t)
np.nan_to_num(w, nan=-1, posinf=33, neginf=-9)
np.isclose(e, e + 1e-9, equal_nan=True)
np.allclose(d, d + 1e-9)
np.array_equal(e, e, equal_nan=True)
np.array_equiv(r, [r, r])
np.isposinf(w)
np.isneginf(w)
np.signbit(w)
np.copysign(1, w)
np.nextafter(h, 2)
np.clip(j, 1, 4)
np.cbrt(d)
np.hypot(r, 4)
np.round(-h * 15, -1)
np.round(i * 7, -1)
np.reciprocal(2 * i - 7)
np.sqrt(p)
np.exp(m)
np.power(m, m)
divmod(7, i)
np.acos(q)
np.asin(q)
np.atan(h)
np.atan2(h, 2)
np.acosh(d)
np.arccosh(d)
np.asinh(h)
np.atanh(q / 2)
np.bitwise_invert(i)
np.bitwise_not(m)
np.bitwise_or(i, 8)
np.bitwise_xor(i, [1, 2, 3])
np.bitwise_left_shift(i, 2)
np.bitwise_right_shift(v, k[0])
np.left_shift(j, 3)
np.right_shift(v, 1)
np.pow(d, [1, 2, 0, 1, 0.5, -1])
np.degrees(t)
np.radians(t)
np.real(r)
np.imag(r)
np.conjugate(r)
np.angle(r)
np.iscomplex(r)
np.isreal(r)
np.iscomplexobj(r)
np.isrealobj(r)
np.concat((r, k))
np.ndim(x)
np.fmax(e, 2)

# functions of functions
np.apply_along_axis(lambda v: (v[0] + v[-1]) * 0.5, 0, x)
np.apply_along_axis(np.diag, -1, i)
np.apply_over_axes(np.sum, c, [0, 2])
np.add.reduce(c, axis=(0, 2))
np.add.outer(r, d)
np.subtract.outer(i, k)
np.multiply.accumulate(j)
np.maximum.accumulate(h)
np.logical_or.reduce(n, axis=1)
np.bitwise_or.reduce(i, axis=None)
np.logaddexp.reduce(x, axis=(0, 1), keepdims=True)
np.add.reduceat(d, [0, 4, 1, 5])
np.multiply.reduceat(x, [0, 2], axis=1)
j2 = j.copy(); np.add.at(j2, [0, 0, 2], 1); j2
d2 = d.copy(); np.maximum.at(d2, [0, 1, 1], [5.0, 1.0, 3.0]); d2
d2 = d.copy(); np.subtract.at(d2, [0, 1, 1], [5.0, 1.0, 3.0]); d2
"""

LINES = [line for line in CALLS.splitlines() if line and not line.startswith("#")]

REFUSED = """
np.take(x, 7, axis=0)
np.delete(x, 9, axis=0)
np.insert(d, 9, 1)
np.insert(d, [9], 1)
np.compress([True] * 5, x, axis=0)
np.concatenate([x, r])
np.stack([r, d])
np.split(d, 4)
np.reshape(x, (5, 2))
np.transpose(x, (0, 0))
np.squeeze(x, axis=0)
np.expand_dims(x, 5)
np.broadcast_to(x, (3, 3))
np.rot90(x, axes=(0, 0))
np.roll(x, 1, axis=4)
np.repeat(x, [1, 2], axis=0)
np.pad(x, 1, mode="nothing")
np.fill_diagonal(r.copy(), 1)
np.matmul(x, x)
np.tensordot(x, x.T)
np.cross(d, d)
np.einsum("ij,jk", x, x)
np.einsum("ijk", x)
np.linalg.norm(c, ord=1, axis=(0, 1, 2))
np.linalg.outer(x, x)
np.linalg.multi_dot([x, x])
np.sum(x, axis=2)
np.sum(x, axis=(0, 0))
np.max(x[:0])
np.max(x, where=x > 1)
np.cumulative_sum(x)
np.quantile(d, 0.5, method="best")
np.quantile(d, 1.5)
np.percentile(d, 101)
np.average(x, axis=0, weights=d)
np.cov(c)
np.cov(x, ddof=1.5)
np.histogram(d, bins=[3, 1, 2])
np.histogram(d, bins=0)
np.histogram(d, range=(3, 1))
np.digitize(d, [1, 3, 2])
np.searchsorted(x, 1)
np.searchsorted(d, 1, side="middle")
np.interp(r, d, r)
np.gradient(d, 1.0, 2.0)
np.gradient(d[:1])
np.gradient(d, edge_order=3)
np.diff(d, n=-1)
np.polyfit(d, d, -1)
np.polyint(r, -1)
np.polyder(r, -1)
np.linspace(r, 3, -1)
np.select([x > 1], [x, x])
np.piecewise(d, [d > 1], [1, 2, 3])
np.ravel_multi_index((k, k), (3,))
np.ravel_multi_index((k, k), (3, 4), mode="bad")
np.unravel_index(r, (2, 2))
np.ix_(x)
np.packbits(d)
np.unpackbits(d)
np.gcd(d, 2)
np.bitwise_count(d)
np.ldexp(d, 1.5)
np.block([a, [b]])
np.dsplit(x, 2)
np.partition(d, 9)
np.argpartition(d, 9)
np.meshgrid(r, indexing="zz")
np.copyto(i.copy(), i * 1.5)
x[[True, False]]
x[:, np.array([True, False, True])]
c[..., np.ones((2, 3), bool)]
""".strip().splitlines()
"""Calls that NumPy refuses."""
