"""Checks what every kernel must keep, whoever built it."""

from __future__ import annotations

from symfuse.runtime.errors import VerifyError

from ..ir.dims import Dim, Symbol, symbols
from .fragments import flaw_of
from .phases import Access, Axis, Instr, Kernel, Local, Loop, Part, Phase, Reduce, Serial
from .scalar import INSTRUCTIONS, result_dtype

__all__ = ["verify_kernel"]


def verify_kernel(kernel: Kernel) -> None:
    """Raise VerifyError for the first rule that a kernel breaks."""
    for part in kernel.parts:
        try:
            _Check(part).run()
        except VerifyError as error:
            raise VerifyError(f"kernel {kernel.name}: {error.what}") from None


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise VerifyError(sentence)


class _Check:
    def __init__(self, part: Part) -> None:
        self.part = part
        self.axes = {axis.symbol: axis for axis in part.axes}
        self.numbers = {axis.number for axis in part.axes if axis.number is not None}
        self.kept: set[Local] = set()
        self.serial: Serial | None = None
        self.carried: set[Local] = set()  # locals that the block has not put yet

    def run(self) -> None:
        _require(len(self.axes) == len(self.part.axes), "an axis occurs twice")
        for axis in self.part.axes:
            _require(axis.tile is None or axis.tile > 0, f"tiles of {axis.symbol} are empty")
        for item in self.part.phases:
            if isinstance(item, Serial):
                self._serial_loop(item)
            else:
                self._phase(item)

    def _phase(self, phase: Phase) -> None:
        self._loops(phase)
        self._body(phase)
        if phase.fragment is not None:
            flaw = flaw_of(phase)
            _require(not flaw, flaw)

    def _serial_loop(self, serial: Serial) -> None:
        symbol, outer = serial.symbol, set(self.kept)
        _require(symbol in self.axes, f"{symbol} is walked but is no axis")
        _require(self.axes[symbol].tile is None, f"{symbol} is cut into tiles and into blocks")
        _require(serial.block > 0 and serial.stages > 0, f"blocks of {symbol} are empty")
        self.serial, self.carried = serial, set(serial.carried)
        for local in serial.carried:
            _require(
                local in outer, f"{local} is carried from block to block, but begins with none"
            )
            _require(symbol not in local.axes, f"{local} is carried along its own axis {symbol}")
        for phase in serial.phases:
            self._phase(phase)
            _alone(phase, serial)
        for local in self.carried:
            _require(False, f"{local} is carried from block to block, and no block puts it")
        self.serial = None
        folds = (i.detail for p in serial.phases for i in p.body if i.op == "reduce")
        self.kept = outer | {f.local for f in folds if symbol in f.over and f.goes_on}

    # loops

    def _loops(self, phase: Phase) -> None:
        walked = [loop.symbol for loop in phase.loops]
        _require(len(set(walked)) == len(walked), "a phase walks an axis twice")
        for loop in phase.loops:
            _require(loop.symbol in self.axes, f"{loop.symbol} is walked but is no axis")
            self._loop(loop, self.axes[loop.symbol])
        wide = [loop for loop in phase.loops if loop.lanes > 1]
        _require(len(wide) <= 1 or phase.threads > 1, "two axes of a phase are vectors")
        inner = phase.loops[phase.loops.index(wide[0]) + 1 :] if wide else ()
        _require(not any(loop.rolled for loop in inner), "a loop is inside that over vectors")
        scans = any(instr.op == "scan" for instr in phase.body)
        grouped = scans and any(loop.warps > 1 for loop in phase.loops)
        _require(not grouped, "a scan runs along threads that lie apart")
        blocks = (loop for loop in phase.loops if loop.step > loop.threads or loop.threads == 1)
        rolled = [loop.rolled for loop in blocks]
        _require(rolled == sorted(rolled, reverse=True), "a rolled loop is inside an unrolled one")

    def _loop(self, loop: Loop, axis: Axis) -> None:
        serial = self.serial
        tile = serial.block if serial and serial.symbol == loop.symbol else axis.tile
        grouped = loop.warps > 0 and loop.threads % loop.warps == 0
        _require(grouped, f"{loop.threads} threads of {loop.symbol} in {loop.warps} warps")
        fits = loop.rolled or loop.step == tile
        _require(fits, f"one step of {loop.symbol} covers {loop.step}, its tile is {tile}")

    # bodies

    def _body(self, phase: Phase) -> None:
        walked = {loop.symbol for loop in phase.loops}
        for access in phase.ahead:
            self._bound(symbols(access.offset), walked)
        before = set(self.kept)
        seen: set[Instr] = set()
        for instr in phase.body:
            _require(seen.issuperset(instr.args), f"{instr.op} reads what comes after it")
            seen.add(instr)
            self._types(instr)
            self._detail(instr, walked, before)

    def _types(self, instr: Instr) -> None:
        if instr.op in INSTRUCTIONS:
            wanted = result_dtype(instr.op, tuple(arg.dtype for arg in instr.args))
            _require(instr.dtype is wanted, f"{instr.op} gives {wanted}, not {instr.dtype}")
            arity = INSTRUCTIONS[instr.op].arity
            _require(len(instr.args) == arity, f"{instr.op} takes {arity} operands")
        elif instr.op in ("store", "accumulate", "put"):
            same = instr.args[0].dtype is instr.dtype
            _require(same, f"{instr.op} of {instr.args[0].dtype} where {instr.dtype} lies")

    def _detail(self, instr: Instr, walked: set[Symbol], before: set[Local]) -> None:
        detail = instr.detail
        if isinstance(detail, Access):
            self._access(instr, detail, walked)
        elif isinstance(detail, Reduce):
            self._fold(instr, detail, walked)
        elif isinstance(detail, Local):
            if instr.op == "get":
                _require(detail in before, f"{detail} is read before it is kept")
                self._bound(detail.axes, walked)
            else:
                self._keep(detail)
        elif instr.op in ("index", "below"):
            dims: tuple[Dim, ...] = detail if instr.op == "below" else (detail,)
            for dim in dims:
                self._bound(symbols(dim), walked)

    def _access(self, instr: Instr, access: Access, walked: set[Symbol]) -> None:
        places = len(instr.args) - (instr.op != "load") - access.guarded
        _require(places == len(access.strides), f"{instr.op} has {places} computed places")
        _require(access.buffer.dtype is instr.dtype, f"{access.buffer} holds other elements")
        self._bound(symbols(access.offset), walked)
        if instr.is_effect and 0 not in access.buffer.shape:
            for axis in self.part.axes:
                apart = axis.tiles == 1 or {axis.symbol, axis.number} & instr.axes
                _require(bool(apart), f"every tile of {axis.symbol} writes {access.buffer}")
            again = self.serial is not None and self.serial.symbol not in instr.axes
            _require(not again, f"every block of a serial loop writes {access.buffer}")

    def _fold(self, instr: Instr, fold: Reduce, walked: set[Symbol]) -> None:
        _require(fold.over <= walked, f"{instr.op} folds an axis that is not walked")
        _require(not fold.over & set(fold.local.axes), f"{fold.local} has an axis that is folded")
        self._bound(fold.local.axes, walked)
        needed = 1 + fold.reduction.uses_position
        _require(len(instr.args) == needed, f"{instr.op} takes {needed} operands")
        if fold.onto:
            carried = self.serial is not None and fold.local in self.serial.carried
            _require(carried, f"{instr.op} folds onto {fold.local}, which no loop carries")
            self.carried.discard(fold.local)
        elif instr.op == "reduce":
            self._keep(fold.local)

    def _keep(self, local: Local) -> None:
        _require(local not in self.kept - self.carried, f"{local} is kept twice")
        self.carried.discard(local)
        self.kept.add(local)

    def _bound(self, used: tuple[Symbol, ...] | set[Symbol], walked: set[Symbol]) -> None:
        """Every axis that a body looks at has one index there: it is walked, or cut into ones."""
        for symbol in used:
            axis = self.axes.get(symbol)
            alone = axis is None or axis.tile == 1 or axis.extent == 1 or symbol in walked
            _require(alone, f"{symbol} is used in a phase that does not walk it")


def _alone(phase: Phase, serial: Serial) -> None:
    """What a carried local held before is read by nothing but the put in the same phase."""
    for put in phase.body:
        if put.op != "put" or put.detail not in serial.carried:
            continue
        read = {i for i in phase.body if i.op == "get" and i.detail is put.detail}
        for instr in phase.body:
            if not read.isdisjoint(instr.args):
                read.add(instr)
        others = [i for i in read if (i.is_effect and i is not put) or i.is_fold]
        _require(not others, f"{put.detail} is put in a phase that also reads what it held")
