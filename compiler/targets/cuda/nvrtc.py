"""CUDA C++ → machine code by NVRTC, which needs no driver and no device.

What it has compiled once is kept on disk under the hash of everything that it was made from.
"""

from __future__ import annotations

import ctypes
import json
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from symfuse.runtime.cache import key, store
from symfuse.runtime.cuda.libraries import load
from symfuse.runtime.errors import CompileError
from symfuse.runtime.host.features import host_features

__all__ = ["Form", "Request", "Translation", "nvrtc_version", "translate", "translate_all"]

Form: TypeAlias = Literal["cubin", "ptx"]

# --minimal leaves out what kernels never use: textures, launches from the device, the runtime.
_FLAGS = ("-std=c++17", "-default-device", "--ptxas-options=-v", "--diag-suppress=177", "--minimal")
_EXCERPT = 3
_LONGEST_LOG = 2000
_REPORT = "report this as a defect of symfuse, with the function that was compiled"


class Request(Struct, frozen=True):
    """One source to translate; `flags` are added to those that every source is given."""

    name: str
    text: str
    arch: str
    form: Form = "cubin"
    flags: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """What the compiler is told."""
        virtual = self.form == "ptx"
        arch = self.arch.replace("sm_", "compute_") if virtual else self.arch
        return (f"-arch={arch}", *_FLAGS, *self.flags)


class Translation(Struct, frozen=True):
    """Code of one source, what the compiler said of it, and how long it took in its time."""

    code: bytes
    log: str
    seconds: float
    from_cache: bool = False

    def to_bytes(self) -> bytes:
        """A line of facts, then the code."""
        return json.dumps({"log": self.log, "seconds": self.seconds}).encode() + b"\n" + self.code

    @classmethod
    def from_bytes(cls, data: bytes) -> Translation:
        """What `to_bytes` has written."""
        facts, _, code = data.partition(b"\n")
        return cls(code, from_cache=True, **json.loads(facts))


Told: TypeAlias = Callable[[Request, Translation, int, int], None]


def translate(request: Request) -> Translation:
    """The code of one source, from the cache if it has been translated before."""
    entry = key(
        f"{request.name}.{request.form}",
        {
            "source": request.text,
            "options": " ".join(request.options),
            "compiler": "nvrtc " + ".".join(map(str, nvrtc_version())),
        },
    )
    kept = store().get(entry)
    if kept is not None:
        return Translation.from_bytes(kept)
    start = time.perf_counter()
    code, said = _run(request)
    made = Translation(code, said, time.perf_counter() - start)
    store().put(entry, made.to_bytes())
    return made


def translate_all(requests: Sequence[Request], told: Told) -> tuple[Translation, ...]:
    """All of them in order, on all cores; `told` hears of each as soon as it is its turn."""
    if not requests:
        return ()
    nvrtc_version()  # loads the library, or says that there is none, before threads are started
    found = []
    # Options that are set for this context alone say where the cache is.
    contexts = [copy_context() for _ in requests]
    with ThreadPoolExecutor(min(len(requests), host_features().cores)) as pool:
        every = pool.map(lambda context, one: context.run(translate, one), contexts, requests)
        for request, made in zip(requests, every, strict=True):
            found.append(made)
            told(request, made, len(found), len(requests))
    return tuple(found)


@cache
def nvrtc_version() -> tuple[int, int]:
    """The version of the compiler."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(_library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return major.value, minor.value


# the library


@cache
def _library() -> Any:
    library = load("nvrtc")
    library.nvrtcGetErrorString.restype = ctypes.c_char_p
    return library


def _run(request: Request) -> tuple[bytes, str]:
    library = _library()
    with _program(request) as program:
        options = [option.encode() for option in request.options]
        given = (ctypes.c_char_p * len(options))(*options)
        status = library.nvrtcCompileProgram(program, len(options), given)
        said = _text(program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
        if status:
            raise CompileError(f"NVRTC refuses {_explained(request, said, status)}", fix=_REPORT)
        return _text(program, "CUBIN" if request.form == "cubin" else "PTX"), said


@contextmanager
def _program(request: Request) -> Any:
    program = ctypes.c_void_p()
    name = f"{request.name}.cu".encode()
    text = request.text.encode()
    create = _library().nvrtcCreateProgram
    _check(create(ctypes.byref(program), text, name, 0, None, None))
    try:
        yield program
    finally:
        _library().nvrtcDestroyProgram(ctypes.byref(program))


def _text(program: ctypes.c_void_p, what: str) -> bytes:
    """The code or the log, which have one pair of functions each."""
    size = ctypes.c_size_t()
    _check(getattr(_library(), f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(getattr(_library(), f"nvrtcGet{what}")(program, buffer))
    return buffer.raw


def _check(status: int) -> None:
    if status:
        raise CompileError(f"NVRTC fails: {_meaning(status)}", fix=_REPORT)


def _meaning(status: int) -> str:
    message: bytes = _library().nvrtcGetErrorString(status)
    return message.decode()


def _explained(request: Request, said: str, status: int) -> str:
    """The kernel, the lines that the first message is about, and the messages."""
    errors = said[:_LONGEST_LOG].strip() or _meaning(status)
    place = re.search(r"\.cu\((\d+)\): (?:catastrophic )?error", said)
    if not place:
        return f"{request.name} for {request.arch}:\n{errors}"
    line, lines = int(place[1]), request.text.splitlines()
    first = max(1, line - _EXCERPT)
    excerpt = [
        f"{'>' if number == line else ' '} {number:4} | {content}"
        for number, content in enumerate(lines[first - 1 : line + _EXCERPT], first)
    ]
    return "\n".join([f"{request.name} for {request.arch}:", *excerpt, errors])
