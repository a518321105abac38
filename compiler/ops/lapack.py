"""How LAPACK computes the operations of linear algebra.

Its matrices lie column by column. So a matrix that lies row by row is its transpose to LAPACK:
where that does not matter, triangles and sides are exchanged; where it does, the operation itself
takes the transposed matrix.
"""

from __future__ import annotations

from typing import Any

from symfuse.runtime.dtypes import DType

from ..ir.dims import Dim, maximum, minimum, product
from ..ir.library import INFO, Call, Copy, Memory, Order, Plan, Scratch, Triangle, Widen
from ..ir.types import TensorType

__all__ = [
    "call_cholesky",
    "call_eig",
    "call_eigh",
    "call_lu",
    "call_qr",
    "call_svd",
    "call_triangular_solve",
]

BLOCK = 64  # columns at a time, for which the routines get room

Types = tuple[TensorType, ...]


def _stride(size: Dim) -> Dim:
    """LAPACK refuses a stride of 0."""
    return maximum(size, 1)


def call_cholesky(inputs: Types, out: TensorType, attrs: Any) -> Plan:
    """The lower triangle of rows is the upper one of columns."""
    n = out.shape[-1]
    rows = (n, 1)
    return Plan(
        (
            Triangle("lower", Memory("0"), rows, Memory("out"), rows, n, n),
            Call("potrf", ("U", n, Memory("out"), _stride(n), INFO), fails=True),
        )
    )


def call_triangular_solve(inputs: Types, out: TensorType, attrs: Any) -> Plan:
    """a·x = b by rows is xᵀ·aᵀ = bᵀ by columns; of one column there is a routine that is faster."""
    n, k = out.shape[-2:]
    if k == 1:
        return _solve_vector(n, attrs)
    letters = (
        "R",
        "U" if attrs["lower"] else "L",
        "T" if attrs.get("transposed") else "N",
        "U" if attrs.get("unit") else "N",
    )
    strides = _stride(n), _stride(k)
    args = (*letters, k, n, 1.0, Memory("0"), strides[0], Memory("out"), strides[1])
    return Plan((Copy(Memory("1"), Memory("out"), n * k), Call("trsm", args)))


def _solve_vector(n: Dim, attrs: Any) -> Plan:
    letters = (
        "U" if attrs["lower"] else "L",
        "N" if attrs.get("transposed") else "T",
        "U" if attrs.get("unit") else "N",
    )
    args = (*letters, n, Memory("0"), _stride(n), Memory("out"), 1)
    return Plan((Copy(Memory("1"), Memory("out"), n), Call("trsv", args)))


def call_lu(inputs: Types, out: TensorType, attrs: Any) -> Plan:
    """The operand's rows are the columns of the matrix."""
    n = out.shape[-1]
    args = (n, n, Memory("out"), _stride(n), Memory("pivots"), INFO)
    return Plan(
        (
            Copy(Memory("0"), Memory("out"), n * n),
            Call("getrf", args),
            Order(Memory("pivots"), Memory("out", n * n), n),
        ),
        (Scratch("pivots", n, DType.I64),),
    )


def call_qr(inputs: Types, out: TensorType, attrs: Any) -> Plan:
    """The operand's rows are the columns of the matrix; those of Q come out in front of R."""
    n, m = inputs[0].shape[-2:]
    q, width = out.shape[-2:]
    k, columns = minimum(m, n), maximum(q, n)
    h, tau, work = Memory("h"), Memory("tau"), Memory("work")
    room = _stride(columns * BLOCK)
    ld = _stride(m)
    return Plan(
        (
            Copy(Memory("0"), h, n * m),
            Call("geqrf", (m, n, h, ld, tau, work, room, INFO)),
            Triangle("upper", h, (1, m), Memory("out", m), (width, 1), q, n),
            Call(
                "ungqr" if out.dtype.is_complex else "orgqr",
                (m, q, k, h, ld, tau, work, room, INFO),
            ),
            Triangle("all", h, (m, 1), Memory("out"), (width, 1), q, m),
        ),
        (Scratch("h", m * columns), Scratch("tau", k), Scratch("work", room)),
    )


def _has_vectors(attrs: Any) -> bool:
    return bool(attrs.get("vectors", True))


def call_eigh(inputs: Types, out: TensorType, attrs: Any) -> Plan:
    """A symmetric matrix is its own transpose; the vectors come out one by one, in its place."""
    n, both = out.shape[-1], _has_vectors(attrs)
    x, found = (Memory("out"), Memory("out", n * n)) if both else (Memory("x"), Memory("out"))
    place = () if both else (Scratch("x", n * n),)
    copied = Copy(Memory("0"), x, n * n)
    front = ("V" if both else "N", "L", n, x, _stride(n))
    whole = 3 + 5 * n
    numbers, counted = (Memory("numbers"), whole, INFO), Scratch("numbers", whole, DType.I64)
    if not out.dtype.is_complex:
        room = 1 + 6 * n + 2 * n * n + BLOCK * n
        call = Call("syevd", (*front, found, Memory("work"), room, *numbers), fails=True)
        return Plan((copied, call), (*place, Scratch("work", room), counted), rank=1 + both)
    # The values come out real, and are widened.
    room, rest = _stride(2 * n + n * n + BLOCK * n), 1 + 5 * n + 2 * n * n
    sized = (Memory("values"), Memory("work"), room, Memory("reals"), rest)
    call = Call("heevd", (*front, *sized, *numbers), fails=True)
    real = out.dtype.real
    reals = (Scratch("values", n, real), Scratch("reals", rest, real))
    steps = (copied, call, Widen(Memory("values"), found, n))
    return Plan(steps, (*place, Scratch("work", room), *reals, counted), rank=1 + both)


def call_eig(inputs: Types, out: TensorType, attrs: Any) -> Plan:
    """The operand's rows are the columns of the matrix; the vectors come out one by one."""
    n, both = out.shape[-1], _has_vectors(attrs)
    room = _stride(2 * n + BLOCK * n)
    x, none, work = Memory("x"), Memory("none"), (Memory("work"), room, Memory("reals"), INFO)
    vectors = (Memory("out"), _stride(n)) if both else (none, 1)
    values = Memory("out", n * n if both else 0)
    args = ("N", "V" if both else "N", n, x, _stride(n), values, none, 1, *vectors, *work)
    return Plan(
        (Copy(Memory("0"), x, n * n), Call("geev", args, fails=True)),
        (
            Scratch("x", n * n),
            Scratch("none", 1),
            Scratch("work", room),
            Scratch("reals", 2 * _stride(n), out.dtype.real),
        ),
        rank=1 + both,
    )


def call_svd(inputs: Types, out: TensorType, attrs: Any) -> Plan:
    """The operand's rows are the columns of the matrix."""
    (n, m), both = inputs[0].shape[-2:], _has_vectors(attrs)
    k = minimum(m, n)
    room = 4 * k * k + 7 * k + BLOCK * (m + n) + 1
    is_complex, real = out.dtype.is_complex, out.dtype.real
    s = Memory("out", k * (m + n) if both else 0)
    u, v = (Memory("out"), Memory("out", k * m)) if both else (Memory("x"), Memory("x"))
    found, reals = (Memory("values"), (Memory("reals"),)) if is_complex else (s, ())
    pairs = (Memory("x"), _stride(m), found, u, _stride(m), v, _stride(k))
    letter = "S" if both else "N"
    args = (letter, m, n, *pairs, Memory("work"), room, *reals, Memory("numbers"), INFO)
    scratch = (
        Scratch("x", n * m),
        Scratch("work", room),
        Scratch("numbers", product((8, _stride(k))), DType.I64),
    )
    steps = (Copy(Memory("0"), Memory("x"), n * m), Call("gesdd", args, fails=True))
    if not is_complex:
        return Plan(steps, scratch, rank=1)
    more = (Scratch("values", k, real), Scratch("reals", k * (7 * k + 7 + 2 * (m + n)) + 1, real))
    return Plan((*steps, Widen(found, s, k)), (*scratch, *more), rank=1)
