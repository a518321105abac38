"""The threads that generate code: no text is left, no error is lost, and nobody waits for ever."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from threading import Thread, main_thread

import pytest

from symfuse.compiler.targets.llvm import machine
from symfuse.compiler.targets.llvm.machine import _Crew, emit_objects, host_machine
from symfuse.runtime.host.features import host_features

TEXTS = [f"define i32 @f{n}() #0 {{\n  ret i32 {n}\n}}\n" for n in range(12)]


def until_over(crew: list[_Crew]) -> Callable[[str], bytes]:
    """Work that ends only when the crew is told to stop."""

    def work(text: str) -> bytes:
        while not crew[0]._is_over:
            time.sleep(0.001)
        return text.encode()

    return work


def has_gone(crew: _Crew) -> bool:
    """Whether no thread is left, once each has had time to finish its text."""
    for thread in crew._threads:
        thread.join(60)
    return not any(thread.is_alive() for thread in crew._threads)


@pytest.mark.parametrize("threads", [0, 1])
def test_without_threads_the_code_is_the_same(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    expected = emit_objects(host_machine(), TEXTS, "default")
    start, granted = Thread.start, iter(range(threads))

    def limited(thread: Thread) -> None:
        if next(granted, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(machine.Thread, "start", limited)
    assert emit_objects(host_machine(), TEXTS, "default") == expected


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_fails_while_texts_are_written_is_raised_and_no_further_text_is_begun(
    kind: type[BaseException],
) -> None:
    itself: list[_Crew] = []
    itself.append(crew := _Crew(lambda: until_over(itself)))
    with pytest.raises(kind), crew:
        for text in TEXTS:
            crew.add(text)
        raise kind
    assert has_gone(crew)
    assert len(crew._done) <= host_features().cores


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_first_failure_of_a_thread_is_raised(kind: type[BaseException]) -> None:
    def work(text: str) -> bytes:
        if text != "0":
            raise kind(text)
        return b""

    crew = _Crew(lambda: work)
    with crew:
        for number in range(50):
            crew.add(str(number))
    with pytest.raises(kind, match=r"^1$"):
        crew.results()
    assert has_gone(crew)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Where the interrupt is ignored, as in what a shell runs in the background, it is not here."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_caller_that_is_interrupted_while_it_waits_leaves_at_once() -> None:
    itself: list[_Crew] = []
    wait = until_over(itself)

    def work(text: str) -> bytes:
        if text == "0":  # a signal, which wakes who waits, unlike `interrupt_main`
            signal.pthread_kill(main_thread().ident, signal.SIGINT)
        return wait(text)

    itself.append(crew := _Crew(lambda: work))
    with pytest.raises(KeyboardInterrupt), crew:
        for number in range(50):
            crew.add(str(number))
    assert has_gone(crew)
    assert len(crew._done) <= host_features().cores


def test_a_failing_text_and_failing_other_work_end_in_one_error() -> None:
    def texts() -> Iterator[str]:
        yield "define nonsense"
        yield from TEXTS

    def meanwhile() -> None:
        raise LookupError("other work")

    with pytest.raises(LookupError, match="other work"):
        emit_objects(host_machine(), texts(), "default", meanwhile)
