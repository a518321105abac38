"""What all optimisers are: a rule for one parameter, and the state that goes with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import numpy as np
from msgspec import Struct, field

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, DTypeError, ShapeError

from ..limits import number as number_from
from ..limits import within
from ..names import Made, expect_made
from ..numpy.creation import full
from ..numpy.shared import convert, traced
from ..tracing.trace import dtype_of
from ..tracing.tree import Structure, flatten, same
from .clipping import clip_settings, clipped
from .numbers import Numbers, number

__all__ = [
    "Clipping", "Common", "Optimizer", "Rule", "Schedule", "made", "with_learning_rate",
    "with_settings",
]  # fmt: skip

Tree = Any
Array = Any
Schedule = Callable[[Any], Any]
"""The learning rate of an update, from how many updates came before it."""
Direction = Callable[[Numbers, Array, Array, Mapping[str, Array]], tuple[Array, dict[str, Array]]]
"""(numbers, gradient, parameter, slots) → what the rate is multiplied with, and new slots."""
Prepared = Callable[[Mapping[str, Any], Any, Mapping[str, Any]], dict[str, Any]]
"""(settings, number of the update from 1, numbers before) → numbers that depend on it."""


_MEAN, _SIZE = number_from(0, below=1), number_from(0)
LIMITS = within(
    learning_rate=_SIZE, beta_1=_MEAN, beta_2=_MEAN, rho=_MEAN, momentum=_SIZE, epsilon=_SIZE,
    weight_decay=_SIZE, clip=number_from(0, above=True),
)  # fmt: skip


class Clipping(TypedDict, total=False):
    """How gradients are held, at most one way of three, and what the optimiser is called."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    name: str


class Common(Clipping, total=False):
    """What optimisers have in common: `weight_decay`, one way of clipping, and a name."""

    weight_decay: float | None


class Rule(Struct, frozen=True, eq=False):
    """How one parameter moves: by −rate · direction.

    `slots` are the arrays that are kept for each parameter, by name, with what they are full of at
    first. `prepared` gives the numbers of an update; they are worked out in the update before it,
    so that the update itself waits for nothing.
    """

    direction: Direction
    slots: Mapping[str, float] = field(default_factory=dict)
    prepared: Prepared = lambda settings, count, before: {}
    decay: str = "coupled"  # or "decoupled", or "own" where the direction has it


class Optimizer(Made, frozen=True, eq=False):
    """A pure pair of functions: `init(params)` and `update(grads, state, params)`.

    The state is a dict: `step` counts updates, `learning_rate` is that of the next one, `settings`
    has the other numbers, `slots` what is kept for each parameter. All are arrays, and may be
    replaced between calls of a compiled step without compiling again.
    """

    name: str
    rule: Rule
    learning_rate: float | Schedule
    settings: Mapping[str, float]
    clipping: str = ""

    def __post_init__(self) -> None:
        expect_made("schedule", self.learning_rate)
        given = {**self.settings, "learning_rate": self.learning_rate}
        for name, limit in LIMITS.items():
            if name in given and not callable(given[name]):
                limit.expect(given[name], self.name, name)

    def init(self, params: Tree) -> dict[str, Any]:
        """The state before the first update.

        >>> import numpy as np
        >>> import symfuse as sf
        >>> state = sf.optim.Adam().init({"w": np.zeros(3)})
        >>> sorted(state), sorted(state["slots"])
        (['learning_rate', 'numbers', 'settings', 'slots', 'step'], ['mean', 'square'])
        """
        leaves, tree = flatten(params)
        settings = {name: number(value) for name, value in self.settings.items()}
        return {
            "step": np.asarray(0, np.int64),
            "learning_rate": self._rate(0, self.learning_rate),
            "settings": settings,
            "numbers": _numbers(self.rule.prepared(settings, 1, {})),
            "slots": {
                name: tree.unflatten([_filled(leaf, value) for leaf in leaves])
                for name, value in self.rule.slots.items()
            },
        }

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """The parameters after one more step, and the state.

        >>> import numpy as np
        >>> import symfuse as sf
        >>> optimizer = sf.optim.SGD(0.5)
        >>> params = {"w": np.ones(2)}
        >>> params, state = optimizer.update({"w": np.ones(2)}, optimizer.init(params), params)
        >>> params["w"].tolist(), int(state["step"])
        ([0.5, 0.5], 1)
        """
        leaves, tree = flatten(params)
        slopes = clipped(self.clipping, same(grads, tree, "grads"), state["settings"].get("clip"))
        values = {**state["settings"], **state["numbers"], "learning_rate": state["learning_rate"]}
        kept = {name: same(state["slots"][name], tree, f"slot {name}") for name in self.rule.slots}
        moved = [
            self._moved(values, slope, leaf, {name: column[at] for name, column in kept.items()})
            for at, (slope, leaf) in enumerate(zip(slopes, leaves, strict=True))
        ]
        return tree.unflatten([leaf for leaf, _ in moved]), self._next(state, tree, moved)

    def _moved(
        self, values: Mapping[str, Any], slope: Array, leaf: Array, slots: dict[str, Array]
    ) -> tuple[Array, dict[str, Array]]:
        """One parameter after the step, and its slots; halves are computed in f32."""
        dtype = _float_type(leaf)
        _expect_shape(slope, leaf)
        n = Numbers(values, dtype.computed)
        p, g = (convert(traced(x), dtype.computed) for x in (leaf, slope))
        decay = self.rule.decay if "weight_decay" in n else ""
        if decay == "coupled":
            g = g + n["weight_decay"] * p
        direction, slots = self.rule.direction(n, g, p, slots)
        if decay == "decoupled":
            p = p - n.of(values["learning_rate"] * values["weight_decay"]) * p
        return convert(p - n["learning_rate"] * direction, dtype), slots

    def _next(self, state: Tree, tree: Structure, moved: list[Any]) -> dict[str, Any]:
        step = traced(state["step"]) + 1
        return {
            "step": step,
            "learning_rate": self._rate(step, state["learning_rate"]),
            "settings": state["settings"],
            "numbers": _numbers(self.rule.prepared(state["settings"], step + 1, state["numbers"])),
            "slots": {
                name: tree.unflatten([slots[name] for _, slots in moved])
                for name in self.rule.slots
            },
        }

    def _rate(self, step: Any, constant: Any) -> Any:
        if not callable(self.learning_rate):
            return number(constant)
        return convert(traced(self.learning_rate(step)), DType.F64)


def made(
    title: str,
    rule: Rule,
    learning_rate: float | Schedule,
    settings: Mapping[str, float],
    *,
    weight_decay: float | None = None,
    clipnorm: float | None = None,
    clipvalue: float | None = None,
    global_clipnorm: float | None = None,
    name: str | None = None,
) -> Optimizer:
    """The optimiser of a rule with its own settings and those of all."""
    clipping, bound = clip_settings(clipvalue, clipnorm, global_clipnorm)
    decay = {} if weight_decay is None else {"weight_decay": weight_decay}
    return Optimizer(name or title, rule, learning_rate, {**settings, **decay, **bound}, clipping)


def with_learning_rate(state: Tree, learning_rate: Any) -> Tree:
    """The state with another learning rate; nothing is compiled again.

    A schedule goes on with its own rate in the update after the next.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> state = sf.optim.SGD(0.5).init(np.zeros(2))
    >>> float(sf.optim.with_learning_rate(state, 0.1)["learning_rate"])
    0.1
    """
    return {**state, "learning_rate": number(learning_rate)}


def with_settings(state: Tree, **settings: Any) -> Tree:
    """The state with other settings, such as `beta_1` or `weight_decay`; nothing is compiled again.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> state = sf.optim.SGD(0.5, momentum=0.9).init(np.zeros(2))
    >>> float(sf.optim.with_settings(state, momentum=0.5)["settings"]["momentum"])
    0.5
    """
    unknown = sorted(settings.keys() - state["settings"].keys())
    if unknown:
        raise ArgumentError(
            f"this optimiser has no setting {unknown[0]!r}",
            fix=f"it has {', '.join(sorted(state['settings'])) or 'none'}; what is left out when"
            " the optimiser is made is not computed",
            loc=user_location(),
        )
    values = {name: number(value) for name, value in settings.items()}
    return {**state, "settings": {**state["settings"], **values}}


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: convert(traced(value), DType.F64) for name, value in values.items()}


def _filled(leaf: Array, value: float) -> Array:
    return full(traced(leaf).shape, value, dtype=_float_type(leaf).computed.numpy)


def _expect_shape(slope: Array, leaf: Array) -> None:
    """Raise ShapeError where a gradient is not that of its parameter: it would be broadcast."""
    shapes = tuple(traced(slope).shape), tuple(traced(leaf).shape)
    pairs = zip(*shapes, strict=False)
    if len(shapes[0]) != len(shapes[1]) or any(is_equal(a, b) is False for a, b in pairs):
        raise ShapeError(
            f"a gradient of shape {shapes[0]} for a parameter of shape {shapes[1]}",
            fix="pass the gradients of these parameters",
            loc=user_location(),
        )


def _float_type(leaf: Array) -> DType:
    dtype = dtype_of(traced(leaf))
    if not dtype.is_float:
        raise DTypeError(
            f"a parameter of {dtype} cannot follow a gradient",
            fix="keep it apart from the parameters, or freeze it: sf.optim.freeze",
            loc=user_location(),
        )
    return dtype
