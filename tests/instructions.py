"""What tests of the scalar instructions share: which mean something, and their special values."""

from __future__ import annotations

import numpy as np

from symfuse.compiler.kernel.scalar import INSTRUCTIONS
from symfuse.runtime.dtypes import DType

INTEGERS = [dtype for dtype in DType if dtype.is_integer]
FLOATS = [DType.F32, DType.F64, DType.F16, DType.BF16]

COMPARED = {"lt", "le", "gt", "ge", "eq", "ne"}
QUERIES = {"isnan", "isinf", "isfinite", "signbit"}
BITS = {"bitand", "bitor", "bitxor", "bitnot"}
ROUNDED = {"floor", "ceil", "trunc", "rint"}
EVERYWHERE = COMPARED | QUERIES | ROUNDED | {"abs", "min", "max", "select"}
MEANINGS = {
    "bool": EVERYWHERE | BITS | {"add", "mul"},
    "integer": EVERYWHERE
    | BITS
    | {"add", "sub", "mul", "floordiv", "mod", "fmod", "neg", "fma", "shl", "shr", "pow"},
    "float": EVERYWHERE
    | {"add", "sub", "mul", "div", "floordiv", "mod", "fmod", "neg", "fma"}
    | {"copysign", "nextafter", "sqrt", "rsqrt"},
}
MATHEMATICS = {"exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "erf", "erfc"}
MATHEMATICS |= {"sin", "cos", "tan", "asin", "acos", "atan", "atan2", "pow", "cbrt", "hypot"}
MATHEMATICS |= {"sinh", "cosh", "tanh", "asinh", "acosh", "atanh"}


def meanings(dtype: DType) -> list[str]:
    kind = "bool" if dtype.is_bool else "integer" if dtype.is_integer else "float"
    return [name for name in INSTRUCTIONS if name in MEANINGS[kind]]


def specials(dtype: DType) -> np.ndarray:
    """Values where something changes: ends of ranges, halves, zeros of both signs, NaN."""
    if dtype.is_bool:
        return np.array([False, True])
    if dtype.is_integer:
        low, high = np.iinfo(dtype.numpy).min, np.iinfo(dtype.numpy).max
        near = [
            v for v in (-9, -8, -3, -2, -1, 0, 1, 2, 3, 5, 7, 8, 31, 63, 64) if low <= v <= high
        ]
        return np.array([low, low + 1, *near, high // 3, high - 1, high], dtype.numpy)
    info = dtype.limits
    sizes = [0.0, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 1e5 + 0.5, 8388609.0, 3e9, 2.0**31, 2.0**63]
    sizes += [1.8e19, 1e30, info.tiny, info.smallest_subnormal, info.max, np.inf, np.nan]
    with np.errstate(over="ignore"):
        return np.array([sign * float(x) for x in sizes for sign in (1, -1)]).astype(dtype.numpy)


def operands(name: str, dtype: DType) -> list[np.ndarray]:
    """All pairs of special values; of triples, each pair with a third that goes round."""
    values = specials(dtype)
    arity = INSTRUCTIONS[name].arity
    if name == "select":
        first, second = (grid.ravel() for grid in np.meshgrid(values, values))
        return [np.arange(first.size) % 3 == 0, first, second]
    grids = [grid.ravel() for grid in np.meshgrid(*[values] * min(arity, 2))]
    if arity == 3:
        grids.append(np.resize(np.roll(values, 1), grids[0].size))
    return grids


def assert_same_bits(found: np.ndarray, expected: np.ndarray, given: list[np.ndarray]) -> None:
    assert found.dtype == expected.dtype
    same = found == expected
    if DType.of(found.dtype).is_float:
        same = np.where(same, np.signbit(found) == np.signbit(expected), same)
        same |= np.isnan(found) & np.isnan(expected)
    wrong = np.flatnonzero(~same)[:5]
    assert not wrong.size, [
        ([array[i].item() for array in given], "gives", found[i].item(), "not", expected[i].item())
        for i in wrong
    ]
