"""DLPack: memory handed from one library to another, described by a few C structures.

https://dmlc.github.io/dlpack/latest/c_api.html
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from ctypes import (
    POINTER,
    Structure,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
    py_object,
)
from dataclasses import dataclass
from typing import Any

from ..dtypes import DType

__all__ = ["CPU", "CUDA", "CUDA_HOST", "CUDA_MANAGED", "Tensor", "capsule_of", "tensor_of"]

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
VERSION = (1, 0)
_READ_ONLY = 1

_INT, _UINT, _FLOAT, _BFLOAT, _COMPLEX, _BOOL = 0, 1, 2, 4, 5, 6


class _Tensor(Structure):
    _fields_ = (
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("rank", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    )


class _Managed(Structure):
    _fields_ = (("tensor", _Tensor), ("context", c_void_p), ("deleter", c_void_p))


class _Versioned(Structure):
    _fields_ = (
        ("major", c_uint32),
        ("minor", c_uint32),
        ("context", c_void_p),
        ("deleter", c_void_p),
        ("flags", c_uint64),
        ("tensor", _Tensor),
    )


_FORMS: dict[bytes, type[_Managed] | type[_Versioned]] = {
    b"dltensor_versioned": _Versioned,
    b"dltensor": _Managed,
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Memory of some library: where it is, what it holds, and what keeps it."""

    address: int
    dtype: DType
    shape: tuple[int, ...]
    device: tuple[int, int]
    owner: object
    is_contiguous: bool = True
    is_read_only: bool = False


def tensor_of(capsule: Any) -> Tensor:
    """What a capsule describes; the capsule is used up, the owner gives the memory back.

    Raises TypeError for an element type that symfuse does not have.
    """
    name = next((name for name in _FORMS if _is_valid(id(capsule), name)), None)
    if name is None:
        raise TypeError(f"{capsule!r} is no unused DLPack capsule")
    place = _pointer(id(capsule), name)
    managed = _FORMS[name].from_address(place)
    found = managed.tensor
    shape = tuple(found.shape[axis] for axis in range(found.rank))
    strides = [found.strides[axis] for axis in range(found.rank)] if found.strides else None
    made = Tensor(
        (found.data or 0) + found.byte_offset,
        _dtype(found.code, found.bits, found.lanes),
        shape,
        (found.device_type, found.device_id),
        _Owner(place, managed.deleter),
        strides is None or _is_contiguous(shape, strides),
        bool(getattr(managed, "flags", 0) & _READ_ONLY),
    )
    _rename(id(capsule), _USED[name])
    return made


def capsule_of(tensor: Tensor, *, versioned: bool) -> Any:
    """A capsule of memory that stays until whoever takes it gives it back."""
    name = b"dltensor_versioned" if versioned else b"dltensor"
    managed = _FORMS[name]()
    rank = len(tensor.shape)
    sizes = (c_int64 * max(1, rank))(*tensor.shape)
    strides = (c_int64 * max(1, rank))(
        *(math.prod(tensor.shape[axis + 1 :]) for axis in range(rank))
    )
    code, bits = _code(tensor.dtype)
    managed.tensor = _Tensor(
        tensor.address or None, *tensor.device, rank, code, bits, 1, sizes, strides, 0
    )
    if isinstance(managed, _Versioned):
        managed.major, managed.minor = VERSION
        managed.flags = _READ_ONLY if tensor.is_read_only else 0
    managed.deleter = ctypes.cast(_giver, c_void_p)
    place = ctypes.addressof(managed)
    _lent[place] = (managed, sizes, strides, tensor.owner)
    return _new_capsule(place, name, ctypes.cast(_destroyer, c_void_p))


class _Owner:
    """Gives memory back to the library that lent it when the last reference goes."""

    __slots__ = ("_deleter", "_place")

    def __init__(self, place: int, deleter: int | None) -> None:
        self._place, self._deleter = place, deleter

    def __del__(self) -> None:
        if self._deleter:
            _DELETER(self._deleter)(self._place)


# What has been lent and not yet been given back, by the address of its structure.
_lent: dict[int, tuple[Any, ...]] = {}

_DELETER = ctypes.CFUNCTYPE(None, c_void_p)
_DESTRUCTOR = ctypes.PYFUNCTYPE(None, c_void_p)


def _give_back(place: int) -> None:
    _lent.pop(place, None)


def _destroy(capsule: int) -> None:
    """Give back what nobody took: the capsule still has its first name."""
    for name in _FORMS:
        if _is_valid(capsule, name):
            _lent.pop(_pointer(capsule, name), None)


_giver, _destroyer = _DELETER(_give_back), _DESTRUCTOR(_destroy)
# The names have to outlive their capsules.
_USED = {name: b"used_" + name for name in _FORMS}

# A capsule that is being destroyed may not be referred to, so these take its address.
_api = ctypes.pythonapi


def _declared(name: str, result: Any, *parameters: Any) -> Callable[..., Any]:
    made: Callable[..., Any] = ctypes.PYFUNCTYPE(result, *parameters)((name, _api))
    return made


_new_capsule = _declared("PyCapsule_New", py_object, c_void_p, c_char_p, c_void_p)
_is_valid = _declared("PyCapsule_IsValid", c_int, c_void_p, c_char_p)
_pointer = _declared("PyCapsule_GetPointer", c_void_p, c_void_p, c_char_p)
_rename = _declared("PyCapsule_SetName", c_int, c_void_p, c_char_p)


def _is_contiguous(shape: tuple[int, ...], strides: list[int]) -> bool:
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


def _code(dtype: DType) -> tuple[int, int]:
    if dtype.is_bool:
        return _BOOL, 8
    if dtype is DType.BF16:
        return _BFLOAT, 16
    if dtype.is_complex:
        return _COMPLEX, dtype.bits
    kind = _FLOAT if dtype.is_float else _INT if dtype.is_signed else _UINT
    return kind, dtype.bits


_DTYPES = {_code(dtype): dtype for dtype in DType}


def _dtype(code: int, bits: int, lanes: int) -> DType:
    if lanes != 1 or (code, bits) not in _DTYPES:
        raise TypeError(f"symfuse has no element type of DLPack code {code} and {bits} bits")
    return _DTYPES[code, bits]
