"""Arrays and lists of Python in rewritten code, where a traced value picks their elements."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location

from ..tracing.dispatch import FUNCTIONS, call_numpy, has_tracer
from ..tracing.refusals import NoValueError
from ..tracing.rows import Rows
from ..tracing.tracer import Tracer
from ..tracing.tree import flatten
from .states import is_array

__all__ = ["array_like", "item"]

Function = Callable[..., Any]


def item(values: Any, key: Any) -> Any:
    """`values[key]`."""
    if isinstance(values, Tracer | Rows) or not has_tracer(key if type(key) is tuple else (key,)):
        return values[key]
    if isinstance(values, np.ndarray):
        return FUNCTIONS["asarray"](values)[key]
    if type(values) in (list, tuple) and _is_place(key):
        return _picked(values, key)
    return values[key]


def _is_place(key: Any) -> bool:
    return isinstance(key, Tracer) and not key._node.shape and key._node.dtype.is_integer


def _picked(values: Any, key: Any) -> Any:
    """The element of a list of arrays or numbers that a traced number picks."""
    parts = [flatten(value) for value in values]
    trees = {str(tree) for _, tree in parts}
    if len(trees) != 1 or not all(is_array(leaf) for leaves, _ in parts for leaf in leaves):
        raise NoValueError(
            f"an element of a {type(values).__name__} of {_kinds(values)} is picked by {key!r}, "
            "which is known only when the graph runs",
            fix="pick between arrays: sf.switch(i, [lambda: a, lambda: b]), or make the index a "
            "static argument (static_argnums)",
            loc=user_location(),
        )
    tree = parts[0][1]
    return tree.unflatten(
        [_of_column(column, key) for column in zip(*(p for p, _ in parts), strict=True)]
    )


def _kinds(values: Any) -> str:
    return " and ".join(sorted({type(value).__name__ for value in values})) or "nothing"


def _of_column(column: Any, key: Any) -> Any:
    found = FUNCTIONS["stack"](column)[key]
    found._weak = all(type(one) in (bool, int, float, complex) for one in column)
    return found


def array_like(function: Any) -> Function | None:
    """A function of arrays that takes lists of traced values as well; None if it is no such."""
    made = _MAKERS.get(id(function))
    module = str(getattr(function, "__module__", None) or type(function).__module__)
    if made is None and not module.startswith(("numpy", "symfuse.numpy", "symfuse.special")):
        return None
    if isinstance(function, type):
        return None

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if made is not None and has_tracer((*args, *kwargs.values())):
            return FUNCTIONS[made](*args, **kwargs)
        if not any(isinstance(value, Rows) for value in (*args, *kwargs.values())):
            return function(*args, **kwargs)
        args = tuple(map(_as_array, args))
        kwargs = {name: _as_array(value) for name, value in kwargs.items()}
        if made is not None:
            return FUNCTIONS[made](*args, **kwargs)
        is_ours = module.startswith("symfuse")
        return function(*args, **kwargs) if is_ours else call_numpy(function, args, kwargs)

    return called


def _as_array(value: Any) -> Any:
    return value.array() if isinstance(value, Rows) else value


_MAKERS = {id(np.array): "array", id(np.asarray): "asarray", id(np.asanyarray): "asarray"}
"""NumPy's functions that ask no traced value whether it knows better."""
