"""Turns what a caller passes into arrays that device code can use, or says why it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import DeviceError, GuardError
from ..host.arguments import (
    Counters,
    check_apart,
    check_output,
    check_shape,
    listed_outputs,
    take,
    wrong_dtype,
)
from ..log import log
from ..program import Argument, Program
from .arrays import DeviceArray, from_foreign, is_on_device
from .device import Device

__all__ = ["Operand", "copied", "overlaps", "separate", "take_operand", "take_targets"]

Operand = DeviceArray | np.ndarray[Any, Any]

# What 16-byte accesses of kernels to inputs and outputs rely on.
_ALIGNED = 16


def take_operand(argument: Argument, value: Any, device: Device, counters: Counters) -> Operand:
    """The value as an array of the argument's dtype and rank, on this device or on the host."""
    if not is_on_device(value):
        return take(argument, value, counters)
    array = from_foreign(value)
    check_device(f"argument {argument.name!r}", array, device)
    if array.element is not argument.dtype:
        raise wrong_dtype(argument, f"of {array.element}")
    check_shape(argument.name, argument.spec, array.shape)
    if array.address % _ALIGNED:
        return copied(array, argument.name, "is not aligned to 16 bytes", counters)
    if argument.donated and array.is_read_only:
        return copied(array, argument.name, "is donated but read-only", counters)
    return array


def check_device(what: str, array: DeviceArray, device: Device) -> None:
    """Refuse an array in the memory of another device."""
    if array.device is not device:
        raise DeviceError(
            f"{what} is on {array.device.label}, and the program runs on {device.label}",
            fix=f"move it by x.to_device({device.label!r}), or run the program where it is by "
            f"the option cuda_device={array.device.ordinal}",
        )


def copied(array: DeviceArray, name: str, reason: str, counters: Counters) -> DeviceArray:
    """A copy on the device, counted; the first one is told to the log `memory`."""
    if not counters.copies:
        log("memory", "argument %s is copied at each call: it %s", name, reason)
    counters.copies += 1
    counters.copied_bytes += array.nbytes
    return array.copy()


def take_targets(
    program: Program, shapes: Sequence[tuple[int, ...]], out: Any, device: Device
) -> list[Operand]:
    """The caller's arrays for the results, on the device or on the host, checked."""
    given = listed_outputs(program, out)
    taken: list[Operand] = []
    for result, shape, target in zip(program.outputs, shapes, given, strict=True):
        if not is_on_device(target):
            check_output(result, shape, target)
            taken.append(target)
            continue
        array = from_foreign(target)
        check_device(f"out for {result.name!r}", array, device)
        _check_target(result.name, (result.dtype, shape), array)
        taken.append(array)
    check_apart([array for array in taken if isinstance(array, np.ndarray)])
    if overlaps([array for array in taken if isinstance(array, DeviceArray)]):
        raise GuardError("two arrays of out share memory", fix="pass separate arrays")
    return taken


def _check_target(name: str, expected: tuple[DType, tuple[int, ...]], array: DeviceArray) -> None:
    dtype, shape = expected
    if (array.element, array.shape) != expected or array.is_read_only or array.address % _ALIGNED:
        raise GuardError(
            f"out for {name!r} has to be a writeable array {dtype}{list(shape)} aligned to 16 "
            f"bytes, not {array.element}{list(array.shape)}",
            fix="pass an array of that type, or none",
        )


def overlaps(arrays: Sequence[DeviceArray]) -> set[int]:
    """The positions of arrays that share memory with another one in the list."""
    spans = sorted((x.address, x.address + x.nbytes, at) for at, x in enumerate(arrays) if x.nbytes)
    found: set[int] = set()
    reach, owner = 0, -1
    for start, end, at in spans:
        if start < reach:
            found |= {at, owner}
        if end > reach:
            reach, owner = end, at
    return found


def separate(
    program: Program, inputs: list[Operand], written: Sequence[DeviceArray], counters: Counters
) -> None:
    """Replace inputs that share memory with what the program writes but may not change."""
    on_device = [(at, x) for at, x in enumerate(inputs) if isinstance(x, DeviceArray)]
    shared = overlaps([*(x for _, x in on_device), *written])
    if not shared:
        return
    for index, (at, array) in enumerate(on_device):
        argument = program.inputs[at]
        if index in shared and (argument.donated or overlaps([array, *written])):
            reason = "shares memory with another argument or a result"
            inputs[at] = copied(array, argument.name, reason, counters)
