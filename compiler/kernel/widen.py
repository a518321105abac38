"""Widens the factors of a product of halves once, ahead of the tiles that read them again.

A tile reads the elements of rows one by one, where a conversion costs as much as the products.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ..ir.dims import Dim, Symbol, is_equal, product
from .body import Body
from .build import Draft
from .phases import Access, Buffer, Instr
from .rewrite import rewritten
from .split import Scratch

__all__ = ["Widened", "widen"]

READINGS = 64  # of an element, from which it is worth widening once


class Widened(Struct, frozen=True):
    """The drafts that fill buffers of f32, and the product that reads them."""

    copies: tuple[Draft, ...]
    draft: Draft


def widen(draft: Draft, scratch: Scratch) -> Widened:
    """The product with whole arrays of halves that it reads often taken from copies in f32."""
    copies: list[Draft] = []
    body = draft.bodies[0]
    for factor in body:
        if _is_worth(draft, factor):
            copy, load = _copy(factor, scratch)
            body = rewritten(body, {factor: load})
            copies.append(copy)
    return Widened(tuple(copies), replace(draft, bodies=(body, *draft.bodies[1:])))


def _is_worth(draft: Draft, factor: Instr) -> bool:
    if factor.op != "convert" or not factor.args[0].dtype.is_half:
        return False
    (load,) = factor.args
    if load.op != "load" or load.args:
        return False
    own = product(draft.extent(a) for a in draft.axes if a in factor.axes)
    if is_equal(own, product(load.detail.buffer.shape)) is not True:
        return False
    readings = product(draft.extent(a) for a in draft.axes if a not in factor.axes)
    return not isinstance(readings, int) or readings >= READINGS


def _copy(factor: Instr, scratch: Scratch) -> tuple[Draft, Instr]:
    """A draft that converts a buffer element by element, and the load that reads the result."""
    access: Access = factor.args[0].detail
    size: Dim = product(access.buffer.shape)
    wide = scratch(Buffer("wide", factor.dtype, ()), access.buffer.shape)
    element = Symbol("element", 0, size - 1, 1)
    body = Body(lambda _: False, lambda _: access.buffer)
    value = body.convert(body.load(access.buffer, (element + 0,), (size,)), factor.dtype)
    body.store(wide, (element + 0,), (size,), value)
    load = Instr("load", (), factor.dtype, replace(access, buffer=wide), factor.axes)
    return Draft((element,), (size,), (body.finish(),)), load
