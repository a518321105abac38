"""Objects become flat images, for both instruction sets; what an image cannot hold is named."""

from __future__ import annotations

import ctypes
import struct

import pytest

from symfuse.compiler.targets.llvm.elf import ElfObject
from symfuse.compiler.targets.llvm.link import link
from symfuse.compiler.targets.llvm.machine import (
    Level,
    baseline_machine,
    emit_objects,
    host_machine,
)
from symfuse.compiler.targets.llvm.units import (
    LINES,
    Function,
    kernel_head,
    module_text,
    units,
)
from symfuse.runtime.errors import CompileError
from symfuse.runtime.host.image import Image
from symfuse.runtime.host.loader import load_image

MODULE = """
@state = internal global i64 7, align 8
@shared = global [300 x i32] zeroinitializer, align 64
@table = internal constant [4 x i64] [i64 11, i64 22, i64 33, i64 44]
@environ = external global ptr
declare double @exp(double)

define double @scale(double %x, i64 %i) #0 {
  %e = call double @exp(double %x)
  %p = getelementptr i64, ptr @table, i64 %i
  %t = load i64, ptr %p
  %s = load i64, ptr @state
  %sum = add i64 %t, %s
  store i64 %sum, ptr @state
  store i64 %sum, ptr @shared
  %f = sitofp i64 %sum to double
  %g = fmul double %f, 0x3FF123456789ABCD
  %r = fadd double %e, %g
  ret double %r
}

define void @vector(ptr %out) #0 {
  store <4 x float> <float 1.0, float 2.0, float 3.0, float 5.0>, ptr %out, align 4
  ret void
}

define ptr @variables() #0 {
  %p = load ptr, ptr @environ
  ret ptr %p
}

define double @last(double %x) #0 {
  %y = musttail call double @exp(double %x)
  ret double %y
}
"""

LEVELS: tuple[Level, ...] = ("fast-compile", "default", "max")


def linked(architecture: str, level: Level = "default", text: str = MODULE) -> Image:
    machine = baseline_machine(architecture)
    return link(machine.emit_object(text, level=level))


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
@pytest.mark.parametrize("level", LEVELS)
def test_an_image_has_its_table_its_code_and_its_data(architecture: str, level: Level) -> None:
    image = linked(architecture, level)
    assert image.architecture == architecture
    assert {"exp", "environ"} <= set(image.externals)
    assert {"scale", "vector", "variables", "last"} <= set(image.symbols)
    assert "state" not in image.symbols
    assert image.data_offset % 4096 == 0
    assert struct.unpack_from("<q", image.code, image.data_offset) == (7,)
    assert image.size - len(image.code) >= 1200
    assert all(image.symbols[name] < image.data_offset for name in ("scale", "vector"))


def test_code_without_variables_has_no_writable_part() -> None:
    image = linked("x86_64", text="define i32 @one() #0 {\n  ret i32 1\n}\n")
    assert image.data_offset == image.size == len(image.code)
    assert image.externals == ()


def test_equal_text_gives_equal_images() -> None:
    assert linked("x86_64").to_bytes() == linked("x86_64").to_bytes()


def test_arm_code_finds_its_constant_through_page_and_offset() -> None:
    image = linked("aarch64")
    words = struct.unpack_from("<8I", image.code, image.symbols["vector"])
    position = next(i for i, word in enumerate(words) if word & 0x9F000000 == 0x90000000)
    place = image.symbols["vector"] + 4 * position
    page = (place & ~0xFFF) + (_adr_distance(words[position]) << 12)
    load = words[position + 1]
    assert load & 0xFFC00000 == 0x3DC00000, "ldr of a 16-byte register"
    constant = page + ((load >> 10 & 0xFFF) << 4)
    assert struct.unpack_from("<4f", image.code, constant) == (1, 2, 3, 5)


def test_an_arm_branch_reaches_the_stub_of_its_external() -> None:
    image = linked("aarch64")
    place = image.symbols["last"]
    (branch,) = struct.unpack_from("<I", image.code, place)
    assert branch >> 26 == 0b000101
    stub = place + 4 * _signed(branch & 0x3FFFFFF, 26)
    adrp, load, jump, _ = struct.unpack_from("<4I", image.code, stub)
    slot = (stub & ~0xFFF) + (_adr_distance(adrp) << 12) + ((load >> 10 & 0xFFF) << 3)
    assert image.externals[slot // 8] == "exp"
    assert jump == 0xD61F0200


def test_an_unknown_relocation_is_named() -> None:
    text = "@table = global [1 x ptr] [ptr @f]\ndefine void @f() #0 {\n  ret void\n}\n"
    with pytest.raises(CompileError, match="the reference to 'f' is a relocation of kind 1,"):
        linked("x86_64", text=text)


def test_a_section_of_an_unknown_type_is_named() -> None:
    machine = baseline_machine("x86_64")
    damaged = bytearray(machine.emit_object(MODULE))
    text = next(s for s in ElfObject(bytes(damaged)).sections if s.name == ".text")
    (table,) = struct.unpack_from("<Q", damaged, 40)
    struct.pack_into("<I", damaged, table + 64 * text.index + 4, 14)
    with pytest.raises(CompileError, match=r"section \.text has type 14"):
        link(bytes(damaged))


def test_bytes_that_are_no_object_are_refused() -> None:
    with pytest.raises(CompileError, match="no ELF object"):
        link(b"MZ" + bytes(100))


def test_a_syntax_error_shows_the_lines_around_it() -> None:
    text = "define i32 @f(i32 %x) {\n  %y = add i32 %x, %z\n  ret i32 %y\n}\n"
    with pytest.raises(CompileError) as caught:
        host_machine().emit_object(text)
    assert "use of undefined value '%z'" in caught.value.what
    assert ">    2 |   %y = add i32 %x, %z" in caught.value.what


def test_a_module_that_breaks_the_rules_of_llvm_is_refused() -> None:
    text = """
    define i32 @f(i1 %c) {
      br i1 %c, label %a, label %b
    a:
      %x = add i32 1, 2
      br label %b
    b:
      ret i32 %x
    }
    """
    with pytest.raises(CompileError, match="dominate"):
        host_machine().emit_object(text)


def test_the_host_machine_writes_vector_code() -> None:
    machine = host_machine()
    assert machine.vector_bytes in (16, 32, 64)
    assert f'"target-cpu"="{machine.cpu}"' in machine.attributes
    assert "vector" in machine.assembly(MODULE)


def _adr_distance(word: int) -> int:
    return _signed((word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3, 21)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


# several objects

HALVES = """
@seven = hidden constant i64 7

define hidden i64 @half(i64 %x) #0 {
  %s = load i64, ptr @seven
  %y = mul i64 %x, %s
  ret i64 %y
}
"""
WHOLE = """
declare hidden i64 @half(i64)
declare double @exp(double)

define i64 @whole(i64 %x) #0 {
  %y = call i64 @half(i64 %x)
  %z = call i64 @half(i64 %y)
  ret i64 %z
}

define ptr @where() #0 {
  ret ptr @half
}

define double @outside(double %x) #0 {
  %y = call double @exp(double %x)
  ret double %y
}
"""


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
@pytest.mark.parametrize("texts", [(HALVES, WHOLE), (WHOLE, HALVES)])
def test_objects_see_what_others_hide_from_users(architecture: str, texts: tuple[str, str]) -> None:
    machine = baseline_machine(architecture)
    image = link(*(machine.emit_object(text) for text in texts))
    assert set(image.symbols) == {"whole", "where", "outside"}
    assert image.externals == ("exp",)


@pytest.mark.parametrize("texts", [(HALVES, WHOLE), (WHOLE, HALVES)])
def test_calls_and_addresses_cross_objects(texts: tuple[str, str]) -> None:
    machine = host_machine()
    image = link(*(machine.emit_object(text) for text in texts))
    loaded = load_image(image)
    whole = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(loaded.address("whole"))
    where = ctypes.CFUNCTYPE(ctypes.c_void_p)(loaded.address("where"))
    half = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(where())
    assert (whole(2), half(3)) == (98, 21)


def functions(count: int) -> list[Function]:
    """Kernels that are long enough to be several units, and one that declares all of them."""
    body = "\n".join(f"  %v{n} = add i32 %chunk, {n}" for n in range(LINES // 2))
    made = [
        Function(
            f"k{n}",
            f"define hidden void @k{n}(ptr %f, i32 %chunk, i32 %c) #0 {{\n{body}\n  ret void\n}}",
            frozenset(),
            kernel_head(f"k{n}"),
        )
        for n in range(count)
    ]
    heads = frozenset(one.head for one in made)
    calls = "\n".join(f"  call void @{one.name}(ptr null, i32 0, i32 1)" for one in made)
    main = Function("main", f"define i32 @main() #0 {{\n{calls}\n  ret i32 0\n}}", heads)
    return [*made, main]


def test_a_program_is_divided_into_units_that_make_one_image() -> None:
    machine = host_machine()
    texts = list(units(functions(5)))
    assert len(texts) == 3
    made = [emit_objects(machine, iter(texts), "default") for _ in range(2)]
    assert made[0] == made[1]
    assert made[0] == [machine.emit_object(text) for text in texts]
    assert set(link(*made[0]).symbols) == {"main"}
    whole = machine.emit_object(module_text(functions(5)))
    assert set(link(whole).symbols) == {"main"}


def test_a_mistake_in_a_unit_is_told() -> None:
    texts = ["define void @f() #0 {\n  ret i32 1\n}\n", WHOLE]
    with pytest.raises(CompileError, match="refuses the generated code"):
        emit_objects(host_machine(), texts, "default")
