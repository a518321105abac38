"""Every SYMFUSE_* switch as one row: its values, its default, and one sentence."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from .errors import OptionError, nearest

__all__ = ["OPTIONS", "Option", "Setting", "describe", "get", "reload", "using"]


class Option(NamedTuple):
    """One switch; `kind` names how its text is read, `also` a variable honoured in its absence."""

    name: str
    kind: str
    default: Any
    doc: str
    choices: tuple[str, ...] = ()
    also: str = ""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"SYMFUSE_{self.name.upper()}"

    @property
    def allowed(self) -> str:
        """What its value may be, in words."""
        return _KINDS[self.kind].allowed(self)


class Setting(NamedTuple):
    """An option with the value in force and where that came from."""

    option: Option
    value: Any
    source: str


class _Kind(NamedTuple):
    """How one kind of value is read from text (a ValueError refuses it) and described."""

    read: Callable[[Option, str], Any]
    allowed: Callable[[Option], str]


def _read_flag(option: Option, text: str) -> bool:
    return {"1": True, "true": True, "0": False, "false": False}[text.lower()]


def _read_choice(option: Option, text: str) -> str:
    return option.choices[option.choices.index(text)]


def _read_list(option: Option, text: str) -> tuple[str, ...]:
    return tuple(_read_choice(option, part.strip()) for part in text.split(",") if part.strip())


def _read_count(option: Option, text: str) -> int:
    outermost = text.split(",")[0]  # OMP_NUM_THREADS lists one count for each level of nesting
    if not (count := int(outermost)) > 0:
        raise ValueError(text)
    return count


def _read_number(option: Option, text: str) -> int:
    if (number := int(text)) < 0:
        raise ValueError(text)
    return number


_KINDS = {
    "flag": _Kind(_read_flag, lambda option: "0 or 1"),
    "level": _Kind(
        lambda option, text: int(_read_choice(option, text)),
        lambda option: f"{option.choices[0]} to {option.choices[-1]}",
    ),
    "choice": _Kind(_read_choice, lambda option: " or ".join(option.choices)),
    "list": _Kind(
        _read_list, lambda option: f"a comma-separated list of {', '.join(option.choices)}"
    ),
    "count": _Kind(_read_count, lambda option: "a whole number from 1"),
    "number": _Kind(_read_number, lambda option: "a whole number from 0"),
    "folder": _Kind(
        lambda option, text: os.path.expanduser(text), lambda option: "the path of a folder"
    ),
    "path": _Kind(
        lambda option, text: os.path.expanduser(text),
        lambda option: "the path of a file or a folder",
    ),
}

_ROWS = (
    Option(
        "debug",
        "level",
        0,
        "Prints more and more of each compilation: 1 a line with times, 2 at the first call the "
        "time of each kernel with GFLOP/s and GB/s, 3 the fused graph and how its kernels walk it, "
        "4 the generated code, 5 the assembly.",
        choices=("0", "1", "2", "3", "4", "5"),
    ),
    Option(
        "log",
        "list",
        (),
        "Shows these channels of the standard logging on the error stream.",
        choices=("passes", "fusion", "recompiles", "cache", "memory"),
    ),
    Option(
        "dump",
        "folder",
        None,
        "Writes the graph after each pass of every compilation into this folder.",
    ),
    Option(
        "cache_dir", "folder", None, "Keeps compiled code here instead of the user's cache folder."
    ),
    Option("cache", "flag", True, "Keeps compiled code on disk and finds it again by content."),
    Option(
        "num_threads",
        "count",
        None,
        "Limits the threads of one call; the default is the cores that this process may use.",
        also="OMP_NUM_THREADS",
    ),
    Option(
        "cublas",
        "choice",
        "auto",
        "Has cuBLASLt compute large products on a CUDA device where it is there, or never.",
        choices=("auto", "never"),
    ),
    Option(
        "cuda_streams",
        "count",
        4,
        "Lets at most so many branches of small launches run side by side on a device.",
    ),
    Option(
        "target",
        "choice",
        "cpu",
        "Compiles for this machine where the call names none; interpret runs graphs by NumPy.",
        choices=("cpu", "cuda", "interpret"),
    ),
    Option(
        "cuda_driver",
        "path",
        None,
        "Loads this library, or the libcuda.so.1 in this folder, as the CUDA driver.",
    ),
    Option(
        "cudnn",
        "choice",
        "auto",
        "Has cuDNN compute convolutions and attention on a CUDA device where it is there and "
        "faster, always (an error where it cannot), or never.",
        choices=("auto", "always", "never"),
    ),
    Option("cuda_device", "number", 0, "Uses this device where several are there."),
    Option(
        "numerics",
        "choice",
        "strict",
        "Keeps IEEE and NumPy semantics, or lets rewriting change the last digits for speed.",
        choices=("strict", "fast"),
    ),
    Option(
        "debug_nans",
        "flag",
        False,
        "Looks for NaN in the results of compiled code, and names the line that it comes from.",
    ),
    Option(
        "verify",
        "flag",
        False,
        "Checks the graph after each pass, each kernel, and what a program touches of its memory.",
    ),
)

OPTIONS: dict[str, Option] = {row.name: row for row in _ROWS}

_NOTHING: Mapping[str, Any] = {}
_overrides: ContextVar[Mapping[str, Any]] = ContextVar("symfuse_options", default=_NOTHING)
_environment: dict[str, Setting] = {}


def get(name: str) -> Any:
    """The value in force: of the innermost `using`, else of the environment, else the default."""
    overrides = _overrides.get()
    return overrides[name] if name in overrides else _setting(name).value


@contextmanager
def using(**values: Any) -> Iterator[None]:
    """Set options for the statements inside; threads started there do not see it."""
    checked = {name: _checked(_row(name), value) for name, value in values.items()}
    token = _overrides.set({**_overrides.get(), **checked})
    try:
        yield
    finally:
        _overrides.reset(token)


def describe() -> tuple[Setting, ...]:
    """Every option with its value and the source of it, in the order of the table."""
    overrides = _overrides.get()
    return tuple(
        Setting(row, overrides[row.name], "using") if row.name in overrides else _setting(row.name)
        for row in _ROWS
    )


def reload() -> None:
    """Forget what was read of the environment, so that the next use reads it again."""
    _environment.clear()


def _setting(name: str) -> Setting:
    if not _environment:
        _environment.update({row.name: _from_environment(row) for row in _ROWS})
        _warn_of_misspellings()
    return _environment[_row(name).name]


def _from_environment(row: Option) -> Setting:
    for variable in filter(None, (row.variable, row.also)):
        if text := os.environ.get(variable, "").strip():
            return Setting(row, _read(row, text, source=variable), variable)
    return Setting(row, row.default, "default")


def _checked(row: Option, value: Any) -> Any:
    if value is None and row.default is None:
        return None
    if isinstance(value, tuple | list):
        value = ",".join(map(str, value))
    return _read(row, str(value), source=row.name)


def _read(row: Option, text: str, *, source: str) -> Any:
    try:
        return _KINDS[row.kind].read(row, text)
    except (ValueError, KeyError):
        what = f"{source}={text} is not a value of this option"
        raise OptionError(what, fix=f"set {source} to {row.allowed}") from None


def _row(name: str) -> Option:
    if name in OPTIONS:
        return OPTIONS[name]
    raise OptionError(f"symfuse has no option {name!r}", fix=_nearest(name, list(OPTIONS)))


def _warn_of_misspellings() -> None:
    known = [row.variable for row in _ROWS]
    for variable in sorted(os.environ):
        if variable.startswith("SYMFUSE_") and variable not in known:
            message = f"symfuse has no option {variable}: {_nearest(variable, known)}"
            warnings.warn(message, stacklevel=4)


def _nearest(name: str, known: list[str]) -> str:
    close = nearest(name, known)
    return f"use {close}" if close else f"use one of {', '.join(known)}"
