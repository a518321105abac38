"""What a branch or loop of the graph would change beside its variables is refused, not lost."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest

import symfuse as sf

LOG, COUNTS = [], np.zeros(3)
TOTAL = 0


class Counter:
    made = 0

    def __init__(self):
        self.value, self.seen = 0.0, []

    def add(self, value):
        self.value = self.value + value
        self.seen.append(value)


def note(value):
    LOG.append(value)
    return value


def method(x):
    counter = Counter()
    if x.sum() > 0:
        counter.add(3.0)
        y = x
    else:
        y = -x
    return y * counter.value


def attribute(x):
    counter = Counter()
    if x.sum() > 0:
        counter.value, y = 1.0, x
    else:
        counter.value, y = 2.0, x
    return y * counter.value


def function_that_logs(x):
    return note(x) if x.sum() > 0 else -x


def second_operand(x):
    return x if x.sum() > 0 and note(x[0] > 0) else -x


def set_of_values(x):
    kept = set()
    if x.sum() > 0:
        kept.add(1)
        y = x
    else:
        y = -x
    return y * len(kept)


def nonlocal_variable(x):
    count = 0

    def one():
        nonlocal count
        count += 1
        return True

    y = x if x.sum() > 0 and one() else -x
    return y * count


def global_variable(x):
    def one():
        global TOTAL
        TOTAL += 1
        return x

    return one() if x.sum() > 0 else x * TOTAL


def attribute_of_a_class(x):
    def one():
        Counter.made += 1
        return x

    return one() if x.sum() > 0 else x * Counter.made


def array_of_numpy(x):
    def one():
        COUNTS[0] += 1
        return x

    return one() if x.sum() > 0 else x * COUNTS


def traced_array(x):
    y = x.copy()

    def one():
        y[0] = 7.0
        return x

    return (one() if x.sum() > 0 else -x) + y


def generator(x):
    numbers = (value for value in [1.0, 2.0, 3.0])
    y = x * next(numbers) if x.sum() > 0 else x
    return y * next(numbers)


def iterator(x):
    values, turns = iter(range(9)), 0
    while x.sum() < 50 and turns < 3:
        x, turns = x + next(values), turns + 1
    return x + next(values)


def enumerated(x):
    pairs = enumerate([1.0, 2.0])
    y = x * next(pairs)[1] if x.sum() > 0 else x
    return y * next(pairs)[1]


def random_numbers(x):
    numbers, turns = random.Random(0), 0
    while x.sum() < 50 and turns < 3:
        x, turns = x + numbers.random(), turns + 1
    return x


def file(x):
    text = io.StringIO()
    if x.sum() > 0:
        text.write("positive")
        y = x
    else:
        y = -x
    return y


def loop(x):
    total = 0.0 * x
    for value in x * np.ones((20, 1)):
        note(1)
        total = total + value
    return total


def comprehension(x):
    return sum([note(value) for value in x[0] * np.arange(20.0)])


CASES = [
    (method, "counter"), (attribute, "counter"), (function_that_logs, "LOG"),
    (second_operand, "LOG"), (set_of_values, "kept"), (nonlocal_variable, "count"),
    (global_variable, "TOTAL"), (attribute_of_a_class, "Counter"), (array_of_numpy, "COUNTS"),
    (loop, "LOG"), (comprehension, "LOG"),
    (generator, "numbers"), (iterator, "values"), (enumerated, "pairs"),
    (random_numbers, "numbers"), (file, "text"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "name"), CASES, ids=lambda one: getattr(one, "__name__", ""))
def test_the_change_is_refused_by_its_name(function, name):
    with pytest.raises(sf.TraceError) as caught:
        sf.trace(function, "f64[3]")
    assert caught.value.what.startswith(f"{name} changes in a ")
    assert caught.value.user_frame[0] == __file__


def test_a_write_to_an_array_from_outside_is_refused_at_its_line():
    with pytest.raises(sf.TraceError, match="from outside of the branch") as caught:
        sf.trace(traced_array, "f64[3]")
    assert caught.value.loc.source() == "y[0] = 7.0"


def test_a_file_is_opened_in_no_branch(tmp_path):
    def opening(x):
        if x.sum() > 0:
            open(tmp_path / "made", "w").close()
            x = x + 1
        return x

    with pytest.raises(sf.UnsupportedError, match="open in a branch"):
        sf.trace(opening, "f64[3]")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["interpret", "cpu"])
def test_print_in_branches_and_loops_prints_when_the_program_runs(target, capfd):
    def printing(x):
        turns = 0
        while x.sum() < 50 and turns < 3:
            if x[0] > 5:
                print("large", x[0])
                x = x + 8
            print(turns, x.sum(), sep=": ")
            x, turns = x + 4, turns + 1
        return x

    for x in (np.arange(3.0), np.full(3, 6.0), np.full(3, 99.0)):
        wanted = printing(x)
        told = capfd.readouterr().out
        compiled = sf.jit(printing, target=target)
        compiled(x)
        capfd.readouterr()
        np.testing.assert_array_equal(compiled(x), wanted)
        assert capfd.readouterr().out == told


def test_what_is_made_inside_may_change():
    def built(x):
        counter, values = Counter(), []
        for i in range(3):
            counter.add(x[i])
            values.append(counter.value)
        return sum(values) + counter.value

    def chosen(x):
        return built(x) if x.sum() > 0 else -x[0]

    for x in (np.arange(3.0), -np.arange(3.0)):
        assert sf.jit(chosen, target="interpret")(x) == chosen(x)


def always_fails():
    raise ValueError("always")


def handled(x):
    y = x
    try:
        if x.sum() > 0:
            always_fails()
            y = x * 2
    except ValueError:
        y = -x
    return y


def handled_by_all(x):
    y = x
    try:
        if x.sum() > 0:
            y = x * [][0]
    except Exception:
        y = -x
    return y


def conversion(x):
    try:
        n = int(x.sum())
    except Exception:
        n = 3
    return x * n


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (handled, "ValueError is raised in a branch that a traced value decides on: always"),
        (handled_by_all, "IndexError is raised in a branch"),
        (conversion, "int() needs the value"),
    ],
)
def test_what_cannot_be_traced_is_not_for_handlers_of_the_user(function, what):
    with pytest.raises(sf.TraceError) as caught:
        sf.trace(function, "f64[3]")
    assert caught.value.what.startswith(what)
    assert caught.value.user_frame[0] == __file__


def test_a_choice_is_made_though_a_handler_takes_every_exception():
    def chosen(x):
        try:
            y = x * 2 if x.sum() > 0 else x * 3
        except Exception:
            y = x
        return y

    for x in (np.arange(3.0), -np.arange(3.0)):
        np.testing.assert_array_equal(sf.jit(chosen, target="interpret")(x), chosen(x))
