"""What users write, on the simulated device: compile, jit, donate, save, load, explain."""

from __future__ import annotations

import numpy as np
import pytest
from cuda.simulator.build import driver_path
from cuda.simulator.products import library_path

import symfuse as sf
from symfuse.runtime import options
from symfuse.runtime.cuda.arrays import DeviceArray, to_device

X = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)

pytestmark = pytest.mark.usefixtures("place")


def close(found, expected):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-5, atol=1e-6)


def test_a_compiled_function_gives_arrays_on_the_device():
    exe = sf.compile(lambda x: np.tanh(x) * 2 + x, X, target="cuda")
    found = exe(X)
    assert isinstance(found, DeviceArray)
    close(found, np.tanh(X) * 2 + X)
    close(exe(found), np.tanh(found.numpy()) * 2 + found.numpy())


def test_one_compilation_serves_every_size():
    exe = sf.compile(lambda x: (x * x).sum(1), "f32[N,4]", target="cuda")
    for n in (3, 70, 1, 0):
        x = np.ones((n, 4), np.float32)
        close(exe(x), (x * x).sum(1))


def test_jit_takes_arrays_of_host_and_device():
    f = sf.jit(lambda x, y: x * 3 + y, target="cuda")
    on_device = to_device(X)
    for values in ((X, X), (on_device, X), (on_device, on_device), (X, on_device)):
        for _ in range(3):
            close(f(*values), X * 3 + X)
    assert f.cache_info().compiles == 1


def test_jit_compiles_once_more_when_a_size_changes():
    f = sf.jit(lambda x: x * 3, target="cuda")
    for n in (3, 2, 1, 7):
        close(f(to_device(np.ones((n, 4), np.float32))), np.full((n, 4), 3))
    assert f.cache_info().compiles == 2


def test_a_training_step_stays_on_the_device():
    def step(params, x, y):
        def loss(params):
            return ((np.tanh(x @ params["w"]) + params["b"] - y) ** 2).mean()

        value, grads = sf.value_and_grad(loss)(params)
        return value, {name: params[name] - 0.1 * grads[name] for name in params}

    params = {"w": X.T.copy(), "b": np.zeros(3, np.float32)}
    run = sf.compile(step, params, X, np.zeros((3, 3), np.float32), target="cuda", donate_argnums=0)
    expected, state = params, dict(params)
    for _ in range(4):
        value, state = run(state, X, np.ones((3, 3), np.float32))
        want, expected = step_by_hand(expected, X, 1)
        close(float(value), want)
    for name in params:
        close(state[name], expected[name])


def test_what_is_donated_stays_in_place():
    run = sf.compile(lambda p, g: p - 0.5 * g, X, X, target="cuda", donate_argnums=0)
    state = to_device(X)
    address = state.address
    for _ in range(3):
        state = run(state, X)
        assert state.address == address
    close(state, X - 1.5 * X)


def step_by_hand(params, x, y):
    h = np.tanh(x @ params["w"])
    out = h + params["b"] - y
    error = 2 * out / out.size
    grads = {"w": x.T @ (error * (1 - h * h)), "b": error.sum(0)}
    return (out**2).mean(), {name: params[name] - 0.1 * grads[name] for name in params}


def test_a_saved_function_runs_on_the_device_again(tmp_path):
    path = sf.export(lambda x: x + 1, X, path=tmp_path / "f.sfz", target="cuda")
    found = sf.load(path)
    assert found.executable.placement.target == "cuda"
    close(found(X), X + 1)
    close(sf.load(path, recompile=True)(X), X + 1)


def test_results_may_be_written_to_given_arrays():
    exe = sf.compile(lambda x: x + 1, X, target="cuda")
    target = np.zeros_like(X)
    assert exe(X, out=target) is target
    close(target, X + 1)
    bound = exe.bind(to_device(X))
    close(bound(), X + 1)


def test_too_little_memory_names_the_largest_intermediates(monkeypatch, place):
    if place.facts.major:
        pytest.skip("only the simulated device has as little memory as a test wants")

    def f(x):
        return np.cumsum(x @ x, axis=0) @ x

    x = np.ones((600, 600), np.float32)
    exe = sf.compile(f, x, target="cuda")
    place.memory.trim()
    monkeypatch.setenv("SIM_MEMORY", "2000000")
    with pytest.raises(sf.DeviceError, match=r"largest intermediates are .*f32\[600,600\]"):
        exe(x)


def test_products_of_the_library_meet_ever_new_addresses(place):
    if not place.facts.major:
        library_path(driver_path().parent)
    w = np.linspace(-1, 1, 128 * 128, dtype=np.float32).reshape(128, 128)
    exe = sf.compile(lambda x, w: x @ w, w, w, target="cuda")
    assert exe.executable.code.opaque, "the product is not one of the library's"
    kept = []
    for step in range(12):
        x = to_device(w + step)
        kept.append((x, exe(x, w)))
    for step, (_, found) in enumerate(kept):
        np.testing.assert_allclose(np.asarray(found), (w + step) @ w, rtol=1e-4, atol=1e-2)
    assert 1 < len(exe.executable._captures) <= 5


def test_arrays_are_put_on_the_device_by_the_array_api():
    x = sf.numpy.asarray(X, device="cuda")
    assert isinstance(x, DeviceArray)
    assert sf.numpy.asarray(x, device="cuda:0") is x
    assert sf.numpy.asarray([1, 2], "float32", device="cuda").dtype == np.float32
    assert sf.numpy.asarray(x, device="cuda", copy=True) is not x
    assert isinstance(sf.numpy.asarray(X, device="cpu"), np.ndarray)
    with pytest.raises(sf.DeviceError, match="no device 'tpu'"):
        sf.numpy.asarray(X, device="tpu")


def test_the_place_of_a_function_is_told():
    assert str(sf.compile(lambda x: x + 1, X, target="cuda").placement).startswith("cuda:0 (")
    assert sf.compile(lambda x: x + 1, X).placement.target == "cpu"


def test_pages_tell_what_kernels_take_of_the_device(tmp_path):
    exe = sf.compile(lambda x: np.exp(x).sum(), X, target="cuda")
    assert "occupancy" in exe.save_html(tmp_path / "page.html").read_text(encoding="utf-8")


def test_kernels_are_timed():
    found = sf.compile(lambda x: np.exp(x).sum(), X, target="cuda").profile(X)
    assert len(found.rows) >= 1
    assert found.whole > 0


def test_without_a_device_code_can_be_looked_at_and_not_called(tmp_path):
    pytest.importorskip("nvidia.cu13", reason="needs NVRTC, which compiles kernels")
    with options.using(cuda_driver=str(tmp_path)):
        exe = sf.compile(lambda x: x + 1, X, target="cuda")
        assert "SF_KERNEL" in exe.as_text("cuda")
        with pytest.raises(
            sf.DeviceError, match="cannot run here: there is no CUDA driver"
        ) as info:
            exe(X)
    assert info.value.user_frame[0] == __file__
