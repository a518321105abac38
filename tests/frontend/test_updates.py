"""x.at[...] in every form, pieces at traced places, and writes in loops that copy nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

import symfuse as sf
from symfuse.compiler.kernel.phases import Access

snp = sf.numpy
X = np.arange(1.0, 31).reshape(5, 6)
STAGES = {"trace": lambda f: f, "jit": sf.jit}


def at(how, key, values, **options):
    """The update, with the traced indices among the key as arguments."""
    traced = [part for part in key if isinstance(part, np.ndarray)]

    def f(x, values, *given):
        rest = iter(given)
        full = tuple(next(rest) if isinstance(part, np.ndarray) else part for part in key)
        return getattr(x.at[full], how)(values, **options)

    return sf.jit(f)(X, values, *traced)


NUMPY = {
    "set": lambda y, key, v: y.__setitem__(key, v),
    "add": lambda y, key, v: np.add.at(y, key, v),
    "subtract": lambda y, key, v: np.subtract.at(y, key, v),
    "multiply": lambda y, key, v: np.multiply.at(y, key, v),
    "divide": lambda y, key, v: np.divide.at(y, key, v),
    "min": lambda y, key, v: np.minimum.at(y, key, v),
    "max": lambda y, key, v: np.maximum.at(y, key, v),
    "power": lambda y, key, v: y.__setitem__(key, y[key] ** v),
}
PLACE = np.array
KEYS = {
    "a traced row": (PLACE(2),),
    "a traced row from the end": (PLACE(-1),),
    "a traced element": (PLACE(1), PLACE(4)),
    "a row and a slice": (PLACE(1), slice(2, 5)),
    "a slice and a column": (slice(1, 3), PLACE(5)),
    "a known row": (3,),
    "a known slice": (slice(None), slice(0, 6, 2)),
    "traced rows": (PLACE([0, 3, 4]),),
    "traced pairs": (PLACE([0, 3, 4]), PLACE([5, 0, -2])),
    "an ellipsis": (..., PLACE(2)),
}


@pytest.mark.parametrize("how", NUMPY)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_an_update_is_that_of_numpy(how, key):
    values = np.linspace(2.0, 3.0, X[key].size).reshape(X[key].shape)
    wanted = X.copy()
    NUMPY[how](wanted, key, values)
    np.testing.assert_allclose(at(how, key, values), wanted, rtol=1e-12)


def test_names_besides():
    def f(x, i):
        y = x.at[i].apply(snp.sqrt)
        return y, x.at[i].mul(2.0), x.at[i].get(), x.at[x > 20].set(0.0), x.at[i, ::2].add(1)

    root, double, row, masked, stepped = sf.jit(f)(X, 2)
    assert root[2].tolist() == np.sqrt(X[2]).tolist()
    assert double[2].tolist() == (2 * X[2]).tolist()
    assert row.tolist() == X[2].tolist()
    assert masked.sum() == X[X <= 20].sum()
    assert (stepped - X).sum() == 3


@pytest.mark.parametrize(
    "key", [(PLACE(7),), (PLACE([1, 7]),), (PLACE([1, 7]), PLACE([0, 0])), (PLACE(-9),)]
)
@pytest.mark.parametrize("how", ["set", "add", "multiply", "max"])
def test_places_outside_are_left_out(how, key):
    inside = tuple(part[part < 5] if part.ndim else part for part in key)
    values = np.full(X[tuple(np.zeros_like(part) for part in key)].shape, 50.0)
    wanted = X.copy()
    if key[0].ndim:
        inside = (inside[0], *(part[:1] for part in inside[1:]))
        NUMPY[how](wanted, inside, values[:1])
    np.testing.assert_allclose(at(how, key, values), wanted)
    np.testing.assert_allclose(at(how, key, values, mode="drop"), wanted)


@pytest.mark.parametrize(("mode", "place"), [("clip", 4), ("wrap", 2)])
@pytest.mark.parametrize("index", [PLACE(7), PLACE([7])])
def test_modes_move_places_inside(mode, place, index):
    wanted = X.copy()
    wanted[place] = 9
    np.testing.assert_array_equal(at("set", (index,), 9.0, mode=mode), wanted)
    wanted[place] = X[place] + 1
    np.testing.assert_array_equal(at("add", (index,), 1.0, mode=mode), wanted)
    get = sf.jit(lambda x, i: x.at[i].get(mode=mode))
    np.testing.assert_array_equal(get(X, index).reshape(-1), X[place])


def test_get_fills_what_is_outside():
    def f(x, i, j):
        return (
            x.at[i].get(mode="fill"),
            x.at[i, j].get(mode="fill", fill_value=-1.0),
            x.astype("int32").at[i].get(mode="drop"),
            x.at[i].get(),
        )

    fill, pairs, whole, near = sf.jit(f)(X, PLACE([0, 5, -5]), PLACE([0, 0, 6]))
    assert np.isnan(fill[1]).all()
    assert fill[[0, 2]].tolist() == X[[0, 0]].tolist()
    assert pairs.tolist() == [1, -1, -1]
    assert whole[1].tolist() == [np.iinfo("int32").min] * 6
    assert near.tolist() == X[[0, 4, 0]].tolist()


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_slices_begin_at_traced_places(stage):
    def f(x, i, v):
        return (
            x[i : i + 2],
            x[1, i + 1 : i + 4],
            x.at[i : i + 2, 1:3].set(v),
            x.at[i : i + 2].add(1),
        )

    v = -np.ones((2, 2))
    for i in (0, 1, 3):
        cut, row, put, added = (
            stage(lambda x, i, v: f(x, i, v))(X, i, v)
            if stage is sf.jit
            else f(
                *(
                    sf.placeholder(n, s)
                    for n, s in (("x", "f64[5,6]"), ("i", "i64[]"), ("v", "f64[2,2]"))
                )
            )
        )
        if stage is not sf.jit:
            assert (cut.shape, row.shape, put.shape) == ((2, 6), (3,), (5, 6))
            return
        wanted, more = X.copy(), X.copy()
        wanted[i : i + 2, 1:3], more[i : i + 2] = v, X[i : i + 2] + 1
        np.testing.assert_array_equal(cut, X[i : i + 2])
        np.testing.assert_array_equal(row, X[1, min(i + 1, 3) :][:3])
        np.testing.assert_array_equal(put, wanted)
        np.testing.assert_array_equal(added, more)


def wrote_rows(x, places, values):
    y = x.copy()
    y[places] = values
    return y


def wrote_columns(x, places, values):
    y = x.copy()
    y[:, places] = values
    return y


def wrote_elements(x, places, values):
    y = x.copy()
    y[places, places[::-1]] = values
    return y


@pytest.mark.parametrize("write", [wrote_rows, wrote_columns, wrote_elements])
def test_of_several_values_for_one_traced_place_the_last_is_written(write):
    random = np.random.default_rng(3)
    places = random.integers(-5, 5, 12)
    shape = {wrote_rows: (12, 5), wrote_columns: (5, 12), wrote_elements: (12,)}[write]
    x, values = random.normal(size=(5, 5)), random.normal(size=shape)
    np.testing.assert_array_equal(sf.jit(write)(x, places, values), write(x, places, values))
    weights = random.normal(size=(5, 5))
    reverse = sf.jit(sf.grad(lambda v: (write(sf.numpy.asarray(x), places, v) * weights).sum()))
    wanted = [
        (write(x, places, v) * weights).sum()
        for v in values + np.eye(values.size).reshape(-1, *shape)
    ]
    start = (write(x, places, values) * weights).sum()
    np.testing.assert_allclose(np.ravel(reverse(values)), np.array(wanted) - start, atol=1e-12)


def test_the_functions_of_lax():
    def every(x, i):
        row = 0 * x[0] - 1
        return (
            sf.dynamic_slice(x, (i, 0), (2, 3)),
            sf.dynamic_slice_in_dim(x, i, 3, axis=1),
            sf.dynamic_index_in_dim(x, i, keepdims=False),
            sf.dynamic_update_slice(x, x[:2, :2], (i, i)),
            sf.dynamic_update_index_in_dim(x, row, i, 0),
            sf.dynamic_update_slice_in_dim(x, x[:, :2], i, axis=1),
        )

    for i in (0, 2, 4, 11, -2):
        row = min(i % 5 if i < 0 else i, 3)
        column = min(i % 6 if i < 0 else i, 3)
        found = sf.jit(every)(X, i)
        np.testing.assert_array_equal(found[0], X[row : row + 2, :3])
        np.testing.assert_array_equal(found[1], X[:, column : column + 3])
        np.testing.assert_array_equal(found[2], X[min(i % 5 if i < 0 else i, 4)])
        for one, other in zip(every(X, i), found, strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(sf.ShapeError, match="1 places and 2 sizes"):
        sf.dynamic_slice(X, (0,), (1, 1))


def test_derivatives_of_rows_written_in_a_loop():
    def f(x, w):
        def turn(i, c):
            return c.at[i].set(snp.sin(c[i] * w) + c.at[i - 1].get(mode="clip"))

        return (sf.fori_loop(1, 5, turn, x) ** 2).sum()

    assert sf.check_grads(f, (X / 30, 0.7), order=2, modes=("fwd", "rev")) is None
    each = sf.jit(sf.vmap(sf.grad(f), in_axes=(None, 0)))(X / 30, np.array([0.1, 0.7]))
    np.testing.assert_allclose(each[1], sf.grad(f)(X / 30, 0.7), rtol=1e-12)


def test_a_batch_of_places_is_a_loop():
    def f(x, i):
        return x.at[i].set(7.0), x.at[i : i + 2, 1:3].add(x[i : i + 2, 2:4]), x[i : i + 2]

    places = PLACE([0, 3, 2, 6])
    found = sf.jit(sf.vmap(f, in_axes=(None, 0)))(X, places)
    for at_, i in enumerate(places):
        for one, other in zip(found, sf.jit(f)(X, i), strict=True):
            np.testing.assert_array_equal(one[at_], other)


LOOPS = {
    "fori_loop": lambda x, r: sf.fori_loop(0, 64, lambda i, c: c.at[i].set(r * i), x),
    "scan": lambda x, r: sf.scan(
        lambda c, i: (c.at[i].set(r * i), None), x, np.arange(64)
    )[0],
    "while_loop": lambda x, r: sf.while_loop(
        lambda s: s[0] < 64, lambda s: (s[0] + 1, s[1].at[s[0]].set(r * s[0])), (0, x)
    )[1],
    "twice": lambda x, r: sf.fori_loop(
        0, 64, lambda i, c: c.at[i].set(r).at[i].multiply(1.0 * i), x
    ),
    "two arrays": lambda x, r: sf.fori_loop(
        0, 64, lambda i, c: (c[0].at[i].set(r * i), c[1].at[i, 3].add(1.0)), (x, x)
    )[0],
}  # fmt: skip


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_a_row_is_written_in_place(loop):
    exe = sf.compile(loop, "f32[80,512]", "f32[512]")
    x, r = np.ones((80, 512), "f"), np.linspace(0, 1, 512, dtype="f")
    wanted = x.copy()
    wanted[:64] = np.arange(64, dtype="f")[:, None] * r
    np.testing.assert_allclose(exe(x, r), wanted, rtol=1e-6)
    assert x.sum() == x.size
    (region,) = (one.region for one in exe.compilation.stages.tree if one.region is not None)
    turn = [instr for kernel in region.launches for instr in instructions(kernel)]
    assert turn
    assert all(walked(kernel) <= 512 for kernel in region.launches)
    whole = [n for one in exe.compilation.stages.tree for n in sizes(one)]
    assert 1 <= whole.count(x.size) <= (2 if loop is LOOPS["two arrays"] else 1)
    assert exe.memory.peak_bytes() < (whole.count(x.size) - 1) * x.nbytes + 9000


def instructions(kernel):
    return [i for part in kernel.parts for i in part.instructions() if isinstance(i.detail, Access)]


def walked(kernel):
    """The most elements that a part of a kernel visits."""
    return max(sizes(kernel))


def sizes(kernel):
    return [math.prod(axis.extent for axis in part.axes) for part in kernel.parts]


def test_an_array_that_is_read_afterwards_is_copied():
    def f(x, i):
        y = x * 2
        return y.at[i].set(0.0), y.sum()

    exe = sf.compile(f, "f64[5,6]", "i64[]")
    put, total = exe(X, 1)
    assert total == 2 * X.sum()
    assert put.sum() == total - 2 * X[1].sum()
    kinds = [kernel.kind for kernel in exe.compilation.stages.launches]
    assert "copy" in kinds or "horizontal" in kinds

    def swapped(x, i, j):
        y = x + 0
        return y.at[i].set(y[j]).at[j].set(y[i])

    found = sf.jit(swapped)(X, 1, 3)
    assert found[[1, 3]].tolist() == X[[3, 1]].tolist()


def test_a_donated_array_is_written_in_place():
    exe = sf.jit(lambda x, i, r: x.at[i].set(r), donate_argnums=0)
    x = np.zeros((64, 512))
    found = exe(x, 3, np.ones(512))
    assert found[3].sum() == found.sum() == 512
    assert found.ctypes.data == x.ctypes.data


def heated(u, turns):
    u = u.copy()
    for _ in range(turns):
        old = u.copy()
        around = old[2:, 1:-1] + old[:-2, 1:-1] + old[1:-1, 2:] + old[1:-1, :-2]
        u[1:-1, 1:-1] = around / 4
        u[0] = u[-1] = 0
        u[:, 0] = u[:, -1] = 1
    return u


def test_kernels_of_stencils_that_write_pieces_grow_with_their_number():
    u = np.random.default_rng(0).random((9, 11))
    lines = []
    for turns in (3, 6, 12):
        compiled = sf.compile(lambda u, n=turns: heated(u, n), "f64[9,11]")
        np.testing.assert_allclose(compiled(u), heated(u, turns), rtol=1e-12)
        lines.append(compiled.as_text("kernels").count("\n"))
    assert lines[2] < 3 * lines[1] < 9 * lines[0]
