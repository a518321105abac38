"""What an initialiser is: a name and a function of a key, a shape and an element type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symfuse.runtime.dtypes import DType

from ..names import Made
from ..numpy.shared import convert, element_type
from ..random.arguments import plain_shape

__all__ = ["Initializer", "fans"]

Make = Callable[[Any, tuple[Any, ...], DType], Any]


class Initializer(Made, frozen=True, eq=False):
    """`initializer(key, shape, dtype="float32")`: the first values of one parameter.

    >>> import symfuse as sf
    >>> sf.initializers.Zeros()(sf.random.key(0), (2,)).tolist()
    [0.0, 0.0]
    """

    name: str
    make: Make

    def __call__(self, key: Any, shape: Any, dtype: Any = "float32") -> Any:
        """An array of the shape; halves are drawn in f32 and rounded."""
        wanted = element_type(dtype)
        return convert(self.make(key, plain_shape(shape), wanted.computed), wanted)


def fans(shape: tuple[Any, ...]) -> tuple[Any, Any]:
    """How many inputs and outputs a unit has: of kernels, axes before the last two are places."""
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    places: Any = 1
    for size in shape[:-2]:
        places = places * size
    return shape[-2] * places, shape[-1] * places
