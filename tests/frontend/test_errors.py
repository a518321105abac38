"""Wrong programs: each message names the user's file and line, and what to do."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp

KEPT = []


def bad_shapes(x, y):
    return x + y  # here


def bad_matmul(x, w):
    return x @ w  # here


def bad_axis(x):
    return np.sum(x, axis=5)  # here


def bad_reshape(x):
    return x.reshape(7, 7)  # here


def bad_branch(x):
    if x.sum() > 0:  # here
        return x
    return x[0]


def bad_choice(x):
    return x if x > 0 else -x  # here


def bad_loop(x):
    while x.sum() < 10:  # here
        x = x[None] * 2
    return x


def bad_max(x):
    return max(x[0], x[1])  # here


def bad_float(x):
    return float(x.sum())  # here


def bad_index(x):
    return [1, 2, 3][x.sum()]  # here


def bad_range(x):
    return sum(i for i in range(x.sum()))  # here


def bad_iteration(x):
    return dict.fromkeys(x)  # here


def bad_array(x):
    return np.random.default_rng(0).permutation(x)  # here


def bad_numpy(x):
    return np.trim_zeros(x[0])  # here


def bad_ufunc(x):
    return np.isnat(x)  # here


def bad_method(x):
    return x.resize((4, 3))  # here


def bad_keyword(x):
    return np.concatenate([x, x], casting="unsafe")  # here


def bad_mask(x):
    return x[x > 0]  # here


def bad_bits(x):
    return x & 1  # here


def bad_constant_index(x):
    return x[9]  # here


def bad_index_array(x):
    return x[[0, 99]]  # here


def bad_write(x):
    x[0] = 1.0  # here
    return x


def bad_augmented(x):
    x += 1  # here
    return x


def bad_numpy_write(x):
    y = np.zeros(4)
    y += x[0]  # here
    return y


def bad_numpy_element(x):
    y = np.zeros(4)
    y[0] = x.sum()  # here
    return y


def bad_numpy_places(x):
    y = np.zeros(4)
    y[x[0].astype(int)] = 1.0  # here
    return y


def bad_view_write(x):
    y = x * 2
    z = y[0]
    z[1] = 5.0  # here
    return y


def bad_stale_view(x):
    y = x * 2
    z = y[0]
    y[0] = 5.0
    return z + 1  # here


def bad_dtype(x):
    y = snp.zeros(4, "int64")
    y += x[0]  # here
    return y


def bad_stack(x):
    return np.stack([x, x[0]])  # here


def bad_einsum(x):
    return np.einsum("ij,ij,k->k", x, x)  # here


def bad_split(x):
    return np.split(x, 2, axis=0)  # here


def bad_object(x):
    return x + object()  # here


F, V4, M = "f32[3,4]", "f32[4]", "f32[5,4]"
TRACED = [
    (bad_shapes, (F, "f32[3]"), sf.ShapeError, "broadcast", "equal or 1"),
    (bad_matmul, (F, M), sf.ShapeError, "last size", "w.T"),
    (bad_axis, (F,), sf.ShapeError, "axis 5", "from -2 to 1"),
    (bad_reshape, (F,), sf.ShapeError, "reshape", ""),
    (bad_branch, (F,), sf.ShapeError, "what is returned is f32[3,4]", "shape (4,)"),
    (bad_choice, (F,), sf.ShapeError, "more than one element", "snp.where"),
    (bad_loop, (F,), sf.TraceError, "x of this `while` loop is f32[3,4]", "keep its shape"),
    (bad_max, (F,), sf.ShapeError, "more than one element", ".any()"),
    (bad_float, (F,), sf.TraceError, "float()", "astype"),
    (bad_index, (F,), sf.TraceError, "index", "snp.take"),
    (bad_range, (F,), sf.TraceError, "no whole number", "astype"),
    (bad_iteration, ("f32[20,3]",), sf.TraceError, "iteration", "range(x.shape[0])"),
    (bad_array, (F,), sf.TraceError, "NumPy array", "snp.stack"),
    (bad_numpy, (F,), sf.UnsupportedError, "np.trim_zeros", ""),
    (bad_ufunc, (F,), sf.UnsupportedError, "np.isnat", "isnan"),
    (bad_method, (F,), sf.UnsupportedError, "resize", "reshape"),
    (bad_keyword, (F,), sf.UnsupportedError, "casting", "it takes"),
    (bad_mask, (F,), sf.TraceError, "truth values", "snp.where"),
    (bad_bits, (F,), sf.DTypeError, "bitwise_and", "parentheses"),
    (bad_constant_index, (F,), sf.ShapeError, "index 9", "from -3 to 2"),
    (bad_index_array, (F,), sf.ShapeError, "index 99", "from -3 to 2"),
    (bad_write, (F,), sf.TraceError, "argument", "x.copy()"),
    (bad_augmented, (F,), sf.TraceError, "argument", "x.copy()"),
    (bad_numpy_write, (F,), sf.TraceError, "NumPy array", "symfuse.numpy.zeros"),
    (bad_numpy_element, (F,), sf.TraceError, "written into a NumPy array", "y = snp.array(y)"),
    (bad_numpy_places, (F,), sf.TraceError, "conversion", "y = snp.array(y), or snp.zeros"),
    (bad_view_write, (F,), sf.TraceError, "shares the memory", "x.copy()"),
    (bad_stale_view, (F,), sf.TraceError, "written to since", "copy"),
    (bad_dtype, (F,), sf.DTypeError, "cannot be written", "astype"),
    (bad_stack, (F,), sf.ShapeError, "differ", "one shape"),
    (bad_einsum, (F,), sf.ArgumentError, "3 terms for 2 arrays", "letter"),
    (bad_split, (F,), sf.ShapeError, "equal parts", "array_split"),
    (bad_object, (F,), sf.DTypeError, "object", ""),
]  # fmt: skip


def marked_line(function):
    code = function.__code__
    with open(code.co_filename, encoding="utf-8") as file:
        lines = file.readlines()
    first = code.co_firstlineno - 1
    return next(n + 1 for n in range(first, len(lines)) if lines[n].rstrip().endswith("# here"))


@pytest.mark.parametrize(
    ("function", "specs", "error", "what", "fix"), TRACED, ids=[row[0].__name__ for row in TRACED]
)
def test_the_message_names_the_line_and_the_remedy(function, specs, error, what, fix):
    with pytest.raises(error) as caught:
        sf.trace(function, *specs)
    message = str(caught.value)
    assert caught.value.user_frame == (__file__, marked_line(function))
    assert f"{__file__}:{marked_line(function)}" in message
    assert what in caught.value.what
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("function", "arrays", "error"),
    [(bad_shapes, (3, 5), sf.ShapeError), (bad_branch, (3,), sf.ShapeError)],
)
@pytest.mark.parametrize("stage", [sf.jit, lambda f: sf.jit(sf.grad(lambda *xs: f(*xs).sum()))])
def test_calls_of_jitted_functions_name_the_line_in_the_function(stage, function, arrays, error):
    with pytest.raises(error) as caught:
        stage(function)(*(np.ones(n, "float32") for n in arrays))
    assert caught.value.user_frame == (__file__, marked_line(function))


def test_errors_are_also_the_fitting_builtin_type():
    with pytest.raises(ValueError):
        sf.trace(bad_shapes, F, "f32[3]")
    with pytest.raises(IndexError):
        sf.trace(bad_constant_index, F)
    with pytest.raises(AttributeError):
        sf.trace(bad_method, F)


def test_a_leaked_tracer_names_both_lines():
    def leaking(x):
        KEPT.append(x * 2)  # here
        return x

    sf.trace(leaking, F)
    with pytest.raises(sf.TraceError) as caught:
        KEPT[-1] + 1
    assert f"{__file__}:{marked_line(leaking)}" in caught.value.what
    assert caught.value.user_frame[0] == __file__
    assert "return it" in caught.value.fix


def test_a_leak_into_another_trace_is_found():
    sf.trace(lambda x: KEPT.append(x * 3) or x, F)
    with pytest.raises(sf.TraceError, match="after its trace"):
        sf.trace(lambda x: x + KEPT[-1], F)


def twice(x):
    return x * 2


V3, V5 = np.ones(3, "float32"), np.ones(5, "float32")
CALLS = [
    (lambda: sf.trace(bad_shapes, F), sf.TraceError, "missing a required argument"),
    (lambda: sf.trace(bad_axis, "q32[3]"), sf.DTypeError, "q32"),
    (lambda: sf.trace(bad_axis, "f32[3"), sf.ShapeError, "not a type"),
    (lambda: sf.trace(bad_axis, {"a": object()}), sf.TraceError, "x['a']"),
    (lambda: sf.trace(lambda x: {"y": "text"}, F), sf.TraceError, "result['y']"),
    (lambda: sf.grad(lambda x: x * 2)(np.ones(3)), sf.ShapeError, "gradient is of one"),
    (lambda: sf.grad(lambda x: x * 2)(3), sf.DTypeError, "grad in x"),
    (lambda: sf.grad(lambda x: x, argnums=4)(1.0), sf.TraceError, "argnums is 4"),
    (lambda: sf.grad(lambda x: (x, x))(1.0), sf.TraceError, "not one number"),
    (lambda: sf.grad(lambda x: x, has_aux=True)(1.0), sf.TraceError, "not a pair"),
    (
        lambda: sf.vmap(lambda x, y: x + y)(np.ones(2), np.ones(3)),
        sf.ShapeError,
        "size 2 in x and size 3 in y",
    ),
    (lambda: sf.vmap(lambda x: x)(1.0), sf.ShapeError, "no axis 0"),
    (lambda: sf.jvp(np.sin, (np.ones(2),), (np.ones(3),)), sf.ShapeError, "tangent"),
    (lambda: sf.trace(lambda x: x, F)(np.ones(3), np.ones(3)), sf.GuardError, "takes"),
    (lambda: sf.trace(lambda x: x, F)(np.ones((3, 5), "f")), sf.GuardError, "5"),
    (lambda: sf.compile(bad_shapes, "f32[N]", "f32[N]")(V3, V5), sf.GuardError, "N is 3"),
    (lambda: sf.compile(twice, F)(np.ones((3, 5), "f")), sf.GuardError, "f32[3,4]"),
    (lambda: sf.compile(twice, F)(np.ones((3, 4))), sf.DTypeError, "x.astype('float32')"),
    (lambda: sf.compile(twice, F)(), sf.ArgumentError, "takes 1 argument (x) and got 0"),
    (lambda: sf.compile(twice, F)("text"), sf.DTypeError, "text"),
    (
        lambda: sf.compile(twice, F)(np.ones((3, 4), "f"), out=np.ones(3, "f")),
        sf.GuardError,
        "out",
    ),
    (lambda: sf.compile(lambda p: twice(p["w"]), {"w": F})(V3), sf.GuardError, "takes"),
    (lambda: sf.compile(twice, F).bind(V3), sf.GuardError, "f32[3,4]"),
    (lambda: sf.jit(bad_shapes)(V3), sf.TraceError, "missing a required argument"),
    (lambda: sf.jit(lambda x: x, target="tpu"), sf.OptionError, "tpu"),
    (
        lambda: sf.jit(lambda x, n: x, static_argnums=1, target="interpret")(1.0, [1]),
        sf.TraceError,
        "hashed",
    ),
    (
        lambda: sf.Graph(inputs=[], outputs=[sf.placeholder("x", F) + 1]),
        sf.TraceError,
        "does not list",
    ),
]


@pytest.mark.parametrize(("wrong", "error", "what"), CALLS)
def test_wrong_calls_are_refused_at_the_users_line(wrong, error, what):
    with pytest.raises(error) as caught:
        wrong()
    assert what in caught.value.what or what in caught.value.fix
    file, line = caught.value.user_frame
    assert file == __file__
    assert wrong.__code__.co_firstlineno <= line <= wrong.__code__.co_firstlineno + 5
    assert f"{file}:{line}" in str(caught.value)


@pytest.mark.parametrize("stage", [sf.jit, lambda f: sf.compile(f, F), lambda f: sf.trace(f, F)])
def test_arrays_in_any_layout_are_no_error(stage):
    f = stage(twice)
    x = np.arange(24, dtype="float32").reshape(4, 6)
    given = [x[:3, :4], x.T[:3], x[2::-1, ::-1][:, :4], np.asfortranarray(x[:3, :4])]
    swapped = x[:3, :4].astype(">f4")
    unaligned = np.frombuffer(b"." + x[:2].tobytes(), "u1")[1:].view("f4").reshape(3, 4)
    frozen = x[:3, :4].copy()
    frozen.flags.writeable = False
    for array in (*given, swapped, unaligned, frozen, np.broadcast_to(x[0, :4], (3, 4))):
        np.testing.assert_array_equal(f(array), array * 2)


@pytest.mark.parametrize(
    "ask",
    [lambda n: n == 3, lambda n: n != 3, lambda n: n > 3, lambda n: n <= 3, lambda n: bool(n)],
)
def test_a_question_about_a_symbolic_size_is_not_answered_by_guessing(ask):
    with pytest.raises(sf.SymfuseError, match="only") as caught:
        sf.trace(lambda x: x if ask(x.shape[0]) else -x, "f32[N]")
    assert caught.value.user_frame[0] == __file__


def test_a_question_about_a_size_is_answered_from_its_bounds():
    n = sf.dim("N", min=4)
    graph = sf.trace(lambda x: x if x.shape[0] > 3 and x.shape[0] != 2 else -x, sf.spec((n,)))
    assert graph.stats() == {"parameter": 1}


def test_two_sizes_of_one_name_are_refused():
    with pytest.raises(sf.ShapeError, match="called 'N'"):
        sf.trace(bad_shapes, sf.spec((sf.dim("N"),)), sf.spec((sf.dim("N", min=1),)))
