"""Writes docs/reference/numpy.md: what each function of NumPy does with traced values.

python tools/numpy_page.py            writes the page
python tools/numpy_page.py --check    exits with 1 if the page is not what would be written
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import symfuse as sf
from symfuse import numpy as snp
from symfuse.tracing.dispatch import builder_of

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "numpy.md"
STRIDES = "lib.stride_tricks."
NAMESPACES = (("", np), ("linalg.", np.linalg), ("fft.", np.fft), (STRIDES, np.lib.stride_tricks))
TRACED, OURS, EAGER, NOT = "traced", "by symfuse.numpy", "eager only", "not"

# Why a function has no traced form, and what is done instead.
REASONS: dict[tuple[str, str], str] = {
    (EAGER, "The result is text, which needs values."): "array2string array_repr array_str "
    "format_float_positional format_float_scientific",
    (EAGER, "About Python numbers and objects."): "base_repr binary_repr isscalar iterable",
    (EAGER, "About element types: they take `x.dtype`."): "isdtype issubdtype "
    "min_scalar_type mintypecode promote_types typename",
    (EAGER, "Files: load before tracing, save what comes back."): "fromfile fromregex genfromtxt "
    "load loadtxt save savetxt savez savez_compressed",
    (EAGER, "Arrays of what Python objects or buffers hold."): "asarray_chkfinite asmatrix bmat "
    "frombuffer fromiter frompyfunc fromstring nested_iters require",
    (EAGER, "Calls its function on an array of NumPy's own."): "mask_indices",
    (EAGER, "About memory, which a traced array does not have."): "isfortran may_share_memory "
    "shares_memory lib.stride_tricks.as_strided",
    (EAGER, "Settings of NumPy, and questions to it."): "get_include get_printoptions getbufsize "
    "geterr geterrcall info printoptions set_printoptions setbufsize seterr seterrcall "
    "show_config show_runtime test",
    (NOT, "There are no dates."): "busday_count busday_offset datetime_as_string datetime_data "
    "is_busday isnat",
    (NOT, "How many elements there are depends on values: cut at known places."): "trim_zeros",
    (NOT, "Whether the result is complex depends on values: use `real`."): "real_if_close",
    (NOT, "Deprecated in NumPy: use `vstack`."): "row_stack",
}  # fmt: skip


class Entry(NamedTuple):
    """One function of NumPy: whether it can be traced, and by what, or why not."""

    name: str
    kind: str
    why: str


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public functions of NumPy by name."""
    for prefix, module in NAMESPACES:
        for name in sorted(getattr(module, "__all__", dir(module))):
            value = getattr(module, name)
            if callable(value) and not inspect.isclass(value) and name[0] != "_":
                yield prefix + name, value


def entries() -> list[Entry]:
    """What there is to say of each function; raises if nothing is known of one."""
    reasons = {name: reason for reason, names in REASONS.items() for name in names.split()}
    found = [_entry(name, function, reasons) for name, function in functions()]
    needless = set(reasons) - {one.name for one in found if one.kind in (EAGER, NOT)}
    if needless:
        raise ValueError(f"they can be traced, or NumPy has none: {sorted(needless)}")
    return found


def _entry(name: str, function: Callable[..., Any], reasons: dict[str, Any]) -> Entry:
    build = builder_of(function)
    if (
        build is not None
        and _asks_its_arguments(function)
        and not _is_refused(name, build, reasons)
    ):
        return Entry(name, TRACED, _topic(build))
    if name in reasons:
        return Entry(name, *reasons[name])
    part, _, last = name.rpartition(".")
    twin = build.__name__ if build is not None else last
    if not hasattr(getattr(snp, part) if part else snp, twin):
        raise ValueError(f"np.{name} has neither a traced form nor a reason in {__file__}")
    return Entry(name, OURS, f"symfuse.numpy.{f'{part}.' if part else ''}{twin}")


def _is_refused(name: str, build: Callable[..., Any], reasons: dict[str, Any]) -> bool:
    """Whether what stands for a function says why there is no graph, of a square matrix."""
    if name not in reasons:
        return False
    try:
        sf.trace(build, "f64[2,2]")
    except sf.UnsupportedError:
        return True
    return False


def _asks_its_arguments(function: Callable[..., Any]) -> bool:
    """Whether NumPy hands a call to arguments that are arrays of another kind."""
    return isinstance(function, np.ufunc) or hasattr(function, "__wrapped__")


def _topic(build: Callable[..., Any]) -> str:
    text = inspect.getdoc(import_module(build.__module__)) or ""
    return text.split("\n")[0].split(":")[0].rstrip(".")


def needs(name: str, function: Callable[..., Any]) -> str:
    """The argument that says how many elements a traced result has, if the data would."""
    own = inspect.signature(builder_of(function) or function).parameters
    found = [size for size in ("size", "length") if size in own and name != "size"]
    return found[0] if found else ""


def page() -> str:
    """The page."""
    known = entries()
    sized = {name: size for name, function in functions() if (size := _size_of(name, function))}
    named = {one.name: f"`{one.name}`" for one in known}
    named |= {name: f"`{name}` (`{size}=`)" for name, size in sized.items()}
    parts = [_HEAD]
    for kind, text in _TEXTS.items():
        rows: dict[str, list[str]] = {}
        for one in known:
            if one.kind == kind:
                rows.setdefault("" if kind == OURS else one.why, []).append(named[one.name])
        count = sum(map(len, rows.values()))
        parts.append(f"## {kind[0].upper()}{kind[1:]}: {count}\n\n{text}\n")
        parts.append(_table(rows) if kind != OURS else f"{', '.join(rows[''])}.\n")
    parts.append(f"## Not in NumPy\n\n{', '.join(f'`{name}`' for name in _others())}.\n")
    return "\n".join(parts)


def _size_of(name: str, function: Callable[..., Any]) -> str:
    return needs(name, function) if builder_of(function) is not None else ""


_HEAD = """# NumPy on traced values

What each public function of NumPy does with traced values, written by `tools/numpy_page.py` from
what symfuse registers. On arrays every one of them is NumPy's own.
"""
_TEXTS = {
    TRACED: "`np.f(x)` on a traced `x` adds operations to the graph, as `symfuse.numpy.f(x)` does. "
    "Where an\nargument stands in brackets, the result has as many elements as the data say: "
    "`symfuse.numpy.f`\ntakes their greatest number there.",
    OURS: "NumPy does not ask the arguments of these, and makes a constant. Where a size or a\n"
    "value is traced, the function of this name in `symfuse.numpy` makes a traced array.",
    EAGER: "These work beside a trace. On a traced value an error names the line.",
    NOT: "These have no traced form, and an error names the line.",
}


def _table(rows: dict[str, list[str]]) -> str:
    lines = [f"| {why} | {', '.join(names)} |" for why, names in sorted(rows.items())]
    return "\n".join(["| | |", "|---|---|", *lines, ""])


def _others() -> list[str]:
    """The functions of symfuse.numpy that NumPy does not have under the name."""
    names = [n for n in snp.__all__ if callable(getattr(snp, n)) and not hasattr(np, n)]
    names = [n for n in names if not hasattr(np.lib.stride_tricks, n)]
    inner = [f"linalg.{n}" for n in snp.linalg.__all__ if not hasattr(np.linalg, n)]
    return sorted(names) + sorted(inner)


def main() -> int:
    """Write the page, or compare it."""
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
