"""Python's control flow on traced values: compiled, it does what Python does, or says why not."""

from __future__ import annotations

import functools
import inspect
import math
from pathlib import Path

import idioms
import numpy as np
import pytest

import symfuse as sf
from symfuse.capture import attempt, choices


def name_of(function):
    return getattr(function, "__name__", type(function).__name__)


def assert_same(found, wanted):
    flat, tree = leaves(found), leaves(wanted)
    assert len(flat) == len(tree)
    for one, other in zip(flat, tree, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def leaves(value):
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def slope(function, args, direction):
    """The derivative of the sum of all results in one direction, by central differences."""

    def total(step):
        moved = (args[0] + step * direction, *args[1:])
        return math.fsum(float(np.sum(leaf)) for leaf in leaves(function(*moved)))

    return (total(1e-6) - total(-1e-6)) / 2e-6


CALLS = [
    (function, args)
    for function, calls in idioms.COMPILED
    for args in calls
    if isinstance(args[0], np.ndarray | float) and function not in idioms.SEARCHES
]
NAMES = [f"{name_of(function)}-{number}" for number, (function, _) in enumerate(CALLS)]


@pytest.mark.parametrize(("function", "calls"), idioms.COMPILED, ids=lambda one: name_of(one))
def test_an_idiom_compiled_gives_what_python_gives(function, calls):
    fast = sf.jit(function)
    for args in calls:
        assert_same(fast(*args), function(*args))
    assert fast.cache_info().compiles <= 1


@pytest.mark.parametrize(("function", "args"), CALLS, ids=NAMES)
def test_the_derivative_of_an_idiom_is_that_of_the_branch_taken(function, args):
    direction = np.cos(np.arange(np.size(args[0]), dtype="float64")).reshape(np.shape(args[0]))

    def total(x):
        found = leaves(function(x, *args[1:]))
        return sum(snp_sum(leaf) for leaf in found)

    wanted = slope(function, args, direction)
    _, forward = sf.jvp(total, (args[0],), (direction,))
    np.testing.assert_allclose(forward, wanted, rtol=1e-5, atol=1e-7)
    if function in idioms.FORWARD_ONLY:
        return
    reverse = sf.jit(sf.grad(total))(args[0])
    np.testing.assert_allclose(np.sum(reverse * direction), wanted, rtol=1e-5, atol=1e-7)


def snp_sum(leaf):
    return sf.numpy.sum(sf.numpy.asarray(leaf, dtype="float64"))


def marked_line(function):
    lines, first = inspect.getsourcelines(function)
    return first + next(n for n, line in enumerate(lines) if line.rstrip().endswith("# here"))


@pytest.mark.parametrize(
    ("function", "args", "what", "fix"),
    idioms.REFUSED,
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_is_refused_says_why_at_the_users_line(function, args, what, fix):
    with pytest.raises(sf.SymfuseError) as caught:
        sf.jit(function)(*args)
    assert what in caught.value.what
    assert fix in f"{caught.value.what} {caught.value.fix}"
    assert caught.value.user_frame == (idioms.__file__, marked_line(function))


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "control-flow.md"
HEAD = """# Control flow

Python's `if`, `while`, `for` and `match`, `and`, `or`, `not`, conditional expressions, chains of
comparisons, comprehensions, `min`, `max`, `sum`, `any`, `all`, `bool`, `len`, `list`, `map`,
`range`, `enumerate`, `zip`, `reversed` and `sorted` work on traced values, and `return`, `break`
and `continue` leave loops, `with` and `try`. Where a traced value decides, they become branches and
loops of the graph, with derivatives, `vmap` and machine code like `sf.cond` and `sf.while_loop`;
where Python can decide, it does, as without symfuse. So `for i in range(3)` is written out, and
`for i in range(n)` with a traced `n` is a loop.

- Both sides of a branch give a variable that is used later the same containers, shapes and element
  types; every turn of a loop gives it those that it had before. Numbers take the types of what
  they meet.
- A loop can be differentiated in reverse mode if its greatest number of turns is known: `for` over
  an array or a `range` of sizes, with `break` or without. Others have forward mode.
- A branch or loop of the graph changes variables and nothing else: what changes an object or a
  variable from outside, by a function that it calls as well, is refused.
- What a loop or branch writes to an array, list or dict is seen by all of its names, as in Python.
  Where that cannot be, it is refused: another name that reads the array inside of the code that
  writes to it, names that are for one array in some turns only, and later use of an array that may
  have been written by another name. `y = x.copy()` makes an array of its own.
- `print` prints when the program comes to it. Iterators, files and random generators from outside,
  `open` and `input` are refused, as they would move on while the function is traced.
- A traced number that picks an element of an array, list or tuple, and is outside of it, gives the
  nearest element; known numbers outside raise. `sf.debug.check(i < n)` makes it an error.
- A comprehension, and a list to which every turn of a loop appends, is one array that a loop
  fills; it is read like a list, and NumPy's functions take it as the array that it is.
- What cannot be rewritten are generators, code without source, and `match` of classes and keys.

Every function on this page is a test.

## What compiles

```python
import functools

import numpy as np
import symfuse as sf

SCALE = 3.0
```
"""


def shown(function):
    """The source of a function as a block of the page."""
    return f"```python\n{inspect.getsource(function).rstrip()}\n```\n"


def refused(function, args):
    with pytest.raises(sf.SymfuseError) as caught:
        sf.trace(function, *args)
    lines = [caught.value.what, *([f"fix: {caught.value.fix}"] if caught.value.fix else [])]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def page():
    parts = [HEAD]
    for function, _ in idioms.COMPILED:
        if function in (idioms.in_place_in_a_loop, idioms.model.damped):
            continue
        for one in idioms.BEFORE.get(function, ()):
            parts.append(shown(one))
        parts.append(shown(type(function) if function is idioms.model else function))
    parts.append("## What is refused\n")
    for function, args, _, _ in idioms.REFUSED:
        parts += [shown(function), refused(function, args)]
    return "\n".join(parts)


def test_the_page_of_the_reference_shows_every_idiom(request):
    if request.config.getoption("--rewrite-golden"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "pytest --rewrite-golden, and review"


def test_there_are_forty_idioms():
    assert len({name_of(function) for function, _ in idioms.COMPILED}) >= 40


def test_a_function_is_traced_once_as_it_is_and_later_only_rewritten():
    turns = []

    def f(x):
        turns.append(x.shape)
        return x if x.sum() > 0 else -x

    sf.trace(f, "f64[2]")
    sf.trace(f, "f64[3]")
    assert turns == [(2,), (2,), (3,)]


def test_what_python_decides_is_not_rewritten():
    def f(x):
        return x * 2 if x.shape[0] > 2 else x

    sf.trace(f, "f64[3]")
    assert id(f.__code__) not in attempt._rewritten


def test_nodes_of_rewritten_code_have_the_lines_of_the_user():
    graph = sf.trace(idioms.if_else, "f64[3]")
    (branch,) = (node for node in graph.nodes if node.op.name == "branch")
    lines, first = inspect.getsourcelines(idioms.if_else)
    inner = [node for one in branch.attr("branches") for node in one.nodes if node.inputs]
    named = {(n.source.variable(), lines[n.source.loc.line - first].strip()) for n in inner}
    assert ("y", "y = x * 2") in named
    assert ("y", "y = -x") in named


def test_a_loop_of_a_symbolic_length_is_one_loop():
    graph = sf.trace(idioms.for_over_rows, "f64[N]")
    assert graph.stats()["loop"] == 1
    fast = sf.jit(idioms.return_in_a_loop)
    for size in (1, 2, 5, 9):
        rows = np.linspace(-1, 2, size)
        assert fast(rows) == idioms.return_in_a_loop(rows)
    assert fast.cache_info().compiles == 2


def test_branches_and_loops_of_python_are_batched():
    xs = np.stack([idioms.RISING, idioms.FALLING, -idioms.RISING])
    for function in (idioms.if_elif_else, idioms.counted_while, idioms.return_in_a_loop):
        found = sf.jit(sf.vmap(function))(xs)
        wanted = [leaves(function(x)) for x in xs]
        assert_same(found, [np.stack(column) for column in zip(*wanted, strict=True)])


def test_code_without_source_says_so():
    scope = {}
    text = "def f(x):\n    return x if x.sum() > 0 else -x"
    exec(compile(text, "<made by hand>", "exec"), scope)
    with pytest.raises(sf.TraceError, match=r"source of f .* is not there"):
        sf.trace(scope["f"], "f64[3]")


def test_a_generator_says_so():
    with pytest.raises(sf.SymfuseError):
        sf.trace(idioms.generator, "f64[3]")


def test_a_partial_function_and_jit_inside_jit_are_rewritten():
    inner = sf.jit(idioms.if_else)
    assert_same(sf.jit(lambda x: inner(x) + 1)(idioms.FALLING), -idioms.FALLING + 1)
    part = functools.partial(idioms.decided_by_python, flag=False)
    assert_same(sf.jit(part)(idioms.RISING), part(idioms.RISING))


def test_an_assertion_that_fails_does_so_when_the_program_runs():
    fast = sf.jit(idioms.assertion)
    with pytest.raises(AssertionError, match="one has to be positive") as caught:
        fast(-idioms.RISING)
    lines, first = inspect.getsourcelines(idioms.assertion)
    assert caught.value.user_frame == (idioms.__file__, first + 1)
    assert len(lines) == 3


OF_ANY_LENGTH = [
    idioms.comprehension,
    idioms.comprehension_with_a_branch,
    idioms.nested_comprehension,
    idioms.matrix_of_lists,
    idioms.sum_of_a_generator,
    idioms.sum_with_a_condition,
    idioms.largest_of_a_generator,
    idioms.zipped_lists,
    idioms.reduced,
    idioms.list_that_grows,
    idioms.two_lists_that_grow,
]


@pytest.mark.parametrize("function", OF_ANY_LENGTH, ids=name_of)
def test_rows_of_any_number_take_one_program(function):
    fast = sf.compile(function, sf.spec((sf.dim("N", min=1),), "float64"))
    for count in (1, 2, 7, 40):
        x = np.sin(np.arange(1.0, count + 1))
        assert_same(fast(x), function(x))


def test_the_graph_of_a_comprehension_does_not_grow_with_the_rows():
    sizes = {len(sf.trace(idioms.list_that_grows, f"f64[{n},3]").nodes) for n in (20, 500)}
    assert len(sizes) == 1


def test_each_variable_of_a_branch_is_looked_at_as_often_however_many_there_are(monkeypatch):
    seen, is_array = [], choices.is_array
    monkeypatch.setattr(choices, "is_array", lambda leaf: seen.append(leaf) or is_array(leaf))
    sides = [lambda *given: tuple(x + 1 for x in given), lambda *given: tuple(-x for x in given)]

    def looks(count):
        names = [f"x{n}" for n in range(count)]
        seen.clear()
        sf.trace(lambda x: choices.joined(x[0] > 0, sides, names, (), [x] * count), "f64[3]")
        return len(seen)

    assert looks(36) - looks(24) == looks(24) - looks(12) > 0


def test_comprehensions_are_batched():
    x = np.sin(np.arange(60.0)).reshape(3, 20)
    for function in (idioms.comprehension_with_a_branch, idioms.sum_with_a_condition):
        assert_same(sf.vmap(function)(x), np.stack([function(row) for row in x]))
    grown = sf.vmap(idioms.list_that_grows)(x[:, :, None])
    assert_same(grown, np.stack([idioms.list_that_grows(row[:, None]) for row in x]))
