"""Derivatives of decompositions.

After M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation", Oxford University 2008; for the triangles of LU and QR likewise, from
the derivative of the product. For general eigenvectors see C. Boeddeker, P. Hanebrink, L. Drude,
J. Heymann and R. Haeb-Umbach, "On the computation of complex-valued gradients with application to
statistically optimum beamforming", arXiv:1701.00392 (2017); for complex singular vectors Z.-Q. Wan
and S.-X. Zhang, "Automatic differentiation for complex valued SVD", arXiv:1909.02659 (2019).

Eigenvectors and singular vectors of complex matrices are determined but for phases. A derivative
turns none of them: the change of an eigenvector or right singular vector is orthogonal to it. So
derivatives of what does not depend on phases are right. Where values are equal, derivatives of
vectors are infinite or NaN, and those of values are the ones along the vectors that were found.
"""

from __future__ import annotations

from typing import Any

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import UnsupportedError

from ..ir.dims import is_at_most, minimum
from ..ir.node import Node
from ..ir.op import operations
from .arithmetic import divide, multiply, subtract
from .compare import equal, greater, greater_equal, select
from .contract import contract
from .conversion import convert
from .indexing import take_along_axis
from .kinds import like, zeros
from .reduce import reduce_sum
from .shape import broadcast, iota, reshape, transpose
from .slicing import concatenate, slice

__all__ = [
    "cholesky_jvp",
    "eig_jvp",
    "eigh_jvp",
    "lu_jvp",
    "qr_jvp",
    "svd_jvp",
    "triangular_solve_jvp",
    "triangular_solve_transpose",
]


def _turned(x: Node) -> Any:
    """The transposed matrices."""
    return transpose(x, axes=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


def _conjugate(x: Node) -> Any:
    return operations["conjugate"](x) if x.dtype.is_complex else x


def _adjoint(x: Node) -> Any:
    """The transposed matrices, conjugated if they are complex."""
    return _conjugate(_turned(x))


def _real_part(x: Node) -> Any:
    """The elements without their imaginary parts, in their own type."""
    return convert(operations["real"](x), dtype=x.dtype) if x.dtype.is_complex else x


def _times(x: Any, y: Any, *, left: bool = False, right: bool = False) -> Any:
    """Products of matrices, of which either may be meant transposed."""
    shared = tuple(range(x.rank - 2))
    over = ((x.rank - (2 if left else 1),), (y.rank - (1 if right else 2),))
    return contract(x, y, batch=(shared, shared), contracting=over)


def _places(x: Node) -> tuple[Any, Any]:
    make = {"shape": x.shape, "dtype": DType.I64}
    return iota(**make, axis=x.rank - 2), iota(**make, axis=x.rank - 1)


def _lower(x: Any, *, strict: bool = False) -> Any:
    row, column = _places(x)
    return select((greater if strict else greater_equal)(row, column), x, like(0, x))


def _upper(x: Any, *, strict: bool = False) -> Any:
    row, column = _places(x)
    return select((greater if strict else greater_equal)(column, row), x, like(0, x))


def _off_diagonal(x: Any) -> Any:
    return select(equal(*_places(x)), like(0, x), x)


def _diagonal(x: Any) -> Any:
    return reduce_sum(select(equal(*_places(x)), x, like(0, x)), axes=(x.rank - 1,))


def _along(x: Any, shape: Any, axis: int) -> Any:
    """A vector as all rows (axis -1) or all columns (axis -2) of matrices."""
    rank = len(shape)
    return broadcast(x, shape=shape, axes=(*range(rank - 2), rank + axis))


def _part(x: Any, axis: int, start: Any, stop: Any) -> Any:
    """A range of one of the last axes."""
    axis += x.rank
    starts = [0] * x.rank
    stops = list(x.shape)
    starts[axis], stops[axis] = start, stop
    return slice(x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.rank)


def _solve(a: Any, b: Any, **how: bool) -> Any:
    return operations["triangular_solve"](a, b, **how)


def cholesky_jvp(tangents: Any, inputs: Any, out: Any, attrs: Any) -> Any:
    """dL = L·Φ(L⁻¹·dA·L⁻ᴴ), where Φ takes the lower triangle and half of the diagonal."""
    (t,) = tangents
    if t is None:
        return None
    low = _lower(t, strict=True)
    t = low + _adjoint(low) + _diagonal_only(_real_part(t))
    half = _solve(out, t, lower=True)
    both = _solve(out, _adjoint(half), lower=True)
    return _times(out, _lower(both) - _diagonal_only(both) * like(0.5, both))


def _diagonal_only(x: Any) -> Any:
    return select(equal(*_places(x)), x, like(0, x))


def triangular_solve_jvp(tangents: Any, inputs: Any, out: Any, attrs: Any) -> Any:
    """a⁻¹·(db − da·x), with the triangle of da that counts."""
    (ta, tb), a = tangents, inputs[0]
    if ta is None and tb is None:
        return None
    if ta is not None:
        part = _lower if attrs["lower"] else _upper
        moved = _times(part(ta, strict=attrs.get("unit", False)), out, left=_is_turned(attrs))
        tb = operations["negative"](moved) if tb is None else subtract(tb, moved)
    return _solve(a, tb, **attrs)


def _is_turned(attrs: Any) -> bool:
    return bool(attrs.get("transposed", False))


def triangular_solve_transpose(ct: Any, which: int, inputs: Any, attrs: Any) -> Any:
    """The solution with the transposed matrix."""
    if which == 0:
        raise AssertionError("a solution is linear in the right side only")
    return _solve(inputs[0], ct, **{**attrs, "transposed": not _is_turned(attrs)})


def lu_jvp(tangents: Any, inputs: Any, out: Any, attrs: Any) -> Any:
    """dL = L·lower(M), dU = upper(M)·U with M = L⁻¹·P·dA·U⁻¹."""
    if tangents[0] is None:
        return None
    n, rank = out.shape[-1], out.rank
    packed = _part(out, -2, 0, n)
    t = _permuted(_turned(tangents[0]), out)
    t = _solve(packed, t, lower=False, transposed=True, unit=True)
    m = _turned(_solve(packed, _turned(t), lower=True))
    both = _turned(packed)
    row, column = _places(both)
    low = select(equal(row, column), like(1, both), _lower(both, strict=True))
    change = _times(low, _lower(m, strict=True)) + _times(_upper(m), _upper(both))
    rest = zeros(out.type.with_shape((*out.shape[:-2], 1, n)))
    return concatenate(_turned(change), rest, axis=rank - 2)


def _permuted(x: Any, factors: Node) -> Any:
    """The rows of square matrices in the order that the factors of `lu` are in."""
    n, rank = factors.shape[-1], factors.rank
    order = _part(factors, -2, n, n + 1)
    order = operations["real"](order) if order.dtype.is_complex else order
    order = reshape(convert(order, dtype=DType.I64), shape=(*factors.shape[:-2], n))
    order = broadcast(order, shape=x.shape, axes=(*range(rank - 2), rank - 2))
    return take_along_axis(x, order, axis=rank - 2)


def _solve_whole(turned: Any, b: Any) -> Any:
    """a⁻¹·b, given a transposed."""
    factors = operations["lu"](turned)
    packed = _part(factors, -2, 0, turned.shape[-1])
    half = _solve(packed, _permuted(b, factors), lower=False, transposed=True, unit=True)
    return _solve(packed, half, lower=True, transposed=True)


def _gaps(values: Any, shape: Any) -> Any:
    """1 / (value of the column - value of the row), and 0 on the diagonal."""
    gap = subtract(_along(values, shape, -1), _along(values, shape, -2))
    same = equal(*_places(gap))
    return select(same, like(0, gap), divide(like(1, gap), select(same, like(1, gap), gap)))


def _values(out: Node) -> Any:
    """The values that lie below vectors, as vectors."""
    n = out.shape[-1]
    return reshape(_part(out, -2, n, n + 1), shape=(*out.shape[:-2], n))


def _below(vectors: Any, values: Any) -> Any:
    """Values below vectors."""
    n, rank = vectors.shape[-1], vectors.rank
    return concatenate(vectors, reshape(values, shape=(*vectors.shape[:-2], 1, n)), axis=rank - 2)


def _has_vectors(attrs: Any) -> bool:
    return bool(attrs.get("vectors", True))


def eigh_jvp(tangents: Any, inputs: Any, out: Any, attrs: Any) -> Any:
    """dΛ = diag(P), dV = V·(F∘P) with P = Vᴴ·dA·V."""
    if tangents[0] is None:
        return None
    whole = out if _has_vectors(attrs) else operations["eigh"](inputs[0])
    rows = _part(whole, -2, 0, out.shape[-1])
    high = _upper(tangents[0], strict=True)
    t = high + _adjoint(high) + _diagonal_only(_real_part(tangents[0]))  # dAᵀ
    p = _times(_times(_conjugate(rows), t, right=True), rows, right=True)
    values = _real_part(_diagonal(p))
    if whole is not out:
        return values
    gaps = _gaps(_real_part(_values(out)), p.shape)
    return _below(_times(multiply(gaps, p), rows, left=True), values)


def eig_jvp(tangents: Any, inputs: Any, out: Any, attrs: Any) -> Any:
    """dΛ = diag(P), dV = V·(D − diag(VᴴV·D)) with P = V⁻¹·dA·V and D = F∘P."""
    (t,) = tangents
    if t is None:
        return None
    whole = out if _has_vectors(attrs) else operations["eig"](inputs[0])
    rows = _part(whole, -2, 0, out.shape[-1])
    p = _solve_whole(rows, _times(t, rows, left=True, right=True))
    if whole is not out:
        return _diagonal(p)
    d = multiply(_gaps(_values(out), p.shape), p)
    along = _times(_times(_conjugate(rows), rows, right=True), d)
    return _below(_times(subtract(d, _diagonal_only(along)), rows, left=True), _diagonal(p))


def qr_jvp(tangents: Any, inputs: Any, out: Any, attrs: Any) -> Any:
    """dQ = X − Q·(QᴴX − Ω) with X = dA·R⁻¹ on the first columns and Ω = −Ωᴴ, which the lower
    triangle of QᴴX and the real diagonal of R determine; dR = Qᴴ·dA + dQᴴ·A."""
    if tangents[0] is None:
        return None
    n, m = inputs[0].shape[-2:]
    k = minimum(m, n)
    if attrs.get("complete", False) and is_at_most(m, n) is not True:
        raise UnsupportedError(
            "a complete Q is not unique, so it has no derivative",
            fix='use mode="reduced"',
        )
    q, r = _part(out, -1, 0, m), _part(out, -1, m, m + n)  # q: columns as rows
    first = _part(tangents[0], -2, 0, k)  # dAᵀ, the first columns as rows
    x = _solve(_part(r, -1, 0, k), first, lower=False, transposed=True)  # Xᵀ = R⁻ᵀ·dA₁ᵀ
    w = _times(_conjugate(q), x, right=True)
    low = _lower(w, strict=True)
    turn = subtract(low, _adjoint(low))
    if w.dtype.is_complex:
        turn = turn + _diagonal_only(subtract(w, _real_part(w)))
    dq = x + _times(subtract(turn, w), q, left=True)  # dQᵀ
    dr = _times(_conjugate(q), tangents[0], right=True)
    dr = dr + _times(_conjugate(dq), inputs[0], right=True)
    return concatenate(dq, dr, axis=out.rank - 1)


def svd_jvp(tangents: Any, inputs: Any, out: Any, attrs: Any) -> Any:
    """dS = diag(P) with P = Uᴴ·dA·V; dU = U·(F∘(P·S + S·Pᴴ)) + (dA·V − U·P)·S⁻¹, dV likewise.

    The imaginary part of diag(P) turns the columns of U, over S.
    """
    (t,) = tangents
    if t is None:
        return None
    n, m = inputs[0].shape[-2:]
    k, lead = minimum(m, n), inputs[0].shape[:-2]
    whole = out if _has_vectors(attrs) else operations["svd"](inputs[0])
    u = reshape(_part(whole, -1, 0, k * m), shape=(*lead, k, m))  # Uᵀ
    v = reshape(_part(whole, -1, k * m, k * (m + n)), shape=(*lead, n, k))  # V conjugated
    moved = _times(t, _conjugate(v), left=True)  # dA·V
    p = _times(_conjugate(u), moved)
    values = _real_part(_diagonal(p))
    if whole is not out:
        return values
    s = _real_part(_part(out, -1, k * (m + n), k * (m + n + 1)))
    by_column, by_row = _along(s, p.shape, -1), _along(s, p.shape, -2)
    gaps = _gaps(multiply(s, s), p.shape)
    turned = _adjoint(p)
    left = multiply(gaps, multiply(p, by_column) + multiply(by_row, turned))
    right = multiply(gaps, multiply(by_row, p) + multiply(turned, by_column))
    if p.dtype.is_complex:
        left = left + _diagonal_only(divide(subtract(p, _real_part(p)), by_column))
    du = _times(left, u, left=True)  # dUᵀ
    dv = _times(v, _conjugate(right))
    if is_at_most(m, n) is not True:
        beside = subtract(_turned(moved), _times(p, u, left=True))
        du = du + divide(beside, _along(s, du.shape, -2))
    if is_at_most(n, m) is not True:
        beside = subtract(_times(t, _conjugate(u), right=True), _times(v, p, right=True))
        dv = dv + divide(beside, _along(s, dv.shape, -1))
    parts = (reshape(du, shape=(*lead, k * m)), reshape(dv, shape=(*lead, n * k)), values)
    return concatenate(*parts, axis=out.rank - 1)
