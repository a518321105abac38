"""A compiled program as a value: its code, its signature, and what explains it.

Annotations are types, not their texts: files are checked against them, in every start.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .buffers import empty
from .dtypes import DType
from .host.image import Image

if TYPE_CHECKING:
    from .cuda.code import DeviceCode

__all__ = ["Argument", "Launch", "Program", "Result", "Spec"]

_NUMBERS = 1 << 63  # sizes are 64-bit numbers with a sign


class Spec(NamedTuple):
    """Element type and dimensions of an array; a symbolic dimension is its printed formula."""

    dtype: DType
    dims: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.dims))}]"

    @property
    def rank(self) -> int:
        return len(self.dims)

    @property
    def is_static(self) -> bool:
        """Whether all sizes are numbers."""
        return all(isinstance(dim, int) for dim in self.dims)


class Argument(NamedTuple):
    """An input of a program.

    The caller of a program gives a donated argument up: its memory becomes that of a result.
    A hidden one is no argument of the caller's; its value is one of `Program.hidden`.
    """

    name: str
    dtype: DType
    dims: tuple[int | str, ...]
    donated: bool = False
    hidden: bool = False

    @property
    def spec(self) -> Spec:
        return Spec(self.dtype, self.dims)


class Result(NamedTuple):
    """An output of a program; `alias_of` is the index of the donated input whose memory it has."""

    name: str
    dtype: DType
    dims: tuple[int | str, ...]
    alias_of: int | None = None

    @property
    def spec(self) -> Spec:
        return Spec(self.dtype, self.dims)


class Launch(NamedTuple):
    """One kernel of the program, for explanations: what it is, and the user's lines it computes."""

    name: str
    kind: str
    sentence: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Machine code with its signature, memory, guards and explanation; nothing in it changes.

    The code gets pointers in the order of inputs, outputs, constants. `hidden` are the values of
    the hidden inputs, `constants` those of arrays that only the code knows. `arena` is the bytes
    of scratch memory, or their formula; `peak` is what a call takes in all, the arena and results
    in memory of their own (None in files of earlier versions, which do not say). `work` is bytes of
    traffic beyond reading the inputs.
    A program for a device has `device`, and an `image` only to settle sizes that are left open.
    """

    target: str
    image: Image | None
    inputs: tuple[Argument, ...]
    outputs: tuple[Result, ...]
    symbols: tuple[str, ...] = ()
    hidden: tuple[np.ndarray[Any, Any], ...] = ()
    constants: tuple[np.ndarray[Any, Any], ...] = ()
    arena: int | str = 0
    peak: int | str | None = None
    guards: tuple[str, ...] = ()
    launches: tuple[Launch, ...] = ()
    features: tuple[str, ...] = ()
    work: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)
    device: "DeviceCode | None" = None

    def __post_init__(self) -> None:
        """Keep the arrays as own read-only copies wherever someone else could write to them."""
        for name in ("hidden", "constants"):
            object.__setattr__(self, name, tuple(map(_frozen, getattr(self, name))))
        self._check()

    def __reduce__(self) -> tuple[Any, ...]:
        """Make it anew in the other process, whose arrays are read-only as well."""
        return type(self), tuple(getattr(self, each.name) for each in fields(self))

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The inputs that the caller passes."""
        return tuple(argument for argument in self.inputs if not argument.hidden)

    @property
    def is_static(self) -> bool:
        """Whether no size is left open."""
        return not self.symbols

    @property
    def signature(self) -> str:
        """`(x: f32[N,4], …) -> f32[N]`, as messages show it."""
        taken = ", ".join(f"{argument.name}: {argument.spec}" for argument in self.arguments)
        given = ", ".join(str(result.spec) for result in self.outputs)
        return f"({taken}) -> {given if len(self.outputs) == 1 else f'({given})'}"

    @property
    def code(self) -> Image:
        """The code for the processor of this machine."""
        if self.image is None:
            raise ValueError("this program has no code for the processor")
        return self.image

    def match(self, dim: int | str) -> int | None:
        """How the call checks an input's size: a size, -1 - k for symbol k, None for `prepare`."""
        if isinstance(dim, int):
            return dim
        return -1 - self.symbols.index(dim) if dim in self.symbols else None

    def argument_of(self, alias: int) -> int:
        """The number of the caller's argument that is the input `alias`."""
        return sum(not argument.hidden for argument in self.inputs[:alias])

    def _check(self) -> None:
        for problem in self._problems():
            raise ValueError(f"no program has {problem}")

    def _problems(self) -> Iterator[str]:
        hidden = [argument for argument in self.inputs if argument.hidden]
        if len(hidden) != len(self.hidden):
            yield f"{len(self.hidden)} values for {len(hidden)} hidden inputs"
        for argument, value in zip(hidden, self.hidden, strict=False):
            if (argument.dims, argument.dtype.numpy) != (value.shape, value.dtype):
                yield f"{value.dtype}{value.shape} as the hidden input {argument.spec}"
            if argument.donated:
                yield f"a hidden input that is donated ({argument.name})"
        yield from self._alias_problems()
        specs = [x.spec for x in self.inputs] + [x.spec for x in self.outputs]
        numbers = (*(dim for spec in specs for dim in spec.dims), self.arena, self.peak, self.work)
        for number in numbers:
            if isinstance(number, int) and not 0 <= number < _NUMBERS:
                yield f"a size of {number}"
        if self.is_static and not all(spec.is_static for spec in specs):
            yield "symbolic sizes but no symbols"
        if self.image is None and (self.device is None or not self.is_static):
            yield "no code to settle its sizes" if self.device else "no code"
        if self.device is not None:
            buffers = len(self.inputs) + len(self.outputs) + len(self.constants)
            yield from self.device.problems(buffers, self.symbols)

    def _alias_problems(self) -> Iterator[str]:
        aliases = [(r, r.alias_of) for r in self.outputs if r.alias_of is not None]
        if len({alias for _, alias in aliases}) != len(aliases):
            yield "two results in the memory of one input"
        for result, alias in aliases:
            if not 0 <= alias < len(self.inputs):
                yield f"a result in the memory of input {alias} of {len(self.inputs)}"
                continue
            source = self.inputs[alias]
            if not source.donated or source.spec != result.spec:
                yield f"a result {result.spec} in the memory of {source.name}: {source.spec}"


def _frozen(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array itself if nobody can write to it, else a contiguous, aligned, read-only copy."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned and not flags.writeable and _is_root(array):
        return array
    kept = empty(array.shape, array.dtype)
    kept[...] = array
    for owner in (kept, kept.base):
        if isinstance(owner, np.ndarray):
            owner.flags.writeable = False
    return kept


def _is_root(array: np.ndarray[Any, Any]) -> bool:
    """Whether no writable array lies behind this one."""
    base = array.base
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return base is None
