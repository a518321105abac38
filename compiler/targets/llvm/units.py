"""The functions of a program, and the modules that they are divided into for the code generator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

__all__ = ["Function", "kernel_head", "module_text", "part_head", "units"]

LINES = 300  # of a unit: enough that what every module costs by itself does not count


class Function(Struct, frozen=True):
    """One function as text, and what its module has to declare for it."""

    name: str
    text: str
    declarations: frozenset[str]
    head: str = ""  # how other modules declare it, if they call it


def kernel_head(name: str) -> str:
    """How a module declares a kernel that another one defines."""
    return f"declare hidden void @{name}(ptr, i32, i32)"


def part_head(name: str) -> str:
    """The same for the function of a part."""
    return f"declare hidden void @{name}(ptr, ptr, i64, i64)"


def module_text(functions: Iterable[Function]) -> str:
    """One module of these functions."""
    functions = tuple(functions)
    defined = {function.head for function in functions}
    declared = frozenset[str]().union(*(function.declarations for function in functions))
    texts = (function.text for function in functions)
    return "\n".join([*sorted(declared - defined), *texts, ""])


def units(functions: Iterable[Function]) -> Iterator[str]:
    """Modules that the code generator may work on at the same time, each of whole functions; the
    first is there as soon as its functions are."""
    found: list[Function] = []
    lines = 0
    for function in functions:
        found.append(function)
        lines += function.text.count("\n")
        if lines >= LINES:
            yield module_text(found)
            found, lines = [], 0
    if found:
        yield module_text(found)
