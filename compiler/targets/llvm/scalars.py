"""The LLVM column of the scalar instructions, and what a vector loop needs besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symfuse.runtime.dtypes import DType

from ...kernel.halves import emit_in_single, is_on_halves
from ...kernel.scalar import result_dtype
from .conversions import convert
from .division import DIVISIONS
from .math import formula
from .vectors import Vectors
from .writer import Value, Writer, llvm_type

__all__ = ["LlvmScalars"]

# Instruction to its spelling for floats, signed and unsigned integers, and bool. `@` marks an
# intrinsic, `=` the operand itself; what has no spelling here is in `_SPECIAL` or a formula.
_SPELLINGS: dict[str, tuple[str, str, str, str]] = {
    "add": ("fadd", "add", "add", "or"),
    "sub": ("fsub", "sub", "sub", "xor"),
    "mul": ("fmul", "mul", "mul", "and"),
    "div": ("fdiv", "", "", ""),
    "neg": ("fneg", "", "", ""),
    "abs": ("@fabs", "", "=", "="),
    "fma": ("@fma", "", "", ""),
    "min": ("", "@smin", "@umin", "and"),
    "max": ("", "@smax", "@umax", "or"),
    "floor": ("@floor", "=", "=", "="),
    "ceil": ("@ceil", "=", "=", "="),
    "trunc": ("@trunc", "=", "=", "="),
    "rint": ("@roundeven", "=", "=", "="),
    "copysign": ("@copysign", "", "", ""),
    "sqrt": ("@sqrt", "", "", ""),
    "lt": ("fcmp olt", "icmp slt", "icmp ult", "icmp ult"),
    "le": ("fcmp ole", "icmp sle", "icmp ule", "icmp ule"),
    "gt": ("fcmp ogt", "icmp sgt", "icmp ugt", "icmp ugt"),
    "ge": ("fcmp oge", "icmp sge", "icmp uge", "icmp uge"),
    "eq": ("fcmp oeq", "icmp eq", "icmp eq", "icmp eq"),
    "ne": ("fcmp une", "icmp ne", "icmp ne", "icmp ne"),
    "bitand": ("", "and", "and", "and"),
    "bitor": ("", "or", "or", "or"),
    "bitxor": ("", "xor", "xor", "xor"),
}
_CONTRACTED = {"fadd", "fsub", "fmul"}


def _column(dtype: DType) -> int:
    return 0 if dtype.is_float else 1 if dtype.is_signed else 2 if dtype.is_unsigned else 3


class LlvmScalars(Vectors):
    """Writes scalar instructions over `Value`s; operands of one lane are splat beside wider ones.

    Results are NumPy's, bit for bit, up to the signs and payloads of NaN; the mathematical
    functions are within 2 ULP. With `contract`, LLVM may fuse a product and a sum into one
    rounding; the mathematical functions are written without, as they rely on every rounding.
    """

    def __init__(self, writer: Writer, *, contract: bool = False) -> None:
        super().__init__(writer)
        self.contract = contract

    # --- scalar instructions

    def emit(self, name: str, operands: tuple[Value, ...]) -> Value:
        """The value of one instruction of the table."""
        if is_on_halves(name, operands):
            return emit_in_single(self, name, operands)  # type: ignore[no-any-return]
        if name in _SPECIAL:
            special: Value | None = _SPECIAL[name](self, *operands)
            if special is not None:
                return special
        kind = operands[0].dtype
        spelling = _SPELLINGS[name][_column(kind)] if name in _SPELLINGS else ""
        if spelling == "=":
            return operands[0]
        if spelling.startswith("@"):
            return self.intrinsic(spelling[1:], *operands)
        if name in DIVISIONS and kind.is_integer:
            return DIVISIONS[name](self, *operands)
        if spelling:
            flags = " contract" if self.contract and spelling in _CONTRACTED else ""
            return self.instruction(spelling + flags, result_dtype(name, (kind,)), *operands)
        write = formula(name)
        if write is None:
            raise AssertionError(f"{name} has no meaning for {kind}")
        exact = LlvmScalars(self.writer) if self.contract else self
        result: Value = write(exact, *operands)
        return result

    def convert(self, value: Value, dtype: DType) -> Value:
        """The value in another element type, as NumPy's `astype` on x86-64."""
        return convert(self, value, dtype)

    def bitcast(self, value: Value, dtype: DType) -> Value:
        """The same bits read as another element type of the same width."""
        return self.cast("bitcast", value, dtype)

    def mask_below(self, count: Value, lanes: int) -> Value:
        """True in the first `count` lanes; the i64 count may be negative or exceed the lanes."""
        if lanes > 1 and count.name.isdigit():
            chosen = ", ".join(f"i1 {int(lane < int(count.name))}" for lane in range(lanes))
            return Value(f"<{chosen}>", DType.BOOL, lanes)
        at_most = self.emit("min", (count, self.const(lanes, DType.I64)))
        clamped = self.emit("max", (at_most, self.const(0, DType.I64)))
        narrow = self.cast("trunc", clamped, DType.I32)
        return self.emit("lt", (self.lane_index(lanes, DType.I32), narrow))

    def mask_of_every(self, step: int, lanes: int) -> Value:
        """True in the first lane of every so many."""
        chosen = ", ".join(f"i1 {int(lane % step == 0)}" for lane in range(lanes))
        return Value(f"<{chosen}>", DType.BOOL, lanes)

    def reduce_lanes(self, name: str, value: Value) -> Value:
        """All lanes combined by an instruction, in a tree that halves a power of two of lanes."""
        while value.lanes > 1:
            half = value.lanes // 2
            if 2 * half != value.lanes:
                raise AssertionError(f"{value.lanes} lanes have no halves")
            low, high = (self.part(value, start, half) for start in (0, half))
            value = self.emit(name, (low, high))
        return value

    # --- rare cases

    def rare(self, condition: Value, usual: Value, routine: str, *operands: Value) -> Value:
        """`usual`, but where the rare condition holds what libm's `routine` gives, lane by lane."""
        w, lanes = self.writer, usual.lanes
        element = llvm_type(usual.dtype)
        w.declare(f"declare {element} @{routine}({', '.join([element] * len(operands))})")
        before, then = w.block, ""
        with w.when(self.any_lane(condition).name, "rare"):
            exact = self._call_each(routine, lanes, self.aligned(usual, *operands)[1:])
            mixed = self.emit("select", (condition, exact, usual))
            then = w.block
        kind, name = usual.type, usual.name
        merged = w.emit(f"phi {kind} [ {name}, %{before} ], [ {mixed.name}, %{then} ]")
        return Value(merged, usual.dtype, lanes)

    def _call_each(self, routine: str, lanes: int, operands: list[Value]) -> Value:
        """The scalar routine on every lane, by a loop over the stack."""
        w, kind, dtype = self.writer, operands[0].type, operands[0].dtype
        element = llvm_type(dtype)
        if lanes == 1:
            listed = ", ".join(str(operand) for operand in operands)
            return Value(w.emit(f"call {element} @{routine}({listed})"), dtype)
        places = [w.alloca(kind) for _ in operands]
        for operand, place in zip(operands, places, strict=True):
            w.line(f"store {operand}, ptr {place}")
        with w.loop(0, lanes, hint="lane") as lane:
            at = [w.emit(f"getelementptr {element}, ptr {p}, i64 {lane.index}") for p in places]
            listed = ", ".join(f"{element} {w.emit(f'load {element}, ptr {p}')}" for p in at)
            result = w.emit(f"call {element} @{routine}({listed})")
            w.line(f"store {element} {result}, ptr {at[0]}")
        return Value(w.emit(f"load {kind}, ptr {places[0]}"), dtype, lanes)


# --- instructions that LLVM does not have as such; None leaves the type to the spellings


def _negate(s: LlvmScalars, x: Value) -> Value | None:
    return None if x.dtype.is_float else s.emit("sub", (s.const(0, x.dtype), x))


def _magnitude(s: LlvmScalars, x: Value) -> Value | None:
    return s.intrinsic("abs", x, extra="i1 false") if x.dtype.is_signed else None


def _multiply_add(s: LlvmScalars, x: Value, y: Value, z: Value) -> Value | None:
    return None if x.dtype.is_float else s.emit("add", (s.emit("mul", (x, y)), z))


def _extreme(strict: str, weak: str) -> Callable[[LlvmScalars, Value, Value], Value | None]:
    def chosen(s: LlvmScalars, x: Value, y: Value) -> Value | None:
        if not x.dtype.is_float:
            return None
        if _is_known_number(y):
            return s.emit("select", (s.emit(weak, (y, x)), y, x))
        # One machine instruction; it gives y where either is NaN.
        better = s.emit("select", (s.emit(strict, (x, y)), x, y))
        if _is_known_number(x):
            return better
        return s.emit("select", (s.emit("isnan", (x,)), x, better))

    return chosen


def _is_known_number(value: Value) -> bool:
    """Whether this is the literal of a float other than NaN."""
    return value.name.startswith("0x") and int(value.name, 16) % 2**63 <= 0x7FF << 52


def _is_nan(s: LlvmScalars, x: Value) -> Value:
    if x.dtype.is_float:
        return s.instruction("fcmp uno", DType.BOOL, x, x)
    return s.splat(s.const(False, DType.BOOL), x.lanes)


def _against_infinity(comparison: str, otherwise: bool) -> Callable[[LlvmScalars, Value], Value]:
    def compared(s: LlvmScalars, x: Value) -> Value:
        if not x.dtype.is_float:
            return s.splat(s.const(otherwise, DType.BOOL), x.lanes)
        return s.emit(comparison, (s.emit("abs", (x,)), s.const(float("inf"), x.dtype)))

    return compared


def _sign_bit(s: LlvmScalars, x: Value) -> Value:
    if x.dtype.is_float:
        x = s.bitcast(x, DType.I32 if x.dtype is DType.F32 else DType.I64)
    return s.emit("lt", (x, s.const(0, x.dtype)))


def _invert(s: LlvmScalars, x: Value) -> Value:
    return s.emit("bitxor", (x, s.const(True if x.dtype.is_bool else -1, x.dtype)))


def _shift(name: str) -> Callable[[LlvmScalars, Value, Value], Value]:
    def shifted(s: LlvmScalars, x: Value, by: Value) -> Value:
        signed = name == "shr" and x.dtype.is_signed
        opcode = "shl" if name == "shl" else "ashr" if signed else "lshr"
        bits = s.const(x.dtype.bits, x.dtype)
        if by.name.isdigit() and int(by.name) < x.dtype.bits:
            return s.instruction(opcode, x.dtype, x, by)
        if signed:
            most = s.const(x.dtype.bits - 1, x.dtype)
            return s.instruction(opcode, x.dtype, x, s.intrinsic("umin", by, most))
        inside = s.instruction("icmp ult", DType.BOOL, by, bits)
        zero = s.const(0, x.dtype)
        result = s.instruction(opcode, x.dtype, x, s.emit("select", (inside, by, zero)))
        return s.emit("select", (inside, result, zero))

    return shifted


def _select(s: LlvmScalars, condition: Value, then: Value, otherwise: Value) -> Value:
    lanes = max(value.lanes for value in (condition, then, otherwise))
    wide = [s.splat(value, lanes) for value in (condition, then, otherwise)]
    name = s.writer.emit(f"select {', '.join(str(value) for value in wide)}")
    return Value(name, then.dtype, lanes)


_SPECIAL: dict[str, Callable[..., Any]] = {
    "neg": _negate,
    "abs": _magnitude,
    "fma": _multiply_add,
    "min": _extreme("lt", "le"),
    "max": _extreme("gt", "ge"),
    "isnan": _is_nan,
    "isinf": _against_infinity("eq", False),
    "isfinite": _against_infinity("lt", True),
    "signbit": _sign_bit,
    "bitnot": _invert,
    "shl": _shift("shl"),
    "shr": _shift("shr"),
    "select": _select,
}
