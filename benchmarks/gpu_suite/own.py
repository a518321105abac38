"""symfuse on the device: every section, correctness before speed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.nn import functional as nn
from symfuse.runtime import options
from symfuse.runtime.cuda.arrays import to_device
from symfuse.runtime.cuda.device import device
from symfuse.runtime.errors import DeviceError, SymfuseError, UnsupportedError

from . import own_launches, own_limits, own_training
from .cases import Case, cases, checks
from .clock import Clock
from .lines import Teller
from .values import TOLERANCE, error_of, host_inputs, pieces
from .works import WORKS, Namespace

__all__ = ["main"]

OWN = Namespace(snp, sf.stop_gradient, sf.scan, nn.gelu, partial(nn.conv, padding="same"))
LOST = range(700, 720)  # CUDA's numbers of the errors after which a process is served no longer
LOST_EXIT = 3


def main(teller: Teller, tiny: bool, simulated: bool) -> int:
    """Measure everything; 3 where the process has lost its device and another should go on."""
    if simulated:
        os.environ["SYMFUSE_CUDA_DRIVER"] = simulator()
        options.reload()
    try:
        place = device()
    except DeviceError as error:
        teller.tell(absent=error.what)
        return 0
    facts = place.facts
    teller.tell(
        device=facts.name,
        arch=facts.arch,
        multiprocessors=facts.multiprocessors,
        driver=place.driver.version,
        versions={"symfuse": sf.__version__, "numpy": np.__version__},
    )
    suite = Suite(teller, Clock(place, tiny), tiny)
    for case, run in suite.every():
        if not teller.begin(case):
            continue
        error = teller.attempt(case, "symfuse", run)
        if error is not None and _status(error) in LOST:
            return LOST_EXIT
    return 0


def simulator() -> str:
    """The driver of the simulated device, with its libraries beside it."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    driver: Path = import_module("cuda.simulator.build").driver_path()
    libraries = import_module("cuda.simulator.products")
    libraries.library_path(driver.parent)
    libraries.cudnn_path(driver.parent)
    return str(driver)


class Suite:
    """The cases with what runs each."""

    def __init__(self, teller: Teller, clock: Clock, tiny: bool) -> None:
        self.teller, self.clock, self.tiny = teller, clock, tiny
        self.place = clock.device

    def every(self) -> list[tuple[str, Callable[[], None]]]:
        """Names and what they stand for, in order."""
        done: list[tuple[str, Callable[[], None]]] = []
        done += [(case.name, self._run(self.check, case)) for case in checks(self.tiny)]
        done += own_launches.sections(self.teller, self.clock, self.tiny)
        done += own_limits.sections(self.teller, self.clock, self.tiny)
        for case in cases(self.tiny):
            run = self.train if case.section == "training" else self.measure
            done.append((case.name, self._run(run, case)))
        return done

    def check(self, case: Case) -> None:
        """Tell whether all of a small case is right, twice with the same bits."""
        arrays = host_inputs(case)
        compiled = self.compiled(case)
        bound = self.bound(compiled, arrays)
        found = [self.poisoned(bound) for _ in range(2)]
        if not np.array_equal(found[0].view(np.uint8), found[1].view(np.uint8)):
            raise AssertionError("two runs give different bits")
        wanted = WORKS[case.work](Namespace(np), *map(_double, arrays))
        self._tell_error(case, error_of(found[0], wanted))

    def measure(self, case: Case) -> None:
        """Tell the time of a case, after a part of its result has been compared."""
        arrays = host_inputs(case)
        try:
            with _own_products(case.generated):
                compiled = self.compiled(case)
        except UnsupportedError as error:
            self.teller.tell(case=case.name, contender="symfuse", skipped=error.what)
            return
        bound = self.bound(compiled, arrays)
        error = self._spot(case, arrays, self.poisoned(bound))
        launches = bound.launches()
        facts = {"error": error, "tolerance": _tolerance(case), "launches": len(launches)}
        contender = "symfuse generated" if case.generated else "symfuse"
        name = replace(case, generated=False).name
        self.teller.time(name, contender, self.clock.sample(bound), **facts)
        if case.graph:
            together = own_launches.captured(self.clock, [one for _, one in launches])
            self.teller.time(case.name, "symfuse graph", together)
        if case.section in ("products", "layers") and not case.generated:
            own_launches.tell_products(self.teller, self.clock, case.name, compiled, bound)
        del bound, launches
        self.place.memory.trim()

    def train(self, case: Case) -> None:
        """Tell the time of one step of training, all of it on the device and in place."""
        own_training.measure(self.teller, self.clock, OWN, case)

    def compiled(self, case: Case) -> Any:
        """The case compiled for the device."""
        names = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
        specs = [sf.spec(shape, names[case.dtype]) for shape in case.shapes]
        numerics = "fast" if case.precision == "tf32" else "strict"

        def function(*args: Any) -> Any:
            return WORKS[case.work](OWN, *args)

        return sf.compile(function, *specs, target="cuda", numerics=numerics)

    def bound(self, compiled: Any, arrays: Sequence[Any]) -> Any:
        """A call on these arrays, which are moved to the device first."""
        return compiled.executable.bind(*(to_device(x, self.place) for x in arrays))

    def poisoned(self, bound: Any) -> Any:
        """The result of one run, on the host, whose memory was filled with NaN before."""
        result = bound.result
        with self.place:
            self.place.fill(result.address, 0xFF, result.nbytes)
        return np.asarray(bound())

    def _spot(self, case: Case, arrays: Sequence[Any], found: Any) -> float:
        """The error of the first and of the last piece of the result."""
        errors = []
        for given, kept in pieces(case, arrays, found):
            wanted = WORKS[case.work](Namespace(np, scan=scan_by_hand), *map(_double, given))
            errors.append(error_of(kept, wanted))
        return max(errors, default=0.0)

    def _tell_error(self, case: Case, error: float) -> None:
        tolerance = _tolerance(case)
        facts: dict[str, Any] = {"error": error, "tolerance": tolerance}
        if not error <= tolerance:
            facts["failed"] = f"error {error:.1e} above {tolerance:.0e}"
        self.teller.tell(case=case.name, contender="symfuse", **facts)

    def _run(self, what: Callable[[Case], None], case: Case) -> Callable[[], None]:
        return lambda: what(case)


def scan_by_hand(step: Any, state: Any, rows: Any) -> Any:
    """`scan` on arrays."""
    outputs = []
    count = len(rows[0]) if isinstance(rows, tuple) else len(rows)
    for at in range(count):
        now = tuple(x[at] for x in rows) if isinstance(rows, tuple) else rows[at]
        state, y = step(state, now)
        outputs.append(y)
    return state, None if outputs[0] is None else np.stack(outputs)


def _own_products(wanted: bool) -> Any:
    """Puts the library of products aside, and the cache, which would not know."""
    if not wanted:
        return options.using()
    stack = ExitStack()
    stack.enter_context(options.using(cache=False))
    name = "symfuse.compiler.targets.cuda.target.has_products"
    stack.enter_context(mock.patch(name, return_value=False))
    return stack


def _tolerance(case: Case) -> float:
    return TOLERANCE["tf32" if case.precision == "tf32" else case.dtype]


def _double(x: Any) -> Any:
    return np.asarray(x, np.float64)


def _status(error: BaseException) -> int:
    return int(getattr(error, "status", 0)) if isinstance(error, SymfuseError) else 0
