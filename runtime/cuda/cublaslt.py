"""cuBLASLt by ctypes: the products of matrices, with what is done to each result at once.

The library takes matrices column by column, and symfuse keeps them row by row. Read column by
column, a row-major matrix is its transpose, and (left · right)ᵀ = rightᵀ · leftᵀ: so the operands
change places, and the library's rows are our columns, along which a bias runs.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint64,
    c_void_p,
)
from dataclasses import dataclass
from typing import Any

from ..errors import DeviceError
from .libraries import Entries, opened

__all__ = [
    "ALGORITHM_BYTES",
    "COMPUTE",
    "CONSTANTS",
    "DTYPES",
    "EPILOGUES",
    "Candidate",
    "Epilogue",
    "Library",
    "Operation",
    "ProductFailed",
    "Shape",
    "cublaslt",
]

_P = c_void_p

# Names as the library exports them; every result is a status.
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cublasLtCreate": (_P,),
    "cublasLtDestroy": (_P,),
    "cublasLtMatmulDescCreate": (_P, c_int, c_int),
    "cublasLtMatmulDescDestroy": (_P,),
    "cublasLtMatmulDescSetAttribute": (_P, c_int, _P, c_size_t),
    "cublasLtMatmulDescGetAttribute": (_P, c_int, _P, c_size_t, _P),
    "cublasLtMatrixLayoutCreate": (_P, c_int, c_uint64, c_uint64, c_int64),
    "cublasLtMatrixLayoutDestroy": (_P,),
    "cublasLtMatrixLayoutSetAttribute": (_P, c_int, _P, c_size_t),
    "cublasLtMatrixLayoutGetAttribute": (_P, c_int, _P, c_size_t, _P),
    "cublasLtMatmulPreferenceCreate": (_P,),
    "cublasLtMatmulPreferenceDestroy": (_P,),
    "cublasLtMatmulPreferenceSetAttribute": (_P, c_int, _P, c_size_t),
    "cublasLtMatmulAlgoGetHeuristic": (*[_P] * 7, c_int, _P, _P),
    "cublasLtMatmulAlgoCheck": (*[_P] * 8,),
    "cublasLtMatmul": (*[_P] * 14, c_size_t, _P),
}

# What cublasLt.h, cublas_api.h and library_types.h call the numbers that are used here.
CONSTANTS = {
    "CUDA_R_32F": 0,
    "CUDA_R_64F": 1,
    "CUDA_R_16F": 2,
    "CUDA_R_16BF": 14,
    "CUBLAS_COMPUTE_32F": 68,
    "CUBLAS_COMPUTE_32F_PEDANTIC": 69,
    "CUBLAS_COMPUTE_64F": 70,
    "CUBLAS_COMPUTE_64F_PEDANTIC": 71,
    "CUBLAS_COMPUTE_32F_FAST_TF32": 77,
    "CUBLASLT_MATMUL_DESC_TRANSA": 3,
    "CUBLASLT_MATMUL_DESC_TRANSB": 4,
    "CUBLASLT_MATMUL_DESC_EPILOGUE": 7,
    "CUBLASLT_MATMUL_DESC_BIAS_POINTER": 8,
    "CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER": 11,
    "CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD": 12,
    "CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE": 13,
    "CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT": 5,
    "CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET": 6,
    "CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES": 1,
    "CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK": 3,
    "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES": 5,
    "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES": 6,
    "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES": 7,
    "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES": 8,
    "CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE": 2,
    "CUBLASLT_EPILOGUE_DEFAULT": 1,
    "CUBLASLT_EPILOGUE_RELU": 2,
    "CUBLASLT_EPILOGUE_BIAS": 4,
    "CUBLASLT_EPILOGUE_RELU_BIAS": 6,
    "CUBLASLT_EPILOGUE_RELU_AUX": 130,
    "CUBLASLT_EPILOGUE_RELU_AUX_BIAS": 134,
    "CUBLASLT_EPILOGUE_DRELU": 136,
    "CUBLASLT_EPILOGUE_DRELU_BGRAD": 152,
    "CUBLASLT_EPILOGUE_GELU": 32,
    "CUBLASLT_EPILOGUE_GELU_BIAS": 36,
    "CUBLASLT_EPILOGUE_GELU_AUX": 160,
    "CUBLASLT_EPILOGUE_GELU_AUX_BIAS": 164,
    "CUBLASLT_EPILOGUE_DGELU": 192,
    "CUBLASLT_EPILOGUE_DGELU_BGRAD": 208,
    "CUBLASLT_EPILOGUE_BGRADA": 256,
    "CUBLASLT_EPILOGUE_BGRADB": 512,
}


@dataclass(frozen=True, slots=True)
class Epilogue:
    """What the library does to a result: the number of it, and what it reads or writes beside.

    `bias` is a vector along the columns of the result (for `bgrad_left` along its rows); `aux` the
    matrix that a derivative needs: "bits" whether a value was above 0, "values" before the GELU.
    """

    number: int
    bias: bool = False
    aux: str = ""


def _epilogue(name: str, bias: bool = False, aux: str = "") -> Epilogue:
    return Epilogue(CONSTANTS[f"CUBLASLT_EPILOGUE_{name}"], bias, aux)


EPILOGUES: dict[str, Epilogue] = {
    "none": _epilogue("DEFAULT"),
    "bias": _epilogue("BIAS", bias=True),
    "relu": _epilogue("RELU"),
    "relu_bias": _epilogue("RELU_BIAS", bias=True),
    "relu_aux": _epilogue("RELU_AUX", aux="bits"),
    "relu_aux_bias": _epilogue("RELU_AUX_BIAS", bias=True, aux="bits"),
    "drelu": _epilogue("DRELU", aux="bits"),
    "drelu_bgrad": _epilogue("DRELU_BGRAD", bias=True, aux="bits"),
    "gelu": _epilogue("GELU"),
    "gelu_bias": _epilogue("GELU_BIAS", bias=True),
    "gelu_aux": _epilogue("GELU_AUX", aux="values"),
    "gelu_aux_bias": _epilogue("GELU_AUX_BIAS", bias=True, aux="values"),
    "dgelu": _epilogue("DGELU", aux="values"),
    "dgelu_bgrad": _epilogue("DGELU_BGRAD", bias=True, aux="values"),
    "bgrad_right": _epilogue("BGRADA", bias=True),  # the right operand is the library's A
    "bgrad_left": _epilogue("BGRADB", bias=True),
}

DTYPES = {name: CONSTANTS[f"CUDA_R_{kind}"] for name, kind in (
    ("f32", "32F"), ("f64", "64F"), ("f16", "16F"), ("bf16", "16BF"))}  # fmt: skip

# What to ask for, the first that the library has: all keep the full precision of the type but tf32.
COMPUTE: dict[str, tuple[int, ...]] = {
    "f32": (CONSTANTS["CUBLAS_COMPUTE_32F_PEDANTIC"], CONSTANTS["CUBLAS_COMPUTE_32F"]),
    "f64": (CONSTANTS["CUBLAS_COMPUTE_64F_PEDANTIC"], CONSTANTS["CUBLAS_COMPUTE_64F"]),
    "tf32": (CONSTANTS["CUBLAS_COMPUTE_32F_FAST_TF32"], CONSTANTS["CUBLAS_COMPUTE_32F"]),
    "half": (CONSTANTS["CUBLAS_COMPUTE_32F"],),
}

ALGORITHM_BYTES = 64
_STATUS = {
    1: "it could not start (status 1): there is no device, or no context",
    3: "no memory was left (status 3)",
    7: "an argument is invalid (status 7)",
    8: "the device lacks something that it needs (status 8)",
    11: "memory could not be reached (status 11)",
    13: "the device failed (status 13)",
    14: "an internal error (status 14)",
    15: "it has no code for this product (status 15)",
}


class ProductFailed(DeviceError):
    """A call of cuBLASLt that failed."""


class _Algorithm(ctypes.Structure):
    _fields_ = (("data", c_uint64 * (ALGORITHM_BYTES // 8)),)


class _Heuristic(ctypes.Structure):
    _fields_ = (
        ("algorithm", _Algorithm),
        ("workspace", c_size_t),
        ("state", c_int),
        ("waves", c_float),
        ("reserved", c_int * 4),
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to compute a product: the library's description of it, and the workspace it needs."""

    algorithm: bytes
    workspace: int


class Library(Entries):
    """The loaded library."""

    __slots__ = ()

    def __init__(self, path: str) -> None:
        loaded = ctypes.CDLL(path)
        self.path = path
        self._functions = {name: getattr(loaded, name) for name in SIGNATURES}
        for name, function in self._functions.items():
            function.argtypes, function.restype = SIGNATURES[name], c_int
        loaded.cublasLtGetVersion.restype = c_size_t
        self.version = int(loaded.cublasLtGetVersion())

    def set(self, kind: str, handle: int, attribute: str, value: Any) -> None:
        """Set an attribute, named as in the header, of a description."""
        number = CONSTANTS[f"CUBLASLT_{attribute}"]
        self.call(f"cublasLt{kind}SetAttribute", handle, number, ctypes.byref(value), _size(value))

    def failure(self, name: str, status: int) -> ProductFailed:
        """The error that this status of that entry point means."""
        told = _STATUS.get(status, f"status {status}")
        return ProductFailed(f"{name} of cuBLASLt {self.version} failed: {told}")


def _size(value: Any) -> int:
    return ctypes.sizeof(value)


def cublaslt() -> Library:
    """The library of this process, loaded at first use; DeviceError where there is none."""
    return opened("cublasLt", Library)


@dataclass(frozen=True, slots=True)
class Shape:
    """All numbers of one product; the fields mean what they mean in `ProductLaunch`."""

    rows: int
    columns: int
    inner: int
    batch: int
    dtype: str
    compute: str
    transposed: tuple[bool, bool]
    leading: tuple[int, int, int]
    strides: tuple[int, int, int]
    epilogue: str
    scale: float
    share: float
    alignment: tuple[int, int, int, int]  # bytes: of left, right, added and result


class Operation:
    """The library's descriptions of a product: what to compute, and where the elements lie."""

    def __init__(self, library: Library, shape: Shape, compute: int) -> None:
        self._made: list[tuple[str, int]] = []
        self.library, self.shape = library, shape
        kind = DTYPES[shape.dtype]
        wide = kind if shape.dtype == "f64" else DTYPES["f32"]
        self.description = self._make("MatmulDesc", compute, wide)
        number = c_double if shape.dtype == "f64" else c_float
        self.scale, self.share = number(shape.scale), number(shape.share)
        self._describe()
        (m, n, k), lead = (shape.rows, shape.columns, shape.inner), shape.leading
        flips = shape.transposed
        self.right = self._layout((n, k), lead[1], shape.strides[1], flips[1])
        self.left = self._layout((k, m), lead[0], shape.strides[0], flips[0])
        self.result = self._layout((n, m), n, m * n, False)
        self.added = self.result  # the same description, where both may be one matrix in memory
        dense = lead[2] == n and (shape.batch == 1 or shape.strides[2] == m * n)
        if shape.share and not dense:
            self.added = self._layout((n, m), lead[2], shape.strides[2], False)

    def candidates(self, handle: int, workspace: int, count: int) -> tuple[Candidate, ...]:
        """What the library recommends, best first; empty if it cannot compute this product."""
        preference = self._preference(workspace)
        found, number = (_Heuristic * count)(), c_int()
        status = self.library.function("cublasLtMatmulAlgoGetHeuristic")(
            handle, *self._parts(), preference, count, found, ctypes.byref(number)
        )
        if status not in (0, 15):
            raise self.library.failure("cublasLtMatmulAlgoGetHeuristic", status)
        chosen = found[: number.value] if status == 0 else ()
        return tuple(Candidate(bytes(h.algorithm), h.workspace) for h in chosen if h.state == 0)

    def accepts(self, handle: int, candidate: Candidate) -> bool:
        """Whether the library can compute this product so on this device."""
        algorithm, result = _Algorithm.from_buffer_copy(candidate.algorithm), _Heuristic()
        check = self.library.function("cublasLtMatmulAlgoCheck")
        status = check(handle, *self._parts(), ctypes.byref(algorithm), ctypes.byref(result))
        return bool(status == 0 and result.workspace <= candidate.workspace)

    def attach(self, bias: int, aux: int) -> None:
        """Say where the vector and the matrix of the epilogue lie."""
        epilogue = EPILOGUES[self.shape.epilogue]
        if epilogue.bias:
            self._set("MATMUL_DESC_BIAS_POINTER", c_uint64(bias))
        if epilogue.aux:
            self._set("MATMUL_DESC_EPILOGUE_AUX_POINTER", c_uint64(aux))

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptions back."""
        while self._made:
            kind, made = self._made.pop()
            self.library.call(f"cublasLt{kind}Destroy", made)

    def _parts(self) -> tuple[int, ...]:
        return self.description, self.right, self.left, self.added, self.result

    def _make(self, kind: str, *args: Any) -> int:
        made = self.library.handle(f"cublasLt{kind}Create", *args)
        self._made.append((kind, made))
        return made

    def _set(self, attribute: str, value: Any) -> None:
        self.library.set("MatmulDesc", self.description, attribute, value)

    def _describe(self) -> None:
        shape, epilogue = self.shape, EPILOGUES[self.shape.epilogue]
        self._set("MATMUL_DESC_TRANSA", c_int32(shape.transposed[1]))
        self._set("MATMUL_DESC_TRANSB", c_int32(shape.transposed[0]))
        self._set("MATMUL_DESC_EPILOGUE", c_int32(epilogue.number))
        self.attach(256, 256)  # any address will do for choosing an algorithm
        if epilogue.aux:
            unit = 128 if epilogue.aux == "bits" else 8
            width = -(-shape.columns // unit) * unit
            self._set("MATMUL_DESC_EPILOGUE_AUX_LD", c_int64(width))
            if shape.batch > 1:
                stride = c_int64(width * shape.rows)
                self._set("MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE", stride)

    def _layout(self, size: tuple[int, int], leading: int, stride: int, flipped: bool) -> int:
        rows, columns = size[::-1] if flipped else size
        kind = DTYPES[self.shape.dtype]
        made = self._make("MatrixLayout", kind, rows, columns, max(leading, rows))
        if self.shape.batch > 1:
            count, apart = c_int32(self.shape.batch), c_int64(stride)
            self.library.set("MatrixLayout", made, "MATRIX_LAYOUT_BATCH_COUNT", count)
            self.library.set("MatrixLayout", made, "MATRIX_LAYOUT_STRIDED_BATCH_OFFSET", apart)
        return made

    def _preference(self, workspace: int) -> int:
        """What the library may use; sums are split only so that they have one order."""
        made = self._make("MatmulPreference")
        left, right, added, result = self.shape.alignment
        alignments = zip("ABCD", (right, left, added, result), strict=True)
        scheme = c_int32(CONSTANTS["CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE"])
        values = [("MAX_WORKSPACE_BYTES", c_uint64(workspace)), ("REDUCTION_SCHEME_MASK", scheme)]
        values += [(f"MIN_ALIGNMENT_{name}_BYTES", c_int32(n)) for name, n in alignments]
        for name, value in values:
            self.library.set("MatmulPreference", made, f"MATMUL_PREF_{name}", value)
        return made
