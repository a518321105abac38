"""Where the buffers of a program lie, and the sizes that come in and go out."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ..ir.dims import Dim, Symbol
from ..ir.types import Guard
from ..kernel.phases import Buffer

__all__ = ["Layout", "Place"]


class Place(Struct, frozen=True):
    """Where a buffer lies: entry `number` of the call's pointers, or at `offset` in the arena."""

    number: int | None = None
    offset: Dim = 0


class Layout(Struct, frozen=True):
    """Where everything lies, and the sizes of what comes in and goes out.

    `extra` are formulas that a target wants to have worked out before each call. `pointers` come
    with a call; loops set so many `slots` behind them, each to where it sees memory in a turn.
    """

    places: Callable[[Buffer], Place]
    symbols: tuple[Symbol, ...]
    input_dims: tuple[Dim, ...]
    output_dims: tuple[Dim, ...]
    arena: Dim
    guards: tuple[Guard, ...] = ()
    extra: tuple[Dim, ...] = ()
    pointers: int = 0
    slots: int = 0
