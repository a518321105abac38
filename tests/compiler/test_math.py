"""The mathematics is within 2 ULP of the true values, and right where there are no values."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from handmade import make_graph
from mapped import compile_maps
from mpmath import mpf

import symfuse.compiler.ops  # noqa: F401  (completes the registry)
from symfuse.compiler.compile import compile_graph
from symfuse.compiler.ir.op import operations as op
from symfuse.compiler.kernel.numpy_scalars import NumpyScalars
from symfuse.compiler.kernel.scalar import INSTRUCTIONS
from symfuse.compiler.targets.llvm.scalars import LlvmScalars
from symfuse.compiler.targets.llvm.writer import Value, Writer
from symfuse.runtime.dtypes import DType
from symfuse.runtime.executable import Executable

FLOATS = [DType.F32, DType.F64]
LANES = {DType.F32: 16, DType.F64: 8}
SAMPLES = 120
DENSE = 60_000
ULPS = 2.0

TRUE: dict[str, Callable[..., mpf]] = {
    "exp": mpmath.exp,
    "exp2": lambda x: mpmath.power(2, x),
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "log10": lambda x: mpmath.log(x) / mpmath.log(10),
    "log1p": mpmath.log1p,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "asin": mpmath.asin,
    "acos": mpmath.acos,
    "atan": mpmath.atan,
    "atan2": mpmath.atan2,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "tanh": mpmath.tanh,
    "asinh": mpmath.asinh,
    "acosh": mpmath.acosh,
    "atanh": mpmath.atanh,
    "erf": mpmath.erf,
    "erfc": mpmath.erfc,
    "pow": mpmath.power,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "hypot": lambda x, y: mpmath.sqrt(x * x + y * y),
}
# NumPy, in f64, is exact enough for many values of f32; it has no erf.
IN_F64 = [name for name in TRUE if name not in ("erf", "erfc")]


def _spread(rng, low: float, high: float, count: int) -> np.ndarray:
    """Positive numbers, as many of each magnitude."""
    return 10.0 ** rng.uniform(np.log10(low), np.log10(high), count)


def _signed(rng, values: np.ndarray) -> np.ndarray:
    return values * rng.choice([-1.0, 1.0], values.size)


def _ordinary(name: str, dtype: DType, rng, n: int) -> list[np.ndarray]:
    """Numbers where the function has values, denser where it bends and where methods change."""
    single = dtype is DType.F32
    top, least, most = (88.0, 1e-44, 1e38) if single else (709.0, 1e-322, 1e308)
    join = np.concatenate
    positive = join([_spread(rng, least, most, n), rng.uniform(0.3, 3, n)])
    small = _signed(rng, _spread(rng, 1e-20, 1, n))
    turns = rng.integers(1, 40_000 if single else 2**26, n) * (np.pi / 2)
    ranges = {
        "exp": [rng.uniform(-1.2 * top, top, n), rng.uniform(-1, 1, n), small],
        "exp2": [rng.uniform(-1.6 * top, 1.44 * top, n), rng.uniform(-1, 1, n)],
        "expm1": [rng.uniform(-40, top, n), rng.uniform(-1.5, 1.5, n), small],
        "log1p": [positive, rng.uniform(-1, 3, n), small],
        "circular": [rng.uniform(-10, 10, n), turns, _signed(rng, _spread(rng, 1, 1e30, n)), small],
        "arc": [rng.uniform(-1, 1, n), 1 - _spread(rng, 1e-7, 0.5, n), small],
        "atan": [rng.uniform(-5, 5, n), _signed(rng, _spread(rng, 1e-30, 1e30, n))],
        "hyperbolic": [rng.uniform(-top, top, n), rng.uniform(-2, 2, n), small],
        "asinh": [rng.uniform(-5, 5, n), _signed(rng, _spread(rng, 1e-20, 1e30, n))],
        "acosh": [1 + _spread(rng, 1e-7, 10, n), _spread(rng, 1, 1e30, n)],
        "erf": [rng.uniform(-6, 6, n), rng.uniform(-1.2, 1.2, n), small],
        "erfc": [rng.uniform(-3, 10 if single else 27.2, n), rng.uniform(-1, 3, n)],
        "cbrt": [_signed(rng, _spread(rng, least, most, n)), rng.uniform(-9, 9, n)],
    }
    families = {
        "circular": ("sin", "cos", "tan"),
        "arc": ("asin", "acos", "atanh"),
        "hyperbolic": ("sinh", "cosh", "tanh"),
    }
    if name in ("atan2", "hypot"):
        pairs = (join([rng.normal(size=n), _spread(rng, least, most / 4, n)]) for _ in range(2))
        return [_signed(rng, values) for values in pairs]
    if name == "pow":
        bases = join([rng.uniform(0.01, 10, n), _spread(rng, least, most, n)])
        near = rng.uniform(0.9, 1.1, n)
        exponents = (
            rng.uniform(-20, 20, n),
            rng.uniform(-2, 2, n),
            rng.uniform(-7 * top, 7 * top, n),
        )
        return [join([bases, near]), join(exponents)]
    family = next((key for key, names in families.items() if name in names), name)
    return [join(ranges[family]) if family in ranges else positive]


@pytest.fixture(scope="module")
def compiled():
    """Every function as vectors and as scalars of both precisions."""
    found = {}
    for dtype in FLOATS:
        for lanes in (1, LANES[dtype]):
            described = {
                name: (
                    lambda s, *values, name=name: s.emit(name, values),
                    [dtype] * INSTRUCTIONS[name].arity,
                    dtype,
                )
                for name in TRUE
            }
            for name, function in compile_maps(described, lanes).items():
                found[name, dtype, lanes > 1] = function
    return found


def _error(found: float, true: mpf, dtype: DType) -> float:
    """The distance in units in the last place of the true value."""
    info = np.finfo(dtype.numpy)
    if abs(true) > mpf(float(info.max)) * (1 + mpf(2) ** (-info.nmant - 2)):
        return 0.0 if np.isinf(found) and (found > 0) == (true > 0) else np.inf
    exponent = max(
        int(mpmath.floor(mpmath.log(abs(true), 2))) if true else info.minexp, info.minexp
    )
    return float(abs(mpf(found) - true) / mpf(2) ** (exponent - info.nmant))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", list(TRUE))
def test_values_are_within_two_ulps_of_the_truth(compiled, name, dtype, rng):
    given = [array.astype(dtype.numpy) for array in _ordinary(name, dtype, rng, SAMPLES)]
    found = compiled[name, dtype, True](*given)
    with mpmath.workprec(160):
        errors = [
            _error(float(found[i]), TRUE[name](*(mpf(float(array[i])) for array in given)), dtype)
            for i in range(found.size)
        ]
    worst = int(np.argmax(errors))
    assert errors[worst] <= ULPS, [array[worst] for array in given]


@pytest.mark.parametrize("name", IN_F64)
def test_many_values_of_f32_are_within_two_ulps(compiled, name, rng):
    given = [array.astype(np.float32) for array in _ordinary(name, DType.F32, rng, DENSE)]
    found = compiled[name, DType.F32, True](*given).astype(np.float64)
    true = NumpyScalars().emit(name, tuple(array.astype(np.float64) for array in given))
    finite = (np.abs(true) < np.finfo(np.float32).max) & np.isfinite(found)
    units = np.ldexp(1.0, np.maximum(np.frexp(true[finite])[1] - 1, -126) - 23)
    assert np.max(np.abs(found[finite] - true[finite]) / units) <= ULPS
    assert np.isinf(found[np.abs(true) > 3.4028236e38]).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", list(TRUE))
def test_scalars_have_the_bits_of_vectors(compiled, name, dtype, rng):
    given = [array.astype(dtype.numpy) for array in _ordinary(name, dtype, rng, 50)]
    vector, scalar = (compiled[name, dtype, wide](*given) for wide in (True, False))
    assert vector.tobytes() == scalar.tobytes()


# --- where there is nothing to round


def _edges(dtype: DType) -> np.ndarray:
    info = np.finfo(dtype.numpy)
    sizes = [0, 1, 2, 3, 0.5, 1.5, np.inf, np.nan, info.max, info.tiny, info.smallest_subnormal]
    sizes += [2.0 ** (info.nmant + 1) + 2, 2.0 ** (info.nmant + 1) - 1, 1e4, 1e30]
    return np.array([sign * size for size in sizes for sign in (1, -1)], dtype.numpy)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", list(TRUE))
def test_zeros_infinities_and_nans_are_those_of_numpy(compiled, name, dtype, wide):
    values = _edges(dtype)
    given = [grid.ravel() for grid in np.meshgrid(*[values] * INSTRUCTIONS[name].arity)]
    found = compiled[name, dtype, wide](*given).astype(np.float64)
    if name == "rsqrt":
        with np.errstate(all="ignore"):
            true = 1 / np.sqrt(given[0].astype(np.float64))
    else:
        exact = NumpyScalars().emit(name, tuple(array.astype(np.float64) for array in given))
        with np.errstate(all="ignore"):
            true = exact.astype(dtype.numpy).astype(np.float64)
    for check in (np.isnan, np.isposinf, np.isneginf):
        differ = np.flatnonzero(check(found) != check(true))
        assert not differ.size, [(*(a[i] for a in given), found[i], true[i]) for i in differ[:4]]
    zero = (true == 0) & (found == 0)
    np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(true[zero]))
    real = np.isfinite(true)
    bound = {DType.F32: 3e-7, DType.F64: 6e-16}[dtype]
    least = float(np.finfo(dtype.numpy).smallest_subnormal)
    np.testing.assert_allclose(found[real], true[real], rtol=bound, atol=2 * least)


@pytest.mark.parametrize("dtype", FLOATS)
def test_powers_of_two_are_exact(compiled, dtype):
    info = np.finfo(dtype.numpy)
    exponents = np.arange(info.minexp - info.nmant, info.maxexp, dtype=dtype.numpy)
    powers = np.ldexp(dtype.numpy.type(1), exponents.astype(np.int32))
    np.testing.assert_array_equal(compiled["exp2", dtype, True](exponents), powers)
    np.testing.assert_array_equal(compiled["log2", dtype, True](powers), exponents)
    twos = np.full_like(exponents, 2)
    np.testing.assert_array_equal(compiled["pow", dtype, True](twos, exponents), powers)


@pytest.mark.parametrize("dtype", FLOATS)
def test_roots_of_cubes_and_right_triangles_are_exact(compiled, dtype):
    whole = np.arange(-200.0, 200.0)
    np.testing.assert_array_equal(compiled["cbrt", dtype, True](whole**3), whole)
    np.testing.assert_array_equal(
        compiled["hypot", dtype, True](3 * whole, 4 * whole), abs(5 * whole)
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_odd_functions_are_odd_and_even_ones_even(compiled, dtype, rng):
    x = _ordinary("asinh", dtype, rng, 2000)[0]
    for name in ("sin", "tan", "atan", "sinh", "tanh", "asinh", "erf", "cbrt"):
        function = compiled[name, dtype, True]
        assert function(-x).tobytes() == (-function(x)).tobytes(), name
    assert compiled["cosh", dtype, True](-x).tobytes() == compiled["cosh", dtype, True](x).tobytes()


def test_only_rare_arguments_leave_the_vector_code():
    writer = Writer("f", [("<16 x float>", "%x")])
    s = LlvmScalars(writer)
    for name in TRUE:
        if INSTRUCTIONS[name].arity == 1:
            s.emit(name, (s.const(0.5, DType.F32),))
    external = {
        line.split("@")[1].split("(")[0] for line in writer.declarations if "@llvm." not in line
    }
    assert external == {"sinf", "cosf", "tanf"}


@pytest.mark.parametrize("dtype", [DType.F32, DType.F64], ids=str)
@pytest.mark.parametrize("base", [2.0, 10.0, 0.3, 1e-30, -3.0, 1.0, 0.0, -0.0, np.inf, np.nan])
def test_the_logarithm_of_a_base_that_is_a_number_is_not_computed_again(
    dtype: DType, base: float
) -> None:
    with_number = make_graph(lambda y: op["power"](base, y), f"{dtype}[N]")
    with_array = make_graph(lambda x, y: op["power"](x, y), f"{dtype}[N]", f"{dtype}[N]")
    one, other = compile_graph(with_number), compile_graph(with_array)
    exponents = np.array(
        [0.0, -0.0, 1, -1, 2, 7, -8, 0.5, -1.75, np.inf, -np.inf, np.nan], dtype.numpy
    )
    found = Executable(one.program, threads=1)(exponents)
    expected = Executable(other.program, threads=1)(np.full_like(exponents, base), exponents)
    np.testing.assert_array_max_ulp(found, expected, 1)
    numbers = ~np.isnan(expected)
    assert (np.signbit(found) == np.signbit(expected))[numbers].all()
    if np.isfinite(base) and base != 0:
        scalars = LlvmScalars(Writer("f", []))
        scalars.emit("pow", (scalars.const(base, dtype), Value("%y", dtype, 8)))
        assert "double @llvm.fma.f64(" not in scalars.writer.text()
