"""The code generator: LLVM text in, object files out. The one place that loads llvmlite."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from ctypes import string_at
from functools import cache, partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from symfuse.runtime.errors import CompileError
from symfuse.runtime.host.features import host_features
from symfuse.runtime.host.loader import architecture

from ...interpreter import quick_turns

__all__ = [
    "Level",
    "Machine",
    "baseline_machine",
    "converts_f16",
    "emit_objects",
    "host_machine",
    "llvm_version",
]

Level: TypeAlias = Literal["fast-compile", "default", "max"]
"""How long to think: as little as possible, a few cheap passes, or everything that LLVM has."""

_BASELINES = {"x86_64": ("x86-64", ""), "aarch64": ("generic", "+neon")}
_WIDTHS = {"+avx512f": 64, "+avx2": 32}
_NARROW = 16
_EFFORT: Mapping[Level, int] = {"fast-compile": 0, "default": 2, "max": 3}
_EXCERPT = 3


class Machine(Struct, frozen=True):
    """The processor that code is generated for."""

    triple: str
    cpu: str
    features: str

    @property
    def vector_bytes(self) -> int:
        """The width of its vector registers."""
        enabled = self.features.split(",")
        return next((width for name, width in _WIDTHS.items() if name in enabled), _NARROW)

    @property
    def attributes(self) -> str:
        """The line of a module that makes its functions (`#0`) code for this processor."""
        settings = {
            "target-cpu": self.cpu,
            "target-features": self.features,
            "prefer-vector-width": str(8 * self.vector_bytes),
        }
        listed = " ".join(f'"{name}"="{value}"' for name, value in settings.items() if value)
        return f"attributes #0 = {{ nounwind {listed} }}"

    def emit_object(self, text: str, *, level: Level = "default") -> bytes:
        """The ELF object file of a module; all its addresses are relative to one another."""
        target, module = self._compile(text, level)
        return _emitted(target, module)

    def assembly(self, text: str, *, level: Level = "default") -> str:
        """The same code as `emit_object` gives, as assembly text."""
        target, module = self._compile(text, level)
        emitted: str = target.emit_assembly(module)
        return emitted

    def _compile(self, text: str, level: Level) -> tuple[Any, Any]:
        target = _target_machine(self, level)
        facts = f'target triple = "{self.triple}" target datalayout = "{_data_layout(self)}" '
        module = _parse(f"{facts}{text}\n{self.attributes}\n")
        _optimise(module, target, level)
        return target, module


def emit_objects(
    machine: Machine,
    texts: Iterable[str],
    level: Level,
    meanwhile: Callable[[], object] = lambda: None,
) -> list[bytes]:
    """The object files of modules: threads work on them while later ones are written, and while
    what else there is to do is done `meanwhile`."""
    crew = _Crew(partial(machine.emit_object, level=level))
    with quick_turns(), crew:
        for text in texts:
            crew.add(text)
        meanwhile()
    return crew.results()


class _Crew:
    """Threads that do one thing with each text, at most as many as there are cores; left when all
    is done, or, after a failure, what has been begun. Where the system gives no thread, the caller
    does it all at the end. `concurrent.futures` does more, and loads the standard logging for it.
    """

    def __init__(self, work: Callable[[str], bytes]) -> None:
        self._work, self._threads = work, list[Thread]()
        self._texts: SimpleQueue[tuple[int, str] | None] = SimpleQueue()
        self._done: dict[int, bytes] = {}
        self._failures: dict[int, BaseException] = {}
        self._count, self._is_over = 0, False

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *failure: object) -> None:
        self._is_over |= kind is not None
        self._texts.put(None)  # the end, which each thread hands on to the next
        if not self._threads:
            self._run()
        try:
            for thread in self._threads:
                thread.join()
        except BaseException:  # an interruption, after which nothing more is begun
            self._is_over = True
            raise

    def add(self, text: str) -> None:
        """One more text, whose turn comes as soon as a thread is free."""
        self._texts.put((self._count, text))
        self._count += 1
        if len(self._threads) < host_features().cores:
            self._hire()

    def results(self) -> list[bytes]:
        """What came of each text, in the order of the texts, or the first failure."""
        for number in sorted(self._failures):
            raise self._failures[number]
        return [self._done[number] for number in range(self._count)]

    def _run(self) -> None:
        while not self._is_over and (task := self._texts.get()) is not None:
            number, text = task
            try:
                self._done[number] = self._work(text)
            except BaseException as failure:  # whatever it is, `results` raises it
                self._failures[number] = failure
                self._is_over = True
        self._texts.put(None)

    def _hire(self) -> None:
        thread = Thread(target=self._run)
        try:
            thread.start()
        except RuntimeError:  # the system has no thread to give, or Python is about to end
            return
        self._threads.append(thread)


@cache
def host_machine() -> Machine:
    """The processor of this computer, with all it can do."""
    llvm = _llvm()
    features = llvm.get_host_cpu_features().flatten()
    return Machine(_triple(architecture()), llvm.get_host_cpu_name(), features)


@cache
def converts_f16() -> bool:
    """Whether this processor has instructions between f16 and f32."""
    host = host_machine()
    return host.triple.startswith("aarch64") or "+f16c" in host.features.split(",")


def baseline_machine(name: str = "") -> Machine:
    """The least processor of an architecture, else of this computer's; llvmlite is not loaded.

    Its code runs on all processors of that architecture.
    """
    name = name or architecture()
    return Machine(_triple(name), *_BASELINES[name])


@cache
def llvm_version() -> str:
    """The versions that decide what code comes out, for the keys of caches."""
    llvm = _llvm()
    return ".".join(map(str, llvm.llvm_version_info))


@cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@cache
def _all_targets() -> None:
    llvm = _llvm()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def _triple(name: str) -> str:
    # The linker reads ELF, so ELF is what is written on every operating system.
    return f"{name}-unknown-linux-gnu"


@cache
def _data_layout(machine: Machine) -> str:
    return str(_target_machine(machine, "default").target_data)


def _target_machine(machine: Machine, level: Level) -> Any:
    """What generates code, which serves one thread only."""
    llvm = _llvm()
    if not machine.triple.startswith(architecture()):
        _all_targets()
    return llvm.Target.from_triple(machine.triple).create_target_machine(
        cpu=machine.cpu,
        features=machine.features,
        opt=_EFFORT[level],
        reloc="pic",
        codemodel="small",
    )


def _optimise(module: Any, target: Any, level: Level) -> None:
    llvm = _llvm()
    if level == "fast-compile":
        return
    tuning = llvm.create_pipeline_tuning_options(speed_level=_EFFORT[level])
    builder = llvm.create_pass_builder(target, tuning)
    if level == "max":
        builder.getModulePassManager().run(module, builder)
        return
    passes = llvm.create_new_module_pass_manager()
    # The text has no variables, no common subexpressions and whole vectors: constants are what
    # is left to find, such as what a formula makes of an operand that is a number.
    passes.add_sccp_pass()
    passes.add_dead_code_elimination_pass()
    passes.run(module, builder)


def _emitted(target: Any, module: Any) -> bytes:
    """The object file. llvmlite lets one thread at a time into LLVM; as nothing of this module and
    of what generates its code is known to others, this call need not wait for them."""
    ffi = _llvm().ffi
    emit = ffi.lib.LLVMPY_TargetMachineEmitToMemory
    emit = getattr(emit, "_cfn", emit)  # the function without the lock
    with ffi.OutputString() as message:
        buffer = emit(target, module, 1, message)
        if not buffer:
            raise CompileError(
                f"LLVM cannot generate code: {message}",
                fix="report this as a defect of symfuse, with the function that was compiled",
            )
    try:
        return string_at(
            ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer)
        )
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


def _parse(text: str) -> Any:
    """The module, in a context of its own."""
    llvm = _llvm()
    try:
        module = llvm.parse_assembly(text, llvm.create_context())
        module.verify()
    except RuntimeError as error:
        raise CompileError(
            f"LLVM refuses the generated code: {_explain(str(error), text)}",
            fix="report this as a defect of symfuse, with the function that was compiled",
        ) from error
    return module


def _explain(message: str, text: str) -> str:
    """LLVM's message, followed by the lines that it is about."""
    message = message.removeprefix("LLVM IR parsing error").strip()
    place = re.match(r"<string>:(\d+):\d+: (?:error: )?(.*)", message)
    if not place:
        return message
    line, lines = int(place[1]), text.splitlines()
    first = max(1, line - _EXCERPT)
    excerpt = [
        f"{'>' if number == line else ' '} {number:4} | {content}"
        for number, content in enumerate(lines[first - 1 : line + _EXCERPT], first)
    ]
    return "\n".join([place[2], *excerpt])
