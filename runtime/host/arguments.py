"""Turns what a caller passes into the arrays that a program takes, or says why it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import DType, is_numeric, native
from ..errors import ArgumentError, DeviceError, DTypeError, GuardError
from ..log import log
from ..program import Argument, Program, Result, Spec

__all__ = [
    "Counters",
    "check_apart",
    "check_count",
    "check_output",
    "check_shape",
    "listed_outputs",
    "separate_donated",
    "take",
    "take_outputs",
    "without_overlap",
    "wrong_dtype",
]

Array = np.ndarray[Any, Any]

_CPU = 1  # as DLPack counts kinds of devices
_PYTHON = (bool, int, float, complex, list, tuple)


class Counters:
    """What the Python path of one executable has done so far."""

    __slots__ = ("copied_bytes", "copies", "slow_calls")

    def __init__(self) -> None:
        self.slow_calls = self.copies = self.copied_bytes = 0

    def __repr__(self) -> str:
        counts = f"slow_calls={self.slow_calls}, copies={self.copies}"
        return f"Counters({counts}, copied_bytes={self.copied_bytes})"

    def copy(self, array: Array, name: str, reason: str) -> Array:
        """A contiguous native copy, counted; the first one is told to the log `memory`."""
        if not self.copies:
            log("memory", "argument %s is copied at each call: it %s", name, reason)
        self.copies += 1
        self.copied_bytes += array.nbytes
        return np.array(array, dtype=native(array.dtype), order="C", copy=True)


def check_count(program: Program, count: int) -> None:
    """Refuse too few or too many arguments."""
    expected = program.arguments
    if count == len(expected):
        return
    names = ", ".join(argument.name for argument in expected)
    plural = "argument" if len(expected) == 1 else "arguments"
    raise ArgumentError(
        f"the program takes {len(expected)} {plural} ({names}) and got {count}",
        fix=f"call it as {program.signature}",
    )


def take(argument: Argument, value: Any, counters: Counters) -> Array:
    """The value as an array of the argument's dtype and rank, contiguous, aligned and native."""
    array = _as_array(argument, value)
    check_shape(argument.name, argument.spec, array.shape)
    if reason := _unusable(argument, array):
        return counters.copy(array, argument.name, reason)
    return array


def _as_array(argument: Argument, value: Any) -> Array:
    _check_host(argument, value)
    if isinstance(value, np.ma.MaskedArray):
        raise DTypeError(
            f"argument {argument.name!r} is a masked array, and programs know no masks",
            fix="pass value.filled(...), or the data and the mask as two arguments",
        )
    if isinstance(value, _PYTHON) and not isinstance(value, np.generic):
        return _from_python(argument, value)
    array = _from_array_like(argument, value)
    if native(array.dtype) != argument.dtype.numpy:
        raise wrong_dtype(argument, f"of {array.dtype.name}")
    return array


def _check_host(argument: Argument, value: Any) -> None:
    """Refuse an array in the memory of a device instead of moving it unasked."""
    tell = getattr(type(value), "__dlpack_device__", None)
    if tell is None or isinstance(value, np.ndarray | np.generic):
        return
    try:
        device, _ = tell(value)
    except Exception as error:
        raise _unreadable(argument, value, error) from error
    if device != _CPU:
        raise DeviceError(
            f"argument {argument.name!r} is in the memory of a device, and the program runs on "
            "the CPU",
            fix='pass np.asarray(x), or compile with target="cuda"',
        )


def _from_python(argument: Argument, value: Any) -> Array:
    """Python numbers take the argument's dtype as long as they lose no more than digits."""
    dtype = argument.dtype.numpy
    try:
        found = np.asarray(value)
        if found.size and not np.can_cast(found.dtype, _widest(argument.dtype), "same_kind"):
            raise wrong_dtype(argument, f"made of {found.dtype.name} values")
        return np.asarray(value, dtype=dtype)
    except DTypeError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        what = f"argument {argument.name!r} is {argument.spec}, which {_short(value)} cannot be"
        raise DTypeError(f"{what}: {error}", fix="pass a NumPy array of that dtype") from error


def _widest(dtype: DType) -> Any:
    """The type that decides which Python numbers are of the same kind; NumPy checks the range."""
    if dtype.is_complex:
        return np.complex128
    if dtype.is_bool:
        return np.bool_
    return np.float64 if dtype.is_float else np.int64


def _from_array_like(argument: Argument, value: Any) -> Array:
    try:
        if isinstance(value, np.ndarray | np.generic) or not hasattr(value, "__dlpack__"):
            array = np.asarray(value)
        else:
            array = np.from_dlpack(value)
    except Exception as error:
        raise _unreadable(argument, value, error) from error
    if array.dtype.hasobject or not is_numeric(array.dtype):
        raise wrong_dtype(argument, f"{_short(value)}")
    return array


def _unreadable(argument: Argument, value: Any, error: Exception) -> DTypeError:
    return wrong_dtype(argument, f"a {type(value).__name__} ({error})")


def wrong_dtype(argument: Argument, came: str) -> DTypeError:
    name = argument.dtype.numpy.name
    return DTypeError(
        f"argument {argument.name!r} is {came}, but the program takes {argument.spec}",
        fix=f"convert it, for example with {argument.name}.astype({name!r}), "
        "or compile for its own dtype",
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def check_shape(name: str, spec: Spec, shape: tuple[int, ...]) -> None:
    fits = len(shape) == spec.rank and all(
        isinstance(dim, str) or dim == size for dim, size in zip(spec.dims, shape, strict=True)
    )
    if not fits:
        raise GuardError(
            f"argument {name!r} has shape {shape}, but the program was compiled for {spec}",
            fix="pass an array of that shape, or compile with the size that differs as a symbol",
        )


def _unusable(argument: Argument, array: Array) -> str:
    """Why the code cannot work on the array's own memory; empty if it can."""
    if not array.dtype.isnative:
        return "has the other byte order"
    if not array.flags.c_contiguous:
        return "is not contiguous"
    if not array.flags.aligned:
        return "is not aligned"
    if argument.donated and not array.flags.writeable:
        return "is donated but read-only"
    return ""


def separate_donated(program: Program, arrays: list[Array], counters: Counters) -> None:
    """Replace donated arrays that share memory with another input, whose value must not change."""
    for i, argument in enumerate(program.inputs):
        others = (other for j, other in enumerate(arrays) if j != i)
        if argument.donated and any(np.may_share_memory(arrays[i], other) for other in others):
            reason = "is donated and shares memory with another argument"
            arrays[i] = counters.copy(arrays[i], argument.name, reason)


def take_outputs(program: Program, shapes: Sequence[tuple[int, ...]], out: Any) -> list[Array]:
    """The caller's arrays for the results, checked."""
    given = listed_outputs(program, out)
    for result, shape, array in zip(program.outputs, shapes, given, strict=True):
        check_output(result, shape, array)
    check_apart(given)
    return given


def listed_outputs(program: Program, out: Any) -> list[Any]:
    """What the caller gives for each result."""
    given = list(out) if isinstance(out, tuple | list) else [out]
    if len(given) != len(program.outputs):
        raise ArgumentError(
            f"out has {len(given)} arrays for {len(program.outputs)} results",
            fix="pass one array, or a tuple with an array for each result",
        )
    return given


def check_apart(given: Sequence[Array]) -> None:
    """Refuse arrays for results of which two share memory."""
    for i, array in enumerate(given):
        if any(np.may_share_memory(array, other) for other in given[:i]):
            raise GuardError("two arrays of out share memory", fix="pass separate arrays")


def check_output(result: Result, shape: tuple[int, ...], array: Any) -> None:
    expected = f"{result.dtype}{list(shape)}"
    is_plain = isinstance(array, np.ndarray) and not isinstance(array, np.ma.MaskedArray)
    if not is_plain or array.dtype != result.dtype.numpy:
        came = array.dtype if is_plain else type(array).__name__
        raise DTypeError(
            f"out for {result.name!r} has to be an array {expected}, not {came}",
            fix=f"pass np.empty({shape}, {result.dtype.numpy.name!r})",
        )
    if array.shape != shape:
        raise GuardError(
            f"out for {result.name!r} has shape {array.shape}, but the result is {expected}",
            fix=f"pass np.empty({shape}, {result.dtype.numpy.name!r})",
        )
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned and flags.writeable):
        raise GuardError(
            f"out for {result.name!r} is not contiguous, aligned and writeable",
            fix="pass a whole array, not a strided or read-only view of one",
        )


def without_overlap(
    program: Program, arrays: list[Array], outputs: Sequence[Array], counters: Counters
) -> None:
    """Replace inputs that share memory with `out`, so that they are read as they were."""
    for i, argument in enumerate(program.inputs):
        if any(np.may_share_memory(arrays[i], output) for output in outputs):
            arrays[i] = counters.copy(arrays[i], argument.name, "shares memory with out")
