"""Functions compiled to machine code: same results, sizes, containers and errors."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import symfuse as sf
from symfuse.compiler.targets.cuda import nvrtc
from symfuse.runtime import options

X = np.arange(12.0, dtype="float32").reshape(3, 4) / 10
W = np.linspace(-1, 1, 8, dtype="float32").reshape(4, 2)


def mlp(params, x):
    return sf.nn.functional.relu(x @ params["w"] + params["b"])


PARAMS = {"w": W, "b": np.zeros(2, "float32")}


def test_compiled_functions_take_every_size():
    exe = sf.compile(mlp, {"w": "f32[4,2]", "b": "f32[2]"}, "f32[N,4]")
    for n in (1, 3, 17):
        x = np.ones((n, 4), "float32")
        np.testing.assert_allclose(exe(PARAMS, x), mlp(PARAMS, x), rtol=1e-6)


def test_results_go_where_the_caller_wants():
    exe = sf.compile(lambda x: (x * 2, x + 1), X)
    first, second = np.empty_like(X), np.empty_like(X)
    exe(X, out=(first, second))
    np.testing.assert_array_equal(first, X * 2)
    bound = exe.bind(X, out=(first, second))
    second[:] = 0
    bound()
    np.testing.assert_array_equal(second, X + 1)


def test_plain_calls_reach_native_code_directly():
    fast = sf.jit(lambda x: x * 2)
    fast(X)
    assert inspect.isbuiltin(type(fast).__call__)
    np.testing.assert_array_equal(fast(X), X * 2)
    np.testing.assert_array_equal(fast(x=X), X * 2)
    np.testing.assert_array_equal(fast(X.T), X.T * 2)
    np.testing.assert_array_equal(fast(X[::2, ::-1]), X[::2, ::-1] * 2)
    assert fast(X.astype("float64")).dtype == np.float64
    assert fast(2.5) == 5.0
    assert sf.grad(lambda x: fast(x).sum())(X).shape == X.shape


def test_sizes_that_part_are_noticed_by_native_code():
    fast = sf.jit(lambda x, y: (x + 1, y * 2))
    for n, m in ((3, 3), (5, 5), (7, 7), (5, 6), (2, 9)):
        x, y = np.ones(n, "float32"), np.ones(m, "float32")
        np.testing.assert_array_equal(fast(x, y)[1], y * 2)
    assert fast.cache_info().compiles == 3


@pytest.mark.parametrize("with_containers", [False, True])
def test_a_hundred_batch_sizes_cost_one_more_compilation(with_containers):
    take = mlp if with_containers else lambda x: mlp(PARAMS, x)
    fast = sf.jit(take)
    given = (PARAMS,) if with_containers else ()
    fast(*given, X)
    assert fast.cache_info().compiles == 1
    for n in (*range(4, 104), 2, 1, 5000):
        x = np.full((n, 4), n, "float32")
        np.testing.assert_allclose(fast(*given, x), mlp(PARAMS, x), rtol=1e-6)
    assert fast.cache_info().compiles == 2
    (family,) = fast._families.values()
    executable = family.variant.loaded.executable
    assert executable.is_native
    assert executable.counters.slow_calls == 0
    assert inspect.isbuiltin(type(fast).__call__) != with_containers


def test_known_calls_do_not_pass_through_python():
    exe = sf.compile(mlp, PARAMS, "f32[N,4]")
    for n in (1, 3, 50):
        exe(PARAMS, np.ones((n, 4), "float32"))
    assert exe.executable.is_native
    assert exe.executable.counters.slow_calls == 0


def test_python_floats_do_not_pass_through_python():
    fast = sf.jit(lambda x, rate: (x * rate, x + 1))
    for rate in (0.5, -0.0, 1e300, float("inf")):
        found, _ = fast(X, rate)
        assert found.dtype == X.dtype  # a Python float has no type of its own
        with np.errstate(over="ignore", invalid="ignore"):
            np.testing.assert_array_equal(found, X * np.float32(rate))
    assert inspect.isbuiltin(type(fast).__call__)
    (family,) = fast._families.values()
    assert family.variant.loaded.executable.counters.slow_calls == 1  # the one that compiled


def test_a_place_of_a_float_takes_nothing_else():
    fast = sf.jit(lambda x, rate: x * rate)
    given = (0.5, np.array(0.5), np.float64(0.5), 2, 0.25, True, np.array(4.0), 0.125)
    for _ in range(2):
        for rate in given:
            expected = X * rate
            found = fast(X, rate)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
    assert fast.cache_info().compiles == 4  # a float, an array or scalar of f64, an int, a bool


def test_a_donated_float_is_not_written_to():
    fast = sf.jit(lambda x, rate: (x.sum(), rate * 2), donate_argnums=(0, 1))
    rate = 0.375
    assert [float(fast(X.copy(), rate)[1]) for _ in range(3)] == [0.75] * 3
    assert rate == 0.375


def test_a_jitted_training_step_learns():
    def loss(params, x, t):
        log_p = sf.special.log_softmax(np.tanh(x @ params["w"] + params["b"]), axis=-1)
        return -np.take_along_axis(log_p, t[:, None], axis=1).mean()

    @sf.jit
    def step(params, x, t):
        value, slopes = sf.value_and_grad(loss)(params, x, t)
        return value, {name: params[name] - 0.5 * slopes[name] for name in params}

    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 4)).astype("float32")
    t = (x[:, 0] > 0).astype("int64")
    params, losses = PARAMS, []
    for _ in range(40):
        value, params = step(params, x, t)
        losses.append(float(value))
    assert losses[-1] < 0.5 * losses[0]
    assert step.cache_info().compiles == 1


def test_donated_arguments_become_results():
    step = sf.jit(lambda x: x + 1, donate_argnums=0)
    x = X.copy()
    np.testing.assert_array_equal(step(x), X + 1)


def test_wrong_sizes_are_refused_before_anything_runs():
    exe = sf.compile(lambda x, y: x + y, "f32[N]", "f32[N]")
    with pytest.raises(sf.GuardError):
        exe(np.ones(2, "float32"), np.ones(3, "float32"))
    with pytest.raises(sf.SymfuseError):
        exe(np.ones(2, "float32"))


def test_arguments_are_called_what_the_user_calls_them():
    exe = sf.compile(mlp, PARAMS, X)
    with pytest.raises(sf.DTypeError) as caught:
        exe({**PARAMS, "w": W.astype("float64")}, X)
    assert "params['w']" in caught.value.what
    assert "params['w'].astype('float32')" in caught.value.fix
    assert caught.value.user_frame[0] == __file__


@pytest.mark.parametrize("stage", [sf.jit, lambda f, target: sf.compile(f, X, target=target)])
def test_a_target_that_is_not_there_is_refused_and_not_replaced(stage, tmp_path):
    nowhere, refused = options.using(cuda_driver=str(tmp_path)), pytest.raises(sf.DeviceError)
    with nowhere, refused as caught:
        stage(lambda x: x + 1, target="cuda")(X)
    assert "no CUDA driver" in caught.value.what
    assert 'target="cpu"' in caught.value.fix
    assert caught.value.user_frame[0] == __file__


def test_a_target_from_the_environment_is_refused_too(environment, tmp_path):
    environment(SYMFUSE_TARGET="cuda", SYMFUSE_CUDA_DRIVER=str(tmp_path))
    with pytest.raises(sf.DeviceError, match="no CUDA driver"):
        sf.jit(lambda x: x + 1)(X)


def test_the_interpreter_can_be_chosen_by_the_environment(environment):
    environment(SYMFUSE_TARGET="interpret")
    exe = sf.compile(lambda x: x + 1, X)
    np.testing.assert_array_equal(exe(X), X + 1)
    with pytest.raises(sf.UnsupportedError, match="no compiled code"):
        _ = exe.executable


def test_without_device_and_compiler_the_device_is_missed_first(monkeypatch, tmp_path):
    def absent(name):
        raise sf.DeviceError(f"lib{name}.so is absent", fix="install the compiler")

    monkeypatch.setattr("symfuse.compiler.targets.cuda.nvrtc.load", absent)
    nvrtc._library.cache_clear()
    nvrtc.nvrtc_version.cache_clear()
    nowhere = options.using(cuda_driver=str(tmp_path), cache_dir=tmp_path)
    with nowhere, pytest.raises(sf.DeviceError) as caught:
        sf.jit(lambda x: x + 1, target="cuda")(X)
    assert re.search("no CUDA driver.*; and libnvrtc.so is absent", caught.value.what)
    assert re.search('target="cpu".*; install the compiler', caught.value.fix)
    assert caught.value.user_frame[0] == __file__


def test_memory_that_is_too_much_is_refused():
    def f(x):
        return np.cumsum(x @ x, axis=0) @ x

    x = np.ones((64, 64), "float32")
    assert sf.compile(f, x, max_memory="1 MB")(x).shape == (64, 64)
    with pytest.raises(sf.CompileError, match="bytes of memory of 100 allowed"):
        sf.compile(f, x, max_memory=100)


def test_every_stage_is_text():
    exe = sf.compile(mlp, PARAMS, "f32[N,4]")
    for stage in ("graph", "optimized", "schedule", "kernels", "llvm", "memory"):
        assert exe.as_text(stage)
    assert exe.memory.peak_bytes(N=8) >= 0
    assert "test_native.py" in str(exe.explain())
    assert "compiled mlp" in repr(exe)
