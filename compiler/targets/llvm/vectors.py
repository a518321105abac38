"""Vectors in LLVM text: literals, lanes, and loads and stores that may be masked."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.host.features import host_features

from ...kernel.scalar import Scalars
from .writer import Value, Writer, llvm_type, vector_type

__all__ = ["Vectors"]

_SCALED_BYTES = 64
_CURRENT_ROUNDING = 4
_LANE = "i1 1"  # that a mask which is a number has


class Vectors(Scalars):
    """Writes what moves and arranges `Value`s; those of one lane are splat beside wider ones.

    A bool is `i1` in registers and a byte in memory.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def const(self, value: float | int | bool, dtype: DType) -> Value:
        """The same number in every lane: a literal."""
        return Value(_literal(value, dtype), dtype)

    def cast(self, opcode: str, value: Value, dtype: DType) -> Value:
        """An LLVM conversion; none is written between types that LLVM does not tell apart."""
        if llvm_type(value.dtype) == llvm_type(dtype):
            return Value(value.name, dtype, value.lanes)
        to = vector_type(dtype, value.lanes)
        return Value(self.writer.once(f"{opcode} {value} to {to}"), dtype, value.lanes)

    def instruction(self, opcode: str, dtype: DType, *operands: Value) -> Value:
        """`opcode type x, y`, all operands of one type."""
        wide = self.aligned(*operands)
        names = ", ".join(value.name for value in wide)
        return Value(self.writer.once(f"{opcode} {wide[0].type} {names}"), dtype, wide[0].lanes)

    def intrinsic(self, name: str, *operands: Value, extra: str = "") -> Value:
        """`llvm.name` of operands of one type, which is also its result."""
        wide = self.aligned(*operands)
        kind, extra_type = wide[0].type, f", {extra.split()[0]}" if extra else ""
        called = f"@llvm.{name}.{_suffix(wide[0].dtype, wide[0].lanes)}"
        types = ", ".join(value.type for value in wide)
        self.writer.declare(f"declare {kind} {called}({types}{extra_type})")
        listed = ", ".join(str(value) for value in wide) + (f", {extra}" if extra else "")
        called = self.writer.once(f"call {kind} {called}({listed})")
        return Value(called, wide[0].dtype, wide[0].lanes)

    def scales(self, x: Value) -> bool:
        """Whether the processor scales such a vector by powers of two: a whole register of
        AVX-512."""
        return host_features().vector_bytes == _SCALED_BYTES == x.lanes * x.dtype.itemsize

    def scaled(self, x: Value, n: Value) -> Value:
        """x * 2**n for a whole number n of the same type, rounded once."""
        suffix = "ps" if x.dtype is DType.F32 else "pd"
        called = f"@llvm.x86.avx512.mask.scalef.{suffix}.512"
        kinds = ", ".join((*(x.type,) * 3, f"i{x.lanes}", "i32"))
        self.writer.declare(f"declare {x.type} {called}({kinds})")
        listed = f"{x}, {n}, {x.type} zeroinitializer, i{x.lanes} -1, i32 {_CURRENT_ROUNDING}"
        name = self.writer.once(f"call {x.type} {called}({listed})")
        return Value(name, x.dtype, x.lanes)

    def aligned(self, *operands: Value) -> list[Value]:
        """The operands, splat to the most lanes among them."""
        lanes = max(operand.lanes for operand in operands)
        return [self.splat(operand, lanes) for operand in operands]

    # --- lanes

    def splat(self, value: Value, lanes: int) -> Value:
        """The one lane of a value in each of `lanes`."""
        if value.lanes == lanes:
            return value
        if value.lanes != 1:
            raise AssertionError(f"{value} has neither 1 nor {lanes} lanes")
        if not value.name.startswith("%"):
            return Value(f"splat ({value})", value.dtype, lanes)
        kind = vector_type(value.dtype, lanes)
        first = self.writer.once(f"insertelement {kind} poison, {value}, i64 0")
        zeros = f"<{lanes} x i32> zeroinitializer"
        name = self.writer.once(f"shufflevector {kind} {first}, {kind} poison, {zeros}")
        return Value(name, value.dtype, lanes)

    def extract(self, value: Value, lane: int | str) -> Value:
        """One lane, by its number or by the name of an i64."""
        if value.lanes == 1:
            return value
        return Value(self.writer.emit(f"extractelement {value}, i64 {lane}"), value.dtype)

    def insert(self, value: Value, lane: int | str, element: Value) -> Value:
        """The value with one lane replaced."""
        if value.lanes == 1:
            return element
        name = self.writer.emit(f"insertelement {value}, {element}, i64 {lane}")
        return Value(name, value.dtype, value.lanes)

    def lane_index(self, lanes: int, dtype: DType = DType.I64, step: int = 1) -> Value:
        """0, step, 2·step ... in the lanes."""
        if lanes == 1:
            return self.const(0, dtype)
        listed = ", ".join(f"{llvm_type(dtype)} {lane * step}" for lane in range(lanes))
        return Value(f"<{listed}>", dtype, lanes)

    def part(self, value: Value, start: int, lanes: int) -> Value:
        """Some neighbouring lanes of a value."""
        return self.chosen([value], range(start, start + lanes))

    def chosen(self, values: Sequence[Value], lanes: Sequence[int]) -> Value:
        """Lanes of one value or of two of one type, whose lanes go on counting."""
        value = values[0]
        if len(lanes) == 1:
            return self.extract(value, lanes[0])
        other = str(values[1]) if len(values) > 1 else f"{value.type} poison"
        mask = f"<{len(lanes)} x i32> <{', '.join(f'i32 {lane}' for lane in lanes)}>"
        name = self.writer.emit(f"shufflevector {value}, {other}, {mask}")
        return Value(name, value.dtype, len(lanes))

    def turned_over(self, rows: Sequence[Value]) -> list[Value]:
        """As many vectors as they have lanes, lane j of the i-th as lane i of the j-th: blocks of
        one lane, then of two, and so on, change places across the diagonal."""
        found, size, distance = list(rows), len(rows), 1
        while distance < size:
            upper = [j - distance + size if j & distance else j for j in range(size)]
            lower = [j + size if j & distance else j + distance for j in range(size)]
            for i in (i for i in range(size) if not i & distance):
                pair = (found[i], found[i + distance])
                found[i], found[i + distance] = self.chosen(pair, upper), self.chosen(pair, lower)
            distance *= 2
        return found

    def any_lane(self, condition: Value) -> Value:
        """Whether the condition holds in some lane."""
        if condition.lanes == 1:
            return condition
        called = f"@llvm.vector.reduce.or.v{condition.lanes}i1"
        self.writer.declare(f"declare i1 {called}({condition.type})")
        return Value(self.writer.emit(f"call i1 {called}({condition})"), DType.BOOL)

    # --- memory

    def load(
        self,
        pointer: str,
        dtype: DType,
        lanes: int = 1,
        *,
        mask: Value | None = None,
        align: int | None = None,
    ) -> Value:
        """Consecutive elements; lanes that `mask` leaves out are zero and not read."""
        align = align or dtype.itemsize
        kind = _memory_type(dtype, lanes)
        if mask is None:
            name = self.writer.emit(f"load {kind}, ptr {pointer}, align {align}")
            return self._from_memory(name, dtype, lanes)
        passing = f"i32 {align}, {self._mask(mask, lanes)}, {_vector(kind, lanes)} zeroinitializer"
        return self._masked_read("load", f"ptr {pointer}", "ptr", dtype, lanes, passing)

    def store(
        self, pointer: str, value: Value, *, mask: Value | None = None, align: int | None = None
    ) -> None:
        """Write consecutive elements, but for the lanes that `mask` leaves out.

        The first lane is written by itself: LLVM would write four bytes for it where a value has
        just been narrowed to fewer, and the mask is known to have no other lane.
        """
        if mask and mask.name.startswith(f"<{_LANE}") and mask.name.count(_LANE) == 1:
            value, mask = self.extract(value, 0), None
        align = align or value.dtype.itemsize
        name, kind = self._to_memory(value), _memory_type(value.dtype, value.lanes)
        if mask is None:
            self.writer.line(f"store {kind} {name}, ptr {pointer}, align {align}")
            return
        passing = f"i32 {align}, {self._mask(mask, value.lanes)}"
        self._masked_write("store", value, f"ptr {pointer}", "ptr", passing)

    def gather(
        self, base: str, index: Value, dtype: DType, mask: Value | None = None, lanes: int = 0
    ) -> Value:
        """The elements of the array at `base` at the i64 indices, one for each lane."""
        lanes = max(lanes, index.lanes, mask.lanes if mask else 1)
        pointers = self._pointers(base, self.splat(index, lanes), dtype)
        if lanes == 1:
            return self.load(pointers, dtype, mask=mask)
        chosen = self._mask(mask or self.const(True, DType.BOOL), lanes)
        zero = f"{_memory_type(dtype, lanes)} zeroinitializer"
        kind = f"<{lanes} x ptr>"
        passing = f"i32 {dtype.itemsize}, {chosen}, {zero}"
        return self._masked_read("gather", f"{kind} {pointers}", kind, dtype, lanes, passing)

    def scatter(self, base: str, index: Value, value: Value, mask: Value | None = None) -> None:
        """Write each lane to its index; where indices are equal the highest lane stays."""
        lanes = max(index.lanes, value.lanes, mask.lanes if mask else 1)
        index, value = self.splat(index, lanes), self.splat(value, lanes)
        pointers = self._pointers(base, index, value.dtype)
        if lanes == 1:
            self.store(pointers, value, mask=mask)
            return
        chosen = self._mask(mask or self.const(True, DType.BOOL), lanes)
        kind = f"<{lanes} x ptr>"
        passing = f"i32 {value.dtype.itemsize}, {chosen}"
        self._masked_write("scatter", value, f"{kind} {pointers}", kind, passing)

    def _pointers(self, base: str, index: Value, dtype: DType) -> str:
        return self.writer.emit(f"getelementptr {_memory_type(dtype, 1)}, ptr {base}, {index}")

    def _mask(self, mask: Value, lanes: int) -> str:
        if lanes > 1:
            return str(self.splat(mask, lanes))
        return f"<1 x i1> {self.writer.emit(f'bitcast i1 {mask.name} to <1 x i1>')}"

    def _masked_read(
        self, what: str, at: str, at_type: str, dtype: DType, lanes: int, passing: str
    ) -> Value:
        kind = _memory_type(dtype, lanes)
        vector = _vector(kind, lanes)
        name = f"@llvm.masked.{what}.{_memory_suffix(dtype, lanes, at_type)}"
        self.writer.declare(f"declare {vector} {name}({at_type}, i32, <{lanes} x i1>, {vector})")
        read = self.writer.emit(f"call {vector} {name}({at}, {passing})")
        if lanes == 1:
            read = self.writer.emit(f"extractelement {vector} {read}, i64 0")
        return self._from_memory(read, dtype, lanes)

    def _masked_write(self, what: str, value: Value, at: str, at_type: str, passing: str) -> None:
        lanes, stored = value.lanes, self._to_memory(value)
        kind = _memory_type(value.dtype, lanes)
        vector = _vector(kind, lanes)
        if lanes == 1:
            stored = self.writer.emit(f"insertelement {vector} poison, {kind} {stored}, i64 0")
        name = f"@llvm.masked.{what}.{_memory_suffix(value.dtype, lanes, at_type)}"
        self.writer.declare(f"declare void {name}({vector}, {at_type}, i32, <{lanes} x i1>)")
        self.writer.line(f"call void {name}({vector} {stored}, {at}, {passing})")

    def _from_memory(self, name: str, dtype: DType, lanes: int) -> Value:
        if not dtype.is_bool:
            return Value(name, dtype, lanes)
        kind = _memory_type(dtype, lanes)
        return Value(
            self.writer.emit(
                f"icmp ne {kind} {name}, zeroinitializer"
                if lanes > 1
                else f"icmp ne {kind} {name}, 0"
            ),
            dtype,
            lanes,
        )

    def _to_memory(self, value: Value) -> str:
        if not value.dtype.is_bool:
            return value.name
        return self.writer.emit(f"zext {value} to {_memory_type(value.dtype, value.lanes)}")


def _memory_type(dtype: DType, lanes: int) -> str:
    return vector_type(DType.U8 if dtype.is_bool else dtype, lanes)


def _vector(kind: str, lanes: int) -> str:
    return f"<1 x {kind}>" if lanes == 1 else kind


def _memory_suffix(dtype: DType, lanes: int, pointers: str) -> str:
    element = _element_suffix(DType.U8 if dtype.is_bool else dtype)
    return f"v{lanes}{element}.{'p0' if pointers == 'ptr' else f'v{lanes}p0'}"


def _element_suffix(dtype: DType) -> str:
    return {"float": "f32", "double": "f64"}.get(llvm_type(dtype), llvm_type(dtype))


def _suffix(dtype: DType, lanes: int) -> str:
    return _element_suffix(dtype) if lanes == 1 else f"v{lanes}{_element_suffix(dtype)}"


def _literal(value: float | int | bool, dtype: DType) -> str:
    if dtype.is_bool:
        return "true" if value else "false"
    if dtype.is_half:
        return _half(value, math.copysign(1.0, value), dtype)
    if dtype.is_float:
        return _float(value, math.copysign(1.0, value), dtype)
    span = 1 << dtype.bits
    wrapped = int(value) % span
    return str(wrapped - span if wrapped >= span // 2 else wrapped)


@lru_cache(4096)
def _float(value: float, sign: float, dtype: DType) -> str:
    """The bits of a float as LLVM spells them; `sign` tells -0.0 from 0.0, which are equal."""
    number = float(dtype.numpy.type(value))
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


@lru_cache(4096)
def _half(value: float, sign: float, dtype: DType) -> str:
    """The bits of a half as an integer."""
    with np.errstate(all="ignore"):
        return str(np.asarray(value).astype(dtype.numpy).view(np.int16).item())
