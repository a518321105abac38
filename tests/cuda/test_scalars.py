"""The CUDA column gives the bits of NumPy, for every instruction, type and special value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from contracts.cases import assert_close
from cuda.on_device import needs_nvrtc
from cuda.simulator.build import needs_compiler, simulate
from instructions import (
    INTEGERS,
    MATHEMATICS,
    assert_same_bits,
    meanings,
    operands,
    specials,
)

from symfuse.compiler.kernel.numpy_scalars import NumpyScalars
from symfuse.compiler.kernel.scalar import INSTRUCTIONS, result_dtype
from symfuse.compiler.targets.cuda.kernels import prefix
from symfuse.compiler.targets.cuda.nvrtc import Request, translate
from symfuse.compiler.targets.cuda.scalars import CudaScalars, Value, c_type, literal
from symfuse.runtime.dtypes import SCALARS, DType

Array = np.ndarray[Any, Any]
Body = Callable[..., Value]
FLOATS = [DType.F32, DType.F64]
HALVES = [DType.F16, DType.BF16]


@dataclass(frozen=True)
class Text:
    """A kernel whose only thread applies a body to every element."""

    name: str
    text: str
    threads: int = 32
    shared: int = 0


@dataclass(frozen=True)
class Map:
    """A function of scalars and the types of what it takes and gives."""

    body: Body
    inputs: tuple[DType, ...]
    output: DType


def kernel_of(maps: Mapping[str, Map]) -> Text:
    """One kernel that applies every map to arrays of its own, `count` elements each."""
    params, lines = [], []
    for name, one in maps.items():
        kinds = [*one.inputs, one.output]
        names = [f"{name}_{at}" for at in range(len(kinds))]
        params += [f"{c_type(kind)}* {array}" for kind, array in zip(kinds, names, strict=True)]
        params.append(f"i64 {name}_count")
        lines += _loop(name, one, names)
    types = [param.rpartition(" ")[0] for param in params]
    pointers = [at for at, kind in enumerate(types) if kind != "i64"]
    order = [*pointers, *(at for at, kind in enumerate(types) if kind == "i64")]
    listed = ", ".join(params[at] for at in order)
    exported = ", ".join(["apply", *(types[at] for at in order)])
    text = f"SF_KERNEL(apply, 32)({listed}) {{\n    if (sf_thread() > 0) return;\n"
    return Text("apply", f"{prefix()}{text}{''.join(lines)}}}\nSF_EXPORT({exported});\n")


def _loop(name: str, one: Map, names: Sequence[str]) -> list[str]:
    lines = [f"    for (i64 i = 0; i < {name}_count; ++i) {{\n"]

    def named(value: Value) -> Value:
        text = f"value{len(lines)}"
        lines.append(f"        const {c_type(value.dtype)} {text} = {value};\n")
        return Value(text, value.dtype)

    given = [
        named(Value(f"{array}[i]", dtype))
        for array, dtype in zip(names[:-1], one.inputs, strict=True)
    ]
    result = one.body(CudaScalars(named), *given)
    return [*lines, f"        {names[-1]}[i] = {result};\n    }}\n"]


def apply(maps: Mapping[str, Map], given: Mapping[str, Sequence[Array]]) -> dict[str, Array]:
    """What every map gives for its arrays."""
    found = {name: np.zeros(given[name][0].shape, one.output.numpy) for name, one in maps.items()}
    arrays = [np.ascontiguousarray(array) for name in maps for array in (*given[name], found[name])]
    outputs = {id(array): array for array in found.values()}
    counts = [array.size for array in found.values()]
    simulate(kernel_of(maps), 1, arrays, counts)
    assert all(any(array is out for array in arrays) for out in outputs.values())
    return found


def instruction(name: str, dtype: DType) -> Map:
    arity = INSTRUCTIONS[name].arity
    inputs = (DType.BOOL, dtype, dtype) if name == "select" else (dtype,) * arity
    body = lambda s, *values: s.emit(name, values)  # noqa: E731
    return Map(body, inputs, result_dtype(name, inputs))


def _specials(dtype: DType) -> Array:
    with np.errstate(over="ignore"):
        return specials(dtype.computed).astype(dtype.numpy)


def _all_meanings(dtype: DType) -> list[str]:
    return [name for name in meanings(dtype) if not (dtype.is_bool and name == "pow")]


@needs_compiler
@pytest.mark.parametrize("dtype", [DType.BOOL, *INTEGERS, *FLOATS])
def test_instructions_give_the_bits_of_numpy(dtype: DType) -> None:
    maps = {name: instruction(name, dtype) for name in _all_meanings(dtype)}
    given = {name: operands(name, dtype) for name in maps}
    for name, found in apply(maps, given).items():
        wanted = NumpyScalars().emit(name, tuple(given[name]))
        assert_same_bits(found, wanted, given[name])


@needs_compiler
@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_of_mathematics_are_those_of_numpy(dtype: DType) -> None:
    names = sorted(MATHEMATICS)
    maps = {name: instruction(name, dtype) for name in names}
    points = np.concatenate([np.linspace(-4, 4, 81), [0.0, -0.0, np.inf, -np.inf, np.nan]])
    given = {name: [points.astype(dtype.numpy)] * INSTRUCTIONS[name].arity for name in names}
    for name, found in apply(maps, given).items():
        assert_close(found, NumpyScalars().emit(name, tuple(given[name])), ulp=4)


@needs_compiler
@pytest.mark.parametrize("source", SCALARS)
def test_conversions_are_astype(source: DType) -> None:
    maps = {
        f"to_{target}": Map(lambda s, x, target=target: s.convert(x, target), (source,), target)
        for target in SCALARS
        if target is not source
    }
    values = _specials(source)
    with np.errstate(all="ignore"):
        found = apply(maps, {name: [values] for name in maps})
        for name, one in maps.items():
            assert_same_bits(found[name], NumpyScalars().convert(values, one.output), [values])


@needs_compiler
def test_conversions_to_halves_round_once() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=20_000) * 10.0 ** rng.uniform(-8, 5, 20_000)
    halves = np.float16(rng.normal(size=10_000)).astype(np.float64)
    middles = (halves + np.nextafter(halves.astype(np.float16), np.float16(9)).astype(float)) / 2
    values = np.concatenate([values, middles, middles * (1 + 1e-15), middles * (1 - 1e-15)])
    maps = {f"to_{h}": Map(lambda s, x, h=h: s.convert(x, h), (DType.F64,), h) for h in HALVES}
    with np.errstate(all="ignore"):
        for name, found in apply(maps, {name: [values] for name in maps}).items():
            wanted = NumpyScalars().convert(values, maps[name].output)
            assert found.tobytes() == wanted.tobytes()


@needs_compiler
def test_bitcasts_keep_the_bits() -> None:
    numbers = [dtype for dtype in SCALARS if not dtype.is_bool]
    pairs = [(a, b) for a in numbers for b in numbers if a.bits == b.bits and a is not b]
    maps = {f"{a}_{b}": Map(lambda s, x, b=b: s.bitcast(x, b), (a,), b) for a, b in pairs}
    rng = np.random.default_rng(5)
    given = {
        f"{a}_{b}": [rng.integers(0, 256, 64 * a.itemsize, np.uint8).view(a.numpy)]
        for a, b in pairs
    }
    for name, found in apply(maps, given).items():
        assert found.tobytes() == given[name][0].tobytes()


@needs_compiler
def test_random_divisions_are_exact() -> None:
    rng = np.random.default_rng(7)
    maps, given = {}, {}
    for dtype in (*INTEGERS, *FLOATS):
        for name in ("floordiv", "mod", "fmod"):
            maps[f"{name}_{dtype}"] = instruction(name, dtype)
            given[f"{name}_{dtype}"] = _dividends(rng, dtype)
    for name, found in apply(maps, given).items():
        wanted = NumpyScalars().emit(name.partition("_")[0], tuple(given[name]))
        assert_same_bits(found, wanted, given[name])


def _dividends(rng: np.random.Generator, dtype: DType) -> list[Array]:
    if dtype.is_float:
        x = (rng.normal(size=2000) * 10.0 ** rng.uniform(-30, 30, 2000)).astype(dtype.numpy)
        y = (rng.normal(size=2000) * 10.0 ** rng.uniform(-5, 5, 2000)).astype(dtype.numpy)
        x[::3] = np.round(y[::3] * rng.integers(-1000, 1000, x[::3].size))
        return [x, y]
    info = np.iinfo(dtype.numpy)
    x, y = rng.integers(info.min, info.max, (2, 2000), dtype.numpy, endpoint=True)
    y = y.copy()
    y[::2] >>= rng.integers(0, dtype.bits, y[::2].size).astype(dtype.numpy)
    return [x.copy(), y]


@needs_compiler
def test_literals_are_the_numbers() -> None:
    maps, given, wanted = {}, {}, {}
    for dtype in SCALARS:
        values = _specials(dtype)
        for at, value in enumerate(values):
            name = f"c{at}_{dtype}"
            number = value.item()
            maps[name] = Map(lambda s, x, n=number, d=dtype: s.const(n, d), (DType.U8,), dtype)
            given[name], wanted[name] = [np.zeros(1, np.uint8)], values[at : at + 1]
    for name, found in apply(maps, given).items():
        assert_same_bits(found, wanted[name], given[name])


def test_literals_can_be_read() -> None:
    shown = {
        literal(0.1, DType.F32).text: "0.1f",
        literal(-2, DType.F64).text: "-2.0",
        literal(1e30, DType.F32).text: "1e+30f",
        literal(-(2**63), DType.I64).text: "-9223372036854775807ll - 1",
        literal(300, DType.U8).text: "(u8)44",
        literal(1.5, DType.F16).text: "sf_from_f32<sf_f16>(1.5f)",
    }
    for found, wanted in shown.items():
        assert found == wanted


def test_an_instruction_without_meaning_is_refused() -> None:
    s = CudaScalars(lambda value: value)
    with pytest.raises(AssertionError, match="div has no meaning for i32"):
        s.div(s.const(1, DType.I32), s.const(2, DType.I32))


@needs_nvrtc
@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
def test_the_device_compiler_takes_every_instruction(arch: str) -> None:
    maps = {
        f"{name}_{dtype}": instruction(name, dtype)
        for dtype in (DType.BOOL, *INTEGERS, *FLOATS)
        for name in (*_all_meanings(dtype), *(sorted(MATHEMATICS) if dtype.is_float else ()))
    }
    for target in SCALARS:
        for source in SCALARS:
            body = lambda s, x, target=target: s.convert(x, target)  # noqa: E731
            maps[f"{source}_to_{target}"] = Map(body, (source,), target)
    chosen = list(maps.items())
    assert translate(Request("apply", kernel_of(dict(chosen[::3])).text, arch, "ptx")).code
