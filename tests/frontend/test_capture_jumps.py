"""Small programs with many jumps, closures and writes: compiled they give what Python gives."""

from __future__ import annotations

from types import FunctionType

import numpy as np
import pytest

import symfuse as sf


def nested_break(x):
    total = 0.0 * x[0]
    for i in range(4):
        for j in range(4):
            if x[j] > x[i]:
                break
            total = total + x[j] * (i + 1)
        else:
            total = total + 100
    return total


def while_else(x):
    i = 0
    while i < 4:
        if x[i] < 0:
            break
        i += 1
    else:
        i = -1
    return i


def while_continue(x):
    i, s = 0, 0.0
    while i < 4:
        i += 1
        if x[i - 1] < 0:
            continue
        if x[i - 1] > 4:
            break
        s = s + x[i - 1]
    return s, i


def early_nested(x):
    for i in range(4):
        if x[i] < 0:
            if x[i] < -1:
                return x * i
            return x + i
    return -x


def ret_in_while(x):
    i = 0
    while True:
        if x[i] < 0.75:
            return i, x[i]
        i += 1
        if i == 3:
            return i, x[0]


def closure_loop(x):
    k = 2.0

    def f(v):
        return v * k

    s = 0.0 * x[0]
    while s < 10:
        s = s + f(abs(x[0])) + 1
        k = k + 1
    return s


def slices(x):
    a = x.copy()
    for i in range(1, 3):
        if a[i] > a[i - 1]:
            a[i:] -= a[i - 1]
        else:
            a[:i] *= 2
    return a


def bubble(x):
    a = x.copy()
    for i in range(4):
        for j in range(3 - i):
            if a[j] > a[j + 1]:
                a[j], a[j + 1] = a[j + 1], a[j]
    return a


def gcdlike(x):
    a, b = abs(x[0]) + 3, abs(x[1]) + 2
    while b > 0.5:
        a, b = b, a % b
    return a


def nonlocal_(x):
    c = 0.0

    def inc(v):
        nonlocal c
        c = c + v

    for i in range(4):
        inc(x[i])
    return c


def try_finally(x):
    s = 0.0
    for i in range(4):
        try:
            if x[i] < 0:
                continue
            s = s + x[i]
        finally:
            s = s + 1
    return s


def comp(x):
    return sum([v * 2 if v > 0 else v for v in x]) + sum(v for v in x if v > 0)


def comp_nested(x):
    return np.stack([np.stack([a if a > b else b for b in x]) for a in x])


def tern_chain(x):
    return [("a" and v) if v > 2 else (0 * v if -2 < v < 2 else -v) for v in [x[0], x[1]]]


def walrus(x):
    i = 0
    while (s := x.sum() + i) < 5:
        i += 1
    return s, i


def inner_while(x):
    n = 0
    for i in range(4):
        v = abs(x[i])
        while v > 1:
            v = v / 2
            n += 1
    return n


def collatz(x):
    n, c = (abs(x[0]) * 2).astype("int64") + 1, 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        c += 1
    return c


def fib_rows(x):
    a, b = x, x * 0
    for v in x:
        a, b = b + v, a
        if a.sum() > 10:
            break
    return a, b


def enum_zip(x):
    s = 0.0
    for i, (a, b) in enumerate(zip(x, x[::-1], strict=False)):
        if a > b:
            s = s + i * a
        elif a == b:
            s = s - 1
    return s


def dict_state(x):
    st = {"n": 0, "m": x[0]}
    for i in range(4):
        if x[i] >= st["m"]:
            st["m"] = x[i]
            st["n"] = i
    return st


def list_swap(x):
    values = [x[0], x[1], x[2]]
    i = 0
    while values[0] < 20 and i < 7:
        values[0], values[1], values[2] = values[1] + 1, values[2], values[0] + 2
        i += 1
    return values


def pop_loop(x):
    s = [x[0], x[1], x[2]]
    t = 0.0
    while s:
        v = s.pop()
        t = t + v if v > 0 else t - v
    return t


def match_(x):
    n = (x[0] > 0) + 2 * (x[1] > 0)
    match n:
        case 0:
            y = x
        case 1:
            y = x * 2
        case _:
            y = x * 3
    return y


def bool_short(x):
    return x * 2 if (x[0] > 0 and not x[1] > 0) or x[2] == 0 else x - 1


def argmax_loop(x):
    best, at = x[0], 0
    for i in range(1, 4):
        if x[i] > best:
            best, at = x[i], i
    return best, at


def nested_fn_return(x):
    def f(v):
        if v > 0:
            for i in range(3):
                if v * i > 3:
                    return i
            return 10
        return -1

    return [f(x[0]), f(x[1]), f(x[3])]


def while_two(x):
    a = x.copy()
    i = 0
    while i < 3:
        j = i
        while j >= 0 and a[j] > a[j + 1]:
            a[j], a[j + 1] = a[j + 1], a[j]
            j -= 1
        i += 1
    return a


def aug_row(x):
    m = np.outer(x, x)
    for i in range(4):
        if x[i] > 0:
            m[i] += x
            m[:, i] *= 2
    return m


def lambda_late(x):
    fs = []
    for i in range(3):
        fs.append(lambda v, i=i: v * i)
    s = 0.0
    for f in fs:
        s = s + f(x[1]) if x[0] > 0 else s - f(x[2])
    return s


def del_var(x):
    t = x * 2
    y = t + 1 if x.sum() > 0 else t
    del t
    return y


def power_iter(x):
    v = np.ones(4)
    a = np.outer(x, x) + np.eye(4)
    old = 0.0
    for _ in range(50):
        w = a @ v
        n = np.sqrt((w * w).sum())
        v = w / n
        if abs(n - old) < 1e-6:
            break
        old = n
    return n


def plain_swap(x):
    a = x.copy()
    a[0], a[1] = a[1], a[0]
    return a


def branch_swap(x):
    a = x.copy()
    if a[0] > a[1]:
        a[0], a[1] = a[1], a[0]
    return a


def branch_swap2(x):
    a = x.copy()
    if a[0] > a[1]:
        a[0], a[1] = a[1], a[0]
    if a[1] > a[2]:
        a[1], a[2] = a[2], a[1]
    return a


PROGRAMS = [value for value in list(globals().values()) if isinstance(value, FunctionType)]

INPUTS = [
    np.array([1.0, 2.0, 3.0, 4.0]), np.array([-1.0, -2.0, -3.0, -4.0]),
    np.array([0.5, -2.0, 3.0, 0.0]), np.array([5.0, 0.0, 0.0, -5.0]), np.zeros(4),
]  # fmt: skip


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda one: one.__name__)
def test_a_program_compiled_gives_what_python_gives(function):
    compiled = sf.jit(function, target="interpret")
    for x in INPUTS:
        wanted, found = _leaves(function(x.copy())), _leaves(compiled(x))
        assert len(wanted) == len(found)
        for one, other in zip(wanted, found, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-12)


def _leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value]


@pytest.mark.parametrize(
    "pick",
    [
        lambda x, i: [1.0, 2.0, 3.0][i] * x,
        lambda x, i: x[i],
        lambda x, i: sf.numpy.take(x, i),
    ],
)
def test_a_place_outside_is_refused_where_it_is_known(pick):
    with pytest.raises(sf.SymfuseError, match="index 7 is out of range") as caught:
        sf.trace(lambda x: pick(x, sf.numpy.asarray(7)), "f64[3]")
    assert caught.value.user_frame[0] == __file__
    found = sf.jit(lambda x, i: pick(x, i), target="interpret")
    x = np.array([4.0, 5.0, 6.0])
    for at, nearest in ((7, 2), (-7, 0), (-1, 2)):
        np.testing.assert_array_equal(found(x, at), pick(x, nearest))


def test_a_check_makes_a_place_outside_an_error():
    @sf.jit(target="interpret")
    def row(table, i):
        sf.debug.check(i < 3, "place {}", i)
        return table[i]

    assert row(np.arange(3.0), 2) == 2.0
    with pytest.raises(sf.CheckError, match="place 7"):
        row(np.arange(3.0), 7)
