"""Device code as a value: modules, the launches in their order, and where their operands lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Count", "DeviceCode", "KernelLaunch", "Place", "Prepared", "ProductLaunch"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A number that `prepare` works out: entry `index` of those behind the bytes of the arena."""

    index: int

    def __str__(self) -> str:
        return f"prepared[{self.index}]"


Count = int | Prepared


@dataclass(frozen=True, slots=True)
class Place:
    """Entry `number` of inputs, outputs and constants, or `offset` bytes into the arena."""

    number: int | None
    offset: Count = 0

    @property
    def is_scratch(self) -> bool:
        """Whether it lies in the arena."""
        return self.number is None

    def __str__(self) -> str:
        return f"arena+{self.offset}" if self.number is None else f"buffer {self.number}"


@dataclass(frozen=True, slots=True)
class KernelLaunch:
    """One kernel of a module with its grid and operands.

    The kernel takes the pointers in order, then a 64-bit whole number for every entry of `sizes`,
    each the index of a symbol of the program. `shared` is dynamic shared memory in bytes.
    """

    entry: str
    module: int
    blocks: Count
    threads: int
    shared: int
    pointers: tuple[Place, ...]
    sizes: tuple[int, ...] = ()

    @property
    def counts(self) -> Iterator[Count]:
        """Every number that may depend on sizes."""
        yield self.blocks
        yield from (place.offset for place in self.pointers)


@dataclass(frozen=True, slots=True)
class ProductLaunch:
    """One product of matrices by the vendor's library, and what it does to each result at once.

    result = epilogue(scale · left · right + share · added + bias), `batch` times. `left` is
    rows × inner, `right` inner × columns, `added` rows × columns, all row-major but for those that
    are `transposed`; `leading` is how many elements apart the rows of these three lie in memory,
    `strides` their batches. `offsets` are the bytes behind their places at which left, right, added
    and bias begin. The result has no gaps. `pointers` are left, right, result, workspace, then
    added, bias and the auxiliary matrix of the epilogue, as far as there are any.
    """

    entry: str
    rows: Count
    columns: Count
    inner: Count
    batch: Count
    dtype: str
    compute: str
    transposed: tuple[bool, bool]
    leading: tuple[Count, Count, Count]
    strides: tuple[Count, Count, Count]
    offsets: tuple[Count, Count, Count, Count]
    epilogue: str
    scale: float
    share: float
    workspace: int
    pointers: tuple[Place, ...]

    @property
    def counts(self) -> Iterator[Count]:
        """Every number that may depend on sizes."""
        yield from (self.rows, self.columns, self.inner, self.batch)
        yield from (*self.leading, *self.strides, *self.offsets)
        yield from (place.offset for place in self.pointers)


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a device runs for one call: `launches` over `modules`, compiled for `arch`.

    `prepared` is how many numbers `prepare` writes behind the bytes of the arena.
    """

    modules: tuple[bytes, ...]
    launches: tuple[KernelLaunch | ProductLaunch, ...]
    arch: str
    prepared: int = 0

    def __post_init__(self) -> None:
        for launch in self.launches:
            if isinstance(launch, KernelLaunch) and not 0 <= launch.module < len(self.modules):
                raise ValueError(f"{launch.entry} is in no module")
            for count in launch.counts:
                if isinstance(count, Prepared) and not 0 <= count.index < self.prepared:
                    raise ValueError(f"{launch.entry} needs {count} of {self.prepared} numbers")

    def problems(self, buffers: int, symbols: Sequence[str]) -> Iterator[str]:
        """What does not fit a program of so many buffers with these symbols."""
        if self.prepared and not symbols:
            yield f"{self.prepared} numbers to prepare and no symbols"
        for launch in self.launches:
            numbers = [place.number for place in launch.pointers if place.number is not None]
            if not all(0 <= number < buffers for number in numbers):
                yield f"a launch ({launch.entry}) of buffers beyond its {buffers}"
            if isinstance(launch, KernelLaunch) and not all(
                0 <= size < len(symbols) for size in launch.sizes
            ):
                yield f"a launch ({launch.entry}) of sizes beyond {list(symbols)}"
