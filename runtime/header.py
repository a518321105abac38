"""The C header of a program: how its code is called, and what each of its buffers is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .dtypes import DType
from .program import Argument, Program, Result, Spec

__all__ = ["header"]

_CALLS = """\
/* Runs the program; 0, or another number where its code reports an error. `buffers` are the
   addresses of inputs, results and constants by their numbers below: C-contiguous arrays, aligned
   to their elements. `sizes` are the symbols, `arena` is scratch memory aligned to 64 bytes, and
   `threads` is how many threads the call may use. */
typedef int32_t (*{name}_main)(void *const *buffers, const int64_t *sizes, void *arena,
                               int32_t threads);
"""
_PREPARES = """\
/* Settles the sizes of a call: reads the dimensions of all inputs in their order, and writes the
   symbols to `sizes`, and to `shapes` the dimensions of all results and the bytes of the arena.
   0, or the number of the guard that does not hold. */
typedef int64_t (*{name}_prepare)(const int64_t *dims, int64_t *sizes, int64_t *shapes);
"""
_ELEMENTS = """\
/* Elements: f32 is float, f64 double, i8 to u64 int8_t to uint64_t, bool a byte that is 0 or 1;
   f16 and bf16 are the bits of a half in uint16_t, c64 and c128 two floats or doubles. */
"""


def header(program: Program) -> str:
    """The header, as text that C and C++ read; the same program gives the same text.

    The functions are those of the program's code for the processor, `main` and, where sizes are
    left open, `prepare`; sizes that are numbers are macros, and formulas are comments.
    """
    title = str(program.metadata.get("name", "program"))
    word = re.sub(r"[\W_]+", "_", title, flags=re.ASCII).strip("_")
    name = f"symfuse_{word or 'program'}"
    calls = _CALLS if program.is_static else f"{_CALLS}\n{_PREPARES}"
    lines = (*_counts(program), "", *_buffers(program), "", *_arena(program), *_guards(program))
    macros = "\n".join(line.replace("#define @", f"#define {name.upper()}", 1) for line in lines)
    guard = f"{name.upper()}_H"
    return (
        f"/* {_comment(title + program.signature)} */\n"
        f"#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n"
        f"{calls.format(name=name)}\n{_ELEMENTS}{macros}\n\n#endif\n"
    )


def _counts(program: Program) -> Iterator[str]:
    """How many buffers and sizes there are, and the numbers of the sizes."""
    counts = {
        "INPUTS": program.inputs,
        "RESULTS": program.outputs,
        "CONSTANTS": program.constants,
        "SIZES": program.symbols,
    }
    for what, items in counts.items():
        yield f"#define @_{what} {len(items)}"
    for number, symbol in enumerate(program.symbols):
        yield f"#define @_SIZE_{number} {number} /* {_comment(symbol)} */"


def _buffers(program: Program) -> Iterator[str]:
    """The number of each buffer among the pointers, with its type and what there is to know."""
    constants = [Spec(DType.of(one.dtype), one.shape) for one in program.constants]
    groups: dict[str, Sequence[str]] = {
        "INPUT": [f"{one.name}: {one.spec}{_use(one)}" for one in program.inputs],
        "RESULT": [f"{one.name}: {one.spec}{_place(one)}" for one in program.outputs],
        "CONSTANT": [f"{one}, of constants.safetensors" for one in constants],
    }
    number = 0
    for kind, texts in groups.items():
        for index, text in enumerate(texts):
            yield f"#define @_{kind}_{index} {number} /* {_comment(text)} */"
            number += 1


def _use(argument: Argument) -> str:
    donated = ", donated: the program writes to it" if argument.donated else ""
    return f"{donated}, of weights.safetensors" if argument.hidden else donated


def _place(result: Result) -> str:
    return "" if result.alias_of is None else f", the same address as input {result.alias_of}"


def _arena(program: Program) -> Iterator[str]:
    if isinstance(program.arena, int):
        yield f"#define @_ARENA_BYTES {program.arena}"
    else:
        yield f"/* Bytes of the arena: {_comment(program.arena)} */"


def _guards(program: Program) -> Iterator[str]:
    for number, guard in enumerate(program.guards, 1):
        yield f"/* Guard {number}: {_comment(guard)} */"


def _comment(text: str) -> str:
    """Text that ends no comment, and no line."""
    return " ".join(text.split()).replace("*/", "* /").replace("/*", "/ *")
