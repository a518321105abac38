"""Kernels as text: small loop nests with a scalar body."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..kernel.phases import (
    Access,
    Axis,
    Buffer,
    Instr,
    Kernel,
    Local,
    Loop,
    Part,
    Phase,
    Reduce,
    Serial,
)
from .records import user_lines
from .text import count_text

__all__ = ["described", "format_kernel", "format_schedule", "shortened"]

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "mod": "%", "lt": "<",
    "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "bitand": "&", "bitor": "|",
    "bitxor": "^", "shl": "<<", "shr": ">>",
}  # fmt: skip
_LONGEST = 64  # letters of an expression before it gets a name of its own


def format_kernel(kernel: Kernel) -> str:
    """The launch as loop nests: tiles outside, phases inside, scalar code innermost."""
    lines = [f"kernel {kernel.name}  # {kernel.kind}, {count_text(kernel.tiles)} tiles"]
    lines += [f"  reads {_listed(kernel.reads)}"] if kernel.reads else []
    lines += [f"  writes {_listed(kernel.writes)}"] if kernel.writes else []
    places = ", ".join(user_lines(kernel.nodes))
    lines += [f"  from {places}"] if places else []
    lines += [f"  because {kernel.why}"] if kernel.why else []
    for number, part in enumerate(kernel.parts):
        lines += [f"  part {number}"] if len(kernel.parts) > 1 else []
        lines += [f"  {line}" for line in _part(part)]
    return "\n".join(lines)


def format_schedule(kernel: Kernel) -> str:
    """The decisions alone: axes, tiles, and how each phase walks them."""
    lines = [f"kernel {kernel.name}  # {kernel.kind}, {count_text(kernel.tiles)} tiles"]
    lines += [f"  because {kernel.why}"] if kernel.why else []
    for part in kernel.parts:
        lines.append(f"  over {', '.join(map(_axis, part.axes)) or 'one element'}")
        lines += [f"  {line}" for line in _decisions(part)]
    return "\n".join(lines)


def _decisions(part: Part) -> Iterator[str]:
    number = 0
    for item in part.phases:
        inner = ""
        if isinstance(item, Serial):
            yield _serial(item)
            inner = "  "
        for phase in item.phases if isinstance(item, Serial) else (item,):
            effects = Counter(effect.op for effect in phase.effects)
            done = ", ".join(f"{n} {_EFFECTS[op]}" for op, n in effects.items())
            loops = " · ".join(map(_loop, phase.loops)) or "once"
            alike = _same(phase) or _fragment(phase)
            yield f"{inner}phase {number}: {loops}{alike}: {done}{_ahead(phase)}"
            number += 1


def _ahead(phase: Phase) -> str:
    fetched = dict.fromkeys(str(access.buffer) for access in phase.ahead)
    return f", next {', '.join(fetched)} fetched" if fetched else ""


_EFFECTS = {"store": "stored", "accumulate": "added to", "put": "kept", "reduce": "folded"}


def _part(part: Part) -> Iterator[str]:
    cut = [axis for axis in part.axes if axis.tile is not None]
    inner = ""
    if cut:
        yield f"parallel for each tile of {', '.join(map(_axis, cut))}:"
        inner = "  "
    extents = {axis.symbol: axis for axis in part.axes}
    names = _local_names(part)
    for item in part.phases:
        if isinstance(item, Phase):
            yield from (f"{inner}{line}" for line in _phase(item, extents, names))
            continue
        yield f"{inner}{_serial(item)}:"
        for phase in item.phases:
            lines = _phase(phase, extents, names, item.symbol)
            yield from (f"{inner}  {line}" for line in lines)


def _local_names(part: Part) -> dict[Local, str]:
    """A distinct name for each local of a part."""
    names: dict[Local, str] = {}
    for instr in part.instructions():
        found = instr.detail.local if isinstance(instr.detail, Reduce) else instr.detail
        if isinstance(found, Local) and found not in names:
            same = sum(other.name == found.name for other in names)
            names[found] = f"{found}_{same + 1}" if same else str(found)
    return names


def _phase(
    phase: Phase, axes: dict[Any, Axis], names: dict[Local, str], serial: Any = None
) -> Iterator[str]:
    depth = ""
    if phase.same > 1:
        yield f"once for{_same(phase)}:"
        depth = "  "
    if phase.fragment is not None:
        yield f"by{_fragment(phase)}:"
        depth = "  "
    for loop in phase.loops:
        block = loop.symbol == serial
        where = " in block" if block else _range(axes.get(loop.symbol))
        yield f"{depth}for {_loop(loop)}{where}:"
        depth += "  "
    yield from (f"{depth}{line}" for line in _Code(phase.body, names).lines())


def _range(axis: Axis | None) -> str:
    if axis is None:
        return ""
    return f" in {axis.extent}" if axis.tile is None else " in tile"


def _axis(axis: Axis) -> str:
    tile = "" if axis.tile in (None, 1) else f" by {axis.tile}"
    return f"{axis.symbol} in {axis.extent}{tile}"


def _serial(serial: Serial) -> str:
    stages = f", {serial.stages} on their way" if serial.stages > 1 else ""
    start = "" if serial.start is None else f" from {serial.first}"
    stop = "" if serial.stop is None else f" below {serial.stop}"
    return f"for each block of {serial.symbol} by {serial.block}{start}{stop}{stages}"


def _same(phase: Phase) -> str:
    return f" {phase.same} threads alike" if phase.same > 1 else ""


def _fragment(phase: Phase) -> str:
    found = phase.fragment
    if found is None:
        return ""
    sizes = f"{found.rows}×{found.depth} by {found.depth}×{found.columns}"
    return f" products of {found.dtype} matrices of {sizes}"


def _loop(loop: Loop) -> str:
    facts = [f"{loop.lanes} lanes"] if loop.lanes > 1 else []
    facts += [f"{loop.copies} copies"] if loop.copies > 1 else []
    facts += [f"{loop.threads} threads"] if loop.threads > 1 else []
    facts += [f"{loop.warps} warps"] if loop.warps > 1 else []
    facts += [] if loop.rolled else ["unrolled"]
    return f"{loop.symbol} ({', '.join(facts)})" if facts else str(loop.symbol)


def described(buffer: Buffer) -> str:
    """The name and type of a buffer."""
    return f"{buffer}: {buffer.dtype}[{','.join(map(str, buffer.shape))}]"


def _listed(buffers: Iterable[Buffer]) -> str:
    return ", ".join(map(described, buffers))


def shortened(text: str) -> str:
    """The first letters of a text."""
    return text if len(text) <= 40 else f"{text[:39]}…"


class _Code:
    """Writes a body: values that are used once stand where they are used, others get names."""

    def __init__(self, body: tuple[Instr, ...], locals_: dict[Local, str]) -> None:
        self.body, self.locals = body, locals_
        self.uses = Counter(arg for instr in body for arg in instr.args)
        self.text: dict[Instr, str] = {}
        self.count = 0

    def lines(self) -> Iterator[str]:
        for instr in self.body:
            if instr.is_effect:
                yield self._effect(instr)
                continue
            text = self._value(instr)
            plain = instr.op in ("const", "get", "index")
            if not plain and (self.uses[instr] > 1 or len(text) > _LONGEST):
                name = f"v{self.count}"
                self.count += 1
                yield f"{name} = {_bare(text)}"
                text = name
            self.text[instr] = text

    def _effect(self, instr: Instr) -> str:
        args = [self._plain(arg) for arg in instr.args]
        if instr.op == "store":
            return f"{self._place(instr.detail, instr.args[1:])} = {args[0]}"
        if instr.op == "accumulate":
            return self._accumulated(instr, args)
        if instr.op == "put":
            return f"{self.locals[instr.detail]} = {args[0]}"
        fold = instr.detail
        over = ", ".join(sorted(map(str, fold.over))) or "nothing"
        how, local = fold.reduction.instruction, self.locals[fold.local]
        if how in ("add", "mul"):
            return f"{local} {_INFIX[how]}= {args[0]}  # over {over}"
        return f"{local} = {how or 'fold'}({', '.join([local, *args])})  # over {over}"

    def _accumulated(self, instr: Instr, args: list[str]) -> str:
        access: Access = instr.detail
        computed = instr.args[1:-1] if access.guarded else instr.args[1:]
        condition = f" if {args[-1]}" if access.guarded else ""
        return f"{self._place(access, computed)} += {args[0]}{condition}"

    def _value(self, instr: Instr) -> str:
        op, args = instr.op, [self.text[arg] for arg in instr.args]
        if op == "scan":
            return f"running {instr.detail.reduction.instruction or 'fold'}({_bare(args[0])})"
        if op == "const":
            return str(instr.detail)
        if op == "load":
            return self._load(instr)
        if op == "get":
            return self.locals[instr.detail]
        if op == "index":
            return str(instr.detail)
        if op == "below":
            return f"({instr.detail[0]} < {instr.detail[1]})"
        if op in ("convert", "bitcast"):
            return f"{instr.dtype}{'' if op == 'convert' else '.bits'}({_bare(args[0])})"
        if op in _INFIX:
            return f"({args[0]} {_INFIX[op]} {args[1]})"
        if op == "neg":
            return f"-{args[0]}"
        return f"{op}({', '.join(map(_bare, args))})"

    def _load(self, instr: Instr) -> str:
        access: Access = instr.detail
        if not access.guarded:
            return self._place(access, instr.args)
        condition = self._plain(instr.args[-1])
        inside = self._place(access, instr.args[:-1])
        return f"({inside} if {condition} else {access.otherwise})"

    def _place(self, access: Access, computed: Sequence[Instr]) -> str:
        parts = [] if access.offset == 0 and computed else [str(access.offset)]
        for stride, arg in zip(access.strides, computed, strict=False):
            text = self.text[arg]
            parts.append(text if stride == 1 else f"{stride}*{text}")
        return f"{access.buffer}[{' + '.join(parts)}]"

    def _plain(self, instr: Instr) -> str:
        return _bare(self.text[instr])


def _bare(text: str) -> str:
    """The expression without parentheses around the whole of it."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and at < len(text) - 1:
            return text
    return text[1:-1]
