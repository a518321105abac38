"""The two programs of a network, compiled once, and what the compiler tells of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, field

from symfuse.compiler.explain.fusion import Line
from symfuse.compiler.explain.launches import KernelRecord
from symfuse.compiler.ir.dims import dim, evaluate

from ..optim import with_learning_rate
from ..staging.aot import CompiledFunction, compile
from ..tracing.specs import Spec, spec
from ..tracing.tree import Structure, flatten
from .network import OPTIMIZERS, Network, accuracy, data_loss, initial, pictures, train_step

__all__ = ["SIZE", "Kernel", "Program", "Programs", "SourceLine", "Summary"]

SIZE = 64  # cells of a picture, each way
MOST_KEPT = 32  # networks whose programs are kept
_SOURCE = train_step.__code__.co_filename
Carry = list[Any]


class Kernel(Struct, frozen=True):
    """A fused kernel of the training step, as the compiler recorded it."""

    number: int
    name: str
    kind: str
    operations: tuple[str, ...]
    lines: tuple[str, ...]
    nbytes: int
    text: str


class SourceLine(Struct, frozen=True):
    """A line of the network's source, and the kernels that compute it."""

    number: int
    text: str
    kernels: tuple[int, ...]


class Summary(Struct, frozen=True):
    """What the training step became; bytes are those for the sizes of now."""

    kernels: tuple[Kernel, ...]
    source: tuple[SourceLine, ...]
    operations: int
    parameters: int
    peak_bytes: int
    unshared_bytes: int


class Program(Struct, frozen=True, eq=False):
    """The compiled step and pictures of a network.

    `step` takes (batch i64[B], x f32[N, 2], y f32[N], penalty rate f32[], *carry) and gives the
    loss and the carry, in whose memory it is. `look` takes (grid, x, y, test x, test y, *carry),
    and gives losses, accuracies and pictures.
    """

    network: Network
    step: CompiledFunction
    look: CompiledFunction
    tree: Structure
    records: tuple[KernelRecord, ...]
    lines: tuple[Line, ...]
    operations: int

    def start(self, seed: int, learning_rate: float) -> Carry:
        """Parameters and state of the optimiser before the first step, as flat arrays."""
        return [np.array(leaf) for leaf in flatten(_carry(self.network, seed, learning_rate))[0]]

    def with_rate(self, carry: Carry, learning_rate: float) -> Carry:
        """The same carry, to go on with another learning rate."""
        params, state = self.tree.unflatten(carry)
        return flatten((params, with_learning_rate(state, learning_rate)))[0]

    def params(self, carry: Carry) -> list[dict[str, Any]]:
        """The parameters of each layer."""
        found: list[dict[str, Any]] = self.tree.unflatten(carry)[0]
        return found

    def summary(self, batch: int, examples: int) -> Summary:
        """The records, for a batch of this size."""
        sizes = {"B": batch, "N": examples}
        return Summary(
            tuple(_kernel(record, sizes) for record in self.records),
            tuple(SourceLine(line.number, line.text, line.kernels) for line in self.lines),
            self.operations,
            self.network.parameters,
            self.step.memory.peak_bytes(**sizes),
            evaluate(self.step.memory.unshared, sizes),
        )


class Programs(Struct, eq=False):
    """The programs of the networks so far; `compilations` counts how many were made."""

    known: dict[Network, Program] = field(default_factory=dict)
    compilations: int = 0
    seconds: float = 0.0

    def of(self, network: Network) -> Program:
        """The program of a network, compiled if it has not been met yet."""
        if network not in self.known:
            if len(self.known) >= MOST_KEPT:
                del self.known[next(iter(self.known))]
            start = time.perf_counter()
            self.known[network] = _compiled(network)
            self.compilations, self.seconds = self.compilations + 1, time.perf_counter() - start
        return self.known[network]


def _carry(network: Network, seed: int, learning_rate: float) -> Any:
    params = initial(network, seed)
    return params, OPTIMIZERS[network.optimizer](learning_rate).init(params)


def _compiled(network: Network) -> Program:
    """Both programs, for any number of examples and any batch."""
    leaves, tree = flatten(_carry(network, 0, 0.0))
    carry = [Spec(np.shape(leaf), np.asarray(leaf).dtype) for leaf in leaves]
    n, m, b = dim("N", min=1), dim("M", min=1), dim("B", min=1)
    x, y, test_x, test_y = (spec(shape) for shape in ((n, 2), (n,), (m, 2), (m,)))

    def step(batch: Any, x: Any, y: Any, rate: Any, *carry: Any) -> tuple[Any, ...]:
        value, moved = train_step(network, tree.unflatten(carry), batch, x, y, rate)
        return value, *flatten(moved)[0]

    def look(grid: Any, x: Any, y: Any, test_x: Any, test_y: Any, *carry: Any) -> tuple[Any, ...]:
        params, _ = tree.unflatten(carry)
        sets = ((x, y), (test_x, test_y))
        losses = [data_loss(network, params, *each) for each in sets]
        shares = [accuracy(network, params, *each) for each in sets]
        return *losses, *shares, *pictures(network, params, grid, SIZE)

    given = (spec((b,), "int64"), x, y, spec(()))
    donated = tuple(range(len(given), len(given) + len(carry)))
    stepping = compile(step, *given, *carry, donate_argnums=donated, threads=1)
    grid = spec((SIZE * SIZE, 2))
    looking = compile(look, grid, x, y, test_x, test_y, *carry, threads=1)
    told = stepping.explain()
    return Program(
        network, stepping, looking, tree, stepping.kernels, _of_network(told.lines), told.nodes
    )


def _of_network(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The lines that stand in the source of the network."""
    return tuple(line for line in lines if line.file == _SOURCE)


def _kernel(record: KernelRecord, sizes: dict[str, int]) -> Kernel:
    return Kernel(
        record.number,
        record.name,
        record.kind,
        record.operations,
        tuple(line for line in record.lines if line.startswith(f"{Path(_SOURCE).name}:")),
        evaluate(record.nbytes, sizes),
        _without_places(record.text),
    )


def _without_places(text: str) -> str:
    """The loops; the lines that they come from are shown beside them, and those of a caller not."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("  from "))
