"""Bodies with other instructions in place of some, and drafts with other axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..ir.dims import Dim, Expr, Symbol, product, substitute
from .build import Draft
from .phases import Access, Instr, Reduce

__all__ = ["Body", "counted_through", "needed", "rewritten", "signature"]

Body = tuple[Instr, ...]


def needed(body: Iterable[Instr], wanted: Iterable[Instr]) -> Body:
    """The instructions that some values are computed from, and those themselves, in order."""
    found, order = set(wanted), tuple(body)
    for instr in reversed(order):
        if instr in found:
            found.update(instr.args)
    return tuple(instr for instr in order if instr in found)


def rewritten(body: Body, instead: Mapping[Instr, Instr]) -> Body:
    """The body with other instructions in place of some; what nobody asks for any more is gone.

    The new ones may have operands of their own. Equal instructions become one.
    """
    return _Writer(instead).body(body)


class _Writer:
    def __init__(self, instead: Mapping[Instr, Instr]) -> None:
        self.instead = instead
        self.known: dict[Any, Instr] = {}
        self.made: dict[Instr, Instr] = {}
        self.order: list[Instr] = []

    def body(self, body: Body) -> Body:
        for instr in body:
            if instr.is_effect or instr.op == "scan":
                self.write(instr)
        return tuple(self.order)

    def write(self, instr: Instr) -> Instr:
        """The instruction in the new body, after its operands."""
        stack = [instr]
        while stack:
            one = stack[-1]
            source = self.instead.get(one, one)
            waiting = [arg for arg in source.args if arg not in self.made]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if one not in self.made:
                self.made[one] = self._interned(source)
        return self.made[instr]

    def _interned(self, source: Instr) -> Instr:
        args = tuple(self.made[arg] for arg in source.args)
        key = signature(source, args)
        if key not in self.known:
            same = all(a is b for a, b in zip(args, source.args, strict=True))
            self.known[key] = source if same else replace(source, args=args)
            self.order.append(self.known[key])
        return self.known[key]


def signature(instr: Instr, args: tuple[Any, ...]) -> Any:
    """What two instructions share that compute the same from the same operands."""
    detail = repr(instr.detail) if instr.op == "const" else instr.detail
    return instr.op, args, instr.dtype, detail


def counted_through(draft: Draft, axes: Sequence[Symbol]) -> tuple[Draft, Symbol]:
    """The draft with one axis that counts through some, the last of them fastest; and that axis."""
    extent = product(draft.extent(axis) for axis in axes)
    whole = Symbol(f"{axes[-1].name}_all", 0, extent - 1, 1)
    places: dict[Symbol, Dim] = {}
    rest: Dim = whole + 0
    for axis in reversed(axes[1:]):
        places[axis] = rest % draft.extent(axis)
        rest = rest // draft.extent(axis)
    places[axes[0]] = rest
    return _substituted(draft, places, whole, extent), whole


def _substituted(draft: Draft, places: Mapping[Symbol, Dim], whole: Symbol, extent: Dim) -> Draft:
    """The draft with one axis in place of some, whose indices follow from that of the one."""
    axes = (*(axis for axis in draft.axes if axis not in places), whole)
    extents = (*(draft.extent(axis) for axis in axes[:-1]), extent)
    new: dict[Instr, Instr] = {}
    for body in draft.bodies:
        for instr in body:
            args = tuple(new[arg] for arg in instr.args)
            own = instr.axes.intersection(places)
            varies = instr.axes.difference(places) | {whole} if own else instr.axes
            detail = _moved(instr.detail, places, whole)
            new[instr] = replace(instr, args=args, detail=detail, axes=varies)
    bodies = tuple(tuple(new[instr] for instr in body) for body in draft.bodies)
    return Draft(axes, extents, bodies)


def _moved(detail: Any, places: Mapping[Symbol, Dim], whole: Symbol) -> Any:
    """What an instruction says of axes, where those are replaced."""
    if isinstance(detail, Access):
        return replace(detail, offset=substitute(detail.offset, places))
    if isinstance(detail, Reduce):
        return replace(detail, over=detail.over.difference(places) | {whole})
    if isinstance(detail, Expr):
        return substitute(detail, places)
    if isinstance(detail, tuple):
        return tuple(substitute(dim, places) for dim in detail)
    return detail
