"""What symfuse tells about its work: one stdlib logger per channel, `symfuse.<channel>`."""

from __future__ import annotations

import logging

from . import options

__all__ = ["is_wanted", "log"]

_FORMAT = logging.Formatter("%(name)s: %(message)s")


def log(channel: str, message: str, *values: object) -> None:
    """Send one line to a channel: to the program's own logging, or to stderr by SYMFUSE_LOG."""
    logger = _logger(channel)
    if logger.isEnabledFor(logging.INFO):
        logger.info(message, *values, stacklevel=2)
    elif channel in options.get("log"):
        record = logger.makeRecord(logger.name, logging.INFO, "", 0, message, values, None)
        handler = logging.StreamHandler()
        handler.setFormatter(_FORMAT)
        handler.handle(record)


def is_wanted(channel: str) -> bool:
    """Whether anybody listens to a channel; asked before a costly line is put together."""
    return _logger(channel).isEnabledFor(logging.INFO) or channel in options.get("log")


def _logger(channel: str) -> logging.Logger:
    return logging.getLogger(f"symfuse.{channel}")
