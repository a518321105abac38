"""What symfuse tells about its work: one stdlib logger per channel, `symfuse.<channel>`.

The standard logging takes longer to load than a cached program: who has not loaded it does not
listen, and it is loaded for warnings and for SYMFUSE_LOG alone.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from . import options

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["is_wanted", "log", "warn"]


def log(channel: str, message: str, *values: object) -> None:
    """Send one line to a channel: to the program's own logging, or to stderr by SYMFUSE_LOG."""
    if _has_listener(channel):
        _logger(channel).info(message, *values, stacklevel=2)
    elif channel in options.get("log"):
        _print(_logger(channel), message, values)


def warn(channel: str, message: str, *values: object) -> None:
    """Warn by the logger of a channel: of what goes on, but not as it should."""
    _logger(channel).warning(message, *values, stacklevel=2)


def is_wanted(channel: str) -> bool:
    """Whether anybody listens to a channel; asked before a costly line is put together."""
    return _has_listener(channel) or channel in options.get("log")


def _has_listener(channel: str) -> bool:
    logging = sys.modules.get("logging")
    return logging is not None and _logger(channel).isEnabledFor(logging.INFO)


def _print(logger: Logger, message: str, values: tuple[object, ...]) -> None:
    import logging

    record = logger.makeRecord(logger.name, logging.INFO, "", 0, message, values, None)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    handler.handle(record)


def _logger(channel: str) -> Logger:
    import logging

    return logging.getLogger(f"symfuse.{channel}")
