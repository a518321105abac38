"""Sums of products by index letters: einsum, einsum_path."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, ShapeError

from .. import numpy as snp
from ..tracing.dispatch import numpy_like
from .products import contract, shown
from .shared import broadcast_shapes, call, common_dtype, traced

__all__ = ["einsum", "einsum_path"]

_Term = tuple[Any, str]
_ORDERED = 5  # of so many operands the best order is searched for
_SIZE = 64  # stands for a symbolic size when orders are compared
_UNLIMITED = 2**62


@numpy_like(np.einsum)
def einsum(subscripts: Any, /, *operands: Any, optimize: Any = True, **named: Any) -> Any:
    """Sums of products by index letters, as "bij,jk->bik", with ... for axes that are broadcast.

    Pairs are multiplied in the order that NumPy's einsum_path finds for their sizes; `optimize`
    names its method, or is the path.
    """
    if set(named) - {"out", "dtype", "order", "casting"}:
        raise TypeError(f"einsum() takes no argument {sorted(named)[0]!r}")
    text, arrays = _lettered(subscripts, operands)
    inputs, output, arrays = _parsed(text, arrays)
    if named.get("dtype") is not None:
        arrays = [snp.astype(x, named["dtype"]) for x in arrays]
    terms = [_without_repeats(x, letters) for x, letters in zip(arrays, inputs, strict=True)]
    _check_sizes(terms)
    for step in _order(inputs, output, arrays, optimize):
        chosen = [terms[at] for at in step]
        terms = [term for at, term in enumerate(terms) if at not in step]
        terms.append(_joined(chosen, set(output).union(*(letters for _, letters in terms))))
    x, letters = _summed(*terms[0], set(output))
    if letters == output and len(arrays) > 1:
        return x
    return snp.transpose(x, tuple(letters.index(letter) for letter in output))


@numpy_like(np.einsum_path)
def einsum_path(subscripts: Any, /, *operands: Any, optimize: Any = "greedy") -> tuple[Any, str]:
    """The order of products that `einsum` takes, and a text about its cost."""
    text, arrays = _lettered(subscripts, operands)
    return np.einsum_path(text, *map(_dummy, arrays), optimize=optimize)


def _dummy(x: Any) -> Any:
    """An array of the same shape that takes no memory."""
    return np.broadcast_to(0.0, tuple(n if isinstance(n, int) else _SIZE for n in x.shape))


def _order(inputs: list[str], output: str, arrays: list[Any], optimize: Any) -> list[Any]:
    """Which terms are multiplied, step by step; results come last."""
    if len(arrays) == 1:
        return []
    method: Any = optimize
    if optimize is True or optimize is False:
        method = ("optimal" if len(arrays) <= _ORDERED else "greedy", _UNLIMITED)
    text = f"{','.join(inputs)}->{output}"
    path, _ = np.einsum_path(text, *map(_dummy, arrays), optimize=method)
    return path[1:]


# reading the subscripts


def _lettered(subscripts: Any, operands: Any) -> tuple[str, list[Any]]:
    """The subscripts as text, also where they are lists of numbers behind each array."""
    if isinstance(subscripts, str):
        return subscripts.replace(" ", ""), [traced(x) for x in operands]
    parts = [subscripts, *operands]
    last = parts.pop() if len(parts) % 2 else None
    arrays = [traced(x) for x in parts[::2]]
    text = ",".join(map(_word, parts[1::2]))
    return (text if last is None else f"{text}->{_word(last)}"), arrays


def _word(numbers: Any) -> str:
    return "".join("..." if n is Ellipsis else string.ascii_letters[n] for n in numbers)


def _parsed(text: str, arrays: list[Any]) -> tuple[list[str], str, list[Any]]:
    """The letters of each array and of the result, with letters for broadcast axes as well."""
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    wrong = set(text.replace("...", "")) - set(string.ascii_letters) - set(",->")
    if wrong or len(inputs) != len(arrays):
        reason = f"characters {wrong}" if wrong else f"{len(inputs)} terms for {len(arrays)} arrays"
        raise ArgumentError(
            f"einsum {text!r}: {reason}",
            fix='write one letter for each axis: "bij,bjk->bik"',
            loc=user_location(),
        )
    if not arrow:
        letters = "".join(inputs).replace("...", "")
        free = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
        output = ("..." if "..." in left else "") + free
    return _with_ellipsis(inputs, output, arrays) if "..." in text else (inputs, output, arrays)


def _with_ellipsis(
    inputs: list[str], output: str, arrays: list[Any]
) -> tuple[list[str], str, list[Any]]:
    counts = [x.ndim - len(w.replace("...", "")) for x, w in zip(arrays, inputs, strict=True)]
    covered = [max(n, 0) if "..." in word else 0 for n, word in zip(counts, inputs, strict=True)]
    most = max(covered)
    spare = [c for c in string.ascii_letters if c not in "".join([*inputs, output])][:most]
    words, broadcast = [], []
    shapes = [
        x.shape[w.index("...") : w.index("...") + n]
        for x, w, n in zip(arrays, inputs, covered, strict=True)
        if "..." in w
    ]
    common = broadcast_shapes(*shapes)
    for x, word, count in zip(arrays, inputs, covered, strict=True):
        words.append(word.replace("...", "".join(spare[most - count :])))
        if "..." in word:
            at = word.index("...")
            shape = (*x.shape[:at], *common[most - count :], *x.shape[at + count :])
            x = snp.broadcast_to(x, shape)
        broadcast.append(x)
    return words, output.replace("...", "".join(spare)), broadcast


# terms


def _without_repeats(x: Any, letters: str) -> _Term:
    """The diagonals where a letter names two axes."""
    if x.ndim != len(letters):
        raise ShapeError(
            f"einsum: {letters!r} names {len(letters)} axes of {shown(x)}",
            fix="write one letter for each axis, or ... for the others",
            loc=user_location(),
        )
    for letter in sorted(set(letters)):
        while letters.count(letter) > 1:
            i = letters.index(letter)
            j = letters.index(letter, i + 1)
            x = snp.diagonal(x, 0, i, j)
            letters = letters[:i] + letters[i + 1 : j] + letters[j + 1 :] + letter
    return x, letters


def _check_sizes(terms: list[_Term]) -> None:
    """Raise if a letter has two sizes; an axis of size 1 is repeated."""
    known: dict[str, tuple[Any, Any]] = {}
    for x, letters in terms:
        for c, size in zip(letters, x.shape, strict=True):
            first, met = known.setdefault(c, (x, size))
            if met == 1:
                known[c] = (x, size)
            elif is_equal(size, 1) is not True and is_equal(size, met) is False:
                raise ShapeError(
                    f"einsum: index {c} has two sizes: {shown(first)}, {shown(x)}",
                    fix="arrays that share a letter have one size there",
                    loc=user_location(),
                )


def _joined(terms: list[_Term], needed: set[str]) -> _Term:
    """The product of terms, without the letters that nothing else needs."""
    found, *rest = terms
    while rest:
        second, *rest = rest
        found = _pair(found, second, needed.union(*(letters for _, letters in rest)))
    return _summed(*found, needed)


def _pair(first: _Term, second: _Term, needed: set[str]) -> _Term:
    (x, xs), (y, ys) = _fitted(first, second)
    x, xs = _summed(x, xs, needed | set(ys))
    y, ys = _summed(y, ys, needed | set(xs))
    both = [c for c in xs if c in ys]
    batch, dropped = [c for c in both if c in needed], [c for c in both if c not in needed]
    product = contract(
        x, y,
        ([xs.index(c) for c in batch], [ys.index(c) for c in batch]),
        ([xs.index(c) for c in dropped], [ys.index(c) for c in dropped]),
    )  # fmt: skip
    free = [c for c in xs if c not in both], [c for c in ys if c not in both]
    return product, "".join([*batch, *free[0], *free[1]])


def _fitted(first: _Term, second: _Term) -> tuple[_Term, _Term]:
    """Two terms whose common letters have one size each: where one has 1, it is repeated."""
    (x, xs), (y, ys) = first, second
    for c in (c for c in xs if c in ys):
        i, j = xs.index(c), ys.index(c)
        n, m = x.shape[i], y.shape[j]
        if is_equal(n, m) is not False:
            continue
        x, xs = (x[(*(slice(None),) * i, 0)], xs.replace(c, "")) if n == 1 else (x, xs)
        y, ys = (y[(*(slice(None),) * j, 0)], ys.replace(c, "")) if m == 1 else (y, ys)
    return (x, xs), (y, ys)


def _summed(x: Any, letters: str, needed: set[str]) -> _Term:
    """The term without the letters that nothing else needs."""
    axes = tuple(i for i, c in enumerate(letters) if c not in needed)
    if not axes:
        return x, letters
    total = "reduce_any" if common_dtype(x).is_bool else "reduce_sum"
    return call(total, x, axes=axes), "".join(c for c in letters if c in needed)
