"""Index expressions → LLVM integers, each part computed at the outermost loop that knows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from symfuse.runtime.dtypes import DType

from ...ir.dims import Dim, Symbol, coefficient, fold, substitute, symbols
from .scalars import LlvmScalars
from .writer import Value, Writer

__all__ = ["Indices"]


class Indices:
    """Where the loops stand, and the integers computed from that, scope by scope.

    A scope is the body of a loop: what is computed in it is forgotten when the loop closes.
    Inside unrolled loops a symbol stands at `base + displacement`, the displacement a number.
    """

    def __init__(self, writer: Writer, scalars: LlvmScalars) -> None:
        self.writer, self.scalars = writer, scalars
        self.memo: list[dict[object, Value]] = [{}]
        self.base: dict[Symbol, str] = {}
        self.level: dict[Symbol, int] = {}

    # scopes

    def open(self) -> None:
        self.memo.append({})

    def close(self) -> None:
        """Forget what was computed, and the symbols that were bound, since `open`."""
        depth = len(self.memo)
        self.memo.pop()
        for symbol in [s for s, level in self.level.items() if level >= depth]:
            del self.level[symbol], self.base[symbol]

    def bind(self, symbol: Symbol, name: str) -> None:
        """Let a loop symbol stand for an i64 from here to the end of the scope."""
        self.base[symbol] = name
        self.level[symbol] = len(self.memo)

    def find(self, key: object) -> Value | None:
        """What was computed under this key in a scope that is still open."""
        for scope in reversed(self.memo):
            if key in scope:
                return scope[key]
        return None

    def keep(self, key: object, value: Value) -> Value:
        self.memo[-1][key] = value
        return value

    def known(self, axes: Iterable[Symbol]) -> bool:
        """Whether all these symbols are bound."""
        return all(axis in self.base for axis in axes)

    # integers

    def at_base(self, dim: Dim) -> str:
        """The i64 value of an expression where every symbol stands at its base."""
        if isinstance(dim, int):
            return str(dim)
        return self._sum(dim, max((self.level[s] for s in symbols(dim)), default=1)).name

    def prepare(self, dims: Iterable[Dim]) -> None:
        """Compute here the parts of expressions that depend on no loop further inside."""
        depth = len(self.memo)
        for dim in dims:
            outer = {s: 0 for s in symbols(dim) if self.level.get(s, depth + 1) > depth}
            if not outer:
                self.at_base(dim)
            elif all(coefficient(dim, s) is not None for s in outer):
                self.at_base(substitute(dim, outer))

    def scalar(self, dim: Dim) -> Value:
        return Value(self.at_base(dim), DType.I64)

    def _sum(self, dim: Dim, depth: int) -> Value:
        """Outer parts first, so that they are shared by all turns of the inner loops."""
        found = self.find(("dim", dim))
        if found is not None:
            return found
        inner = {s: 0 for s in symbols(dim) if self.level[s] == depth}
        affine = all(coefficient(dim, s) is not None for s in inner)
        if depth > 1 and inner and affine:
            rest = substitute(dim, inner)
            outer = self.at_base(rest)
            value = self._plus(Value(outer, DType.I64), self._evaluate(dim - rest))
        else:
            value = self._evaluate(dim)
        return self.keep(("dim", dim), value)

    def _plus(self, left: Value, right: Value) -> Value:
        return right if left.name == "0" else self.scalars.emit("add", (left, right))

    def evaluate(self, dim: Dim, places: Mapping[Symbol, Value]) -> Value:
        """An expression with its symbols at the given places, which may be vectors."""
        s = self.scalars
        value: Value = fold(
            dim,
            constant=lambda number: s.const(number, DType.I64),
            symbol=places.__getitem__,
            add=s.add,
            mul=s.mul,
            floordiv=self._floordiv,
            mod=self._mod,
            max=s.max,
            min=s.min,
        )
        return value

    def _evaluate(self, dim: Dim) -> Value:
        return self.evaluate(dim, {s: Value(self.base[s], DType.I64) for s in symbols(dim)})

    def _floordiv(self, left: Value, right: Value) -> Value:
        """Sizes and indices are not negative, so that plain division is floor division."""
        return self._instruction("udiv", left, right)

    def _mod(self, left: Value, right: Value) -> Value:
        return self._instruction("urem", left, right)

    def _instruction(self, name: str, left: Value, right: Value) -> Value:
        lanes = max(left.lanes, right.lanes)
        a, b = self.scalars.splat(left, lanes), self.scalars.splat(right, lanes)
        return Value(self.writer.once(f"{name} {a.type} {a.name}, {b.name}"), DType.I64, lanes)
