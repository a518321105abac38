"""Items made ahead in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

from msgspec import Struct

__all__ = ["ahead"]

T = TypeVar("T")
_PATIENCE = 0.05  # seconds between looks whether anyone still takes what is made


class _Failure(Struct):
    """What went wrong in the thread."""

    error: BaseException


_END = object()


def ahead(items: Iterable[T], depth: int) -> Iterator[T]:
    """The items in their order, of which up to `depth` are made before they are asked for.

    An error of the items is raised where they are taken. The thread ends with the iterator, also
    where that is given up in the middle.
    """
    queue: Queue[Any] = Queue(depth)
    stopped = Event()
    thread = Thread(target=_fill, args=(items, _putter(queue, stopped)), daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        stopped.set()
        thread.join()


def _putter(queue: Queue[Any], stopped: Event) -> Callable[[Any], bool]:
    """A function that waits for room, and says whether the item is still wanted."""

    def put(item: Any) -> bool:
        while not stopped.is_set():
            try:
                queue.put(item, timeout=_PATIENCE)
            except Full:
                continue
            return True
        return False

    return put


def _fill(items: Iterable[Any], put: Callable[[Any], bool]) -> None:
    try:
        for item in items:
            if not put(item):
                return
    except BaseException as error:
        put(_Failure(error))
    else:
        put(_END)
