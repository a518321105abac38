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
]

BEFORE = {helper_function: [_clipped], decorated: [_logged]}
"""What stands above an idiom where it is shown."""

FORWARD_ONLY = {
    while_loop, counted_while, while_with_break, while_with_continue, traced_range,
    range_with_a_step, bisection, model, model.damped,
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


def append_inside(x):
    found = []
    for value in x:  # here
        found.append(value)
    return found


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


def return_inside_with(x):
    with sf.scope("layer"):
        if x.sum() > 0:  # here
            return x
    return -x


REFUSED = [
    (one_sided, (RISING,), "y is assigned only if this condition holds", "before the `if`"),
    (other_shapes, (RISING,), "y is f64[4], but another branch returns f64[2]", "shape"),
    (other_types, (RISING,), "y is f64[4], but another branch returns f32[4]", "astype"),
    (other_containers, (RISING,), "the value is (*, *) on one side", "same containers"),
    (missing_return, (RISING,), "what is returned is * on one side of this branch and None", ""),
    (no_array, (RISING,), "mode is 'high' on one side", "static argument"),
    (append_outside, (RISING,), "`LOG.append(1.0)` changes an object from outside", "after it"),
    (append_inside, (MANY,), "is [] before it and [*] after a turn", "begin with"),
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
    (static_index, (RISING,), "an index or size needs the value", "snp.take"),
    (return_inside_with, (RISING,), "a branch needs the value", "snp.where"),
]
