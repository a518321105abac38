"""Messages and checks with values that are known only when the program runs."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, TraceError
from symfuse.runtime.reports import failure, render

from ..tracing.trace import Trace, call, current
from ..tracing.tracer import Tracer

__all__ = ["check", "print"]

_print = print


def print(fmt: str, *args: Any, **kwargs: Any) -> None:
    """Print a message with the values of arrays when the program comes to it.

    `fmt` is a format string as of `str.format`; arrays are formatted element by element. In a
    compiled function the messages come in the order of the statements, each time that the program
    runs, in loops in every turn; of a batch (`vmap`), all at once. What is printed is the same
    whether the function is compiled, differentiated or run as it is. Compiling for a device raises
    UnsupportedError.

    >>> import symfuse as sf
    >>> @sf.jit
    ... def double(x):
    ...     sf.debug.print("x is {:.2f}", x)
    ...     return 2 * x
    >>> float(double(1.5))
    x is 1.50
    3.0
    """
    text, values = _parted("print", fmt, args, kwargs)
    trace = _trace(values)
    if trace is None:
        _print(render(text, [np.asarray(value) for value in values]))
    else:
        trace.tell("debug_print", values, {"text": text, **_place()})


def check(condition: Any, message: str = "it does not hold", *args: Any, **kwargs: Any) -> None:
    """Raise CheckError at this line if a condition does not hold for every element.

    The message is a format string with values, as for `print`. A compiled function runs to its end
    and raises then; of several failures it raises the first. Compiling for a device raises
    UnsupportedError.

    >>> import symfuse as sf
    >>> sf.debug.check(1 > 0, "one is {}", 1)
    """
    text, values = _parted("check", message, args, kwargs)
    given = [condition, *values]
    trace = _trace(given)
    if trace is not None:
        if not isinstance(condition, Tracer):
            given[0] = np.asarray(condition, bool)
        elif not condition._node.dtype.is_bool:
            given[0] = call("not_equal", condition, 0)
        trace.tell("debug_check", given, {"text": text, **_place()})
        return
    place = _place()
    arrays = [np.asarray(condition, bool), *(np.asarray(value) for value in values)]
    error = failure(text, (place["filename"], place["line"]), arrays)
    if error is not None:
        raise type(error)(error.what, loc=user_location())


def _parted(what: str, fmt: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The message with all that is known written out, its fields numbered, and their values."""
    values: list[Any] = []
    parts: list[str] = []
    numbers = iter(range(len(args)))
    try:
        for literal, field, spec, conversion in string.Formatter().parse(fmt):
            parts.append(_escaped(literal))
            if field is not None:
                parts.append(_field(field, spec, conversion, (args, kwargs, numbers), values))
    except (KeyError, IndexError, ValueError, StopIteration):
        names = f" and {', '.join(kwargs)}" if kwargs else ""
        raise ArgumentError(
            f"debug.{what}: the message {fmt!r} does not fit the {len(args)} values given{names}",
            fix="give one value for each pair of braces",
            loc=user_location(),
        ) from None
    return "".join(parts), values


def _field(field: str, spec: Any, conversion: Any, given: Any, values: list[Any]) -> str:
    args, kwargs, numbers = given
    name = field.partition(".")[0].partition("[")[0]
    rest = field[len(name) :]
    if not name:
        name = str(next(numbers))
    value = args[int(name)] if name.isdigit() else kwargs[name]
    tail = (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
    if not isinstance(value, Tracer | np.ndarray):
        return _escaped(render("{0" + rest + tail + "}", [value]))
    values.append(value)
    return f"{{{len(values) - 1}{rest}{tail}}}"


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _trace(values: Sequence[Any]) -> Trace | None:
    """The trace that is running; those of placeholders have no order that values come in."""
    trace = current(values)
    if trace is not None and trace.is_free:
        raise TraceError(
            "placeholders have no order in which values could be told of",
            fix="trace a function: sf.trace(f, specs), or print what the graph returns",
            loc=user_location(),
        )
    return trace


def _place() -> dict[str, Any]:
    loc = user_location()
    return {"filename": loc.filename, "line": loc.line} if loc else {}
