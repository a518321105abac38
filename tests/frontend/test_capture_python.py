"""What Python decides in rewritten code is what Python does, side effects and all.

Each function ends in a choice by a traced value, so that it is rewritten; nothing else needs it.
"""
# ruff: noqa: B023

from __future__ import annotations

import contextlib
import linecache

import numpy as np
import pytest

import symfuse as sf

LOG = []
X = np.array([1.0, 2.0, 3.0])


def told(value):
    LOG.append(value)
    return value


def exception_in_a_loop(x):
    k = 0
    try:
        for i in range(3):
            k = i + 10
            if i == 1:
                raise ValueError
    except ValueError:
        k += 100
    return x * k if x.sum() > 0 else x


def exception_in_a_while(x):
    k = 0
    try:
        while k < 5:
            k += 1
            if k == 3:
                raise KeyError
    except KeyError:
        k += 10
    return x * k if x.sum() > 0 else x


def exception_in_a_branch(x):
    k = 0
    try:
        if told("in"):
            k = 7
            [][k]
    except IndexError:
        pass
    return x * k if x.sum() > 0 else x


def suppressed_exception(x):
    k = 1
    with contextlib.suppress(ValueError):
        for i in range(3):
            k += 1
            if i == 1:
                raise ValueError
    return x * k if x.sum() > 0 else x


def functions_of_a_loop_variable(x):
    made = []
    for i in range(3):
        made.append(lambda: i)

        def named():
            return i * 10

        made.append(named)
    total = 0
    for function in made:
        total += function()
    return x * total if x.sum() > 0 else x


def function_of_a_variable_that_changes_in_a_loop(x):
    k = 0
    now = lambda: k  # noqa: E731
    seen = []
    while k < 3:
        k += 1
        seen.append(now())
    return x * sum(seen) if x.sum() > 0 else x


def function_made_in_a_branch(x):
    k = 1
    if told(True):
        now = lambda: k  # noqa: E731
        k = 5
    k = 7
    found = now()
    return x * found if x.sum() > 0 else x


def nonlocal_variable_of_a_branch(x):
    if told(True):
        k = 0

    def more():
        nonlocal k
        k += 1
        return k

    while more() < 5:
        pass
    if told(k):
        more()
    return x * k if x.sum() > 0 else x


def functions_in_a_comprehension(x):
    made = [lambda: i for i in range(3)]
    later = [(v * i for v in range(2)) for i in range(3)]
    found = sum(f() for f in made) + sum(map(sum, later))
    return x * found if x.sum() > 0 else x


def variable_bound_in_a_comprehension(x):
    if told(True):
        found = [last := i for i in range(4)]
    return x * (last + len(found)) if x.sum() > 0 else x


def any_and_all_end_early(x):
    found = any(told(v) for v in [0, 1, 2]) + 2 * all(told(v) for v in [1, 0, 2])
    return x * found if x.sum() > 0 else x


def truth_asked_once(x):
    class Told:
        def __bool__(self):
            return bool(told(1))

    one, found = Told(), 0
    if one and one:
        found += 1
    while one:
        found += 1
        if not one or found > 3:
            break
    same = (one or None) is one
    return x * found if x.sum() > 0 and same else x


def deleted_variable(x):
    k = 1
    if told(True):
        del k
    try:
        told(k)
    except NameError:
        k = 50
    return x * k if x.sum() > 0 else x


def name_of_an_exception(x):
    error = 5
    try:
        if told(1):
            raise ValueError
    except ValueError as error:
        told(repr(error))
    try:
        told(error)
    except NameError:
        k = 3
    return x * k if x.sum() > 0 else x


def finally_around_everything(x):
    k = 0
    for i in range(4):
        try:
            if i == 1:
                continue
            if i == 2:
                raise ValueError(i)
            k += 1
        except ValueError as error:
            k += 10 * error.args[0]
        else:
            k += 100
        finally:
            k += told(1000)
    return x * k if x.sum() > 0 else x


def list_that_grows_while_it_is_walked(x):
    values, total = [1, 2, 3], 0
    for value in values:
        total += value
        if len(values) < 6:
            values.append(told(value * 2))
    return x * total if x.sum() > 0 else x


def names_for_one_list(x):
    one = [1]
    other = one
    if told(True):
        one.append(2)
    for i in range(2):
        other.append(i)
    one += [5]
    return x * (len(one) * 10 + len(other)) if x.sum() > 0 else x


def defaults_are_made_once(x):
    def more(value, kept=[]):  # noqa: B006
        kept.append(value)
        return len(kept)

    found = 0
    for i in range(3):
        found = more(i)
    return x * found if x.sum() > 0 else x


def generator_and_its_consumer_take_turns(x):
    def numbers():
        for i in range(3):
            yield told(i)

    total = 0
    for value in numbers():
        total += told(value * 10)
        if value == 1:
            break
    return x * total if x.sum() > 0 else x


def matches(x):
    found = 0
    for one in [(1, 2), {"a": 3}, 5, "s", [1, 2, 3], None, (0, (2, 5))]:
        match one:
            case (a, int(b)):
                found += a + b
            case {"a": value}:
                found += value * 10
            case int():
                found += 100
            case str():
                found += 1000
            case [a, (b, c) as rest] if b + c > 4:
                found += 5000 * len(rest)
            case [a, *rest]:
                found += len(rest) * 10000
            case _:
                found += 100000
    return x * found if x.sum() > 0 else x


def numbers_are_replaced_by_augmented_assignments(x):
    total, first = x.sum(), x[0]
    before, last = total, first
    total += 1
    first *= 5
    for value in x:
        value += 1
        last = last + value
    return x * (total + before * 10 + first + last) if x.sum() > 0 else x


def variables_of_a_try(x):
    total = 0.0
    for value in x:
        try:
            doubled = value * 2
            if value > 1:
                doubled = doubled + 1
        except ValueError:
            doubled = 0.0
        total = total + doubled
    return total * x if x.sum() > 0 else x


def variable_that_a_handler_reads(x):
    k = 1.0
    try:
        k = x[0] if x[1] > 0 else x[2]
        if told(True):
            raise ValueError
        k = 5.0
    except ValueError:
        found = k
    return x * found if x.sum() > 0 else x


def return_in_a_try_in_finally(x):
    k = 1
    try:
        k = 2
    finally:
        try:
            if told(k) == 3:
                return x  # noqa: B012
        except ValueError:
            k = 7
    return x * k


def jumps_within_a_with(x):
    found = x
    for scale in [1.0, 2.0]:
        if x[0] > scale * 2:
            return found * scale
        with contextlib.suppress(ValueError):
            for value in [0.5, 1.5, 2.5]:
                if x[1] > value:
                    break
                found = found + value
            if x[2] > 5:
                return found
            found = found * scale
    return found


def other_names_for_what_a_branch_changes(x):
    values, array, table = [1.0, 2.0], x.copy(), {"x": x + 1}
    one, two, three = values, array, table
    if x.sum() > 0:
        values[0] = 5.0
        array[1] = 7.0
        table["x"] = x * 2
    return one[0] * two + values[0] + array + table["x"] - 3 * three["x"] + x


PROGRAMS = [
    value
    for name, value in list(globals().items())
    if getattr(value, "__module__", "") == __name__ and name != "told"
]


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda one: one.__name__)
def test_what_python_decides_is_what_python_does(function):
    sf.trace(function, "f64[3]")  # as it is, and rewritten
    LOG.clear()
    found = sf.jit(function, target="interpret")(X)
    log = list(LOG)
    LOG.clear()
    np.testing.assert_array_equal(found, function(X))
    assert log == LOG


def test_a_variable_without_value_is_an_error_of_pythons():
    def undefined(x):
        for k in ():
            told(k)
        y = x * k
        return y if x.sum() > 0 else x

    with pytest.raises(NameError, match="'k'"):
        sf.trace(undefined, "f64[3]")


def test_functions_that_ask_for_variables_by_name_are_refused():
    def counted(x):
        return x * len(locals()) if x.sum() > 0 else x

    with pytest.raises(sf.TraceError, match=r"counted calls locals\(\)"):
        sf.trace(counted, "f64[3]")


def test_a_function_is_found_among_those_of_its_line():
    halved, doubled = lambda x: x / 2 if x.sum() > 0 else x, lambda x: x * 2 if x.sum() > 0 else x
    inner = sf.jit(lambda x: -x if x.sum() > 0 else x)
    np.testing.assert_array_equal(sf.jit(halved)(X), X / 2)
    np.testing.assert_array_equal(sf.jit(doubled)(X), X * 2)
    np.testing.assert_array_equal(sf.jit(lambda x: inner(x) + 1)(X), 1 - X)


def cell(number, text):
    """A function as a notebook defines it."""
    name = f"<cell {number}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    scope = {}
    exec(compile(text, name, "exec"), scope)
    return scope["scaled"]


def test_a_source_that_has_changed_since_is_not_taken_for_that_of_the_function():
    text = "import numpy as np\ndef scaled(x):\n    return np.abs(x) * {} if x.sum() > 0 else x\n"
    before = cell(1, text.format(2))
    np.testing.assert_array_equal(sf.jit(before)(X), X * 2)
    again = cell(1, text.format(3))
    np.testing.assert_array_equal(sf.jit(again)(X), X * 3)
    older = cell(2, text.format(2))
    cell(2, text.format(4))
    with pytest.raises(sf.TraceError, match="<cell 2> has changed since scaled was defined"):
        sf.trace(older, "f64[3]")


def test_imports_of_a_file_do_not_change_how_its_functions_are_found():
    text = (
        "import numpy as np\ndef scaled(x):\n    y = x\n    for at in range(2):\n"
        "        if x.sum() < -at:\n            continue\n"
    )
    for lines in range(1, 30):  # the jump back gets longer than a byte
        name = f"<long cell {lines}>"
        whole = text + "        y = np.abs(y)\n" * lines + "    return y\n"
        linecache.cache[name] = (len(whole), None, whole.splitlines(keepends=True), name)
        scope = {}
        exec(compile(whole, name, "exec"), scope)
        np.testing.assert_array_equal(sf.jit(scope["scaled"])(X), np.abs(X))
