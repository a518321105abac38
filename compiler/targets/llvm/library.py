"""LLVM as llvmlite ships it: the few functions that make machine code of text.

llvmlite's own packages wrap much more of LLVM: they take longer to load than a small program takes
to compile, and their lock lets one thread at a time in. Here its library is opened without them
and without Python's lock, and threads work side by side, each with a context of its own
(https://llvm.org/docs/ProgrammersManual.html#threads-and-llvm).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import (
    CDLL,
    POINTER,
    PyDLL,
    byref,
    c_bool,
    c_char_p,
    c_int,
    c_size_t,
    c_uint,
    c_void_p,
    string_at,
)
from functools import cache, partial
from importlib import import_module
from threading import RLock
from types import SimpleNamespace
from typing import Any
from weakref import finalize

from symfuse.runtime.errors import CompileError

from .room import Room

__all__ = ["CodeGenerator", "LLVMError", "host_processor", "llvm_version"]

_PREFIX = "LLVMPY_"
_MESSAGE = POINTER(c_char_p)
_SIGNATURES: Mapping[str, tuple[Any, ...]] = {  # the result, and the parameters
    "GetVersionInfo": (c_uint,),
    "GetHostCPUFeatures": (c_int, _MESSAGE),
    "GetHostCPUName": (None, _MESSAGE),
    "DisposeString": (None, c_char_p),
    "InitializeNativeTarget": (None,),
    "InitializeNativeAsmPrinter": (None,),
    "InitializeAllTargetInfos": (None,),
    "InitializeAllTargets": (None,),
    "InitializeAllTargetMCs": (None,),
    "InitializeAllAsmPrinters": (None,),
    "GetTargetFromTriple": (c_void_p, c_char_p, _MESSAGE),
    "CreateTargetMachine": (
        *(c_void_p, c_void_p, c_char_p, c_char_p, c_char_p, c_int),
        *(c_char_p, c_char_p, c_int, c_int, c_char_p),
    ),
    "DisposeTargetMachine": (None, c_void_p),
    "CreateTargetMachineData": (c_void_p, c_void_p),
    "CopyStringRepOfTargetData": (None, c_void_p, _MESSAGE),
    "DisposeTargetData": (None, c_void_p),
    "ContextCreate": (c_void_p,),
    "ContextDispose": (None, c_void_p),
    "ParseAssembly": (c_void_p, c_void_p, c_char_p, _MESSAGE),
    "VerifyModule": (c_bool, c_void_p, _MESSAGE),
    "DisposeModule": (None, c_void_p),
    "CreatePipelineTuningOptions": (c_void_p,),
    "DisposePipelineTuningOptions": (None, c_void_p),
    "CreatePassBuilder": (c_void_p, c_void_p, c_void_p),
    "DisposePassBuilder": (None, c_void_p),
    # before 0.48 it looks at a level of size as well
    "buildPerModuleDefaultPipeline": (c_void_p, c_void_p, c_int, c_int),
    "RunNewModulePassManager": (None, c_void_p, c_void_p, c_void_p),
    "DisposeNewModulePassManger": (None, c_void_p),
    "TargetMachineEmitToMemory": (c_void_p, c_void_p, c_void_p, c_int, _MESSAGE),
    "GetBufferStart": (c_void_p, c_void_p),
    "GetBufferSize": (c_size_t, c_void_p),
    "DisposeMemoryBuffer": (None, c_void_p),
}
_BRIEF = {  # which take less time than waiting for Python's lock would, had they given it back
    "ContextCreate",
    "DisposeString",
    "GetBufferStart",
    "GetBufferSize",
    "DisposeMemoryBuffer",
}
_KNOWN = ("0.45.", "0.46.", "0.47.", "0.48.", "0.49.", "0.50.")  # releases that have these
_NAMES = {"darwin": "libllvmlite.dylib", "win32": "llvmlite.dll"}
_LOCK = RLock()  # LLVM's list of targets is not made for several threads; taken inside of `_ROOM`
_ROOM = Room()


class LLVMError(Exception):
    """What LLVM says of a text, or of a processor."""


class CodeGenerator:
    """Makes machine code for one processor, position-independent and of less than 2 GiB.

    One thread at a time may use it. `effort` is from 0 to 3.
    """

    @_ROOM
    def __init__(self, triple: str, cpu: str, features: str, effort: int) -> None:
        llvm = self._llvm = _library()
        self._effort, name = effort, triple.encode()
        target, message = _told(partial(llvm.GetTargetFromTriple, name))
        if not target:
            _load_all_targets()
            target, message = _told(partial(llvm.GetTargetFromTriple, name))
        if not target:
            raise LLVMError(message)
        described = (name, cpu.encode(), features.encode(), effort, b"pic", b"small", 0, 0, b"")
        self._machine = llvm.CreateTargetMachine(target, *described)
        if not self._machine:
            raise LLVMError(f"there is no code generator for {triple}, {cpu}, {features}")
        finalize(self, llvm.DisposeTargetMachine, self._machine).atexit = False
        self._facts = f'target triple = "{triple}" target datalayout = "{self._layout()}" '

    @_ROOM
    def emit(self, text: str, *, assembly: bool = False, thorough: bool = False) -> bytes:
        """The object file of a module without facts about the target, or its assembly text.

        With `thorough`, all of LLVM's passes go over it before.
        """
        llvm = self._llvm
        with self._module(text) as module:
            if thorough:
                self._run_passes(module)
            emit = partial(llvm.TargetMachineEmitToMemory, self._machine, module, int(not assembly))
            buffer, message = _told(emit)
            if not buffer:
                raise LLVMError(message)
            try:
                return string_at(llvm.GetBufferStart(buffer), llvm.GetBufferSize(buffer))
            finally:
                llvm.DisposeMemoryBuffer(buffer)

    def _layout(self) -> str:
        data = self._llvm.CreateTargetMachineData(self._machine)
        _, layout = _told(partial(self._llvm.CopyStringRepOfTargetData, data))
        self._llvm.DisposeTargetData(data)
        return layout

    @contextmanager
    def _module(self, text: str) -> Iterator[Any]:
        """The module, verified."""
        llvm = self._llvm
        context = llvm.ContextCreate()
        try:
            source = (self._facts + text).encode()
            module, message = _told(partial(llvm.ParseAssembly, context, source))
            if not module:
                raise LLVMError(message)
            try:
                is_broken, message = _told(partial(llvm.VerifyModule, module))
                if is_broken:
                    raise LLVMError(message)
                yield module
            finally:
                llvm.DisposeModule(module)
        finally:
            llvm.ContextDispose(context)

    def _run_passes(self, module: Any) -> None:
        llvm = self._llvm
        tuning = llvm.CreatePipelineTuningOptions()
        builder = llvm.CreatePassBuilder(self._machine, tuning)
        passes = llvm.buildPerModuleDefaultPipeline(builder, self._effort, 0)
        llvm.RunNewModulePassManager(passes, module, builder)
        llvm.DisposeNewModulePassManger(passes)
        llvm.DisposePassBuilder(builder)
        llvm.DisposePipelineTuningOptions(tuning)


@_ROOM
def host_processor() -> tuple[str, str]:
    """LLVM's name of this computer's processor, and all that it can and cannot do."""
    _, name = _told(_library().GetHostCPUName)
    _, features = _told(_library().GetHostCPUFeatures)
    return name, ",".join(sorted(features.split(","), key=lambda feature: feature[1:]))


def llvm_version() -> str:
    """LLVM's version."""
    number = _library().GetVersionInfo()
    return ".".join(map(str, number.to_bytes(4, "big").lstrip(b"\0")))


def _told(function: Callable[[Any], Any]) -> tuple[Any, str]:
    """What a function gives, and the text that it puts where its last argument points to."""
    text = c_char_p()
    result = function(byref(text))
    if text.value is None:
        return result, ""
    told = text.value
    _library().DisposeString(text)
    return result, told.decode()


def _library() -> Any:
    """The functions, by their names without prefix; they can make code for this computer."""
    with _ROOM, _LOCK:
        return _functions()


@cache
def _functions() -> Any:
    try:
        functions = _loaded()
    except (ImportError, OSError, AttributeError) as error:  # also one of which a part is missing
        fix = "install llvmlite, which brings LLVM, anew: pip install --force-reinstall llvmlite"
        raise CompileError(f"LLVM cannot be loaded: {error}", fix=fix) from error
    functions.InitializeNativeTarget()
    functions.InitializeNativeAsmPrinter()
    return functions


def _loaded() -> SimpleNamespace:
    llvmlite = import_module("llvmlite")
    path = os.path.join(llvmlite.__path__[0], "binding", _NAMES.get(sys.platform, "libllvmlite.so"))
    is_known = llvmlite.__version__.startswith(_KNOWN) and os.path.exists(path)
    return _declared(_opened(path)) if is_known else _wrapped()


def _opened(path: str) -> CDLL:
    """The library. Python up to 3.12 lets no other thread run in `CDLL`, which takes 10 ms."""
    if os.name == "posix":
        CDLL(None).dlopen(path.encode(), os.RTLD_NOW)
    return CDLL(path)


def _declared(library: CDLL) -> SimpleNamespace:
    functions, keeping = SimpleNamespace(), PyDLL(None, handle=library._handle)
    for name, (result, *parameters) in _SIGNATURES.items():
        function = (keeping if name in _BRIEF else library)[_PREFIX + name]
        function.restype, function.argtypes = result, parameters
        setattr(functions, name, function)
    return functions


def _wrapped() -> SimpleNamespace:
    """As llvmlite declares and locks them: slower, but right for releases that are not known."""
    library = import_module("llvmlite.binding").ffi.lib
    return SimpleNamespace(**{name: getattr(library, _PREFIX + name) for name in _SIGNATURES})


@cache
def _load_all_targets() -> None:
    llvm = _library()
    with _LOCK:
        llvm.InitializeAllTargetInfos()
        llvm.InitializeAllTargets()
        llvm.InitializeAllTargetMCs()
        llvm.InitializeAllAsmPrinters()
