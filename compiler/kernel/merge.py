"""Joins neighbouring axes that memory does not tell apart: [8,64] walked as [512]."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..ir.dims import Dim, Expr, Symbol, coefficient, is_equal, substitute, symbols
from .build import Draft
from .phases import Access, Instr, Local, Reduce

__all__ = ["merge_axes"]


def merge_axes(draft: Draft) -> Draft:
    """The same work over as few axes as possible."""
    at = len(draft.axes) - 2
    while at >= 0:
        outer, inner = draft.axes[at], draft.axes[at + 1]
        if _are_one(draft, outer, inner):
            draft = _Merger(draft, outer, inner).merged()
        at = min(at - 1, len(draft.axes) - 2)
    return draft


def _are_one(draft: Draft, outer: Symbol, inner: Symbol) -> bool:
    if (outer in draft.reduced) != (inner in draft.reduced):
        return False
    size = draft.extent(inner)
    return all(_agrees(instr, outer, inner, size) for body in draft.bodies for instr in body)


def _agrees(instr: Instr, outer: Symbol, inner: Symbol, size: Dim) -> bool:
    detail = instr.detail
    if isinstance(detail, Access):
        return _counts_on(detail.offset, outer, inner, size)
    if isinstance(detail, Local):
        return (outer in detail.axes) == (inner in detail.axes)
    if isinstance(detail, Reduce):
        together = (outer in detail.over) == (inner in detail.over)
        return together and (outer in detail.local.axes) == (inner in detail.local.axes)
    if instr.op == "index":
        return _counts_on(detail, outer, inner, size)
    if instr.op == "below":
        return not {outer, inner} & {*symbols(detail[0]), *symbols(detail[1])}
    return True


def _counts_on(index: Dim, outer: Symbol, inner: Symbol, size: Dim) -> bool:
    """Whether a step of the outer axis is worth as much as all steps of the inner one."""
    step, block = coefficient(index, inner), coefficient(index, outer)
    known = step is not None and block is not None
    return known and is_equal(block, step * size) is True  # type: ignore[operator, arg-type]


class _Merger:
    def __init__(self, draft: Draft, outer: Symbol, inner: Symbol) -> None:
        self.draft, self.outer, self.inner = draft, outer, inner
        self.extent = draft.extent(outer) * draft.extent(inner)
        self.symbol = Symbol(inner.name, 0, self.extent - 1, 1)
        self._moved: dict[Symbol, Dim] = {outer: 0, inner: self.symbol + 0}
        self.instrs: dict[Instr, Instr] = {}
        self.locals: dict[Local, Local] = {}

    def merged(self) -> Draft:
        axes, extents = [], []
        for symbol, extent in zip(self.draft.axes, self.draft.extents, strict=True):
            if symbol is self.outer or symbol == self.outer:
                continue
            axes.append(self.symbol if symbol == self.inner else symbol)
            extents.append(self.extent if symbol == self.inner else extent)
        bodies = tuple(tuple(map(self._instr, body)) for body in self.draft.bodies)
        return Draft(tuple(axes), tuple(extents), bodies)

    def _instr(self, old: Instr) -> Instr:
        if old not in self.instrs:
            args = tuple(self._instr(arg) for arg in old.args)
            detail = self._detail(old.detail)
            self.instrs[old] = replace(old, args=args, detail=detail, axes=self._axes(old.axes))
        return self.instrs[old]

    def _detail(self, detail: Any) -> Any:
        if isinstance(detail, Access):
            return replace(detail, offset=substitute(detail.offset, self._moved))
        if isinstance(detail, Expr):
            return substitute(detail, self._moved)
        if isinstance(detail, Local):
            return self._local(detail)
        if isinstance(detail, Reduce):
            return replace(detail, local=self._local(detail.local), over=self._axes(detail.over))
        return detail

    def _local(self, old: Local) -> Local:
        if old not in self.locals:
            axes = tuple(
                self.symbol if axis == self.inner else axis
                for axis in old.axes
                if axis != self.outer
            )
            self.locals[old] = replace(old, axes=axes)
        return self.locals[old]

    def _axes(self, axes: frozenset[Symbol]) -> frozenset[Symbol]:
        rest = axes - {self.outer, self.inner}
        return rest if rest == axes else rest | {self.symbol}
