"""The launches of a program inside `main`: calls, loops around calls, and choices between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from ...ir.dims import Dim, product
from ...kernel.forms import operands
from ...kernel.phases import Buffer, Kernel
from ...kernel.regions import Carry, Choice, Repeat, Rows, While
from ..layout import Layout
from .addresses import Indices
from .kernels import chunks_of
from .records import call
from .units import kernel_head
from .writer import Writer

__all__ = ["Entries", "Launcher"]

Entries: TypeAlias = Mapping[Kernel, Kernel]
"""For each launch the kernel whose function it calls."""

_NO_ROWS: Mapping[Buffer, str] = {}


class Launcher:
    """Writes launches. `pointers` is the table of buffers, and `frame` what a launch is given: the
    sizes, which are there, and the addresses of its operands."""

    def __init__(
        self, w: Writer, at: Indices, frame: str, pointers: str, layout: Layout, entries: Entries
    ) -> None:
        self.w, self.at, self.frame, self.pointers = w, at, frame, pointers
        self.layout, self.entries = layout, entries

    def run(self, launches: Sequence[Kernel]) -> None:
        """All launches in order."""
        for kernel in launches:
            region = kernel.region
            if region is None:
                self._launch(kernel)
            elif isinstance(region, Repeat):
                self._repeat(region)
            elif isinstance(region, While):
                self._while(region)
            else:
                self._choice(region)

    # kernels

    def _launch(self, kernel: Kernel) -> None:
        """Call a kernel directly, or hand its chunks to the pool when that is worth it."""
        name = self.entries[kernel].name
        self.w.declare(kernel_head(name))
        self._fill_frame(kernel)
        chunks = chunks_of(kernel)
        if chunks == 1:
            self._call(name)
            return
        if isinstance(chunks, int):
            self._share(name, str(chunks))
            return
        w = self.w
        count = w.emit(f"trunc i64 {self.at.at_base(chunks)} to i32")
        fork = w.emit(f"icmp sgt i32 {count}, 1")
        many, one, done = (w.label(hint) for hint in ("many", "one", "done"))
        w.branch_if(fork, many, one)
        w.start_block(many)
        self._share(name, count)
        w.branch(done)
        w.start_block(one)
        self._call(name)
        w.branch(done)
        w.start_block(done)

    def _fill_frame(self, kernel: Kernel) -> None:
        for number, buffer in enumerate(operands(kernel), 1):
            place = self.w.emit(f"getelementptr ptr, ptr {self.frame}, i64 {number}", "p")
            self.w.line(f"store ptr {self._address(buffer)}, ptr {place}, align 8")

    def _call(self, name: str) -> None:
        self.w.line(f"call void @{name}(ptr {self.frame}, i32 0, i32 1)")

    def _share(self, name: str, chunks: str) -> None:
        """Hand the chunks of a kernel to the pool."""
        given = (f"ptr @{name}", f"ptr {self.frame}", f"i32 {chunks}", "i32 %threads")
        call(self.w, "void", "symfuse_parallel", *given)

    # regions

    def _repeat(self, region: Repeat) -> None:
        """Turns whose number is known: the last one writes to where the results belong."""
        w = self.w
        with self._scope():
            count = self.at.at_base(region.length)
            odd = w.emit(f"trunc i64 {count} to i1")
            places = [self._places(carry, odd) for carry in region.carries]
            bases = [self._base(rows, region.length) for rows in region.rows]
            cell = None if region.counter is None else self._address(region.counter)
            carried = [("ptr", place) for three in places for place in three]
            with w.loop(0, count, carried=carried, hint="turn") as loop, self._scope():
                turn = loop.index
                if region.reverse:
                    turn = w.emit(f"sub i64 {w.emit(f'sub i64 {count}, 1')}, {turn}")
                if cell is not None:
                    w.line(f"store i64 {turn}, ptr {cell}, align 8")
                seen: dict[Buffer, str] = {}
                for rows, (base, nbytes) in zip(region.rows, bases, strict=True):
                    offset = w.emit(f"mul i64 {turn}, {nbytes}")
                    seen[rows.slot] = w.emit(f"getelementptr i8, ptr {base}, i64 {offset}", "row")
                    self._set(rows.slot, seen[rows.slot])
                loop.hand_on(*self._turn(region.carries, loop.carried, region.launches, seen))
            self._finish(region, count, [read for read, _, _ in _threes(loop.results)])

    def _turn(
        self,
        carries: Sequence[Carry],
        places: Sequence[str],
        launches: Sequence[Kernel],
        rows: Mapping[Buffer, str] = _NO_ROWS,
    ) -> list[str]:
        """One turn, and the places that the next one reads and writes."""
        following = []
        for carry, (read, write, other) in zip(carries, _threes(places), strict=True):
            self._set(carry.read, read)
            if carry.is_row:
                following += [rows[carry.write]] * 3
                continue
            self._set(carry.write, write)
            following += [write, other, write]
        self.run(launches)
        return following

    def _places(self, carry: Carry, odd: str = "true") -> tuple[str, str, str]:
        """Where the first turn reads and writes, and where the second writes."""
        start = self._address(carry.start)
        if carry.is_row:
            return start, start, start
        last = self._address(carry.end)
        if carry.spare is None:
            return start, last, last
        spare = self._address(carry.spare)
        first = self.w.emit(f"select i1 {odd}, ptr {last}, ptr {spare}", "p")
        return start, first, self.w.emit(f"select i1 {odd}, ptr {spare}, ptr {last}", "p")

    def _finish(self, region: Repeat, count: str, ends: Sequence[str]) -> None:
        """Carries that were rows are copied; without a single turn, all end as they began."""
        known = region.length
        others = []
        for carry, end in zip(region.carries, ends, strict=True):
            if not carry.is_row:
                others.append((carry, end))
            elif carry.last is not None:
                self._copy(end, carry.end)
        if not others or (isinstance(known, int) and known > 0):
            return
        with self.w.when(self.w.emit(f"icmp slt i64 {count}, 1")), self._scope():
            for carry, end in others:
                self._copy(end, carry.end)

    def _while(self, region: While) -> None:
        """Turns as long as the condition holds; what ends in the spare memory is copied."""
        w = self.w
        with self._scope():
            places = [place for carry in region.carries for place in self._places(carry)]
            test = self._address(region.test)
            before, head = w.block, w.label("while.h")
            names = [w.fresh("c") for _ in places]
            count = w.fresh("turn")
            w.branch(head)
            w.start_block(head)
            mark = len(w._lines)
            body, done = w.label("while.b"), w.label("while.x")
            for carry, (read, _, _) in zip(region.carries, _threes(names), strict=True):
                self._set(carry.read, read)
            with self._scope():
                self.run(region.condition)
            w.branch_if(self._goes_on(test, count, region.bound), body, done)
            w.start_block(body)
            with self._scope():
                following = self._turn(region.carries, names, region.launches)
            after, latch = w.emit(f"add i64 {count}, 1"), w.block
            w.branch(head)
            phis = [f"  {count} = phi i64 [ 0, %{before} ], [ {after}, %{latch} ]"]
            for name, first, then in zip(names, places, following, strict=True):
                phis.append(f"  {name} = phi ptr [ {first}, %{before} ], [ {then}, %{latch} ]")
            w._lines[mark:mark] = phis
            w.start_block(done)
            for carry, (read, _, _) in zip(region.carries, _threes(names), strict=True):
                last = self._address(carry.end)
                with w.when(w.emit(f"icmp ne ptr {read}, {last}")), self._scope():
                    self._copy(read, carry.end)

    def _goes_on(self, test: str, count: str, bound: int | None) -> str:
        w = self.w
        truth = w.emit(f"load i8, ptr {test}, align 1")
        holds = w.emit(f"icmp ne i8 {truth}, 0")
        if bound is None:
            return holds
        return w.emit(f"and i1 {holds}, {w.emit(f'icmp slt i64 {count}, {bound}')}")

    def _choice(self, region: Choice) -> None:
        """The branch of the number, which is clamped: one too great goes to the last."""
        w = self.w
        if len(region.branches) == 1:
            self.run(region.branches[0])
            return
        index = w.emit(f"load i32, ptr {self._address(region.index)}, align 4")
        number = call(w, "i32", "llvm.smax.i32", f"i32 {index}", "i32 0")
        labels = [w.label("branch") for _ in region.branches]
        done = w.label("chosen")
        cases = " ".join(f"i32 {n}, label %{label}" for n, label in enumerate(labels[:-1]))
        w.line(f"switch i32 {number}, label %{labels[-1]} [ {cases} ]")
        for label, launches in zip(labels, region.branches, strict=True):
            w.start_block(label)
            with self._scope():
                self.run(launches)
            w.branch(done)
        w.start_block(done)

    # memory

    @contextmanager
    def _scope(self) -> Iterator[None]:
        """What is computed inside is not known after it."""
        self.at.open()
        yield
        self.at.close()

    def _base(self, rows: Rows, length: Dim) -> tuple[str, str]:
        """Where the rows begin, and the bytes of one."""
        nbytes = product(rows.slot.shape) * rows.slot.dtype.itemsize
        return self._address(rows.whole), self.at.at_base(nbytes)

    def _entry(self, number: int) -> str:
        return self.w.emit(f"getelementptr ptr, ptr {self.pointers}, i64 {number}", "p")

    def _address(self, buffer: Buffer) -> str:
        place = self.layout.places(buffer)
        if place.number is None:
            offset = self.at.at_base(place.offset)
            return self.w.emit(f"getelementptr i8, ptr %arena, i64 {offset}", "b")
        return self.w.emit(f"load ptr, ptr {self._entry(place.number)}, align 8", "b")

    def _set(self, slot: Buffer, address: str) -> None:
        """Let a slot stand for memory at this address."""
        number = self.layout.places(slot).number
        assert number is not None
        self.w.line(f"store ptr {address}, ptr {self._entry(number)}, align 8")

    def _copy(self, source: str, target: Buffer) -> None:
        nbytes = self.at.at_base(product(target.shape) * target.dtype.itemsize)
        place = self._address(target)
        call(self.w, "ptr", "memcpy", f"ptr {place}", f"ptr {source}", f"i64 {nbytes}")


def _threes(places: Sequence[str]) -> list[tuple[str, str, str]]:
    return [(places[k], places[k + 1], places[k + 2]) for k in range(0, len(places), 3)]
