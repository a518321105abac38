"""A program's code and constants on a device, and its launches with real addresses."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ArtifactError, DeviceError
from ..host.loader import load_image
from ..host.solver import Solved, Solver
from ..program import Program
from .code import (
    DeviceCode,
    DnnLaunch,
    KernelLaunch,
    LibraryLaunch,
    Place,
    Prepared,
    ProductLaunch,
)
from .device import Device, runs_on
from .driver import CallFailed
from .launches import (
    Enqueued,
    PackedCall,
    PackedCopy,
    PackedFill,
    PackedKernel,
    counted,
    located,
)
from .memory import Block
from .steps import Choice, regions
from .transfer import stager
from .variants import fastest_form
from .walk import Action, Copy, Fill, Peek, Spot, Walk, roots

__all__ = ["LoadedCode"]

_MAX_DYNAMIC_SHARED = 8
_FREE_SHARED = 48 << 10
_COMPILE_HERE = "compile it again on this machine, or load it by symfuse.load(path, recompile=True)"
_PRODUCTS, _NETWORKS = (f"{__package__}.{name}" for name in ("products", "networks"))


class LoadedCode:
    """The modules of a program on one device, with its constants and hidden inputs."""

    def __init__(self, program: Program, device: Device) -> None:
        assert program.device is not None
        self.program, self.device, self.code = program, device, program.device
        _check_arch(self.code, device)
        self.solve = Solver(program, load_image(program.image) if program.image else None)
        with device:
            device.sweep()
            self._modules = [self._module(image) for image in self.code.modules]
            self._functions = {kernel: self._function(kernel) for kernel in self.code.kernels}
        self._forms: dict[int, KernelLaunch] = {}
        self._blocks: list[Block] = []
        self.fixed = dict(self._upload())
        self.opaque = frozenset(self._opaque())

    def __del__(self) -> None:
        for module in getattr(self, "_modules", ()):
            self.device.discard("cuModuleUnload", module)

    def enqueued(
        self, solved: Solved, addresses: Sequence[int], arena: int
    ) -> Iterator[tuple[Action, Enqueued]]:
        """What is to be done for these sizes and addresses, as far as there is something to do.

        Where that depends on values, each has to be done before the next one is asked for.
        """
        bases = (*addresses, arena)
        for action in Walk(self.code, solved.prepared, self.peek(bases))(self.code.order):
            if (packed := self.pack(action, solved, bases)) is not None:
                yield action, packed

    def peek(self, bases: Sequence[int]) -> Peek:
        """A function that waits for the device and reads some bytes of a spot."""

        def seen(spot: Spot, nbytes: int) -> bytes:
            found = np.empty(nbytes, np.uint8)
            stager(self.device).download(found, located(spot, bases))
            return found.tobytes()

        return seen

    def pack(self, action: Action, solved: Solved, bases: Sequence[int]) -> Enqueued | None:
        """What an action puts on the stream; None where there is nothing to do.

        `bases` are the addresses of all buffers and, at the end, of the arena.
        """
        where = [located(spot, bases) for spot in action.spots]
        call = self.device.driver
        if isinstance(action, Fill):
            return PackedFill(call, where[0], action.word, action.count)
        if isinstance(action, Copy):
            target, source = where
            return PackedCopy(call, target, source, action.nbytes) if target != source else None
        launch = self.code.launches[action.at]
        if not isinstance(launch, KernelLaunch):
            return self._call(action.at, launch, where, solved)
        form = self._form(action.at, launch, solved)
        return self._kernel(form, where, solved, self.describe(action.at))

    def describe(self, at: int) -> str:
        """`kernel softmax_2 (model.py:10, model.py:11)`, for messages."""
        records = self.program.launches
        if at >= len(records):
            return f"kernel {self.code.launches[at].entry}"
        name, lines = records[at].name, records[at].lines
        return f"kernel {name} ({', '.join(lines)})" if lines else f"kernel {name}"

    def _module(self, image: bytes) -> int:
        try:
            return self.device.driver.handle("cuModuleLoadData", image)
        except CallFailed as error:
            raise error.at(None, prefix=f"code for {self.code.arch} cannot be loaded") from None

    def _function(self, launch: KernelLaunch) -> int:
        """The kernel of a launch, allowed the shared memory that it asks for."""
        call, facts = self.device.driver, self.device.facts
        module, name = self._modules[launch.module], launch.entry
        if launch.shared > facts.shared_bytes:
            raise ArtifactError(
                f"kernel {name} takes {launch.shared} bytes of shared memory, and "
                f"{self.device.label} ({facts.name}) has {facts.shared_bytes} for a block",
                fix=_COMPILE_HERE,
            )
        try:
            function = call.handle("cuModuleGetFunction", module, name.encode())
            if launch.shared > _FREE_SHARED:
                call.call("cuFuncSetAttribute", function, _MAX_DYNAMIC_SHARED, launch.shared)
        except CallFailed as error:
            raise error.at(None, prefix=f"kernel {name}") from None
        return function

    def _form(self, at: int, launch: KernelLaunch, solved: Solved) -> KernelLaunch:
        """The fastest form of a kernel that has several, for sizes that are known."""
        settled = not any(isinstance(count, Prepared) for count in launch.counts)
        if not launch.others or not settled or not self.code.extents:
            return launch
        if at not in self._forms:
            nbytes = [counted(e.nbytes, solved.prepared) for e in self.code.extents[at]]
            told = self.describe(at)

            def pack(form: KernelLaunch, where: Sequence[int]) -> PackedKernel | None:
                return self._kernel(form, where, solved, told)

            self._forms[at] = fastest_form(self.device, launch, nbytes, pack)
        return self._forms[at]

    def _kernel(
        self, launch: KernelLaunch, where: Sequence[int], solved: Solved, told: str
    ) -> PackedKernel | None:
        """A kernel with its operands; None where it has no blocks."""
        blocks = counted(launch.blocks, solved.prepared)
        if not blocks:
            return None
        words = [*where, *(int(solved.sizes[size]) for size in launch.sizes)]
        function, driver = self._functions[launch], self.device.driver
        return PackedKernel(driver, function, launch, blocks, words, told)

    def _call(
        self, at: int, launch: LibraryLaunch, where: Sequence[int], solved: Solved
    ) -> Enqueued:
        """What a vendor's library does, which is loaded the first time."""
        told, found = self.describe(at), solved.prepared
        module: Any = importlib.import_module(
            _PRODUCTS if isinstance(launch, ProductLaunch) else _NETWORKS
        )
        try:
            if isinstance(launch, ProductLaunch):
                numbers = [counted(count, found) for count in launch.counts]
                plan = module.prepare(self.device, launch, numbers)
            else:
                kernels = self._otherwise(launch, solved, told)
                plan = module.prepare(self.device, launch, found, kernels)
        except DeviceError as error:
            raise error.at(None, prefix=told) from None
        return PackedCall(plan, where, told)

    def _otherwise(
        self, launch: DnnLaunch, solved: Solved, told: str
    ) -> Callable[[int, Sequence[int]], None]:
        """The kernels that do what a library cannot, for any addresses of the launch's pointers."""
        number = {place: at for at, place in enumerate(launch.pointers)}

        def enqueue(stream: int, addresses: Sequence[int]) -> None:
            for kernel in launch.otherwise:
                where = [addresses[number[place]] for place in kernel.pointers]
                packed = self._kernel(kernel, where, solved, told)
                if packed is not None:
                    packed.enqueue(stream)

        return enqueue

    def _upload(self) -> Iterator[tuple[int, int]]:
        """Number and address of every hidden input and constant."""
        inputs, program = self.program.inputs, self.program
        hidden = [at for at, argument in enumerate(inputs) if argument.hidden]
        first = len(inputs) + len(program.outputs)
        constants = range(first, first + len(program.constants))
        values = (*program.hidden, *program.constants)
        for number, value in zip((*hidden, *constants), values, strict=True):
            block = self.device.memory.take(value.nbytes)
            stager(self.device).upload(block.address, value)
            self._blocks.append(block)
            yield number, block.address

    def _opaque(self) -> Iterator[int]:
        """The buffers whose address a captured graph cannot change: of libraries, and of copies."""
        slots = roots(self.code)

        def of(place: Place | None) -> Iterable[int]:
            number = None if place is None else place.number
            return () if number is None else slots.get(number, (number,))

        for launch in self.code.launches:
            if not isinstance(launch, KernelLaunch):
                for place in launch.pointers:
                    yield from of(place)
        for step in regions(self.code.steps):
            for carry in () if isinstance(step, Choice) else step.carries:
                for kept in (carry.start, carry.last, carry.spare):
                    yield from of(kept)


def _check_arch(code: DeviceCode, device: Device) -> None:
    facts = device.facts
    if not runs_on(code.arch, facts.capability):
        raise ArtifactError(
            f"the program is compiled for {code.arch}, and {device.label} ({facts.name}) runs "
            f"code for {facts.arch}",
            fix=_COMPILE_HERE,
        )
