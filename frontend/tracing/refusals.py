"""What Python raises for wrong arguments, as errors that name the user's line and the call."""

from __future__ import annotations

import inspect
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from traceback import walk_tb
from typing import Any

from symfuse.compiler.ir.dims import Expr
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import (
    ArgumentError,
    ShapeError,
    SymfuseError,
    TraceError,
    UnsupportedError,
)

from .hints import rewritten
from .places import raised_at

__all__ = ["PLAIN", "NoValueError", "OutOfRangeError", "about_call", "about_value"]

PLAIN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What functions raise, of Python's own errors, for arguments that they cannot take."""


class NoValueError(TraceError):
    """A line that needs a traced value to go on, as it is written; rewritten it may not."""

    is_final = False  # True: rewriting has been tried


class OutOfRangeError(ShapeError, IndexError):
    """An index outside the array."""


def about_value(error: Exception) -> TraceError | None:
    """The error for a traced value, or a symbolic size, where Python needs one that is known;
    None if the error tells of something else."""
    if isinstance(error, ValueError) and "setting an array element" in str(error):
        loc = raised_at(error) or user_location()
        return TraceError(
            "a traced value cannot be written into a NumPy array",
            fix=rewritten("conversion to a NumPy array", loc.source() if loc else ""),
            loc=loc,
        )
    is_about_sizes = re.search(r"\b(Expr|Size)\b", str(error)) is not None
    if (isinstance(error, TypeError) and is_about_sizes) or _is_given_a_size(error):
        return NoValueError(
            f"a symbolic size stands where a number is needed ({error})",
            fix="use symfuse.numpy here (snp.arange, snp.zeros), or give the spec a number",
            loc=raised_at(error) or user_location(),
        )
    return None


def _is_given_a_size(error: Exception) -> bool:
    """Whether a function of NumPy's that is written in Python has raised at a symbolic size."""
    *_, (found, _) = walk_tb(error.__traceback__)
    is_numpys = str(found.f_globals.get("__name__", "")).partition(".")[0] == "numpy"
    return is_numpys and any(isinstance(value, Expr) for value in found.f_locals.values())


def about_call(
    error: Exception,
    name: str,
    build: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> SymfuseError:
    """The error for a call of a function with arguments that it failed at."""
    signature = _bare(inspect.signature(build))
    fix, loc = f"it takes {signature}", user_location()
    try:
        signature.bind(*args, **kwargs)
    except TypeError as unbound:
        return UnsupportedError(f"{name}: {unbound} when it is traced", fix=fix, loc=loc)
    given = [*map(_Shown().repr, args), *(f"{k}={_Shown().repr(v)}" for k, v in kwargs.items())]
    what = f"{name}: {error}, in {name}({', '.join(given)})"
    return _fitting(error)(what, fix=fix, loc=loc)


def _bare(signature: inspect.Signature) -> inspect.Signature:
    """The signature without annotations."""
    empty = inspect.Parameter.empty
    parameters = [one.replace(annotation=empty) for one in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=empty)


def _fitting(error: Exception) -> type[SymfuseError]:
    """The error of symfuse that is also what Python raised, where there is one."""
    if isinstance(error, IndexError):
        return OutOfRangeError
    return ShapeError if isinstance(error, ValueError) else ArgumentError


class _Shown(reprlib.Repr):
    """Arguments in a line: arrays by their types."""

    def repr_Tracer(self, x: Any, level: int) -> str:
        return str(x._node.type)

    def repr_ndarray(self, x: Any, level: int) -> str:
        return f"{x.dtype}[{','.join(map(str, x.shape))}]"
