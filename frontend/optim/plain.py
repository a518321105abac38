"""Gradient descent, with momentum or without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from ..names import remembered
from .numbers import Numbers
from .optimizer import Common, Optimizer, Rule, Schedule, made

__all__ = ["SGD"]

Slots = Mapping[str, Any]


@remembered
def SGD(
    learning_rate: float | Schedule = 0.01,
    momentum: float = 0.0,
    nesterov: bool = False,
    **common: Unpack[Common],
) -> Optimizer:
    """Gradient descent: p − rate · g, or with momentum u ← momentum · u + g and p − rate · u.

    Nesterov's form goes on by g + momentum · u. `weight_decay` λ adds λ · p to the gradient.

    >>> import symfuse as sf
    >>> sf.optim.SGD(0.1, momentum=0.9).name
    'SGD'
    """
    if nesterov and not momentum:
        raise ArgumentError(
            "nesterov=True needs a momentum", fix="give momentum=0.9", loc=user_location()
        )
    if not momentum:
        return made("SGD", Rule(_straight), learning_rate, {}, **common)
    rule = Rule(_ahead if nesterov else _rolling, {"momentum": 0.0})
    return made("SGD", rule, learning_rate, {"momentum": momentum}, **common)


def _straight(n: Numbers, g: Any, p: Any, slots: Slots) -> Any:
    return g, {}


def _rolling(n: Numbers, g: Any, p: Any, slots: Slots) -> Any:
    speed = n["momentum"] * slots["momentum"] + g
    return speed, {"momentum": speed}


def _ahead(n: Numbers, g: Any, p: Any, slots: Slots) -> Any:
    speed = n["momentum"] * slots["momentum"] + g
    return g + n["momentum"] * speed, {"momentum": speed}
