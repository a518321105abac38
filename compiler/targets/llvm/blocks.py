"""The text of the block cache: large aligned memory that is handed out again, not given back.

Fresh memory costs a page fault per 4 KiB, several times the work of a streaming kernel. Blocks
that are free form a ring, most recently used first; a request takes the first of its size class.
The interpreter lock is held on every path, so the ring needs no lock of its own.
"""

from __future__ import annotations

import sys

from symfuse.runtime.host.layout import ALIGNED, BLOCK, CACHE, CONTIGUOUS, WRITEABLE

from .records import add_to, call, get, put
from .writer import Writer

__all__ = ["BLOCK_CACHE", "blocks_text", "new_array"]

# Python fills in the limit and closes the ring before any code runs.
BLOCK_CACHE = "symfuse_cache"

_PAGE = 1 << 12
_HUGE_PAGE = 1 << 21
_HUGE_FROM = 1 << 22
_MOST_BLOCKS = 512  # bounds the search for a block of the right class
_READ_WRITE = 3
_PRIVATE_ANONYMOUS = 0x1002 if sys.platform == "darwin" else 0x22
_MADV_HUGEPAGE = 14
_RING = f"@{BLOCK_CACHE}"


def blocks_text(declarations: set[str]) -> list[str]:
    """The cache and its functions; what they need declared is added to `declarations`."""
    ring = f"{_RING} = dso_local global [{CACHE.words} x i64] zeroinitializer, align 64"
    parts = (_size_class, _map, _unlink, _unmap, _acquire, _push, _trim, _release, _drop, _array)
    return [ring, *(part(declarations) for part in parts)]


def _size_class(declarations: set[str]) -> str:
    """Round bytes up to an eighth of their power of two, to whole pages or whole huge pages."""
    w = Writer("symfuse_size_class", [("i64", "%bytes")], "i64", "internal", declarations)
    some = call(w, "i64", "llvm.umax.i64", "i64 %bytes", f"i64 {_PAGE}")
    zeros = call(w, "i64", "llvm.ctlz.i64", f"i64 {some}", "i1 true")
    eighth = w.emit(f"shl i64 1, {w.emit(f'sub i64 60, {zeros}')}")
    huge = w.emit(f"icmp uge i64 {some}, {_HUGE_FROM}")
    least = w.emit(f"select i1 {huge}, i64 {_HUGE_PAGE}, i64 {_PAGE}")
    unit = call(w, "i64", "llvm.umax.i64", f"i64 {eighth}", f"i64 {least}")
    w.line(f"ret i64 {_round_up(w, some, unit)}")
    return w.text()


def _round_up(w: Writer, number: str, unit: str) -> str:
    """The next multiple of a power of two."""
    above = w.emit(f"add i64 {number}, {w.emit(f'sub i64 {unit}, 1')}")
    return w.emit(f"and i64 {above}, {w.emit(f'sub i64 0, {unit}')}")


def _map(declarations: set[str]) -> str:
    """A block of fresh memory; null when the system has none."""
    w = Writer("symfuse_map", [("i64", "%size")], "ptr", "internal", declarations)
    huge = w.emit(f"icmp uge i64 %size, {_HUGE_FROM}")
    unit = w.emit(f"select i1 {huge}, i64 {_HUGE_PAGE}, i64 1")
    mapped = w.emit(f"add i64 %size, {w.emit(f'sub i64 {unit}, 1')}")
    flags = (f"i32 {_READ_WRITE}", f"i32 {_PRIVATE_ANONYMOUS}")
    base = call(w, "ptr", "mmap", "ptr null", f"i64 {mapped}", *flags, "i32 -1", "i64 0")
    number = w.emit(f"ptrtoint ptr {base} to i64")
    w.branch_if(w.emit(f"icmp eq i64 {number}, -1"), "refused", "mapped")
    w.start_block("refused")
    w.line("ret ptr null")
    w.start_block("mapped")
    data = w.emit(f"inttoptr i64 {_round_up(w, number, unit)} to ptr")
    if sys.platform == "linux":
        with w.when(huge):
            call(w, "i32", "madvise", f"ptr {data}", "i64 %size", f"i32 {_MADV_HUGEPAGE}")
    block = call(w, "ptr", "malloc", f"i64 {BLOCK.size}")
    put(w, block, BLOCK, "data", data, "ptr")
    put(w, block, BLOCK, "size", "%size")
    put(w, block, BLOCK, "base", base, "ptr")
    put(w, block, BLOCK, "mapped", mapped)
    w.line(f"ret ptr {block}")
    return w.text()


def _unlink(declarations: set[str]) -> str:
    """Take a block out of the ring."""
    w = Writer("symfuse_unlink", [("ptr", "%block")], "void", "internal", declarations)
    following = get(w, "%block", BLOCK, "next", "ptr")
    previous = get(w, "%block", BLOCK, "previous", "ptr")
    put(w, previous, BLOCK, "next", following, "ptr")
    put(w, following, BLOCK, "previous", previous, "ptr")
    size = get(w, "%block", BLOCK, "size")
    add_to(w, _RING, CACHE, "cached", w.emit(f"sub i64 0, {size}"))
    add_to(w, _RING, CACHE, "blocks", -1)
    w.line("ret void")
    return w.text()


def _unmap(declarations: set[str]) -> str:
    """Give a block that is not in the ring back to the system."""
    w = Writer("symfuse_unmap", [("ptr", "%block")], "void", "internal", declarations)
    base, mapped = get(w, "%block", BLOCK, "base", "ptr"), get(w, "%block", BLOCK, "mapped")
    call(w, "i32", "munmap", f"ptr {base}", f"i64 {mapped}")
    call(w, "void", "free", "ptr %block")
    w.line("ret void")
    return w.text()


def _acquire(declarations: set[str]) -> str:
    """A block with room for so many bytes; null and a MemoryError when there is none."""
    w = Writer("symfuse_acquire", [("i64", "%bytes")], "ptr", "", declarations)
    size = call(w, "i64", "symfuse_size_class", "i64 %bytes", external=False)
    first = get(w, _RING, CACHE, "next", "ptr")
    w.branch("search")
    w.start_block("search")
    w.line(f"%block = phi ptr [ {first}, %entry ], [ %following, %other ]")
    w.branch_if(w.emit(f"icmp eq ptr %block, {_RING}"), "miss", "compare")
    w.start_block("compare")
    fits = w.emit(f"icmp eq i64 {get(w, '%block', BLOCK, 'size')}, {size}")
    w.branch_if(fits, "hit", "other")
    w.start_block("other")
    w.line("%following = load ptr, ptr %block, align 8")
    w.branch("search")
    w.start_block("hit")
    call(w, "void", "symfuse_unlink", "ptr %block", external=False)
    add_to(w, _RING, CACHE, "hits", 1)
    add_to(w, _RING, CACHE, "live", size)
    w.line("ret ptr %block")
    w.start_block("miss")
    fresh = _map_or_trim(w, size)
    add_to(w, _RING, CACHE, "misses", 1)
    add_to(w, _RING, CACHE, "live", size)
    w.line(f"ret ptr {fresh}")
    w.start_block("out")
    call(w, "ptr", "PyErr_NoMemory")
    w.line("ret ptr null")
    return w.text()


def _map_or_trim(w: Writer, size: str) -> str:
    """A fresh block; when the system refuses, once more after giving all free blocks back."""
    fresh = call(w, "ptr", "symfuse_map", f"i64 {size}", external=False)
    w.branch_if(w.emit(f"icmp eq ptr {fresh}, null"), "again", "mapped")
    w.start_block("again")
    call(w, "void", "symfuse_trim", "i64 0", "ptr null", external=False)
    second = call(w, "ptr", "symfuse_map", f"i64 {size}", external=False)
    w.branch_if(w.emit(f"icmp eq ptr {second}, null"), "out", "mapped")
    w.start_block("mapped")
    return w.emit(f"phi ptr [ {fresh}, %miss ], [ {second}, %again ]")


def _push(declarations: set[str]) -> str:
    """Put a free block at the front of the ring, then bring the ring within its limit."""
    w = Writer("symfuse_push", [("ptr", "%block")], "void", "internal", declarations)
    first = get(w, _RING, CACHE, "next", "ptr")
    put(w, "%block", BLOCK, "next", first, "ptr")
    put(w, "%block", BLOCK, "previous", _RING, "ptr")
    put(w, first, BLOCK, "previous", "%block", "ptr")
    put(w, _RING, CACHE, "next", "%block", "ptr")
    add_to(w, _RING, CACHE, "cached", get(w, "%block", BLOCK, "size"))
    add_to(w, _RING, CACHE, "blocks", 1)
    limit = get(w, _RING, CACHE, "limit")
    call(w, "void", "symfuse_trim", f"i64 {limit}", "ptr %block", external=False)
    w.line("ret void")
    return w.text()


def _trim(declarations: set[str]) -> str:
    """Give the blocks longest unused back until the limit holds; `spared` stays in any case."""
    w = Writer("symfuse_trim", [("i64", "%limit"), ("ptr", "%spared")], "void", "", declarations)
    w.branch("check")
    w.start_block("check")
    last = get(w, _RING, CACHE, "previous", "ptr")
    large = w.emit(f"icmp sgt i64 {get(w, _RING, CACHE, 'cached')}, %limit")
    many = w.emit(f"icmp sgt i64 {get(w, _RING, CACHE, 'blocks')}, {_MOST_BLOCKS}")
    over = w.emit(f"or i1 {large}, {many}")
    held = w.emit(f"icmp ne ptr {last}, {_RING}")
    other = w.emit(f"icmp ne ptr {last}, %spared")
    possible = w.emit(f"and i1 {held}, {other}")
    w.branch_if(w.emit(f"and i1 {over}, {possible}"), "evict", "done")
    w.start_block("evict")
    call(w, "void", "symfuse_unlink", f"ptr {last}", external=False)
    call(w, "void", "symfuse_unmap", f"ptr {last}", external=False)
    w.branch("check")
    w.start_block("done")
    w.line("ret void")
    return w.text()


def _release(declarations: set[str]) -> str:
    """Take a block back; one above the limit is kept only if it will be needed again."""
    w = Writer("symfuse_release", [("ptr", "%block"), ("i1", "%again")], "void", "", declarations)
    size = get(w, "%block", BLOCK, "size")
    add_to(w, _RING, CACHE, "live", w.emit(f"sub i64 0, {size}"))
    small = w.emit(f"icmp sle i64 {size}, {get(w, _RING, CACHE, 'limit')}")
    w.branch_if(w.emit(f"or i1 {small}, %again"), "keep", "return")
    w.start_block("keep")
    call(w, "void", "symfuse_push", "ptr %block", external=False)
    w.line("ret void")
    w.start_block("return")
    call(w, "void", "symfuse_unmap", "ptr %block", external=False)
    w.line("ret void")
    return w.text()


def _drop(declarations: set[str]) -> str:
    """The destructor of the capsule that is the base of an array in a block."""
    w = Writer("symfuse_drop", [("ptr", "%capsule")], "void", "internal", declarations)
    block = call(w, "ptr", "PyCapsule_GetPointer", "ptr %capsule", "ptr null")
    call(w, "void", "symfuse_release", f"ptr {block}", "i1 false", external=False)
    w.line("ret void")
    return w.text()


def _array(declarations: set[str]) -> str:
    """A new C-contiguous array in a block of the cache; null with an exception set on failure."""
    params = [("ptr", "%descr"), ("i32", "%rank"), ("ptr", "%dims"), ("i64", "%bytes")]
    w = Writer("symfuse_array", params, "ptr", "", declarations)
    block = call(w, "ptr", "symfuse_acquire", "i64 %bytes", external=False)
    w.branch_if(w.emit(f"icmp eq ptr {block}, null"), "out", "wrap")
    w.start_block("wrap")
    operands = (f"ptr {block}", "ptr null", "ptr @symfuse_drop")
    capsule = call(w, "ptr", "PyCapsule_New", *operands)
    w.branch_if(w.emit(f"icmp eq ptr {capsule}, null"), "bare", "build")
    w.start_block("build")
    data = get(w, block, BLOCK, "data", "ptr")
    array = new_array(w, "%descr", "%rank", "%dims", data)
    w.branch_if(w.emit(f"icmp eq ptr {array}, null"), "unused", "own")
    w.start_block("own")
    call(w, "i32", "PyArray_SetBaseObject", f"ptr {array}", f"ptr {capsule}")
    w.line(f"ret ptr {array}")
    w.start_block("unused")
    call(w, "void", "Py_DecRef", f"ptr {capsule}")
    w.line("ret ptr null")
    w.start_block("bare")
    call(w, "void", "symfuse_release", f"ptr {block}", "i1 false", external=False)
    w.branch("out")
    w.start_block("out")
    w.line("ret ptr null")
    return w.text()


def new_array(w: Writer, descr: str, rank: str, dims: str, data: str = "null") -> str:
    """Make an ndarray over `data`, or over memory of NumPy's own; it may be null."""
    flags = 0 if data == "null" else CONTIGUOUS | ALIGNED | WRITEABLE
    type_ = get(w, _RING, CACHE, "ndarray", "ptr")
    call(w, "void", "Py_IncRef", f"ptr {descr}")
    shape = (f"i32 {rank}", f"ptr {dims}", "ptr null")
    return call(
        w,
        "ptr",
        "PyArray_NewFromDescr",
        f"ptr {type_}",
        f"ptr {descr}",
        *shape,
        f"ptr {data}",
        f"i32 {flags}",
        "ptr null",
    )
