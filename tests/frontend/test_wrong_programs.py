"""Sixty wrong programs over the newer features: each error names the line, and what to do."""

from __future__ import annotations

import linecache

import pytest

import symfuse as sf
from symfuse import numpy as snp

fn = sf.nn.functional


def scan_carry(x):
    return sf.scan(lambda c, r: (c[None], r), x[0], x)  # here


def scan_lengths(x):
    return sf.scan(lambda c, r: (c, r[0]), 0.0, (x, x.T))  # here


def cond_shapes(x):
    return sf.cond(x.sum() > 0, lambda: x, lambda: x[0])  # here


def cond_array(x):
    return sf.cond(x > 0, lambda: x, lambda: -x)  # here


def switch_float(x):
    return sf.switch(x[0, 0], [lambda: x, lambda: -x])  # here


def while_many(x):
    return sf.while_loop(lambda v: v > 0, lambda v: v - 1, x)  # here


def grad_of_while(x):
    return sf.grad(lambda v: sf.while_loop(lambda c: c < 9, lambda c: c * 2, v))(x[0, 0])  # here


def fori_fraction(x):
    return sf.fori_loop(0, 2.5, lambda i, c: c, x)  # here


def map_scalar(x):
    return sf.map(lambda v: v, x[0, 0])  # here


def vmap_sizes(x):
    return sf.vmap(lambda a, b: a + b)(x, x.T)  # here


def vmap_out(x):
    return sf.vmap(lambda a: a.sum(), out_axes=2)(x)  # here


def grad_vector(x):
    return sf.grad(lambda v: v * 2)(x)  # here


def grad_int(x):
    return sf.grad(lambda v: v.sum())(x.astype("int32"))  # here


def jvp_shape(x):
    return sf.jvp(snp.sin, (x,), (x[0],))  # here


def vjp_tree(x):
    return sf.vjp(lambda v: (v, v), x)[1](x)  # here


def unroll_sym(x):
    return sf.scan(lambda c, r: (c, r), 0.0, x, unroll=1.5)  # here


def key_float(x):
    return sf.random.normal(x, (3,))  # here


def uniform_shape(x):
    return sf.random.uniform(sf.random.key(0), (x.sum(),))  # here


def random_dtype(x):
    return sf.random.normal(sf.random.key(0), (3,), "int32")  # here


def choice_p(x):
    return sf.random.choice(sf.random.key(0), 5, p=x)  # here


def cholesky_shape(x):
    return snp.linalg.cholesky(x)  # here


def solve_shapes(x):
    return snp.linalg.solve(x @ x.T, x.T)  # here


def inv_int(x):
    return snp.linalg.inv(x)  # here


def det_rank(x):
    return snp.linalg.det(x[0])  # here


def norm_ord(x):
    return snp.linalg.norm(x, ord="wrong")  # here


def qr_mode(x):
    return snp.linalg.qr(x, mode="wrong")  # here


def matrix_power(x):
    return snp.linalg.matrix_power(x, 2)  # here


def sort_axis(x):
    return snp.sort(x, axis=3)  # here


def topk(x):
    return snp.top_k(x, 9)  # here


def unique_size(x):
    return snp.unique_values(x)  # here


def nonzero(x):
    return snp.nonzero(x)  # here


def searchsorted(x):
    return snp.searchsorted(x, x)  # here


def percentile(x):
    return snp.percentile(x, 150)  # here


def take_float(x):
    return snp.take(x, x[0])  # here


def concat_axis(x):
    return snp.concatenate([x, x.T])  # here


def tensordot(x):
    return snp.tensordot(x, x, axes=1)  # here


def cross(x):
    return snp.cross(x, x)  # here


def broadcast_to(x):
    return snp.broadcast_to(x, (5, 4))  # here


def where_shapes(x):
    return snp.where(x > 0, x, x.T)  # here


def transpose_axes(x):
    return snp.transpose(x, (0, 0))  # here


def expand_dims(x):
    return snp.expand_dims(x, 7)  # here


def arange_traced(x):
    return snp.arange(x.sum())  # here


def zeros_traced(x):
    return snp.zeros(x.sum())  # here


def astype_wrong(x):
    return x.astype("float31")  # here


def sgd_tree(x):
    optimizer = sf.optim.SGD(0.1)
    return optimizer.update({"w": x}, optimizer.init({"v": x}), {"v": x})  # here


def conv_channels(x):
    return fn.conv(x[None, None], snp.zeros((3, 3, 5, 2)))  # here


def conv_stride(x):
    return fn.conv2d(x[None, :, :, None], snp.zeros((2, 2, 1, 1)), strides=0)  # here


def conv_padding(x):
    return fn.conv2d(x[None, :, :, None], snp.zeros((2, 2, 1, 1)), padding="most")  # here


def pool_size(x):
    return fn.max_pool(x[None, :, :, None], (9, 9))  # here


def resize_method(x):
    return fn.resize(x[None, :, :, None], (6, 8), method="wrong")  # here


def update_shape(x):
    return x.at[0].set(snp.zeros(3))  # here


def update_mode(x):
    return x.at[0].set(1.0, mode="sometimes")  # here


def update_rank(x):
    return sf.dynamic_update_slice(x, x[0], (0, 0))  # here


def slice_traced(x):
    return x[: x[0, 0].astype("int64")]  # here


def slice_count(x):
    return sf.dynamic_slice(x, (0,), (1, 1))  # here


def slice_large(x):
    return sf.dynamic_slice(x, (0, 0), (9, 1))  # here


def associative(x):
    return sf.associative_scan(lambda a, b: a + b, x, axis=5)  # here


def loss_shapes(x):
    return sf.losses.mean_squared_error(x, x.T)  # here


def checkpoint_policy(x):
    return sf.checkpoint(lambda v: v, policy=3)(x)  # here


def custom(x):
    return sf.grad(lambda v: sf.custom_jvp(lambda u: u)(v).sum())(x)  # here


def fft_axis(x):
    return snp.fft.fft(x, axis=4)  # here


def item(x):
    return x[0, 0].item()  # here


def pad_negative(x):
    return snp.pad(x, -1)  # here


def roll(x):
    return snp.roll(x, 1, axis=9)  # here


def repeat(x):
    return snp.repeat(x, x[0])  # here


def reduce_where(x):
    return snp.max(x[:0])  # here


def einsum_letters(x):
    return snp.einsum("ij,jk->ik", x, x)  # here


WRONG = [
    (scan_carry, sf.ShapeError, "scan: result[0] is f32[1,4]", "start from the shape (1, 4), or"),
    (
        scan_lengths,
        sf.ShapeError,
        "scan: xs[0] gives 3 turns, xs[1] gives 4",
        "all of xs need one first size",
    ),
    (
        cond_shapes,
        sf.ShapeError,
        "cond: result is f32[3,4], but another branch ret",
        "start from the shape (3, 4), or",
    ),
    (
        cond_array,
        sf.TraceError,
        "cond: pred is bool[3,4], not one value",
        "reduce it by .any() or .all(), o",
    ),
    (switch_float, sf.DTypeError, "switch: index is f32[]", "pass an integer"),
    (
        while_many,
        sf.ShapeError,
        "while_loop: f returns bool[3,4], not one bool",
        "compare, or reduce by .any() or",
    ),
    (
        grad_of_while,
        sf.UnsupportedError,
        "a while_loop without a bound cannot be different",
        "give it bound=, the greatest num",
    ),
    (
        fori_fraction,
        sf.DTypeError,
        "upper is 2.5, which is no whole number",
        "pass an integer, a size, or a tr",
    ),
    (
        map_scalar,
        sf.ShapeError,
        "scan: xs is f32[], which has no axis to walk alo",
        "close over values that are the s",
    ),
    (
        vmap_sizes,
        sf.ShapeError,
        "vmap: the batch has size 3 in a and size 4 in b",
        "batch axes must have one size; g",
    ),
    (
        vmap_out,
        sf.ShapeError,
        "out_axes is 2, but with a batch axis f32[] has 1",
        "give an axis from -1 to 0",
    ),
    (
        grad_vector,
        sf.ShapeError,
        "grad: f returns f32[3,4], but a gradient is of o",
        "return the sum or the mean, or u",
    ),
    (
        grad_int,
        sf.DTypeError,
        "grad in v, which is i32[3,4]: only floating-poin",
        "pass a float, or choose other ar",
    ),
    (
        jvp_shape,
        sf.ShapeError,
        "jvp: the tangent of args[0] has the shape (4,),",
        "pass one tangent of the same sha",
    ),
    (
        vjp_tree,
        sf.TraceError,
        "the cotangent has the structure * where (*, *) i",
        "pass a tree with the same contai",
    ),
    (
        unroll_sym,
        sf.UnsupportedError,
        "scan: unroll=1.5 for 3 turns",
        "both have to be whole numbers (u",
    ),
    (
        key_float,
        sf.DTypeError,
        "a random key is u32[2], got elements of type f32",
        "make keys by sf.random.key(seed)",
    ),
    (
        uniform_shape,
        sf.ShapeError,
        "<traced f32[]> is not a size",
        "give a shape of integers of at l",
    ),
    (
        random_dtype,
        sf.DTypeError,
        "random numbers of this distribution are not inte",
        "give a floating-point type, such",
    ),
    (
        choice_p,
        sf.ShapeError,
        "choice: p has shape (3, 4) for 5 things",
        "give one probability for each, o",
    ),
    (
        cholesky_shape,
        sf.ShapeError,
        "cholesky: an array of shape (3, 4) holds no squ",
        "the last two axes are those of t",
    ),
    (
        solve_shapes,
        sf.ShapeError,
        "solve: matrices (3, 3) and right sides (4, 3) d",
        "give both the same number of row",
    ),
    (
        inv_int,
        sf.ShapeError,
        "inv: an array of shape (3, 4) holds no square",
        "the last two axes are those of t",
    ),
    (
        det_rank,
        sf.ShapeError,
        "det: an array of shape (4,) holds no square m",
        "the last two axes are those of t",
    ),
    (
        norm_ord,
        sf.UnsupportedError,
        "norm: ord='wrong' cannot be traced into a",
        'use "fro", "nuc", 1, -1, 2, -2,',
    ),
    (qr_mode, sf.OptionError, "qr: mode='wrong'", 'use "reduced", "complete" or "r"'),
    (matrix_power, sf.ShapeError, "matrix_power of (3, 4)", "pass square matrices"),
    (
        sort_axis,
        sf.ShapeError,
        "sort: axis 3 is out of range for an array of rank",
        "use an axis from -2 to 1",
    ),
    (topk, sf.ShapeError, "top_k: 9 of 4 elements", "use 0 <= k <= 4"),
    (
        unique_size,
        sf.UnsupportedError,
        "unique_values: how many elements the result has",
        "give the greatest number: unique",
    ),
    (
        nonzero,
        sf.UnsupportedError,
        "nonzero: how many elements the result has is kno",
        "give the greatest number: nonzer",
    ),
    (searchsorted, sf.ShapeError, "searchsorted in an array of rank 2", "pass one row"),
    (percentile, sf.ArgumentError, "percentile: q is 150", "numbers from 0 to 100"),
    (take_float, sf.DTypeError, "take: indices of type float32", "use integers"),
    (
        concat_axis,
        sf.ShapeError,
        "concatenate: f32[3,4] and f32[4,3] do not join a",
        "all sizes but the one of that ax",
    ),
    (
        tensordot,
        sf.ShapeError,
        "tensordot: f32[3,4] and f32[3,4]: axes 1 and 0 d",
        "pair axes of equal size",
    ),
    (
        cross,
        sf.ShapeError,
        "cross: f32[3,4] and f32[3,4] need size 3",
        "give the axis along which the ve",
    ),
    (
        broadcast_to,
        sf.ShapeError,
        "broadcast_to: shapes do not broadcast: (3, 4) and",
        "sizes must be equal or 1, compar",
    ),
    (
        where_shapes,
        sf.ShapeError,
        "where: shapes do not broadcast: bool[3,4] and f",
        "sizes must be equal or 1, compar",
    ),
    (
        transpose_axes,
        sf.ShapeError,
        "transpose: axes (0, 0) are not an order of the 2",
        "give each of 0 to 1 once",
    ),
    (
        expand_dims,
        sf.ShapeError,
        "expand_dims: axis 7 is out of range for an array",
        "use an axis from -3 to 2",
    ),
    (
        arange_traced,
        sf.TraceError,
        "conversion to a NumPy array needs the value of <",
        "sizes have to be known: use those",
    ),
    (
        zeros_traced,
        sf.TraceError,
        "an index or size needs the value of <traced f32[",
        "sizes have to be known: use those",
    ),
    (
        astype_wrong,
        sf.DTypeError,
        "symfuse has no element type 'float31'; it has bo",
        "name one of them, such as 'float",
    ),
    (
        sgd_tree,
        sf.TraceError,
        "grads has the structure {'w': *} where {'v': *}",
        "pass a tree with the same contai",
    ),
    (
        conv_channels,
        sf.ShapeError,
        "conv: 4 channels in 1 groups and a kernel of sha",
        "the last sizes of the kernel are",
    ),
    (conv_stride, sf.ShapeError, "strides=0 for 2 spatial axes", "give a whole number, at least 1"),
    (conv_padding, sf.UnsupportedError, "conv: padding='most'", 'use "same", "valid", a number, o'),
    (
        pool_size,
        sf.ShapeError,
        "max_pool: a window that spans 9 elements does no",
        'use padding="same", a smaller wi',
    ),
    (resize_method, sf.UnsupportedError, "resize: method='wrong'", 'use "nearest" or "bilinear"'),
    (
        update_shape,
        sf.ShapeError,
        "x[...] = v: values of shape (3,) do not fit into",
        "give one value, or values of tha",
    ),
    (update_mode, sf.ArgumentError, "mode 'sometimes'", "choose from promise_in_bounds, c"),
    (
        update_rank,
        sf.ShapeError,
        "dynamic_update_slice: an update of rank 1 for an",
        "give it the rank of the array, w",
    ),
    (
        slice_traced,
        sf.TraceError,
        "a slice between traced places has no size that i",
        "write x[i:i + 3], or sf.dynamic_",
    ),
    (
        slice_count,
        sf.ShapeError,
        "dynamic_slice: 1 places and 2 sizes for an array",
        "give 2 of each",
    ),
    (
        slice_large,
        sf.ShapeError,
        "dynamic_slice: a piece of 9 of an axis of size 3",
        "cut at most 3",
    ),
    (associative, sf.ShapeError, "associative_scan: f32[3,4] has no axis 5", "choose another axis"),
    (
        loss_shapes,
        sf.ShapeError,
        "targets of shape (3, 4) for predictions of (4, 3)",
        "give a target for each prediction",
    ),
    (
        checkpoint_policy,
        sf.TraceError,
        "checkpoint: policy is of type int, which is no fu",
        "pass a function, such as lambda x",
    ),
    (custom, sf.TraceError, "custom_jvp f: no derivative has been defined", "call defjvp"),
    (
        fft_axis,
        sf.ShapeError,
        "fft: axis 4 is out of range for an array",
        "use an axis from -2 to 1",
    ),
    (
        item,
        sf.TraceError,
        "item() needs the value of <traced f32[]>, which",
        "leave out .item(): arrays of ran",
    ),
    (
        pad_negative,
        sf.ShapeError,
        "pad: a negative number of elements cannot be add",
        "use slice to cut",
    ),
    (
        roll,
        sf.ShapeError,
        "roll: axis 9 is out of range for an array",
        "use an axis from -2 to 1",
    ),
    (
        repeat,
        sf.UnsupportedError,
        "repeat by traced counts: how many elements there",
        "give their number: symfuse.numpy",
    ),
    (
        reduce_where,
        sf.ShapeError,
        "max of no elements: axis 0 of (0, 4) has size 0",
        "give initial=, the value of no e",
    ),
    (
        einsum_letters,
        sf.ShapeError,
        "einsum: index j has two sizes: f32[3,4], f32[3,4",
        "arrays that share a letter have",
    ),
]


def marked_line(function):
    first = function.__code__.co_firstlineno
    return next(n for n in range(first, first + 4) if "# here" in linecache.getline(__file__, n))


@pytest.mark.parametrize(
    ("function", "kind", "what", "fix"), WRONG, ids=[row[0].__name__ for row in WRONG]
)
def test_the_error_names_the_line_and_the_remedy(function, kind, what, fix):
    with pytest.raises(kind) as caught:
        sf.trace(function, "f32[3,4]")
    assert what in caught.value.what
    assert fix
    assert fix in caught.value.fix
    assert caught.value.user_frame == (__file__, marked_line(function))


def test_there_are_sixty():
    assert len(WRONG) >= 60
