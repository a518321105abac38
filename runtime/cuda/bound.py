"""A call whose arguments, results and arena are fixed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ..errors import DeviceError
from ..host.solver import Solved
from .arrays import DeviceArray
from .call import Incoming, addresses_of, deliver, foreign, run_verified
from .device import STREAM
from .launches import Enqueued
from .loaded import LoadedCode
from .memory import Block
from .operands import Operand
from .replay import Replay
from .steps import is_fixed
from .walk import Run

__all__ = ["Bound"]


class Bound:
    """Runs the same call again; it keeps all that the call uses."""

    __slots__ = (
        "_addresses",
        "_arena",
        "_base",
        "_busy",
        "_code",
        "_foreign",
        "_incoming",
        "_inputs",
        "_lock",
        "_outputs",
        "_replay",
        "_solved",
        "_space",
        "_targets",
        "result",
    )

    def __init__(
        self,
        code: LoadedCode,
        solved: Solved,
        inputs: Sequence[Operand],
        outputs: Sequence[DeviceArray],
        targets: Sequence[Operand] | None,
        arena: Block | None,
        lock: threading.RLock,
        *,
        verify: bool,
    ) -> None:
        self._code, self._solved, self._arena, self._lock = code, solved, arena, lock
        self._inputs, self._outputs, self._targets = inputs, outputs, targets
        self._incoming = Incoming.of(code, inputs)
        self._space = code.device.memory.take(self._incoming.nbytes)
        self._base = self._space.address
        self._addresses = addresses_of(code, inputs, outputs, self._incoming, self._base)
        self._foreign = foreign((*inputs, *outputs))
        self._busy = threading.Lock()
        self._replay: Replay | None = None
        if not verify:
            start = arena.address if arena else 0
            self._replay = Replay(code, solved, self._addresses, start)
        given: Sequence[Operand] = outputs if targets is None else targets
        self.result: Any = given[0] if len(given) == 1 else tuple(given)

    def __call__(self) -> Any:
        """Run once more; the arrays of the result are the same at each call."""
        if not self._busy.acquire(blocking=False):
            raise DeviceError(
                "this bound call is running in another thread",
                fix="bind once for each thread: a bound call has one set of results",
            )
        try:
            with self._lock, self._code.device:
                self._run()
        finally:
            self._busy.release()
        return self.result

    @property
    def sizes(self) -> tuple[int, ...]:
        """The value of every symbol."""
        return tuple(map(int, self._solved.sizes[: len(self._code.program.symbols)]))

    def launches(self) -> list[tuple[int, Enqueued]]:
        """Every launch that has something to do, with its number, apart from the captured ones;
        those of loops once for each turn. Where values decide which there are, the call is run."""
        start = self._arena.address if self._arena else 0
        decided = all(map(is_fixed, self._code.code.order))
        found = []
        for action, packed in self._code.enqueued(self._solved, self._addresses, start):
            if not decided:
                packed.enqueue(STREAM)
            if isinstance(action, Run):
                found.append((action.at, packed))
        return found

    def _run(self) -> None:
        device = self._code.device
        if self._incoming.nbytes:
            self._incoming.send(device, self._base)
        if self._replay is not None:
            self._replay(self._addresses)
        else:
            run_verified(self._code, self._solved, self._addresses, self._arena)
        if self._foreign:
            device.hold(*self._foreign)
        if self._targets is not None:
            deliver(device, self._outputs, self._targets)
