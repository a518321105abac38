"""The text of the native call entry: one function that serves every executable from its descriptor.

It checks the arguments, makes the results, runs the program and returns. It raises nothing itself:
whatever is unusual goes to the descriptor's Python fallback, before anything has been written.
"""

from __future__ import annotations

from msgspec import Struct

from symfuse.runtime.host.layout import (
    BOUND,
    CACHE,
    DERIVED,
    ELEMENT,
    ELEMENT_MASK,
    ENTRY,
    INPUT,
    NUMBER,
    TYPE,
)
from symfuse.runtime.host.layout import array_offset as field

from .blocks import BLOCK_CACHE, blocks_text
from .outputs import make_outputs, outputs_text
from .records import call, get, load, put, require, step, store
from .writer import Writer

__all__ = ["entry_text"]

_NO_ARGUMENTS = ("ptr null", "i64 0", "ptr null")


def entry_text() -> str:
    """The native entry and the block cache, as the text of a module without a target."""
    declarations: set[str] = set()
    parts = (_call, _overlap, _launch, _run, _unbind)
    functions = [part(declarations) for part in parts] + outputs_text(declarations)
    blocks = blocks_text(declarations)
    return "\n\n".join([*blocks, *functions, "\n".join(sorted(declarations))]) + "\n"


class _Stack(Struct, frozen=True):
    """Where one call keeps its tables, all in one piece of the stack."""

    entry: str
    buffers: str
    results: str
    constants: str
    objects: str
    lengths: str
    sizes: str
    dims: str
    shapes: str


def _reserve(w: Writer, entry: str) -> _Stack:
    inputs, outputs = get(w, entry, ENTRY, "inputs"), get(w, entry, ENTRY, "outputs")
    buffers = w.emit(f"alloca i64, i64 {get(w, entry, ENTRY, 'scratch')}, align 16")
    results = step(w, buffers, inputs)
    constants = step(w, results, outputs)
    objects = step(w, constants, get(w, entry, ENTRY, "constants"))
    lengths = step(w, objects, outputs)
    sizes = step(w, lengths, inputs)
    dims = step(w, sizes, get(w, entry, ENTRY, "symbols"))
    shapes = step(w, dims, get(w, entry, ENTRY, "input_dims"))
    return _Stack(entry, buffers, results, constants, objects, lengths, sizes, dims, shapes)


def _call(declarations: set[str]) -> str:
    """`f(*arguments)` with METH_FASTCALL | METH_KEYWORDS."""
    params = [("ptr", "%self"), ("ptr", "%args"), ("i64", "%count"), ("ptr", "%names")]
    w = Writer("symfuse_call", params, "ptr", "", declarations)
    entry = call(w, "ptr", "PyCapsule_GetPointer", "ptr %self", "ptr null")
    require(w, w.emit(f"icmp eq i64 %count, {get(w, entry, ENTRY, 'expected')}"), "slow")
    require(w, w.emit("icmp eq ptr %names, null"), "slow")
    stack = _reserve(w, entry)
    outputs = get(w, entry, ENTRY, "outputs")
    _fill(w, stack.sizes, get(w, entry, ENTRY, "symbols"), -1)
    work = _take_inputs(w, stack)
    _require_apart(w, stack)
    arena = _prepare(w, stack)
    _fill(w, stack.objects, outputs, 0)
    make_outputs(w, entry, stack.shapes, stack.objects, stack.results)
    _copy_constants(w, stack)
    tables = (f"ptr {entry}", f"ptr {stack.buffers}", f"ptr {stack.sizes}", f"i64 {arena}")
    status = call(w, "i32", "symfuse_launch", *tables, f"i64 {work}", external=False)
    require(w, w.emit(f"icmp eq i32 {status}, 0"), "failed")
    operands = (f"ptr {stack.objects}", f"i64 {outputs}", f"i64 {get(w, entry, ENTRY, 'single')}")
    w.line(f"ret ptr {call(w, 'ptr', 'symfuse_result', *operands, external=False)}")
    w.start_block("slow")
    fallback = f"ptr {get(w, entry, ENTRY, 'fallback', 'ptr')}"
    same = ("ptr %args", "i64 %count", "ptr %names")
    w.line(f"ret ptr {call(w, 'ptr', 'PyObject_Vectorcall', fallback, *same)}")
    w.start_block("failed")
    with w.loop(0, outputs) as loop:
        made = load(w, step(w, stack.objects, loop.index), 0, "ptr")
        call(w, "void", "Py_DecRef", f"ptr {made}")
    w.line("ret ptr null")
    return w.text()


def _fill(w: Writer, pointer: str, count: str, value: int) -> None:
    with w.loop(0, count) as loop:
        store(w, "i64", value, step(w, pointer, loop.index))


def _copy_constants(w: Writer, stack: _Stack) -> None:
    table = get(w, stack.entry, ENTRY, "constant_table", "ptr")
    with w.loop(0, get(w, stack.entry, ENTRY, "constants")) as loop:
        address = load(w, step(w, table, loop.index))
        store(w, "i64", address, step(w, stack.constants, loop.index))


def _take_inputs(w: Writer, stack: _Stack) -> str:
    """Check every argument and note its data, bytes and sizes; the bytes of all of them."""
    table = get(w, stack.entry, ENTRY, "input_table", "ptr")
    work = get(w, stack.entry, ENTRY, "work")
    carried = [("i64", "0"), ("ptr", stack.dims), ("i64", work)]
    with w.loop(0, get(w, stack.entry, ENTRY, "inputs"), carried=carried) as loop:
        argument, dims, total = loop.carried
        record = step(w, table, loop.index, INPUT.size)
        data, shape, following = _checked_argument(w, record, argument)
        rank = get(w, record, INPUT, "rank")
        length = _take_sizes(w, record, rank, shape, dims, stack.sizes)
        store(w, "ptr", data, step(w, stack.buffers, loop.index))
        store(w, "i64", length, step(w, stack.lengths, loop.index))
        loop.hand_on(following, step(w, dims, rank), w.emit(f"add i64 {total}, {length}"))
    return loop.results[2]


def _checked_argument(w: Writer, record: str, argument: str) -> tuple[str, str, str]:
    """Data, shape, and the number of the next argument; a hidden input takes no argument."""
    held, codes = get(w, record, INPUT, "data", "ptr"), get(w, record, INPUT, "dims", "ptr")
    visible, number, other, taken = (
        w.label(hint) for hint in ("visible", "number", "other", "taken")
    )
    before = w.block
    w.branch_if(w.emit(f"icmp eq ptr {held}, null"), visible, taken)
    w.start_block(visible)
    following = w.emit(f"add i64 {argument}, 1")
    array = load(w, step(w, "%args", argument), 0, "ptr")
    kind = load(w, array, TYPE, "ptr")
    w.branch_if(
        w.emit(f"icmp eq ptr {kind}, {get(w, record, INPUT, 'number', 'ptr')}"), number, other
    )
    w.start_block(number)
    value = step(w, array, NUMBER, 1)
    w.branch(taken)
    w.start_block(other)
    ndarray = get(w, f"@{BLOCK_CACHE}", CACHE, "ndarray", "ptr")
    require(w, w.emit(f"icmp eq ptr {kind}, {ndarray}"), "slow")
    _require_element_type(w, load(w, array, field("descr"), "ptr"), record)
    rank = load(w, array, field("nd"), "i32")
    require(w, w.emit(f"icmp eq i32 {rank}, {get(w, record, INPUT, 'rank', 'i32')}"), "slow")
    needed = get(w, record, INPUT, "flags", "i32")
    present = w.emit(f"and i32 {load(w, array, field('flags'), 'i32')}, {needed}")
    require(w, w.emit(f"icmp eq i32 {present}, {needed}"), "slow")
    own, shape = load(w, array, field("data"), "ptr"), load(w, array, field("dims"), "ptr")
    checked = w.block
    w.branch(taken)
    w.start_block(taken)
    ways = (
        ("ptr", own, value, held),
        ("ptr", shape, codes, codes),
        ("i64", following, following, argument),
    )
    data, dims, after = (
        w.emit(f"phi {t} [ {a}, %{checked} ], [ {b}, %{number} ], [ {c}, %{before} ]")
        for t, a, b, c in ways
    )
    return data, dims, after


def _require_element_type(w: Writer, descr: str, record: str) -> None:
    """The descriptor that NumPy has one of, or a copy of it, as unpickled arrays have."""
    wanted = get(w, record, INPUT, "descr", "ptr")
    with w.when(w.emit(f"icmp ne ptr {descr}, {wanted}"), "copy"):
        difference = w.emit(f"xor i64 {load(w, descr, ELEMENT)}, {load(w, wanted, ELEMENT)}")
        counted = w.emit(f"and i64 {difference}, {ELEMENT_MASK}")
        require(w, w.emit(f"icmp eq i64 {counted}, 0"), "slow")


def _take_sizes(w: Writer, record: str, rank: str, shape: str, dims: str, sizes: str) -> str:
    """Match the dimensions of one argument and copy them to `dims`; its length in bytes."""
    codes = get(w, record, INPUT, "dims", "ptr")
    carried = [("i64", get(w, record, INPUT, "itemsize"))]
    with w.loop(0, rank, carried=carried, hint="axis") as axis:
        size, code = (load(w, step(w, pointer, axis.index)) for pointer in (shape, codes))
        store(w, "i64", size, step(w, dims, axis.index))
        with w.when(w.emit(f"icmp ne i64 {size}, {code}"), "symbolic"):
            require(w, w.emit(f"icmp slt i64 {code}, 0"), "slow")
            with w.when(w.emit(f"icmp ne i64 {code}, {DERIVED}"), "symbol"):
                _match_symbol(w, step(w, sizes, w.emit(f"sub i64 -1, {code}")), size)
        axis.hand_on(w.emit(f"mul i64 {axis.carried[0]}, {size}"))
    return axis.results[0]


def _match_symbol(w: Writer, place: str, size: str) -> None:
    """The first occurrence of a symbol defines it, the later ones must be equal."""
    known = load(w, place)
    free = w.emit(f"icmp slt i64 {known}, 0")
    require(w, w.emit(f"or i1 {free}, {w.emit(f'icmp eq i64 {known}, {size}')}"), "slow")
    store(w, "i64", size, place)


def _require_apart(w: Writer, stack: _Stack) -> None:
    """Donated inputs are written to, so none may share memory with another input."""
    with w.when(w.emit(f"icmp ne i64 {get(w, stack.entry, ENTRY, 'donated')}, 0"), "donated"):
        operands = (f"ptr {stack.entry}", f"ptr {stack.buffers}", f"ptr {stack.lengths}")
        apart = call(w, "i1", "symfuse_apart", *operands, external=False)
        require(w, apart, "slow")


def _overlap(declarations: set[str]) -> str:
    """Whether no donated input overlaps any other input."""
    params = [("ptr", "%program"), ("ptr", "%buffers"), ("ptr", "%lengths")]
    w = Writer("symfuse_apart", params, "i1", "internal", declarations)
    table = get(w, "%program", ENTRY, "input_table", "ptr")
    inputs = get(w, "%program", ENTRY, "inputs")
    with w.loop(0, inputs) as one:
        record = step(w, table, one.index, INPUT.size)
        start, stop = _range(w, one.index)
        with w.when(w.emit(f"icmp ne i64 {get(w, record, INPUT, 'donated')}, 0")):  # noqa: SIM117
            with w.loop(0, inputs) as two:
                first, last = _range(w, two.index)
                outside = (f"icmp ule i64 {stop}, {first}", f"icmp ule i64 {last}, {start}")
                same = w.emit(f"icmp eq i64 {one.index}, {two.index}")
                apart = w.emit(f"or i1 {w.emit(outside[0])}, {w.emit(outside[1])}")
                require(w, w.emit(f"or i1 {same}, {apart}"), "shared")
    w.line("ret i1 true")
    w.start_block("shared")
    w.line("ret i1 false")
    return w.text()


def _range(w: Writer, index: str) -> tuple[str, str]:
    start = load(w, step(w, "%buffers", index))
    return start, w.emit(f"add i64 {start}, {load(w, step(w, '%lengths', index))}")


def _prepare(w: Writer, stack: _Stack) -> str:
    """Let a program with symbolic sizes check them and give its shapes; the bytes of the arena."""
    known = get(w, stack.entry, ENTRY, "arena")
    prepare = get(w, stack.entry, ENTRY, "prepare", "ptr")
    before, symbolic, ready = w.block, w.label("prepare"), w.label("ready")
    w.branch_if(w.emit(f"icmp eq ptr {prepare}, null"), ready, symbolic)
    w.start_block(symbolic)
    tables = f"ptr {stack.dims}, ptr {stack.sizes}, ptr {stack.shapes}"
    broken = w.emit(f"call i64 {prepare}({tables})")
    require(w, w.emit(f"icmp eq i64 {broken}, 0"), "slow")
    count = get(w, stack.entry, ENTRY, "output_dims")
    solved, after = load(w, step(w, stack.shapes, count)), w.block
    w.branch(ready)
    w.start_block(ready)
    return w.emit(f"phi i64 [ {known}, %{before} ], [ {solved}, %{after} ]")


def _launch(declarations: set[str]) -> str:
    """Run the program in an arena of its own; not 0, with an exception set, if that fails."""
    params = [("ptr", "%program"), ("ptr", "%buffers"), ("ptr", "%sizes")]
    params += [("i64", "%arena"), ("i64", "%work")]
    w = Writer("symfuse_launch", params, "i32", "internal", declarations)
    w.branch_if(w.emit("icmp eq i64 %arena, 0"), "run", "borrow")
    w.start_block("borrow")
    block = call(w, "ptr", "symfuse_acquire", "i64 %arena", external=False)
    require(w, w.emit(f"icmp ne ptr {block}, null"), "out")
    scratch, after = load(w, block, 16, "ptr"), w.block
    w.branch("run")
    w.start_block("run")
    held = w.emit(f"phi ptr [ null, %entry ], [ {block}, %{after} ]")
    arena = w.emit(f"phi ptr [ null, %entry ], [ {scratch}, %{after} ]")
    heavy = w.emit(f"icmp sge i64 %work, {get(w, '%program', ENTRY, 'release_from')}")
    main, threads = get(w, "%program", ENTRY, "main", "ptr"), get(w, "%program", ENTRY, "threads")
    count = w.emit(f"trunc i64 {threads} to i32")
    status = _run_main(w, main, f"ptr %buffers, ptr %sizes, ptr {arena}, i32 {count}", heavy)
    with w.when(w.emit(f"icmp ne ptr {held}, null")):
        call(w, "void", "symfuse_release", f"ptr {held}", "i1 true", external=False)
    _report(w, get(w, "%program", ENTRY, "failure", "ptr"), status)
    w.line(f"ret i32 {status}")
    w.start_block("out")
    w.line("ret i32 -1")
    return w.text()


def _run_main(w: Writer, main: str, operands: str, heavy: str) -> str:
    """Call the program; when it is heavy, other Python threads run meanwhile."""
    alone, beside, done = w.label("alone"), w.label("beside"), w.label("done")
    w.branch_if(heavy, beside, alone)
    w.start_block(alone)
    quick = w.emit(f"call i32 {main}({operands})")
    w.branch(done)
    w.start_block(beside)
    state = call(w, "ptr", "PyEval_SaveThread")
    slow = w.emit(f"call i32 {main}({operands})")
    call(w, "void", "PyEval_RestoreThread", f"ptr {state}")
    w.branch(done)
    w.start_block(done)
    return w.emit(f"phi i32 [ {quick}, %{alone} ], [ {slow}, %{beside} ]")


def _report(w: Writer, failure: str, status: str) -> None:
    """Have Python raise for a status that is not 0."""
    with w.when(w.emit(f"icmp ne i32 {status}, 0"), "error"):
        raised = call(w, "ptr", "PyObject_Vectorcall", f"ptr {failure}", *_NO_ARGUMENTS)
        call(w, "void", "Py_DecRef", f"ptr {raised}")


def _run(declarations: set[str]) -> str:
    """`f()` with METH_NOARGS: a call whose arguments, results and arena are fixed."""
    params = [("ptr", "%self"), ("ptr", "%unused")]
    w = Writer("symfuse_run", params, "ptr", "", declarations)
    bound = call(w, "ptr", "PyCapsule_GetPointer", "ptr %self", "ptr null")
    require(w, w.emit(f"icmp eq i64 {get(w, bound, BOUND, 'busy')}, 0"), "busy")
    put(w, bound, BOUND, "busy", 1)
    tables = (get(w, bound, BOUND, name, "ptr") for name in ("buffers", "sizes", "arena"))
    threads = w.emit(f"trunc i64 {get(w, bound, BOUND, 'threads')} to i32")
    operands = ", ".join([*(f"ptr {table}" for table in tables), f"i32 {threads}"])
    heavy = w.emit(f"icmp ne i64 {get(w, bound, BOUND, 'releases')}, 0")
    status = _run_main(w, get(w, bound, BOUND, "main", "ptr"), operands, heavy)
    put(w, bound, BOUND, "busy", 0)
    _report(w, get(w, bound, BOUND, "failure", "ptr"), status)
    result = get(w, bound, BOUND, "result", "ptr")
    failed = w.emit(f"icmp ne i32 {status}, 0")
    given = w.emit(f"select i1 {failed}, ptr null, ptr {result}")
    call(w, "void", "Py_IncRef", f"ptr {given}")  # which does nothing for null
    w.line(f"ret ptr {given}")
    w.start_block("busy")
    refusal = get(w, bound, BOUND, "refusal", "ptr")
    refused = call(w, "ptr", "PyObject_Vectorcall", f"ptr {refusal}", *_NO_ARGUMENTS)
    w.line(f"ret ptr {refused}")
    return w.text()


def _unbind(declarations: set[str]) -> str:
    """The destructor of the capsule of `symfuse_run`: its context is the owner of the words."""
    w = Writer("symfuse_unbind", [("ptr", "%capsule")], "void", "", declarations)
    owner = call(w, "ptr", "PyCapsule_GetContext", "ptr %capsule")
    call(w, "void", "Py_DecRef", f"ptr {owner}")
    w.line("ret void")
    return w.text()
