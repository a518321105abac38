"""Images become callable memory that is never writable and executable at once."""

from __future__ import annotations

import ctypes
import gc
import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symfuse.compiler.targets.llvm.link import link
from symfuse.compiler.targets.llvm.machine import baseline_machine
from symfuse.runtime.errors import ArtifactError, DeviceError
from symfuse.runtime.host import library
from symfuse.runtime.host.image import Image
from symfuse.runtime.host.loader import LoadedImage, load_image

MODULE = """
@count = global i32 41
@room = global [100000 x i8] zeroinitializer, align 64
declare float @expf(float)
declare i32 @tests_register_me(i32)

define i32 @next() #0 {
  %old = load i32, ptr @count
  %new = add i32 %old, 1
  store i32 %new, ptr @count
  ret i32 %new
}

define float @grow(float %x) #0 {
  %y = call float @expf(float %x)
  ret float %y
}

define i32 @ask(i32 %x) #0 {
  %y = call i32 @tests_register_me(i32 %x)
  ret i32 %y
}

define void @ramp(ptr %out) #0 {
  store <4 x float> <float 1.0, float 2.0, float 3.0, float 4.0>, ptr %out, align 4
  ret void
}

define i64 @sum_of_room() #0 {
  %last = getelementptr i8, ptr @room, i64 99992
  %value = load i64, ptr %last
  ret i64 %value
}

define ptr @where() #0 {
  ret ptr @next
}
"""

ANSWER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)


@pytest.fixture(scope="module")
def image() -> Image:
    address = ctypes.cast(ANSWER, ctypes.c_void_p).value
    assert address is not None
    library.register("tests_register_me", address)
    return link(baseline_machine().emit_object(MODULE))


@pytest.fixture(scope="module")
def loaded(image: Image) -> LoadedImage:
    return load_image(image)


def test_writable_data_keeps_its_values_between_calls(image: Image) -> None:
    first, second = load_image(image), load_image(image)
    count = ctypes.CFUNCTYPE(ctypes.c_int)
    assert [count(first.address("next"))() for _ in range(3)] == [42, 43, 44]
    assert count(second.address("next"))() == 42


def test_constants_and_zeros_are_where_the_code_expects_them(loaded: LoadedImage) -> None:
    out = np.zeros(4, np.float32)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(loaded.address("ramp"))(out.ctypes.data)
    assert out.tolist() == [1, 2, 3, 4]
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(loaded.address("sum_of_room"))() == 0


def test_functions_of_libm_and_registered_functions_are_called(loaded: LoadedImage) -> None:
    grow = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)(loaded.address("grow"))
    ask = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(loaded.address("ask"))
    assert grow(1.0) == pytest.approx(np.e, rel=1e-6)
    assert ask(41) == 42


def test_code_knows_its_own_addresses(loaded: LoadedImage) -> None:
    where = ctypes.CFUNCTYPE(ctypes.c_size_t)(loaded.address("where"))
    assert where() == loaded.address("next")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
def test_no_part_is_writable_and_executable(image: Image) -> None:
    loaded = load_image(image)
    assert _protection(loaded.base) == "r-xp"
    assert _protection(loaded.base + image.data_offset) == "rw-p"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
def test_code_goes_with_its_object_unless_it_is_resident(image: Image) -> None:
    passing, staying = load_image(image), load_image(image, resident=True)
    was, stays = passing.base, staying.base
    del passing, staying
    gc.collect()
    assert _protection(was) != "r-xp"
    assert _protection(stays) == "r-xp"


def test_an_image_survives_its_bytes(image: Image) -> None:
    assert Image.from_bytes(image.to_bytes()) == image


@pytest.mark.parametrize("data", [b"", b"SFIM", b"ELF" + bytes(40), b"SFIM\1\0\4\0\0\0null"])
def test_bytes_that_are_no_image_are_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError, match="no code image"):
        Image.from_bytes(data)


@pytest.mark.parametrize(
    "change",
    [
        {"size": -5},
        {"size": 1},
        {"data_offset": 1 << 40},
        {"data_offset": -1},
        {"data_offset": 0, "externals": ("cos", "sin")},
        {"symbols": {"main": 1 << 40}},
        {"symbols": {"main": -8}},
        {"symbols": {"main": "x"}},
        {"symbols": ["main"]},
    ],
)
def test_an_image_whose_parts_do_not_fit_is_refused(image: Image, change: Any) -> None:
    facts = {"architecture", "symbols", "externals", "data_offset", "size"}
    stored = {name: change.get(name, getattr(image, name)) for name in facts}
    header = json.dumps(stored).encode()
    data = struct.pack("<4sHI", b"SFIM", 1, len(header)) + header + image.code
    with pytest.raises(ArtifactError, match="no code image"):
        Image.from_bytes(data)


def test_code_for_another_architecture_is_refused(image: Image) -> None:
    with pytest.raises(ArtifactError, match="the code is for vax"):
        load_image(image._replace(architecture="vax"))


def test_an_unknown_symbol_is_named(loaded: LoadedImage) -> None:
    with pytest.raises(ArtifactError, match="no symbol 'main'"):
        loaded.address("main")


def test_an_unknown_external_is_named(image: Image) -> None:
    with pytest.raises(DeviceError, match="'no_such_function'"):
        load_image(image._replace(externals=("no_such_function",)))


def _protection(address: int) -> str:
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, protection, *_ = line.split()
        start, stop = (int(end, 16) for end in span.split("-"))
        if start <= address < stop:
            return protection
    return ""
