"""One optimiser of each kind, and each of its options: shared by the tests that train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symfuse import optim

EVERY: dict[str, Callable[[], Any]] = {
    "SGD": lambda: optim.SGD(0.05),
    "SGD decay": lambda: optim.SGD(0.05, weight_decay=0.1),
    "momentum": lambda: optim.SGD(0.05, momentum=0.9, weight_decay=0.01),
    "Nesterov": lambda: optim.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adagrad": lambda: optim.Adagrad(0.05, 0.2, epsilon=1e-8, weight_decay=0.01),
    "Adadelta": lambda: optim.Adadelta(0.5, epsilon=1e-6, weight_decay=0.01),
    "RMSprop": lambda: optim.RMSprop(0.01, rho=0.95, epsilon=1e-8, weight_decay=0.01),
    "RMSprop momentum": lambda: optim.RMSprop(0.01, momentum=0.8, epsilon=1e-8),
    "RMSprop centered": lambda: optim.RMSprop(0.01, momentum=0.8, epsilon=1e-8, centered=True),
    "Adam": lambda: optim.Adam(0.01, epsilon=1e-8),
    "Adam decay": lambda: optim.Adam(0.01, epsilon=1e-8, weight_decay=0.1),
    "AMSGrad": lambda: optim.AMSGrad(0.01, beta_2=0.9, epsilon=1e-8),
    "AdamW": lambda: optim.AdamW(0.01, weight_decay=0.1, epsilon=1e-8),
    "Adamax": lambda: optim.Adamax(0.01, epsilon=1e-8, weight_decay=0.1),
    "Nadam": lambda: optim.Nadam(0.01, epsilon=1e-8, weight_decay=0.1),
    "Lion": lambda: optim.Lion(0.01, weight_decay=0.1),
    "Lamb": lambda: optim.Lamb(0.01, weight_decay=0.1),
}
