"""Python's control flow as people write it: functions that are compiled, and what is refused.

Each is shown in docs/reference/control-flow.md; `# here` marks the line that an error names.
"""
# ruff: noqa: B905, RET503, SIM108

from __future__ import annotations

import functools

import numpy as np

import symfuse as sf

RISING, FALLING = np.array([0.55, 1.1, 2.15, 3.45]), np.array([3.05, -1.1, -2.45, 0.3])
MANY = np.linspace(0.0, 1.0, 20)  # more than are iterated over one by one
TALL = np.stack([MANY, np.cos(MANY), MANY**2], axis=1)
SCALE = 3.0
LOG: list[float] = []


# choices


def if_else(x):
    if x.sum() > 0:
        y = x * 2
    else:
        y = -x
    return y


def if_without_else(x):
    y = x * x
    if x.sum() > 4:
        y = y / x.sum()
    return y


def if_elif_else(x):
    total = x.sum()
    if total > 4:
        kind, y = 1, x * total
    elif total > 0:
        kind, y = 2, x + total
    else:
        kind, y = 3, x - total
    return kind * y


def early_return(x):
    if x[0] > x[-1]:
        return x[0] - x[-1]
    return x[-1] * 2


def many_returns(x):
    if x[0] > 1:
        if x[1] > 0:
            return x * 2
        y = x + 1
    elif x[1] > 0:
        return x * 3
    else:
        y = x - 1
    if y.sum() > 0:
        return y
    return y * y


def conditional_expression(x):
    return x * 2 if x.max() > 3 else x / 2


def nested_conditional(x):
    return "big" and (x * 3 if x[0] > 2 else x * 2 if x[1] > 0 else x)


def both_hold(x):
    if x[0] > 0 and x[1] > 0:
        return x
    return -x


def either_holds(x):
    return x * 2 if x[0] > 2 or x[1] > 0.5 else x


def negated(x):
    if not x[0] > 1:
        return x + 1
    return x


def chained_comparison(x):
    return x * 5 if 0 < x[0] < x[1] <= 2 else x


def value_of_or(x):
    return (x[1] and x[0]) + (x[2] or x[3])


def decided_by_python(x, flag=True):
    if flag:
        x = x * 2
    if x.sum() > 3:
        x = x + 1
    return x


def containers(x):
    state = {"x": x, "steps": 0}
    if x.sum() > 2:
        state = {"x": x * 2, "steps": 1}
    return state


def optional_value(x):
    scale = None
    if x.shape[0] > 2:
        scale = 2.0
    if x.sum() > 0:
        y = x if scale is None else x * scale
    else:
        y = x
    return y


def writes_in_a_branch(x):
    y = x.copy()
    if x.sum() > 0:
        y[0] = 10.0
        y[1:3] += 1.0
    return y


# Python's functions


def min_and_max(x):
    return max(x[0], x[1]) - min(x[2], x[3], 0.5)


def absolute_difference(x):
    return abs(x[0] - x[1]) * len(x)


def any_and_all(x):
    if any(v > 3 for v in [x[0], x[1]]):
        return x
    return x * 2 if all([x[0] > 0, x[1] > 0]) else -x


def truth_as_a_value(x):
    positive = bool(x.sum() > 0)
    return x * 2 if positive else x


def clamped(x):
    low, high = min(x[0], 1.0), max(x[1], 1.0)
    if low < high:
        low, high = high, low
    return low - 2 * high


# loops


def while_loop(x):
    while x.sum() < 100:
        x = x * x + 1
    return x


def counted_while(x):
    steps = 0
    while abs(x).max() > 0.1:
        x = x / 2
        steps += 1
    return x, steps


def while_with_break(x):
    n = 0
    while True:
        x = x * 0.5
        n = n + 1
        if x.max() < 0.1 or n >= 20:
            break
    return x, n


def while_with_continue(x):
    i, total = 0, 0.0
    while i < len(x):
        i += 1
        if x[i - 1] < 0:
            continue
        total = total + x[i - 1]
    return total


def newton(x):
    root = x
    for _ in range(50):
        step = (root * root - x) / (2 * root)
        root = root - step
        if abs(step) < 1e-12:
            break
    return root


def for_over_rows(x):
    total = 0.0
    for value in x:
        total = total * 0.5 + value * value
    return total


def for_over_a_matrix(x):
    best = x[0]
    for row in x:
        if row.sum() > best.sum():
            best = row
    return best


def traced_range(x, n):
    for i in range(n):
        x = x * 1.5 + i
    return x


def range_with_a_step(x, n):
    total = 0.0
    for i in range(1, n, 2):
        total = total + i * x.sum()
    return total


def enumerated_rows(x):
    total = 0.0
    for i, value in enumerate(x):
        total = total + (i + 1) * value
    return total


def zipped_rows(x, y):
    total = 0.0
    for a, b in zip(x, y):
        total = total + a * b if a < b else total - b
    return total


def reversed_rows(x):
    y = 0.0
    for coefficient in reversed(x):
        y = y * 2.0 + coefficient
    return y


def return_in_a_loop(x):
    for value in x:
        if value > 1.5:
            return value * 10
    return x[0]


def for_else(x):
    found = -1
    for i in range(len(x)):
        if x[i] > 2:
            found = i
            break
    else:
        found = 100
    return found


def nested_loops(x):
    total = 0.0
    for row in x:
        for value in row:
            if value > 2:
                break
            total = total + value
    return total


def loop_over_a_list(x):
    y = x
    for scale in [2.0, 0.5, 4.0]:
        y = y * scale
        if y.sum() > 10:
            break
    return y


def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def bisection(x):
    low, high = 0.0, 10.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if middle * middle > x:
            high = middle
        else:
            low = middle
    return low


def greatest_common_divisor(a, b):
    while b:
        a, b = b, a % b
    return a


def in_place_in_a_loop(x):
    y = np.zeros_like(x)
    for i in range(len(x)):
        if x[i] > 0:
            y = y.at[i].set(x[i] * 2) if hasattr(y, "at") else _set(y, i, x[i] * 2)
    return y


def _set(y, i, value):
    y = y.copy()
    y[i] = value
    return y


# functions


def helper_function(x):
    return _clipped(x[0]) + _clipped(x[1])


def _clipped(value):
    if value > 1:
        return 1 + 0 * value
    return value


def closure(x):
    factor = x.max()

    def scaled(v):
        if v > 1:
            return v * factor
        return v * SCALE

    return scaled(x[0]) + scaled(x[2])


def lambdas(x):
    pick = lambda v: v * 2 if v > 1 else v  # noqa: E731
    return pick(x[0]) + pick(x[2])


def _logged(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


@_logged
def decorated(x, *, power=2):
    if x.sum() > 0:
        return x**power
    return x


class Model:
    """A method, a private name, and state that is only read."""

    def __init__(self):
        self.__bias, self.rate = 0.25, 2.0

    def __call__(self, x):
        if x.sum() > 3:
            return x * self.rate + self.__bias
        return self.damped(x)

    def damped(self, x):
        while x.max() > 0.5:
            x = x / self.rate
        return x


model = Model()


def assertion(x):
    assert x.max() > 0, "one has to be positive"
    return x * 2


def scan_with_a_branch(x):
    def step(carry, value):
        if value > 1:
            carry = carry + value
        return carry, carry

    return sf.scan(step, 0.0 * x[0], x)[1]


# comprehensions, and lists of many rows


def comprehension(x):
    return np.stack([row * 2 for row in x])


def comprehension_with_a_branch(x):
    return np.array([value * 2 if value > 0.5 else -value for value in x])


def nested_comprehension(x):
    return np.array([a * b for a in x for b in x])


def matrix_of_lists(x):
    return np.array([[a - b for b in x] for a in x])


def sum_of_a_generator(x):
    return sum(value * value for value in x)


def sum_with_a_condition(x):
    return sum((value for value in x if value > 0.5), 1.0)


def largest_of_a_generator(x):
    return max(abs(value - 0.3) for value in x)


def any_of_a_generator(x):
    return any(value > 0.9 for value in x) * x, all(value < 2 for value in x if value > 0.5)


def list_of_pairs(x):
    pairs = [(value, i) for i, value in enumerate(x)]
    return sum(value * i for value, i in pairs), pairs[-1][0], len(pairs)


def zipped_lists(x):
    doubled = [value * 2 for value in x]
    return sum(a * b for a, b in zip(doubled, reversed(x)))


def returned_list(x):
    return [value**2 for value in x]


def _distance(value):
    return (value - 0.3) ** 2


def mapped_and_sorted(x):
    return sorted(map(_distance, x))[:3]


def reduced(x):
    values = list(x)
    return functools.reduce(lambda total, value: total * 0.5 + value, values)


def list_that_grows(x):
    states, state = [], 0.0 * x[0]
    for value in x:
        state = np.tanh(state + value)
        states.append(state)
    return np.stack(states)


def two_lists_that_grow(x):
    even, both = [], [x[0]]
    for i, value in enumerate(x):
        even.append(value if i % 2 == 0 else 0.0)
        both += [value, -value]
    return sum(even), both[0] + both[2] * both[-1]


def best_so_far(x):
    best = None
    for value in x:
        if best is None or value > best:
            best = value
    return best


def whole_number_that_becomes_a_fraction(x):
    total = 0
    for value in x:
        total += value
    return total / len(x)


# leaving `with`, `try` and `while True`


def return_inside_with(x):
    with sf.scope("layer"):
        if x.sum() > 0:
            return x * 2
    return -x


def return_inside_try(x):
    try:
        if x.sum() > 0:
            return x * 2
        y = -x
    finally:
        del x
    return y


def break_inside_with(x):
    total = 0.0
    for value in x:
        with sf.scope("turn"):
            if value > 2:
                break
            if value < 0:
                continue
            total = total + value
    return total


def handled_error(x):
    try:
        size = len(x[0])
    except (TypeError, sf.TraceError):
        if x.sum() > 0:
            return x * 3
        size = 2
    return x * size


def return_in_an_endless_loop(x):
    turns = 0
    while True:
        x = x / 2
        turns += 1
        if x.max() < 0.1:
            return x, turns


def return_in_nested_loops(x):
    for row in x:
        for value in row:
            if value > 2:
                return value * 10
    return x[0, 0]


def while_else(x):
    while x.max() > 0.1:
        x = x / 2
    else:
        x = x + 1
    return x


# names within expressions, and patterns


def name_in_an_expression(x):
    if (total := x.sum()) > 2 and total < 9:
        return x / total
    return x - total


def name_in_a_while(x):
    turns = 0
    while (x := x / 2).max() > 0.1 and turns < 20:
        turns += 1
    return x, turns


def pattern(x):
    match x.argmax():
        case 0:
            return x
        case 1 | 2:
            return x * 2
        case place if place > 2:
            return x * place
        case _:
            return -x


def pattern_of_truths(x):
    match bool(x[0] > 0), bool(x[1] > 0):
        case True, True:
            return x
        case True, False:
            return x * 2
        case _:
            return -x


# what a traced number picks


def table(x):
    weights = np.array([1.0, 2.0, 4.0, 8.0])
    return weights[x.argmax()] * x, weights[np.argsort(x)]


def list_of_numbers(x):
    return [0.5, 1.5, 2.5, 3.5][x.argmin()] * x


def list_of_arrays(x):
    return (x, x * 2, -x, x + 1)[x.argmax()]


def array_of_values(x):
    return np.array([x.sum(), x.max()]) if x[0] > 0 else np.array([x[0], 1.0])


def updates_in_a_branch(x):
    y, n = x.copy(), 0
    if x.sum() > 0:
        y *= 2
        n += 1
    return y, n


def list_in_a_branch(x):
    found = [x[0]]
    if x.sum() > 0:
        found.append(x[1])
    else:
        found.append(-x[2])
    return found


def nonlocal_variable(x):
    total = 0.0

    def add(value):
        nonlocal total
        total = total + value

    add(x[0])
    add(x[1])
    return total * 2 if total > 1 else total


def unpack(x):
    first, second, *others = x
    return first * second, [value + 1 for value in others]


COMPILED = [
    (unpack, [(RISING,), (FALLING,)]),
    (if_else, [(RISING,), (FALLING,)]),
    (if_without_else, [(RISING,), (FALLING,)]),
    (if_elif_else, [(RISING,), (FALLING,), (RISING / 4,)]),
    (early_return, [(RISING,), (FALLING,)]),
    (many_returns, [(RISING,), (FALLING,), (-FALLING,), (RISING + 1,)]),
    (conditional_expression, [(RISING,), (FALLING,)]),
    (nested_conditional, [(RISING,), (FALLING,), (-FALLING,)]),
    (both_hold, [(RISING,), (FALLING,)]),
    (either_holds, [(RISING,), (FALLING,), (-FALLING,)]),
    (negated, [(RISING,), (FALLING,)]),
    (chained_comparison, [(RISING,), (FALLING,)]),
    (value_of_or, [(RISING,), (FALLING,)]),
    (decided_by_python, [(RISING,), (FALLING,)]),
    (containers, [(RISING,), (FALLING,)]),
    (optional_value, [(RISING,), (FALLING,)]),
    (writes_in_a_branch, [(RISING,), (FALLING,)]),
    (min_and_max, [(RISING,), (FALLING,)]),
    (absolute_difference, [(RISING,), (FALLING,)]),
    (any_and_all, [(RISING,), (FALLING,), (RISING + 3,)]),
    (truth_as_a_value, [(RISING,), (FALLING,)]),
    (clamped, [(RISING,), (FALLING,)]),
    (while_loop, [(RISING,), (FALLING,)]),
    (counted_while, [(RISING,), (FALLING,)]),
    (while_with_break, [(RISING,), (FALLING,)]),
    (while_with_continue, [(RISING,), (FALLING,)]),
    (newton, [(2.0,), (81.0,)]),
    (for_over_rows, [(RISING,), (FALLING,)]),
    (for_over_a_matrix, [(np.stack([RISING, FALLING, RISING * 2]),)]),
    (traced_range, [(RISING, 3), (FALLING, 0)]),
    (range_with_a_step, [(RISING, 6), (FALLING, 1)]),
    (enumerated_rows, [(RISING,), (FALLING,)]),
    (zipped_rows, [(RISING, FALLING), (FALLING, RISING)]),
    (reversed_rows, [(RISING,), (FALLING,)]),
    (return_in_a_loop, [(RISING,), (FALLING,), (RISING / 9,)]),
    (for_else, [(RISING,), (RISING / 9,)]),
    (nested_loops, [(np.stack([RISING, FALLING]),)]),
    (loop_over_a_list, [(RISING,), (FALLING,)]),
    (collatz, [(27,), (1,)]),
    (bisection, [(2.0,), (50.0,)]),
    (greatest_common_divisor, [(84, 36), (17, 5)]),
    (in_place_in_a_loop, [(RISING,), (FALLING,)]),
    (helper_function, [(RISING,), (FALLING,)]),
    (closure, [(RISING,), (FALLING,)]),
    (lambdas, [(RISING,), (FALLING,)]),
    (decorated, [(RISING,), (FALLING,)]),
    (model, [(RISING,), (FALLING,)]),
    (model.damped, [(RISING,), (FALLING,)]),
    (assertion, [(RISING,), (FALLING,)]),
    (scan_with_a_branch, [(RISING,), (FALLING,)]),
    (comprehension, [(TALL,)]),
    (comprehension_with_a_branch, [(MANY,), (-MANY,)]),
    (nested_comprehension, [(MANY,)]),
    (matrix_of_lists, [(MANY,)]),
    (sum_of_a_generator, [(TALL,)]),
    (sum_with_a_condition, [(MANY,), (-MANY,)]),
    (largest_of_a_generator, [(MANY,), (-MANY,)]),
    (any_of_a_generator, [(MANY,), (MANY / 2,), (MANY * 3,)]),
    (list_of_pairs, [(MANY,)]),
    (zipped_lists, [(MANY,)]),
    (returned_list, [(MANY,)]),
    (mapped_and_sorted, [(MANY,)]),
    (reduced, [(MANY,)]),
    (list_that_grows, [(TALL,)]),
    (two_lists_that_grow, [(MANY,)]),
    (best_so_far, [(MANY,), (-MANY,)]),
    (whole_number_that_becomes_a_fraction, [(MANY,)]),
    (return_inside_with, [(RISING,), (FALLING,)]),
    (return_inside_try, [(RISING,), (FALLING,)]),
    (break_inside_with, [(RISING,), (FALLING,)]),
    (handled_error, [(RISING,), (FALLING,)]),
    (return_in_an_endless_loop, [(RISING,), (FALLING,)]),
    (return_in_nested_loops, [(np.stack([RISING, FALLING]),), (np.stack([FALLING, -RISING]),)]),
    (while_else, [(RISING,), (FALLING,)]),
    (name_in_an_expression, [(RISING,), (FALLING,)]),
    (name_in_a_while, [(RISING,), (FALLING,)]),
    (pattern, [(RISING,), (FALLING,), (-FALLING,)]),
    (pattern_of_truths, [(RISING,), (FALLING,), (-FALLING,)]),
    (table, [(RISING,), (FALLING,)]),
    (list_of_numbers, [(RISING,), (FALLING,)]),
    (list_of_arrays, [(RISING,), (FALLING,)]),
    (array_of_values, [(RISING,), (-RISING,)]),
    (updates_in_a_branch, [(RISING,), (-RISING,)]),
    (list_in_a_branch, [(RISING,), (-RISING,)]),
    (nonlocal_variable, [(RISING,), (RISING / 9,)]),
]

BEFORE = {helper_function: [_clipped], mapped_and_sorted: [_distance], decorated: [_logged]}
"""What stands above an idiom where it is shown."""

FORWARD_ONLY = {
    while_loop, counted_while, while_with_break, while_with_continue, traced_range,
    range_with_a_step, bisection, model, model.damped, return_in_an_endless_loop, while_else,
    name_in_a_while,
}  # fmt: skip
"""Loops whose number of turns has no bound that is known."""

SEARCHES = {bisection}
"""What decides what is returned, and not how: no derivative follows it."""

# what is refused


def one_sided(x):
    if x.sum() > 0:  # here
        y = x
    return y


def other_shapes(x):
    if x.sum() > 0:  # here
        y = x
    else:
        y = x[:2]
    return y


def other_types(x):
    y = x.astype("float32")
    if x.sum() > 0:  # here
        y = x
    return y


def other_containers(x):
    return (x, x) if x.sum() > 0 else x  # here


def missing_return(x):
    if x.sum() > 0:  # here
        return x


def no_array(x):
    mode = "low"
    if x.sum() > 0:  # here
        mode = "high"
    return x if mode == "low" else -x


def append_outside(x):
    if x.sum() > 0:
        LOG.append(1.0)  # here
        y = x
    else:
        y = -x
    return y


def append_in_a_branch(x):
    found = []
    for value in x:
        if value > 0:
            found.append(value)  # here
    return found


def reads_what_grows(x):
    sums = [x[0]]
    for value in x:  # here
        sums.append(sums[-1] + value)
    return sums


def selected_rows(x):
    return [value for value in x if value > 0.5]  # here


def list_in_a_while(x):
    found = []
    while x.sum() > 0.1:  # here
        x = x / 2
        found.append(x)
    return found


def append_to_rows(x):
    rows = [value * 2 for value in x]
    rows.append(x[0])  # here
    return rows


def calls_with_nonlocal(x):
    total = 0.0

    def add(value):
        nonlocal total
        total = total + value

    for value in x:
        add(value)  # here
    return total


def key_of_a_dict(x):
    return {0: 1.0, 1: 2.0}[x.argmax()] * x  # here


def picked_function(x):
    return [np.sin, np.cos][x.argmax()](x)  # here


def truth_pattern(x):
    match x[0] > 0:
        case True:  # here
            y = x
        case _:
            y = -x
    return y if y.sum() > 0 else x


def update_of_an_argument(x):
    while x.max() > 0.1:  # here
        x /= 2
    return x


def set_attribute(x):
    if x.sum() > 0:
        model.rate = 3.0  # here
        y = x
    else:
        y = -x
    return y


def set_global(x):
    global SCALE
    if x.sum() > 0:  # here
        SCALE = 2.0
    return x


def raise_in_a_branch(x):
    if x.sum() < 0:
        raise ValueError("negative")  # here
    return x


def nothing_but_a_call(x):
    if x.sum() > 0:  # here
        print("positive")
    return x


def carry_of_another_shape(x):
    y = x[:1]
    while y.sum() < 100:  # here
        y = np.concatenate([y, y])
    return y


def carry_of_another_type(x):
    y = x.astype("float32")
    while y.sum() < 100:  # here
        y = y * x
    return y


def defined_in_the_loop(x, n):
    for i in range(n):  # here
        last = x * i
    return last


def fractional_range(x):
    for _ in range(x.sum()):  # here
        x = x + 1
    return x


def truth_of_an_array(x):
    if x > 0:  # here
        return x
    return -x


def generator(x):
    yield x


def uses_a_generator(x):
    return next(generator(x)) if x.sum() > 0 else x


def endless_recursion(n):
    return 1 if n < 2 else n * endless_recursion(n - 1)  # here


def static_index(x):
    names = ["a", "b", "c"]
    return x if names[x.argmax()] == "a" else -x  # here


REFUSED = [
    (one_sided, (RISING,), "y is assigned only if this condition holds", "before the `if`"),
    (other_shapes, (RISING,), "y is f64[4], but another branch returns f64[2]", "shape"),
    (other_types, (RISING,), "y is f64[4], but another branch returns f32[4]", "astype"),
    (other_containers, (RISING,), "the value is (*, *) on one side", "same containers"),
    (missing_return, (RISING,), "what is returned is * on one side of this branch and None", ""),
    (no_array, (RISING,), "mode is 'high' on one side", "static argument"),
    (append_outside, (RISING,), "`LOG.append(1.0)` changes an object from outside", "after it"),
    (append_in_a_branch, (MANY,), "a list grows in a branch", "a if condition else b"),
    (reads_what_grows, (MANY,), "the list sums is read, and grows", "a variable of its own"),
    (selected_rows, (MANY,), "a list of the rows that a condition keeps", "size=n"),
    (list_in_a_while, (MANY,), "found of this `while` loop is [] before it", "snp.zeros(n)"),
    (append_to_rows, (MANY,), ".append() on a list of 20 rows", "np.stack(rows)"),
    (calls_with_nonlocal, (MANY,), "`add(value)` assigns to a variable", "return it"),
    (key_of_a_dict, (RISING,), "hashing needs the value", "asarray(values)[i]"),
    (picked_function, (RISING,), "an element of a list of ufunc is picked", "sf.switch"),
    (truth_pattern, (RISING,), "`case True` never matches", "bool(condition)"),
    (update_of_an_argument, (RISING,), "in-place write to", "x.copy()"),
    (set_attribute, (RISING,), "`model.rate` sets an attribute", "after it"),
    (set_global, (RISING,), "`SCALE = …` assigns to a global variable", "local variable"),
    (raise_in_a_branch, (RISING,), "`raise ValueError('negative')`", "sf.debug.check"),
    (nothing_but_a_call, (RISING,), "assigns no variable that is used later", "variable"),
    (carry_of_another_shape, (RISING,), "y of this `while` loop is f64[1] before it", "shape"),
    (carry_of_another_type, (RISING,), "is f32[4] before it and f64[4]", "float32"),
    (defined_in_the_loop, (RISING, 3), "last is assigned in this `for` loop", "before the loop"),
    (fractional_range, (RISING,), "range of <traced f64[]>", "astype"),
    (truth_of_an_array, (RISING,), "more than one element", ".any() or .all()"),
    (endless_recursion, (5,), "calls itself", "loop"),
    (static_index, (RISING,), "an element of a list of str is picked", "static_argnums"),
]
