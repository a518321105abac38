"""The array namespace: NumPy's functions, computed at once on arrays, recorded on tracers."""

import math as _math
from collections.abc import Iterator as _Iterator
from importlib import import_module as _import_module
from types import ModuleType as _ModuleType
from typing import Any as _Any

import numpy as _np

from symfuse.runtime.dtypes import DType as _DType

from ..tracing.dispatch import HOMES as _HOMES
from . import arithmetic as _arithmetic
from . import creation as _creation
from . import elementwise as _elementwise
from . import indexing as _indexing
from . import inspection as _inspection
from . import joining as _joining
from . import manipulation as _manipulation
from . import names as _names
from . import products as _products
from . import reductions as _reductions
from . import updates as _updates

assert _updates  # x[i] = v and x.at[i] are looked up by name

__all__ = ["fft", "linalg"]

_LOADED = (
    _creation, _elementwise, _arithmetic, _reductions, _manipulation, _joining, _products,
    _indexing,
)  # fmt: skip
for _topic in _LOADED:
    for _name in _topic.__all__:
        globals()[_name] = getattr(_topic, _name)
        __all__.append(_name)
__all__.remove("places_of")
__all__ += [_name for _part in _names.LATER.values() for _name in _part.split()]

e, pi, inf, nan, newaxis = _math.e, _math.pi, _math.inf, _math.nan, None
euler_gamma = _np.euler_gamma
ndarray = _np.ndarray
bool = bool_ = _np.bool_
int8, int16, int32, int64 = _np.int8, _np.int16, _np.int32, _np.int64
uint8, uint16, uint32, uint64 = _np.uint8, _np.uint16, _np.uint32, _np.uint64
float16, float32, float64 = _np.float16, _np.float32, _np.float64
complex64, complex128 = _np.complex64, _np.complex128
dtype, promote_types, issubdtype = _np.dtype, _np.promote_types, _np.issubdtype

__array_api_version__ = _inspection.VERSION


def __array_namespace_info__() -> _Any:
    """What the array API standard asks of a namespace to say of itself."""
    return _inspection.NamespaceInfo()


def __getattr__(name: str) -> _Any:
    if name in ("fft", "linalg"):
        return _import_module(f"{__name__}.{name}")
    # It takes a package that is imported where bfloat16 is used, and nowhere else.
    if name == "bfloat16":
        return _DType.BF16.numpy.type
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(_import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def topics() -> _Iterator[tuple[_ModuleType, list[str]]]:
    """The modules that define the functions, with the names that each gives the namespace."""
    for loaded in _LOADED:
        yield loaded, [name for name in loaded.__all__ if name in __all__]
    for module, names in _names.LATER.items():
        yield _import_module(f"{__name__}.{module}"), names.split()
