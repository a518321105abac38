"""Where in the loops of a phase each instruction is written.

An instruction stands in the outermost loop over steps that knows its axes. There it stands in a
block, the loops over those copies that it varies with, and in the block in a nest of lanes. Loads
come a wave earlier than what is computed from them, so that those of all copies are under way at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod

from msgspec import Struct, field

from ...ir.dims import Symbol
from ...kernel.fused import fused_products
from ...kernel.phases import Instr, Local
from .layout import Layout, Turn, Walk
from .memory import Vector
from .pipeline import FREE
from .storage import Registers, Storage

__all__ = ["Block", "Nest", "Plan", "axes_of"]

MOST_WORDS = 48  # of registers that loads may fill before anything is computed from them


class Nest(Struct, eq=False):
    """Instructions inside the same lanes."""

    lanes: tuple[Turn, ...]
    instrs: list[Instr] = field(default_factory=list)


class Block(Struct, eq=False):
    """Instructions inside the same copies; or one scan."""

    copies: tuple[Turn, ...]
    nests: list[Nest] = field(default_factory=list)
    scan: Instr | None = None


def axes_of(instr: Instr, layout: Layout) -> frozenset[Symbol]:
    """The axes whose indices an instruction has to be written for."""
    walked: frozenset[Symbol] = frozenset(layout.of)
    if instr.op in ("reduce", "accumulate"):
        return walked
    if instr.op == "put":
        return walked & frozenset(instr.detail.axes)
    if instr.op == "scan":
        return walked & instr.axes.union(instr.detail.over, instr.detail.local.axes)
    return walked & instr.axes


class Plan:
    """The blocks of every level of loops over steps; level 0 is outside of all."""

    def __init__(
        self,
        layout: Layout,
        loops: tuple[Walk, ...],
        storage: Storage,
        vector: Callable[[Instr], Vector | None],
        *,
        is_ahead: bool = False,
    ) -> None:
        self.is_ahead = is_ahead
        self.layout, self.loops, self.storage = layout, loops, storage
        self.depth = {walk.symbol: at + 1 for at, walk in enumerate(loops)}
        body = layout.phase.body
        self.vectors = {i: v for i in body if (v := vector(i)) is not None}
        self.fused = fused_products(body)
        self.free = frozenset(i for i in body if self._is_free(i))
        self.users = _users(body)
        self.nest: dict[Instr, Nest] = {}
        self.block: dict[Instr, Block] = {}
        self.levels = self._levels(tuple(i for i in body if i not in self.free))

    def _is_free(self, instr: Instr) -> bool:
        """Whether an instruction is written where it is used, as it costs nothing."""
        kept = isinstance(instr.detail, Local) and instr.op == "get"
        if instr.op in FREE or instr in self.fused or (self.is_ahead and instr.op == "load"):
            return True
        return kept and isinstance(self.storage[instr.detail], Registers)

    def readers(self, instr: Instr) -> list[Instr]:
        """The instructions with a place that use a value, if only through one without."""
        found = []
        for user in self.users.get(instr, ()):
            found.extend(self.readers(user) if user in self.free else [user])
        return found

    def axes(self, instr: Instr) -> frozenset[Symbol]:
        return axes_of(instr, self.layout)

    def copies(self, instr: Instr) -> tuple[Turn, ...]:
        return self.layout.turns(self.axes(instr), "copy")

    def lanes(self, instr: Instr) -> tuple[Turn, ...]:
        """The loops over lanes around an instruction: not those that it covers at once."""
        turns = self.layout.turns(self.axes(instr), "lane")
        vector = self.vectors.get(instr)
        return tuple(t for t in turns if vector is None or t.symbol != vector.walk.symbol)

    def _levels(self, placed: tuple[Instr, ...]) -> list[list[Block]]:
        ranks, waves = self._ranks(), self._waves(placed)
        keyed: list[dict[tuple[object, ...], list[Instr]]] = [
            {} for _ in range(len(self.loops) + 1)
        ]
        for instr in placed:
            level = max((self.depth.get(axis, 0) for axis in self.axes(instr)), default=0)
            copies = self.copies(instr)
            is_scan = instr.op == "scan"
            key = (ranks[instr], is_scan, waves[instr], len(copies), copies, is_scan and id(instr))
            keyed[level].setdefault(key, []).append(instr)
        return [self._blocks(found) for found in keyed]

    def _blocks(self, keyed: dict[tuple[object, ...], list[Instr]]) -> list[Block]:
        blocks = []
        for _, instrs in sorted(keyed.items(), key=lambda item: item[0][:4]):
            block = Block(self.copies(instrs[0]))
            if instrs[0].op == "scan":
                block.scan = instrs[0]
            block.nests = self._nests(instrs)
            self.block.update(dict.fromkeys(instrs, block))
            blocks.append(block)
        return blocks

    def _nests(self, instrs: list[Instr]) -> list[Nest]:
        """Values first, inner lanes last; then the stores of whole vectors."""
        nests: dict[tuple[object, ...], Nest] = {}
        for instr in instrs:
            lanes, late = self.lanes(instr), instr.is_effect and instr in self.vectors
            nest = nests.setdefault((late, len(lanes), lanes), Nest(lanes))
            nest.instrs.append(instr)
            self.nest[instr] = nest
        return [nests[key] for key in sorted(nests, key=lambda key: key[:2])]

    def _ranks(self) -> dict[Instr, int]:
        """How many scans must be over before an instruction."""
        ranks: dict[Instr, int] = {}
        for instr in self.layout.phase.body:
            ranks[instr] = max((ranks[a] + (a.op == "scan") for a in instr.args), default=0)
        return ranks

    def _words(self, instr: Instr) -> int:
        """The registers that the values of an instruction take, for all copies and lanes."""
        turns = (*self.copies(instr), *self.layout.turns(self.axes(instr), "lane"))
        return prod(turn.count for turn in turns) * -(-instr.dtype.itemsize // 4)

    def _waves(self, placed: tuple[Instr, ...]) -> dict[Instr, int]:
        """How many waves of loads must have been started before an instruction; where a wave would
        take too many registers, loads stand with what is computed from them."""
        waves: dict[Instr, int] = {}
        early = {i for i in placed if i.op == "load" and self.copies(i)}
        if sum(map(self._words, early)) > MOST_WORDS:
            early = set()
        for instr in self.layout.phase.body:
            steps = (waves[a] + (a in early) for a in instr.args)
            waves[instr] = max(steps, default=0) if self.copies(instr) else 0
        for instr in reversed(placed):
            users = [waves[user] for user in self.readers(instr) if user.op != "scan"]
            if users and instr.op not in ("load", "scan") and self.copies(instr):
                waves[instr] = max(waves[instr], min(users))
        return waves


def _users(body: Iterable[Instr]) -> dict[Instr, list[Instr]]:
    found: dict[Instr, list[Instr]] = {}
    for instr in body:
        for arg in instr.args:
            found.setdefault(arg, []).append(instr)
    return found
