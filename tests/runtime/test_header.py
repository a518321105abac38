"""C headers of programs: what they say is how the code is called."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handwritten import addition, symbolic_sums, update, with_constants

import symfuse as sf
from symfuse.runtime.header import header
from symfuse.runtime.host.loader import load_image
from symfuse.runtime.program import Program

DRIVER = """
#include "program.h"
int64_t solve(symfuse_program_prepare f, const int64_t *dims, int64_t *sizes, int64_t *shapes)
{ return f(dims, sizes, shapes); }
int32_t run(symfuse_program_main f, void *x, void *y, void *twice, void *sum,
            const int64_t *sizes, void *arena)
{
    void *buffers[SYMFUSE_PROGRAM_INPUTS + SYMFUSE_PROGRAM_RESULTS];
    buffers[SYMFUSE_PROGRAM_INPUT_0] = x;
    buffers[SYMFUSE_PROGRAM_INPUT_1] = y;
    buffers[SYMFUSE_PROGRAM_RESULT_0] = twice;
    buffers[SYMFUSE_PROGRAM_RESULT_1] = sum;
    return f(buffers, sizes, arena, 1);
}
"""


def macros(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"#define (\w+) (\d+)", text)}


def compiler() -> str:
    found = shutil.which("cc")
    if found is None:
        pytest.skip("no C compiler here")
    return found


def test_buffers_are_numbered_as_the_code_takes_them() -> None:
    text = header(with_constants())
    found = macros(text)
    program = with_constants()
    counts = [found[f"SYMFUSE_PROGRAM_{kind}"] for kind in ("INPUTS", "RESULTS", "CONSTANTS")]
    every = [program.inputs, program.outputs, program.constants]
    assert counts == [len(part) for part in every]
    numbers = [found[name] for name in found if re.search(r"_(INPUT|RESULT|CONSTANT)_\d+$", name)]
    assert numbers == list(range(sum(counts)))
    assert f"{program.inputs[0].name}: f32[4], of weights.safetensors */" in text
    assert "/* f32[4], of constants.safetensors */" in text


def test_a_donated_input_and_its_result_are_told() -> None:
    text = header(update())
    assert "/* state: f32[4], donated: the program writes to it */" in text
    assert "/* state: f32[4], the same address as input 0 */" in text
    assert "prepare" not in text and macros(text)["SYMFUSE_PROGRAM_ARENA_BYTES"] == 0


def test_open_sizes_stand_as_formulas_and_guards() -> None:
    text = header(symbolic_sums())
    assert "/* Bytes of the arena: 4*N */" in text
    assert "/* Guard 1: N <= 5000000 */" in text
    assert "#define SYMFUSE_PROGRAM_SIZE_0 0 /* N */" in text


def test_c_that_includes_the_header_calls_the_code(tmp_path: Path) -> None:
    program = symbolic_sums()
    (tmp_path / "program.h").write_text(header(program))
    (tmp_path / "driver.c").write_text(DRIVER)
    strict = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fPIC", "-shared")
    files = ("-o", str(tmp_path / "driver.so"), str(tmp_path / "driver.c"))
    subprocess.run([compiler(), *strict, *files], check=True)
    driver = ctypes.CDLL(str(tmp_path / "driver.so"))
    code = load_image(program.code)
    main, prepare = (ctypes.c_void_p(code.address(name)) for name in ("main", "prepare"))

    def at(array: Any) -> Any:
        return ctypes.c_void_p(array.ctypes.data)

    dims, sizes, shapes = np.array([5, 5]), np.zeros(1, int), np.zeros(3, int)
    assert driver.solve(prepare, at(dims), at(sizes), at(shapes)) == 0
    assert (sizes.tolist(), shapes.tolist()) == ([5], [5, 5, 20])
    x, y, twice, total = np.random.default_rng(0).normal(size=(4, 5)).astype("f")
    arena = np.zeros(shapes[2], np.uint8)
    assert driver.run(main, at(x), at(y), at(twice), at(total), at(sizes), at(arena)) == 0
    np.testing.assert_array_equal((twice, total), (x + x, x + y))
    dims[:] = 5_000_001
    assert driver.solve(prepare, at(dims), at(sizes), at(shapes)) == 1


HOSTILE = ("*/ int evil;", "x @ y", "a\nb", "/* x", "ends in \\", "größe", "??/")


@pytest.mark.parametrize("name", HOSTILE)
def test_any_names_leave_a_header_that_compiles(tmp_path: Path, name: str) -> None:
    program = addition(4)
    inputs = tuple(one._replace(name=name) for one in program.inputs)
    changed: Program = replace(program, inputs=inputs, metadata={"name": name})
    (tmp_path / "program.h").write_text(header(changed), encoding="utf-8")
    (tmp_path / "main.c").write_text('#include "program.h"\nint main(void) { return 0; }\n')
    strict = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only")
    subprocess.run([compiler(), *strict, str(tmp_path / "main.c")], check=True)
    kept = name.replace("*/", "* /").replace("/*", "/ *").replace("\n", " ")
    assert header(changed).count(f"/* {kept}: f32[4] */") == len(inputs)


def test_compiled_programs_have_one() -> None:
    def f(x: Any, y: Any) -> Any:
        return x @ y

    program = sf.compile(f, "f32[N,4]", "f32[4,2]").program
    text = header(program)
    assert text.startswith("/* f(x: f32[N,4], y: f32[4,2]) -> f32[N,2] */")
    assert {"symfuse_f_main", "symfuse_f_prepare"} <= set(re.findall(r"\w+", text))
