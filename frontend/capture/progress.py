"""How far iterators, files and random generators have come, to see whether code moves them on."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from types import GeneratorType
from typing import Any

import numpy as np

from ..tracing.tracer import Tracer

__all__ = ["has_place", "place"]


def has_place(one: Any) -> bool:
    """Whether it is something that moves on when it is used."""
    kinds = (Iterator, io.IOBase, random.Random, np.random.Generator, np.random.RandomState)
    return isinstance(one, kinds) and not isinstance(one, Tracer)


def place(one: Any) -> list[Any]:
    """Where it stands: parts that are bytes, or others, each of which is itself or has changed."""
    if isinstance(one, GeneratorType):
        frame = one.gi_frame
        parts = [one.gi_yieldfrom, *(frame.f_locals.values() if frame else ())]
        return [_number(frame.f_lasti if frame else -2), *parts]
    if isinstance(one, io.IOBase):
        return [_position(one)]
    if isinstance(one, random.Random):
        return [_number(one.getstate())]
    if isinstance(one, np.random.Generator):
        return [_number(one.bit_generator.state)]
    if isinstance(one, np.random.RandomState):
        return [_number(one.get_state(legacy=False))]
    return _reduced(one)


def _reduced(one: Any) -> list[Any]:
    """What an iterator of Python would be made of again, which tells how far it is."""
    try:
        whole = one.__reduce__()
    except TypeError:  # of those that cannot be copied
        return []
    parts = [part for group in whole[1:] for part in (group if type(group) is tuple else [group])]
    return [_number(part) if isinstance(part, int) else part for part in parts]


def _position(file: Any) -> bytes:
    try:
        return _number(file.tell())
    except (OSError, ValueError):  # of terminals, and of files that are closed
        return b""


def _number(state: Any) -> bytes:
    return repr(state).encode()
