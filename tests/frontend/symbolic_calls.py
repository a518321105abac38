"""Calls of everything that symfuse.numpy has, one a line, for arrays of symbolic sizes.

They come beside those of `numpy_calls.py`, whose arrays they read.
"""

from __future__ import annotations

_UNARY = (
    "absolute", "arccos", "arcsin", "arcsinh", "arctan", "arctanh", "ceil", "conj", "cos", "cosh",
    "exp2", "expm1", "floor", "log1p", "positive", "rad2deg", "rint", "sign", "sinh", "square",
    "tan", "tanh", "trunc", "isfinite", "isinf", "isnan", "logical_not",
)  # fmt: skip
_BINARY = (
    "arctan2", "divide", "equal", "floor_divide", "fmin", "fmod", "greater", "greater_equal",
    "less", "less_equal", "minimum", "mod", "not_equal", "remainder", "true_divide",
    "logical_and", "logical_xor",
)  # fmt: skip
_SPECIAL = (
    "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "expit", "gamma", "gammaln",
    "i0", "i0e", "i1", "i1e", "lgamma", "log_expit", "log_ndtr", "logit", "ndtr", "ndtri", "psi",
    "softplus",
)  # fmt: skip

_CALLS = """
np.log(d) + np.log10(d) + np.log2(d) + np.arccosh(d)
np.bitwise_and(i, 3) + np.invert(i)
np.amax(x, axis=0) + np.amin(x)
np.argmin(x, axis=1)
snp.asarray(x) + snp.ascontiguousarray(x) + np.copy(x)
np.astype(x, "float32")
np.atleast_1d(d) + np.atleast_2d(d)
snp.bartlett(d.shape[0]) + snp.blackman(d.shape[0]) + snp.kaiser(d.shape[0], 2.0)
snp.hamming(d.shape[0]) + snp.hanning(d.shape[0])
snp.bincount(k, length=4)
snp.diag_indices(s.shape[0])
np.dot(x, x.T)
np.dot(d, d)
np.matmul(c, c.transpose(0, 2, 1))
0 * snp.empty(x.shape) + 0 * np.empty_like(x)
np.fliplr(x) + np.flipud(x)
snp.fromfunction(lambda i, j: i + j, x.shape)
snp.full(x.shape, 3) + snp.ones(x.shape) + snp.zeros(x.shape) + np.ones_like(x)
snp.identity(s.shape[0]) + snp.tri(s.shape[0])
snp.indices(x.shape)
snp.eye(d.shape[0], 3)
snp.arange(x.shape[0])
snp.arange(1, x.shape[0] + 1, 2)
snp.linspace(0, 1, x.shape[0])
snp.linspace(0, 1, d.shape[0], endpoint=False)
snp.linspace(d[0], d[-1], x.shape[1])
np.matrix_transpose(c)
np.transpose(c, (1, 0, 2))
np.tril(s) + np.triu(s, 1)
snp.one_hot(k, 4)
snp.top_k(d, 1)[0]
snp.nonzero(j, size=3)
snp.flatnonzero(j, size=3)
snp.unique(j, size=8)
snp.unique_values(j, size=8)
snp.unique_counts(j, size=8).counts
snp.unique_inverse(j, size=8).values
snp.unique_all(j, size=8).values
snp.union1d(j, k, size=9)
snp.intersect1d(j, k, size=3)
snp.setdiff1d(j, k, size=5)
snp.setxor1d(j, k, size=9)
np.shape(x)[0] * d + np.size(x)
np.linalg.cholesky(s @ s.T + snp.eye(s.shape[0]))
np.linalg.cond(s)
np.linalg.det(s)
np.linalg.eigvalsh(s + s.T)
np.abs(np.linalg.eigh(s + s.T)[1])
np.abs(np.linalg.eig(s)[0]).sum() + np.abs(np.linalg.eigvals(s)).sum()
np.linalg.inv(s)
np.linalg.lstsq(s, r)[0]
np.linalg.matrix_power(s, 3)
np.abs(np.linalg.qr(s)[1])
np.linalg.slogdet(s)
np.linalg.solve(s, r)
np.linalg.svd(x, full_matrices=False)[1]
np.linalg.svdvals(x)
np.linalg.pinv(x)
np.linalg.matrix_rank(x)
np.linalg.matrix_norm(x)
np.linalg.vector_norm(x, axis=0)
np.linalg.trace(s)
np.fft.fft(x)
np.fft.fft2(x)
np.fft.fftn(c)
np.fft.fftshift(x)
np.fft.ifftshift(x)
np.fft.hfft(np.stack([d, d, d], 1), axis=0)
np.fft.ihfft(x)
np.fft.ifft(x)
np.fft.ifft2(x)
np.fft.ifftn(x)
np.fft.irfft(np.stack([d, d + d[::-1]], 1))
np.fft.irfft2(np.stack([d, d + d[::-1]], 1))
np.fft.irfftn(np.stack([x, x * x], 2))
np.fft.rfft(x)
np.fft.rfft2(x)
np.fft.rfftn(c)
np.fft.rfft(d, 4)
snp.fft.fftfreq(d.shape[0]) * d
snp.fft.rfftfreq(d.shape[0])
x[::-1]
x[::-2]
x[2::-1]
d[-2::-2]
d[4:1:-1]
d[1:-1]
d[-3:-1]
d[2:] - 2 * d[1:-1] + d[:-2]
d[::3]
d[1::2] * 2
d[3:1]
d[d.shape[0] // 2 :]
d[-(d.shape[0] // 2) :]
x[-1]
x[:, -2:]
x[1:, :-1] + x[:-1, 1:]
d.reshape(-1, 1) * d
x.reshape(-1)
c.reshape(c.shape[0], -1)
c.reshape(-1, c.shape[-1])
c.reshape(c.shape[0] * c.shape[1], c.shape[2])
x.swapaxes(0, 1)
x / x.sum(0)
d2 = d.copy(); d2[:-1] -= d[1:]; d2
d2 = d.copy(); d2[::2] = 0; d2
d2 = d.copy(); d2[1::2] *= 3; d2
d2 = d.copy(); d2[::-1] += d; d2
d2 = d.copy(); d2[::-2] += 7; d2
d2 = d.copy(); d2[1:-1] = 7; d2
x2 = x.copy(); x2[:, ::2] += 1; x2
x2 = x.copy(); x2[-1] = 0; x2
x2 = x.copy(); x2[:, 0] = x[:, -1]; x2
np.convolve(d, r)
np.convolve(d, r, "same")
np.convolve(d, r, "valid")
np.correlate(d, r, "full")
np.correlate(r, d, "same")
np.squeeze(x[None], 0)
np.concatenate([d, d[1:]])
np.tile(x, (2, 1))
np.repeat(x, 2, 1)
np.tensordot(x, x, ((1,), (1,)))
np.kron(a, x)
np.meshgrid(d, r)
np.partition(d, 0)[0]
np.cumsum(x, 1)
np.diff(d, 2)
np.pad(d, (1, 2), "edge")
np.roll(d, d.shape[0] // 2)
np.roll(x, (1, -2), (0, 1))
np.diag(d)
np.split(d, 1)
np.split(d, 3)
np.hsplit(x, 2)
np.array_split(x, 3, 1)
np.array_split(d, 4)
np.polyadd(r, d)
np.polysub(d, [1.0, 2.0])
np.argsort(d)
np.searchsorted(d, h)
np.logaddexp.accumulate(d)
np.logaddexp.reduce(x, 1)
np.multiply.outer(d, r)
snp.norm(x) + snp.vector_norm(x)
snp.sliding_window_view(d, 3)
snp.poly(s)
np.sort(np.abs(snp.roots(d)))
special.log_softmax(x, axis=1) + special.softmax(x)
special.logsumexp(x, axis=0)
special.xlogy(x, x + 1) + special.xlog1py(x, x)
special.beta(d, d) + special.betaln(d, d)
special.kl_div(d, d) + special.rel_entr(d, d)
special.polygamma(1, d) + special.zeta(d + 1, d)
special.gammainc(d, d) + special.gammaincc(d, d)
special.betainc(d, d, d / (d + 1)) + special.betaincc(d, d, d / (d + 1))
"""

LINES = [
    *(f"np.{name}(q)" for name in _UNARY),
    *(f"np.{name}(x, x + 1)" for name in _BINARY),
    *(f"special.{name}(q * 0.9 + 0.05)" for name in _SPECIAL),
    *(line for line in _CALLS.splitlines() if line),
]

WITHOUT_ARRAYS = (
    "broadcast_shapes", "can_cast", "finfo", "from_dlpack", "iinfo", "isdtype", "issubdtype",
    "promote_types", "result_type", "tril_indices", "triu_indices",
)  # fmt: skip

_REFUSED = {
    "a list in the call says how long the axis is": """
np.choose([2, 3, 1, 0], [j[:4], j[1:5], j[2:6], j[3:]])
np.choose([1, 4, 7], [r, -r, 2 * r], mode="wrap")
np.insert(i, 1, [9, 8], axis=1)
np.insert(i, [1], [[9], [8]], axis=1)
np.append(i, [[7, 8, 9]], axis=0)
np.where([[True, False], [True, True]], a, b)
i2 = i.copy(); np.copyto(i2, [[4, 5, 6], [7, 8, 9]]); i2
f2 = f.copy(); np.put_along_axis(f2, np.array([[0], [2]]), [[-1.0], [-2.0]], axis=1); f2
np.block([[a, np.zeros((2, 3))], [np.ones((3, 2)), s]])
np.repeat(a, [1, 2], axis=0)
np.broadcast_to(r, (2, 3))
np.sum([[0, 1], [0, 5]] * i[:, :2], axis=0, initial=10)
np.prod(r, where=[True, False, True])
np.max(r, where=[False, True, True], initial=-1)
np.std(x, axis=1, ddof=1, where=[True, True, False, True])
np.any(n, axis=1, where=[True, True, False])
np.all(n, axis=0, where=[[True], [False]])
np.average(x, axis=1, weights=[1.0, 2.0, 3.0, 4.0])
np.average(i, axis=0, weights=[3.0, 1.0], returned=True)
np.average(c, axis=(2, 0), weights=np.arange(8.0).reshape(4, 2))
np.cov(x[:, :3], fweights=[1, 2, 1], aweights=[0.5, 1.0, 2.0])
np.corrcoef(r, [1.0, 2.0, 4.0])
np.histogram([1, 2, 1] + 0 * k, bins=[0, 1, 2, 3])
np.gradient(d, np.array([0.0, 1.0, 1.5, 3.5, 4.0, 6.0]))
np.gradient(d, np.array([0.0, 1.0, 1.5, 3.5, 4.0, 6.0]), edge_order=2)
np.gradient(x, 2.0, np.array([1.0, 1.5, 3.5, 4.0]))
np.trapezoid([1, 2, 3] * k)
np.trapezoid(d, x=[4, 6, 8, 9, 12, 13])
np.unwrap(np.array([0, 1, 2, -1, 0]) + 0 * j[:5], period=4)
np.cross(r, [4, 5, 6])
np.linalg.tensorsolve(np.eye(6).reshape(6, 2, 3) + 0 * r[0], d)
np.polyder([1, 1, 1, 1] * d[:4], 2)
np.logaddexp2(r, [0.0, 1.0, -np.inf])
np.ldexp(r, [4, -3, 1000])
np.bitwise_xor(i, [1, 2, 3])
np.pow(d, [1, 2, 0, 1, 0.5, -1])
np.sort_complex(j - 1j * d[[0, 1, 2, 3, 4, 5, 0]])
""",
    "two sizes are one in this call, and need not be": """
c[k[1:], k[:2], ::-2]
x2 = x.copy(); x2[1, 1:] -= r; x2
np.inner(a, r[:2])
np.ldexp(g[:3], k)
""",
    "how many steps of a division there are": """
np.polydiv(d, r)
np.polydiv(r, d)
""",
    "vectors of three": """
np.cross(s, s[::-1], axis=0)
np.cross(i.T, i[:, ::-1].T, axisa=0, axisb=0, axisc=0)
np.linalg.cross(s, r)
""",
    "a square of the diagonal": """
c2 = np.zeros_like(x[:, :3].T[:, None] + s); np.fill_diagonal(c2, 4); c2
""",
    "how many results there are": """
np.unstack(c, axis=1)
snp.poly(s)
""",
    "which axes there are": """
np.squeeze(c[:1])
""",
    "places that are in no known order": """
np.delete(x, np.s_[::2], 1)
""",
    "rows and columns of a triangle are counted": """
s[np.triu_indices_from(s)]
s[np.tril_indices_from(s, -1)]
""",
}

REFUSED = {
    line: reason for reason, lines in _REFUSED.items() for line in lines.splitlines() if line
}

# Of these NumPy goes through the elements before it asks whose array it is.
GONE_THROUGH = ("np.poly(s)", "np.sort(np.abs(np.roots(d)))")

OF_ONE_ELEMENT = {
    'np.correlate(r, [0, 1, 0.5], "same")': "a compiled program refuses what is shorter",
    "np.cov(x)": "a matrix, where NumPy has a number",
    "np.cov(x, rowvar=False, bias=True)": "a matrix, where NumPy has a number",
    "np.corrcoef(x + np.sin(x))": "a matrix, where NumPy has a number",
}
