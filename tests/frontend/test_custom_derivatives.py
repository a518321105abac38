"""Derivatives that functions bring along, checkpoint policies, linearize, unrolled loops."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf
from symfuse import checkpoint_policies as policies
from symfuse.compiler.ir.regions import every_node

snp = sf.numpy
X = np.array([0.3, -1.2, 2.0])


@sf.custom_jvp
def scaled_sine(x, y):
    return snp.sin(x) * y


@scaled_sine.defjvp
def scaled_sine_jvp(primals, tangents):
    (x, y), (dx, dy) = primals, tangents
    return scaled_sine(x, y), snp.cos(x) * dx * y + snp.sin(x) * dy


@sf.custom_vjp
def product(x, y):
    return {"out": snp.sin(x) * y}


def product_forward(x, y):
    return product(x, y), {"slope": snp.cos(x), "sine": snp.sin(x), "y": y, "name": "kept"}


def product_back(kept, ct):
    assert kept["name"] == "kept"
    return kept["slope"] * kept["y"] * ct["out"], snp.sum(kept["sine"] * ct["out"])


product.defvjp(product_forward, product_back)

FUNCTIONS = {"jvp": scaled_sine, "vjp": lambda x, y: product(x, y)["out"]}
EVERY = pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)


def plain(x, y):
    return snp.sin(x) * y


def assert_alike(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@EVERY
@pytest.mark.parametrize("stage", [lambda f: f, sf.jit])
def test_derivatives_by_true_rules_are_those_of_the_function(f, stage):
    def every(f):
        return [
            f(X, 2.0),
            sf.jvp(f, (X, 2.0), (X, 1.0))[1],
            *sf.grad(lambda x, y: f(x, y).sum(), argnums=(0, 1))(X, 2.0),
            sf.jacfwd(f)(X, 2.0),
            sf.jacrev(f)(X, 2.0),
            sf.hessian(lambda x: f(x, 2.0).sum())(X),
            sf.grad(sf.grad(lambda x: f(x, x)))(0.7),
            sf.jacrev(sf.jacfwd(lambda x: f(x, 2.0)))(X),
            sf.linearize(f, X, 2.0)[1](X, 1.0),
        ]

    assert_alike(stage(lambda: every(f))(), stage(lambda: every(plain))())


@EVERY
def test_rules_are_batched(f):
    def every(f):
        each = sf.vmap(sf.grad(lambda x, y: f(x, y).sum(), argnums=(0, 1)), in_axes=(1, None))
        whole = sf.grad(lambda x, y: sf.vmap(f, in_axes=(0, None))(x, y).sum(), argnums=(0, 1))
        nested = sf.vmap(sf.vmap(f, in_axes=(None, 0)), in_axes=(0, None))
        return [
            *each(np.stack([X, X + 1], 1), 2.0),
            *whole(X, 2.0),
            nested(X, X),
            *sf.grad(lambda x, y: nested(x, y).sum(), argnums=(0, 1))(X, X[:2]),
            sf.vmap(lambda x: sf.jvp(lambda x: f(x, 2.0), (x,), (1.0,))[1])(X),
        ]

    assert_alike(sf.jit(lambda: every(f))(), every(plain))


@EVERY
def test_rules_hold_in_loops_and_branches(f):
    def looped(f, x):
        def turn(c, row):
            c = sf.cond(c > 0, lambda: f(c, row), lambda: f(row, c))
            return c, c

        return sf.scan(turn, x, X)[1].sum()

    for stage in (sf.grad, sf.jacfwd, lambda g: sf.grad(sf.grad(g))):
        found = sf.jit(stage(lambda x: looped(f, x)))(0.4)
        np.testing.assert_allclose(found, stage(lambda x: looped(plain, x))(0.4), rtol=1e-10)


def test_the_rule_is_what_is_used():
    @sf.custom_jvp
    def f(x):
        return x**2

    f.defjvp(lambda primals, tangents: (f(*primals), 10 * tangents[0]))
    assert (f(3.0), sf.grad(f)(3.0), sf.jvp(f, (3.0,), (2.0,))[1]) == (9, 10, 20)
    assert sf.grad(sf.grad(f))(3.0) == 0


def test_a_rule_for_each_argument():
    @sf.custom_jvp
    def f(x, y, n):
        return x * y

    f.defjvps(lambda t, out, x, y, n: 2 * t * y, None, None)
    found = sf.jit(sf.grad(f, argnums=(0, 1)))(3.0, 4.0, 1)
    assert tuple(map(float, found)) == (8, 0)


def test_a_way_back_that_is_not_linear_has_reverse_mode_only():
    @sf.custom_vjp
    def clipped(x):
        return x

    clipped.defvjp(lambda x: (x, None), lambda _, ct: (snp.clip(ct, -1, 1),))
    assert sf.grad(lambda x: (5 * clipped(x)).sum())(X).tolist() == [1, 1, 1]
    with pytest.raises(sf.UnsupportedError, match="not linear") as caught:
        sf.jvp(clipped, (X,), (X,))
    assert caught.value.user_frame[0] == __file__


def test_arguments_that_are_no_arrays_come_first():
    def power(f, x, n):
        return f(x) ** n

    with_jvp = sf.custom_jvp(power, nondiff_argnums=(0, 2))
    with_jvp.defjvp(lambda f, n, p, t: (f(p[0]) ** n, 7.0 * n * t[0]))
    assert sf.jit(sf.grad(lambda x: with_jvp(snp.sin, x, 3)))(0.5) == 21
    with_vjp = sf.custom_vjp(power, nondiff_argnums=(0, 2))
    with_vjp.defvjp(lambda f, x, n: (f(x) ** n, x), lambda f, n, x, ct: (n * x * ct,))
    assert sf.jit(sf.grad(lambda x: with_vjp(f=snp.sin, x=x, n=3)))(0.5) == 1.5


def test_defaults_are_arguments_like_others():
    @sf.custom_jvp
    def f(x, y=2.0, *, unit=1.0):
        return x * y * unit

    f.defjvp(lambda primals, tangents: (f(*primals), 7 * tangents[0] + 0 * tangents[1]))
    assert sf.grad(lambda x: f(x))(3.0) == 7
    assert sf.grad(lambda x: f(x, y=4.0))(3.0) == 7
    with pytest.raises(sf.ArgumentError, match="unit can be given by name only"):
        f(3.0, unit=2.0)


def test_a_traced_argument_of_nondiff_argnums_is_handed_on():
    f = sf.custom_vjp(lambda x, scale: x * scale, nondiff_argnums=1)
    f.defvjp(lambda x, scale: (x * scale, None), lambda scale, _, ct: (scale * ct * 3,))
    assert sf.jit(lambda x, s: sf.grad(lambda x: f(x, s))(x))(2.0, 5.0) == 15


def test_integers_among_the_arguments_have_no_cotangent():
    f = sf.custom_vjp(lambda x, n: x * n)
    f.defvjp(lambda x, n: (f(x, n), n), lambda n, ct: (2 * n * ct, None))
    assert sf.jit(sf.grad(f))(2.0, 3) == 6


def test_the_text_of_a_graph_holds_the_function_without_its_rule():
    graph = sf.trace(scaled_sine, "f64[3]", "f64[]")
    again = sf.Graph.parse(str(graph))
    np.testing.assert_array_equal(again(X, 2.0), plain(X, 2.0))
    with pytest.raises(sf.UnsupportedError, match="does not hold the derivative"):
        sf.grad(lambda x: again(x, 2.0).sum())(X)
    compiled = sf.compile(scaled_sine, "f64[3]", "f64[]")
    assert "custom_jvp" not in compiled.as_text("optimized")
    assert len(compiled.kernels) == 1


def wrong(kind, *rules, call=lambda f: sf.grad(f)(2.0)):
    def run():
        f = kind(lambda x: x * 2)
        (f.defjvp if kind is sf.custom_jvp else f.defvjp)(*rules)
        return call(f)

    return run


def closing(x):
    def f(y):
        g = sf.custom_jvp(lambda z: z * y)
        g.defjvp(lambda p, t: (g(*p), t[0]))
        return g(1.0)

    return sf.grad(f)(x)


WRONG = {
    "no rule": (
        lambda: sf.grad(sf.custom_jvp(lambda x: x))(1.0), sf.TraceError, "no derivative"
    ),
    "no pair": (wrong(sf.custom_jvp, lambda p, t: t[0]), sf.TraceError, "no pair"),
    "a tangent of another shape": (
        wrong(sf.custom_jvp, lambda p, t: (p[0], snp.stack([t[0], t[0]]))),
        sf.ShapeError, r"tangent 0 is f64\[2\], but value 0 is f64\[\]",
    ),
    "a tangent of other containers": (
        wrong(sf.custom_jvp, lambda p, t: (p[0], t)), sf.TraceError, "the tangent is "
    ),
    "residuals left out": (
        wrong(sf.custom_vjp, lambda x: x, lambda r, ct: (ct,)), sf.TraceError, "fwd returns no pair"
    ),
    "too few cotangents": (
        wrong(sf.custom_vjp, lambda x: (x, None), lambda r, ct: ()), sf.TraceError,
        "bwd returns 0 cotangents for 1 arguments",
    ),
    "a cotangent of another shape": (
        wrong(sf.custom_vjp, lambda x: (x, None), lambda r, ct: (snp.stack([ct, ct]),)),
        sf.ShapeError, r"is f64\[2\], but argument 0 is f64\[\]",
    ),
    "another value on the way forward": (
        wrong(sf.custom_vjp, lambda x: (snp.stack([x, x]), None), lambda r, ct: (ct,)),
        sf.ShapeError, "value of fwd",
    ),
    "a closure that is differentiated": (
        lambda: closing(2.0), sf.UnsupportedError, "closes over y, which is differentiated"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("run", "kind", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_rule_is_told_at_a_line_of_the_user(run, kind, text):
    with pytest.raises(kind, match=text) as caught:
        run()
    assert caught.value.user_frame[0] == __file__
    assert caught.value.fix


# linearize, policies, unrolled loops, batches


def test_linearize_computes_what_both_need_once():
    counted = []

    def f(x):
        counted.append(1)
        return {"y": snp.exp(x) * x, "n": 3}

    value, linear = sf.linearize(f, X)
    for direction in (X, X * 0 + 1):
        np.testing.assert_allclose(
            linear(direction)["y"], (np.exp(X) * (X + 1)) * direction, rtol=1e-12
        )
    assert len(counted) == 1
    assert value["n"] == 3
    value, linear, aux = sf.linearize(lambda x: (x * x, x + 1), X, has_aux=True)
    assert_alike([value, linear(X), aux], [X * X, 2 * X * X, X + 1])


def two_layers(policy):
    def layers(x, w):
        return snp.tanh(x @ w) @ w

    apart = sf.checkpoint(layers, policy=policy) if policy else sf.checkpoint(layers)
    return lambda x, w: apart(x, w).sum()


@pytest.mark.parametrize(
    ("policy", "products", "tangents"),
    [("nothing_saveable", 7, 2), ("dots_saveable", 6, 2), ("everything_saveable", 6, 1)],
)
def test_a_policy_says_what_is_kept(policy, products, tangents):
    f = two_layers(getattr(sf.checkpoint_policies, policy))
    batch = lambda x, w: sf.vmap(f, in_axes=(0, None))(x, w).sum()  # noqa: E731
    for function, x in ((f, "f64[3,3]"), (batch, "f64[2,3,3]")):
        graph = sf.trace(sf.value_and_grad(function, argnums=(0, 1)), x, "f64[3,3]")
        ops = [node.op.name for node in every_node(graph.ir)]
        assert (ops.count("contract"), ops.count("tanh")) == (products, tangents)
    x, w = np.linspace(-1, 1, 9).reshape(3, 3), np.linspace(0, 1, 9).reshape(3, 3)
    found = sf.jit(sf.grad(f, argnums=(0, 1)))(x, w)
    wanted = sf.grad(lambda x, w: (snp.tanh(x @ w) @ w).sum(), argnums=(0, 1))(x, w)
    assert_alike(found, wanted)
    assert_alike(sf.jvp(f, (x, w), (x, w)), sf.jvp(two_layers(None), (x, w), (x, w)))


@pytest.mark.parametrize(
    ("policy", "sines"),
    [
        (policies.save_only_these_names("one"), 3),
        (policies.save_only_these_names("one", "two"), 2),
        (policies.save_only_these_names("none"), 4),
        (policies.save_any_names_but_these("two"), 3),
        (
            policies.save_from_both_policies(
                policies.save_only_these_names("one"), policies.save_only_these_names("two")
            ),
            2,
        ),
        (policies.save_anything_except_these_names("one"), 2),
        (None, 4),
    ],
)
def test_values_are_kept_by_name(policy, sines):
    def waves(x):
        x = sf.checkpoint_name(snp.sin(x), "one")
        return (sf.checkpoint_name({"y": snp.sin(x)}, "two")["y"] ** 3).sum()

    f, plain = sf.checkpoint(waves, policy=policy), lambda x: (snp.sin(snp.sin(x)) ** 3).sum()
    graph = sf.trace(sf.value_and_grad(f), "f64[3]")
    assert [node.op.name for node in every_node(graph.ir)].count("sin") == sines
    assert_alike(list(sf.jit(sf.value_and_grad(f))(X)), list(sf.value_and_grad(plain)(X)))
    assert_alike([sf.hessian(f)(X)], [sf.hessian(plain)(X)])
    assert "named" not in sf.compile(f, "f64[3]").as_text("optimized")


def test_names_of_values_are_texts():
    for wrong in (lambda: sf.checkpoint_name(X, 3), lambda: policies.save_only_these_names(3)):
        with pytest.raises(sf.ArgumentError, match="3 is no name"):
            wrong()


def test_checkpoint_is_a_decorator_with_static_arguments():
    @sf.checkpoint(policy=sf.checkpoint_policies.dots_with_no_batch_dims_saveable, static_argnums=1)
    def f(x, n):
        return (x**n).sum()

    np.testing.assert_allclose(sf.jit(sf.grad(lambda x: f(x, 3)))(X), 3 * X**2)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("unroll", "turns"), [(1, 7), (2, 3), (3, 2), (7, None), (True, None)])
def test_unrolled_turns_are_written_out(unroll, turns, reverse):
    def f(x, unroll):
        step = lambda c, v: (c * 0.9 + v, (c, {"a": v * c}))  # noqa: E731
        return sf.scan(step, x[0], x, unroll=unroll, reverse=reverse)

    x = np.linspace(-1, 2, 7)
    graph = sf.trace(lambda x: f(x, unroll), "f64[7]")
    loops = {node.attr("length") for node in graph.nodes if node.op.name == "loop"}
    assert loops == ({turns} if turns else set())
    (last, (rows, more)), (last1, (rows1, more1)) = sf.jit(lambda x: f(x, unroll))(x), f(x, 1)
    assert_alike([last, rows, more["a"]], [last1, rows1, more1["a"]])
    assert_alike([f(x, unroll)[0]], [last1])


def test_an_unrolled_count_is_the_same_count():
    for unroll in (None, 2, 5, True, 99):
        loop = sf.jit(lambda x, u=unroll: sf.fori_loop(2, 7, lambda i, s: s * i + 1, x, unroll=u))
        assert loop(1.0) == sf.fori_loop(2, 7, lambda i, s: s * i + 1, 1.0)
    with pytest.raises(sf.UnsupportedError, match="unroll=2"):
        sf.trace(lambda x: sf.scan(lambda c, v: (c, v), 0.0, x, unroll=2), "f64[N]")


def test_nested_batches_of_trees_go_through_loops_and_linear_algebra():
    def solve(data, scale):
        a = data["a"] @ data["a"].T + 3 * snp.eye(2)
        x = snp.linalg.solve(a, data["b"])
        steps = sf.while_loop(lambda v: v[0].sum() < 10, lambda v: (v[0] * 2, v[1] + 1), (x**2, 0))
        return {"x": x * scale, "n": steps[1]}, snp.linalg.cholesky(a)

    rng = np.random.default_rng(3)
    data = {"a": rng.normal(size=(2, 2, 4, 3)), "b": rng.normal(size=(4, 2, 3))}
    inner = sf.vmap(solve, in_axes=({"a": 2, "b": 1}, None), out_axes=({"x": 1, "n": 0}, 2))
    outer = sf.vmap(inner, in_axes=({"a": 2, "b": 0}, 0), out_axes=(0, -1))
    scale = np.arange(1.0, 5.0)
    found, factor = sf.jit(outer)(data, scale)
    for i in range(4):
        for j in range(3):
            one = {"a": data["a"][:, :, i, j], "b": data["b"][i, :, j]}
            wanted, lower = solve(one, scale[i])
            assert_alike(
                [found["x"][i, :, j], found["n"][i, j], factor[:, :, j, i]],
                [wanted["x"], wanted["n"], lower],
            )
