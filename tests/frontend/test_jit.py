"""When `jit` compiles, and why; and that compiled calls take and return the user's containers."""

from __future__ import annotations

import dataclasses
import functools
import gc
import threading
import time
import weakref

import numpy as np
import pytest

import symfuse as sf
from symfuse import numpy as snp

jit = functools.partial(sf.jit, target="interpret")
X = np.arange(12.0).reshape(3, 4)


def rows(n, dtype="float64"):
    return np.arange(4.0 * n, dtype=dtype).reshape(n, 4)


def test_one_compilation_for_equal_calls():
    fast = jit(lambda x: x * 2)
    for _ in range(3):
        np.testing.assert_array_equal(fast(X), X * 2)
    assert fast.cache_info().compiles == 1


def test_a_changed_size_compiles_once_more_and_never_again():
    fast = jit(lambda x: x.sum(axis=0))
    for n in (3, 5, 7, 3, 100, 1):
        np.testing.assert_array_equal(fast(rows(n)), rows(n).sum(axis=0))
    assert fast.cache_info().compiles == 2
    assert "axis 0 of x has size 5, before 3" in fast.explain_cache()


def test_sizes_that_were_always_equal_share_a_symbol():
    fast = jit(lambda x, y: x @ y)
    for n in (3, 5, 8):
        assert fast(rows(n).T, rows(n)).shape == (4, 4)
    assert fast.cache_info().compiles == 2


def test_sizes_that_part_later_get_their_own_symbols():
    fast = jit(lambda x, y: (x.sum(), y.sum()))
    for n, m in ((3, 3), (5, 5), (5, 6), (8, 9), (9, 9)):
        assert fast(rows(n), rows(m)) == (rows(n).sum(), rows(m).sum())
    assert fast.cache_info().compiles == 3


def test_every_dimension_becomes_symbolic_at_most_once():
    fast = jit(lambda x: x + 1)
    for shape in ((2, 3), (4, 3), (4, 5), (6, 7), (8, 2)):
        assert fast(np.zeros(shape)).shape == shape
    assert fast.cache_info().compiles == 3


def test_static_dims_stay_numbers():
    fast = jit(lambda x: x.sum(), static_dims={0: 0})
    for n in (3, 5, 3, 5):
        assert fast(rows(n)) == rows(n).sum()
    assert fast.cache_info().compiles == 2
    assert all("N" not in one.signature for one in fast.compilations())


def test_an_element_type_has_code_of_its_own():
    fast = jit(lambda x: x * 2)
    assert fast(X).dtype == np.float64
    assert fast(X.astype("float32")).dtype == np.float32
    fast(X)
    assert fast.cache_info().compiles == 2
    assert "x is f32, before f64" in fast.explain_cache()


def test_python_numbers_take_the_type_of_arrays():
    fast = jit(lambda x, rate: x * rate)
    assert fast(X.astype("float32"), 0.5).dtype == np.float32
    fast(X.astype("float32"), 0.25)
    assert fast.cache_info().compiles == 1
    assert fast(X.astype("float32"), np.float64(0.5)).dtype == np.float64


def test_a_static_argument_is_compiled_in():
    @functools.partial(jit, static_argnames="power")
    def raised(x, power=2):
        result = x
        for _ in range(power - 1):
            result = result * x
        return result

    for _ in range(2):
        np.testing.assert_array_equal(raised(X), X**2)
        np.testing.assert_array_equal(raised(X, 3), X**3)
        np.testing.assert_array_equal(raised(X, power=3), X**3)
    assert raised.cache_info().compiles == 3
    assert "static argument power is 3, before not given" in raised.explain_cache()


def test_static_values_of_different_types_differ():
    fast = jit(lambda x, flag: x + (1 if flag is True else 0), static_argnums=1)
    assert fast(1.0, True) == 2
    assert fast(1.0, 1) == 1


def test_trees_go_in_and_come_out():
    @jit
    def step(params, *, rate):
        return {name: value - rate * value for name, value in params.items()}, [params["w"].sum()]

    new, (total,) = step({"w": X, "b": X[0]}, rate=0.5)
    np.testing.assert_array_equal(new["w"], X * 0.5)
    assert total == X.sum()
    assert step.cache_info().compiles == 1


def test_a_size_that_must_be_a_number_has_its_own_code():
    fast = jit(lambda x: x + np.arange(x.shape[0])[:, None])
    for n in (3, 5, 3, 6, 5):
        np.testing.assert_array_equal(fast(rows(n)), rows(n) + np.arange(n)[:, None])
    assert fast.cache_info().compiles == 3
    assert "whether N != 0 is known only when the graph runs" in fast.explain_cache()
    assert "test_jit.py" in fast.explain_cache()


def test_a_branch_on_a_size_is_never_taken_for_another_size():
    fast = jit(lambda x: x.sum(0) if x.shape[0] == 3 else -x.sum(0))
    for n in (5, 4, 3, 5):
        np.testing.assert_array_equal(fast(rows(n)), rows(n).sum(0) * (1 if n == 3 else -1))


def test_no_recompile_raises_with_the_reason():
    fast = jit(lambda x: x + 1)
    fast(X)
    with sf.no_recompile():
        fast(X)
        with pytest.raises(sf.CompileError, match="axis 0 of x has size 2") as caught:
            fast(X[:2])
    assert caught.value.user_frame[0] == __file__


def test_inside_a_trace_it_is_inlined():
    inner = jit(lambda x: np.tanh(x))
    graph = sf.trace(lambda x: inner(x) + inner(x * 1), "f64[3,4]")
    np.testing.assert_allclose(graph(X), 2 * np.tanh(X))
    assert inner.cache_info().compiles == 0


def test_jit_and_transformations_compose_in_any_order():
    f = lambda x: np.sum(np.sin(x) ** 2)  # noqa: E731
    expected = np.sin(2 * X)
    np.testing.assert_allclose(jit(sf.grad(f))(X), expected)
    np.testing.assert_allclose(sf.grad(jit(f))(X), expected)
    np.testing.assert_allclose(jit(sf.vmap(jit(sf.grad(jit(f)))))(X), expected)


def test_closed_over_arrays_are_hidden_parameters():
    weights = np.ones((4, 2))
    scale = np.float32(3.0)
    graph = sf.trace(lambda x: (x @ weights) * scale, "f64[3,4]")
    assert len(graph.inputs) == 1
    assert [v is weights for v in graph.ir.captured.values()] == [True]
    np.testing.assert_allclose(graph(X), X @ weights * 3)
    np.testing.assert_allclose(jit(lambda x: x @ weights)(X), X @ weights)


def test_arrays_made_in_the_function_are_written_in_place():
    @jit
    def filled(x):
        y = snp.zeros((3, 4))
        y[1] = x[0]
        y[:, 2] += 5
        y[[0, 0], [1, 3]] = -1.0
        y[y > 6] = 0
        z = x.copy()
        z[::-2, 1:] = y[0, 1:]
        z[np.argmax(x[:, 0])] = 9.0
        return y, z

    y, z = filled(X)
    expected = np.zeros((3, 4))
    expected[1] = X[0]
    expected[:, 2] += 5
    expected[[0, 0], [1, 3]] = -1.0
    expected[expected > 6] = 0
    other = X.copy()
    other[::-2, 1:] = expected[0, 1:]
    other[2] = 9.0
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(z, other)


AT = [
    ("set", lambda a, i, v: a.__setitem__(i, v)),
    ("add", lambda a, i, v: np.add.at(a, i, v)),
    ("multiply", lambda a, i, v: np.multiply.at(a, i, v)),
    ("min", lambda a, i, v: np.minimum.at(a, i, v)),
    ("max", lambda a, i, v: np.maximum.at(a, i, v)),
    ("subtract", lambda a, i, v: np.subtract.at(a, i, v)),
]
KEYS = [1, -1, (slice(None), 2), (slice(0, 3, 2), slice(None, None, -1)), (0, 1), ...]
ARRAYS = [
    np.array([0, 2, 0]),
    (slice(None), np.array([1, 1, 3])),
    (np.array([0, 2]), np.array([1, 1])),
]


@pytest.mark.parametrize(("name", "write"), AT)
@pytest.mark.parametrize("key", [*KEYS, *ARRAYS], ids=str)
def test_functional_updates_are_numpys(name, write, key):
    values = np.linspace(2.5, 7.5, X[key].size).reshape(X[key].shape)
    expected = X.copy()
    write(expected, key, values)
    found = jit(lambda x, v: getattr(x.at[key], name)(v))(X, values)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("name", ["set", "add", "max"])
def test_functional_updates_at_traced_places(name):
    write = dict(AT)[name]
    places, values = np.array([2, 0, 2]), X * 1.5 - 3
    expected = X.copy()
    write(expected, places, values)
    found = jit(lambda x, i, v: getattr(x.at[i], name)(v))(X, places, values)
    np.testing.assert_allclose(found, expected)


def test_lowered_functions_show_their_graph():
    lowered = jit(lambda x: np.tanh(x)).lower("f32[N,4]")
    assert "tanh" in lowered.as_text("graph")
    exe = lowered.compile()
    assert exe(X.astype("float32")).dtype == np.float32
    assert "x: f32[N,4]" in repr(exe)


def test_compile_takes_specs_and_trees():
    exe = sf.compile(
        lambda p, x: {"y": x @ p["w"]}, {"w": "f64[4,2]"}, "f64[N,4]", target="interpret"
    )
    assert exe({"w": np.ones((4, 2))}, X)["y"].shape == (3, 2)
    with pytest.raises(sf.GuardError, match="takes"):
        exe(np.ones((4, 2)), X)


def test_a_dropped_function_is_freed():
    def function(x):
        return x + 1

    fast = jit(function)
    fast(X)
    alive = weakref.ref(fast)
    del fast
    gc.collect()
    assert alive() is None


def test_a_function_that_closes_over_traced_values_is_inlined():
    gradient = sf.grad(lambda x: jit(lambda y: (x * y).sum())(X))(X)
    np.testing.assert_array_equal(gradient, X)


@pytest.mark.parametrize("rows", [8, 20, 29])
def test_what_is_kept_lies_where_it_is_read_when_vectors_run_across_rows(rows, rng):
    x, y, m = rng.normal(size=(rows, 3)), rng.integers(0, 3, rows), rng.random(rows)

    def scores(x, y, m):
        e = np.exp(x - np.max(x, -1, keepdims=True))
        p = e / np.sum(e, -1, keepdims=True)
        return np.sum(p * m[:, None], -1), (np.argmax(p, -1) == y) * m

    x = x.astype("float32")
    compiled = sf.compile(scores, x, y, m)
    for one, other in zip(compiled(x, y, m), scores(x, y, m), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@dataclasses.dataclass(frozen=True)
class Setting:
    value: object


@pytest.mark.parametrize(
    ("one", "other"), [(2, 2.0), ((2,), (2.0,)), (Setting(2), Setting(2.0)), (0.0, -0.0)]
)
def test_static_values_that_are_equal_and_not_the_same_have_their_own_code(one, other):
    def scaled(x, factor):
        factor = getattr(factor, "value", factor)
        factor = factor[0] if isinstance(factor, tuple) else factor
        return x * factor, x + np.copysign(1, factor)

    fast, x = sf.jit(scaled, static_argnums=1, target="interpret"), np.arange(3)
    for factor in (one, other, one):
        for found, wanted in zip(fast(x, factor), scaled(x, factor), strict=True):
            np.testing.assert_array_equal(found, wanted)
            assert found.dtype == wanted.dtype
    assert fast.cache_info().compiles == 2


def test_nan_as_a_static_value_is_compiled_once():
    fast = sf.jit(lambda x, fill: x + fill, static_argnums=1, target="interpret")
    for _ in range(3):
        fast(np.ones(2), float("nan"))
    assert fast.cache_info().compiles == 1


def test_functions_see_the_keys_of_dicts_in_the_order_of_the_call():
    def digits(numbers):
        total = 0
        for number in numbers.values():
            total = total * 10 + number
        return total, dict(numbers)

    one, two = np.array(1.0), np.array(2.0)
    fast = sf.jit(digits, target="interpret")
    for given in ({"a": one, "b": two}, {"b": two, "a": one}, {"a": two, "b": one}):
        total, back = fast(given)
        assert total == digits(given)[0]
        assert list(back) == list(given)
    assert fast.cache_info().compiles == 2
    named = sf.jit(lambda **numbers: digits(numbers)[0], target="interpret")
    assert [named(a=one, b=two), named(b=two, a=one)] == [12, 21]
    sorted_ = sf.jit(lambda a, b: a - b, target="interpret")
    assert [sorted_(a=one, b=two), sorted_(b=two, a=one)] == [-1, -1]
    assert sorted_.cache_info().compiles == 1


def test_a_change_of_an_argument_that_the_caller_would_not_see_is_refused():
    def doubled(state):
        state["x"] = state["x"] * 2
        return state["x"]

    for transform in (sf.jit, sf.grad):
        with pytest.raises(sf.TraceError, match="doubled changes the dict") as caught:
            transform(doubled)({"x": 1.0})
        assert caught.value.user_frame[0] == __file__

    def returned(state):
        state["x"] = state["x"] * 2
        return state

    assert sf.jit(returned)({"x": 1.0}) == {"x": 2.0}


def test_threads_that_make_the_same_first_call_compile_once():
    def doubled(x):
        time.sleep(0.01)
        return x * 2 if x.sum() > 0 else x

    fast, found = sf.jit(doubled, target="interpret"), []
    sizes = [3, 3, 4, 3, 4, 3]
    threads = [
        threading.Thread(target=lambda n=n: found.append(fast(np.ones(n)).sum())) for n in sizes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(2.0 * n for n in sizes)
    assert fast.cache_info().compiles == 2


def test_scopes_belong_to_the_thread_that_traces():
    entered, left = threading.Event(), threading.Event()

    def other():
        with sf.scope("other"):
            entered.set()
            left.wait(5)

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait(5)
    with sf.scope("own"):
        graph = sf.trace(lambda x: np.sin(x), "f32[3]")
    left.set()
    thread.join()
    assert {node.source.scope for node in graph.ir.nodes if node.op.name == "sin"} == {"own"}


def test_another_structure_of_arguments_is_named_by_what_is_new() -> None:
    fast = sf.jit(lambda params, rate=0.5: params["w"] * rate)
    w = np.ones(3)
    for call in (
        lambda: fast({"w": w}),
        lambda: fast({"w": w}, 0.1),
        lambda: fast({"w": w}, rate=0.1),
        lambda: fast({"w": w, "b": w}),
    ):
        call()
    assert [one.reason for one in fast.compilations()][1:] == [
        "argument[1] is new",
        "argument['rate'] is new",
        "argument[0]['b'] is new",
    ]
