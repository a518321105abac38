"""Convolutions, pooling and resizing against loops over windows, and against PyTorch."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse.nn import functional as nn

Array = np.ndarray[Any, Any]
SIZES = (7, 6, 5)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def windows_of(x: Array, sizes: Any, strides: Any, dilation: Any) -> dict[tuple[int, ...], Array]:
    """Place → window around it, [batch, *window, channels]."""
    spans = [(k - 1) * d + 1 for k, d in zip(sizes, dilation, strict=True)]
    counts = [(n - span) // s + 1 for n, span, s in zip(x.shape[1:-1], spans, strides, strict=True)]
    found = {}
    for place in product(*map(range, counts)):
        begins = [p * s for p, s in zip(place, strides, strict=True)]
        cut = tuple(np.s_[b : b + n : d] for b, n, d in zip(begins, spans, dilation, strict=True))
        found[place] = x[(np.s_[:], *cut)]
    return found


def gathered(found: dict[tuple[int, ...], Array]) -> Array:
    """Results by place as one array, [batch, *space, channels]."""
    counts = [max(place[axis] for place in found) + 1 for axis in range(len(next(iter(found))))]
    stacked = np.stack([found[place] for place in product(*map(range, counts))], axis=1)
    return stacked.reshape(stacked.shape[0], *counts, *stacked.shape[2:])


def conv_loop(x: Array, kernel: Array, strides: Any, dilation: Any, groups: int) -> Array:
    """The definition: a sum of products for each place and output channel."""
    inputs, outputs = kernel.shape[-2], kernel.shape[-1] // groups
    results = {}
    for place, window in windows_of(x, kernel.shape[:-2], strides, dilation).items():
        flat = [
            window[..., g * inputs : (g + 1) * inputs].reshape(len(x), -1)
            @ kernel[..., g * outputs : (g + 1) * outputs].reshape(-1, outputs)
            for g in range(groups)
        ]
        results[place] = np.concatenate(flat, axis=-1)
    return gathered(results)


def image(rng: np.random.Generator, rank: int, channels: int = 4) -> Array:
    return rng.normal(size=(2, *SIZES[:rank], channels))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("stride", "dilation", "groups"), [(1, 1, 1), (2, 1, 2), (1, 2, 4), (2, 2, 1)]
)
def test_conv_is_a_sum_of_products_of_windows(rank, stride, dilation, groups, rng):
    x = image(rng, rank)
    kernel = rng.normal(size=(*(3, 2, 1)[:rank], 4 // groups, 8))
    wanted = conv_loop(x, kernel, (stride,) * rank, (dilation,) * rank, groups)

    def function(x, kernel):
        return nn.conv(x, kernel, stride, dilation=dilation, groups=groups)

    np.testing.assert_allclose(function(x, kernel), wanted, atol=1e-12)
    np.testing.assert_allclose(sf.jit(function)(x, kernel), wanted, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [4, 7])
def test_same_padding_gives_as_many_outputs_as_strides_fit(n, size, stride, rng):
    x, kernel = rng.normal(size=(1, n, 1)), rng.normal(size=(size, 1, 1))
    assert nn.conv1d(x, kernel, stride, "same").shape == (1, -(-n // stride), 1)
    total = max((-(-n // stride) - 1) * stride + size - n, 0)
    around = np.pad(x, ((0, 0), (total // 2, total - total // 2), (0, 0)))
    wanted = conv_loop(around, kernel, (stride,), (1,), 1)
    np.testing.assert_allclose(nn.conv1d(x, kernel, stride, "same"), wanted, atol=1e-12)


def test_causal_padding_sees_nothing_of_what_comes(rng):
    x, kernel = rng.normal(size=(1, 9, 2)), rng.normal(size=(3, 2, 4))
    later = x.copy()
    later[:, 5:] += 1
    before, after = (nn.conv1d(v, kernel, padding="causal", dilation=2) for v in (x, later))
    assert before.shape == (1, 9, 4)
    np.testing.assert_array_equal(before[:, :5], after[:, :5])


def test_channels_first_is_the_same_with_other_axes(rng):
    x, kernel = image(rng, 2), rng.normal(size=(3, 3, 4, 5))
    wanted = np.moveaxis(nn.conv(x, kernel, 2, "same"), -1, 1)
    first = np.moveaxis(x, -1, 1)
    compiled = sf.jit(lambda x, k: nn.conv(x, k, 2, "same", "channels_first"))
    np.testing.assert_allclose(compiled(first, kernel), wanted, atol=1e-12)
    pooled = nn.max_pool(first, 2, data_format="channels_first")
    np.testing.assert_array_equal(pooled, np.moveaxis(nn.max_pool(x, 2), -1, 1))


@pytest.mark.parametrize("multiplier", [1, 3])
def test_depthwise_conv_has_a_kernel_for_each_channel(multiplier, rng):
    x, kernel = image(rng, 2), rng.normal(size=(3, 2, 4, multiplier))
    wanted = conv_loop(x, kernel.reshape(3, 2, 1, 4 * multiplier), (1, 1), (1, 1), 4)
    np.testing.assert_allclose(nn.depthwise_conv(x, kernel), wanted, atol=1e-12)
    mixing = rng.normal(size=(1, 1, 4 * multiplier, 5))
    separable = sf.jit(nn.separable_conv)(x, kernel, mixing)
    np.testing.assert_allclose(separable, wanted @ mixing[0, 0], atol=1e-12)


@pytest.mark.parametrize("padding", ["valid", "same", 1])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (2, 2)])
def test_conv_transpose_is_the_transpose_of_conv(stride, dilation, padding, rng):
    y, kernel = rng.normal(size=(1, 4, 5, 3)), rng.normal(size=(3, 2, 2, 3))
    x = nn.conv_transpose(y, kernel, stride, padding, dilation=dilation)
    other = rng.normal(size=x.shape)
    forth = nn.conv(other, kernel, stride, padding, dilation=dilation)
    assert forth.shape == y.shape
    np.testing.assert_allclose(np.sum(x * other), np.sum(y * forth), rtol=1e-10)


def test_the_example_of_max_pooling():
    x = np.array([[-1, 2, 0, 0], [0, 1, 3, -2], [0, 0, -1, 4], [3, -1, -2, -2]], np.float32)
    pooled = sf.jit(lambda x: nn.max_pool(x, 2))(x[None, :, :, None])
    np.testing.assert_array_equal(pooled[0, :, :, 0], [[2, 3], [3, 4]])


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 2), (2, 1)])
def test_pools_are_of_windows(rank, size, stride, rng):
    x, step = image(rng, rank), size if stride is None else stride
    found = windows_of(x, (size,) * rank, (step,) * rank, (1,) * rank)
    space = tuple(range(1, rank + 1))
    greatest = gathered({place: window.max(axis=space) for place, window in found.items()})
    mean = gathered({place: window.mean(axis=space) for place, window in found.items()})
    np.testing.assert_array_equal(sf.jit(lambda x: nn.max_pool(x, size, stride))(x), greatest)
    np.testing.assert_allclose(sf.jit(lambda x: nn.avg_pool(x, size, stride))(x), mean, atol=1e-12)


def test_the_mean_of_a_window_leaves_padding_out(rng):
    x = rng.normal(size=(1, 3, 1))
    first = nn.avg_pool(x, 2, 1, ((1, 0),))
    np.testing.assert_allclose(first[0, 0], x[0, 0])
    np.testing.assert_allclose(
        nn.avg_pool(x, 2, 1, ((1, 0),), count_include_pad=True)[0, 0], x[0, 0] / 2
    )


def test_elements_that_tie_share_the_derivative_of_a_maximum():
    x = np.array([1.0, 1.0, 0.0, 2.0]).reshape(1, 4, 1)
    slope = sf.grad(lambda x: nn.max_pool(x, 2).sum())(x)
    np.testing.assert_array_equal(slope.ravel(), [0.5, 0.5, 0, 1])


def test_global_pools_leave_channels(rng):
    x = image(rng, 2)
    np.testing.assert_allclose(nn.global_avg_pool(x), x.mean(axis=(1, 2)))
    np.testing.assert_allclose(
        nn.global_max_pool(x, keepdims=True), x.max(axis=(1, 2), keepdims=True)
    )


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize("count", [3, 5, 10, 12])
def test_resize_interpolates_between_middles(method, count, rng):
    x = rng.normal(size=(2, 5, 3))
    places = np.clip((np.arange(count) + 0.5) * 5 / count - 0.5, 0, 4)
    if method == "nearest":
        wanted = x[:, ((2 * np.arange(count) + 1) * 5) // (2 * count)]
    else:
        low = np.floor(places).astype(int)
        share = (places - low)[:, None]
        wanted = x[:, low] * (1 - share) + x[:, np.minimum(low + 1, 4)] * share
    np.testing.assert_allclose(nn.resize(x, count, method), wanted, atol=1e-12)
    symbolic = sf.compile(lambda x: nn.resize(x, count, method), "f64[B,N,3]")
    np.testing.assert_allclose(symbolic(x), wanted, atol=1e-12)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(7, 3), (3, 7), (4, 4), (1, 4)])
def test_convolve_and_correlate_are_those_of_numpy(n, m, mode, rng):
    a, v = rng.normal(size=n), rng.normal(size=m)
    for name in ("convolve", "correlate"):
        function = getattr(np, name)
        wanted = function(a, v, mode)
        np.testing.assert_allclose(getattr(sf.numpy, name)(a, v, mode), wanted, atol=1e-12)
        compiled = sf.jit(lambda a, v, f=function: f(a, v, mode))(a, v)
        np.testing.assert_allclose(compiled, wanted, atol=1e-12)
    whole = np.arange(n), np.arange(m)
    np.testing.assert_array_equal(sf.numpy.convolve(*whole), np.convolve(*whole))


def small(x, kernel):
    return nn.avg_pool(np.tanh(nn.conv(x, kernel, 1, "same")), 2, 1)


FUNCTIONS = {
    "same": small,
    "stride": lambda x, k: np.sin(nn.conv(x, k, 2, 1)),
    "dilation": lambda x, k: np.sin(nn.conv(x, k, 1, "same", dilation=2)),
    "groups": lambda x, k: np.sin(nn.conv(x, k[:, :, :2], 1, groups=2)),
    "depthwise": lambda x, k: np.sin(nn.depthwise_conv(x, k[..., :2], 1, "same")),
    "transpose": lambda x, k: np.sin(nn.conv_transpose(x, k, 2, "same")),
    "resize": lambda x, k: np.sin(nn.resize(x, (7, 3))) * k.sum(),
    "max": lambda x, k: nn.max_pool(np.sin(x), 3, 2, 1) * k.sum(),
}


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("f", [np.convolve, np.correlate], ids=lambda f: f.__name__)
def test_sequences_of_two_symbolic_sizes_are_transformed(f, mode, rng):
    real = sf.compile(lambda a, v: f(a, v, mode), "f64[N]", "f64[M]")
    complexes = sf.compile(lambda a, v: f(a, v, mode), "c128[N]", "c128[M]")
    for n, m in ((1, 1), (6, 4), (5, 4), (4, 6), (3, 6), (100, 37)):
        a, v = rng.normal(size=n), rng.normal(size=m)
        np.testing.assert_allclose(real(a, v), f(a, v, mode), atol=1e-13)
        a, v = a + 1j * a[::-1], v - 2j * v**2
        np.testing.assert_allclose(complexes(a, v), f(a, v, mode), atol=1e-12)
        np.testing.assert_allclose(sf.jit(lambda a, v: f(a, v, mode))(a, v), f(a, v, mode))


def test_a_symbolic_size_that_is_not_the_longer_one_is_refused():
    f = sf.compile(lambda a: np.convolve(a, [1.0, 2.0, 3.0], "same"), "f64[N]")
    np.testing.assert_array_equal(f(np.ones(3)), np.convolve(np.ones(3), [1.0, 2.0, 3.0], "same"))
    with pytest.raises(sf.GuardError, match="3 ≤ N"):
        f(np.ones(2))


def test_integers_of_two_symbolic_sizes_are_not_transformed():
    with pytest.raises(sf.UnsupportedError, match="integers of symbolic sizes") as raised:
        sf.trace(lambda a, v: np.convolve(a, v), "i32[N]", "i32[M]")
    assert raised.value.loc is not None and raised.value.loc.filename == __file__


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_first_and_second_order(name, rng):
    function = FUNCTIONS[name]
    x, kernel = rng.normal(size=(1, 5, 4, 4)), rng.normal(size=(3, 2, 4, 4))
    sf.check_grads(function, (x, kernel), order=2)

    def gradient(x, kernel):
        return sf.grad(lambda x, k: (function(x, k) ** 2).sum(), argnums=(0, 1))(x, kernel)

    for found, wanted in zip(sf.jit(gradient)(x, kernel), gradient(x, kernel), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-10)


def test_batch_and_image_sizes_may_be_symbols(rng):
    kernel = rng.normal(size=(3, 3, 2, 4)).astype(np.float32)

    def function(x):
        y = nn.max_pool(np.maximum(nn.conv(x, kernel, 2, "same"), 0), 2)
        return nn.global_avg_pool(y)

    def gradient(x):
        return sf.grad(lambda x: function(x).sum())(x)

    for one in (function, gradient):
        compiled = sf.compile(one, "f32[B,H,W,2]")
        for shape in ((1, 8, 8, 2), (3, 9, 14, 2), (2, 7, 5, 2)):
            x = rng.normal(size=shape).astype(np.float32)
            np.testing.assert_allclose(compiled(x), one(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", ["8", "N"])
def test_gradients_of_kernels_are_added_up_in_pieces(count, rng):
    x = rng.normal(size=(8, 42, 42, 16)).astype(np.float32)
    slope = rng.normal(size=(8, 40, 40, 24)).astype(np.float32)
    kernel = np.zeros((3, 3, 16, 24), np.float32)

    def gradient(x, slope):
        return sf.vjp(lambda kernel: nn.conv(x, kernel), kernel)[1](slope)[0]

    types = f"f32[{count},42,42,16]", f"f32[{count},40,40,24]"
    one, two = (sf.compile(gradient, *types, threads=threads) for threads in (1, 2))
    assert "_partial" in one.as_text("schedule")
    np.testing.assert_array_equal(one(x, slope), two(x, slope))
    views = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (3, 3), (1, 2))
    wanted = np.einsum("byxchw,byxo->hwco", views, slope.astype(np.float64))
    np.testing.assert_allclose(one(x, slope), wanted, rtol=1e-4, atol=1e-2)


def test_formulas_of_sizes_are_simple():
    halves = sf.trace(lambda x: nn.max_pool(x, 2), "f32[B,H,W,2]")
    assert str(halves.outputs[0].type) == "f32[B,H//2,W//2,2]"
    same = sf.trace(lambda x, k: nn.conv(x, k, 1, "same"), "f32[B,H,W,2]", "f32[3,3,2,4]")
    assert str(same.outputs[0].type) == "f32[B,H,W,4]"
    strided = sf.trace(lambda x, k: nn.conv(x, k, 2, "same"), "f32[B,H,W,2]", "f32[3,3,2,4]")
    assert str(strided.outputs[0].type) == "f32[B,(H+1)//2,(W+1)//2,4]"
    wider = sf.trace(
        lambda x, k: nn.conv_transpose(x, k, 2, "same"), "f32[B,H,W,4]", "f32[3,3,2,4]"
    )
    assert str(wider.outputs[0].type) == "f32[B,2*H,2*W,2]"


def test_a_gradient_with_stride_one_stores_no_windows():
    graph = sf.compile(
        sf.grad(lambda x, k: np.square(nn.conv(x, k, 1, "same")).sum()),
        "f32[2,16,16,8]",
        "f32[3,3,8,8]",
    )
    assert "overlap_add" not in graph.as_text("optimized")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, k: nn.conv2d(x[0], k), "3 axes, not 4"),
        (lambda x, k: nn.conv2d(x, k[:, :, :3]), "4 channels in 1 groups"),
        (lambda x, k: nn.conv2d(x, k, groups=3), "in 3 groups"),
        (lambda x, k: nn.conv2d(x, k, padding="full"), "padding='full'"),
        (lambda x, k: nn.conv2d(x, k, padding=((1, 2),)), "for 2 spatial axes"),
        (lambda x, k: nn.conv2d(x, k, strides=0), "strides=0"),
        (lambda x, k: nn.conv2d(x[:, :2], k), "does not fit 2"),
        (lambda x, k: nn.conv2d(x, k, data_format="NHWC"), "data_format='NHWC'"),
        (lambda x, k: nn.conv1d(x, k), "has 4 axes"),
        (lambda x, k: nn.max_pool(x, 9), "spans 9 elements"),
        (lambda x, k: nn.conv_transpose(x, k[..., :3]), "4 channels"),
        (lambda x, k: nn.resize(x, 4, "cubic"), "method='cubic'"),
    ],
)
def test_errors_say_what_and_where(call, words, rng):
    x, kernel = image(rng, 2), rng.normal(size=(3, 3, 4, 6))
    with pytest.raises(sf.SymfuseError) as caught:
        sf.jit(call)(x, kernel)
    assert words in str(caught.value)
    assert "test_convolution.py" in str(caught.value)


@pytest.mark.peer("torch")
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("stride", "dilation", "padding"), [(1, 1, 1), (2, 1, 0), (3, 2, 2)])
def test_pytorch_agrees(rank, stride, dilation, padding, rng):
    import torch
    from torch.nn import functional as peer

    def first(x: Array) -> Any:
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))

    x, kernel = image(rng, rank), rng.normal(size=(*(3, 2, 3)[:rank], 2, 6))
    order = (rank + 1, rank, *range(rank))
    weights = torch.from_numpy(np.ascontiguousarray(np.transpose(kernel, order)))
    options = {"stride": stride, "dilation": dilation, "padding": padding}
    forth = getattr(peer, f"conv{rank}d")(first(x), weights, groups=2, **options)
    mine = nn.conv(x, kernel, stride, padding, dilation=dilation, groups=2)
    np.testing.assert_allclose(np.moveaxis(mine, -1, 1), forth.numpy(), atol=1e-10)
    y = image(rng, rank, 6)
    back = getattr(peer, f"conv_transpose{rank}d")(first(y), weights, **options)
    mine = nn.conv_transpose(y, kernel, stride, padding, dilation=dilation)
    np.testing.assert_allclose(np.moveaxis(mine, -1, 1), back.numpy(), atol=1e-10)
    pooled = getattr(peer, f"max_pool{rank}d")(first(x), 3, stride, min(padding, 1))
    mine = nn.max_pool(x, 3, stride, min(padding, 1))
    np.testing.assert_array_equal(np.moveaxis(mine, -1, 1), pooled.numpy())
