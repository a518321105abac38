"""The text that makes the results of a call: new arrays, recent ones, or donated arguments."""

from __future__ import annotations

from symfuse.runtime.host.layout import ALIGNED, CONTIGUOUS, ENTRY, OUTPUT, REFERENCES, WRITEABLE
from symfuse.runtime.host.layout import array_offset as field

from .blocks import new_array
from .records import call, get, load, put, require, step, store
from .writer import Writer

__all__ = ["make_outputs", "outputs_text"]


def outputs_text(declarations: set[str]) -> list[str]:
    """The functions behind `make_outputs`, and those that end a call and a program."""
    parts = (_output, _small, _is_free, _result, _forget)
    return [part(declarations) for part in parts]


def make_outputs(w: Writer, entry: str, shapes: str, objects: str, results: str) -> None:
    """A new array for every output, or the donated argument whose memory it takes over."""
    table = get(w, entry, ENTRY, "output_table", "ptr")
    is_static = w.emit(f"icmp eq ptr {get(w, entry, ENTRY, 'prepare', 'ptr')}, null")
    count = get(w, entry, ENTRY, "outputs")
    with w.loop(0, count, carried=[("ptr", shapes)]) as loop:
        record = step(w, table, loop.index, OUTPUT.size)
        static = get(w, record, OUTPUT, "dims", "ptr")
        shape = w.emit(f"select i1 {is_static}, ptr {static}, ptr {loop.carried[0]}")
        operands = (f"ptr {entry}", f"ptr {record}", f"ptr {shape}", "ptr %args")
        array = call(w, "ptr", "symfuse_output", *operands, external=False)
        require(w, w.emit(f"icmp ne ptr {array}, null"), "failed")
        store(w, "ptr", array, step(w, objects, loop.index))
        data = load(w, array, field("data"), "ptr")
        store(w, "ptr", data, step(w, results, loop.index))
        loop.hand_on(step(w, loop.carried[0], get(w, record, OUTPUT, "rank")))


def _output(declarations: set[str]) -> str:
    """One output as a new reference; null with an exception set on failure."""
    params = [("ptr", "%program"), ("ptr", "%record"), ("ptr", "%shape"), ("ptr", "%args")]
    w = Writer("symfuse_output", params, "ptr", "internal", declarations)
    alias = get(w, "%record", OUTPUT, "alias")
    w.branch_if(w.emit(f"icmp slt i64 {alias}, 0"), "new", "alias")
    w.start_block("alias")
    donated = load(w, step(w, "%args", alias), 0, "ptr")
    call(w, "void", "Py_IncRef", f"ptr {donated}")
    w.line(f"ret ptr {donated}")
    w.start_block("new")
    carried = [("i64", get(w, "%record", OUTPUT, "itemsize"))]
    with w.loop(0, get(w, "%record", OUTPUT, "rank"), carried=carried) as axis:
        size = load(w, step(w, "%shape", axis.index))
        axis.hand_on(w.emit(f"mul i64 {axis.carried[0]}, {size}"))
    length = axis.results[0]
    large = w.emit(f"icmp sgt i64 {length}, {get(w, '%program', ENTRY, 'keep_to')}")
    w.branch_if(large, "large", "small")
    w.start_block("small")
    small = call(w, "ptr", "symfuse_small", "ptr %record", "ptr %shape", external=False)
    w.line(f"ret ptr {small}")
    w.start_block("large")
    descr, rank = _array_type(w)
    cached = w.emit(f"icmp sge i64 {length}, {get(w, '%program', ENTRY, 'cache_from')}")
    w.branch_if(cached, "cached", "plain")
    w.start_block("plain")
    w.line(f"ret ptr {new_array(w, descr, rank, '%shape')}")
    w.start_block("cached")
    operands = (f"ptr {descr}", f"i32 {rank}", "ptr %shape", f"i64 {length}")
    w.line(f"ret ptr {call(w, 'ptr', 'symfuse_array', *operands, external=False)}")
    return w.text()


def _array_type(w: Writer) -> tuple[str, str]:
    """Element type and rank of the output at %record."""
    return get(w, "%record", OUTPUT, "descr", "ptr"), get(w, "%record", OUTPUT, "rank", "i32")


def _small(declarations: set[str]) -> str:
    """A small output: one of the last two, if only this record still refers to it, or a new one.

    Two, because `y = f(x)` drops the old y only after the call that makes the new one.
    """
    params = [("ptr", "%record"), ("ptr", "%shape")]
    w = Writer("symfuse_small", params, "ptr", "internal", declarations)
    recent = get(w, "%record", OUTPUT, "recent", "ptr")
    older = get(w, "%record", OUTPUT, "older", "ptr")
    operands = (f"ptr {older}", "ptr %record", "ptr %shape")
    w.branch_if(call(w, "i1", "symfuse_is_free", *operands, external=False), "swap", "second")
    w.start_block("swap")
    put(w, "%record", OUTPUT, "recent", older, "ptr")
    put(w, "%record", OUTPUT, "older", recent, "ptr")
    w.branch("reuse")
    w.start_block("second")
    operands = (f"ptr {recent}", "ptr %record", "ptr %shape")
    w.branch_if(call(w, "i1", "symfuse_is_free", *operands, external=False), "reuse", "make")
    w.start_block("reuse")
    kept = w.emit(f"phi ptr [ {older}, %swap ], [ {recent}, %second ]")
    call(w, "void", "Py_IncRef", f"ptr {kept}")
    w.line(f"ret ptr {kept}")
    w.start_block("make")
    array = new_array(w, *_array_type(w), "%shape")
    with w.when(w.emit(f"icmp ne ptr {array}, null")):
        call(w, "void", "Py_IncRef", f"ptr {array}")
        call(w, "void", "Py_DecRef", f"ptr {older}")  # which does nothing for null
        put(w, "%record", OUTPUT, "older", recent, "ptr")
        put(w, "%record", OUTPUT, "recent", array, "ptr")
    w.line(f"ret ptr {array}")
    return w.text()


def _is_free(declarations: set[str]) -> str:
    """Whether an array has no owner but its record, and is still as it was made."""
    params = [("ptr", "%array"), ("ptr", "%record"), ("ptr", "%shape")]
    w = Writer("symfuse_is_free", params, "i1", "internal", declarations)
    require(w, w.emit("icmp ne ptr %array, null"), "no")
    require(w, w.emit(f"icmp eq i32 {load(w, '%array', REFERENCES, 'i32')}, 1"), "no")
    descr, rank = _array_type(w)
    require(w, w.emit(f"icmp eq ptr {load(w, '%array', field('descr'), 'ptr')}, {descr}"), "no")
    require(w, w.emit(f"icmp eq i32 {load(w, '%array', field('nd'), 'i32')}, {rank}"), "no")
    for name in ("base", "weak_references"):
        link = load(w, "%array", field(name), "ptr")
        require(w, w.emit(f"icmp eq ptr {link}, null"), "no")
    needed = CONTIGUOUS | ALIGNED | WRITEABLE
    flags = w.emit(f"and i32 {load(w, '%array', field('flags'), 'i32')}, {needed}")
    require(w, w.emit(f"icmp eq i32 {flags}, {needed}"), "no")
    dims = load(w, "%array", field("dims"), "ptr")
    with w.loop(0, get(w, "%record", OUTPUT, "rank")) as axis:
        size, wanted = (load(w, step(w, x, axis.index)) for x in (dims, "%shape"))
        require(w, w.emit(f"icmp eq i64 {size}, {wanted}"), "no")
    w.line("ret i1 true")
    w.start_block("no")
    w.line("ret i1 false")
    return w.text()


def _result(declarations: set[str]) -> str:
    """What the caller gets: the only output, or the tuple of all."""
    params = [("ptr", "%objects"), ("i64", "%count"), ("i64", "%single")]
    w = Writer("symfuse_result", params, "ptr", "internal", declarations)
    w.branch_if(w.emit("icmp ne i64 %single, 0"), "one", "many")
    w.start_block("one")
    w.line(f"ret ptr {load(w, '%objects', 0, 'ptr')}")
    w.start_block("many")
    items = call(w, "ptr", "PyTuple_New", "i64 %count")
    made = w.emit(f"icmp ne ptr {items}, null")
    with w.loop(0, "%count") as loop:
        array = load(w, step(w, "%objects", loop.index), 0, "ptr")
        full, empty, after = (w.label(hint) for hint in ("full", "empty", "after"))
        w.branch_if(made, full, empty)
        w.start_block(full)
        call(w, "i32", "PyTuple_SetItem", f"ptr {items}", f"i64 {loop.index}", f"ptr {array}")
        w.branch(after)
        w.start_block(empty)
        call(w, "void", "Py_DecRef", f"ptr {array}")
        w.branch(after)
        w.start_block(after)
    w.line(f"ret ptr {items}")
    return w.text()


def _forget(declarations: set[str]) -> str:
    """The destructor of the capsule of `symfuse_call`: drops the outputs that were kept."""
    w = Writer("symfuse_forget", [("ptr", "%capsule")], "void", "", declarations)
    program = call(w, "ptr", "PyCapsule_GetPointer", "ptr %capsule", "ptr null")
    table = get(w, program, ENTRY, "output_table", "ptr")
    with w.loop(0, get(w, program, ENTRY, "outputs")) as loop:
        record = step(w, table, loop.index, OUTPUT.size)
        for name in ("recent", "older"):
            call(w, "void", "Py_DecRef", f"ptr {get(w, record, OUTPUT, name, 'ptr')}")
    call(w, "void", "symfuse_unbind", "ptr %capsule", external=False)
    w.line("ret void")
    return w.text()
