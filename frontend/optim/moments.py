"""Optimisers with running means of gradients and of their squares: Adam and its relatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from ..names import remembered
from .numbers import Numbers
from .optimizer import Clipping, Common, Optimizer, Rule, Schedule, made

__all__ = ["AMSGrad", "Adam", "AdamW", "Adamax", "Lamb", "Lion", "Nadam"]

Slots = Mapping[str, Any]
Settings = Mapping[str, Any]
TWO = {"mean": 0.0, "square": 0.0}


@remembered
def Adam(
    learning_rate: float | Schedule = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    **common: Unpack[Common],
) -> Optimizer:
    """Algorithm 1 of Kingma and Ba: p − rate · m̂ / (√v̂ + ε), with bias-corrected means.

    `amsgrad` divides by the largest v so far; `weight_decay` λ adds λ · p to the gradient.

    >>> import symfuse as sf
    >>> sorted(sf.optim.Adam(amsgrad=True).rule.slots)
    ['highest', 'mean', 'square']
    """
    rule = Rule(_adam, {**TWO, **({"highest": 0.0} if amsgrad else {})}, _corrections)
    return made("Adam", rule, learning_rate, _three(beta_1, beta_2, epsilon), **common)


@remembered
def AdamW(
    learning_rate: float | Schedule = 0.001,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    **common: Unpack[Clipping],
) -> Optimizer:
    """Adam that shortens parameters by rate · weight_decay apart from the gradient.

    >>> import symfuse as sf
    >>> sf.optim.AdamW().settings["weight_decay"]
    0.004
    """
    slots = {**TWO, **({"highest": 0.0} if amsgrad else {})}
    rule = Rule(_adam, slots, _corrections, decay="decoupled")
    settings = {**_three(beta_1, beta_2, epsilon), "weight_decay": weight_decay}
    return made("AdamW", rule, learning_rate, settings, **common)


@remembered
def AMSGrad(learning_rate: float | Schedule = 0.001, **settings: Any) -> Optimizer:
    """Adam that divides by the largest running mean of squares so far.

    >>> import symfuse as sf
    >>> "highest" in sf.optim.AMSGrad().rule.slots
    True
    """
    return Adam(learning_rate, amsgrad=True, **{"name": "AMSGrad", **settings})


@remembered
def Adamax(
    learning_rate: float | Schedule = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **common: Unpack[Common],
) -> Optimizer:
    """p − rate · m̂ / u, where u is the largest of β₂ · u and |g| + ε.

    >>> import symfuse as sf
    >>> sorted(sf.optim.Adamax().rule.slots)
    ['highest', 'mean']
    """
    rule = Rule(_adamax, {"mean": 0.0, "highest": 0.0}, _corrections)
    return made("Adamax", rule, learning_rate, _three(beta_1, beta_2, epsilon), **common)


@remembered
def Nadam(
    learning_rate: float | Schedule = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **common: Unpack[Common],
) -> Optimizer:
    """Adam with Nesterov's momentum, which grows from β₁ / 2 to β₁.

    >>> import symfuse as sf
    >>> sorted(sf.optim.Nadam().settings)
    ['beta_1', 'beta_2', 'epsilon']
    """
    rule = Rule(_nadam, TWO, _growing_momentum)
    return made("Nadam", rule, learning_rate, _three(beta_1, beta_2, epsilon), **common)


@remembered
def Lion(
    learning_rate: float | Schedule = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
    **common: Unpack[Common],
) -> Optimizer:
    """p − rate · sign(β₁ · m + (1 − β₁) · g); m then moves on by β₂. The decay is that of AdamW.

    >>> import symfuse as sf
    >>> sorted(sf.optim.Lion().rule.slots)
    ['mean']
    """
    rule = Rule(_lion, {"mean": 0.0}, decay="decoupled")
    return made("Lion", rule, learning_rate, {"beta_1": beta_1, "beta_2": beta_2}, **common)


@remembered
def Lamb(
    learning_rate: float | Schedule = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **common: Unpack[Common],
) -> Optimizer:
    """Adam whose step d = m̂ / (√v̂ + ε) + λ · p is scaled by ‖p‖ / ‖d‖, for each array.

    >>> import symfuse as sf
    >>> sorted(sf.optim.Lamb().rule.slots)
    ['mean', 'square']
    """
    rule = Rule(_lamb, TWO, _corrections, decay="own")
    return made("Lamb", rule, learning_rate, _three(beta_1, beta_2, epsilon), **common)


def _three(beta_1: float, beta_2: float, epsilon: float) -> dict[str, float]:
    return {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}


def _corrections(settings: Settings, count: Any, before: Settings) -> dict[str, Any]:
    """What turns running means that began at zero into means: 1 / (1 − βᵗ), and its root."""
    count = 1.0 * count
    return {
        "mean_correction": 1.0 / (1.0 - settings["beta_1"] ** count),
        "root_correction": 1.0 / np.sqrt(1.0 - settings["beta_2"] ** count),
    }


def _growing_momentum(settings: Settings, count: Any, before: Settings) -> dict[str, Any]:
    """The shares of gradient and mean in Nesterov's step, with the momenta μᵢ of Dozat.

    The product of the momenta so far is no power of one number, so it is carried on.
    """
    count = 1.0 * count
    now, coming = _momentum(settings, count), _momentum(settings, count + 1.0)
    product = before.get("product", 1.0) * now
    return {
        "root_correction": 1.0 / np.sqrt(1.0 - settings["beta_2"] ** count),
        "product": product,
        "slope_share": (1.0 - now) / (1.0 - product),
        "mean_share": coming / (1.0 - product * coming),
    }


def _momentum(settings: Settings, count: Any) -> Any:
    return settings["beta_1"] * (1.0 - 0.5 * 0.96 ** (count * 0.004))


def _adam_means(n: Numbers, g: Any, slots: Slots) -> dict[str, Any]:
    return {
        "mean": n.mixed("beta_1", slots["mean"], g),
        "square": n.mixed("beta_2", slots["square"], g * g),
    }


def _adam(n: Numbers, g: Any, p: Any, slots: Slots) -> Any:
    kept = _adam_means(n, g, slots)
    square = kept["square"]
    if "highest" in slots:
        square = kept["highest"] = np.maximum(slots["highest"], square)
    root = np.sqrt(square) * n["root_correction"] + n["epsilon"]
    return n["mean_correction"] * kept["mean"] / root, kept


def _adamax(n: Numbers, g: Any, p: Any, slots: Slots) -> Any:
    mean = n.mixed("beta_1", slots["mean"], g)
    highest = np.maximum(n["beta_2"] * slots["highest"], np.abs(g) + n["epsilon"])
    return n["mean_correction"] * mean / highest, {"mean": mean, "highest": highest}


def _nadam(n: Numbers, g: Any, p: Any, slots: Slots) -> Any:
    kept = _adam_means(n, g, slots)
    root = np.sqrt(kept["square"]) * n["root_correction"] + n["epsilon"]
    return (n["slope_share"] * g + n["mean_share"] * kept["mean"]) / root, kept


def _lion(n: Numbers, g: Any, p: Any, slots: Slots) -> Any:
    direction = np.sign(n.mixed("beta_1", slots["mean"], g))
    return direction, {"mean": n.mixed("beta_2", slots["mean"], g)}


def _lamb(n: Numbers, g: Any, p: Any, slots: Slots) -> Any:
    step, kept = _adam(n, g, p, slots)
    if "weight_decay" in n:
        step = step + n["weight_decay"] * p
    length, stride = np.sqrt(np.sum(p * p)), np.sqrt(np.sum(step * step))
    is_usable = (length > 0) & (stride > 0)
    ratio = np.where(is_usable, length / np.where(is_usable, stride, 1.0), 1.0)
    return ratio * step, kept
