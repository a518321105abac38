"""Operations of cuDNN made ready to be launched: the best plan, or the kernels that do as well.

For sizes that are known when a program is compiled the recommended plans and the generated kernels
are timed, and what was found is kept on disk; for open sizes the first plan is taken. Where the
library is absent, or has no plan for what is asked of it, the kernels do it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from .. import options
from ..errors import DeviceError
from ..log import log
from .code import DnnLaunch, Prepared
from .cudnn import Library, LibraryLacks, cudnn, version_of
from .cudnn_graphs import Network, Recipe
from .device import STREAM, Device
from .graph import Graphs
from .libraries import find
from .trials import FIRST, REMEMBERED, fastest, key_of, once, remembered

__all__ = ["Plan", "prepare"]

Kernels = Callable[[int, Sequence[int]], None]
"""Puts the generated kernels on a stream, for the addresses of a launch's pointers."""

_KEPT = 256  # plans of one device
_CANDIDATES = 8
_GENERATED = b"generated"


@dataclass(frozen=True, slots=True)
class Plan:
    """One launch, ready to be repeated; `recipe` is None where kernels do it."""

    network: Network | None
    recipe: Recipe | None
    kernels: Kernels
    note: str
    lock: threading.Lock

    def launch(self, stream: int, addresses: Sequence[int]) -> None:
        """Enqueue it for what lies at these addresses, in the order of the pointers."""
        if self.recipe is None or self.network is None:
            self.kernels(stream, addresses)
            return
        with self.lock:  # the stream belongs to the library's handle
            self.network.run(self.recipe, stream, addresses)


def prepare(device: Device, launch: DnnLaunch, prepared: Sequence[int], kernels: Kernels) -> Plan:
    """The plan of a launch with these prepared numbers; not to be called while capturing.

    Raises DeviceError where the option `cudnn` wants the library and it cannot do this.
    """
    timed = not any(isinstance(count, Prepared) for count in launch.counts)
    settled = launch.settled(prepared)
    if any(0 in tensor.extents for tensor in settled.tensors):
        return _generated(kernels, "there is nothing to sum up, or no result")
    if options.get("cudnn") == "never":
        return _generated(kernels, 'the option cudnn is "never"')
    if find("cudnn") is None:
        return _unable(launch, kernels, "cuDNN is not installed")
    with device:
        found = once(_Works, device, cudnn()).found(settled, kernels, timed)
    log("passes", "%s: %s", launch.entry, found.note)
    return replace(found, kernels=kernels)


def _generated(kernels: Kernels, note: str) -> Plan:
    return Plan(None, None, kernels, f"generated kernels: {note}", threading.Lock())


def _unable(launch: DnnLaunch, kernels: Kernels, reason: str) -> Plan:
    """The kernels, unless the library is insisted upon."""
    if options.get("cudnn") == "always":
        raise DeviceError(
            f"{launch.entry}: {reason}, and the option cudnn asks for it always",
            fix='leave the option at "auto": generated kernels then do what the library cannot',
        )
    return _generated(kernels, reason)


def _no_kernels(stream: int, addresses: Sequence[int]) -> None:
    """What a plan has in place of kernels until it belongs to a launch."""
    raise AssertionError("a plan that belongs to no launch")


class _Works:
    """The library at work on one device, and the plans made so far."""

    def __init__(self, device: Device, library: Library) -> None:
        self.device, self.library = device, library
        self.handle = library.handle("cudnnCreate")
        self._plans = Graphs[Plan](_KEPT)
        self._making, self._running = threading.Lock(), threading.Lock()

    def found(self, launch: DnnLaunch, kernels: Kernels, timed: bool) -> Plan:
        """The plan for what a launch computes, under whatever name and wherever it lies."""
        asked = options.get("cudnn")

        def made() -> Plan:  # which keeps no program alive
            return replace(self._made(launch, kernels, timed, asked), kernels=_no_kernels)

        with self._making:
            return self._plans.find((_bare(launch), asked), made)

    def _made(self, launch: DnnLaunch, kernels: Kernels, timed: bool, asked: str) -> Plan:
        try:
            network = Network(self.library, launch, self.handle)
            recipes = list(islice(network.recipes(), _CANDIDATES))
        except LibraryLacks as error:
            return _unable(launch, kernels, error.what)
        if not recipes:
            version = version_of(self.library.version)
            where = self.device.facts.name
            return _unable(launch, kernels, f"cuDNN {version} has no plan for it on {where}")
        plan = Plan(network, recipes[0], kernels, FIRST, self._running)
        ways: list[Recipe | None] = [*recipes]
        if asked != "always" and launch.otherwise:
            ways.append(None)
        if not timed or len(ways) == 1:
            return plan
        recipe, note = self._best(plan, network, ways)
        return replace(plan, recipe=recipe, note=note)

    def _best(
        self, plan: Plan, network: Network, ways: list[Recipe | None]
    ) -> tuple[Recipe | None, str]:
        facts = {"network": repr(_bare(network.launch)), "ways": str(len(ways))}
        entry = key_of(self.device, "network", self.library.version, facts)
        kept = {_packed(way): way for way in ways}
        if (known := remembered(entry)) in kept:
            return kept[known], REMEMBERED

        def run(way: Recipe | None, addresses: list[int]) -> None:
            replace(plan, recipe=way).launch(STREAM, addresses)

        memory = _memory(network.launch)
        found: tuple[Recipe | None, str] = fastest(self.device, entry, ways, memory, run, _packed)
        return found


def _packed(way: Recipe | None) -> bytes:
    return _GENERATED if way is None else f"{way.rank} {way.engine} {way.workspace}".encode()


def _bare(launch: DnnLaunch) -> DnnLaunch:
    """What is computed, without its name and its places in memory."""
    return replace(launch, entry="", pointers=(), otherwise=())


def _memory(launch: DnnLaunch) -> list[tuple[int, str]]:
    """The bytes behind each pointer, and the type of the numbers that a trial finds there."""
    dtypes = {tensor.pointer: tensor.dtype for tensor in launch.tensors}
    sizes = [count for count in launch.nbytes if isinstance(count, int)]
    return [(nbytes, dtypes.get(at, "")) for at, nbytes in enumerate(sizes)]
