"""Threads that are in a library, which a fork and the end of the process wait for."""

from __future__ import annotations

import atexit
import os
from contextlib import ContextDecorator
from threading import Condition, current_thread, get_ident

__all__ = ["Room"]


class Room(ContextDecorator):
    """Threads are in it while a library works for them; a fork waits until all others have left.

    A child has the thread alone that forked: what others were in the middle of, such as what a
    library sets up once and shares, would stay half done there. The end of the process waits for
    them as well: it takes away from daemon threads what the library shares.
    """

    def __init__(self) -> None:
        self._changed, self._inside = Condition(), list[int]()
        self._is_closed = self._is_over = False
        atexit.register(self.end)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self.close, after_in_parent=self.open, after_in_child=self.open
            )

    def __enter__(self) -> None:
        me = get_ident()
        with self._changed:
            self._changed.wait_for(lambda: me in self._inside or not self._keeps_out())
            self._inside.append(me)

    def __exit__(self, *failure: object) -> None:
        with self._changed:
            self._inside.remove(get_ident())
            self._changed.notify_all()

    def close(self) -> None:
        """Wait until no other thread is inside; none comes in until it is opened."""
        me = get_ident()
        self._changed.acquire()
        self._is_closed = True
        self._changed.wait_for(lambda: all(thread == me for thread in self._inside))

    def open(self) -> None:
        """Let threads in again: those of the parent, or of the child."""
        self._is_closed = False
        self._changed.notify_all()
        self._changed.release()

    def end(self) -> None:
        """As `close`, after which daemon threads stay outside for ever."""
        self.close()
        self._is_over = True
        self.open()

    def _keeps_out(self) -> bool:
        return self._is_closed or (self._is_over and current_thread().daemon)
