"""The launches of one set of sizes, captured once and moved to other addresses when they change.

What depends on sizes alone is captured in graphs. Loops that end when a value says so, and those of
so many turns that a graph would become large, are gone through by the host at each call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from .. import options
from ..host.solver import Solved
from .branches import branches_of
from .device import STREAM
from .graph import Captured
from .launches import Enqueued, PackedKernel
from .loaded import LoadedCode
from .memory import Block
from .spans import works_of
from .steps import MOST_CAPTURED, Step, Steps, is_fixed
from .walk import Action, Run, Walk

__all__ = ["Replay", "Settled"]


class Replay:
    """A call of some sizes; its captured kernels are patched where an address has changed."""

    __slots__ = ("_addresses", "_parts")

    def __init__(
        self, code: LoadedCode, solved: Solved, addresses: Sequence[int], arena: int
    ) -> None:
        self._addresses = list(addresses)
        self._parts = [
            _Live(code, solved, arena, part)
            if isinstance(part, tuple)
            else _Kept(code, solved, addresses, arena, part)
            for part in _divided(code, solved)
        ]

    def __call__(self, addresses: list[int]) -> None:
        """Put all launches on the stream, with these addresses of all buffers."""
        if addresses != self._addresses:
            self._move(addresses)
        for part in self._parts:
            part.launch(addresses)

    def _move(self, addresses: list[int]) -> None:
        """Have the kernels use the addresses."""
        moved = {
            number: new - old
            for number, (old, new) in enumerate(zip(self._addresses, addresses, strict=True))
            if old != new
        }
        # Cleared meanwhile: if an update fails, nothing here is in the state of any addresses.
        self._addresses = []
        for part in self._parts:
            part.move(moved)
        self._addresses = list(addresses)


class _Kept:
    """Launches in one captured graph."""

    __slots__ = ("_captured", "_uses")

    def __init__(
        self,
        code: LoadedCode,
        solved: Solved,
        addresses: Sequence[int],
        arena: int,
        actions: Sequence[Action],
    ) -> None:
        bases = (*addresses, arena)
        pairs = [(action, code.pack(action, solved, bases)) for action in actions]
        packed = [(action, launch) for action, launch in pairs if launch is not None]
        branches = branches_of(works_of(code, solved, packed), options.get("cuda_streams"))
        self._captured = Captured(code.device, [launch for _, launch in packed], branches)
        # Of every buffer the launches and positions of the pointers to it.
        self._uses: dict[int, list[tuple[int, int]]] = {}
        for at, (action, launch) in enumerate(packed):
            if isinstance(launch, PackedKernel):
                for position, (number, _) in enumerate(action.spots):
                    self._uses.setdefault(number, []).append((at, position))

    def launch(self, addresses: list[int]) -> None:
        self._captured.launch()

    def move(self, moved: Mapping[int, int]) -> None:
        """Move the pointers to some buffers by so many bytes."""
        launches, stale = self._captured.launches, set()
        for number, by in moved.items():
            for at, position in self._uses.get(number, ()):
                kernel = launches[at]
                assert isinstance(kernel, PackedKernel)
                kernel.words[position] += by
                stale.add(at)
        for at in sorted(stale):
            self._captured.update(at)


class _Live:
    """Steps that the host goes through at each call, with one packed launch for each kernel."""

    __slots__ = ("_arena", "_code", "_kernels", "_solved", "_steps", "_walk")

    def __init__(self, code: LoadedCode, solved: Solved, arena: int, steps: Steps) -> None:
        self._code, self._solved, self._arena, self._steps = code, solved, arena, steps
        self._walk = Walk(code.code, solved.prepared)
        self._kernels: dict[int, PackedKernel] = {}

    def launch(self, addresses: list[int]) -> None:
        bases = (*addresses, self._arena)
        self._walk.peek = self._code.peek(bases)
        for action in self._walk(self._steps):
            if (packed := self._packed(action, bases)) is not None:
                packed.enqueue(STREAM)

    def _packed(self, action: Action, bases: Sequence[int]) -> Enqueued | None:
        """The launch, packed anew if it is no kernel that has been packed before."""
        if isinstance(action, Run) and (known := self._kernels.get(action.at)) is not None:
            words = known.words  # the driver has copied those of the launch before
            for position, (number, offset) in enumerate(action.spots):
                words[position] = bases[number] + offset
            return known
        made = self._code.pack(action, self._solved, bases)
        if isinstance(action, Run) and isinstance(made, PackedKernel):
            self._kernels[action.at] = made
        return made

    def move(self, moved: Mapping[int, int]) -> None:
        """Nothing is kept."""


def _divided(code: LoadedCode, solved: Solved) -> Iterator[list[Action] | Steps]:
    """The actions that follow each other in one graph, and the steps that cannot be in one."""
    together: list[Action] = []
    for step in code.code.order:
        actions = _known(code, solved, step)
        if together and (actions is None or len(together) + len(actions) > MOST_CAPTURED):
            yield together
            together = []
        if actions is None:
            yield (step,)
        else:
            together += actions
    if together:
        yield together


def _known(code: LoadedCode, solved: Solved, step: Step) -> list[Action] | None:
    """What a step does, if that is known and not too much for a graph."""
    if not is_fixed(step):
        return None
    actions = list(islice(Walk(code.code, solved.prepared)((step,)), MOST_CAPTURED + 1))
    return actions if len(actions) <= MOST_CAPTURED else None


class Settled(Replay):
    """A captured call whose products have operands of its own, for callers with ever new arrays.

    A captured product cannot be moved. Here its arguments are copied to where it reads, and its
    results from where it writes, instead of capturing everything again.
    """

    __slots__ = ("_code", "_inputs", "_places", "_results")

    def __init__(
        self,
        code: LoadedCode,
        solved: Solved,
        addresses: Sequence[int],
        arena: int,
        sizes: Mapping[int, int],
    ) -> None:
        self._code = code
        self._places: dict[int, tuple[Block, int]] = {
            number: (code.device.memory.take(nbytes), nbytes) for number, nbytes in sizes.items()
        }
        first = len(code.program.inputs)
        self._inputs = [number for number in self._places if number < first]
        self._results = [number for number in self._places if number >= first]
        super().__init__(code, solved, self._moved(addresses), arena)

    def __call__(self, addresses: list[int]) -> None:
        """Put all launches on the stream, between the copies."""
        copy = self._code.device.copy
        for number in self._inputs:
            place, nbytes = self._places[number]
            copy(place.address, addresses[number], nbytes)
        super().__call__(self._moved(addresses))
        for number in self._results:
            place, nbytes = self._places[number]
            copy(addresses[number], place.address, nbytes)

    def _moved(self, addresses: Sequence[int]) -> list[int]:
        moved = list(addresses)
        for number, (place, _) in self._places.items():
            moved[number] = place.address
        return moved
