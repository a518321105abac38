"""Fourier transforms: NumPy's, compiled for any length, differentiated, batched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symfuse as sf
import symfuse.numpy as snp
from symfuse.runtime import options

RNG = np.random.default_rng(5)


def complexes(*shape, dtype=np.complex128):
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype)


def assert_near(found, wanted, factor=40.0):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    scale = np.max(np.abs(wanted), initial=1e-300)
    assert np.max(np.abs(found - wanted), initial=0) <= factor * np.finfo(found.dtype).eps * scale


def agree(f, *arrays):
    """Compiled and interpreted, a function gives what NumPy gives at once."""
    wanted = f(*arrays)
    assert_near(sf.jit(f)(*arrays), wanted)
    assert_near(sf.trace(f, *arrays)(*arrays), wanted)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("n", [1, 2, 7, 16, 17, 24, 61, 67, 121, 128, 210, 503, 1024])
def test_every_length_is_compiled(n, dtype):
    z = complexes(3, n, dtype=dtype)
    assert_near(sf.jit(lambda z: snp.fft.fft(z))(z), np.fft.fft(z))
    assert_near(sf.jit(lambda z: snp.fft.ifft(z, axis=0))(z), np.fft.ifft(z, axis=0))


@settings(max_examples=20)
@given(
    st.integers(1, 40), st.integers(1, 45), st.sampled_from([None, "ortho", "forward"]),
    st.integers(0, 1),
)  # fmt: skip
def test_cut_and_filled_axes_are_numpys(size, n, norm, axis):
    shape = (size, 2) if axis == 0 else (2, size)
    z = complexes(*shape)
    for transform in (np.fft.fft, np.fft.ifft, np.fft.irfft, np.fft.hfft):
        graph = sf.trace(lambda z, t=transform: t(z, n, axis, norm), z)
        assert_near(graph(z), transform(z, n, axis, norm))
    for transform in (np.fft.rfft, np.fft.ihfft):
        graph = sf.trace(lambda x, t=transform: t(x, n, axis, norm), z.real)
        assert_near(graph(z.real), transform(z.real, n, axis, norm))


REAL = (
    np.fft.rfft,
    np.fft.ihfft,
    np.fft.rfftn,
    np.fft.rfft2,
    np.fft.fftn,
    lambda x: np.fft.rfftn(x, s=(3, 9), axes=(0, 2)),
    lambda x: np.fft.fftshift(x) + np.fft.ifftshift(x, axes=(0,)),
    lambda x: np.fft.fftshift(x, axes=1),
)
COMPLEX = (
    np.fft.irfft,
    np.fft.hfft,
    np.fft.ifftn,
    np.fft.fft2,
    np.fft.ifft2,
    np.fft.irfftn,
    np.fft.irfft2,
    lambda z: np.fft.fftn(z, s=(3, 9), axes=(0, 2), norm="ortho"),
    lambda z: np.fft.irfftn(z, s=(5, 9), axes=(0, 2), norm="forward"),
)


def test_the_whole_family_is_compiled():
    z = complexes(4, 6, 8, dtype=np.complex64)
    for f in REAL:
        agree(f, z.real.copy())
    for f in COMPLEX:
        agree(f, z)


def test_frequencies_are_numpys():
    np.testing.assert_array_equal(snp.fft.fftfreq(6, 0.5), np.fft.fftfreq(6, 0.5))
    found = sf.jit(lambda x: x * snp.fft.rfftfreq(8))(np.ones(5))
    np.testing.assert_array_equal(found, np.fft.rfftfreq(8))
    assert snp.fft.rfftfreq(8, dtype="float32").dtype == np.float32


def test_a_transform_is_its_own_transpose():
    z, ct = complexes(12), complexes(12)
    _, pull = sf.vjp(snp.fft.fft, z)
    assert_near(pull(ct)[0], np.fft.fft(ct))
    f = lambda x: snp.sum(snp.abs(snp.fft.rfft(x)) ** 2)  # noqa: E731
    x = RNG.normal(size=12)
    step = np.eye(12) * 1e-6
    wanted = [(f(x + e) - f(x - e)) / 2e-6 for e in step]
    np.testing.assert_allclose(sf.jit(sf.grad(f))(x), wanted, rtol=1e-6, atol=1e-6)


def test_the_hessian_goes_through_a_transform_and_back():
    def energy(x):
        return snp.sum(snp.fft.irfft(snp.fft.rfft(x) * snp.exp(1j * x[:5]), 8) ** 3)

    x = RNG.normal(size=8)
    first = sf.grad(energy)
    wanted = [(first(x + e) - first(x - e)) / 2e-6 for e in np.eye(8) * 1e-6]
    np.testing.assert_allclose(sf.jit(sf.hessian(energy))(x), wanted, rtol=1e-5, atol=1e-5)


def test_batches_are_transformed_together():
    z = complexes(4, 5)
    assert_near(sf.jit(sf.vmap(snp.fft.fft))(z), np.fft.fft(z))
    assert_near(sf.vmap(snp.fft.fft, in_axes=1)(z), np.fft.fft(z.T))


def test_a_loop_may_transform():
    kernel = np.fft.fft(np.eye(6)[1])
    turn = lambda c, _: (snp.fft.ifft(snp.fft.fft(c) * kernel), c.real)  # noqa: E731
    start = np.arange(6) + 0j
    rows = sf.jit(lambda z: sf.scan(turn, z, None, length=4)[1])(start)
    np.testing.assert_allclose(rows, [np.roll(start.real, k) for k in range(4)], atol=1e-14)


def test_a_short_transform_is_one_product_and_a_longer_one_a_call():
    short = sf.compile(snp.fft.fft, "c64[8,16]")
    assert [kernel.kind for kernel in short.kernels].count("contraction") == 1
    long = sf.compile(snp.fft.fft, "c64[8,4096]")
    assert [kernel.kind for kernel in long.kernels] == ["library"]
    assert "library of NumPy" in str(long.explain())


@pytest.mark.parametrize("spec", ["c128[N]", "c64[N]", "c64[B,N]", "c128[N,B]", "c64[B,N,2]"])
def test_one_program_transforms_every_length(spec):
    shape = spec[spec.index("[") + 1 : -1].split(",")
    dtype = np.dtype(np.complex64 if spec.startswith("c64") else np.complex128)
    axis = shape.index("N")
    both = sf.compile(lambda z: (snp.fft.fft(z, axis=axis), snp.fft.ifft(z, axis=axis)), spec)
    for n in (1, 2, 7, 64, 67, 210, 1009, 6000):
        for batch in (0, 1, 3) if "B" in shape else (1,):
            sizes = {"N": n, "B": batch, "2": 2}
            z = complexes(*(sizes[size] for size in shape), dtype=dtype)
            there, back = both(z)
            assert_near(there, np.fft.fft(z, axis=axis))
            assert_near(back, np.fft.ifft(z, axis=axis))


def test_threads_share_rows_and_change_no_bit():
    z = complexes(1000, 256)
    f = sf.compile(snp.fft.fft, "c128[B,N]")
    found = []
    for threads in (1, 2):
        with options.using(num_threads=threads):
            found.append(f(z))
    np.testing.assert_array_equal(*found)
    assert_near(found[0], np.fft.fft(z))


def test_derivatives_go_through_transforms_of_symbolic_length():
    def energy(x):
        return snp.sum(snp.abs(snp.fft.fft(x * snp.exp(x))) ** 2)

    slope = sf.compile(sf.grad(energy), "f64[N]")
    for n in (1, 5, 12):
        x = RNG.normal(size=n)
        wanted = [(energy(x + e) - energy(x - e)) / 2e-6 for e in np.eye(n) * 1e-6]
        np.testing.assert_allclose(slope(x), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda z: snp.fft.rfft(z), sf.DTypeError),
        (lambda z: snp.fft.fft(z, norm="best"), sf.ArgumentError),
        (lambda z: snp.fft.fft(z, 0), sf.ShapeError),
        (lambda z: snp.fft.fft(z, axis=3), sf.ShapeError),
        (lambda z: snp.fft.fftn(z, s=(2, 2), axes=(0,)), sf.ShapeError),
    ],
)
def test_what_has_no_transform_names_the_users_line(f, error):
    with pytest.raises(error) as raised:
        sf.trace(f, "c64[4,4]")
    assert raised.value.loc is not None and raised.value.loc.filename.endswith("test_fft.py")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_program_transforms_real_numbers_of_every_length(dtype):
    letter = "f32" if dtype is np.float32 else "f64"
    both = sf.compile(
        lambda x: (snp.fft.rfft(x), snp.fft.irfft(snp.fft.rfft(x), x.shape[-1])), f"{letter}[B,N]"
    )
    first = sf.compile(lambda x: snp.fft.ihfft(x, axis=0), f"{letter}[N,B]")
    for n in (1, 2, 3, 8, 45, 64, 67, 1009, 1024):
        x = RNG.normal(size=(3, n)).astype(dtype)
        half, back = both(x)
        assert_near(half, np.fft.rfft(x))
        assert_near(back, x)
        assert_near(first(x.T.copy()), np.fft.ihfft(x, axis=1).T)


def test_a_symbolic_axis_is_cut_or_filled_as_the_call_needs():
    f = sf.compile(lambda x: snp.fft.rfft(x, 16), "f64[N]")
    g = sf.compile(lambda z: snp.fft.fftn(z, s=(4, z.shape[0]), axes=(0, 1)), "c128[N,M]")
    for n in (3, 16, 21):
        x, z = RNG.normal(size=n), complexes(n, 5)
        assert_near(f(x), np.fft.rfft(x, 16))
        assert_near(g(z), np.fft.fftn(z, s=(4, n), axes=(0, 1)))


def test_frequencies_and_their_order_are_known_for_symbolic_lengths():
    shifted = sf.compile(lambda x: snp.fft.fftshift(x) - snp.fft.ifftshift(x), "f64[N,M]")
    places = sf.compile(lambda x: snp.fft.fftfreq(x.shape[0], 0.3), "f64[N]")
    half = sf.compile(lambda x: snp.fft.rfftfreq(x.shape[0], dtype="float32"), "f64[N]")
    for n in range(1, 7):
        x = RNG.normal(size=(n, 4))
        np.testing.assert_array_equal(shifted(x), np.fft.fftshift(x) - np.fft.ifftshift(x))
        np.testing.assert_array_equal(places(x[:, 0].copy()), np.fft.fftfreq(n, 0.3))
        np.testing.assert_allclose(half(x[:, 0].copy()), np.fft.rfftfreq(n), rtol=1e-7)


@pytest.mark.parametrize(
    ("spec", "f", "array"),
    [
        ("c64[N]", snp.fft.fft, np.zeros(0, np.complex64)),
        ("f32[N]", snp.fft.rfft, np.zeros(0, np.float32)),
        ("c64[N]", snp.fft.irfft, np.zeros(1, np.complex64)),
    ],
)
def test_there_is_no_transform_of_no_element(spec, f, array):
    with pytest.raises(sf.GuardError, match="1 ≤"):
        sf.compile(f, spec)(array)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("n", [64, 1000, 1009, 4096])
def test_errors_grow_as_the_logarithm_of_the_length(n, dtype):
    z = complexes(n, dtype=dtype)
    wide = z.astype(np.clongdouble)
    turns = np.exp(-2j * np.pi * (np.outer(np.arange(32), np.arange(n)) % n) / np.longdouble(n))
    found, wanted = sf.jit(snp.fft.fft)(z)[:32], turns @ wide
    error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
    assert error <= np.finfo(dtype).eps * np.log2(n)


def test_gradients_of_second_order_go_through_real_transforms():
    def energy(x):
        half = snp.fft.rfft(x) ** 2
        return snp.sum(snp.fft.irfft(half, x.shape[0]) ** 2) + snp.sum(snp.abs(half[1:]) ** 2)

    for n in (7, 8):
        x = RNG.normal(size=n)
        first = sf.grad(energy)
        step = np.eye(n) * 1e-6
        wanted = [(energy(x + e) - energy(x - e)) / 2e-6 for e in step]
        np.testing.assert_allclose(sf.jit(first)(x), wanted, rtol=1e-5)
        wanted = [(first(x + e) - first(x - e)) / 2e-6 for e in step]
        np.testing.assert_allclose(sf.jit(sf.hessian(energy))(x), wanted, rtol=1e-4, atol=1e-3)


@settings(max_examples=30)
@given(
    st.sampled_from(["fftn", "ifftn", "rfftn", "irfftn"]),
    st.lists(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 11]), min_size=3, max_size=3),
    st.permutations(range(3)),
    st.integers(1, 3),
    st.lists(st.integers(2, 9), min_size=3, max_size=3),
    st.sampled_from([None, "ortho", "forward"]),
    st.booleans(),
)
def test_transforms_along_several_symbolic_axes_are_numpys(
    name, shape, order, count, wanted, norm, is_sized
):
    transform, axes = getattr(np.fft, name), tuple(order[:count])
    if name == "irfftn" and shape[axes[-1]] == 1:
        is_sized = True  # there is no real transform of no element
    s = tuple(wanted[:count]) if is_sized else None
    x = complexes(*shape)
    x = x.real.copy() if name == "rfftn" else x
    spec = f"{'f64' if name == 'rfftn' else 'c128'}[A,B,C]"
    graph = sf.trace(lambda x: transform(x, s, axes, norm), spec)
    assert_near(graph(x), transform(x, s, axes, norm))


def test_numpys_frequencies_have_the_length_that_comes():
    wave = sf.jit(lambda x: x * np.fft.fftfreq(len(x)))
    for n in (6, 9, 4):
        np.testing.assert_array_equal(wave(np.ones(n)), np.fft.fftfreq(n))
    with pytest.raises(sf.TraceError, match="a symbolic size stands where a number is needed"):
        sf.trace(lambda x: np.fft.rfftfreq(len(x)), "f64[N]")
