"""The thread pool that compiled code runs on, and the one place that decides how many threads."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

from .. import options
from . import library
from .features import host_features
from .loader import LoadedImage

__all__ = ["PARALLEL", "RESET", "default_threads", "install"]

PARALLEL = "symfuse_parallel"
RESET = "symfuse_pool_reset"


def default_threads() -> int:
    """The threads of a run, caller included: what the options say, or one for each free core."""
    if sys.platform != "linux":
        return 1  # the pool sleeps on futexes, and is a serial loop elsewhere
    threads: int = options.get("num_threads") or host_features().cores
    return threads


@cache
def install(support: LoadedImage) -> None:
    """Let compiled code reach the pool of the resident image `support`, in forked children too."""
    library.register(PARALLEL, support.address(PARALLEL))
    # The child has none of the parent's workers, and may have been forked while the pool was busy.
    reset = ctypes.CFUNCTYPE(None)(support.address(RESET))
    os.register_at_fork(after_in_child=reset)
