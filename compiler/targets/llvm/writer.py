"""Writes one LLVM function as text: names, blocks, structured loops, declarations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from msgspec import Struct, field

from symfuse.runtime.dtypes import DType

__all__ = ["Loop", "Value", "Writer", "llvm_type", "vector_type"]

_TYPES = {
    DType.BOOL: "i1",
    DType.I8: "i8",
    DType.U8: "i8",
    DType.I16: "i16",
    DType.U16: "i16",
    DType.I32: "i32",
    DType.U32: "i32",
    DType.I64: "i64",
    DType.U64: "i64",
    DType.F16: "i16",  # halves are bits here, which are widened where they are computed with
    DType.BF16: "i16",
    DType.F32: "float",
    DType.F64: "double",
}


def llvm_type(dtype: DType) -> str:
    """The type of one element in a register; a bool is `i1` there and a byte in memory."""
    return _TYPES[dtype]


@cache
def vector_type(dtype: DType, lanes: int) -> str:
    """The type of `lanes` elements; one lane is the plain scalar."""
    return _TYPES[dtype] if lanes == 1 else f"<{lanes} x {_TYPES[dtype]}>"


class Value(Struct, frozen=True):
    """An SSA value or literal. One lane means the same number in every lane: it is splat on use."""

    name: str
    dtype: DType
    lanes: int = 1

    @property
    def type(self) -> str:
        return vector_type(self.dtype, self.lanes)

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


class Loop(Struct):
    """A loop being written: its index, what it carries in, and what it hands to the next turn."""

    index: str
    carried: tuple[str, ...]
    results: tuple[str, ...] = ()
    _next: tuple[str, ...] = ()

    def hand_on(self, *values: str) -> None:
        """Set the values that the next turn receives as `carried`."""
        self._next = values


class Writer(Struct):
    """One function in the making; `declarations` collects what its module must declare."""

    name: str
    params: Sequence[tuple[str, str]]
    returns: str = "void"
    linkage: str = ""
    declarations: set[str] = field(default_factory=set)
    block: str = "entry"
    _lines: list[str] = field(default_factory=list)
    _allocas: list[str] = field(default_factory=list)
    _known: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    def fresh(self, hint: str = "v") -> str:
        """A name that this function has not used."""
        self._count += 1
        return f"%{hint}{self._count}"

    def emit(self, text: str, hint: str = "v") -> str:
        """Write `%name = text` and return the name."""
        name = self.fresh(hint)
        self._lines.append(f"  {name} = {text}")
        return name

    def once(self, text: str, hint: str = "v") -> str:
        """`emit` for a pure function of its operands: the same text is written once a block."""
        name = self._known.get(text)
        if name is None:
            name = self._known[text] = self.emit(text, hint)
        return name

    def line(self, text: str) -> None:
        """Write an instruction that has no result."""
        self._lines.append(f"  {text}")

    def declare(self, text: str) -> None:
        """Have the module declare an external function."""
        self.declarations.add(text)

    def alloca(self, type_: str, align: int = 64) -> str:
        """Reserve stack space in the entry block."""
        name = self.fresh("stack")
        self._allocas.append(f"  {name} = alloca {type_}, align {align}")
        return name

    def label(self, hint: str) -> str:
        """A block label that this function has not used."""
        self._count += 1
        return f"{hint}{self._count}"

    def start_block(self, label: str) -> None:
        """Begin the block `label`; what came before must have ended in a branch."""
        self._lines.append(f"{label}:")
        self.block = label
        self._known.clear()

    def branch(self, label: str) -> None:
        self.line(f"br label %{label}")

    def branch_if(self, condition: str, then: str, otherwise: str) -> None:
        self.line(f"br i1 {condition}, label %{then}, label %{otherwise}")

    @contextmanager
    def loop(
        self,
        start: str | int,
        stop: str | int,
        step: str | int = 1,
        carried: Sequence[tuple[str, str]] = (),
        hint: str = "i",
    ) -> Iterator[Loop]:
        """`for index in range(start, stop, step)` over i64, carrying (type, first value) pairs.

        The body runs only if start < stop. After the `with`, `loop.results` are the last values.
        """
        before, (head, body, done) = self.block, (self.label(f"{hint}.{p}") for p in "hbx")
        names = tuple(self.fresh("c") for _ in carried)
        index = self.fresh(hint)
        loop = Loop(index, names, results=names, _next=names)
        self.branch(head)
        self.start_block(head)
        mark = len(self._lines)
        inside = self.emit(f"icmp slt i64 {index}, {stop}")
        self.branch_if(inside, body, done)
        self.start_block(body)
        yield loop
        following = self.emit(f"add nsw i64 {index}, {step}")
        latch = self.block
        self.branch(head)
        phis = [f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{latch} ]"]
        for name, (type_, first), then in zip(names, carried, loop._next, strict=True):
            phis.append(f"  {name} = phi {type_} [ {first}, %{before} ], [ {then}, %{latch} ]")
        self._lines[mark:mark] = phis
        self.start_block(done)

    @contextmanager
    def when(self, condition: str, hint: str = "if") -> Iterator[None]:
        """Run the body only if the i1 `condition` holds."""
        then, done = self.label(f"{hint}.t"), self.label(f"{hint}.x")
        self.branch_if(condition, then, done)
        self.start_block(then)
        yield
        self.branch(done)
        self.start_block(done)

    def text(self) -> str:
        """The whole function; the caller has written its `ret`."""
        params = ", ".join(f"{type_} {name}" for type_, name in self.params)
        linkage = f"{self.linkage} " if self.linkage else ""
        head = f"define {linkage}{self.returns} @{self.name}({params}) #0 {{"
        return "\n".join([head, "entry:", *self._allocas, *self._lines, "}"])
