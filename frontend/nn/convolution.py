"""Convolutions: products of windows with kernels, forth and back."""

from __future__ import annotations

from typing import Any

from symfuse.compiler.ir.dims import is_at_most, is_equal
from symfuse.compiler.ops.windows import reach
from symfuse.runtime.dtypes import DType

from ..numpy.products import contract
from ..numpy.shared import call, common_dtype, convert, traced
from .spatial import (
    Sliding,
    channels_last,
    failing,
    from_channels_last,
    margins,
    padded,
    per_axis,
    slid,
)

__all__ = [
    "conv", "conv1d", "conv2d", "conv3d", "conv_transpose", "depthwise_conv", "separable_conv",
]  # fmt: skip


def conv(
    x: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str = "channels_last",
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The sum of products of the kernel with the window around each place.

    `x` has the axes batch, space, channels (or batch, channels, space: `channels_first`), `kernel`
    the axes space, channels of a group, output channels. `padding` is "valid", "same" (an output
    of size ceil(n / stride)), "causal" in one dimension, a number, or a pair for each axis.
    An axis of size n gives ⌊(n + low + high − dilation·(k − 1) − 1) / stride⌋ + 1 outputs.

    >>> import numpy as np, symfuse as sf
    >>> sf.nn.functional.conv(np.ones((1, 5, 5, 3)), np.ones((3, 3, 3, 8)), strides=2).shape
    (1, 2, 2, 8)
    """
    x, kernel = _alike(x, kernel)
    rank = kernel.ndim - 2
    if rank < 1:
        raise failing(
            f"conv: a kernel of shape {tuple(kernel.shape)}",
            "its axes are those of space, input channels of a group, and output channels",
        )
    x = channels_last(x, rank, data_format, "conv")
    _require_channels(x, kernel, groups)
    sliding = Sliding.of(kernel.shape[:-2], strides, dilation)
    x = padded(x, padding, sliding, "conv")
    if groups == 1:
        y = _product(x, kernel, sliding)
    elif is_equal(kernel.shape[-2], 1):
        y = _depthwise(x, _by_channel(kernel, groups), sliding)
    else:
        y = _grouped(x, kernel, sliding, groups)
    return from_channels_last(y, data_format)


def conv1d(x: Any, kernel: Any, *args: Any, **options: Any) -> Any:
    """`conv` along one axis of space."""
    return _of_rank(1, x, kernel, args, options)


def conv2d(x: Any, kernel: Any, *args: Any, **options: Any) -> Any:
    """`conv` along two axes of space.

    >>> import numpy as np, symfuse as sf
    >>> image = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> sf.nn.functional.conv2d(image, np.ones((2, 2, 1, 1)))[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    return _of_rank(2, x, kernel, args, options)


def conv3d(x: Any, kernel: Any, *args: Any, **options: Any) -> Any:
    """`conv` along three axes of space."""
    return _of_rank(3, x, kernel, args, options)


def depthwise_conv(
    x: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str = "channels_last",
    dilation: Any = 1,
) -> Any:
    """Each channel convolved with kernels of its own; kernel: space, channels, multiplier.

    The output channels of one input channel lie side by side.
    """
    x, kernel = _alike(x, kernel)
    x = channels_last(x, kernel.ndim - 2, data_format, "depthwise_conv")
    if is_equal(x.shape[-1], kernel.shape[-2]) is False:
        raise failing(
            f"depthwise_conv: {x.shape[-1]} channels and a kernel of shape {tuple(kernel.shape)}",
            "the second to last size of the kernel is the number of channels",
        )
    sliding = Sliding.of(kernel.shape[:-2], strides, dilation)
    x = padded(x, padding, sliding, "depthwise_conv")
    return from_channels_last(_depthwise(x, kernel, sliding), data_format)


def separable_conv(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str = "channels_last",
    dilation: Any = 1,
) -> Any:
    """`depthwise_conv`, and what mixes the channels of each place behind it."""
    y = depthwise_conv(x, depthwise_kernel, strides, padding, data_format, dilation)
    return conv(y, pointwise_kernel, data_format=data_format)


def conv_transpose(
    x: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    output_padding: Any = None,
    data_format: str = "channels_last",
    dilation: Any = 1,
) -> Any:
    """The transpose of `conv`: each element spreads the kernel around its place.

    `kernel` has the axes space, output channels, input channels: that of the convolution whose
    transpose this is. An axis of size n gives n·stride outputs with "same", n·stride +
    max(span − stride, 0) with "valid", and (n − 1)·stride + span − low − high + output_padding
    where `padding` is a number or pairs, as in PyTorch.

    >>> import numpy as np, symfuse as sf
    >>> x, kernel = np.ones((1, 4, 4, 8)), np.ones((3, 3, 2, 8))
    >>> sf.nn.functional.conv_transpose(x, kernel, 2, "same").shape
    (1, 8, 8, 2)
    """
    x, kernel = _alike(x, kernel)
    rank = kernel.ndim - 2
    x = channels_last(x, rank, data_format, "conv_transpose")
    if is_equal(x.shape[-1], kernel.shape[-1]) is False:
        raise failing(
            f"conv_transpose: {x.shape[-1]} channels and a kernel of shape {tuple(kernel.shape)}",
            "the last size of the kernel is the number of input channels",
        )
    sliding = Sliding.of(kernel.shape[:-2], strides, dilation)
    cuts = _cuts(x.shape[1:-1], sliding, padding, output_padding)
    y = contract(x, kernel, contracting=((rank + 1,), (rank + 1,)))
    pairs = (axis for at in range(rank) for axis in (1 + at, 1 + rank + at))
    y = call("transpose", y, axes=(0, *pairs, y.ndim - 1))
    return from_channels_last(_overlapped(y, sliding, cuts), data_format)


def _of_rank(rank: int, x: Any, kernel: Any, args: Any, options: Any) -> Any:
    kernel = traced(kernel)
    if kernel.ndim != rank + 2:
        raise failing(
            f"conv{rank}d: a kernel of shape {tuple(kernel.shape)} has {kernel.ndim} axes",
            f"its axes are {rank} of space, input channels of a group, and output channels",
        )
    return conv(x, kernel, *args, **options)


def _alike(x: Any, kernel: Any) -> tuple[Any, Any]:
    """Both in one element type."""
    x, kernel = traced(x), traced(kernel)
    dtype = common_dtype(x, kernel)
    return convert(x, dtype), convert(kernel, dtype)


def _require_channels(x: Any, kernel: Any, groups: int) -> None:
    channels, (inputs, outputs) = x.shape[-1], kernel.shape[-2:]
    if not isinstance(groups, int) or groups < 1:
        raise failing(f"conv: groups={groups!r}", "give a positive number")
    if is_equal(channels, inputs * groups) is False or outputs % groups != 0:
        raise failing(
            f"conv: {channels} channels in {groups} groups and a kernel of shape "
            f"{tuple(kernel.shape)}",
            "the last sizes of the kernel are channels / groups, and a multiple of groups",
        )


def _product(x: Any, kernel: Any, sliding: Sliding) -> Any:
    """All channels with all channels: one contraction over windows."""
    windowed = slid(x, sliding)
    summed = (*sliding.places, windowed.ndim - 1)
    return contract(windowed, kernel, contracting=(summed, tuple(range(kernel.ndim - 1))))


def _grouped(x: Any, kernel: Any, sliding: Sliding, groups: int) -> Any:
    """Contractions side by side; their axis comes first and is put before the channels."""
    *space, inputs, outputs = kernel.shape
    rank = len(space)
    parts = call("reshape", x, shape=(*x.shape[:-1], groups, inputs))
    shape = (*space, inputs, groups, outputs // groups)
    windowed, kernels = slid(parts, sliding), call("reshape", kernel, shape=shape)
    last = windowed.ndim - 1
    y = contract(
        windowed,
        kernels,
        batch=((last - 1,), (rank + 1,)),
        contracting=((*sliding.places, last), tuple(range(rank + 1))),
    )
    y = call("transpose", y, axes=(*range(1, rank + 2), 0, rank + 2))
    return call("reshape", y, shape=(*y.shape[:-2], outputs))


def _by_channel(kernel: Any, groups: int) -> Any:
    """The kernels of groups of one channel: space, channels, multiplier."""
    return call("reshape", kernel, shape=(*kernel.shape[:-2], groups, kernel.shape[-1] // groups))


def _depthwise(x: Any, kernel: Any, sliding: Sliding) -> Any:
    """Products of windows and kernels, added up over the windows."""
    dtype = common_dtype(x)
    wide = DType.F32 if dtype.is_half else dtype
    windowed, kernel = slid(convert(x, wide), sliding), convert(kernel, wide)
    rank, many = len(sliding.sizes), is_equal(kernel.shape[-1], 1) is not True
    extra = kernel.shape[-1:] if many else ()
    shape = (*windowed.shape, *extra)
    if not many:
        kernel = call("reshape", kernel, shape=kernel.shape[:-1])
    last = windowed.ndim - 1
    tail = (last, last + 1) if many else (last,)
    spread = call("broadcast", kernel, shape=shape, axes=(*sliding.places, *tail))
    if many:
        windowed = call("broadcast", windowed, shape=shape, axes=tuple(range(windowed.ndim)))
    y = call("reduce_sum", call("multiply", windowed, spread), axes=sliding.places)
    if many:
        y = call("reshape", y, shape=(*y.shape[: rank + 1], x.shape[-1] * kernel.shape[-1]))
    return convert(y, dtype)


def _cuts(
    sizes: Any, sliding: Sliding, padding: Any, output_padding: Any
) -> tuple[tuple[Any, Any], ...]:
    """Where the result begins in what all kernels cover, and its size, for each axis."""
    rank = len(sliding.sizes)
    more = _extra(output_padding, sliding)
    whole = [
        (n - 1) * stride + span
        for n, stride, span in zip(sizes, sliding.strides, sliding.spans, strict=True)
    ]
    if isinstance(padding, str):
        if any(more):
            raise failing(
                f"conv_transpose: output_padding={output_padding!r} with padding={padding!r}",
                "leave it out: the size of the output follows; or give the padding in numbers",
            )
        excess = [max(a - b, 0) for a, b in zip(sliding.spans, sliding.strides, strict=True)]
        if padding.lower() == "same":
            steps = zip(sizes, sliding.strides, excess, strict=True)
            return tuple((cut // 2, n * stride) for n, stride, cut in steps)
        if padding.lower() == "valid":
            steps = zip(sizes, sliding.strides, excess, strict=True)
            return tuple((0, n * stride + cut) for n, stride, cut in steps)
        raise failing(f"conv_transpose: padding={padding!r}", 'use "same", "valid" or numbers')
    ends = zip(whole, margins(padding, rank, "conv_transpose: padding"), more, strict=True)
    cuts = tuple((low, full - low - high + extra) for full, (low, high), extra in ends)
    if any(is_at_most(1, size) is False for _, size in cuts):
        raise failing(
            f"conv_transpose: padding={padding!r} takes off all of {whole}", "give less padding"
        )
    return cuts


def _extra(output_padding: Any, sliding: Sliding) -> tuple[int, ...]:
    """How many elements more each axis has: fewer than a step of windows, or of places in them."""
    each = per_axis(output_padding or 0, len(sliding.sizes), "output_padding", 0)
    steps = map(max, sliding.strides, sliding.dilation)
    if any(extra >= step for extra, step in zip(each, steps, strict=True)):
        raise failing(
            f"conv_transpose: output_padding={output_padding!r} with strides {sliding.strides}",
            "give less than the stride or the dilation: it chooses among the sizes of inputs that"
            " a convolution with this stride makes alike",
        )
    return each


def _overlapped(y: Any, sliding: Sliding, cuts: tuple[tuple[Any, Any], ...]) -> Any:
    """The windows added up, and what is asked for of the result."""
    steps = list(zip(sliding.sizes, sliding.strides, sliding.dilation, cuts, strict=True))
    for at in reversed(range(len(steps))):
        size, stride, dilation, (low, wanted) = steps[at]
        axis = 1 + 2 * at
        covered = (y.shape[axis] - 1) * stride + reach(size, dilation)
        missing = _missing(low + wanted, covered)
        y = call(
            "overlap_add", y, axis=axis, stride=stride, dilation=dilation, length=covered + missing
        )
        if not (low == 0 and is_equal(covered + missing, wanted)):
            y = _cut(y, axis, low, wanted)
    return y


def _missing(needed: Any, covered: Any) -> Any:
    """How many elements behind all windows the result has."""
    difference = needed - covered
    return max(difference, 0) if isinstance(difference, int) else 0


def _cut(y: Any, axis: int, start: Any, size: Any) -> Any:
    starts = tuple(start if a == axis else 0 for a in range(y.ndim))
    stops = tuple(start + size if a == axis else n for a, n in enumerate(y.shape))
    return call("slice", y, starts=starts, stops=stops, steps=(1,) * y.ndim)
