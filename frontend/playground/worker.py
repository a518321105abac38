"""The thread that owns the session: it does what pages ask for, and trains in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from symfuse.runtime.errors import SymfuseError

from .session import Session

__all__ = ["Feed", "Live", "Trouble", "Worker"]

FRAME_SECONDS = 1 / 25
Result = TypeVar("Result")


class Trouble(Struct, frozen=True):
    """What went wrong, and what to do."""

    what: str
    fix: str

    @classmethod
    def of(cls, error: Exception) -> Trouble:
        """The words of an error of symfuse; of any other one, its type as well."""
        if isinstance(error, SymfuseError):
            return cls(error.what, error.fix)
        return cls(f"{type(error).__name__}: {error}", "reset, or start the playground again")


class Live(Struct, frozen=True):
    """How it runs at this moment."""

    playing: bool
    trouble: Trouble | None
    compilations: int
    compile_seconds: float
    step_seconds: float


class Feed:
    """The events for one page; of each kind the newest, for a page that reads slowly."""

    def __init__(self) -> None:
        self._events: dict[str, bytes] = {}
        self._changed = threading.Condition()
        self._is_closed = False

    def put(self, events: dict[str, bytes]) -> None:
        """Hand events over together, in place of older ones of their kinds."""
        with self._changed:
            for kind in events:
                self._events.pop(kind, None)
            self._events.update(events)
            self._changed.notify()

    def close(self) -> None:
        """Let the reader go."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def events(self, patience: float) -> Iterator[dict[str, bytes]]:
        """What is new, in order; nothing, whenever nothing was for `patience` seconds."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._events or self._is_closed, patience)
                if self._is_closed:
                    return
                found, self._events = self._events, {}
            yield found


class Worker:
    """Trains while it is to play and somebody watches.

    Every task on the session runs in its one thread; `do` hands a task over and waits for it.
    """

    def __init__(self, session: Session) -> None:
        self._session, self._feeds = session, list[Feed]()
        self._thread = ThreadPoolExecutor(1, "symfuse-play")
        self._trouble: Trouble | None = None
        self._is_playing = self._has_turn = self._is_closed = False

    @property
    def is_playing(self) -> bool:
        """Whether it trains."""
        return self._is_playing

    @property
    def is_closed(self) -> bool:
        """Whether `close` has been called."""
        return self._is_closed

    @property
    def watchers(self) -> int:
        """How many pages are open."""
        return len(self._feeds)

    def do(self, task: Callable[[Session], Result]) -> Result:
        """The result of a task, after which every page is told; raises what the task raises."""
        return self._thread.submit(self._done, task).result()

    def play(self, is_playing: bool = True) -> None:
        """Train from now on while a page is open, or stop."""
        self.do(lambda _: self._play(is_playing))

    def step(self) -> None:
        """Stop, and do one step."""
        self._thread.submit(self._play, False)
        self.do(lambda session: session.advance(1))

    @contextmanager
    def watched(self) -> Iterator[Feed]:
        """A feed that begins with all there is; when the last one is left, training stops."""
        feed = Feed()
        self._thread.submit(self._join, feed).result()
        try:
            yield feed
        finally:
            if not self._is_closed:
                self._thread.submit(self._leave, feed)

    def close(self) -> None:
        """End the thread and every feed."""
        self._is_closed = True
        self._thread.shutdown(cancel_futures=True)
        for feed in self._feeds:
            feed.close()

    # in the thread

    def _done(self, task: Callable[[Session], Result]) -> Result:
        try:
            self._trouble = None
            return task(self._session)
        except ArithmeticError as error:
            self._stop(error)
            raise
        finally:
            self._tell(state=True)

    def _play(self, is_playing: bool) -> None:
        self._is_playing = is_playing and bool(self._feeds)
        if self._is_playing and not self._has_turn:
            self._has_turn = True
            self._thread.submit(self._train)

    def _join(self, feed: Feed) -> None:
        self._feeds.append(feed)
        self._tell(state=True)

    def _leave(self, feed: Feed) -> None:
        self._feeds.remove(feed)
        if not self._feeds:
            self._is_playing = False

    def _train(self) -> None:
        """Train up to the next picture; then again, behind the tasks that came meanwhile."""
        self._has_turn = self._is_playing and not self._is_closed
        if not self._has_turn:
            return
        began = time.perf_counter()
        try:
            self._session.play()
        except Exception as error:
            self._stop(error)
        self._tell()
        time.sleep(max(0.0, began + FRAME_SECONDS - time.perf_counter()))
        if not self._is_closed:
            self._thread.submit(self._train)

    def _stop(self, error: Exception) -> None:
        self._is_playing, self._trouble = False, Trouble.of(error)

    def _tell(self, *, state: bool = False) -> None:
        session = self._session
        parts: dict[str, Any] = {"frame": session.frame(), "live": self._live()}
        if state:
            parts = {"state": session.state(), **parts}
        events = {kind: msgspec.json.encode(part) for kind, part in parts.items()}
        for feed in self._feeds:
            feed.put(events)

    def _live(self) -> Live:
        programs = self._session.programs
        return Live(
            self._is_playing,
            self._trouble,
            programs.compilations,
            programs.seconds,
            self._session.step_seconds,
        )
