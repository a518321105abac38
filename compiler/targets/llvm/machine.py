"""The processors that code is generated for, and the threads that do it: LLVM text in, object
files out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache, partial
from queue import SimpleQueue
from threading import Thread
from typing import Literal, TypeAlias

from msgspec import Struct

from symfuse.runtime.errors import CompileError
from symfuse.runtime.host.features import host_features
from symfuse.runtime.host.loader import architecture

from ...interpreter import quick_turns
from .library import CodeGenerator, LLVMError, host_processor

__all__ = [
    "Level",
    "Machine",
    "baseline_machine",
    "begin_loading",
    "converts_f16",
    "emit_objects",
    "host_machine",
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
        return self.generator(level)(text)

    def assembly(self, text: str, *, level: Level = "default") -> str:
        """The same code as `emit_object` gives, as assembly text."""
        return self.generator(level, assembly=True)(text).decode()

    def generator(self, level: Level, *, assembly: bool = False) -> Callable[[str], bytes]:
        """What makes object files of texts, or assembly; for one thread."""
        try:
            generator = CodeGenerator(self.triple, self.cpu, self.features, _EFFORT[level])
        except LLVMError as error:
            fix = "update llvmlite, which brings LLVM"
            raise CompileError(f"LLVM does not know this processor: {error}", fix=fix) from error
        emit = partial(generator.emit, assembly=assembly, thorough=level == "max")
        return partial(_emitted, emit, self.attributes)


def emit_objects(
    machine: Machine,
    texts: Iterable[str],
    level: Level,
    meanwhile: Callable[[], object] = lambda: None,
) -> list[bytes]:
    """The object files of modules: threads work on them while later ones are written, and while
    what else there is to do is done `meanwhile`."""
    crew = _Crew(partial(machine.generator, level))
    with quick_turns(), crew:
        for text in texts:
            crew.add(text)
        meanwhile()
    return crew.results()


class _Crew:
    """Threads that get ready and do one thing with each text, at most as many as there are cores;
    left when all is done, or, after a failure, what has been begun. Where the system gives no
    thread, the caller does it all at the end. `concurrent.futures` does more, and loads the
    standard logging for it.
    """

    def __init__(self, ready: Callable[[], Callable[[str], bytes]]) -> None:
        self._ready, self._threads = ready, list[Thread]()
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
        work: Callable[[str], bytes] | None = None
        while not self._is_over and (task := self._texts.get()) is not None:
            number, text = task
            try:
                work = work or self._ready()
                self._done[number] = work(text)
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
def begin_loading() -> None:
    """Load LLVM in a thread and let it generate something, of which the first time takes long."""
    with suppress(RuntimeError):  # no thread to be had: who needs LLVM loads it
        Thread(target=_load).start()


def _load() -> None:
    with suppress(CompileError):  # which who needs LLVM will meet again
        host_machine().emit_object("define void @nothing() #0 { ret void }")


@cache
def host_machine() -> Machine:
    """The processor of this computer, with all it can do."""
    return Machine(_triple(architecture()), *host_processor())


@cache
def converts_f16() -> bool:
    """Whether this processor has instructions between f16 and f32."""
    host = host_machine()
    return host.triple.startswith("aarch64") or "+f16c" in host.features.split(",")


def baseline_machine(name: str = "") -> Machine:
    """The least processor of an architecture, else of this computer's; LLVM is not loaded.

    Its code runs on all processors of that architecture.
    """
    name = name or architecture()
    return Machine(_triple(name), *_BASELINES[name])


def _triple(name: str) -> str:
    # The linker reads ELF, so ELF is what is written on every operating system.
    return f"{name}-unknown-linux-gnu"


def _emitted(emit: Callable[[str], bytes], attributes: str, text: str) -> bytes:
    try:
        return emit(f"{text}\n{attributes}\n")
    except LLVMError as error:
        raise CompileError(
            f"LLVM refuses the generated code: {_explain(str(error), text)}",
            fix="report this as a defect of symfuse, with the function that was compiled",
        ) from error


def _explain(message: str, text: str) -> str:
    """LLVM's message, followed by the lines that it is about."""
    message = message.strip()
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
