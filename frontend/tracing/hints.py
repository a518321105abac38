"""Rewrites a line that needs a traced value into one that can be traced."""

from __future__ import annotations

import re

__all__ = ["rewritten"]

_STATIC = "or make the argument static (static_argnums) if it may be compiled in"
_ADVICE = {
    "int()": "use x.astype('int64'), which stays traced",
    "float()": "use x.astype('float64'), which stays traced",
    "complex()": "use x.astype, which stays traced",
    "iteration": "write it for the whole array, or loop over range(x.shape[0]) and use x[i]",
    "conversion to a NumPy array": "use symfuse.numpy here: snp.stack([a, b]) instead of "
    "np.array([a, b]), snp.asarray(x) instead of np.array(x)",
    "an index or size": f"index with snp.take(x, i, axis=0), {_STATIC}",
    "item()": "leave out .item(): arrays of rank 0 work as numbers",
    "tolist()": "return the array and convert it outside",
    "a format": "print it outside, from the returned value",
    "len() of a symbolic size": "use x.shape[0]",
}
_LINES = (
    (r"^(?:el)?if\s+(.+):", "write the choice as snp.where({0}, a, b)"),
    (r"^while\s+(.+):", "loop a fixed number of times and keep by snp.where({0}, new, old)"),
    (r"^assert\s+(.+)", "check {0} outside, on the returned value"),
    (r"\b(max|min)\((.+?)\)", "write snp.{0}imum({1})"),
    (r"(?:return|=)\s*(.+?)\s+if\s+(.+?)\s+else\s+(.+)", "write snp.where({1}, {0}, {2})"),
    (r"\bnot\s+([\w.]+)", "write snp.logical_not({0})"),
    (r"([\w.()<>=! ]+?)\s+(and|or)\s+(.+)", "write snp.logical_{1}({0}, {2})"),
    (r"([\w.]+)\s*(<=?|>=?)\s*([\w.]+)\s*(<=?|>=?)\s*([\w.]+)",
     "write snp.logical_and({0} {1} {2}, {2} {3} {4})"),
)  # fmt: skip


def rewritten(what: str, line: str) -> str:
    """The advice for a use of a traced value as `what` in this line of the user's."""
    if what != "a branch":
        return _ADVICE.get(what, "")
    for pattern, advice in _LINES:
        if found := re.search(pattern, line):
            return f"{advice.format(*found.groups())}, {_STATIC}"
    return f"write the choice as snp.where(condition, a, b), {_STATIC}"
