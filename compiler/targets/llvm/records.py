"""Reads and writes the records that Python and native code share, in LLVM text."""

from __future__ import annotations

from symfuse.runtime.host.layout import Record

from .writer import Writer

__all__ = ["add_to", "call", "get", "load", "put", "require", "returns_null", "step", "store"]


def step(w: Writer, pointer: str, count: str | int, size: int = 8) -> str:
    """The pointer `count` elements of `size` bytes further on."""
    if count == 0:
        return pointer
    unit = "i64" if size == 8 else f"[{size} x i8]"
    return w.emit(f"getelementptr {unit}, ptr {pointer}, i64 {count}", "p")


def load(w: Writer, pointer: str, offset: int = 0, type_: str = "i64") -> str:
    """The value `offset` bytes after the pointer."""
    return w.emit(f"load {type_}, ptr {step(w, pointer, offset, 1)}, align 4", "l")


def store(w: Writer, type_: str, value: str | int, pointer: str) -> None:
    w.line(f"store {type_} {value}, ptr {pointer}, align 8")


def get(w: Writer, pointer: str, record: Record, field: str, type_: str = "i64") -> str:
    """A field of the record at the pointer."""
    return load(w, pointer, record.offset(field), type_)


def put(
    w: Writer, pointer: str, record: Record, field: str, value: str | int, type_: str = "i64"
) -> None:
    store(w, type_, value, step(w, pointer, record.offset(field), 1))


def add_to(w: Writer, pointer: str, record: Record, field: str, value: str | int) -> str:
    """Add to a field in place; the new value."""
    total = w.emit(f"add i64 {get(w, pointer, record, field)}, {value}")
    put(w, pointer, record, field, total)
    return total


def call(w: Writer, returns: str, function: str, *operands: str, external: bool = True) -> str:
    """Call a C function with typed operands ("i64 %n"); externals are declared as well."""
    if external:
        types = ", ".join(operand.rsplit(" ", 1)[0] for operand in operands)
        w.declare(f"declare {returns} @{function}({types})")
    text = f"call {returns} @{function}({', '.join(operands)})"
    if returns != "void":
        return w.emit(text)
    w.line(text)
    return ""


def require(w: Writer, condition: str, otherwise: str) -> None:
    """Go on only if the i1 holds, else jump to the label."""
    label = w.label("ok")
    w.branch_if(condition, label, otherwise)
    w.start_block(label)


def returns_null(w: Writer, label: str) -> None:
    """A block that gives up with an exception set."""
    w.start_block(label)
    w.line("ret ptr null")
