"""The code that a jit-ed function has: for which calls it is, and why it was compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from symfuse.compiler.ir.dims import dim
from symfuse.compiler.ir.types import TensorType
from symfuse.runtime.errors import SymfuseError

from ..tracing.record import Recorded
from ..tracing.specs import Described
from ..tracing.tree import Structure
from .backend import Loaded
from .signature import Kind, Shapes, is_array

__all__ = ["CacheInfo", "Compilation", "Family", "Variant", "described", "first_line"]

MOST_SIZES = 64  # that a function keeps code for where every size needs its own


class CacheInfo(Struct, frozen=True):
    """How often a jit-ed function was compiled, for how many kinds of call, in how much time."""

    compiles: int
    kinds: int
    seconds: float


class Compilation(Struct, frozen=True):
    """One compilation: for which types, why, and what it cost."""

    signature: str
    reason: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.signature}: {self.reason} ({1e3 * self.seconds:.1f} ms)"


class Family(Struct):
    """The code for all calls of one kind, and the sizes that they had."""

    seen: list[Shapes] = field(default_factory=list)
    variant: Variant | None = None
    rigid: str = ""  # why its sizes cannot be symbolic
    by_shapes: dict[Shapes, Variant] = field(default_factory=dict)  # of a rigid family

    def find(self, shapes: Shapes) -> Variant | None:
        """The code for these sizes, if there is some."""
        if self.rigid:
            return self.by_shapes.get(shapes)
        return self.variant if self.variant and self.variant.takes(shapes) else None

    def add(self, shapes: Shapes, variant: Variant) -> None:
        """Keep new code; of the oldest sizes of a rigid family it is dropped."""
        self.seen.append(shapes)
        self.variant = variant
        if self.rigid and len(self.by_shapes) >= MOST_SIZES:
            del self.by_shapes[next(iter(self.by_shapes))]
        self.by_shapes[shapes] = variant


class Variant(Struct):
    """Code for some sizes: `open` are the (leaf, axis) whose size may be any."""

    loaded: Loaded
    recorded: Recorded
    first: Shapes
    open: Mapping[tuple[int, int], str]
    is_plain: bool = False  # arrays and floats in order go in, arrays come out
    numbers: tuple[int, ...] = ()  # the leaves that are Python floats
    direct: Callable[..., Any] | None = None  # native code that knows what to do otherwise

    def takes(self, shapes: Shapes) -> bool:
        """Whether the sizes agree with what was compiled."""
        bound: dict[str, int] = {}
        for leaf, shape in enumerate(shapes):
            for axis, size in enumerate(shape):
                name = self.open.get((leaf, axis))
                expected = self.first[leaf][axis] if name is None else bound.setdefault(name, size)
                if size != expected:
                    return False
        return True

    def run(self, leaves: Sequence[Any]) -> Any:
        result = self.loaded.entry(*leaves)
        tree = self.recorded.out_tree
        return result if tree.is_leaf else tree.unflatten(result if tree.count != 1 else (result,))


def described(
    kind: Kind, leaf: int, shape: tuple[int, ...], names: Mapping[tuple[int, int], str]
) -> Described:
    """The type of a leaf, with the named dimensions symbolic."""
    sizes = (
        dim(names[leaf, axis]) if (leaf, axis) in names else size for axis, size in enumerate(shape)
    )
    return Described(TensorType(tuple(sizes), kind.dtypes[leaf]), kind.weak[leaf])


def first_line(error: Exception) -> str:
    """What an error says of a size that is a symbol, with the place of the user's line."""
    if isinstance(error, SymfuseError):
        return f"{error.what} at {error.loc}" if error.loc else error.what
    return str(error)


def is_plain(tree: Structure, leaves: Sequence[Any], out_tree: Structure) -> bool:
    """Whether arrays and floats come by position, and an array or a tuple of several goes out."""
    positional, keyword = tree.children()
    if keyword.count or not positional.is_flat_tuple or not leaves:
        return False
    is_flat = out_tree.is_leaf or (out_tree.is_flat_tuple and out_tree.count > 1)
    return is_flat and all(is_array(leaf) or type(leaf) is float for leaf in leaves)
