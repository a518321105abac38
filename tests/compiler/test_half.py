"""float16 and bfloat16: stored in 16 bits, computed in f32, rounded as NumPy rounds them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mapped import compile_maps
from running import Compiled

import symfuse as sf
import symfuse.numpy as snp
from symfuse.compiler.ir.builder import Builder
from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.interpret import interpret
from symfuse.compiler.ir.types import TensorType
from symfuse.compiler.kernel.numpy_scalars import NumpyScalars
from symfuse.compiler.targets.llvm import halves
from symfuse.runtime.dtypes import DType, promoted
from symfuse.runtime.errors import DTypeError

Array = np.ndarray[Any, Any]

HALVES = [DType.F16, DType.BF16]
EVERY = np.arange(1 << 16, dtype=np.uint16)
EACH_HALF = pytest.mark.parametrize("dtype", HALVES)


def bits(array: Array) -> Array:
    """The bits, with one NaN for all."""
    with np.errstate(all="ignore"):
        return np.where(np.isnan(array), 0x7FFF, array.view(np.uint16))


def drawn(rng: np.random.Generator, dtype: DType, *shape: int, scale: float = 1.0) -> Array:
    return (scale * rng.standard_normal(shape)).astype(dtype.numpy)


def any_bits(rng: np.random.Generator, dtype: DType, count: int = 30_000) -> Array:
    """Numbers of every size, infinities and NaN."""
    return rng.integers(0, 1 << 16, count, np.uint16).view(dtype.numpy)


def singles(dtype: DType, rng: np.random.Generator) -> Array:
    """Numbers in f32 at, beside and halfway between all halves, and any others."""
    with np.errstate(all="ignore"):
        exact = EVERY.view(dtype.numpy).astype(np.float32).view(np.int32)
    half_step = 1 << (12 if dtype is DType.F16 else 15)
    offsets = np.array([-half_step, -1, 0, 1, half_step - 1, half_step, half_step + 1])
    near = (exact[::3, None] + offsets).ravel().astype(np.int32)
    return np.concatenate([near, rng.integers(-(2**31), 2**31, 100_000, np.int32)]).view(np.float32)


# conversions


@EACH_HALF
@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize("by", ["instructions", "integers"])
def test_conversions_are_those_of_numpy(dtype, lanes, by, rng, monkeypatch):
    monkeypatch.setattr(halves, "converts_f16", lambda: by == "instructions")
    described = {
        "widen": (lambda s, x: s.convert(x, DType.F32), [dtype], DType.F32),
        "narrow": (lambda s, x: s.convert(x, dtype), [DType.F32], dtype),
    }
    maps = compile_maps(described, lanes)
    given = singles(dtype, rng)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(bits(maps["narrow"](given)), bits(given.astype(dtype.numpy)))
        every = EVERY.view(dtype.numpy)
        found, wanted = maps["widen"](every), every.astype(np.float32)
    same = found.view(np.int32) == wanted.view(np.int32)
    assert (same | (np.isnan(found) & np.isnan(wanted))).all()


@EACH_HALF
def test_doubles_are_rounded_as_numpy_rounds_them(dtype, rng):
    """To f16 once, to bf16 by way of f32."""
    near = singles(dtype, rng)[::5]
    near = near[~np.isnan(near)].astype(np.float64)
    given = np.concatenate([near * (1 + 2.0**-40), near * (1 - 2.0**-40), near])
    narrow = compile_maps({"f": (lambda s, x: s.convert(x, dtype), [DType.F64], dtype)}, 8)["f"]
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(bits(narrow(given)), bits(given.astype(dtype.numpy)))


@EACH_HALF
def test_what_a_half_holds_is_not_converted(dtype):
    graph = sf.trace(lambda x: x.astype("float32").astype(dtype), f"{dtype}[4]")
    assert "convert" not in sf.compile(graph).as_text("optimized")
    other = sf.trace(lambda x: x.astype(dtype).astype("float32"), "f32[4]")
    assert sf.compile(other).as_text("optimized").count("convert(") == 2


# arithmetic

BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "fmod", "remainder")
UNARY = ("negative", "abs", "sqrt", "square", "floor", "ceil", "trunc", "rint", "reciprocal")


@EACH_HALF
def test_arithmetic_has_the_bits_of_numpy(dtype, rng):
    x, y = any_bits(rng, dtype), any_bits(rng, dtype)
    both = [getattr(np, name) for name in (*BINARY, "floor_divide", "copysign", "nextafter")]
    alone = [getattr(np, name) for name in UNARY]

    def every(x: Any, y: Any) -> list[Any]:
        return [f(x, y) for f in both] + [f(x) for f in alone]

    with np.errstate(all="ignore"):
        wanted = every(x, y)
    for name, found, right in zip((*both, *alone), sf.jit(every)(x, y), wanted, strict=True):
        assert found.dtype == right.dtype == dtype.numpy
        np.testing.assert_array_equal(bits(found), bits(right), err_msg=str(name))


@EACH_HALF
def test_every_operation_is_rounded(dtype, rng):
    x, y, z = (drawn(rng, dtype, 4000) for _ in range(3))
    wanted = np.maximum(-(x * y + z) * x - z, y) + z / y
    found = sf.jit(lambda x, y, z: np.maximum(-(x * y + z) * x - z, y) + z / y)(x, y, z)
    np.testing.assert_array_equal(bits(found), bits(wanted))


@EACH_HALF
@pytest.mark.parametrize("name", ["exp", "log", "sin", "tanh", "log1p", "cbrt"])
def test_real_functions_of_every_half_are_rounded_once(dtype, name):
    """They are off by hardly more than half a unit, which rounding takes."""
    x = EVERY.view(dtype.numpy)
    found = sf.jit(getattr(snp, name))(x)
    with np.errstate(all="ignore"):
        true = getattr(np, name)(x.astype(np.float64))
        right = true.astype(np.float32).astype(dtype.numpy)
        step = np.abs(np.nextafter(right, right.dtype.type(np.inf)).astype(np.float64) - right)
        off = np.abs(found.astype(np.float64) - true) > 0.502 * step
    off &= bits(found) != bits(right)
    assert not off.any(), x[off][:5]


@EACH_HALF
def test_comparisons_and_questions(dtype, rng):
    x, y = any_bits(rng, dtype), any_bits(rng, dtype)
    x[::7] = y[::7]
    for name in ("less", "less_equal", "equal", "not_equal", "isnan", "isinf", "signbit"):
        ufunc = getattr(np, name)
        given = (x, y)[: ufunc.nin]
        with np.errstate(all="ignore"):
            wanted = ufunc(*given)
        np.testing.assert_array_equal(sf.jit(getattr(snp, name))(*given), wanted)


# folds


@EACH_HALF
@pytest.mark.parametrize("count", [1000, 100_000])
def test_sums_are_rounded_at_their_end(dtype, count, rng):
    x = rng.uniform(0, 0.1, count).astype(dtype.numpy)
    found = sf.jit(lambda x: x.sum())(x)
    assert found == x.astype(np.float64).sum().astype(dtype.numpy)
    running = sf.jit(np.cumsum)(x[:1000])
    wanted = x[:1000].astype(np.float32).cumsum().astype(dtype.numpy)
    np.testing.assert_allclose(running.astype("f8"), wanted.astype("f8"), rtol=2 * eps(dtype))


def eps(dtype: DType) -> float:
    return float(dtype.limits.eps)


def test_a_mean_does_not_overflow():
    x = np.full((3, 5000), 1000, np.float16)
    mean, deviation = sf.jit(lambda x: (x.mean(), (x + x.T[:1].T).std(axis=1)))(x)
    assert mean == 1000 and mean.dtype == np.float16
    assert (deviation == 0).all()
    assert np.isinf(sf.jit(lambda x: x.sum())(x))


@EACH_HALF
def test_softmax_is_rounded_once(dtype, rng):
    x = drawn(rng, dtype, 20, 70, scale=3)
    wide = np.exp(x.astype(np.float64))
    wanted = wide / wide.sum(-1, keepdims=True)
    found = sf.jit(lambda x: sf.special.softmax(x, axis=-1))(x)
    assert found.dtype == dtype.numpy
    np.testing.assert_allclose(found.astype(np.float64), wanted, rtol=0.51 * eps(dtype), atol=6e-8)


@EACH_HALF
@pytest.mark.parametrize("shape", [(3, 5, 4), (33, 70, 40), (200, 150, 130)])
def test_products_are_rounded_once(dtype, shape, rng):
    rows, inner, columns = shape
    x, y = drawn(rng, dtype, rows, inner), drawn(rng, dtype, inner, columns)
    wanted = x.astype(np.float64) @ y.astype(np.float64)
    found = sf.jit(lambda x, y: (x @ y, x @ (y.T + 0).T))(x, y)
    for one in found:
        assert one.dtype == dtype.numpy
        scale = float(np.abs(wanted).max())
        np.testing.assert_allclose(
            one.astype(np.float64), wanted, rtol=0.51 * eps(dtype), atol=1e-6 * scale
        )


@EACH_HALF
def test_factors_that_are_read_often_are_widened_once(dtype, rng):
    graph = sf.trace(lambda x, y: np.tanh(x @ y), f"{dtype}[N,70]", f"{dtype}[70,100]").ir
    compiled = Compiled(graph)
    assert len(compiled.kinds) == 2  # both conversions are one launch
    for rows in (0, 1, 80):
        x, y = drawn(rng, dtype, rows, 70), drawn(rng, dtype, 70, 100)
        compiled.check(x, y, sizes={"N": rows})
    few = sf.trace(lambda x, y: x @ y, f"{dtype}[9,70]", f"{dtype}[70,10]").ir
    assert len(Compiled(few).kinds) == 1


@EACH_HALF
@pytest.mark.parametrize("n", [1, 16, 37, 5000])
def test_kernels_of_halves_agree_with_all_interpreters(dtype, n, rng):
    def f(x: Any, y: Any) -> Any:
        padded = np.pad(x[:, ::-1], ((0, 0), (1, 2)))
        return np.tanh(x) * y, padded.max(axis=1), np.concatenate([x, x + y], 1), x.argmax(1), x.T

    graph = sf.trace(f, f"{dtype}[3,N]", f"{dtype}[N]").ir
    Compiled(graph).check(drawn(rng, dtype, 3, n), drawn(rng, dtype, n), sizes={"N": n})


@EACH_HALF
def test_rows_are_gathered_and_scattered(dtype, rng):
    table, places = drawn(rng, dtype, 9, 20), np.array([3, 3, 8, 0])
    gradient = sf.jit(sf.grad(lambda t: (t[places] * t[places]).sum()))(table)
    wanted = np.zeros_like(table)
    np.add.at(wanted, places, 2 * table[places])
    np.testing.assert_array_equal(gradient.astype("f4"), wanted.astype("f4"))


# types

PROMOTIONS = [
    ("f16 f32", "f32"), ("bf16 f32", "f32"), ("bf16 f16", "f32"), ("bf16 f64", "f64"),
    ("f16 i8", "f16"), ("f16 u8", "f16"), ("f16 i16", "f32"), ("f16 i64", "f64"),
    ("bf16 i8", "bf16"), ("bf16 i64", "bf16"), ("bf16 u32", "bf16"), ("bf16 bool", "bf16"),
    ("f16 bf16 i64", "f32"),
]  # fmt: skip


@pytest.mark.parametrize(("operands", "met"), PROMOTIONS)
def test_promotion(operands, met):
    types = [DType.of(name) for name in operands.split()]
    assert promoted(*types) is promoted(*types[::-1]) is DType.of(met)
    if len(types) == 2:
        graph = sf.trace(lambda x, y: x + y, f"{types[0]}[3]", f"{types[1]}[3]")
        assert graph.outputs[0].dtype is DType.of(met)


@EACH_HALF
def test_python_numbers_are_weak(dtype):
    graph = sf.trace(lambda x: (x + 1, 2.5 * x, x**2, np.where(x > 0, x, 0)), f"{dtype}[3]")
    assert {output.dtype for output in graph.outputs} == {dtype}
    assert sf.jit(lambda x: x - 1e9)(np.ones(2, dtype.numpy)).dtype == dtype.numpy


def test_names_and_spellings():
    assert DType.of("bfloat16") is DType.of(snp.bfloat16) is DType.of("bf16") is DType.BF16
    assert DType.of(snp.float16) is DType.of("f16") is DType.F16
    assert str(sf.spec((3,), snp.bfloat16)) == "spec(bf16[3])"
    assert snp.finfo(snp.bfloat16).bits == snp.finfo("f16").bits == 16
    x = sf.jit(lambda x: (x.astype(snp.bfloat16), x.astype("f16")))(np.ones(2))
    assert [array.dtype for array in x] == [DType.BF16.numpy, DType.F16.numpy]


@EACH_HALF
def test_graphs_and_their_constants_read_back(dtype):
    few, many = (np.linspace(-1, 3, n).astype(dtype.numpy) for n in (3, 40))
    builder, nan = Builder(), dtype.numpy.type(np.nan)
    x = builder.parameter("x", TensorType((1,), dtype))
    with builder.active():
        sums = [x + builder.constant(array) for array in (few, few + nan, many)]
        nodes = (*sums, x * 0.1, x * np.inf, x - float(dtype.limits.smallest_subnormal))
    graph = Graph("f", (x,), nodes, builder)
    text = graph.text(locations=False)
    read = Graph.parse(text)
    assert read.text(locations=False) == text
    given = np.array([2.5], dtype.numpy)
    for found, wanted in zip(Compiled(read)(given), interpret(graph, [given]), strict=True):
        np.testing.assert_array_equal(bits(found), bits(wanted))


@EACH_HALF
def test_derivatives_are_of_the_same_type(dtype, rng):
    w, x = drawn(rng, dtype, 6, 4, scale=0.3), drawn(rng, dtype, 5, 6)

    def loss(w: Any, x: Any) -> Any:
        return np.mean(sf.nn.functional.gelu(x @ w) ** 2) + sf.special.logsumexp(x @ w)

    found = sf.jit(sf.grad(loss))(w, x)
    wanted = sf.jit(sf.grad(loss))(w.astype(np.float64), x.astype(np.float64))
    assert found.dtype == dtype.numpy
    np.testing.assert_allclose(found.astype(np.float64), wanted, atol=4 * eps(dtype))
    _, slope = sf.jvp(lambda w: loss(w, x), (w,), (w,))
    assert slope.dtype == dtype.numpy


@EACH_HALF
def test_the_reference_of_scalars_rounds(dtype):
    one, small = (np.asarray(x, dtype.numpy) for x in (1.0, float(dtype.limits.eps) / 4))
    found = NumpyScalars().emit("fma", (one, one, small))
    assert found.dtype == dtype.numpy and found == 1


# calls


@EACH_HALF
def test_native_calls_take_arrays_of_halves(dtype):
    executable = sf.compile(lambda x: x * 2, f"{dtype}[N]")
    x = np.arange(8).astype(dtype.numpy)
    np.testing.assert_array_equal(executable(x).astype(int), 2 * np.arange(8))
    assert executable.executable.counters.slow_calls == 0
    np.testing.assert_array_equal(executable(x[::2]).astype(int), [0, 4, 8, 12])
    np.testing.assert_array_equal(executable([1.5, 2.0]).astype(float), [3, 4])
    with pytest.raises(DTypeError, match=rf"program takes {dtype}\[N\]"):
        executable(np.arange(8))
    with pytest.raises(DTypeError):
        executable(x.view(np.uint16))
    out = np.empty(8, dtype.numpy)
    assert executable(x, out=out) is out and out[3] == 6


@EACH_HALF
def test_saved_programs_keep_their_constants(dtype, tmp_path):
    table = np.linspace(0, 1, 50).astype(dtype.numpy)
    sf.export(lambda x: x + table, f"{dtype}[50]", path=tmp_path / "f.sfz")
    loaded = sf.load(tmp_path / "f.sfz")
    np.testing.assert_array_equal(bits(loaded(table)), bits(table + table))


def test_the_package_of_bfloat16_is_imported_for_it_alone(tmp_path):
    sf.export(lambda x: x + 1, "f32[4]", path=tmp_path / "single.sfz")
    sf.export(lambda x: x + 1, "bf16[4]", path=tmp_path / "half.sfz")
    code = """
        import sys
        import numpy as np
        import symfuse as sf
        import symfuse.numpy
        from symfuse.runtime.dtypes import DType
        from pathlib import Path
        folder = Path(sys.argv[1])
        assert sf.load(folder / "single.sfz")(np.ones(4, "float32")).sum() == 8
        assert sf.jit(lambda x: np.exp(x).sum())(np.ones(4, "float16")).dtype == "float16"
        assert DType.BF16.itemsize == 2 and DType.of("bf16").is_float
        assert "ml_dtypes" not in sys.modules
        half = sf.load(folder / "half.sfz")
        assert half(np.ones(4, DType.BF16.numpy)).astype(float).sum() == 8
    """
    run = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, cwd=Path(__file__).parent)
    assert done.returncode == 0, done.stderr
