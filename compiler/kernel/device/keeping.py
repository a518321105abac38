"""Moves values of a draft into locals and out of them, without a change of what it computes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec.structs import replace

from ..build import Draft
from ..phases import Instr, Local
from ..rewrite import Body, needed, rewritten, signature

__all__ = ["keep_loads", "kept_words", "most_words", "recompute"]


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
