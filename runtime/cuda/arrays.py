"""Arrays in the memory of a device, shared with other libraries without a copy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import DType, native
from ..errors import DeviceError, DTypeError
from . import dlpack
from .device import LEGACY, STREAM, Device, count, device
from .driver import driver
from .memory import Block
from .transfer import stager

__all__ = ["DeviceArray", "empty", "from_foreign", "is_on_device", "placed", "to_device"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

_SHOWN = 1000
_ORDINAL = 9  # the attribute of an address that is its device


class DeviceArray:
    """A row-major array in device memory.

    It is shared without a copy through `__dlpack__` and `__cuda_array_interface__`; NumPy gets a
    copy from `np.asarray(x)`, which waits for the device. NumPy functions do not take it: they
    would move it to the host unasked.
    """

    __slots__ = (
        "__weakref__",
        "address",
        "device",
        "element",
        "is_own",
        "is_read_only",
        "owner",
        "shape",
    )

    __array_ufunc__ = None

    def __init__(
        self,
        device: Device,
        address: int,
        shape: Shape,
        element: DType,
        owner: object,
        *,
        is_read_only: bool = False,
    ) -> None:
        self.device, self.address, self.shape = device, address, shape
        self.element, self.owner, self.is_read_only = element, owner, is_read_only
        # Whole blocks of symfuse's own are aligned, and apart from each other.
        self.is_own = type(owner) is Block and owner.address == address

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy element type of the same values."""
        return self.element.numpy

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that the elements take."""
        return self.size * self.element.itemsize

    def numpy(self) -> Array:
        """A copy on the host, after waiting for the device."""
        copy = np.empty(self.shape, self.dtype)
        stager(self.device).download(copy, self.address)
        return copy

    def item(self) -> Any:
        """The only element, as a Python number."""
        return self.numpy().item()

    def tolist(self) -> Any:
        """The elements as Python numbers in nested lists."""
        return self.numpy().tolist()

    def copy(self) -> DeviceArray:
        """A copy on the device."""
        made = empty(self.device, self.shape, self.element)
        with self.device:
            self.device.copy(made.address, self.address, self.nbytes)
        return made

    def to_device(self, device: str, /, *, stream: Any = None) -> Any:
        """The array on "cpu", as a NumPy array, or itself on the device where it is."""
        if device == "cpu":
            return self.numpy()
        if device in ("cuda", self.device.label):
            return self
        return to_device(self.numpy(), _device_named(device))

    def block_until_ready(self) -> DeviceArray:
        """The array itself, once all work so far is done."""
        self.device.synchronize()
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("an array in device memory cannot be a NumPy array without a copy")
        found = self.numpy()
        return found if dtype is None else found.astype(dtype, copy=False)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, self.device.ordinal

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule for work on `stream`, by default the legacy one; on the CPU a copy."""
        versioned = max_version is not None and max_version[0] >= 1
        if dl_device is not None and tuple(dl_device) == (dlpack.CPU, 0):
            if copy is False:
                raise BufferError("an array in device memory is not on the CPU without a copy")
            host: Any = self.numpy()
            return host.__dlpack__(max_version=max_version) if versioned else host.__dlpack__()
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError(f"the array is on {self.device.label}")
        lent = self.copy() if copy else self
        if self.is_read_only and not versioned and not copy:
            raise BufferError("a read-only array needs DLPack 1.0")
        _make_wait(lent, stream)
        _mark_shared(lent)
        tensor = dlpack.Tensor(
            lent.address,
            lent.element,
            lent.shape,
            lent.__dlpack_device__(),
            lent,
            is_read_only=lent.is_read_only,
        )
        return dlpack.capsule_of(tensor, versioned=versioned)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self.element is DType.BF16:
            raise AttributeError("this protocol has no bfloat16; DLPack does")
        _mark_shared(self)
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address if self.size else 0, self.is_read_only),
            "version": 3,
            "stream": LEGACY,
        }

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Any:
        raise TypeError("a device array is not iterated over: take np.asarray(x) first")

    def __bool__(self) -> bool:
        return bool(self.numpy())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        return self.numpy().__index__()

    def __repr__(self) -> str:
        if self.size > _SHOWN:
            return f"<device array {self.element}{list(self.shape)} on {self.device.label}>"
        values = np.array2string(self.numpy(), separator=", ", prefix="device_array(")
        return f"device_array({values}, dtype={self.dtype.name}, device={self.device.label!r})"


def empty(device: Device, shape: Shape, element: DType) -> DeviceArray:
    """An uninitialised array on a device."""
    block = device.memory.take(math.prod(shape) * element.itemsize)
    return DeviceArray(device, block.address, shape, element, block)


def to_device(array: Any, where: Device | None = None) -> DeviceArray:
    """A copy of a host array in device memory; a device array that is there already is itself."""
    chosen = where or device()
    if is_on_device(array):
        found = from_foreign(array)
        return found if found.device is chosen else to_device(found.numpy(), chosen)
    host = np.ascontiguousarray(array)
    host = host.astype(native(host.dtype), copy=False)
    made = empty(chosen, np.shape(array), DType.of(host))
    stager(chosen).upload(made.address, host)
    return made


def placed(array: Any, name: str) -> DeviceArray:
    """The array on the device of this name, as `cuda` or `cuda:1`."""
    return to_device(array, _device_named(name))


def is_on_device(value: Any) -> bool:
    """Whether a value is an array in device memory, of whatever library."""
    if isinstance(value, np.ndarray | np.generic):
        return False
    if isinstance(value, DeviceArray):
        return True
    if tell := getattr(type(value), "__dlpack_device__", None):
        return int(tell(value)[0]) in (dlpack.CUDA, dlpack.CUDA_MANAGED)
    return getattr(value, "__cuda_array_interface__", None) is not None


def from_foreign(value: Any) -> DeviceArray:
    """The device array of another library on the same memory; no copy is made.

    Work of that library comes first. An array that is not row-major is refused.
    """
    if isinstance(value, DeviceArray):
        return value
    try:
        if hasattr(value, "__dlpack__"):
            return _from_dlpack(value)
        return _from_interface(value)
    except (TypeError, BufferError, RuntimeError) as error:
        if isinstance(error, DeviceError):
            raise
        kind = f"{type(value).__module__}.{type(value).__name__}"
        raise DTypeError(
            f"a {kind} cannot be taken over from its library: {error}",
            fix="pass a contiguous array without a gradient, of an element type of symfuse",
        ) from error


def _from_dlpack(value: Any) -> DeviceArray:
    try:
        capsule = value.__dlpack__(stream=LEGACY, max_version=dlpack.VERSION)
    except TypeError:  # what was written before DLPack 1.0 does not know the second
        capsule = value.__dlpack__(stream=LEGACY)
    found = dlpack.tensor_of(capsule)
    if not found.is_contiguous:
        raise TypeError("it is not contiguous in row-major order")
    place = device(found.device[1])
    return DeviceArray(
        place,
        found.address,
        found.shape,
        found.dtype,
        found.owner,
        is_read_only=found.is_read_only,
    )


def _from_interface(value: Any) -> DeviceArray:
    facts = value.__cuda_array_interface__
    dtype, shape = np.dtype(facts["typestr"]), tuple(map(int, facts["shape"]))
    address, is_read_only = facts["data"]
    strides = facts.get("strides")
    if facts.get("mask") is not None:
        raise TypeError("it has a mask")
    if strides is not None and not _is_row_major(shape, strides, dtype.itemsize):
        raise TypeError("it is not contiguous in row-major order")
    place = _holder(int(address or 0))
    if stream := facts.get("stream"):
        _wait_for(place, int(stream))
    made = DeviceArray(place, int(address or 0), shape, DType.of(dtype), value)
    made.is_read_only = bool(is_read_only)
    return made


def _holder(address: int) -> Device:
    """The device in whose memory an address lies."""
    if not address or count() == 1:
        return device()
    return device(driver().number("cuPointerGetAttribute", _ORDINAL, address))


def _is_row_major(shape: Shape, strides: Any, itemsize: int) -> bool:
    expected = itemsize
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


def _make_wait(array: DeviceArray, stream: int | None) -> None:
    """Have work on a stream of the consumer's wait for what symfuse has begun."""
    if stream in (None, -1, STREAM, LEGACY):
        return
    _order(array.device, STREAM, int(stream or 0))


def _wait_for(place: Device, stream: int) -> None:
    """Have work of symfuse wait for what another stream has begun."""
    if stream not in (STREAM, LEGACY):
        _order(place, stream, STREAM)


def _order(place: Device, first: int, second: int) -> None:
    with place:
        event = place.driver.handle("cuEventCreate", 2)
        place.driver.call("cuEventRecord", event, first)
        place.driver.call("cuStreamWaitEvent", second, event, 0)
        place.driver.call("cuEventDestroy_v2", event)


def _mark_shared(array: DeviceArray) -> None:
    if isinstance(array.owner, Block):
        array.owner.is_shared = True


def _device_named(name: str) -> Device:
    kind, _, number = name.partition(":")
    if name == "cuda":
        return device()
    if kind != "cuda" or not number.isdigit():
        raise DeviceError(f"there is no device {name!r}", fix='use "cpu" or "cuda:0"')
    return device(int(number))
