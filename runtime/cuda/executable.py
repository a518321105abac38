"""A program on a device, ready to be called: one planned arena, one captured graph of launches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any

import numpy as np

from .. import options
from ..errors import GuardError
from ..host.arguments import Counters, check_count
from ..host.solver import Solved
from ..placement import Placement
from ..program import Program
from .arrays import DeviceArray, empty, is_on_device, to_device
from .bound import Bound
from .call import MARGIN, Incoming, addresses_of, deliver, foreign, run_verified
from .captures import Captures
from .device import Device, device
from .driver import OutOfMemory
from .fast import Fast
from .graph import Graphs
from .loaded import LoadedCode
from .memory import Block
from .operands import Operand, overlaps, separate, take_operand, take_targets
from .transfer import CHUNK

__all__ = ["CudaExecutable"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


_MOST_FAST = 16  # kinds of calls that are found again without looking closely


class CudaExecutable:
    """Runs one program on one device; calls return before the device has done the work.

    Arrays on the device are used where they are, arrays of the host are copied to it. Results are
    device arrays. A donated device array is given up by the caller and returned as the result
    that took its memory: what a training loop donates stays in place from call to call.
    """

    def __init__(
        self,
        program: Program,
        *,
        threads: int | None = None,
        verify: bool | None = None,
        where: Device | None = None,
    ) -> None:
        self.program, self.threads = program, threads or 1
        self.verify = bool(options.get("verify")) if verify is None else verify
        self.device = where or device()
        self.counters = Counters()
        self.last_high_water: int | None = None
        # The largest intermediates in words; who knows the plan sets it, for messages.
        self.live_set: Callable[[], str] | None = None
        self._lock = threading.RLock()
        self._fast: dict[Hashable, Fast] = {}
        self._solved: Graphs[Solved] = Graphs(256)
        self._arena: Block | None = None
        self._incoming: Block | None = None
        try:
            self.code = LoadedCode(program, self.device)
            self._captures = Captures(self.code)
        except OutOfMemory as error:
            raise self._explained(error) from None

    def __call__(self, *values: Any, out: Any = None) -> Any:
        """The results for these arguments, written to `out` where it is given."""
        try:
            with self._lock, self.device:
                if out is None and (found := self._again(values)) is not None:
                    return found
                inputs = self._take(values)
                solved = self._solve(inputs)
                self._own(inputs)
                targets = self._targets(inputs, solved, out)
                outputs = self._outputs(inputs, solved, targets)
                self._run(inputs, outputs, solved)
                self._keep(inputs, outputs)
                if targets is not None:
                    return _results(deliver(self.device, outputs, targets))
                return _results(outputs)
        except OutOfMemory as error:
            raise self._explained(error) from None

    def wait(self, value: Any = None) -> None:
        """Return when all work so far is done; calls themselves return before."""
        self.device.synchronize()

    def bind(self, *values: Any, out: Any = None) -> Callable[[], Any]:
        """A function without arguments that reads these arrays and writes the same results anew.

        It is for one thread at a time, and always returns the same arrays. Arrays of the host are
        copied to the device at each call. Bound and other calls of one executable share its arena,
        so they are put on the stream one after the other.
        """
        try:
            with self._lock, self.device:
                return self._bound(values, out)
        except OutOfMemory as error:
            raise self._explained(error) from None

    def bind_copies(self, values: Sequence[Any]) -> Bound:
        """The same for arguments that are moved to the device first, as for measuring."""
        check_count(self.program, len(values))
        expected = self.program.arguments
        moved = [
            to_device(np.asarray(value, argument.dtype.numpy), self.device)
            if not is_on_device(value)
            else value
            for argument, value in zip(expected, values, strict=True)
        ]
        with self._lock, self.device:
            return self._bound(moved, None)

    def entry_or(
        self, fallback: Callable[..., Any], numbers: Collection[int] = ()
    ) -> Callable[..., Any] | None:
        """A function that gives `fallback` every call whose arguments do not fit as they are; None
        where some of them are to be Python numbers."""
        if numbers:
            return None
        fits = self._fits

        def direct(*values: Any, **named: Any) -> Any:
            return self(*values) if not named and fits(values) else fallback(*values, **named)

        # A plain function would become a method where a class keeps it.
        return staticmethod(direct)

    def __repr__(self) -> str:
        return f"<executable {self.name}{self.program.signature} on {self.device.label}>"

    @property
    def entry(self) -> Callable[..., Any]:
        """The function to call in hot loops."""
        return self

    @property
    def name(self) -> str:
        """What the program is called in messages."""
        return str(self.program.metadata.get("name", "program"))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The sizes that each call settles."""
        return self.program.symbols

    @property
    def is_native(self) -> bool:
        """Whether calls reach the code without passing through Python: never on a device."""
        return False

    @property
    def placement(self) -> Placement:
        """Where the program runs."""
        facts = self.device.facts
        return Placement("cuda", self.device.label, facts.name, self.code.code.arch)

    # Taking what a call brings

    def _take(self, values: Sequence[Any]) -> list[Operand]:
        """An array for every input; of hidden ones the host's."""
        check_count(self.program, len(values))
        self.counters.slow_calls += 1
        visible, hidden = iter(values), iter(self.program.hidden)
        return [
            next(hidden)
            if argument.hidden
            else take_operand(argument, next(visible), self.device, self.counters)
            for argument in self.program.inputs
        ]

    def _solve(self, inputs: Sequence[Operand]) -> Solved:
        """What the sizes of the inputs lead to."""
        shapes = tuple(array.shape for array in inputs)
        key = () if self.program.is_static else shapes
        return self._solved.find(key, lambda: self.code.solve(shapes))

    def _own(self, inputs: list[Operand]) -> None:
        """Give donated arguments memory on the device that nothing else uses."""
        for at, argument in enumerate(self.program.inputs):
            array = inputs[at]
            if argument.donated and not isinstance(array, DeviceArray):
                inputs[at] = to_device(array, self.device)
        if any(argument.donated for argument in self.program.inputs):
            separate(self.program, inputs, (), self.counters)

    def _targets(self, inputs: list[Operand], solved: Solved, out: Any) -> list[Operand] | None:
        """The arrays that results go to, if the caller gives some; inputs keep apart from them."""
        if out is None:
            return None
        targets = take_targets(self.program, solved.shapes, out, self.device)
        written = [x for x in targets if isinstance(x, DeviceArray)]
        separate(self.program, inputs, written, self.counters)
        return targets

    def _outputs(
        self, inputs: Sequence[Operand], solved: Solved, targets: list[Operand] | None
    ) -> list[DeviceArray]:
        """The arrays that the code writes: given or new ones, or those of donated inputs."""
        outputs = []
        for at, (result, shape) in enumerate(zip(self.program.outputs, solved.shapes, strict=True)):
            target = targets[at] if targets else None
            if result.alias_of is not None:
                source = inputs[result.alias_of]
                assert isinstance(source, DeviceArray)
                outputs.append(source)
            elif isinstance(target, DeviceArray):
                outputs.append(target)
            else:
                outputs.append(empty(self.device, shape, result.dtype))
        return outputs

    def _keep(self, inputs: Sequence[Operand], outputs: Sequence[DeviceArray]) -> None:
        """Hold memory of other libraries until the device has done with it."""
        if owners := foreign((*inputs, *outputs)):
            self.device.hold(*owners)
        else:
            self.device.release()

    def _fits(self, values: Sequence[Any]) -> bool:
        """Whether these are arrays of the dtypes and sizes that the program is for."""
        expected = self.program.arguments
        return len(values) == len(expected) and all(
            isinstance(value, DeviceArray | np.ndarray)
            and value.dtype == argument.dtype.numpy
            and len(value.shape) == len(argument.dims)
            and all(
                isinstance(dim, str) or dim == size
                for dim, size in zip(argument.dims, value.shape, strict=True)
            )
            for argument, value in zip(expected, values, strict=True)
        )

    def _bound(self, values: Sequence[Any], out: Any) -> Bound:
        copies = self.counters.copies
        inputs = self._take(values)
        solved = self._solve(inputs)
        self._refuse_copies(inputs, values)
        targets = self._targets(inputs, solved, out)
        outputs = self._outputs(inputs, solved, targets)
        on_device = [x for x in inputs if isinstance(x, DeviceArray)]
        new = [x for x, r in zip(outputs, self.program.outputs, strict=True) if r.alias_of is None]
        if self.counters.copies != copies or overlaps([*on_device, *new]):
            raise GuardError(
                "bind keeps the memory of its arguments, and one of them would have to be copied",
                fix="pass separate, aligned arrays for arguments and results",
            )
        self._make_room(solved.arena)
        shared = self._arena, self._lock
        return Bound(self.code, solved, inputs, outputs, targets, *shared, verify=self.verify)

    def _refuse_copies(self, inputs: Sequence[Operand], values: Sequence[Any]) -> None:
        """Arrays of the host are read anew at each call, and donated ones have to be here."""
        given = iter(values)
        for argument, array in zip(self.program.inputs, inputs, strict=True):
            if argument.hidden:
                continue
            value = next(given)
            if isinstance(array, DeviceArray):
                continue
            if argument.donated:
                raise GuardError(
                    f"argument {argument.name!r} is donated and not on {self.device.label}",
                    fix="move it there first, by the call itself or by to_device",
                )
            if array is not value and not np.may_share_memory(array, np.asarray(value)):
                raise GuardError(
                    f"argument {argument.name!r} would be converted once and never read again",
                    fix="pass a contiguous NumPy array of the program's dtype",
                )

    # Running

    def _run(
        self, inputs: Sequence[Operand], outputs: Sequence[DeviceArray], solved: Solved
    ) -> None:
        self._make_room(solved.arena)
        incoming = Incoming.of(self.code, inputs)
        base = self._incoming_address(incoming.nbytes)
        addresses = addresses_of(self.code, inputs, outputs, incoming, base)
        incoming.send(self.device, base)
        if self.verify:
            self.last_high_water = run_verified(self.code, solved, addresses, self._arena)
        else:
            self._replay(inputs, outputs, solved, addresses)

    def _replay(
        self,
        inputs: Sequence[Operand],
        outputs: Sequence[DeviceArray],
        solved: Solved,
        addresses: list[int],
    ) -> None:
        """Run what has been captured for these sizes."""
        shapes = tuple(array.shape for array in inputs)
        visible = zip(shapes, self.program.inputs, strict=True)
        sizes = () if self.program.is_static else tuple(s for s, a in visible if not a.hidden)
        try:
            arena = self._arena.address if self._arena else 0
            replay = self._captures.replay(sizes, (inputs, outputs), solved, addresses, arena)
            replay(addresses)
        except BaseException:
            self._forget()
            raise
        if sizes not in self._fast:
            self._remember(sizes, shapes, solved)

    def _remember(self, sizes: Hashable, shapes: Sequence[Shape], solved: Solved) -> None:
        """Have the next call of this kind go straight to what is captured."""
        if len(self._fast) >= _MOST_FAST:
            self._fast.clear()
        room = Fast.room(self.program, shapes)
        if room <= CHUNK:
            base = self._incoming_address(room)
            find = self._captures.finder(sizes)
            self._fast[sizes] = Fast(self.code, shapes, solved, find, base)

    def _again(self, values: Sequence[Any]) -> Any:
        """The results, if there has been a call with arrays of these types; else None."""
        if self.program.is_static:
            known = self._fast.get(())
        else:
            known = self._fast.get(tuple(getattr(value, "shape", None) for value in values))
        if known is None:
            return None
        try:
            return known(values)
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        """Capture anew from now on."""
        self._captures.clear()
        self._fast.clear()

    def _incoming_address(self, nbytes: int) -> int:
        """Where the host's arrays of a call go, all together."""
        if nbytes and (self._incoming is None or self._incoming.nbytes < nbytes):
            self._fast.clear()
            self._incoming = self.device.memory.take(nbytes)
        return self._incoming.address if self._incoming else 0

    def _make_room(self, nbytes: int) -> None:
        """Have an arena of at least so many bytes; a new one is unknown to what was captured."""
        needed = nbytes + MARGIN if self.verify else nbytes
        if needed and (self._arena is None or self._arena.nbytes < needed):
            self._forget()
            self._arena = None
            self._arena = self.device.memory.take(needed)

    def _explained(self, error: OutOfMemory) -> OutOfMemory:
        """The error with what the plan has alive at once."""
        if self.live_set is None:
            return error.at(None, prefix=self.name)
        return error.at(
            None, prefix=f"{self.name}, whose largest intermediates are {self.live_set()}"
        )


def _results(outputs: Sequence[Operand]) -> Any:
    """The only result itself, or the tuple of all."""
    return outputs[0] if len(outputs) == 1 else tuple(outputs)
