"""Rows in order, by the sorts of NumPy.

Its quick sorts use the widest vectors that there are and need no memory, but exchange equal
elements: positions of these are put in order afterwards, so that any sort of them is a stable one.
Integers of up to two bytes are counted faster than compared, by the stable sorts, which want
memory: where they get none, they say so and have changed nothing.
"""

from __future__ import annotations

from symfuse.runtime.dtypes import DType
from symfuse.runtime.host.sorting import PREFIX

from .records import call
from .writer import Writer, llvm_type

__all__ = ["write_positions", "write_sorted"]

_COUNTED = 2  # bytes of integers up to which the stable sorts are the faster ones


def write_sorted(w: Writer, dtype: DType, source: str, target: str, size: str) -> None:
    """A row as it is in ascending order."""
    nbytes = w.emit(f"mul i64 {size}, {dtype.itemsize}")
    call(w, "ptr", "memcpy", f"ptr {target}", f"ptr {source}", f"i64 {nbytes}")
    with w.when(w.emit(f"icmp sgt i64 {size}, 1")):
        if dtype.itemsize > _COUNTED:
            _sort(w, dtype, "quick", target, size)
        else:
            failed = _sort(w, dtype, "stable", target, size)
            with w.when(w.emit(f"icmp ne i32 {failed}, 0")):
                _sort(w, dtype, "quick", target, size)


def write_positions(w: Writer, dtype: DType, source: str, target: str, size: str) -> None:
    """The positions that the elements of a row in ascending order have had."""
    with w.loop(0, size, hint="place") as place:
        w.line(f"store i64 {place.index}, ptr {_at(w, 'i64', target, place.index)}")
    with w.when(w.emit(f"icmp sgt i64 {size}, 1")):
        if dtype.itemsize > _COUNTED:
            _quick_positions(w, dtype, source, target, size)
        else:
            failed = _sort_positions(w, dtype, "stable", source, target, size)
            with w.when(w.emit(f"icmp ne i32 {failed}, 0")):
                _quick_positions(w, dtype, source, target, size)


def _quick_positions(w: Writer, dtype: DType, source: str, target: str, size: str) -> None:
    """The same, where equal elements are exchanged on the way."""
    _sort_positions(w, dtype, "quick", source, target, size)
    begin = w.alloca("i64", 8)
    w.line(f"store i64 0, ptr {begin}, align 8")
    with w.loop(1, w.emit(f"add i64 {size}, 1"), hint="place") as place:
        first = w.emit(f"load i64, ptr {begin}, align 8")
        inside = w.emit(f"icmp slt i64 {place.index}, {size}")
        here = w.emit(f"select i1 {inside}, i64 {place.index}, i64 {first}")
        keys = [_key(w, dtype, source, _at(w, "i64", target, at)) for at in (first, here)]
        ties = w.emit(f"and i1 {inside}, {_is_equal(w, dtype, *keys)}")
        with w.when(w.emit(f"xor i1 {ties}, true")):
            count = w.emit(f"sub i64 {place.index}, {first}")
            with w.when(w.emit(f"icmp sgt i64 {count}, 1")):
                _sort(w, DType.I64, "quick", _at(w, "i64", target, first), count)
            w.line(f"store i64 {place.index}, ptr {begin}, align 8")


def _key(w: Writer, dtype: DType, source: str, position: str) -> str:
    """The element whose position lies there."""
    kind = _in_memory(dtype)
    at = w.emit(f"load i64, ptr {position}, align 8")
    return w.emit(f"load {kind}, ptr {_at(w, kind, source, at)}, align {dtype.itemsize}")


def _is_equal(w: Writer, dtype: DType, before: str, after: str) -> str:
    """Whether of two elements in order neither comes first: only NaN comes behind NaN."""
    kind = _in_memory(dtype)
    if not dtype.is_float:
        return w.emit(f"icmp eq {kind} {before}, {after}")
    same = w.emit(f"fcmp oeq {kind} {before}, {after}")
    return w.emit(f"or i1 {same}, {w.emit(f'fcmp uno {kind} {before}, {before}')}")


def _in_memory(dtype: DType) -> str:
    return llvm_type(dtype) if dtype.is_float else f"i{8 * dtype.itemsize}"


def _at(w: Writer, kind: str, base: str, index: str) -> str:
    return w.emit(f"getelementptr {kind}, ptr {base}, i64 {index}")


def _sort(w: Writer, dtype: DType, kind: str, row: str, size: str) -> str:
    operands = (f"ptr {row}", f"i64 {size}", "ptr null")
    return call(w, "i32", f"{PREFIX}{dtype.value}_{kind}", *operands)


def _sort_positions(w: Writer, dtype: DType, kind: str, row: str, positions: str, size: str) -> str:
    operands = (f"ptr {row}", f"ptr {positions}", f"i64 {size}", "ptr null")
    return call(w, "i32", f"{PREFIX}{dtype.value}_{kind}_positions", *operands)
