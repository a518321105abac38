"""cuDNN by ctypes: operations as a graph of descriptors, and the plans that compute it.

A descriptor is made, its attributes are set, and it is finalised; from then on others may refer to
it. The tables below say of each kind of operation which attributes it has.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from ctypes import c_bool, c_char_p, c_double, c_float, c_int, c_int64, c_size_t, c_void_p
from typing import Any

from ..errors import DeviceError
from .libraries import LIBRARIES, Entries, opened, preload

__all__ = [
    "CONSTANTS",
    "DTYPES",
    "OLDEST",
    "Descriptor",
    "Library",
    "LibraryFailed",
    "LibraryLacks",
    "cudnn",
    "version_of",
]

_P = c_void_p
OLDEST = 90000  # 9.0.0; some operations need a newer one

# Names as the library exports them; every result is a status.
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cudnnCreate": (_P,),
    "cudnnDestroy": (_P,),
    "cudnnSetStream": (_P, _P),
    "cudnnBackendCreateDescriptor": (c_int, _P),
    "cudnnBackendDestroyDescriptor": (_P,),
    "cudnnBackendSetAttribute": (_P, c_int, c_int, c_int64, _P),
    "cudnnBackendGetAttribute": (_P, c_int, c_int, c_int64, _P, _P),
    "cudnnBackendFinalize": (_P,),
    "cudnnBackendExecute": (_P, _P, _P),
}

# What cudnn_graph.h calls the numbers that are used here.
CONSTANTS = {
    "CUDNN_DATA_FLOAT": 0,
    "CUDNN_DATA_DOUBLE": 1,
    "CUDNN_DATA_HALF": 2,
    "CUDNN_DATA_INT32": 4,
    "CUDNN_DATA_BFLOAT16": 9,
    "CUDNN_DATA_BOOLEAN": 11,
    "CUDNN_CROSS_CORRELATION": 1,
    "CUDNN_POINTWISE_ADD": 0,
    "CUDNN_POINTWISE_MUL": 1,
    "CUDNN_POINTWISE_DIV": 6,
    "CUDNN_POINTWISE_SUB": 9,
    "CUDNN_POINTWISE_EXP": 13,
    "CUDNN_POINTWISE_LOG": 15,
    "CUDNN_POINTWISE_RELU_FWD": 100,
    "CUDNN_POINTWISE_CMP_GE": 303,
    "CUDNN_POINTWISE_GEN_INDEX": 501,
    "CUDNN_POINTWISE_BINARY_SELECT": 601,
    "CUDNN_REDUCE_TENSOR_ADD": 0,
    "CUDNN_REDUCE_TENSOR_MAX": 3,
    "CUDNN_HEUR_MODE_FALLBACK": 2,
    "CUDNN_HEUR_MODE_A": 3,
    "CUDNN_NUMERICAL_NOTE_TENSOR_CORE": 0,
    "CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS": 1,
    "CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION": 2,
    "CUDNN_NUMERICAL_NOTE_FFT": 3,
    "CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC": 4,
    "CUDNN_NUMERICAL_NOTE_WINOGRAD": 5,
    "CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4": 6,
    "CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6": 7,
    "CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13": 8,
    "CUDNN_NUMERICAL_NOTE_TYPE_COUNT": 10,
    "CUDNN_TYPE_HANDLE": 0,
    "CUDNN_TYPE_DATA_TYPE": 1,
    "CUDNN_TYPE_BOOLEAN": 2,
    "CUDNN_TYPE_INT64": 3,
    "CUDNN_TYPE_FLOAT": 4,
    "CUDNN_TYPE_DOUBLE": 5,
    "CUDNN_TYPE_VOID_PTR": 6,
    "CUDNN_TYPE_CONVOLUTION_MODE": 7,
    "CUDNN_TYPE_HEUR_MODE": 8,
    "CUDNN_TYPE_NUMERICAL_NOTE": 11,
    "CUDNN_TYPE_POINTWISE_MODE": 14,
    "CUDNN_TYPE_BACKEND_DESCRIPTOR": 15,
    "CUDNN_TYPE_REDUCTION_OPERATOR_TYPE": 18,
    "CUDNN_BACKEND_POINTWISE_DESCRIPTOR": 0,
    "CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR": 1,
    "CUDNN_BACKEND_ENGINE_DESCRIPTOR": 2,
    "CUDNN_BACKEND_ENGINECFG_DESCRIPTOR": 3,
    "CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR": 4,
    "CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR": 5,
    "CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR": 10,
    "CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR": 11,
    "CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR": 12,
    "CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR": 13,
    "CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR": 15,
    "CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR": 16,
    "CUDNN_BACKEND_TENSOR_DESCRIPTOR": 17,
    "CUDNN_BACKEND_MATMUL_DESCRIPTOR": 18,
    "CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR": 19,
    "CUDNN_BACKEND_REDUCTION_DESCRIPTOR": 21,
    "CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR": 22,
    "CUDNN_ATTR_POINTWISE_MODE": 0,
    "CUDNN_ATTR_POINTWISE_MATH_PREC": 1,
    "CUDNN_ATTR_POINTWISE_AXIS": 9,
    "CUDNN_ATTR_CONVOLUTION_COMP_TYPE": 100,
    "CUDNN_ATTR_CONVOLUTION_CONV_MODE": 101,
    "CUDNN_ATTR_CONVOLUTION_DILATIONS": 102,
    "CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES": 103,
    "CUDNN_ATTR_CONVOLUTION_POST_PADDINGS": 104,
    "CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS": 105,
    "CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS": 106,
    "CUDNN_ATTR_ENGINEHEUR_MODE": 200,
    "CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH": 201,
    "CUDNN_ATTR_ENGINEHEUR_RESULTS": 202,
    "CUDNN_ATTR_ENGINECFG_ENGINE": 300,
    "CUDNN_ATTR_EXECUTION_PLAN_HANDLE": 400,
    "CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG": 401,
    "CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE": 402,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA": 700,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA": 701,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC": 702,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W": 703,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X": 704,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y": 705,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA": 706,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA": 707,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC": 708,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W": 709,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX": 710,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY": 711,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA": 712,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA": 713,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC": 714,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW": 715,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X": 716,
    "CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY": 717,
    "CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR": 750,
    "CUDNN_ATTR_OPERATION_POINTWISE_XDESC": 751,
    "CUDNN_ATTR_OPERATION_POINTWISE_BDESC": 752,
    "CUDNN_ATTR_OPERATION_POINTWISE_YDESC": 753,
    "CUDNN_ATTR_OPERATION_POINTWISE_TDESC": 758,
    "CUDNN_ATTR_OPERATIONGRAPH_HANDLE": 800,
    "CUDNN_ATTR_OPERATIONGRAPH_OPS": 801,
    "CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT": 900,
    "CUDNN_ATTR_TENSOR_DATA_TYPE": 901,
    "CUDNN_ATTR_TENSOR_DIMENSIONS": 902,
    "CUDNN_ATTR_TENSOR_STRIDES": 903,
    "CUDNN_ATTR_TENSOR_UNIQUE_ID": 906,
    "CUDNN_ATTR_TENSOR_IS_VIRTUAL": 907,
    "CUDNN_ATTR_TENSOR_IS_BY_VALUE": 908,
    "CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS": 1000,
    "CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS": 1001,
    "CUDNN_ATTR_VARIANT_PACK_WORKSPACE": 1003,
    "CUDNN_ATTR_ENGINE_GLOBAL_INDEX": 1301,
    "CUDNN_ATTR_ENGINE_NUMERICAL_NOTE": 1303,
    "CUDNN_ATTR_MATMUL_COMP_TYPE": 1500,
    "CUDNN_ATTR_OPERATION_MATMUL_ADESC": 1520,
    "CUDNN_ATTR_OPERATION_MATMUL_BDESC": 1521,
    "CUDNN_ATTR_OPERATION_MATMUL_CDESC": 1522,
    "CUDNN_ATTR_OPERATION_MATMUL_DESC": 1523,
    "CUDNN_ATTR_REDUCTION_OPERATOR": 1600,
    "CUDNN_ATTR_REDUCTION_COMP_TYPE": 1601,
    "CUDNN_ATTR_OPERATION_REDUCTION_XDESC": 1610,
    "CUDNN_ATTR_OPERATION_REDUCTION_YDESC": 1611,
    "CUDNN_ATTR_OPERATION_REDUCTION_DESC": 1612,
}

DTYPES = {name: CONSTANTS[f"CUDNN_DATA_{kind}"] for name, kind in (
    ("f32", "FLOAT"), ("f64", "DOUBLE"), ("f16", "HALF"), ("bf16", "BFLOAT16"), ("i32", "INT32"),
    ("bool", "BOOLEAN"))}  # fmt: skip

# How values of each attribute type lie in memory.
_STORED: dict[str, Any] = {
    "HANDLE": c_void_p,
    "BOOLEAN": c_bool,
    "INT64": c_int64,
    "FLOAT": c_float,
    "DOUBLE": c_double,
    "VOID_PTR": c_void_p,
    "BACKEND_DESCRIPTOR": c_void_p,
}


_NOT_COMPILED = 4001  # an engine whose code is made for the device, and could not be


class LibraryFailed(DeviceError):
    """A call of cuDNN that failed."""


class LibraryLacks(LibraryFailed):
    """A call that the library understands, and has nothing for on this device."""


class Library(Entries):
    """The loaded library."""

    __slots__ = ("_told",)

    def __init__(self, path: str) -> None:
        preload("cudnn")
        loaded = ctypes.CDLL(path)
        self.path = path
        loaded.cudnnGetVersion.restype = c_size_t
        self.version = int(loaded.cudnnGetVersion())
        if not OLDEST <= self.version < 100000:
            raise DeviceError(
                f"{path} is cuDNN {version_of(self.version)}, and symfuse uses 9",
                fix=LIBRARIES["cudnn"].advice,
            )
        self._functions = {name: getattr(loaded, name) for name in SIGNATURES}
        for name, function in self._functions.items():
            function.argtypes, function.restype = SIGNATURES[name], c_int
        self._told = loaded.cudnnGetErrorString, loaded.cudnnGetLastErrorString
        self._told[0].argtypes, self._told[0].restype = (c_int,), c_char_p
        self._told[1].argtypes, self._told[1].restype = (c_char_p, c_size_t), None

    def failure(self, name: str, status: int) -> LibraryFailed:
        """The error that this status of that entry point means."""
        detail = ctypes.create_string_buffer(512)
        self._told[1](detail, len(detail))
        words = (self._told[0](status) or b"").decode(), detail.value.decode(errors="replace")
        told = ": ".join(word for word in words if word)
        lacks = 3000 <= status < 4000 or status == _NOT_COMPILED
        kind = LibraryLacks if lacks else LibraryFailed
        return kind(
            f"{name} of cuDNN {version_of(self.version)} failed: {told} (status {status})",
            fix="set SYMFUSE_CUDNN=never to have generated kernels compute it",
        )


class Descriptor:
    """A descriptor of the library, named as in its header; it is given back with the object."""

    __slots__ = ("_kept", "address", "kind", "library")

    def __init__(self, library: Library, kind: str) -> None:
        self.library, self.kind = library, kind
        self._kept: list[Descriptor] = []  # those that this one refers to
        made = c_void_p()
        number = CONSTANTS[f"CUDNN_BACKEND_{kind}_DESCRIPTOR"]
        library.call("cudnnBackendCreateDescriptor", number, ctypes.byref(made))
        self.address = made.value or 0

    def __del__(self) -> None:
        if getattr(self, "address", 0):
            self.library.function("cudnnBackendDestroyDescriptor")(self.address)

    def set(self, attribute: str, type_: str, *values: Any) -> Descriptor:
        """Set an attribute to some values of a type, both named as in the header."""
        self._kept += [value for value in values if isinstance(value, Descriptor)]
        words = [value.address if isinstance(value, Descriptor) else value for value in values]
        array = (_STORED.get(type_, c_int) * len(words))(*words)
        number, kind = CONSTANTS[f"CUDNN_ATTR_{attribute}"], CONSTANTS[f"CUDNN_TYPE_{type_}"]
        self.library.call("cudnnBackendSetAttribute", self.address, number, kind, len(words), array)
        return self

    def finalise(self) -> Descriptor:
        """Have the library check it, after which it cannot be changed."""
        try:
            self.library.call("cudnnBackendFinalize", self.address)
        except LibraryFailed as error:
            raise error.at(None, prefix=self.kind.lower().replace("_", " ")) from None
        return self

    def numbers(self, attribute: str, type_: str, most: int = 1) -> list[int]:
        """The values of an attribute, at most so many."""
        array = (_STORED.get(type_, c_int) * most)()
        return list(array[: self._get(attribute, type_, most, array)])

    def descriptors(self, attribute: str, kind: str, most: int = 1) -> Iterator[Descriptor]:
        """Descriptors of a kind that an attribute refers to, at most so many."""
        made = [Descriptor(self.library, kind) for _ in range(most)]
        array = (c_void_p * most)(*(one.address for one in made))
        yield from made[: self._get(attribute, "BACKEND_DESCRIPTOR", most, array)]

    def count(self, attribute: str) -> int:
        """How many descriptors an attribute refers to."""
        return self._get(attribute, "BACKEND_DESCRIPTOR", 0, None)

    def _get(self, attribute: str, type_: str, most: int, array: Any) -> int:
        number, kind = CONSTANTS[f"CUDNN_ATTR_{attribute}"], CONSTANTS[f"CUDNN_TYPE_{type_}"]
        found = c_int64()
        where = ctypes.byref(found)
        self.library.call(
            "cudnnBackendGetAttribute", self.address, number, kind, most, where, array
        )
        return found.value


def version_of(number: int) -> str:
    """`9.28.0`, for 92800."""
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def cudnn() -> Library:
    """The library of this process, loaded at first use; DeviceError where there is none."""
    return opened("cudnn", Library)
