"""Device code as a value: modules, the launches in their order, and where their operands lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .places import ALIGNED, Count, Extent, Place, Prepared
from .steps import Carried, Choice, Repeat, Step, Steps, While, bodies, regions

__all__ = [
    "Count",
    "DeviceCode",
    "DnnLaunch",
    "DnnOperation",
    "Extent",
    "KernelLaunch",
    "LibraryLaunch",
    "Place",
    "Prepared",
    "ProductLaunch",
    "Tensor",
]


@dataclass(frozen=True, slots=True)
class KernelLaunch:
    """One kernel of a module with its grid and operands.

    The kernel takes the pointers in order, then a 64-bit whole number for every entry of `sizes`,
    each the index of a symbol of the program. `shared` is dynamic shared memory in bytes. `others`
    compute the same bits in other forms, of which the device may take the fastest.
    """

    entry: str
    module: int
    blocks: Count
    threads: int
    shared: int
    pointers: tuple[Place, ...]
    sizes: tuple[int, ...] = ()
    others: tuple[KernelLaunch, ...] = ()

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
    added, bias and the auxiliary matrix of the epilogue, as far as there are any. `alignment` are
    the bytes to which the places of left, right, added, and of result and bias are aligned.
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
    alignment: tuple[int, int, int, int] = (ALIGNED,) * 4

    @property
    def counts(self) -> Iterator[Count]:
        """Every number that may depend on sizes."""
        yield from (self.rows, self.columns, self.inner, self.batch)
        yield from (*self.leading, *self.strides, *self.offsets)
        yield from (place.offset for place in self.pointers)


@dataclass(frozen=True, slots=True)
class Tensor:
    """What an operation of cuDNN reads or writes.

    Element (i, j, …) lies i·strides[0] + j·strides[1] + … elements behind `offset` bytes of the
    launch's pointer number `pointer`. Without a pointer it is a `value` that the host knows, or,
    without that too, on its way from one operation to the next.
    """

    dtype: str
    extents: tuple[Count, ...]
    strides: tuple[Count, ...]
    pointer: int | None = None
    offset: Count = 0
    alignment: int = ALIGNED
    value: float | None = None

    @property
    def counts(self) -> Iterator[Count]:
        """Every number that may depend on sizes."""
        yield from (*self.extents, *self.strides, self.offset)


@dataclass(frozen=True, slots=True)
class DnnOperation:
    """An operation of cuDNN by its name in `cudnn_graphs.KINDS`, which tells the order of its
    tensors (their numbers) and settings."""

    name: str
    tensors: tuple[int, ...]
    settings: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class DnnLaunch:
    """Operations that cuDNN computes at once, or the kernels that do `otherwise`.

    `compute` is how exact that has to be: "f32", "f64", "tf32" or "half"; only with `fast` numerics
    may sums be formed in other ways, as by Winograd's. Pointer number `scratch` is that of the
    workspace; all that kernels need is among `pointers`, too. `nbytes` lie behind each of them.
    """

    entry: str
    tensors: tuple[Tensor, ...]
    operations: tuple[DnnOperation, ...]
    compute: str
    fast: bool
    workspace: int
    scratch: int
    pointers: tuple[Place, ...]
    nbytes: tuple[Count, ...]
    otherwise: tuple[KernelLaunch, ...] = ()

    @property
    def counts(self) -> Iterator[Count]:
        """Every number that may depend on sizes."""
        for tensor in self.tensors:
            yield from tensor.counts
        yield from (place.offset for place in self.pointers)
        yield from self.nbytes
        for kernel in self.otherwise:
            yield from kernel.counts

    def settled(self, prepared: Sequence[int]) -> DnnLaunch:
        """The same, with the numbers that were prepared in the tensors."""

        def number(count: Count) -> int:
            return count if isinstance(count, int) else prepared[count.index]

        tensors = tuple(
            replace(
                tensor,
                extents=tuple(map(number, tensor.extents)),
                strides=tuple(map(number, tensor.strides)),
                offset=number(tensor.offset),
            )
            for tensor in self.tensors
        )
        return replace(self, tensors=tensors)


LibraryLaunch = ProductLaunch | DnnLaunch


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a device runs for one call: `launches` over `modules`, compiled for `arch`.

    `prepared` is how many numbers `prepare` writes behind the bytes of the arena. `steps` is the
    order of the launches, in which loops set so many `slots`; without, each runs once. `extents`
    are for each launch those of its pointers, or none where they are not known.
    """

    modules: tuple[bytes, ...]
    launches: tuple[KernelLaunch | LibraryLaunch, ...]
    arch: str
    prepared: int = 0
    steps: Steps = ()
    slots: int = 0
    extents: tuple[tuple[Extent, ...], ...] = ()

    def __post_init__(self) -> None:
        for kernel in self.kernels:
            if not 0 <= kernel.module < len(self.modules):
                raise ValueError(f"{kernel.entry} is in no module")
        for launch in self.launches:
            self._check(launch.entry, launch.counts)
        for step in regions(self.steps):
            self._check("a loop", _counts(step))
        for extents in self.extents:
            self._check("a pointer", (extent.nbytes for extent in extents))

    @property
    def kernels(self) -> Iterator[KernelLaunch]:
        """All kernels, with those that stand in for libraries."""
        for launch in self.launches:
            if isinstance(launch, KernelLaunch):
                yield from (launch, *launch.others)
            elif isinstance(launch, DnnLaunch):
                yield from launch.otherwise

    @property
    def order(self) -> Steps:
        """The steps of a call."""
        return self.steps or tuple(range(len(self.launches)))

    def problems(self, buffers: int, symbols: Sequence[str]) -> Iterator[str]:
        """What does not fit a program of so many buffers with these symbols."""
        if self.prepared and not symbols:
            yield f"{self.prepared} numbers to prepare and no symbols"
        buffers += self.slots
        for launch in self.launches:
            if not _all_below(buffers, (place.number for place in launch.pointers)):
                yield f"a launch ({launch.entry}) of buffers beyond its {buffers}"
        for kernel in self.kernels:
            if not _all_below(len(symbols), kernel.sizes):
                yield f"a launch ({kernel.entry}) of sizes beyond {list(symbols)}"
        pairs = zip(self.launches, self.extents, strict=False)
        fits = all(len(extents) in (0, len(launch.pointers)) for launch, extents in pairs)
        if not fits or len(self.extents) not in (0, len(self.launches)):
            yield "extents of other pointers than those of its launches"
        if not _all_below(len(self.launches), _launched(self.steps)):
            yield f"steps of launches beyond its {len(self.launches)}"
        for step in regions(self.steps):
            if not _all_below(buffers, _numbers(step)):
                yield f"a loop over buffers beyond its {buffers}"

    def _check(self, what: str, counts: Iterable[Count]) -> None:
        for count in counts:
            if isinstance(count, Prepared) and not 0 <= count.index < self.prepared:
                raise ValueError(f"{what} needs {count} of {self.prepared} numbers")


def _all_below(end: int, numbers: Iterable[int | None]) -> bool:
    return all(0 <= number < end for number in numbers if number is not None)


def _launched(steps: Steps) -> Iterator[int]:
    every = (steps, *(inner for step in regions(steps) for inner in bodies(step)))
    return (step for some in every for step in some if isinstance(step, int))


def _counts(step: Step) -> Iterator[Count]:
    """Every number of a loop that may depend on sizes."""
    yield from (place.offset for place in _places(step))
    if isinstance(step, Repeat):
        yield step.length
        yield from (row.nbytes for row in step.rows)
    yield from (carry.nbytes for carry in _carries(step))


def _numbers(step: Step) -> Iterator[int | None]:
    """The buffers and slots of a loop or choice."""
    yield from (place.number for place in _places(step))
    if isinstance(step, Repeat):
        yield from (row.slot for row in step.rows)
    yield from (slot for carry in _carries(step) for slot in (carry.read, carry.write))


def _places(step: Step) -> Iterator[Place]:
    if isinstance(step, Choice):
        yield step.index
    elif isinstance(step, Repeat):
        yield from (row.whole for row in step.rows)
        yield from _present((step.counter,))
    elif isinstance(step, While):
        yield step.test
    for carry in _carries(step):
        yield from _present((carry.start, carry.last, carry.spare))


def _carries(step: Step) -> tuple[Carried, ...]:
    return step.carries if isinstance(step, Repeat | While) else ()


def _present(places: Iterable[Place | None]) -> Iterator[Place]:
    return (place for place in places if place is not None)
