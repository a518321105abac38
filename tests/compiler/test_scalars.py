"""The LLVM column gives the bits of NumPy, for every instruction, type and special value."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from instructions import (
    FLOATS,
    INTEGERS,
    MATHEMATICS,
    MEANINGS,
    assert_same_bits,
    meanings,
    operands,
    specials,
)
from mapped import Mapped, compile_maps, load_module

from symfuse.compiler.kernel.numpy_scalars import NumpyScalars
from symfuse.compiler.kernel.scalar import INSTRUCTIONS, result_dtype
from symfuse.compiler.targets.llvm.scalars import LlvmScalars
from symfuse.compiler.targets.llvm.writer import Value, Writer
from symfuse.runtime.dtypes import SCALARS, DType

LANES = [1, 16]


def test_every_row_is_tested_for_its_bits_or_its_accuracy():
    assert MEANINGS["bool"] | MEANINGS["integer"] | MEANINGS["float"] | MATHEMATICS == set(
        INSTRUCTIONS
    )


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", SCALARS)
def test_instructions_give_the_bits_of_numpy(dtype, lanes):
    described = {}
    for name in meanings(dtype):
        arity = INSTRUCTIONS[name].arity
        inputs = (DType.BOOL, dtype, dtype) if name == "select" else (dtype,) * arity
        described[name] = (
            lambda s, *values, name=name: s.emit(name, values),
            inputs,
            result_dtype(name, inputs),
        )
    for name, compiled in compile_maps(described, lanes).items():
        given = operands(name, dtype)
        expected = NumpyScalars().emit(name, tuple(given))
        assert_same_bits(compiled(*given), expected, given)


@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize("source", SCALARS)
def test_conversions_are_astype(source, lanes):
    described = {
        f"to_{target}": (lambda s, x, target=target: s.convert(x, target), [source], target)
        for target in SCALARS
    }
    values = specials(source)
    for target, compiled in zip(SCALARS, compile_maps(described, lanes).values(), strict=True):
        assert_same_bits(compiled(values), NumpyScalars().convert(values, target), [values])


@pytest.mark.parametrize("source", [*INTEGERS, *FLOATS])
def test_bitcasts_keep_the_bits(source):
    targets = [dtype for dtype in (*INTEGERS, *FLOATS) if dtype.bits == source.bits]
    described = {
        f"to_{target}": (lambda s, x, target=target: s.bitcast(x, target), [source], target)
        for target in targets
    }
    values = specials(source)
    for target, compiled in zip(targets, compile_maps(described, 8).values(), strict=True):
        assert compiled(values).tobytes() == values.tobytes(), target


@pytest.mark.parametrize("dtype", [DType.F32, DType.F64])
def test_random_remainders_are_exact(dtype, rng):
    x = (rng.normal(size=20_000) * 10.0 ** rng.uniform(-30, 30, 20_000)).astype(dtype.numpy)
    y = (rng.normal(size=20_000) * 10.0 ** rng.uniform(-5, 5, 20_000)).astype(dtype.numpy)
    x[::3] = np.round(y[::3] * rng.integers(-1000, 1000, x[::3].size))
    names = ("floordiv", "mod", "fmod")
    described = {
        name: (lambda s, *values, name=name: s.emit(name, values), [dtype] * 2, dtype)
        for name in names
    }
    for name, compiled in compile_maps(described, 16).items():
        assert_same_bits(compiled(x, y), NumpyScalars().emit(name, (x, y)), [x, y])


@pytest.mark.parametrize("dtype", INTEGERS)
def test_random_integers_divide_exactly(dtype, rng):
    info = np.iinfo(dtype.numpy)
    x = rng.integers(info.min, info.max, 20_000, dtype.numpy, endpoint=True)
    y = rng.integers(info.min, info.max, 20_000, dtype.numpy, endpoint=True)
    y[::2] >>= rng.integers(0, dtype.bits, y[::2].size).astype(dtype.numpy)
    described = {
        name: (lambda s, *values, name=name: s.emit(name, values), [dtype] * 2, dtype)
        for name in ("floordiv", "mod", "fmod")
    }
    for name, compiled in compile_maps(described, 16).items():
        assert_same_bits(compiled(x, y), NumpyScalars().emit(name, (x, y)), [x, y])


@pytest.mark.parametrize("name", ["min", "max"])
@pytest.mark.parametrize("constant", [0.0, -0.0, 2.5, float("inf"), np.nan, -np.nan])
def test_extremes_beside_a_constant_give_the_bits_of_numpy(name, constant):
    body = lambda s, x: s.emit(name, (x, s.const(constant, DType.F32)))  # noqa: E731
    values = specials(DType.F32)
    given = [values, np.full_like(values, constant)]
    found = compile_maps({name: (body, [DType.F32], DType.F32)}, 16)[name](values)
    assert_same_bits(found, NumpyScalars().emit(name, tuple(given)), given)


def test_shifts_by_a_constant_need_no_guard():
    writer = Writer("f", [])
    s = LlvmScalars(writer)
    s.shl(Value("%x", DType.I32, 8), s.const(3, DType.I32))
    assert "select" not in writer.text()


def test_only_the_flag_allows_contraction():
    texts = []
    for contract in (False, True):
        writer = Writer("f", [])
        s = LlvmScalars(writer, contract=contract)
        x = Value("%x", DType.F32, 8)
        s.add(s.mul(x, x), s.exp(x))
        texts.append(writer.text())
    assert "contract" not in texts[0]
    assert texts[1].count("contract") == 2


def test_an_instruction_without_meaning_is_refused():
    s = LlvmScalars(Writer("f", []))
    with pytest.raises(AssertionError, match="div has no meaning for i32"):
        s.div(s.const(1, DType.I32), s.const(2, DType.I32))


# --- lanes and memory


def build(write, arrays: int):
    """Compile `write(s, pointers, count)`; the result is called with the arrays and a count."""
    params = [("ptr", f"%p{i}") for i in range(arrays)]
    writer = Writer("run", [*params, ("i64", "%n")])
    write(LlvmScalars(writer), [name for _, name in params], Value("%n", DType.I64))
    writer.line("ret void")
    address = load_module([(writer.text(), writer.declarations)], ["run"])["run"]
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arrays, ctypes.c_int64)(address)

    def call(*given: np.ndarray, count: int = 0) -> None:
        function(*(array.ctypes.data for array in given), count)

    return call


def run(write, *arrays: np.ndarray, count: int = 0) -> None:
    build(write, len(arrays))(*arrays, count=count)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", SCALARS)
def test_masked_copies_touch_only_the_first_lanes(dtype, lanes):
    def copy(s, pointers, n):
        mask = s.mask_below(n, lanes)
        s.store(pointers[1], s.load(pointers[0], dtype, lanes, mask=mask), mask=mask)

    call = build(copy, 2)
    source = np.arange(1, lanes + 1).astype(dtype.numpy)
    for count in (-3, 0, 1, 5, 99):
        target = np.zeros(lanes, dtype.numpy)
        call(source, target, count=count)
        copied = min(max(count, 0), lanes)
        np.testing.assert_array_equal(target[:copied], source[:copied])
        assert not target[copied:].any()


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("dtype", [DType.BOOL, DType.U8, DType.I64, DType.F32])
def test_gathered_elements_are_scattered_back(dtype, lanes):
    source = (np.arange(40) % 3).astype(dtype.numpy)
    target = np.zeros(40, dtype.numpy)

    def move(s, pointers, n):
        index = s.add(s.mul(s.lane_index(lanes), s.const(3, DType.I64)), s.const(2, DType.I64))
        mask = s.mask_below(n, lanes)
        s.scatter(pointers[1], index, s.gather(pointers[0], index, dtype, mask), mask)

    run(move, source, target, count=min(lanes, 6))
    expected = np.zeros_like(target)
    places = 2 + 3 * np.arange(min(lanes, 6))
    expected[places] = source[places]
    np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("name", ["add", "mul", "min", "max"])
def test_lanes_are_combined_in_halves(name, rng):
    values = rng.normal(size=16).astype(np.float32)
    found = np.zeros(1, np.float32)

    def reduce(s, pointers, n):
        s.store(pointers[1], s.reduce_lanes(name, s.load(pointers[0], DType.F32, 16)))

    run(reduce, values, found)
    expected = values
    while expected.size > 1:
        low, high = np.split(expected, 2)
        expected = NumpyScalars().emit(name, (low, high))
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", ["min", "max"])
@pytest.mark.parametrize("lane", [0, 5, 7])
def test_a_nan_in_any_lane_is_the_extreme(name, lane):
    values = np.arange(8.0)
    values[lane] = np.nan
    found = np.zeros(1)

    def reduce(s, pointers, n):
        s.store(pointers[1], s.reduce_lanes(name, s.load(pointers[0], DType.F64, 8)))

    run(reduce, values, found)
    assert np.isnan(found[0])


def test_single_lanes_are_taken_out_and_put_in():
    source, target = np.arange(8, dtype=np.int32), np.zeros(8, np.int32)

    def swap(s, pointers, n):
        x = s.load(pointers[0], DType.I32, 8)
        first, last = s.extract(x, 0), s.extract(x, n.name)
        s.store(pointers[1], s.insert(s.insert(x, 0, last), n.name, first))

    run(swap, source, target, count=6)
    assert target.tolist() == [6, 1, 2, 3, 4, 5, 0, 7]


def test_narrow_operands_are_splat_beside_wide_ones():
    compiled: Mapped = compile_maps(
        {"f": (lambda s, x: s.sub(s.const(10, DType.I32), x), [DType.I32], DType.I32)}, 8
    )["f"]
    assert compiled(np.arange(11)).tolist() == list(range(10, -1, -1))
