"""Rewrites a line that needs a traced value into one that can be traced."""

from __future__ import annotations

import re

__all__ = ["rewritten"]

_STATIC = "or make the argument static (static_argnums) if it may be compiled in"
_ADVICE = {
    "hashing": "do not keep traced values in dicts, sets and caches; index an array: "
    "snp.asarray(values)[i]",
    "int()": "use x.astype('int64'), which stays traced",
    "float()": "use x.astype('float64'), which stays traced",
    "complex()": "use x.astype, which stays traced",
    "iteration": "write it for the whole array, or loop over range(x.shape[0]) and use x[i]",
    "conversion to a NumPy array": "use symfuse.numpy here: snp.stack([a, b]) instead of "
    "np.array([a, b]), snp.asarray(x) instead of np.array(x)",
    "an index or size": f"index with snp.take(x, i, axis=0), {_STATIC}",
    "item()": "leave out .item(): arrays of rank 0 work as numbers",
    "tolist()": "return the array and convert it outside",
    "formatting": "print it outside, from the returned value, or write sf.debug.print",
    "len() of a symbolic size": "use x.shape[0]",
}
_CONVERSIONS = (
    (
        r"^([\w.]+)\[(.+?)\]\s*[-+*/@]?=(?!=)",
        "make it an array of the graph before the write: {0} = snp.array({0}), or snp.zeros "
        "instead of np.zeros",
    ),
    (r"([\w.]+)\[([^\]\[,]+)\]", "write snp.asarray({0})[{1}]"),
)
_SIZES = (
    (
        r"\b(arange|linspace|zeros|ones|full|empty|eye|tile|repeat|reshape|broadcast_to)\(",
        "sizes have to be known: use those of arrays (x.shape[0]) and numbers, " + _STATIC,
    ),
)
_MATH = ((r"\bmath\.(\w+)\(", "write snp.{0}, which takes traced values"),)
_LINES = (
    (r"^(?:el)?if\s+(.+):", "write the choice as snp.where({0}, a, b)"),
    (r"^while\s+(.+):", "loop a fixed number of times and keep by snp.where({0}, new, old)"),
    (r"^assert\s+(.+)", "check {0} outside, on the returned value"),
    (r"\b(max|min)\(.*\bkey=", "write snp.arg{0} of an array of the keys, and index by it"),
    (r"\b(max|min)\(([^()]+,[^()]+)\)", "write snp.{0}imum({1})"),
    (r"(?:return|=)\s*(.+?)\s+if\s+(.+?)\s+else\s+(.+)", "write snp.where({1}, {0}, {2})"),
    (r"\bnot\s+([\w.]+)", "write snp.logical_not({0})"),
    (r"([\w.()<>=! ]+?)\s+(and|or)\s+(.+)", "write snp.logical_{1}({0}, {2})"),
    (r"([\w.]+)\s*(<=?|>=?)\s*([\w.]+)\s*(<=?|>=?)\s*([\w.]+)",
     "write snp.logical_and({0} {1} {2}, {2} {3} {4})"),
)  # fmt: skip


_BY_LINE = {
    "conversion to a NumPy array": (*_SIZES, *_CONVERSIONS),
    "an index or size": _SIZES,
    "int()": (*_SIZES, *_MATH),
    "float()": _MATH,
}
"""Advice that the line of the user's tells, before that for any line."""


def rewritten(what: str, line: str) -> str:
    """The advice for a use of a traced value as `what` in this line of the user's."""
    if what == "a branch":
        advice = _fitting(_LINES, line) or "write the choice as snp.where(condition, a, b)"
        return f"{advice}, {_STATIC}"
    return _fitting(_BY_LINE.get(what, ()), line) or _ADVICE.get(what, "")


def _fitting(patterns: tuple[tuple[str, str], ...], line: str) -> str:
    """The advice of the first pattern that is found in a line."""
    for pattern, advice in patterns:
        if found := re.search(pattern, line):
            return advice.format(*found.groups())
    return ""
