"""Optimisers that divide by the size of past gradients: Adagrad, Adadelta, RMSprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from ..names import remembered
from .numbers import Numbers
from .optimizer import Common, Optimizer, Rule, Schedule, made

__all__ = ["Adadelta", "Adagrad", "RMSprop"]

Slots = Mapping[str, Any]


@remembered
def Adagrad(
    learning_rate: float | Schedule = 0.001,
    initial_accumulator_value: float = 0.1,
    epsilon: float = 1e-7,
    **common: Unpack[Common],
) -> Optimizer:
    """p − rate · g / (√s + ε), where s is the sum of all squares of gradients so far.

    >>> import symfuse as sf
    >>> sorted(sf.optim.Adagrad().settings)
    ['epsilon']
    """
    rule = Rule(_adagrad, {"sum": initial_accumulator_value})
    return made("Adagrad", rule, learning_rate, {"epsilon": epsilon}, **common)


def _adagrad(n: Numbers, g: Any, p: Any, slots: Slots) -> Any:
    total = slots["sum"] + g * g
    return g / (np.sqrt(total) + n["epsilon"]), {"sum": total}


@remembered
def Adadelta(
    learning_rate: float | Schedule = 0.001,
    rho: float = 0.95,
    epsilon: float = 1e-7,
    **common: Unpack[Common],
) -> Optimizer:
    """p − rate · d with d = g · √(u + ε) / √(s + ε): s and u are running means of g² and d².

    >>> import symfuse as sf
    >>> sorted(sf.optim.Adadelta().settings)
    ['epsilon', 'rho']
    """
    rule = Rule(_adadelta, {"square": 0.0, "step": 0.0})
    return made("Adadelta", rule, learning_rate, {"rho": rho, "epsilon": epsilon}, **common)


def _adadelta(n: Numbers, g: Any, p: Any, slots: Slots) -> Any:
    square = n.mixed("rho", slots["square"], g * g)
    step = g * np.sqrt(slots["step"] + n["epsilon"]) / np.sqrt(square + n["epsilon"])
    return step, {"square": square, "step": n.mixed("rho", slots["step"], step * step)}


@remembered
def RMSprop(
    learning_rate: float | Schedule = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
    **common: Unpack[Common],
) -> Optimizer:
    """p − rate · g / (√s + ε), where s is a running mean of g²; `centered` takes off the mean's.

    With momentum, u ← momentum · u + g / (√s + ε) takes the place of the quotient.

    >>> import symfuse as sf
    >>> sorted(sf.optim.RMSprop(centered=True).rule.slots)
    ['mean', 'square']
    """
    slots, settings = {"square": 0.0}, {"rho": rho, "epsilon": epsilon}
    if centered:
        slots["mean"] = 0.0
    if momentum:
        settings["momentum"] = momentum
        slots["momentum"] = 0.0
    return made("RMSprop", Rule(_rmsprop, slots), learning_rate, settings, **common)


def _rmsprop(n: Numbers, g: Any, p: Any, slots: Slots) -> Any:
    kept = {"square": n.mixed("rho", slots["square"], g * g)}
    variance = kept["square"]
    if "mean" in slots:
        kept["mean"] = n.mixed("rho", slots["mean"], g)
        variance = variance - kept["mean"] * kept["mean"]
    step = g / (np.sqrt(variance) + n["epsilon"])
    if "momentum" in slots:
        step = kept["momentum"] = n["momentum"] * slots["momentum"] + step
    return step, kept
