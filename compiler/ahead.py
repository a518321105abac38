"""Builds the code that all programs share beside the tracing of the first function.

Tracing is Python's work and building is LLVM's, which other threads need not wait for.
"""

from __future__ import annotations

import importlib
import logging
from contextvars import copy_context
from functools import cache
from threading import Thread

from symfuse.runtime.cache import Key, key, store
from symfuse.runtime.errors import SymfuseError
from symfuse.runtime.host.loader import architecture
from symfuse.runtime.host.support import installed

from .fingerprint import fingerprint

__all__ = ["build_ahead", "support_key"]


@cache
def support_key() -> Key:
    """Under which the shared code is on disk."""
    return key("the shared code", {"compiler": fingerprint(), "processor": architecture()})


@cache
def build_ahead() -> None:
    """Have a thread build the shared code, unless it is loaded or on disk."""
    if installed() is None and support_key() not in store():
        # Options that are set for this context alone say where the cache is.
        Thread(target=copy_context().run, args=(_build,), name="symfuse shared code").start()


def _build() -> None:
    try:
        importlib.import_module(".targets.llvm.support", __package__).support_image()
    except SymfuseError as error:  # raised again where the code is needed
        logging.getLogger("symfuse.cache").warning("no shared code: %s", error)
