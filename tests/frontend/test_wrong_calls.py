"""Programs that are wrong in the ways of beginners: each error names the line, and what to do."""

from __future__ import annotations

import functools
import inspect
import math

import numpy as np
import pytest

import symfuse as sf
import symfuse.numpy as snp

X = np.arange(12.0, dtype=np.float32).reshape(3, 4)


# specs


def spec_brackets():
    return sf.trace(lambda x: x, "f32(3, 4)")  # here


def spec_of_a_list():
    return sf.trace(lambda x: x, [3, "f32"])  # here


def spec_missing():
    return sf.trace(lambda x, y: x + y, "f32[3]")  # here


def spec_of_negative_size():
    return sf.spec((3, -1), "float32")  # here


def spec_keyword():
    return sf.trace(lambda x: x, "f32[3]", z="f32[3]")  # here


def sizes_of_one_name():
    return sf.compile(lambda x, y: x @ y, "f32[N,K]", "f32[N,M]")  # here


# calls


def too_many_arguments():
    fast = sf.jit(lambda x: x * 2)
    return fast(X, X)  # here


def unknown_keyword():
    fast = sf.jit(lambda x, *, scale=1.0: x * scale)
    return fast(X, factor=2.0)  # here


def text_as_argument():
    fast = sf.jit(lambda x, mode: x if mode == "train" else -x)
    return fast(X, "train")  # here


def unhashable_static():
    fast = sf.jit(lambda x, sizes: x.sum(sizes[0]), static_argnums=1)
    return fast(X, [0])  # here


def static_out_of_range():
    return sf.jit(lambda x: x, static_argnums=3)  # here


def unknown_static_name():
    return sf.jit(lambda x: x, static_argnames="mode")  # here


def donated_out_of_range():
    return sf.jit(lambda x: x, donate_argnums=2)  # here


def jit_of_a_value():
    return sf.jit(X)  # here


def wrong_target():
    return sf.jit(lambda x: x, target="gpu")(X)  # here


def wrong_numerics():
    return sf.jit(lambda x: x, numerics="loose")(X)  # here


def wrong_size_of_executable():
    exe = sf.compile(lambda x: x * 2, "f32[3,4]")
    return exe(X[:2])  # here


def wrong_type_of_executable():
    exe = sf.compile(lambda x: x * 2, "f32[3,4]")
    return exe(X.astype("float64"))  # here


def objects():
    return sf.jit(lambda x: x)(np.array([None, 1]))  # here


# transformations


def vmap_axis_of_a_scalar():
    return sf.vmap(lambda x, s: x * s)(X, 2.0)  # here


def vmap_axes_count():
    return sf.vmap(lambda x, y: x + y, in_axes=(0,))(X, X)  # here


def vmap_axis_too_large():
    return sf.vmap(lambda x: x, in_axes=2)(X)  # here


def vmap_of_nothing():
    return sf.vmap(lambda x: x, in_axes=None)(X)  # here


def grad_of_a_pair():
    return sf.grad(lambda x: (x.sum(), x))(X)  # here


def grad_argnums():
    return sf.grad(lambda x: x.sum(), argnums=1)(X)  # here


def grad_of_a_value():
    return sf.grad(X.sum())  # here


def has_aux_missing():
    return sf.grad(lambda x: x.sum(), has_aux=True)(X)  # here


def jvp_of_integers():
    return sf.jvp(np.sin, (np.arange(3),), (np.arange(3),))  # here


def cotangent_of_another_shape():
    return sf.vjp(lambda x: x.sum(0), X)[1](np.ones(3, np.float32))  # here


# loops


def scan_carry_type():
    return sf.scan(lambda c, row: (c + row.sum().astype("float64"), row), snp.float32(0), X)  # here


def scan_carry_tree():
    return sf.scan(lambda c, row: ((c[0], c[1], row), None), (X[0], X[0]), X)  # here


def scan_returns_one():
    return sf.scan(lambda c, row: c + row, X[0], X)  # here


def while_of_numbers():
    return sf.while_loop(lambda c: c - 1.0, lambda c: c * 2, 1.0)  # here


def cond_of_trees():
    return sf.cond(True, lambda x: {"a": x}, lambda x: {"b": x}, X)  # here


def cond_without_function():
    return sf.cond(True, X, -X)  # here


# random numbers


def seed_for_a_key():
    return sf.random.normal(0, (3,))  # here


def numpy_generator():
    return sf.random.normal(np.random.default_rng(0), (3,))  # here


def split_of_a_seed():
    return sf.random.split(42)  # here


def shape_before_key():
    return sf.random.uniform((3,), sf.random.key(0))  # here


def keys_for_a_key():
    return sf.random.normal(sf.random.split(sf.random.key(0)), (3,))  # here


# what is traced


def math_function():
    return sf.trace(lambda x: math.sqrt(x), "f64[]")  # here


def printed_number():
    return sf.trace(lambda x: f"{x:.2f}", "f64[]")  # here


def int_of_a_traced_value():
    return sf.trace(lambda x: range(int(x)), "i64[]")  # here


def size_from_a_traced_value():
    return sf.trace(lambda x, n: x.reshape(n, -1), "f64[12]", "i64[]")  # here


def kept_outside():
    kept = []
    sf.trace(lambda x: kept.append(x * 2), "f64[3]")
    return kept[0] + 1  # here


def cached_function():
    @functools.lru_cache
    def twice(x):
        return 2 * x

    return sf.trace(lambda x: twice(x), "f64[3]")  # here


def float_index():
    return sf.trace(lambda x, i: x[i], "f64[3]", "f64[]")  # here


def sum_with_a_text():
    return sf.trace(lambda x: x + "1", "f64[3]")  # here


def product_of_other_sizes():
    return sf.trace(lambda p, x: p["w"] @ x, {"w": "f32[4,3]", "b": "f32[4]"}, "f32[5]")  # here


def truth_of_a_size():
    return sf.trace(lambda x: x if x.shape[0] > 10 else -x, "f32[N]")  # here


WRONG = [
    (donated_out_of_range, sf.ArgumentError, "donate_argnums=2", "name one of them"),
    (
        spec_brackets,
        sf.ShapeError,
        "f: x: 'f32(3, 4)' is not a type",
        'write it as "f32[N,784]" or "i64[]"; a setting is a static argument (s',
    ),
    (
        spec_of_a_list,
        sf.ShapeError,
        "f: x[1]: 'f32' is not a type",
        'write it as "f32[N,784]" or "i64[]"; a setting is a static argument (s',
    ),
    (
        spec_missing,
        sf.TraceError,
        "f(x, y): missing a required argument: 'y'",
        "give one argument or spec for each parameter",
    ),
    (
        spec_of_negative_size,
        sf.ShapeError,
        "a size is -1",
        'give one of at least 0; a size that is not known yet has a name: "N"',
    ),
    (
        spec_keyword,
        sf.TraceError,
        "f(x): got an unexpected keyword argument 'z'",
        "give one argument or spec for each parameter",
    ),
    (
        sizes_of_one_name,
        sf.ShapeError,
        "matmul: contracting axis 1 of f32[N,K] has size K, which may differ fr",
        "transpose or reshape one operand, or give equal sizes one name",
    ),
    (
        too_many_arguments,
        sf.TraceError,
        "f(x): too many positional arguments",
        "give one argument or spec for each parameter",
    ),
    (
        unknown_keyword,
        sf.TraceError,
        "f(x, *, scale=1.0): got an unexpected keyword argument 'factor'",
        "give one argument or spec for each parameter",
    ),
    (
        text_as_argument,
        sf.ShapeError,
        "f: mode: 'train' is not a type",
        'write it as "f32[N,784]" or "i64[]"; a setting is a static argument (s',
    ),
    (
        unhashable_static,
        sf.TraceError,
        "the static argument 1 is a list, which cannot be hashed",
        "pass a tuple or a frozen dataclass, or do not make it static",
    ),
    (
        static_out_of_range,
        sf.ArgumentError,
        "jit: static_argnums=3, but the parameters are (x)",
        "name one of them",
    ),
    (
        unknown_static_name,
        sf.ArgumentError,
        "jit: static_argnames='mode', but the parameters are (x)",
        "name one of them",
    ),
    (
        jit_of_a_value,
        sf.TraceError,
        "jit: fun is of type ndarray, which is no function",
        "pass a function, such as lambda x: x + 1; it is called once, to trace ",
    ),
    (
        wrong_target,
        sf.OptionError,
        "target='gpu' is not known",
        "use one of 'cpu', 'cuda', 'interpret'",
    ),
    (
        wrong_numerics,
        sf.OptionError,
        "numerics='loose' is not known",
        "use one of 'strict', 'fast'",
    ),
    (
        wrong_size_of_executable,
        sf.GuardError,
        "argument 'x' has shape (2, 4), but the program was compiled for f32[3,",
        "pass an array of that shape, or compile with the size that differs as ",
    ),
    (
        wrong_type_of_executable,
        sf.DTypeError,
        "argument 'x' is of float64, but the program takes f32[3,4]",
        "convert it, for example with x.astype('float32'), or compile for its o",
    ),
    (
        objects,
        sf.DTypeError,
        "f: x: symfuse has no element type dtype('O'); it has bool, int8, int16",
        "convert with .astype first",
    ),
    (
        vmap_axis_of_a_scalar,
        sf.ShapeError,
        "vmap: s is f64[], which has no axis 0",
        "give in_axes None for values that all members share",
    ),
    (
        vmap_axes_count,
        sf.TraceError,
        "in_axes (0,) has 1 entries where (*, *) has 2",
        "give one entry for each of (*, *), or one for all",
    ),
    (
        vmap_axis_too_large,
        sf.ShapeError,
        "vmap: x is f32[3,4], which has no axis 2",
        "give in_axes an axis from -2 to 1, or None for values that all members",
    ),
    (
        vmap_of_nothing,
        sf.ShapeError,
        "vmap: no argument has a batch axis",
        "give in_axes an axis for at least one argument, or axis_size",
    ),
    (
        grad_of_a_pair,
        sf.TraceError,
        "grad: f returns (*, *), not one number",
        "return one number, or use has_aux=True to return (number, anything els",
    ),
    (
        grad_argnums,
        sf.TraceError,
        "grad: argnums is 1, but there are 1 positional arguments",
        "pass the arguments to differentiate in by position",
    ),
    (
        grad_of_a_value,
        sf.TraceError,
        "grad: fun is of type float32, which is no function",
        "pass a function, such as lambda x: x + 1; it is called once, to trace ",
    ),
    (
        has_aux_missing,
        sf.TraceError,
        "has_aux=True: the function returns *, not a pair",
        "return (value, auxiliary data)",
    ),
    (
        jvp_of_integers,
        sf.DTypeError,
        "jvp in x, which is i64[3]: only floating-point values can change",
        "convert it: x.astype('float64'), or pass zeros as its tangent",
    ),
    (
        cotangent_of_another_shape,
        sf.ShapeError,
        "vjp: cotangent has the shape (3,), the result is f32[4]",
        "pass a cotangent of the shape of the result",
    ),
    (
        scan_carry_type,
        sf.DTypeError,
        "scan: result[0] is f64[]",
        "convert one of them, say by .astype('float64')",
    ),
    (
        scan_carry_tree,
        sf.TraceError,
        "scan: f returns the carry (*, *, *), but it began as (*, *)",
        "return the same containers and keys as the carry has",
    ),
    (
        scan_returns_one,
        sf.TraceError,
        "scan: f returns no pair of carry and output",
        "return (carry, y); y may be None",
    ),
    (
        while_of_numbers,
        sf.ShapeError,
        "while_loop: f returns f64[], not one bool",
        "compare, or reduce by .any() or .all()",
    ),
    (
        cond_of_trees,
        sf.TraceError,
        "cond: one branch returns {'a': *}, another returns {'b': *}",
        "return the same containers and keys from every branch",
    ),
    (
        cond_without_function,
        sf.TraceError,
        "cond: true_fun is of type ndarray, which is no function",
        "pass a function, such as lambda x: x + 1; it is called once, to trace ",
    ),
    (
        seed_for_a_key,
        sf.DTypeError,
        "0 is not a random key",
        "make a key of the seed: sf.random.key(0)",
    ),
    (
        numpy_generator,
        sf.DTypeError,
        "a random key is u32[2], got a Generator",
        "pass a key first, made by sf.random.key(seed), split or fold_in",
    ),
    (
        split_of_a_seed,
        sf.DTypeError,
        "42 is not a random key",
        "make a key of the seed: sf.random.key(42)",
    ),
    (
        shape_before_key,
        sf.ArgumentError,
        "a random key in the place of the shape",
        "pass the key first, then the shape",
    ),
    (
        keys_for_a_key,
        sf.ShapeError,
        "a random key is u32[2], got the shape (2, 2)",
        "choose one, as in keys[0], or draw for each by sf.vmap",
    ),
    (
        math_function,
        sf.TraceError,
        "float() needs the value of <traced x: f64[]>, which is known only when",
        "write snp.sqrt, which takes traced values",
    ),
    (
        printed_number,
        sf.TraceError,
        "formatting needs the value of <traced x: f64[]>, which is known only w",
        "print it outside, from the returned value, or write sf.debug.print",
    ),
    (
        int_of_a_traced_value,
        sf.TraceError,
        "int() needs the value of <traced x: i64[]>, which is known only when t",
        "use x.astype('int64'), which stays traced",
    ),
    (
        size_from_a_traced_value,
        sf.TraceError,
        "an index or size needs the value of <traced n: i64[]>, which is known ",
        "sizes have to be known: use those of arrays (x.shape[0]) and numbers, ",
    ),
    (
        kept_outside,
        sf.TraceError,
        "the traced value f64[3]",
        "return it from the traced function instead of keeping it in a variable",
    ),
    (
        cached_function,
        sf.TraceError,
        "hashing needs the value of <traced x: f64[3]>, which is known only whe",
        "do not keep traced values in dicts, sets and caches; index an array: s",
    ),
    (
        float_index,
        sf.TraceError,
        "an index of element type float64",
        "index with integers: i.astype('int64')",
    ),
    (
        sum_with_a_text,
        sf.DTypeError,
        "add: a value of type str is not an array: symfuse has no element type ",
        "pass arrays and numbers, or make it a static argument",
    ),
    (
        product_of_other_sizes,
        sf.ShapeError,
        "matmul: f32[4,3] and f32[5]: the last size of the first array must be ",
        "reshape one of them so that the two sizes agree",
    ),
    (
        truth_of_a_size,
        sf.TraceError,
        "whether N > 10 is known only when the graph runs",
        "give the spec a number for this size (jit: static_dims), or bounds by ",
    ),
]


def marked_line(function):
    lines, first = inspect.getsourcelines(function)
    return first + next(n for n, line in enumerate(lines) if line.rstrip().endswith("# here"))


@pytest.mark.parametrize(
    ("function", "kind", "what", "fix"), WRONG, ids=[row[0].__name__ for row in WRONG]
)
def test_the_error_names_the_line_and_the_remedy(function, kind, what, fix):
    with pytest.raises(kind) as caught:
        function()
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert caught.value.user_frame == (__file__, marked_line(function))
