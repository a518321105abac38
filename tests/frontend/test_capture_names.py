"""Writes in loops and branches of the graph are seen by all names for an array, or refused."""

from __future__ import annotations

import numpy as np
import pytest

import symfuse as sf


def alias_while(x):
    x = x.copy()
    y = x
    i = 0
    while y.sum() < 50 and i < 4:
        y[i] = y[i] + 9
        i += 1
    return x, y


def alias_rows(x):
    a = np.zeros(4) * x
    b = a
    for v in x:
        b[0] = b[0] + v
    for v in x * np.ones((20, 1)):
        b[1] = b[1] + v[1]
    return a, b


def alias_while_iadd(x):
    x = x.copy()
    y = x
    i = 0
    while y.sum() < 50 and i < 4:
        y += 9
        i += 1
    return x, y


def alias_in_list2(x):
    x = x.copy()
    ys = [x]
    i = 0
    while x.sum() < 50 and i < 4:
        x[0] += 9
        i += 1
    return x, ys[0]


def rebind_then_write(x):
    a = x.copy()
    c = a
    i = 0
    while a.sum() < 50 and i < 5:
        a = a + 1
        a[0] += 7
        i += 1
    return a, c


def alias_closure(x):
    a = x.copy()

    def get():
        return a[0]

    i = 0
    while a.sum() < 50 and i < 5:
        a[0] += 7
        i += 1
    return get(), a


def alias_closure2(x):
    a = x.copy()
    b = a

    def get():
        return b[0]

    i = 0
    while a.sum() < 50 and i < 5:
        a[0] += 7
        i += 1
    return get(), a


def alias_obj(x):
    class Holder:
        pass

    o = Holder()
    a = x.copy()
    o.a = a
    i = 0
    while a.sum() < 50 and i < 5:
        a[0] += 7
        i += 1
    return o.a, a


def alias_branch_loop(x):
    a = x.copy()
    b = a
    if x.sum() > 0:
        i = 0
        while a.sum() < 50 and i < 5:
            a[0] += 7
            i += 1
    return a, b


def alias_list_written(x):
    values = [x[0], x[1]]
    m = values
    i = 0
    while values[0] < 50 and i < 5:
        values[0] = values[0] + 20
        i += 1
    return values, m


def alias_dict_written(x):
    values = {"a": x[0], "b": x[1]}
    m = values
    i = 0
    while values["a"] < 50 and i < 5:
        values["a"] = values["a"] + 20
        i += 1
    return values, m


def alias_for_break(x):
    a = x.copy()
    b = a
    for i in range(4):
        a[i] += 1
        if a.sum() > 3:
            break
    return a, b


def alias_for_trow(x):
    a = x.copy()
    b = a
    for v in x * np.ones((20, 1)):
        a[0] += v[1]
        if a.sum() > 30:
            break
    return a, b


def maybe_own(x):
    a = x.copy()
    if x.sum() > 0:
        a = a * 2
    a[0] = 100
    return a


def branch_alias_not_live(x):
    a = x.copy()
    b = a
    if x.sum() > 0:
        a[0] = 1
        z = 1
    else:
        z = 2
    return b * z


def branch_alias_helper(x):
    def h(v):
        if v.sum() > 0:
            v[0] = 99
            return 1.0
        return 2.0

    a = x.copy()
    s = h(a)
    return a * s


def buffers_are_exchanged(x):
    a, b, i = x.copy(), x * 0, 0
    while i < 3 and a.sum() < 99:
        b[1:-1] = a[:-2] + a[2:]
        a, b, i = b, a, i + 1
    return a, b


def names_differ_where_nothing_is_written(x):
    best, steps = x, 0
    while steps < 3 and x.sum() < 99:
        x, steps = x + 1, steps + 1
        best = x if x.sum() > 3 else best
    return best, x


def one_place_of_many(x):
    state, i = {"a": [x.copy(), x * 2], "b": x * 3}, 0
    row, whole = state["a"], state["b"]
    while i < 3 and state["b"].sum() < 99:
        state["a"][0] = state["a"][1] + 1
        state["b"][1] += 5
        i += 1
    return row[0], whole, state["a"][0]


def what_is_left_of_an_array(x):
    a, i = x.copy(), 0
    while i < 3 and a.sum() < 99:
        a[0] += 1
        a = a + 1
        i += 1
    return a


def alias_in_list(x):
    x = x.copy()
    ys = [x]
    i = 0
    while x.sum() < 50 and i < 4:
        ys[0][0] += 9
        i += 1
    return x, ys[0]


def alias_both_written(x):
    x = x.copy()
    y = x
    i = 0
    while x.sum() < 50 and i < 4:
        x[0] += 9
        y[1] += 1
        i += 1
    return x, y


def alias_inside(x):
    x = x.copy()
    i = 0
    while x.sum() < 50 and i < 4:
        y = x
        y[0] += 9
        i += 1
    return x


def swap(x):
    a = x.copy()
    b = x * 2
    c = a
    i = 0
    while a.sum() < 50 and i < 5:
        a, b = b, a
        a[0] += 7
        i += 1
    return a, b, c


def write_then_rebind(x):
    a = x.copy()
    c = a
    i = 0
    while a.sum() < 50 and i < 5:
        a[0] += 7
        a = a + 1
        i += 1
    return a, c


def view_alias(x):
    a = np.outer(x, x)
    r = a[0]
    i = 0
    while a.sum() < 50 and i < 5:
        a[0, 0] += 7
        i += 1
    return a, r


def view_write_in_loop(x):
    a = np.outer(x, x)
    r = a[0]
    i = 0
    while a.sum() < 50 and i < 5:
        r[0] += 7
        i += 1
    return a, r


def out_param(x):
    a = x.copy()
    b = a
    i = 0
    while a.sum() < 50 and i < 5:
        np.add(a, 3, out=a)
        i += 1
    return a, b


def alias_helper(x):
    def inc(v):
        v[0] += 9

    a = x.copy()
    b = a
    i = 0
    while a.sum() < 50 and i < 5:
        inc(a)
        i += 1
    return a, b


def nparr_alias(x):
    a = np.zeros(4)
    b = a
    for v in x * np.ones((20, 1)):
        a[0] = a[0] + v[0]
    return a, b


def list_alias_append(x):
    values = [x[0]]
    m = values
    for v in x * np.ones((20, 1)):
        values.append(v[0])
    return np.stack(values).sum(), len(m)


def maybe_alias(x):
    a = x.copy()
    y = a * 2
    if x.sum() > 0:
        y = a
    y[0] = 100
    return a, y


def maybe_alias2(x):
    a = x.copy()
    y = a * 2
    if x.sum() > 0:
        y = a
    a[0] = 100
    return a, y


def read_before_the_write(x):
    a = x.copy()
    b, total, i = a, 0.0 * x[0], 0
    while i < 3 and total < 99:
        total = total + b[0]
        a[0] += 1
        i += 1
    return total


def names_that_meet_in_a_turn(x):
    a, b, total, i = x.copy(), x * 2, 0.0 * x[0], 0
    while i < 3 and total < 99:
        a[0] += 1
        total = total + b[0]
        b = a
        i += 1
    return total


def exchanged_and_read(x):
    a, b, total, i = x.copy(), x * 2, 0.0 * x[0], 0
    c = a
    while i < 3 and total < 99:
        a, b = b, a
        a[0] += 7
        total = total + c[0]
        i += 1
    return total


def an_array_from_outside_later(x):
    a, c, i = x.copy(), x * 2, 0
    while i < 3 and a.sum() < 99:
        a[0] += 1
        a = c
        i += 1
    return a + c


INPUTS = [
    np.array([1.0, 2.0, 3.0, 4.0]), np.array([-1.0, -2.0, -3.0, -4.0]),
    np.array([0.5, -2.0, 3.0, 0.0]), np.array([90.0, 0.0, 0.0, -5.0]), np.zeros(4),
]  # fmt: skip


@pytest.mark.parametrize("target", ["interpret", "cpu"])
@pytest.mark.parametrize(
    "function",
    [
        alias_while,
        alias_rows,
        alias_while_iadd,
        alias_in_list2,
        rebind_then_write,
        alias_closure,
        alias_closure2,
        alias_obj,
        alias_branch_loop,
        alias_list_written,
        alias_dict_written,
        alias_for_break,
        alias_for_trow,
        maybe_own,
        branch_alias_not_live,
        branch_alias_helper,
        buffers_are_exchanged,
        names_differ_where_nothing_is_written,
        one_place_of_many,
        what_is_left_of_an_array,
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_all_names_see_what_is_written(function, target):
    compiled = sf.jit(function, target=target)
    for x in INPUTS:
        wanted, found = _leaves(function(x.copy())), _leaves(compiled(x))
        assert len(wanted) == len(found)
        for one, other in zip(wanted, found, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-14)


def _leaves(value):
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value]


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (alias_in_list, "read by another name"),
        (alias_both_written, "other names are for it"),
        (alias_inside, "from outside of the branch"),
        (swap, "may be another name"),
        (write_then_rebind, "may be another name"),
        (view_alias, "a view of an array that has been written"),
        (view_write_in_loop, "shares the memory"),
        (out_param, "from outside of the branch"),
        (alias_helper, "from outside of the branch"),
        (nparr_alias, "has another name as well"),
        (list_alias_append, "has another name as well"),
        (maybe_alias, "may be another name"),
        (maybe_alias2, "may be another name"),
        (read_before_the_write, "read by another name"),
        (names_that_meet_in_a_turn, "other names are for it"),
        (exchanged_and_read, "read by another name"),
        (an_array_from_outside_later, "other names are for it"),
    ],
)
def test_what_another_name_would_miss_is_refused(function, what):
    with pytest.raises(sf.TraceError, match=what) as caught:
        sf.trace(function, "f64[4]")
    assert caught.value.user_frame[0] == __file__
