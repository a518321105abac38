"""Moves values of a draft into locals and out of them, without a change of what it computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from ...ir.dims import Dim, Expr, Symbol, substitute
from ..build import Draft
from ..phases import Access, Instr, Local, Reduce

__all__ = [
    "keep_loads",
    "kept_words",
    "most_words",
    "needed",
    "recompute",
    "rewritten",
    "signature",
]

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


def recompute(draft: Draft) -> Draft:
    """Values over folded axes are computed again in each phase, and none is kept."""
    values: dict[Local, Instr] = {}
    bodies = []
    for body in draft.bodies:
        instead = {i: values[i.detail] for i in body if i.op == "get" and i.detail in values}
        new = rewritten(body, instead)
        for instr in new:
            if instr.op == "put" and set(instr.detail.axes) & draft.reduced:
                values[instr.detail] = instr.args[0]
        kept = [i for i in new if i.is_effect and not (i.op == "put" and i.detail in values)]
        bodies.append(needed(new, kept))
    return replace(draft, bodies=tuple(body for body in bodies if body))


def keep_loads(draft: Draft) -> Draft:
    """What several phases load along folded axes is loaded once and kept."""
    keys = [_load_keys(body, draft) for body in draft.bodies]
    count = Counter(key for found in keys for key in set(found.values()))
    locals_: dict[Any, Local] = {}
    bodies = []
    for body, found in zip(draft.bodies, keys, strict=True):
        instead, puts = {}, []
        for load, key in found.items():
            if count[key] < 2:
                continue
            if key in locals_:
                kept = locals_[key]
                instead[load] = Instr("get", (), load.dtype, kept, frozenset(kept.axes))
            else:
                axes = tuple(axis for axis in draft.axes if axis in load.axes)
                locals_[key] = Local(f"row{len(locals_)}", load.dtype, axes)
                puts.append(Instr("put", (load,), load.dtype, locals_[key], load.axes))
        bodies.append(rewritten((*body, *puts), instead))
    return replace(draft, bodies=tuple(bodies))


def _load_keys(body: Body, draft: Draft) -> dict[Instr, Any]:
    """The loads along folded axes at places known before the kernel runs."""
    return {
        i: signature(i, ())
        for i in body
        if i.op == "load" and not i.args and i.axes & draft.reduced
    }


def kept_words(draft: Draft) -> dict[Local, int]:
    """The registers that an element of each value takes which lives along folded axes."""
    return {
        instr.detail: -(-instr.dtype.itemsize // 4)
        for body in draft.bodies
        for instr in body
        if instr.op == "put" and set(instr.detail.axes) & draft.reduced
    }


def most_words(draft: Draft) -> int:
    """The most registers for each index of the folded axes that live from phase to phase."""
    words = kept_words(draft)
    uses = {
        local: [at for at, body in enumerate(draft.bodies) if any(i.detail is local for i in body)]
        for local in words
    }
    alive = (
        sum(words[local] for local, at in uses.items() if at[0] <= phase < at[-1])
        for phase in range(len(draft.bodies))
    )
    return max(alive, default=0)


def substituted(draft: Draft, places: Mapping[Symbol, Dim], whole: Symbol, extent: Dim) -> Draft:
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
