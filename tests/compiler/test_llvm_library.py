"""LLVM's functions, called without llvmlite's packages: the same functions, the same code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from ctypes import POINTER, _Pointer, c_void_p
from functools import partial
from pathlib import Path
from threading import Semaphore, Thread
from types import SimpleNamespace
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import pytest

from symfuse.compiler.targets.llvm import library
from symfuse.compiler.targets.llvm.library import (
    CodeGenerator,
    LLVMError,
    host_processor,
    llvm_version,
)
from symfuse.compiler.targets.llvm.machine import Machine, begin_loading, host_machine
from symfuse.runtime.errors import CompileError

TEXT = """
declare <4 x float> @llvm.fma.v4f32(<4 x float>, <4 x float>, <4 x float>)
define void @f(ptr %p, i64 %n) {
entry:
  br label %h
h:
  %i = phi i64 [ 0, %entry ], [ %j, %b ]
  %c = icmp slt i64 %i, %n
  br i1 %c, label %b, label %x
b:
  %q = getelementptr float, ptr %p, i64 %i
  %v = load <4 x float>, ptr %q, align 4
  %w = call <4 x float> @llvm.fma.v4f32(<4 x float> %v, <4 x float> %v, <4 x float> %v)
  store <4 x float> %w, ptr %q, align 4
  %j = add nsw i64 %i, 4
  br label %h
x:
  ret void
}
"""


def kind(type_: Any) -> Any:
    """Objects of LLVM are plain addresses here, and pointers to named structures there."""
    opaque = isinstance(type_, type(_Pointer)) and type_ is not POINTER(library.c_char_p)
    return c_void_p if opaque else type_


def needs_fork(test: Any) -> Any:
    """Threads that a fork must respect are what these tests are about."""
    for mark in (
        pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
        pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    ):
        test = mark(test)
    return test


@pytest.mark.parametrize("name", library._SIGNATURES)
def test_functions_are_declared_as_llvmlite_declares_them(name: str) -> None:
    theirs = getattr(llvm.ffi.lib, library._PREFIX + name)._cfn
    result, *parameters = library._SIGNATURES[name]
    if theirs.argtypes is not None:
        of_earlier_releases = [library.c_int] * (name == "buildPerModuleDefaultPipeline")
        declared = list(map(kind, theirs.argtypes))
        assert parameters in (declared, declared + of_earlier_releases)
    if theirs.restype is not library.c_int:  # what ctypes takes for granted
        assert kind(theirs.restype) is result


def test_this_release_of_llvmlite_is_known() -> None:
    assert llvmlite.__version__.startswith(library._KNOWN)


@pytest.fixture
def wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a release that is not known."""
    functions = library._wrapped()
    monkeypatch.setattr(library, "_functions", lambda: functions)


@pytest.mark.parametrize("effort", range(4))
@pytest.mark.parametrize("thorough", [False, True])
def test_releases_that_are_not_known_make_the_same_code(
    request: pytest.FixtureRequest, effort: int, thorough: bool
) -> None:
    host = host_machine()
    make = partial(CodeGenerator, host.triple, host.cpu, host.features, effort)
    generator = make()
    plain = [generator.emit(TEXT, assembly=kind, thorough=thorough) for kind in (False, True)]
    request.getfixturevalue("wrapped")
    generator = make()
    assert plain == [
        generator.emit(TEXT, assembly=kind, thorough=thorough) for kind in (False, True)
    ]
    assert (*host_processor(), llvm_version()) == (host.cpu, host.features, llvm_version())


@pytest.mark.parametrize("version", ["0.44.0", "0.51.0dev0", "0.500.0", "1.0.0"])
def test_other_releases_are_used_as_llvmlite_declares_them(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(llvmlite, "__version__", version)
    monkeypatch.setattr(library, "_declared", lambda library: pytest.fail("its own declarations"))
    assert isinstance(library._functions.__wrapped__(), SimpleNamespace)


def test_a_library_in_another_place_is_found_by_llvmlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library.os.path, "exists", lambda path: False)
    monkeypatch.setattr(library, "_declared", lambda library: pytest.fail("its own declarations"))
    assert isinstance(library._functions.__wrapped__(), SimpleNamespace)


def test_the_processor_is_the_one_that_llvmlite_finds() -> None:
    name, features = host_processor()
    assert name == llvm.get_host_cpu_name()
    assert features == llvm.get_host_cpu_features().flatten()
    assert llvm_version() == ".".join(map(str, llvm.llvm_version_info))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("define void @f() {\n  retvoid\n}", r"<string>:2:3: error: expected instruction opcode"),
        ("define i32 @f() {\n  ret void\n}", "match function result type"),
        ("define i32 @f() {\n  %x = add i32 %y, 1\n  %y = add i32 %x, 1\n  ret i32 %x\n}", "domin"),
    ],
)
@pytest.mark.parametrize("way", ["", "wrapped"])
def test_what_llvm_says_of_a_wrong_text_is_handed_on(
    request: pytest.FixtureRequest, text: str, message: str, way: str
) -> None:
    if way:
        request.getfixturevalue(way)
    generator = CodeGenerator(host_machine().triple, "", "", 2)
    with pytest.raises(LLVMError, match=message):
        generator.emit(text)
    assert generator.emit(TEXT)  # and the generator goes on


@pytest.mark.parametrize(
    ("module", "library_text", "message"),
    [
        ("raise ImportError('gone')", "", "gone"),
        ("", "", "__version__"),
        ("__version__ = '0.50.0'", "no library", "libllvmlite"),
    ],
)
def test_where_llvm_cannot_be_loaded_the_error_says_what_to_do(
    tmp_path: Path, module: str, library_text: str, message: str
) -> None:
    binding = tmp_path / "llvmlite" / "binding"
    binding.mkdir(parents=True)
    (tmp_path / "llvmlite" / "__init__.py").write_text(module)
    for name in ("libllvmlite.so", "libllvmlite.dylib", "llvmlite.dll"):
        (binding / name).write_text(library_text)
    program = (
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "from symfuse.compiler.targets.llvm.machine import begin_loading, host_machine\n"
        "begin_loading()\n"
        "host_machine()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 1
    last = ended.stderr[ended.stderr.index("CompileError: LLVM cannot be loaded") :]
    assert message in last and "pip install --force-reinstall llvmlite" in last
    assert "Exception in thread" not in ended.stderr


def test_a_processor_that_llvm_does_not_know_is_named() -> None:
    with pytest.raises(CompileError, match="nonsense") as caught:
        Machine("nonsense-unknown-linux-gnu", "", "").emit_object(TEXT)
    assert "update llvmlite" in str(caught.value)


def status_of_child(work: Callable[[], object]) -> int:
    """How a child ends that was forked now, and does this."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if work() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@needs_fork
@pytest.mark.parametrize("threads", [1, 3])
def test_a_fork_waits_until_other_threads_have_left_llvm(threads: int) -> None:
    generator = CodeGenerator(host_machine().triple, "", "", 2)
    left, entered = list[int](), Semaphore(0)

    def be_inside(number: int) -> None:
        with library._ROOM:
            entered.release()
            while not library._ROOM._is_closed:
                time.sleep(0.001)
            with library._ROOM:  # who is inside already goes on
                left.append(number)

    others = [Thread(target=be_inside, args=(number,)) for number in range(threads)]
    for thread in others:
        thread.start()
        entered.acquire()
    assert status_of_child(lambda: len(left) == threads and generator.emit(TEXT)) == 0
    for thread in others:
        thread.join()
    assert generator.emit(TEXT)


@needs_fork
def test_who_is_inside_may_fork() -> None:
    with library._ROOM:
        assert status_of_child(lambda: CodeGenerator(host_machine().triple, "", "", 2)) == 0


@needs_fork
def test_a_child_can_compile_whenever_it_was_forked() -> None:
    """In a process of its own, where LLVM has not been loaded yet."""
    program = (
        "import os, signal, sys, time, threading\n"
        "from symfuse.compiler.targets.llvm.machine import host_machine\n"
        "TEXT = 'define void @f() #0 { ret void }'\n"
        "def work(): host_machine().emit_object(TEXT)\n"
        "for moment in range(20):\n"
        "    first = os.fork()\n"
        "    if first == 0:\n"
        "        thread = threading.Thread(target=work)\n"
        "        thread.start()\n"
        "        time.sleep(0.002 * moment)\n"
        "        child = os.fork()\n"
        "        if child == 0:\n"
        "            signal.alarm(60)\n"
        "            work()\n"
        "            os._exit(0)\n"
        "        thread.join()\n"
        "        os._exit(0 if os.waitpid(child, 0)[1] == 0 else 1)\n"
        "    assert os.waitpid(first, 0)[1] == 0, moment\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.1, 0.3])
def test_the_process_ends_well_while_daemon_threads_generate_code(seconds: float) -> None:
    program = (
        "import threading, time\n"
        "from symfuse.compiler.targets.llvm.machine import host_machine\n"
        "text = 'define void @f() #0 { ret void }\\n'\n"
        "text += ''.join(text.replace('@f', f'@f{n}') for n in range(200))\n"
        "def work():\n"
        "    host_machine().emit_object(text)\n"
        "    work()\n"
        "for _ in range(3):\n"
        "    threading.Thread(target=work, daemon=True).start()\n"
        f"time.sleep({seconds})\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_is_done_at_the_very_end_can_compile() -> None:
    """By the thread that ends, whose own threads are no daemons."""
    program = (
        "import atexit, threading\n"
        "from symfuse.compiler.targets.llvm.machine import emit_objects, host_machine\n"
        "def work():\n"
        "    texts = [f'define void @f{n}() #0 {{ ret void }}' for n in range(4)]\n"
        "    print(len(emit_objects(host_machine(), texts, 'default')))\n"
        "atexit.register(work)\n"
        "from symfuse.compiler.targets.llvm import library\n"
        "atexit.register(library._ROOM.end)\n"
        "threading.Thread(target=host_machine, daemon=True).start()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert (ended.stdout, ended.stderr) == (b"4\n", b"")


def test_compiling_loads_none_of_the_packages_of_llvmlite(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np, symfuse as sf\n"
        "assert sf.jit(lambda x: x + 1)(np.zeros(3)).tolist() == [1, 1, 1]\n"
        "assert 'llvmlite' in sys.modules and 'llvmlite.binding' not in sys.modules\n"
    )
    empty = {**os.environ, "SYMFUSE_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=empty)


def test_where_there_is_no_thread_to_be_had_llvm_is_loaded_when_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    begin_loading.__wrapped__()
    assert host_machine().emit_object(TEXT)
